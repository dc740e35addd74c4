//! Allocate (RFC 8656 section 7): asked for, waiting for its sockets, answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tracing::info;

use super::super::Core;
use super::super::allocations::{Allocation, RelayedAddress};
use super::super::answers::{Asker, Refusal};
use super::super::channels::Channels;
use super::super::permissions::Permissions;
use super::super::reservations::Reservation;
use super::super::source_of;
use super::super::types::{ClientAddr, Family, OpenFailure, Output, PortHint, RelayId, Transport};
use super::Outcome;
use super::openings::Opening;
use super::wish::{Port, Wish};
use crate::auth::User;
use crate::stun::attributes::{
    ADDRESS_ERROR_CODE, LIFETIME, RESERVATION_TOKEN, XOR_MAPPED_ADDRESS, XOR_RELAYED_ADDRESS, encode_error_code,
};
use crate::stun::{Message, MessageBuilder};

impl Core {
    pub(super) fn allocate(&mut self, now: Instant, asker: &Asker, user: User, message: &Message<'_>) -> Outcome {
        if let Some(relay) = self.allocations.of_client(asker.client) {
            return self.answer_again(relay, asker, &user);
        }
        if self.openings.is_waiting(asker.client) {
            return Ok(None);
        }
        let wish = Wish::read(message)?;
        let lifetime = self.granted_lifetime(message.number(LIFETIME));
        if let Some(token) = wish.token {
            return self.adopt(now, asker, user, lifetime, token);
        }
        if self.ledger.is_draining() {
            return Err(self.send_elsewhere(asker.client));
        }
        let mut failed = Vec::new();
        let mut places = self.places(asker.client, wish.addresses, &mut failed);
        let Some(&(first_bind, _)) = places.first() else {
            return Err(Refusal::FamilyNotSupported);
        };
        let source = source_of(asker.client.remote.ip());
        let sockets = places.len() + usize::from(wish.port == Port::EvenAndNext);
        if !self.ledger.take_quota(&user, source, sockets) {
            // Of two addresses one will do, and the other one is named as missing (RFC 8656 section 7.2).
            if places.len() < 2 || !self.ledger.take_quota(&user, source, 1) {
                return Err(Refusal::QuotaReached);
            }
            let beyond = places.split_off(1);
            failed.extend(beyond.into_iter().map(|(bind, _)| (Family::of(bind), OpenFailure::NoPort)));
        }
        let (port, token) = self.port_hint(wish.port);
        let first = self.allocations.prepare();
        let mut waiting = vec![(first, Family::of(first_bind))];
        for (bind, _) in places.iter().skip(1) {
            waiting.push((self.allocations.prepare(), Family::of(*bind)));
        }
        for ((relay, _), (bind, towards)) in waiting.iter().zip(places) {
            self.outputs.push_back(Output::OpenRelaySocket { relay: *relay, bind, towards, port });
        }
        self.openings.wait_for(Opening {
            asker: asker.clone(),
            user,
            source,
            lifetime,
            token,
            adopted: None,
            first,
            waiting,
            opened: Vec::new(),
            failed,
            abandoned: false,
        });
        Ok(None)
    }

    /// Redeems a reservation; its port and its place in the quotas go over to the allocation.
    fn adopt(&mut self, now: Instant, asker: &Asker, user: User, lifetime: Duration, token: [u8; 8]) -> Outcome {
        let reservation = self.ledger.redeem(token, &user, now).ok_or(Refusal::InsufficientCapacity)?;
        self.reserved.remove(&(reservation.expires, token));
        let relay = self.allocations.prepare();
        self.openings.wait_for(Opening {
            asker: asker.clone(),
            user,
            source: reservation.source,
            lifetime,
            token: None,
            adopted: Some(reservation.local),
            first: relay,
            waiting: vec![(relay, Family::of(reservation.local.ip()))],
            opened: Vec::new(),
            failed: Vec::new(),
            abandoned: false,
        });
        self.outputs.push_back(Output::AdoptRelaySocket { relay, token });
        Ok(None)
    }

    /// What became of one socket. With the last one of its request, the request is answered.
    pub(in crate::relay) fn socket_result(
        &mut self,
        now: Instant,
        relay: RelayId,
        result: Result<SocketAddr, OpenFailure>,
    ) {
        let Some((mut opening, family)) = self.openings.take(relay) else {
            if result.is_ok() {
                self.outputs.push_back(Output::CloseRelaySocket { relay });
            }
            return;
        };
        let failure = match result {
            Ok(local) if self.claim(now, &opening, local) => {
                let (seen, port) = (self.advertised(local.ip()), local.port());
                opening.opened.push(RelayedAddress { relay, local: local.ip(), seen, port });
                None
            }
            Ok(_) => {
                self.outputs.push_back(Output::CloseRelaySocket { relay });
                Some(OpenFailure::NoPort)
            }
            Err(failure) => Some(failure),
        };
        if let Some(failure) = failure {
            if let Some(token) = opening.token {
                self.outputs.push_back(Output::DropReserved { token });
            }
            opening.failed.push((family, failure));
            self.allocations.discard(relay);
            if let Some(reserved) = opening.adopted {
                self.ledger.release_port(reserved.port());
            }
            self.ledger.release_quota(&opening.user, opening.source, 1 + usize::from(opening.token.is_some()));
        }
        if opening.waiting.is_empty() {
            self.conclude(now, opening);
        } else {
            self.openings.give_back(opening);
        }
    }

