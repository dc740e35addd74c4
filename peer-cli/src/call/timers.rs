//! The clocks of a call: a fixed table, one deadline per kind.

use std::time::Instant;

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// The server's answer to the join.
    Join,
    /// The second member.
    Wait,
    /// READY after a member list of two.
    Ready,
    /// The other side's offer.
    Offer,
    /// The answer to our offer while one of theirs lies here.
    Glare,
    /// Media.
    Connect,
    /// The moment to restart ICE.
    Restart,
    /// Media coming back.
    Recover,
}

impl Timer {
    const ALL: [Self; 8] =
        [Self::Join, Self::Wait, Self::Ready, Self::Offer, Self::Glare, Self::Connect, Self::Restart, Self::Recover];
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: [Option<Instant>; Timer::ALL.len()],
}

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.deadlines[timer as usize] = Some(at);
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.deadlines[timer as usize] = None;
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.deadlines[timer as usize].is_some()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.deadlines.iter().flatten().min().copied()
    }

    /// Takes one timer whose time has come.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let due = Timer::ALL.into_iter().find(|t| self.deadlines[*t as usize].is_some_and(|at| at <= now))?;
        self.stop(due);
        Some(due)
    }
}
