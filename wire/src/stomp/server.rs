//! The frames of a server, typed: what a client reads.

use bytes::Bytes;

use super::frame::{Command, Frame};
use super::heart_beat::{HeartBeat, InvalidHeartBeat};
use super::version::Version;

/// A frame from a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerFrame {
    /// CONNECTED.
    Connected(Connected),
    /// MESSAGE.
    Message(MessageFrame),
    /// RECEIPT.
    Receipt {
        /// Which receipt.
        receipt_id: String,
    },
    /// ERROR; the server closes the connection after it.
    Error(ErrorFrame),
}

/// CONNECTED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The version agreed on; a missing or unknown one reads as 1.0.
    pub version: Version,
    /// What the server can do and wants.
    pub heart_beat: HeartBeat,
    /// The server's name for the session.
    pub session: Option<String>,
    /// The name and version of the server.
    pub server: Option<String>,
    /// Who the server takes the client for.
    pub user_name: Option<String>,
}

/// MESSAGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageFrame {
    /// The client's name for the subscription.
    pub subscription: String,
    /// Where the message was published.
    pub destination: String,
    /// The session id of the sender as the server knows it; only Dialtone's server sends it.
    pub sid: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// ERROR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorFrame {
    /// What is wrong, in words.
    pub message: String,
    /// The receipt of the frame that caused it.
    pub receipt_id: Option<String>,
    /// More of it.
    pub body: Bytes,
}

/// A frame that a server may not send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidServerFrame {
    /// A command of the client.
    #[error("{0} is a command of the client; a server does not send it")]
    ClientCommand(&'static str),
    /// A `heart-beat` header that is not one.
    #[error("{0}")]
    HeartBeat(#[from] InvalidHeartBeat),
}

impl TryFrom<Frame> for ServerFrame {
    type Error = InvalidServerFrame;

    fn try_from(frame: Frame) -> Result<Self, InvalidServerFrame> {
        let owned = |name: &str| frame.headers.get(name).map(str::to_owned);
        Ok(match frame.command {
            Command::Connected => Self::Connected(Connected {
                version: frame.headers.get("version").and_then(Version::parse).unwrap_or(Version::V1_0),
                heart_beat: HeartBeat::parse(frame.headers.get("heart-beat"))?,
                session: owned("session"),
                server: owned("server"),
                user_name: owned("user-name"),
            }),
            Command::Message => Self::Message(MessageFrame {
                subscription: owned("subscription").unwrap_or_default(),
                destination: owned("destination").unwrap_or_default(),
                sid: owned("sid"),
                body: frame.body,
            }),
            Command::Receipt => Self::Receipt { receipt_id: owned("receipt-id").unwrap_or_default() },
            Command::Error => Self::Error(ErrorFrame {
                message: owned("message").unwrap_or_default(),
                receipt_id: owned("receipt-id"),
                body: frame.body,
            }),
            Command::Connect
            | Command::Stomp
            | Command::Send
            | Command::Subscribe
            | Command::Unsubscribe
            | Command::Ack
            | Command::Nack
            | Command::Begin
            | Command::Commit
            | Command::Abort
            | Command::Disconnect => {
                return Err(InvalidServerFrame::ClientCommand(frame.command.as_str()));
            }
        })
    }
}
