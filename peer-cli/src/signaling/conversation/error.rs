//! Why a conversation breaks, and what that means.

use std::time::Duration;

use dialtone_wire::stomp::{DecodeError, InvalidServerFrame};

use super::CONNECT_PATIENCE;
use crate::call::LossKind;

/// Why a conversation broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConversationError {
    /// What came is not STOMP.
    #[error("the server does not speak STOMP: {0}")]
    NotStomp(#[from] DecodeError),
    /// A frame came that a server may not send.
    #[error("the server does not speak STOMP as a server: {0}")]
    NotAServer(#[from] InvalidServerFrame),
    /// Nothing came in answer to CONNECT.
    #[error("the server did not answer CONNECT within {} s; it may not speak STOMP", CONNECT_PATIENCE.as_secs())]
    NoAnswer,
    /// The server said ERROR in answer to CONNECT.
    #[error("the server answered CONNECT with an error: {0}")]
    LoginRefused(String),
    /// The server said ERROR before it had let us into the room.
    #[error("the server answered the join with an error: {0}")]
    JoinRefused(String),
    /// The server said ERROR later.
    #[error("the server ended the session: {0}")]
    Refused(String),
    /// Nothing has come for too long.
    #[error("the server has been silent for {} s although it promised heart-beats", .0.as_secs())]
    Silent(Duration),
}

impl ConversationError {
    /// What it means for a run that was never in the room.
    pub fn kind(&self) -> LossKind {
        match self {
            Self::NotStomp(_) | Self::NotAServer(_) | Self::NoAnswer => LossKind::NotStomp,
            Self::LoginRefused(_) => LossKind::LoginRefused,
            Self::JoinRefused(_) => LossKind::JoinRefused,
            Self::Refused(_) | Self::Silent(_) => LossKind::Lost,
        }
    }
}
