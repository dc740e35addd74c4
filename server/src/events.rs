//! What the hub tells a session.

use bytes::Bytes;
use dialtone_wire::{RoomId, SessionId};

use crate::backplane::Rejection;

/// One thing a session has to know; the bodies are shared by all who get them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The answer to CONNECT: who the session is.
    Opened {
        /// The session id; an old one after a resume.
        sid: SessionId,
        /// What to present after the socket is lost.
        resume_token: Option<String>,
        /// A token was presented and not taken; the session is a new one.
        refused: bool,
    },
    /// The session has a seat in the room.
    Me { room: RoomId },
    /// The room's member list.
    Members { room: RoomId, body: Bytes },
    /// A signal, from a member or, without `from`, from the server.
    Signal { room: RoomId, from: Option<SessionId>, body: Bytes },
    /// The answer to an act; whatever it caused was told before.
    Done(Result<(), Denied>),
    /// The session goes on over another connection; this one ends.
    TakenOver,
    /// The server is about to stop.
    GoingAway,
}

impl Event {
    /// What the event counts against the limit of an outbox, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let body = match self {
            Self::Members { body, .. } | Self::Signal { body, .. } => body.len(),
            Self::Opened { .. } | Self::Me { .. } | Self::Done(_) | Self::TakenOver | Self::GoingAway => 0,
        };
        // The frame around a body has about this many bytes.
        body + 256
    }
}

/// Why an act was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The backplane said no.
    Rejected(Rejection),
    /// The body names another member as its sender.
    SenderMismatch,
    /// The session is in as many rooms as it may be.
    TooManyRooms,
}
