//! Short names for what tests need.

use std::time::Instant;

use dialtone_wire::bodies::Member;
use dialtone_wire::{DisplayName, RoomId, SessionId};

/// Some instant to start from.
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to count from")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn sid(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

pub(crate) fn room(text: &str) -> RoomId {
    RoomId::parse(text).unwrap()
}

pub(crate) fn name(text: &str) -> Option<DisplayName> {
    DisplayName::parse(text).unwrap()
}

pub(crate) fn member(text: &str) -> Member {
    Member { sid: sid(text), display_name: None }
}