    /// True when the address is nobody else's, and the next one neither where that shall be kept. Behind one public
    /// address, sockets on two local addresses may have got the same port.
    fn claim(&mut self, now: Instant, opening: &Opening, local: SocketAddr) -> bool {
        if opening.abandoned {
            return false;
        }
        if let Some(reserved) = opening.adopted {
            return (reserved.ip(), reserved.port()) == (local.ip(), local.port());
        }
        let seen = self.advertised(local.ip());
        if !self.ledger.claim(local, seen) {
            return false;
        }
        let Some(token) = opening.token else {
            return true;
        };
        let expires = now + self.config.lifetimes.reservation;
        let is_kept = local.port().checked_add(1).is_some_and(|port| {
            let local = SocketAddr::new(local.ip(), port);
            let (user, source) = (opening.user.clone(), opening.source);
            self.ledger.reserve(token, Reservation { local, user, source, expires }, seen)
        });
        if is_kept {
            self.reserved.insert((expires, token));
        } else {
            self.ledger.release_port(local.port());
        }
        is_kept
    }

    /// Every socket is there, or is not to be had.
    fn conclude(&mut self, now: Instant, opening: Opening) {
        let Opening { asker, user, source, mut opened, failed, .. } = opening;
        if opening.abandoned {
            for address in opened {
                self.allocations.discard(address.relay);
                self.close(address);
                self.ledger.release_quota(&user, source, 1);
            }
            return;
        }
        opened.sort_unstable_by_key(RelayedAddress::family);
        let mut addresses = opened.into_iter();
        let Some(first) = addresses.next() else {
            // A family that is full may have room again; one that is not there will not come.
            let is_full = failed.iter().any(|(_, failure)| *failure == OpenFailure::NoPort);
            let failure = if is_full { OpenFailure::NoPort } else { OpenFailure::NoAddress };
            self.refuse(now, &asker, &Refusal::from(failure));
            return;
        };
        self.made += 1;
        let allocation = Allocation {
            client: asker.client,
            user,
            key: asker.seal.as_ref().map(|seal| seal.key.clone()),
            source,
            first,
            second: addresses.next().map(Box::new),
            serial: self.made,
            made: now,
            expires: now + opening.lifetime,
            permissions: Permissions::default(),
            channels: Channels::default(),
            request: asker.transaction,
            granted: seconds(opening.lifetime),
            token: opening.token,
            missing: failed.first().copied(),
            bytes_to_peers: 0,
            bytes_to_client: 0,
            spent_up: 0,
            spent_down: 0,
        };
        self.reply(&asker, answer(&asker, &allocation));
        self.start(allocation);
    }

    fn start(&mut self, allocation: Allocation) {
        self.ledger.note(allocation.client.local.ip());
        for address in allocation.addresses() {
            self.ledger.enliven(address.port, self.worker);
        }
        self.counters.allocation_made();
        info!(
            worker = self.worker,
            allocation = allocation.serial,
            transport = ?allocation.client.transport,
            family = ?allocation.first.family(),
            both = allocation.second.is_some(),
            seconds = allocation.granted,
            "allocation made"
        );
        self.allocations.insert(allocation);
    }

    /// What the client gets when it asks for `seconds`: never less than the default, never more than the maximum.
    pub(super) fn granted_lifetime(&self, seconds: Option<u32>) -> Duration {
        let lifetimes = &self.config.lifetimes;
        seconds
            .map_or(lifetimes.allocation, |seconds| Duration::from_secs(u64::from(seconds)))
            .min(lifetimes.max_allocation)
            .max(lifetimes.allocation)
    }

    /// The same transaction again means that our answer was lost; any other request comes too late.
    fn answer_again(&self, relay: RelayId, asker: &Asker, user: &User) -> Outcome {
        let allocation = self.allocations.get(relay).ok_or(Refusal::AllocationMismatch)?;
        if allocation.request != asker.transaction || allocation.user != *user {
            return Err(Refusal::AllocationMismatch);
        }
        Ok(Some(answer(asker, allocation)))
    }

    /// This relay drains: to another one that the client can reach as it reaches this one, if there is any.
    fn send_elsewhere(&self, client: ClientAddr) -> Refusal {
        let family = Family::of(client.remote.ip());
        let others = match client.transport {
            Transport::Udp | Transport::Tcp => &self.config.alternate_server,
            Transport::Tls => &self.config.alternate_tls_server,
        };
        others
            .iter()
            .copied()
            .find(|server| Family::of(server.ip()) == family)
            .map_or(Refusal::InsufficientCapacity, Refusal::TryAlternate)
    }

    fn port_hint(&mut self, port: Port) -> (PortHint, Option<[u8; 8]>) {
        match port {
            Port::Any => (PortHint::Any, None),
            Port::Even => (PortHint::Even, None),
            Port::EvenAndNext => {
                let token = self.dice.token();
                (PortHint::EvenAndNext { token }, Some(token))
            }
        }
    }
}

/// The answer to the request that made this allocation.
fn answer(asker: &Asker, allocation: &Allocation) -> MessageBuilder {
    let mut answer = asker.success();
    for address in allocation.addresses() {
        answer = answer.xor_address(XOR_RELAYED_ADDRESS, address.relayed());
    }
    answer = answer.number(LIFETIME, allocation.granted).xor_address(XOR_MAPPED_ADDRESS, allocation.client.remote);
    if let Some(token) = &allocation.token {
        answer = answer.attribute(RESERVATION_TOKEN, token);
    }
    if let Some((family, failure)) = allocation.missing {
        let refusal = Refusal::from(failure);
        let mut value = encode_error_code(refusal.code()).to_vec();
        value[0] = family.value();
        value.extend_from_slice(refusal.reason().as_bytes());
        answer = answer.attribute(ADDRESS_ERROR_CODE, &value);
    }
    answer
}

pub(super) fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}
