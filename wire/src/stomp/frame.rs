//! The untyped frame: a command, headers in order, a body.

use std::fmt;

use bytes::Bytes;

use super::encode::FrameWriter;
use super::version::Version;

/// Every command of STOMP 1.0 to 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// Client: opens the session.
    Connect,
    /// Client: opens the session, since 1.1.
    Stomp,
    /// Client: a message to a destination.
    Send,
    /// Client: listen to a destination.
    Subscribe,
    /// Client: stop listening.
    Unsubscribe,
    /// Client: acknowledges a message.
    Ack,
    /// Client: rejects a message.
    Nack,
    /// Client: begins a transaction.
    Begin,
    /// Client: commits a transaction.
    Commit,
    /// Client: aborts a transaction.
    Abort,
    /// Client: ends the session.
    Disconnect,
    /// Server: the session is open.
    Connected,
    /// Server: a message from a subscription.
    Message,
    /// Server: a frame has taken effect.
    Receipt,
    /// Server: something is wrong; the connection closes.
    Error,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::Stomp,
        Self::Send,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Ack,
        Self::Nack,
        Self::Begin,
        Self::Commit,
        Self::Abort,
        Self::Disconnect,
        Self::Connected,
        Self::Message,
        Self::Receipt,
        Self::Error,
    ];

    /// The command as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Stomp => "STOMP",
            Self::Send => "SEND",
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Ack => "ACK",
            Self::Nack => "NACK",
            Self::Begin => "BEGIN",
            Self::Commit => "COMMIT",
            Self::Abort => "ABORT",
            Self::Disconnect => "DISCONNECT",
            Self::Connected => "CONNECTED",
            Self::Message => "MESSAGE",
            Self::Receipt => "RECEIPT",
            Self::Error => "ERROR",
        }
    }

    /// Reads a command; the case matters.
    pub fn parse(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str().as_bytes() == text)
    }

    /// Whether the frame may have a body (STOMP 1.2, "Body").
    pub fn may_have_body(self) -> bool {
        matches!(self, Self::Send | Self::Message | Self::Error)
    }

    /// Whether header values of this frame are escaped in `version` (never in CONNECT, CONNECTED and STOMP 1.0).
    pub fn escapes(self, version: Version) -> bool {
        version > Version::V1_0 && !matches!(self, Self::Connect | Self::Stomp | Self::Connected)
    }
}

/// Headers in the order they came. Of repeated names the first one counts (STOMP 1.2, "Repeated Header Entries").
///
/// All text lies in one string, so a frame's headers cost two allocations however many there are.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers {
    text: String,
    /// Where each name starts, where it ends and its value starts, where the value ends.
    entries: Vec<(u32, u32, u32)>,
}

impl Headers {
    /// No headers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Room for `text` bytes of names and values.
    pub(super) fn with_capacity(text: usize) -> Self {
        Self { text: String::with_capacity(text), entries: Vec::with_capacity(8) }
    }

    /// Adds a header at the end.
    pub fn push(&mut self, name: &str, value: &str) {
        let start = self.position();
        self.text.push_str(name);
        let middle = self.position();
        self.text.push_str(value);
        self.entries.push((start, middle, self.position()));
    }

    /// The same headers and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.push(name, value);
        self
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|&(start, middle, end)| {
            (&self.text[start as usize..middle as usize], &self.text[middle as usize..end as usize])
        })
    }

    /// How many headers there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a header whose name and value are produced by `write`; on an error nothing is added.
    pub(super) fn push_with<E>(
        &mut self,
        write_name: impl FnOnce(&mut String) -> Result<(), E>,
        write_value: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.position();
        write_name(&mut self.text)?;
        let middle = self.position();
        write_value(&mut self.text)?;
        self.entries.push((start, middle, self.position()));
        Ok(())
    }

    /// The end of the text; frames are far below 4 GiB, and a longer text would only shorten what is read back.
    fn position(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in pairs {
            headers.push(name, value);
        }
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| {
                let secret = matches!(name, "passcode" | "resume" | "authorization" | "Authorization");
                (name, if secret { "***" } else { value })
            }))
            .finish()
    }
}

/// One frame: untyped, as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The command.
    pub command: Command,
    /// The headers, unescaped.
    pub headers: Headers,
    /// The body; empty where there is none.
    pub body: Bytes,
}

impl Frame {
    /// A frame without headers and body.
    pub fn new(command: Command) -> Self {
        Self { command, headers: Headers::new(), body: Bytes::new() }
    }

    /// The same frame with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The same frame with a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Appends the frame to `out`; `content-length` is added where there is a body and none was given.
    pub fn encode_to(&self, version: Version, out: &mut Vec<u8>) {
        let mut writer = FrameWriter::new(out, self.command, version);
        for (name, value) in self.headers.iter() {
            writer.header(name, value);
        }
        if self.headers.get("content-length").is_some() {
            writer.finish_raw(&self.body);
        } else if self.body.is_empty() {
            writer.finish();
        } else {
            writer.finish_with_body(&self.body);
        }
    }

    /// The bytes of the frame.
    pub fn encode(&self, version: Version) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.headers.text.len() + self.body.len());
        self.encode_to(version, &mut out);
        out
    }
}
