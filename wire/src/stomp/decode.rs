//! From bytes to frames, incrementally and within limits.
//!
//! The decoder keeps what it has already looked at, so a frame that comes byte by byte costs one pass, not one per byte.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::frame::{Command, Frame, Headers};
use super::version::Version;

/// What a decoder accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest frame in bytes, from its command to its NUL.
    pub frame: usize,
    /// The most headers of one frame.
    pub headers: usize,
}

impl Default for Limits {
    /// 64 KiB, as Spring; 64 headers.
    fn default() -> Self {
        Self { frame: 64 * 1024, headers: 64 }
    }
}

/// What came out of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A whole frame.
    Frame(Frame),
    /// One or more line ends between frames.
    HeartBeat,
}

/// Bytes that are not STOMP. The decoder has lost its place: the connection is to be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct DecodeError {
    /// What was wrong.
    pub kind: DecodeErrorKind,
    /// The `receipt` header of the damaged frame, where it was still readable.
    pub receipt: Option<String>,
}

/// What was wrong with the bytes; texts from the input are cut at 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The first line is not a command.
    #[error("unknown command {found:?}")]
    UnknownCommand {
        /// The line.
        found: String,
    },
    /// A header line without a colon, or without a name.
    #[error("illegal header {found:?}: a header is <name>:<value>")]
    Header {
        /// The line.
        found: String,
    },
    /// A backslash with something behind it that the version does not know.
    #[error("illegal escape sequence in {found:?}: \\n, \\c, \\\\ and, since STOMP 1.2, \\r are known")]
    Escape {
        /// The text around it.
        found: String,
    },
    /// A carriage return that no line feed follows.
    #[error("a carriage return must be followed by a line feed")]
    LoneCarriageReturn,
    /// Command or headers are not UTF-8.
    #[error("command and headers are UTF-8 text, these are not")]
    NotUtf8,
    /// `content-length` is not a whole number.
    #[error("content-length is a whole number of bytes, not {found:?}")]
    ContentLength {
        /// The header's value.
        found: String,
    },
    /// No NUL where the frame must end.
    #[error("a frame ends with a NUL octet after {expected} bytes of body, and there was {found:#04x}")]
    NotTerminated {
        /// The `content-length`.
        expected: usize,
        /// The octet found in the NUL's place.
        found: u8,
    },
    /// A body on a frame that has none.
    #[error("{command} has no body, this one has {found} bytes")]
    UnexpectedBody {
        /// The command.
        command: &'static str,
        /// Bytes found.
        found: usize,
    },
    /// More headers than [`Limits::headers`].
    #[error("a frame has at most {limit} headers")]
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// More bytes than [`Limits::frame`].
    #[error("a frame has at most {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Turns chunks of bytes into frames.
///
/// ```
/// use dialtone_wire::stomp::{Command, Decoded, Decoder, Limits};
/// let mut decoder = Decoder::new(Limits::default());
/// decoder.push("\nSEND\ndestination:/app/rooms/r1/le".into());
/// assert_eq!(decoder.next_frame()?, Some(Decoded::HeartBeat));
/// assert_eq!(decoder.next_frame()?, None);
/// decoder.push("ave\n\n\0".into());
/// let Some(Decoded::Frame(frame)) = decoder.next_frame()? else { panic!() };
/// assert_eq!(frame.headers.get("destination"), Some("/app/rooms/r1/leave"));
/// # Ok::<(), dialtone_wire::stomp::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    version: Version,
    /// The rest of the last chunk, while no frame spans chunks.
    chunk: Bytes,
    /// The beginning of a frame that spans chunks.
    partial: BytesMut,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Before a command; line ends are heart-beats.
    Between,
    /// In command and headers, of which `scanned` bytes hold no end.
    Head { scanned: usize },
    /// In the body. `scanned` bytes hold no NUL, which matters where there is no content-length.
    Body { frame: Frame, length: Option<usize>, head: usize, scanned: usize },
    /// After an error nothing more comes.
    Broken,
}

impl Decoder {
    /// A decoder that expects the escapes of STOMP 1.2 until [told otherwise](Self::set_version).
    pub fn new(limits: Limits) -> Self {
        Self { limits, version: Version::V1_2, chunk: Bytes::new(), partial: BytesMut::new(), state: State::Between }
    }

