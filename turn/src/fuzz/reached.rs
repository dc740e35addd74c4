//! What dialogues got as far as, so that a fuzzer that has gone blind is noticed.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// How often each thing happened, in one dialogue or in several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// Steps played.
    pub steps: u64,
    /// Allocations made.
    pub allocations: u64,
    /// Those of them with an address of each family.
    pub dual: u64,
    /// Those of them at a reserved port.
    pub adopted: u64,
    /// Requests whose client went away before its socket was open.
    pub abandoned: u64,
    /// Sockets that were there when the allocation wanted them, or refused, only some steps later.
    pub late: u64,
    /// Peers permitted.
    pub permissions: u64,
    /// Channels bound.
    pub channels: u64,
    /// Packets sent to peers.
    pub to_peer: u64,
    /// Packets sent to clients.
    pub to_client: u64,
    /// Packets handed to the other core.
    pub to_sibling: u64,
    /// Packets from one allocation of this relay to another that were sent to the client, at the same core or not.
    pub inside: u64,
    /// Refusals by code.
    pub codes: BTreeMap<u16, u64>,
}

impl AddAssign for Reached {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.allocations += other.allocations;
        self.dual += other.dual;
        self.adopted += other.adopted;
        self.abandoned += other.abandoned;
        self.late += other.late;
        self.permissions += other.permissions;
        self.channels += other.channels;
        self.to_peer += other.to_peer;
        self.to_client += other.to_client;
        self.to_sibling += other.to_sibling;
        self.inside += other.inside;
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
    }
}
