//! Allocate (RFC 8656 section 7): asked for, waiting for its socket, answered.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tracing::info;

use super::super::Core;
use super::super::allocations::Allocation;
use super::super::answers::{Asker, Refusal};
use super::super::channels::Channels;
use super::super::permissions::Permissions;
use super::super::reservations::Reservation;
use super::super::types::{ClientAddr, Family, OpenFailure, Output, PortHint, RelayId};
use super::Outcome;
use crate::auth::User;
use crate::stun::Message;
use crate::stun::attributes::{
    ADDITIONAL_ADDRESS_FAMILY, ADDRESS_ERROR_CODE, EVEN_PORT, FAMILY_V6, LIFETIME, PROTOCOL_UDP,
    REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, RESERVATION_TOKEN, XOR_MAPPED_ADDRESS, XOR_RELAYED_ADDRESS,
    encode_error_code,
};

/// Allocate requests whose socket is being opened.
#[derive(Debug, Default)]
pub(in crate::relay) struct Openings {
    by_relay: BTreeMap<RelayId, Opening>,
    by_client: BTreeMap<ClientAddr, RelayId>,
    last: u64,
}

/// One of them.
#[derive(Debug)]
pub(in crate::relay) struct Opening {
    asker: Asker,
    user: User,
    lifetime: Duration,
    /// The socket on the next port, to be kept for later.
    next: Option<RelayId>,
    /// A second relayed address was asked for, and is not to be had.
    second_refused: bool,
    abandoned: bool,
}

impl Openings {
    pub(in crate::relay) fn take(&mut self, relay: RelayId) -> Option<Opening> {
        let opening = self.by_relay.remove(&relay)?;
        if !opening.abandoned {
            self.by_client.remove(&opening.asker.client);
        }
        Some(opening)
    }

    /// The client went away; its socket is closed as soon as it is open.
    pub(in crate::relay) fn abandon(&mut self, client: ClientAddr) {
        if let Some(relay) = self.by_client.remove(&client)
            && let Some(opening) = self.by_relay.get_mut(&relay)
        {
            opening.abandoned = true;
        }
    }

    pub(in crate::relay) fn abandon_all(&mut self) {
        self.by_client.clear();
        for opening in self.by_relay.values_mut() {
            opening.abandoned = true;
        }
    }

    fn next_id(&mut self) -> RelayId {
        self.last += 1;
        RelayId(self.last)
    }

    fn wait_for(&mut self, relay: RelayId, opening: Opening) {
        self.by_client.insert(opening.asker.client, relay);
        self.by_relay.insert(relay, opening);
    }
}

impl Core {
    pub(super) fn allocate(&mut self, now: Instant, asker: &Asker, user: User, message: &Message<'_>) -> Outcome {
        if let Some(relay) = self.allocations.of_client(asker.client) {
            return self.answer_again(relay, asker);
        }
        if self.openings.by_client.contains_key(&asker.client) {
            return Ok(None);
        }
        let wish = Wish::read(message)?;
        let lifetime = self.granted_lifetime(message.number(LIFETIME));
        let opening = |next| Opening {
            asker: asker.clone(),
            user: user.clone(),
            lifetime,
            next,
            second_refused: wish.second_address,
            abandoned: false,
        };
        if let Some(token) = wish.token {
            let reserved = self.reservations.redeem(token, &user, now).ok_or(Refusal::InsufficientCapacity)?;
            // Its place in the quota goes over to the allocation.
            self.finish_allocate(now, reserved.relay, reserved.local, opening(None));
            return Ok(None);
        }
        let (bind, towards) = self.bind_address(asker.client, wish.family).ok_or(Refusal::FamilyNotSupported)?;
        let sockets = if wish.port == Port::EvenAndNext { 2 } else { 1 };
        if !self.quotas.take(&user, sockets) {
            return Err(Refusal::QuotaReached);
        }
        let relay = self.openings.next_id();
        let (port, next) = match wish.port {
            Port::Any => (PortHint::Any, None),
            Port::Even => (PortHint::Even, None),
            Port::EvenAndNext => {
                let next = self.openings.next_id();
                (PortHint::EvenAndNext { next }, Some(next))
            }
        };
        self.openings.wait_for(relay, opening(next));
        self.outputs.push_back(Output::OpenRelaySocket { relay, bind, towards, port });
        Ok(None)
    }

    pub(in crate::relay) fn finish_allocate(
        &mut self,
        now: Instant,
        relay: RelayId,
        local: SocketAddr,
        opening: Opening,
    ) {
        let relayed = SocketAddr::new(self.advertised(local.ip()), local.port());
        // Behind one public address, sockets on two local addresses may have got the same port.
        let is_taken = [local, relayed].into_iter().any(|address| self.allocations.at(address).is_some());
        if opening.abandoned || is_taken {
            for relay in std::iter::once(relay).chain(opening.next) {
                self.outputs.push_back(Output::CloseRelaySocket { relay });
            }
            self.fail_allocate(now, &opening, OpenFailure::NoPort);
            return;
        }
        let mut answer = opening
            .asker
            .success()
            .xor_address(XOR_RELAYED_ADDRESS, relayed)
            .number(LIFETIME, seconds(opening.lifetime))
            .xor_address(XOR_MAPPED_ADDRESS, opening.asker.client.remote);
        if let Some(next) = opening.next {
            let token = self.dice.token();
            answer = answer.attribute(RESERVATION_TOKEN, &token);
            self.reservations.keep(
                token,
                Reservation {
                    relay: next,
                    local: SocketAddr::new(local.ip(), local.port().saturating_add(1)),
                    user: opening.user.clone(),
                    expires: now + self.config.lifetimes.reservation,
                },
            );
        }
        if opening.second_refused {
            let mut value = encode_error_code(440).to_vec();
            value[0] = FAMILY_V6;
            value.extend_from_slice(b"Address Family not Supported");
            answer = answer.attribute(ADDRESS_ERROR_CODE, &value);
        }
        let answer = self.reply(&opening.asker, answer);
        self.counters.allocation_made();
        info!(
            allocation = relay.0,
            transport = ?opening.asker.client.transport,
            family = ?Family::of(local.ip()),
            seconds = opening.lifetime.as_secs(),
            "allocation made"
        );
        self.allocations.insert(
            relay,
            Allocation {
                client: opening.asker.client,
                user: opening.user,
                local,
                relayed,
                made: now,
                expires: now + opening.lifetime,
                permissions: Permissions::default(),
                channels: Channels::default(),
                request: opening.asker.transaction,
                answer,
                bytes_to_peers: 0,
                bytes_to_client: 0,
            },
        );
    }

