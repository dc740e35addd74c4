//! The frames of a client, typed: what a server reads and a client writes.

use bytes::Bytes;

use super::frame::{Command, Frame, Headers};
use super::heart_beat::{HeartBeat, InvalidHeartBeat};
use super::version::{Version, negotiate};

/// A frame from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// CONNECT or STOMP.
    Connect(Connect),
    /// SEND.
    Send(SendFrame),
    /// SUBSCRIBE; id and destination are empty where the client left them out.
    Subscribe {
        /// The client's name for the subscription.
        id: String,
        /// What to listen to.
        destination: String,
        /// The receipt asked for.
        receipt: Option<String>,
    },
    /// UNSUBSCRIBE; the id is empty where the client left it out.
    Unsubscribe {
        /// The client's name for the subscription; in STOMP 1.0 the destination may stand for it.
        id: String,
        /// The receipt asked for.
        receipt: Option<String>,
    },
    /// DISCONNECT.
    Disconnect {
        /// The receipt asked for.
        receipt: Option<String>,
    },
    /// ACK, NACK, BEGIN, COMMIT, ABORT: accepted and without effect, as with Spring's simple broker.
    Ignored {
        /// Which of them.
        command: Command,
        /// The receipt asked for.
        receipt: Option<String>,
    },
}

/// CONNECT or STOMP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The version both sides speak; `None` when there is none.
    pub version: Option<Version>,
    /// What the client can do and wants.
    pub heart_beat: HeartBeat,
    /// Every header, for logins and extensions.
    pub headers: Headers,
}

/// SEND.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendFrame {
    /// The headers.
    pub headers: Headers,
    /// The body, as it came.
    pub body: Bytes,
}

impl SendFrame {
    /// The destination; empty where the client left it out.
    pub fn destination(&self) -> &str {
        self.headers.get("destination").unwrap_or_default()
    }

    /// The receipt asked for.
    pub fn receipt(&self) -> Option<&str> {
        self.headers.get("receipt")
    }
}

/// A frame that a client may not send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClientFrame {
    /// A command of the server.
    #[error("{0} is a command of the server; a client does not send it")]
    ServerCommand(&'static str),
    /// A `heart-beat` header that is not one.
    #[error("{0}")]
    HeartBeat(#[from] InvalidHeartBeat),
}

impl TryFrom<Frame> for ClientFrame {
    type Error = InvalidClientFrame;

    fn try_from(frame: Frame) -> Result<Self, InvalidClientFrame> {
        let owned = |name: &str| frame.headers.get(name).map(str::to_owned);
        let receipt = owned("receipt");
        Ok(match frame.command {
            Command::Connect | Command::Stomp => Self::Connect(Connect {
                version: negotiate(frame.headers.get("accept-version")),
                heart_beat: HeartBeat::parse(frame.headers.get("heart-beat"))?,
                headers: frame.headers,
            }),
            Command::Send => Self::Send(SendFrame { headers: frame.headers, body: frame.body }),
            Command::Subscribe => Self::Subscribe {
                id: owned("id").unwrap_or_default(),
                destination: owned("destination").unwrap_or_default(),
                receipt,
            },
            Command::Unsubscribe => {
                Self::Unsubscribe { id: owned("id").or_else(|| owned("destination")).unwrap_or_default(), receipt }
            }
            Command::Disconnect => Self::Disconnect { receipt },
            Command::Ack | Command::Nack | Command::Begin | Command::Commit | Command::Abort => {
                Self::Ignored { command: frame.command, receipt }
            }
            Command::Connected | Command::Message | Command::Receipt | Command::Error => {
                return Err(InvalidClientFrame::ServerCommand(frame.command.as_str()));
            }
        })
    }
}
