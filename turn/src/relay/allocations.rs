//! The table of allocations, found in one step by id, by client and by relayed address.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

use super::channels::Channels;
use super::permissions::Permissions;
use super::types::{ClientAddr, Family, RelayId};
use crate::auth::User;
use crate::stun::TransactionId;

/// One client's relayed address and everything that hangs on it (RFC 8656 section 2.2).
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) client: ClientAddr,
    pub(super) user: User,
    /// The address the relay socket is bound to.
    pub(super) local: SocketAddr,
    /// The address the client was told, and peers see.
    pub(super) relayed: SocketAddr,
    pub(super) made: Instant,
    pub(super) expires: Instant,
    pub(super) permissions: Permissions,
    pub(super) channels: Channels,
    /// The request that made it and what was answered, for when that answer is lost.
    pub(super) request: TransactionId,
    pub(super) answer: Vec<u8>,
    pub(super) bytes_to_peers: u64,
    pub(super) bytes_to_client: u64,
}

impl Allocation {
    pub(super) fn family(&self) -> Family {
        Family::of(self.local.ip())
    }
}

#[derive(Debug, Default)]
pub(super) struct Allocations {
    by_id: HashMap<RelayId, Allocation>,
    by_client: HashMap<ClientAddr, RelayId>,
    /// Both addresses of every allocation, the bound one and the advertised one.
    by_address: HashMap<SocketAddr, RelayId>,
    deadlines: BTreeSet<(Instant, RelayId)>,
}

impl Allocations {
    pub(super) fn insert(&mut self, relay: RelayId, allocation: Allocation) {
        self.by_client.insert(allocation.client, relay);
        self.by_address.insert(allocation.local, relay);
        self.by_address.insert(allocation.relayed, relay);
        self.deadlines.insert((allocation.expires, relay));
        self.by_id.insert(relay, allocation);
    }

    pub(super) fn remove(&mut self, relay: RelayId) -> Option<Allocation> {
        let allocation = self.by_id.remove(&relay)?;
        self.by_client.remove(&allocation.client);
        for address in [allocation.local, allocation.relayed] {
            if self.by_address.get(&address) == Some(&relay) {
                self.by_address.remove(&address);
            }
        }
        self.deadlines.remove(&(allocation.expires, relay));
        Some(allocation)
    }

    /// Moves the end of an allocation.
    pub(super) fn extend(&mut self, relay: RelayId, expires: Instant) {
        if let Some(allocation) = self.by_id.get_mut(&relay) {
            self.deadlines.remove(&(allocation.expires, relay));
            self.deadlines.insert((expires, relay));
            allocation.expires = expires;
        }
    }

    pub(super) fn get(&self, relay: RelayId) -> Option<&Allocation> {
        self.by_id.get(&relay)
    }

    pub(super) fn get_mut(&mut self, relay: RelayId) -> Option<&mut Allocation> {
        self.by_id.get_mut(&relay)
    }

    pub(super) fn of_client(&self, client: ClientAddr) -> Option<RelayId> {
        self.by_client.get(&client).copied()
    }

    /// The allocation that lives at this relayed address.
    pub(super) fn at(&self, address: SocketAddr) -> Option<RelayId> {
        self.by_address.get(&address).copied()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The allocation that would end first.
    pub(super) fn first(&self) -> Option<RelayId> {
        self.deadlines.first().map(|(_, relay)| *relay)
    }

    /// One allocation whose time is over.
    pub(super) fn expired(&self, now: Instant) -> Option<RelayId> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, relay)| *relay)
    }
}