    pub(in crate::relay) fn fail_allocate(&mut self, now: Instant, opening: &Opening, failure: OpenFailure) {
        self.release(opening);
        if opening.abandoned {
            return;
        }
        let refusal = match failure {
            OpenFailure::NoPort => Refusal::InsufficientCapacity,
            OpenFailure::NoAddress => Refusal::FamilyNotSupported,
        };
        self.refuse(now, &opening.asker, &refusal);
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
    fn answer_again(&mut self, relay: RelayId, asker: &Asker) -> Outcome {
        let bytes = self
            .allocations
            .get(relay)
            .filter(|allocation| allocation.request == asker.transaction)
            .map(|allocation| allocation.answer.clone())
            .ok_or(Refusal::AllocationMismatch)?;
        self.outputs.push_back(Output::Send { to: asker.client, bytes });
        Ok(None)
    }

    /// The address of the listener the client came to, or of the first one of the wanted family; and what it has to
    /// be good for, should it be a wildcard.
    ///
    /// What peers send to a public address never arrives at loopback: there, another address has to do.
    fn bind_address(&self, client: ClientAddr, family: Option<Family>) -> Option<(IpAddr, SocketAddr)> {
        let find = |family: Family| {
            let listen = || {
                let all = std::iter::once(&client.local).chain(&self.listen).map(SocketAddr::ip);
                all.filter(move |ip| Family::of(*ip) == family)
            };
            let first = listen().next()?;
            match self.public_ip(family) {
                Some(public) if first.is_loopback() && !public.is_loopback() => {
                    let bind = listen().find(|ip| !ip.is_loopback()).unwrap_or_else(|| family.wildcard());
                    Some((bind, SocketAddr::new(public, client.remote.port())))
                }
                Some(_) | None => Some((first, client.remote)),
            }
        };
        match family {
            Some(family) => find(family),
            // IPv4 unless asked for something else, but a relay without IPv4 is still of use.
            None => find(Family::V4).or_else(|| find(Family::V6)),
        }
    }

    fn advertised(&self, local: IpAddr) -> IpAddr {
        self.public_ip(Family::of(local)).unwrap_or(local)
    }

    fn public_ip(&self, family: Family) -> Option<IpAddr> {
        self.config.public_ip.iter().copied().find(|ip| Family::of(*ip) == family)
    }

    fn release(&mut self, opening: &Opening) {
        self.quotas.release(&opening.user);
        if opening.next.is_some() {
            self.quotas.release(&opening.user);
        }
    }
}

/// What an Allocate request asks for, once its attributes are known to fit together.
#[derive(Debug)]
struct Wish<'a> {
    family: Option<Family>,
    port: Port,
    token: Option<&'a [u8]>,
    second_address: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Any,
    Even,
    EvenAndNext,
}

impl<'a> Wish<'a> {
    fn read(message: &Message<'a>) -> Result<Self, Refusal> {
        match message.find(REQUESTED_TRANSPORT) {
            Some([PROTOCOL_UDP, _, _, _]) => {}
            Some([_, _, _, _]) => return Err(Refusal::UnsupportedTransport),
            Some(_) | None => return Err(Refusal::BadRequest("REQUESTED-TRANSPORT missing")),
        }
        let family = match message.find(REQUESTED_ADDRESS_FAMILY) {
            Some(value) => Some(Family::from_value(value).ok_or(Refusal::FamilyNotSupported)?),
            None => None,
        };
        let port = match message.find(EVEN_PORT) {
            None => Port::Any,
            Some([flags, ..]) if flags & 0x80 != 0 => Port::EvenAndNext,
            Some([_, ..]) => Port::Even,
            Some([]) => return Err(Refusal::BadRequest("EVEN-PORT is empty")),
        };
        let token = message.find(RESERVATION_TOKEN);
        if token.is_some() && (port != Port::Any || family.is_some()) {
            return Err(Refusal::BadRequest("RESERVATION-TOKEN excludes EVEN-PORT and REQUESTED-ADDRESS-FAMILY"));
        }
        let second_address = match message.find(ADDITIONAL_ADDRESS_FAMILY) {
            None => false,
            Some([FAMILY_V6, ..]) if family.is_none() && token.is_none() && port != Port::EvenAndNext => true,
            Some(_) => {
                return Err(Refusal::BadRequest("ADDITIONAL-ADDRESS-FAMILY is IPv6 and stands alone"));
            }
        };
        Ok(Self { family, port, token, second_address })
    }
}

pub(super) fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}
