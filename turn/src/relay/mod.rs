//! The brain: what a relay does with each datagram, without sockets, clock or dice of its own.
//!
//! Control goes through [`Core::poll_output`]: drain it after every call. Data does not: [`Core::route`],
//! [`Core::handle_peer`] and [`Core::handle_sibling`] answer at once with a [`Decision`] that borrows the datagram.
//!
//! A relay has one [`Core`] for each of its workers, and one [`Ledger`] for all of them.

mod allocations;
mod answers;
mod caps;
mod channels;
mod claims;
mod data;
mod dice;
mod directory;
mod head;
mod ledger;
mod limiter;
mod nonces;
mod permissions;
mod quotas;
mod requests;
mod reservations;
mod slots;
mod small;
#[cfg(test)]
mod tests;
mod types;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tracing::{info, trace};

pub use data::Decision;
pub use head::Head;
pub use ledger::Ledger;
pub(crate) use types::source_of;
pub use types::{ClientAddr, Family, Now, OpenFailure, Output, PortHint, RelayId, Transport};

use crate::config::Config;
use crate::gate::WarnGate;
use crate::metrics::Counters;
use crate::policy::Policy;
use crate::stun::{Class, Message};
use allocations::{Allocations, RelayedAddress};
use caps::Caps;
use dice::{Dice, table_seed};
use nonces::Nonces;
use requests::{Discovery, Openings};

/// The allocations of one worker, and the rules they live by.
pub struct Core {
    config: Arc<Config>,
    /// Listening addresses; an allocation is bound to the address of the one its client came to.
    listen: Vec<SocketAddr>,
    worker: u8,
    policy: Policy,
    nonces: Nonces,
    dice: Dice,
    discovery: Option<Discovery>,
    ledger: Arc<Ledger>,
    caps: Option<Caps>,
    openings: Openings,
    /// The reservations that this core has made and, as far as it knows, nobody has redeemed.
    reserved: BTreeSet<(Instant, [u8; 8])>,
    allocations: Allocations,
    /// Allocations ever made.
    made: u64,
    counters: Arc<Counters>,
    warnings: WarnGate,
    outputs: VecDeque<Output>,
}

/// What a [`Core`] is made of.
pub struct Setup {
    /// The rules.
    pub config: Arc<Config>,
    /// The addresses actually bound for clients.
    pub listen: Vec<SocketAddr>,
    /// The secret root of nonces, tokens and transaction ids; the same for every worker.
    pub seed: [u8; 32],
    /// The present.
    pub now: Instant,
    /// This worker's counters.
    pub counters: Arc<Counters>,
    /// What it shares with the other workers.
    pub ledger: Arc<Ledger>,
    /// Which worker this is, 0 to 254.
    pub worker: u8,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("listen", &self.listen).field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl Core {
    /// A core without any allocation.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let Setup { config, listen, seed, now, counters, ledger, worker } = setup;
        ledger.learn(listen.iter().map(SocketAddr::ip));
        Self {
            worker,
            policy: Policy::new(config.allow_peer.clone(), config.deny_peer.clone()),
            nonces: Nonces::new(&seed, ledger.epoch, config.lifetimes.nonce),
            dice: Dice::new(&seed, worker),
            discovery: Discovery::new(&listen, config.discovery),
            caps: Caps::new(&config.limits, now),
            openings: Openings::default(),
            reserved: BTreeSet::new(),
            allocations: Allocations::new(table_seed(&seed, worker)),
            made: 0,
            counters,
            warnings: WarnGate::default(),
            outputs: VecDeque::new(),
            ledger,
            config,
            listen,
        }
    }

