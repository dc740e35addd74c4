//! What the relay has done so far, in numbers that carry no name and no address.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A snapshot of the relay's counters, all since it started except `live_allocations`.
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
    /// Allocations that exist now.
    pub live_allocations: u64,
    /// Allocations ever made.
    pub allocations: u64,
}

/// The counters behind [`Totals`], shared by the brain that counts and whoever looks.
#[derive(Debug, Default)]
pub struct Counters {
    packets_to_peers: AtomicU64,
    bytes_to_peers: AtomicU64,
    packets_to_clients: AtomicU64,
    bytes_to_clients: AtomicU64,
    dropped_packets: AtomicU64,
    live_allocations: AtomicU64,
    allocations: AtomicU64,
}

impl Counters {
    /// Reads every counter once; they are not frozen together.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            packets_to_peers: self.packets_to_peers.load(Relaxed),
            bytes_to_peers: self.bytes_to_peers.load(Relaxed),
            packets_to_clients: self.packets_to_clients.load(Relaxed),
            bytes_to_clients: self.bytes_to_clients.load(Relaxed),
            dropped_packets: self.dropped_packets.load(Relaxed),
            live_allocations: self.live_allocations.load(Relaxed),
            allocations: self.allocations.load(Relaxed),
        }
    }

    pub(crate) fn to_peer(&self, bytes: u64) {
        self.packets_to_peers.fetch_add(1, Relaxed);
        self.bytes_to_peers.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn to_client(&self, bytes: u64) {
        self.packets_to_clients.fetch_add(1, Relaxed);
        self.bytes_to_clients.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn dropped(&self) {
        self.dropped_packets.fetch_add(1, Relaxed);
    }

    pub(crate) fn allocation_made(&self) {
        self.allocations.fetch_add(1, Relaxed);
        self.live_allocations.fetch_add(1, Relaxed);
    }

    pub(crate) fn allocation_ended(&self) {
        self.live_allocations.fetch_sub(1, Relaxed);
    }
}