    /// Escapes are read by the rules of `version` from the next frame on.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Takes the next bytes. Call [`next_frame`](Self::next_frame) until it gives `None` before the next push.
    pub fn push(&mut self, chunk: Bytes) {
        if self.partial.is_empty() && self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            self.keep_partial();
            self.partial.extend_from_slice(&chunk);
        }
    }

    /// The next frame or heart-beat; `None`: more bytes are needed.
    pub fn next_frame(&mut self) -> Result<Option<Decoded>, DecodeError> {
        let decoded = self.advance();
        match &decoded {
            Ok(None) => self.keep_partial(),
            Ok(Some(_)) => {}
            Err(_) => {
                self.state = State::Broken;
                self.chunk = Bytes::new();
                self.partial = BytesMut::new();
            }
        }
        decoded
    }

    fn advance(&mut self) -> Result<Option<Decoded>, DecodeError> {
        loop {
            match std::mem::replace(&mut self.state, State::Broken) {
                State::Broken => return Ok(None),
                State::Between => {
                    let blank = leading_line_ends(self.data())?;
                    self.take(blank);
                    // A lone CR may be the first half of a line end that was cut in two.
                    let begun = !matches!(self.data(), b"" | b"\r");
                    self.state = if begun { State::Head { scanned: 0 } } else { State::Between };
                    if blank > 0 {
                        return Ok(Some(Decoded::HeartBeat));
                    }
                    if !begun {
                        return Ok(None);
                    }
                }
                State::Head { scanned } => {
                    let data = self.data();
                    let Some(end) = end_of_head(data, scanned) else {
                        if data.len() >= self.limits.frame {
                            return Err(self.too_large());
                        }
                        self.state = State::Head { scanned: data.len() };
                        return Ok(None);
                    };
                    if end > self.limits.frame {
                        return Err(self.too_large());
                    }
                    let head = self.take(end);
                    let frame = parse_head(&head, self.version, &self.limits)?;
                    let length = content_length(&frame)?;
                    self.state = State::Body { frame, length, head: end, scanned: 0 };
                }
                State::Body { frame, length, head, scanned } => {
                    let data = self.data();
                    let end = match length {
                        Some(length) => (data.len() > length).then_some(length),
                        None => memchr(0, data.get(scanned..).unwrap_or_default()).map(|at| scanned + at),
                    };
                    let size = end.or(length).unwrap_or(data.len()).saturating_add(head + 1);
                    if size > self.limits.frame {
                        return Err(damaged(&frame, DecodeErrorKind::TooLarge { limit: self.limits.frame }));
                    }
                    let Some(end) = end else {
                        let scanned = data.len();
                        self.state = State::Body { frame, length, head, scanned };
                        return Ok(None);
                    };
                    let frame = self.finish(frame, end)?;
                    self.state = State::Between;
                    return Ok(Some(Decoded::Frame(frame)));
                }
            }
        }
    }

    /// Takes the body of `length` bytes and the NUL behind it.
    fn finish(&mut self, mut frame: Frame, length: usize) -> Result<Frame, DecodeError> {
        let found = self.data()[length];
        if found != 0 {
            return Err(damaged(&frame, DecodeErrorKind::NotTerminated { expected: length, found }));
        }
        if length > 0 && !frame.command.may_have_body() {
            let command = frame.command.as_str();
            return Err(damaged(&frame, DecodeErrorKind::UnexpectedBody { command, found: length }));
        }
        frame.body = self.take(length);
        self.take(1);
        Ok(frame)
    }

    fn data(&self) -> &[u8] {
        if self.partial.is_empty() { &self.chunk } else { &self.partial }
    }

    fn take(&mut self, n: usize) -> Bytes {
        if self.partial.is_empty() {
            return self.chunk.split_to(n);
        }
        let taken = self.partial.split_to(n).freeze();
        if self.partial.is_empty() {
            // Gives the memory of a large frame back.
            self.partial = BytesMut::new();
        }
        taken
    }

    /// Moves an unfinished frame out of the chunk, so that the chunk's memory is not held by a few bytes of it.
    fn keep_partial(&mut self) {
        if self.chunk.has_remaining() {
            self.partial.extend_from_slice(&self.chunk);
        }
        self.chunk = Bytes::new();
    }

    fn too_large(&self) -> DecodeError {
        plain(DecodeErrorKind::TooLarge { limit: self.limits.frame })
    }
}

