//! How soon checks on one way may follow each other.

use std::time::{Duration, Instant};

use crate::rtc::engine::CHECK_INTERVAL;

/// The distance of the checks on one way: some quick ones, since the far end may just learn of us, then each twice as far
/// from the one before as that was, up to a limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Pace {
    next: Option<Instant>,
    sent: u32,
    triggered: u32,
}

impl Pace {
    /// How many follow each other in every round of the stack.
    const QUICK: u32 = 5;
    /// How many follow a check of the far end at once.
    pub(super) const TRIGGERED: u32 = 3;
    /// As quick as two NATs may need it that each wait for a packet from the inside.
    const LONGEST: Duration = Duration::from_millis(200);
    /// The stack's rounds are not to the millisecond.
    const SLACK: Duration = Duration::from_millis(5);

    /// Whether a check may leave.
    pub(super) fn is_due(self, now: Instant) -> bool {
        self.next.is_none_or(|next| now + Self::SLACK >= next)
    }

    /// One has left.
    pub(super) fn went(&mut self, now: Instant) {
        self.sent = self.sent.saturating_add(1);
        let doublings = self.sent.saturating_sub(Self::QUICK).min(8);
        self.next = Some(now + (CHECK_INTERVAL * (1 << doublings)).min(Self::LONGEST));
    }

    /// The far end's check came through, so ours may: a triggered check does not wait (RFC 8445 section 7.3.1.4). Only the
    /// first ones, since the stack asks again on ways that it knows, and both ends would drive each other.
    pub(super) fn triggered(&mut self) {
        if self.triggered < Self::TRIGGERED {
            self.triggered += 1;
            self.next = None;
        }
    }
}