    /// One datagram, or one frame of a stream, from a client.
    ///
    /// On [`Decision::Done`] the outputs may hold an answer.
    pub fn route<'a>(&mut self, now: Now, from: ClientAddr, bytes: &'a [u8]) -> Decision<'a> {
        match bytes.first() {
            Some(0x40..=0x7f) => self.channel_data(now.mono, from, bytes),
            Some(0x00..=0x03) => match Message::parse(bytes) {
                Ok(message) => match message.class() {
                    Class::Indication => self.send_indication(now.mono, from, &message),
                    Class::Request => {
                        self.request(now, from, &message);
                        Decision::Done
                    }
                    Class::Success | Class::Error => Decision::Done,
                },
                Err(error) => {
                    trace!(%error, "ignored what is no message for us");
                    Decision::Done
                }
            },
            Some(_) | None => Decision::Done,
        }
    }

    /// The socket asked for by [`Output::OpenRelaySocket`] or [`Output::AdoptRelaySocket`] is bound to `local`. A
    /// reserved socket has the same address and the next port.
    pub fn allocation_opened(&mut self, now: Instant, relay: RelayId, local: SocketAddr) {
        self.socket_result(now, relay, Ok(local));
    }

    /// The socket asked for by [`Output::OpenRelaySocket`] or [`Output::AdoptRelaySocket`] cannot be had.
    pub fn allocation_failed(&mut self, now: Instant, relay: RelayId, failure: OpenFailure) {
        self.socket_result(now, relay, Err(failure));
    }

    /// The client's stream is closed: its allocation ends (RFC 8656 section 7.2).
    pub fn client_gone(&mut self, now: Instant, client: ClientAddr) {
        self.openings.abandon(client);
        if let Some(relay) = self.allocations.of_client(client) {
            self.end_allocation(now, relay, "client closed its connection");
        }
    }

    /// True while the client has an allocation, so that its silent connection is kept.
    #[must_use]
    pub fn has_allocation(&self, client: ClientAddr) -> bool {
        self.allocations.of_client(client).is_some()
    }

    /// What the hands shall do next; `None` when nothing is left.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Core::handle_timeout`] wants to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let reserved = self.reserved.first().map(|(at, _)| *at);
        [self.allocations.next_deadline(), reserved].into_iter().flatten().min()
    }

    /// Ends what has expired by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(relay) = self.allocations.expired(now) {
            self.end_allocation(now, relay, "expired");
        }
        while self.reserved.first().is_some_and(|(at, _)| *at <= now) {
            self.end_first_reservation();
        }
    }

    /// Ends every allocation and every reservation of this core, because the relay stops.
    pub fn end_all(&mut self, now: Instant) {
        self.openings.abandon_all();
        while let Some(relay) = self.allocations.first() {
            self.end_allocation(now, relay, "relay is stopping");
        }
        while !self.reserved.is_empty() {
            self.end_first_reservation();
        }
    }

    /// Unless somebody has redeemed it, at another worker maybe.
    fn end_first_reservation(&mut self) {
        if let Some((_, token)) = self.reserved.pop_first()
            && self.ledger.end_reservation(token)
        {
            self.outputs.push_back(Output::DropReserved { token });
        }
    }

    /// Ends one address of an allocation, and with its last address the allocation.
    fn end_address(&mut self, now: Instant, relay: RelayId, family: Family) {
        let holder = self.allocations.get(relay).map(|allocation| (allocation.user.clone(), allocation.source));
        match (holder, self.allocations.remove_address(relay, family)) {
            (Some((user, source)), Some(address)) => {
                self.close(address);
                self.ledger.release_quota(&user, source, 1);
            }
            _ => self.end_allocation(now, relay, "client is done"),
        }
    }

    /// The only way an allocation ends.
    fn end_allocation(&mut self, now: Instant, relay: RelayId, why: &'static str) {
        let Some(allocation) = self.allocations.remove(relay) else {
            return;
        };
        let addresses = allocation.addresses().count();
        for address in allocation.addresses() {
            self.close(*address);
        }
        self.ledger.release_quota(&allocation.user, allocation.source, addresses);
        self.counters.allocation_ended();
        info!(
            worker = self.worker,
            allocation = allocation.serial,
            why,
            seconds = now.saturating_duration_since(allocation.made).as_secs(),
            bytes_to_peers = allocation.bytes_to_peers,
            bytes_to_client = allocation.bytes_to_client,
            "allocation ended"
        );
    }

    fn close(&mut self, address: RelayedAddress) {
        self.ledger.release_port(address.port);
        self.outputs.push_back(Output::CloseRelaySocket { relay: address.relay });
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("worker", &self.worker).field("ledger", &self.ledger).finish_non_exhaustive()
    }
}
