//! The brain: what a relay does with each datagram, without sockets, clock or dice of its own.
//!
//! Control goes through [`Core::poll_output`]: drain it after every call. Data does not: [`Core::route`] and
//! [`Core::handle_peer`] answer at once with a [`Decision`] that borrows the datagram.

mod allocations;
mod answers;
mod channels;
mod data;
mod dice;
mod nonces;
mod permissions;
mod quotas;
mod requests;
mod reservations;
#[cfg(test)]
mod tests;
mod types;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tracing::{info, trace};

pub use data::{Decision, Head};
pub use types::{ClientAddr, Family, Now, OpenFailure, Output, PortHint, RelayId, Transport};

use crate::config::Config;
use crate::gate::WarnGate;
use crate::metrics::Counters;
use crate::policy::Policy;
use crate::stun::{Class, Message};
use allocations::Allocations;
use dice::Dice;
use nonces::Nonces;
use quotas::Quotas;
use requests::Openings;
use reservations::{Reservation, Reservations};

/// Every allocation of one relay, and the rules they live by.
#[derive(Debug)]
pub struct Core {
    config: Config,
    /// Listening addresses; an allocation is bound to the address of the one its client came to.
    listen: Vec<SocketAddr>,
    policy: Policy,
    nonces: Nonces,
    dice: Dice,
    quotas: Quotas,
    openings: Openings,
    reservations: Reservations,
    allocations: Allocations,
    counters: Arc<Counters>,
    warnings: WarnGate,
    outputs: VecDeque<Output>,
}

impl Core {
    /// `listen` are the addresses actually bound; `seed` is the root of nonces, tokens and transaction ids and must
    /// be secret.
    #[must_use]
    pub fn new(config: Config, listen: Vec<SocketAddr>, seed: [u8; 32], now: Instant, counters: Arc<Counters>) -> Self {
        Self {
            policy: Policy::new(config.allow_peer.clone()),
            nonces: Nonces::new(&seed, now, config.lifetimes.nonce),
            dice: Dice::new(&seed),
            quotas: Quotas::new(config.limits.max_allocations, config.limits.max_allocations_per_user),
            openings: Openings::default(),
            reservations: Reservations::default(),
            allocations: Allocations::default(),
            counters,
            warnings: WarnGate::default(),
            outputs: VecDeque::new(),
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

    /// The socket asked for by [`Output::OpenRelaySocket`] is bound to `local`. A reserved socket has the same
    /// address and the next port.
    pub fn allocation_opened(&mut self, now: Instant, relay: RelayId, local: SocketAddr) {
        if let Some(opening) = self.openings.take(relay) {
            self.finish_allocate(now, relay, local, opening);
        } else {
            self.outputs.push_back(Output::CloseRelaySocket { relay });
        }
    }

    /// The socket asked for by [`Output::OpenRelaySocket`] cannot be had.
    pub fn allocation_failed(&mut self, now: Instant, relay: RelayId, failure: OpenFailure) {
        if let Some(opening) = self.openings.take(relay) {
            self.fail_allocate(now, &opening, failure);
        }
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
        [self.allocations.next_deadline(), self.reservations.next_deadline()].into_iter().flatten().min()
    }

    /// Ends what has expired by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(relay) = self.allocations.expired(now) {
            self.end_allocation(now, relay, "expired");
        }
        while let Some(reservation) = self.reservations.take_expired(now) {
            self.end_reservation(&reservation);
        }
    }

    /// Ends every allocation and every reservation, because the relay stops.
    pub fn end_all(&mut self, now: Instant) {
        self.openings.abandon_all();
        while let Some(relay) = self.allocations.first() {
            self.end_allocation(now, relay, "relay is stopping");
        }
        while let Some(reservation) = self.reservations.take_first() {
            self.end_reservation(&reservation);
        }
    }

    fn end_reservation(&mut self, reservation: &Reservation) {
        self.quotas.release(&reservation.user);
        self.outputs.push_back(Output::CloseRelaySocket { relay: reservation.relay });
    }

    /// The only way an allocation ends.
    fn end_allocation(&mut self, now: Instant, relay: RelayId, why: &'static str) {
        let Some(allocation) = self.allocations.remove(relay) else {
            return;
        };
        self.quotas.release(&allocation.user);
        self.counters.allocation_ended();
        self.outputs.push_back(Output::CloseRelaySocket { relay });
        info!(
            allocation = relay.0,
            why,
            seconds = now.saturating_duration_since(allocation.made).as_secs(),
            bytes_to_peers = allocation.bytes_to_peers,
            bytes_to_client = allocation.bytes_to_client,
            "allocation ended"
        );
    }
}
