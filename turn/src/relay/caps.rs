//! How many bytes may be relayed: for each allocation and for all of them, each way.
//!
//! A packet costs its payload and 28 bytes more, what its IPv4 and UDP headers take: packets without any payload would
//! be free otherwise, and they are the dearest ones to relay. What is counted for the operator is the payload alone.

use std::time::Instant;

use super::limiter::{LONGEST_PACKET, Limit, Purse, SharedBudget, nanoseconds_since};
use crate::config::Limits;

/// The caps of one core, there only where the operator wants any.
#[derive(Debug)]
pub(super) struct Caps {
    /// From clients to peers.
    pub(super) up: Cap,
    /// From peers to clients.
    pub(super) down: Cap,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Cap {
    each: Option<Limit>,
    epoch: Instant,
    purse: Purse,
}

/// Bytes that are charged with each packet's payload: IPv4 header and UDP header.
const HEADERS: u64 = 20 + 8;

impl Caps {
    pub(super) fn new(limits: &Limits, epoch: Instant) -> Option<Self> {
        let is_wanted = limits.max_bitrate > 0 || limits.max_total_bitrate > 0;
        let cap = || Cap { each: each(limits.max_bitrate), epoch, purse: Purse::default() };
        is_wanted.then(|| Self { up: cap(), down: cap() })
    }
}

impl Cap {
    /// True when a packet with `payload` bytes may pass; it is counted then with its headers, in `spent` and in the
    /// budget of all.
    pub(super) fn admit(&mut self, budget: &SharedBudget, now: Instant, spent: &mut u64, payload: u64) -> bool {
        let bytes = payload.saturating_add(HEADERS);
        let next = match &self.each {
            Some(limit) => match limit.admit(*spent, nanoseconds_since(self.epoch, now), bytes) {
                Some(next) => next,
                None => return false,
            },
            None => *spent,
        };
        let has_room = self.purse.spend(budget, now, bytes);
        if has_room {
            *spent = next;
        }
        has_room
    }
}

/// Half a second's worth may come at once, and at least the longest packet.
fn each(bits_per_second: u64) -> Option<Limit> {
    (bits_per_second > 0).then(|| Limit::new((bits_per_second / 8).max(1), (bits_per_second / 16).max(LONGEST_PACKET)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_cap_is_no_caps() {
        assert!(Caps::new(&Limits::default(), base()).is_none());
    }

    #[test]
    fn allocation_gets_its_rate_after_its_burst() {
        let start = base();
        let mut caps = caps(start, 8_000_000, 0);
        let free = SharedBudget::new(0, start);
        let (mut one, mut other) = (0, 0);
        assert!(caps.up.admit(&free, start, &mut one, 500_000 - HEADERS));
        assert!(!caps.up.admit(&free, start, &mut one, 972));
        assert!(caps.up.admit(&free, start, &mut other, 972), "another allocation has its own");
        let later = start + Duration::from_millis(1);
        assert!(!caps.up.admit(&free, later, &mut one, 973));
        assert!(caps.up.admit(&free, later, &mut one, 972));
        assert!(!caps.up.admit(&free, later, &mut one, 0));
    }

    #[test]
    fn packet_without_payload_costs_its_headers() {
        let start = base();
        // 62,500 bytes a second, and a little more than that at once.
        let mut caps = caps(start, 500_000, 0);
        let free = SharedBudget::new(0, start);
        let mut spent = 0;
        let passed = (0..10_000).filter(|_| caps.down.admit(&free, start, &mut spent, 0)).count();
        assert_eq!(passed, usize::try_from(LONGEST_PACKET / HEADERS).unwrap());
        let total = SharedBudget::new(500_000, start);
        let passed = (0..10_000).filter(|_| caps.up.admit(&total, start, &mut 0, 0)).count();
        assert_eq!(passed, usize::try_from(LONGEST_PACKET / HEADERS).unwrap());
    }

    #[test]
    fn small_cap_still_lets_the_longest_datagram_pass() {
        let start = base();
        let mut caps = caps(start, 1000, 0);
        assert!(caps.down.admit(&SharedBudget::new(0, start), start, &mut 0, 65_535));
    }

    #[test]
    fn what_the_budget_of_all_refuses_costs_the_allocation_nothing() {
        let start = base();
        let mut caps = caps(start, 1_000_000_000, 8_000);
        let budget = SharedBudget::new(8_000, start);
        let mut spent = 0;
        while caps.up.admit(&budget, start, &mut spent, 10_000) {}
        let before = spent;
        assert!(before > 0);
        assert!(!caps.up.admit(&budget, start, &mut spent, 10_000));
        assert_eq!(spent, before);
    }

    fn caps(start: Instant, max_bitrate: u64, max_total_bitrate: u64) -> Caps {
        Caps::new(&Limits { max_bitrate, max_total_bitrate, ..Limits::default() }, start).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
