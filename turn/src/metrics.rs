//! What the relay has done so far, in numbers that carry no name and no address.

use std::ops::{Add, AddAssign};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The error codes a request can be refused with, in the order of [`Totals::refusals`].
pub const REFUSAL_CODES: [u16; 13] = [300, 400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 508];

/// A snapshot of the relay's counters, all since it started except the `live_` ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Datagrams accepted for peers.
    pub packets_to_peers: u64,
    /// Payload bytes of those datagrams, without any TURN framing.
    pub bytes_to_peers: u64,
    /// Datagrams accepted for clients.
    pub packets_to_clients: u64,
    /// Payload bytes of those datagrams, without any TURN framing.
    pub bytes_to_clients: u64,
    /// Datagrams accepted for either, and dropped: the system refused to send one, or a client's connection was too
    /// slow.
    pub dropped_packets: u64,
    /// Datagrams that a bandwidth cap did not let through.
    pub limited_packets: u64,
    /// Allocations that exist now.
    pub live_allocations: u64,
    /// Allocations ever made.
    pub allocations: u64,
    /// Requests read, answered or not.
    pub requests: u64,
    /// Requests refused, by [`REFUSAL_CODES`].
    pub refusals: [u64; REFUSAL_CODES.len()],
    /// Requests without an answer, because their source had too many unauthenticated ones answered.
    pub unanswered_requests: u64,
    /// TCP and TLS connections open now.
    pub live_streams: u64,
    /// TCP and TLS connections ever accepted.
    pub streams: u64,
    /// TCP and TLS connections closed at once, because there were too many.
    pub refused_streams: u64,
}

impl Add for Totals {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.packets_to_peers += other.packets_to_peers;
        self.bytes_to_peers += other.bytes_to_peers;
        self.packets_to_clients += other.packets_to_clients;
        self.bytes_to_clients += other.bytes_to_clients;
        self.dropped_packets += other.dropped_packets;
        self.limited_packets += other.limited_packets;
        self.live_allocations += other.live_allocations;
        self.allocations += other.allocations;
        self.requests += other.requests;
        for (mine, theirs) in self.refusals.iter_mut().zip(other.refusals) {
            *mine += theirs;
        }
        self.unanswered_requests += other.unanswered_requests;
        self.live_streams += other.live_streams;
        self.streams += other.streams;
        self.refused_streams += other.refused_streams;
    }
}

/// The counters behind [`Totals`] of one worker, written by it alone and read by whoever looks.
#[derive(Debug, Default)]
pub struct Counters {
    packets_to_peers: Counter,
    bytes_to_peers: Counter,
    packets_to_clients: Counter,
    bytes_to_clients: Counter,
    dropped_packets: Counter,
    limited_packets: Counter,
    live_allocations: Counter,
    allocations: Counter,
    requests: Counter,
    refusals: [Counter; REFUSAL_CODES.len()],
    unanswered_requests: Counter,
    live_streams: Counter,
    streams: Counter,
    refused_streams: Counter,
}

impl Counters {
    /// Reads every counter once; they are not frozen together.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            packets_to_peers: self.packets_to_peers.get(),
            bytes_to_peers: self.bytes_to_peers.get(),
            packets_to_clients: self.packets_to_clients.get(),
            bytes_to_clients: self.bytes_to_clients.get(),
            dropped_packets: self.dropped_packets.get(),
            limited_packets: self.limited_packets.get(),
            live_allocations: self.live_allocations.get(),
            allocations: self.allocations.get(),
            requests: self.requests.get(),
            refusals: self.refusals.each_ref().map(Counter::get),
            unanswered_requests: self.unanswered_requests.get(),
            live_streams: self.live_streams.get(),
            streams: self.streams.get(),
            refused_streams: self.refused_streams.get(),
        }
    }

    pub(crate) fn to_peer(&self, bytes: u64) {
        self.packets_to_peers.add(1);
        self.bytes_to_peers.add(bytes);
    }

    pub(crate) fn to_client(&self, bytes: u64) {
        self.packets_to_clients.add(1);
        self.bytes_to_clients.add(bytes);
    }

    pub(crate) fn dropped(&self, packets: u64) {
        self.dropped_packets.add(packets);
    }

    pub(crate) fn limited(&self) {
        self.limited_packets.add(1);
    }

    pub(crate) fn allocation_made(&self) {
        self.allocations.add(1);
        self.live_allocations.add(1);
    }

    pub(crate) fn allocation_ended(&self) {
        self.live_allocations.subtract_one();
    }

    pub(crate) fn request(&self) {
        self.requests.add(1);
    }

    /// A code that is not one of [`REFUSAL_CODES`] is not counted.
    pub(crate) fn refused(&self, code: u16) {
        let place = REFUSAL_CODES.iter().position(|known| *known == code);
        if let Some(counter) = place.and_then(|place| self.refusals.get(place)) {
            counter.add(1);
        }
    }

    pub(crate) fn unanswered(&self) {
        self.unanswered_requests.add(1);
    }

    pub(crate) fn stream_opened(&self) {
        self.streams.add(1);
        self.live_streams.add(1);
    }

    pub(crate) fn stream_closed(&self) {
        self.live_streams.subtract_one();
    }

    pub(crate) fn stream_refused(&self) {
        self.refused_streams.add(1);
    }
}

/// A number that one thread writes. Others may look at any time, so it is atomic; it needs no locked instruction.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    fn subtract_one(&self) {
        self.0.store(self.0.load(Relaxed).saturating_sub(1), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_several_workers_add_up() {
        let (one, two) = (Counters::default(), Counters::default());
        one.to_peer(100);
        two.to_peer(50);
        two.to_client(7);
        one.allocation_made();
        one.allocation_made();
        one.allocation_ended();
        two.refused(401);
        two.refused(999);
        let sum = one.totals() + two.totals();
        assert_eq!((sum.packets_to_peers, sum.bytes_to_peers, sum.bytes_to_clients), (2, 150, 7));
        assert_eq!((sum.allocations, sum.live_allocations), (2, 1));
        assert_eq!(sum.refusals.iter().sum::<u64>(), 1);
    }
}