fn plain(kind: DecodeErrorKind) -> DecodeError {
    DecodeError { kind, receipt: None }
}

fn damaged(frame: &Frame, kind: DecodeErrorKind) -> DecodeError {
    DecodeError { kind, receipt: frame.headers.get("receipt").map(str::to_owned) }
}

/// How many bytes of line ends `data` begins with. A lone CR at the very end may still become a CRLF.
fn leading_line_ends(data: &[u8]) -> Result<usize, DecodeError> {
    let mut at = 0;
    loop {
        match (data.get(at), data.get(at + 1)) {
            (Some(b'\n'), _) => at += 1,
            (Some(b'\r'), Some(b'\n')) => at += 2,
            (Some(b'\r'), Some(_)) => return Err(plain(DecodeErrorKind::LoneCarriageReturn)),
            _ => return Ok(at),
        }
    }
}

/// Where the body begins: behind the first empty line. `scanned` bytes are known not to hold the end.
fn end_of_head(data: &[u8], scanned: usize) -> Option<usize> {
    // The last line feed of what was scanned may be the first of the two that end the head.
    let mut at = scanned.saturating_sub(2);
    while let Some(feed) = memchr(b'\n', data.get(at..)?) {
        at += feed + 1;
        match (data.get(at), data.get(at + 1)) {
            (Some(b'\n'), _) => return Some(at + 1),
            (Some(b'\r'), Some(b'\n')) => return Some(at + 2),
            _ => {}
        }
    }
    None
}

fn parse_head(head: &[u8], version: Version, limits: &Limits) -> Result<Frame, DecodeError> {
    let text = std::str::from_utf8(head).map_err(|_| plain(DecodeErrorKind::NotUtf8))?;
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let command = Command::parse(first.as_bytes()).ok_or_else(|| {
        let receipt = lines.clone().find_map(|line| line.strip_prefix("receipt:")).map(str::to_owned);
        DecodeError { kind: DecodeErrorKind::UnknownCommand { found: cut(first) }, receipt }
    })?;
    let escapes = command.escapes(version);
    let mut frame = Frame { command, headers: Headers::with_capacity(text.len()), body: Bytes::new() };
    for line in lines.take_while(|line| !line.is_empty()) {
        if frame.headers.len() == limits.headers {
            return Err(damaged(&frame, DecodeErrorKind::TooManyHeaders { limit: limits.headers }));
        }
        if line.contains('\r') {
            return Err(damaged(&frame, DecodeErrorKind::LoneCarriageReturn));
        }
        let pair = line.split_once(':').filter(|(name, _)| !name.is_empty());
        let Some((name, value)) = pair else {
            return Err(damaged(&frame, DecodeErrorKind::Header { found: cut(line) }));
        };
        let pushed = frame
            .headers
            .push_with(|out| unescape(name, escapes, version, out), |out| unescape(value, escapes, version, out));
        pushed.map_err(|kind| damaged(&frame, kind))?;
    }
    Ok(frame)
}

fn unescape(text: &str, escapes: bool, version: Version, out: &mut String) -> Result<(), DecodeErrorKind> {
    if !escapes || memchr(b'\\', text.as_bytes()).is_none() {
        out.push_str(text);
        return Ok(());
    }
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next() {
            Some('\\') => '\\',
            Some('c') => ':',
            Some('n') => '\n',
            Some('r') if version >= Version::V1_2 => '\r',
            _ => return Err(DecodeErrorKind::Escape { found: cut(text) }),
        });
    }
    Ok(())
}

fn content_length(frame: &Frame) -> Result<Option<usize>, DecodeError> {
    let Some(text) = frame.headers.get("content-length") else { return Ok(None) };
    match text.trim().parse() {
        Ok(length) => Ok(Some(length)),
        Err(_) => Err(damaged(frame, DecodeErrorKind::ContentLength { found: cut(text) })),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
