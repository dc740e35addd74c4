//! What was granted to whom, kept in the plainest way.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::requests::Asked;
use crate::relay::{Family, RelayId};
use crate::stun::TransactionId;

#[derive(Debug, Default)]
pub(super) struct Model {
    /// Allocations by client, from the answer that grants one until the last of its sockets is closed.
    pub(super) tenants: BTreeMap<usize, Tenant>,
    /// Allocate requests that wait for their sockets.
    pub(super) openings: BTreeMap<usize, Opening>,
    /// Openings so far.
    pub(super) opened: usize,
}

/// An allocation.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) worker: usize,
    pub(super) user: &'static str,
    /// Of the request that made it.
    pub(super) transaction: TransactionId,
    /// Seconds in its first answer.
    pub(super) granted: u32,
    /// One or two, IPv4 first.
    pub(super) places: Vec<Place>,
    pub(super) expires: Instant,
    /// Until when, by IP address.
    pub(super) permissions: BTreeMap<IpAddr, Instant>,
    /// Peer and expiry by number.
    pub(super) channels: BTreeMap<u16, (SocketAddr, Instant)>,
}

/// A relay socket of an allocation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) relay: RelayId,
    pub(super) local: SocketAddr,
    /// What the client was told.
    pub(super) seen: SocketAddr,
}

/// An Allocate request that waits for its sockets.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) asked: Asked,
    pub(super) relays: Vec<RelayId>,
    /// How many of them the hands owe an answer for.
    pub(super) left: usize,
    /// The socket was a reserved one.
    pub(super) adopts: bool,
    /// The name of the reservation that is made with it.
    pub(super) token: Option<[u8; 8]>,
    pub(super) abandoned: bool,
}

impl Model {
    /// Whose socket it is.
    pub(super) fn tenant_of(&self, worker: usize, relay: RelayId) -> Option<(usize, &Tenant)> {
        let owns = |tenant: &Tenant| tenant.worker == worker && tenant.places.iter().any(|place| place.relay == relay);
        self.tenants.iter().find(|(_, tenant)| owns(tenant)).map(|(client, tenant)| (*client, tenant))
    }

    /// True for the relayed address of an allocation.
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        self.tenants.values().any(|tenant| tenant.answers_at(address))
    }

    /// Relayed addresses of one user.
    pub(super) fn held_by(&self, user: &str) -> usize {
        self.tenants.values().filter(|tenant| tenant.user == user).map(|tenant| tenant.places.len()).sum()
    }

    /// The relay gives up on the openings of these clients.
    pub(super) fn abandon(&mut self, is_gone: impl Fn(usize) -> bool) {
        for opening in self.openings.values_mut() {
            opening.abandoned |= is_gone(opening.asked.client);
        }
    }
}

impl Tenant {
    pub(super) fn place(&self, family: Family) -> Option<&Place> {
        self.places.iter().find(|place| Family::of(place.local.ip()) == family)
    }

    pub(super) fn answers_at(&self, address: SocketAddr) -> bool {
        self.places.iter().any(|place| place.local == address || place.seen == address)
    }

    pub(super) fn has_port(&self, port: u16) -> bool {
        self.places.iter().any(|place| place.local.port() == port)
    }

    pub(super) fn permits(&self, ip: IpAddr, now: Instant) -> bool {
        self.permissions.get(&ip).is_some_and(|expires| *expires > now)
    }

    /// The peer behind a channel number.
    pub(super) fn channel(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|(_, expires)| *expires > now).map(|(peer, _)| *peer)
    }

    /// The channel number of a peer.
    pub(super) fn channel_of(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        let mut channels = self.channels.iter();
        channels.find(|(_, (other, expires))| *other == peer && *expires > now).map(|(number, _)| *number)
    }

    /// One of two sockets is closed, and what is for its family goes with it.
    pub(super) fn lose(&mut self, relay: RelayId) {
        let Some(at) = self.places.iter().position(|place| place.relay == relay) else {
            return;
        };
        let family = Family::of(self.places.remove(at).local.ip());
        self.permissions.retain(|ip, _| Family::of(*ip) != family);
        self.channels.retain(|_, (peer, _)| Family::of(peer.ip()) != family);
    }
}
