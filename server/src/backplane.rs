//! The one place that decides who is in a room and in which order a room's events happen.
//!
//! A backplane is told commands and gives answers; nothing here waits. The [memory](Memory) one answers at once, one that
//! asks another process answers later, and nobody who listens can tell the difference: every listener, local or not, sees
//! a room's events in the order of their offsets.

mod memory;

use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use dialtone_wire::bodies::Member;
use dialtone_wire::{DisplayName, RoomId, SessionId};

pub use memory::Memory;

/// The number under which a command is answered; chosen by whoever submits it, unique among what is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What one session wants to happen in one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Comes back in [`Answer::Completed`].
    pub ticket: Ticket,
    /// The room.
    pub room: RoomId,
    /// The session.
    pub sid: SessionId,
    /// What it wants.
    pub action: Action,
}

/// What a session may want of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// To take a seat, or to be told again that it has one.
    Join {
        /// What the member wants to be called.
        name: Option<DisplayName>,
        /// How many members the room takes, at least 1.
        capacity: usize,
    },
    /// To give its seat back.
    Leave,
    /// To say something to everybody in the room, itself included.
    Publish {
        /// The signal, relayed byte for byte.
        body: Bytes,
    },
}

/// What a backplane has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A command is done; its events, if it has any, came before.
    Completed {
        /// The command's ticket.
        ticket: Ticket,
        /// Why it was not done, if it was not.
        result: Result<(), Rejection>,
    },
    /// Something happened in a room.
    Event {
        /// The room.
        room: RoomId,
        /// Grows from event to event of a room; what is not larger than the last one seen is a repetition.
        offset: u64,
        /// What happened.
        event: RoomEvent,
    },
}

/// What happens in a room. Member lists are in order of joining and show the room after the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomEvent {
    /// A newcomer has a seat.
    Joined {
        /// The newcomer.
        sid: SessionId,
        /// Everybody, the newcomer last.
        members: Vec<Member>,
        /// Whether the count went from one to two: the call may begin.
        ready: bool,
    },
    /// A member joined again; only that member is to be told.
    Rejoined {
        /// The member.
        sid: SessionId,
        /// Everybody.
        members: Vec<Member>,
    },
    /// A member has gone.
    Left {
        /// Who has gone.
        sid: SessionId,
        /// Who is left.
        members: Vec<Member>,
    },
    /// A member said something.
    Signal {
        /// Who said it.
        sid: SessionId,
        /// What, byte for byte.
        body: Bytes,
    },
}

/// Why a command was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The room has as many members as it takes.
    #[error("the room is full")]
    RoomFull,
    /// The session has no seat in the room.
    #[error("the session is not a member of the room")]
    NotAMember,
    /// The backplane cannot say at the moment; nothing has changed, as far as it knows.
    #[error("the room cannot be reached at the moment")]
    Unavailable,
}

/// Decides membership and orders events. Every command is completed exactly once, sooner or later.
pub trait Backplane: fmt::Debug + Send {
    /// Takes a command. Its answers come out of [`poll`](Self::poll), perhaps at once.
    fn submit(&mut self, now: Instant, command: Command);

    /// The next answer; `None`: there is none yet.
    fn poll(&mut self) -> Option<Answer>;
}

#[cfg(test)]
mod contract;
