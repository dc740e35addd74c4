//! The table of allocations: by relay socket without hashing, by client and by relayed address in one look-up each.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use foldhash::fast::FixedState;

use super::channels::Channels;
use super::permissions::Permissions;
use super::slots::Slots;
use super::types::{ClientAddr, Family, OpenFailure, RelayId};
use crate::auth::User;
use crate::stun::{Key, TransactionId};

/// One client's relayed addresses and everything that hangs on them (RFC 8656 section 2.2).
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) client: ClientAddr,
    pub(super) user: User,
    /// What the request that made it was signed with.
    pub(super) key: Option<Key>,
    /// Where its places in the quotas are counted.
    pub(super) source: IpAddr,
    /// IPv4 where there are two.
    pub(super) first: RelayedAddress,
    pub(super) second: Option<Box<RelayedAddress>>,
    /// Counts the allocations of one core, for the log.
    pub(super) serial: u64,
    pub(super) made: Instant,
    pub(super) expires: Instant,
    pub(super) permissions: Permissions,
    pub(super) channels: Channels,
    /// The request that made it, and what it takes to answer that again.
    pub(super) request: TransactionId,
    /// Seconds given in the first answer.
    pub(super) granted: u32,
    /// The reservation made with it.
    pub(super) token: Option<[u8; 8]>,
    /// The address that was asked for and is not to be had.
    pub(super) missing: Option<(Family, OpenFailure)>,
    pub(super) bytes_to_peers: u64,
    pub(super) bytes_to_client: u64,
    /// States of its two bandwidth caps.
    pub(super) spent_up: u64,
    pub(super) spent_down: u64,
}

/// One relay socket of an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RelayedAddress {
    pub(super) relay: RelayId,
    /// The IP address the socket is bound to.
    pub(super) local: IpAddr,
    /// The IP address that the client was told, and peers see; of the same family.
    pub(super) seen: IpAddr,
    /// The port of both.
    pub(super) port: u16,
}

impl RelayedAddress {
    /// What the client was told.
    pub(super) fn relayed(&self) -> SocketAddr {
        SocketAddr::new(self.seen, self.port)
    }

    pub(super) fn family(&self) -> Family {
        Family::of(self.local)
    }

    fn is_at(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        self.port == address.port() && (self.seen == ip || self.local == ip)
    }
}

impl Allocation {
    pub(super) fn addresses(&self) -> impl Iterator<Item = &RelayedAddress> {
        std::iter::once(&self.first).chain(self.second.as_deref())
    }

    pub(super) fn address(&self, family: Family) -> Option<&RelayedAddress> {
        if self.first.family() == family {
            return Some(&self.first);
        }
        self.second.as_deref().filter(|second| second.family() == family)
    }
}

/// Every allocation of one core. A relay port belongs to one allocation only, whatever IP address it is on.
#[derive(Debug)]
pub(super) struct Allocations {
    slots: Slots<Place>,
    by_client: HashMap<ClientAddr, RelayId, FixedState>,
    by_port: HashMap<u16, RelayId, FixedState>,
    deadlines: BTreeSet<(Instant, RelayId)>,
}

/// What a relay socket stands for.
#[derive(Debug)]
enum Place {
    /// It is being opened.
    Opening,
    /// The first address of an allocation; the allocation lives here.
    First(Box<Allocation>),
    /// The second address of the allocation that lives there.
    Second(RelayId),
}

