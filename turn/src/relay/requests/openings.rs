//! Allocate requests whose sockets are being opened.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::allocations::RelayedAddress;
use super::super::answers::Asker;
use super::super::types::{ClientAddr, Family, OpenFailure, RelayId};
use crate::auth::User;
use crate::stun::TransactionId;

/// Every such request; each holds its places in the quotas, so there are never many.
#[derive(Debug, Default)]
pub(in crate::relay) struct Openings {
    /// By the first of its sockets.
    requests: BTreeMap<RelayId, Opening>,
    /// Which request a socket is for.
    sockets: BTreeMap<RelayId, RelayId>,
    by_client: BTreeMap<ClientAddr, RelayId>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) asker: Asker,
    pub(super) user: User,
    /// Where its places in the quotas are counted.
    pub(super) source: IpAddr,
    pub(super) lifetime: Duration,
    /// What the socket on the next port is reserved under.
    pub(super) token: Option<[u8; 8]>,
    /// A redeemed reservation: the socket is there already, and its port is ours.
    pub(super) adopted: Option<SocketAddr>,
    /// The first of its sockets.
    pub(super) first: RelayId,
    /// Sockets that are not yet open, and of which family they will be.
    pub(super) waiting: Vec<(RelayId, Family)>,
    pub(super) opened: Vec<RelayedAddress>,
    pub(super) failed: Vec<(Family, OpenFailure)>,
    /// The client went away; its sockets are closed as soon as they are open.
    pub(super) abandoned: bool,
}

impl Openings {
    pub(super) fn is_waiting(&self, client: ClientAddr) -> bool {
        self.by_client.contains_key(&client)
    }

    /// True while this very request of this user waits for its sockets.
    pub(super) fn is_repeated(&self, client: ClientAddr, user: &User, transaction: TransactionId) -> bool {
        let opening = self.by_client.get(&client).and_then(|first| self.requests.get(first));
        opening.is_some_and(|opening| opening.user == *user && opening.asker.transaction == transaction)
    }

    pub(super) fn wait_for(&mut self, opening: Opening) {
        self.sockets.extend(opening.waiting.iter().map(|(relay, _)| (*relay, opening.first)));
        self.by_client.insert(opening.asker.client, opening.first);
        self.requests.insert(opening.first, opening);
    }

    /// The request that waited for this socket, and the socket's family. Give it back when it waits for more.
    pub(super) fn take(&mut self, relay: RelayId) -> Option<(Opening, Family)> {
        let first = self.sockets.remove(&relay)?;
        let mut opening = self.requests.remove(&first)?;
        let place = opening.waiting.iter().position(|(waiting, _)| *waiting == relay)?;
        let (_, family) = opening.waiting.swap_remove(place);
        if opening.waiting.is_empty() && !opening.abandoned {
            self.by_client.remove(&opening.asker.client);
        }
        Some((opening, family))
    }

    pub(super) fn give_back(&mut self, opening: Opening) {
        self.requests.insert(opening.first, opening);
    }

    pub(in crate::relay) fn abandon(&mut self, client: ClientAddr) {
        if let Some(first) = self.by_client.remove(&client)
            && let Some(opening) = self.requests.get_mut(&first)
        {
            opening.abandoned = true;
        }
    }

    pub(in crate::relay) fn abandon_all(&mut self) {
        self.by_client.clear();
        for opening in self.requests.values_mut() {
            opening.abandoned = true;
        }
    }
}