impl Allocations {
    /// `seed` keeps strangers from choosing addresses that collide in the tables.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            slots: Slots::new(),
            by_client: HashMap::with_hasher(FixedState::with_seed(seed)),
            by_port: HashMap::with_hasher(FixedState::with_seed(seed)),
            deadlines: BTreeSet::new(),
        }
    }

    /// An id for a socket that is to be opened.
    pub(super) fn prepare(&mut self) -> RelayId {
        self.slots.add(Place::Opening)
    }

    /// Takes back an id whose socket did not become an allocation's.
    pub(super) fn discard(&mut self, relay: RelayId) {
        self.slots.remove(relay);
    }

    /// The ids of its addresses have been prepared.
    pub(super) fn insert(&mut self, allocation: Allocation) {
        let first = allocation.first.relay;
        self.by_client.insert(allocation.client, first);
        self.deadlines.insert((allocation.expires, first));
        for address in allocation.addresses() {
            self.by_port.insert(address.port, first);
        }
        if let Some(second) = &allocation.second
            && let Some(place) = self.slots.get_mut(second.relay)
        {
            *place = Place::Second(first);
        }
        if let Some(place) = self.slots.get_mut(first) {
            *place = Place::First(Box::new(allocation));
        }
    }

    pub(super) fn remove(&mut self, relay: RelayId) -> Option<Box<Allocation>> {
        let first = self.first_of(relay)?;
        let Place::First(allocation) = self.slots.remove(first)? else {
            return None;
        };
        self.by_client.remove(&allocation.client);
        self.deadlines.remove(&(allocation.expires, first));
        for address in allocation.addresses() {
            self.by_port.remove(&address.port);
        }
        if let Some(second) = &allocation.second {
            self.slots.remove(second.relay);
        }
        Some(allocation)
    }

    /// Takes one of two addresses away, with the permissions and channels of its family. What is left may go by
    /// another id from now on. `None` where there are not two, one of them of this family.
    pub(super) fn remove_address(&mut self, relay: RelayId, family: Family) -> Option<RelayedAddress> {
        let allocation = self.get_mut(relay)?;
        let gone = *allocation.address(family)?;
        let second = *allocation.second.take()?;
        let old = allocation.first.relay;
        allocation.permissions.forget(family);
        allocation.channels.forget(family);
        self.by_port.remove(&gone.port);
        if gone.relay == second.relay {
            self.slots.remove(gone.relay);
            return Some(gone);
        }
        allocation_moves(self.slots.remove(old), second).map(|allocation| {
            self.by_client.insert(allocation.client, second.relay);
            self.by_port.insert(second.port, second.relay);
            self.deadlines.remove(&(allocation.expires, old));
            self.deadlines.insert((allocation.expires, second.relay));
            if let Some(place) = self.slots.get_mut(second.relay) {
                *place = Place::First(allocation);
            }
            gone
        })
    }

    /// Moves the end of an allocation.
    pub(super) fn extend(&mut self, relay: RelayId, expires: Instant) {
        let Some(allocation) = self.get_mut(relay) else {
            return;
        };
        let first = allocation.first.relay;
        let old = std::mem::replace(&mut allocation.expires, expires);
        self.deadlines.remove(&(old, first));
        self.deadlines.insert((expires, first));
    }

    /// The allocation that this socket belongs to.
    pub(super) fn get(&self, relay: RelayId) -> Option<&Allocation> {
        match self.slots.get(relay)? {
            Place::First(allocation) => Some(allocation),
            Place::Second(first) => match self.slots.get(*first)? {
                Place::First(allocation) => Some(allocation),
                Place::Second(_) | Place::Opening => None,
            },
            Place::Opening => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, relay: RelayId) -> Option<&mut Allocation> {
        let first = self.first_of(relay)?;
        match self.slots.get_mut(first)? {
            Place::First(allocation) => Some(allocation),
            Place::Second(_) | Place::Opening => None,
        }
    }

    pub(super) fn of_client(&self, client: ClientAddr) -> Option<RelayId> {
        self.by_client.get(&client).copied()
    }

    /// The allocation that lives at this relayed address.
    pub(super) fn at(&self, address: SocketAddr) -> Option<RelayId> {
        let relay = *self.by_port.get(&address.port())?;
        let allocation = self.get(relay)?;
        allocation.addresses().any(|own| own.is_at(address)).then_some(relay)
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

    fn first_of(&self, relay: RelayId) -> Option<RelayId> {
        match self.slots.get(relay)? {
            Place::First(_) => Some(relay),
            Place::Second(first) => Some(*first),
            Place::Opening => None,
        }
    }
}

/// The allocation that lived at `place`, with `first` as its first address.
fn allocation_moves(place: Option<Place>, first: RelayedAddress) -> Option<Box<Allocation>> {
    let Place::First(mut allocation) = place? else {
        return None;
    };
    allocation.first = first;
    Some(allocation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocation_stays_small() {
        assert!(size_of::<Allocation>() <= 368, "{} bytes", size_of::<Allocation>());
        assert!(size_of::<RelayedAddress>() <= 44, "{} bytes", size_of::<RelayedAddress>());
    }
}
