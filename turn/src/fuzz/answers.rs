//! What an answer may say, and what the model learns from it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::cast::{MAX_CHANNELS, MAX_PERMISSIONS, worker_of};
use super::model::{Place, Tenant};
use super::requests::Asked;
use super::stage::{Cause, Stage, Verdict};
use crate::metrics::REFUSAL_CODES;
use crate::relay::{ClientAddr, Family, RelayId};
use crate::stun::attributes::{
    CHANNEL_NUMBER, FINGERPRINT, LIFETIME, NONCE, REALM, REQUESTED_ADDRESS_FAMILY, RESERVATION_TOKEN,
    XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS, decode_xor_address,
};
use crate::stun::{ChannelNumber, Class, Message, Method};

impl Stage {
    /// An answer is a message, fits its request, and goes to who sent that.
    pub(super) fn judge_answer(&mut self, worker: usize, cause: Cause<'_>, to: ClientAddr, bytes: &[u8]) -> Verdict {
        let (asked, opening) = match cause {
            Cause::Request(asked) => (asked, None),
            Cause::Opening { asked, id } => (asked, Some(id)),
            Cause::Gone(_) | Cause::Time | Cause::End => panic!("nobody asked for {bytes:02x?}"),
        };
        assert_eq!(to, self.cast.clients[asked.client], "an answer for somebody else");
        assert_eq!(worker, worker_of(asked.client), "an answer of the wrong worker");
        let request = parse(&asked.bytes);
        let answer = parse(bytes);
        assert_eq!(request.class(), Class::Request, "an answer to what is no request");
        assert_eq!(
            (answer.method(), answer.transaction()),
            (request.method(), request.transaction()),
            "an answer to another request"
        );
        assert_eq!(answer.fingerprint(), request.find(FINGERPRINT).map(|_| true), "a checksum like the request's");
        self.judge_signature(asked, &request, &answer, bytes.len());
        match answer.class() {
            Class::Success => {
                self.learn(asked, opening, &request, &answer);
                Ok(())
            }
            Class::Error => Err(self.refused(asked.client, &answer)),
            Class::Request | Class::Indication => panic!("an answer that is none: {answer:?}"),
        }
    }

    /// Who has proved himself gets a signed answer; who has not gets a small one, and nothing but his address.
    fn judge_signature(&self, asked: &Asked, request: &Message<'_>, answer: &Message<'_>, length: usize) {
        if answer.integrity().is_some() {
            let key = asked.key.as_ref().expect("an answer signed for a stranger");
            assert_eq!(answer.integrity(), request.integrity(), "signed as the request is");
            assert!(answer.verify(key), "an answer signed wrongly");
            return;
        }
        let most = asked.bytes.len() + self.growth;
        assert!(length <= most, "{length} bytes for a stranger, who sent {}", asked.bytes.len());
        let is_harmless = answer.class() == Class::Error || answer.method() == Method::Binding;
        assert!(is_harmless, "a stranger is granted {:?}", answer.method());
    }

    fn refused(&mut self, client: usize, answer: &Message<'_>) -> u16 {
        let code = answer.error_code().unwrap_or_default();
        assert!(REFUSAL_CODES.contains(&code), "nobody knows the code {code}");
        *self.reached.codes.entry(code).or_default() += 1;
        if matches!(code, 401 | 438) {
            let nonce = answer.find(NONCE).filter(|_| answer.find(REALM).is_some());
            self.nonces[client] = nonce.expect("a challenge has a realm and a nonce").to_vec();
        }
        code
    }

    fn learn(&mut self, asked: &Asked, opening: Option<usize>, request: &Message<'_>, answer: &Message<'_>) {
        match request.method() {
            Method::Binding => self.check_mapped(asked.client, answer),
            Method::Allocate => match opening {
                Some(id) => self.allocated(asked, id, answer),
                None => self.repeated(asked, answer),
            },
            Method::Refresh => self.refreshed(asked, request, answer),
            Method::CreatePermission => self.permitted(asked, request),
            Method::ChannelBind => self.bound(asked, request),
            Method::Send | Method::Data => panic!("an answer to {:?}", request.method()),
        }
    }

    fn check_mapped(&self, client: usize, answer: &Message<'_>) {
        let remote = self.cast.clients[client].remote;
        assert_eq!(answer.xor_address(XOR_MAPPED_ADDRESS), Some(remote), "where client {client} is");
    }

    /// An allocation is made: with the sockets that were opened for it, all of them, and nobody else's.
    fn allocated(&mut self, asked: &Asked, id: usize, answer: &Message<'_>) {
        self.check_mapped(asked.client, answer);
        let worker = worker_of(asked.client);
        let opening = self.model.openings.get(&id).expect("an opening lasts until its answer");
        assert!(!opening.abandoned, "an allocation for a client that has left");
        let sockets: Vec<(RelayId, SocketAddr)> = opening
            .relays
            .iter()
            .filter_map(|relay| self.hands.open.get(&(worker, *relay)).map(|local| (*relay, *local)))
            .collect();
        let place = |seen: SocketAddr| {
            let socket = sockets.iter().find(|(_, local)| self.cast.seen(*local) == seen);
            let (relay, local) = socket.copied().unwrap_or_else(|| panic!("no socket of the client's is at {seen}"));
            assert!(!self.model.tenants.values().any(|other| other.has_port(seen.port())), "{seen} is taken");
            Place { relay, local, seen }
        };
        let places: Vec<Place> = relayed(answer).into_iter().map(place).collect();
        assert!(matches!(places.len(), 1 | 2), "one relayed address or two, not {places:?}");
        assert_eq!(places.len(), sockets.len(), "each of its sockets is named");
        let token = answer.find(RESERVATION_TOKEN);
        assert_eq!(token, opening.token.as_ref().map(|token| &token[..]), "the reservation's token");
        if let Some(token) = opening.token {
            let next = self.hands.parked.get(&token).expect("a reserved socket is kept");
            let port = places[0].local.port();
            assert!(port.is_multiple_of(2) && next.local.port() == port + 1, "{port} has no next one");
            self.tokens.push(token);
        }
        self.reached.allocations += 1;
        self.reached.adopted += u64::from(opening.adopts);
        self.reached.dual += u64::from(places.len() == 2);
        let granted = self.granted(answer);
        let tenant = Tenant {
            worker,
            user: asked.user.expect("strangers get no sockets"),
            transaction: answer.transaction(),
            granted,
            places,
            expires: self.now.mono + Duration::from_secs(u64::from(granted)),
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
        };
        let before = self.model.tenants.insert(asked.client, tenant);
        assert!(before.is_none(), "a second allocation for client {}", asked.client);
    }

    /// The request that made an allocation came again.
    fn repeated(&mut self, asked: &Asked, answer: &Message<'_>) {
        self.check_mapped(asked.client, answer);
        let granted = self.granted(answer);
        let tenant = self.owner(asked);
        assert_eq!(tenant.transaction, answer.transaction(), "another request than the one that was granted");
        assert_eq!(tenant.granted, granted, "the lifetime granted at first");
        let seen: Vec<SocketAddr> = tenant.places.iter().map(|place| place.seen).collect();
        assert_eq!(relayed(answer), seen, "the same relayed addresses");
    }

    fn refreshed(&mut self, asked: &Asked, request: &Message<'_>, answer: &Message<'_>) {
        if request.number(LIFETIME) == Some(0) {
            assert_eq!(answer.number(LIFETIME), Some(0), "no time left");
            let family = request.find(REQUESTED_ADDRESS_FAMILY).and_then(Family::from_value);
            let left = self.model.tenants.get(&asked.client);
            let is_gone = left.is_none_or(|left| family.is_some_and(|family| left.place(family).is_none()));
            assert!(is_gone, "what was given back is still there");
            return;
        }
        let granted = self.granted(answer);
        let expires = self.now.mono + Duration::from_secs(u64::from(granted));
        self.owner(asked).expires = expires;
    }

    fn permitted(&mut self, asked: &Asked, request: &Message<'_>) {
        let values = request.attributes().filter(|attribute| attribute.kind == XOR_PEER_ADDRESS);
        let peers: Option<Vec<SocketAddr>> =
            values.map(|peer| decode_xor_address(peer.value, request.transaction())).collect();
        self.permit(asked, &peers.expect("a permission for what is no address"));
    }

    /// Protected peers are permitted only where they are the relay itself; what goes there is judged packet by packet.
    fn permit(&mut self, asked: &Asked, peers: &[SocketAddr]) {
        let now = self.now.mono;
        let expires = now + self.config.lifetimes.permission;
        assert!(!peers.is_empty(), "a permission for nobody");
        for peer in peers {
            let ip = peer.ip();
            assert!(!self.cast.refuses(ip) || self.cast.is_own(ip), "{ip} is protected");
            assert!(self.owner(asked).place(Family::of(ip)).is_some(), "nothing leads to {ip}");
        }
        let tenant = self.owner(asked);
        tenant.permissions.extend(peers.iter().map(|peer| (peer.ip(), expires)));
        let live = tenant.permissions.values().filter(|expires| **expires > now).count();
        assert!(live <= MAX_PERMISSIONS, "{live} permissions");
        self.reached.permissions += u64::try_from(peers.len()).unwrap_or(u64::MAX);
    }

    fn bound(&mut self, asked: &Asked, request: &Message<'_>) {
        let now = self.now.mono;
        let expires = now + self.config.lifetimes.channel;
        let number = request.number(CHANNEL_NUMBER).and_then(|value| u16::try_from(value >> 16).ok());
        let number = number.filter(|number| ChannelNumber::new(*number).is_some());
        let number = number.expect("a channel in its range");
        let peer = request.xor_address(XOR_PEER_ADDRESS).expect("a channel has a peer");
        assert_ne!(peer.port(), 0, "a channel to no port");
        let is_open = !self.cast.refuses(peer.ip()) || self.model.has(peer);
        let is_renewed = self.owner(asked).channel(number, now) == Some(peer);
        assert!(is_open || is_renewed, "{peer} is protected, and no allocation answers there");
        self.permit(asked, &[peer]);
        let tenant = self.owner(asked);
        assert!(tenant.channel(number, now).is_none_or(|held| held == peer), "{number:#x} is another peer's");
        assert!(tenant.channel_of(peer, now).is_none_or(|held| held == number), "{peer} has another channel");
        tenant.channels.retain(|held, (other, _)| *held != number && *other != peer);
        tenant.channels.insert(number, (peer, expires));
        let live = tenant.channels.values().filter(|(_, expires)| *expires > now).count();
        assert!(live <= MAX_CHANNELS, "{live} channels");
        self.reached.channels += 1;
    }

    /// A socket is closed. That of an allocation only when its time is over, or when its client wants that.
    pub(super) fn close(&mut self, worker: usize, relay: RelayId, cause: Cause<'_>) {
        let local = self.hands.open.remove(&(worker, relay));
        assert!(local.is_some(), "{relay:?} of worker {worker} is not open");
        let Some(client) = self.model.tenant_of(worker, relay).map(|(client, _)| client) else {
            let Cause::Opening { id, .. } = cause else {
                panic!("{relay:?} of worker {worker} is closed while its request waits");
            };
            let is_part = self.model.openings.get(&id).is_some_and(|opening| opening.relays.contains(&relay));
            assert!(is_part, "another request's {relay:?} is closed");
            return;
        };
        let Some(tenant) = self.model.tenants.get_mut(&client) else {
            return;
        };
        let is_due = match cause {
            Cause::Request(asked) => tenant.expires <= self.now.mono || ends(asked, client, tenant.user),
            Cause::Gone(other) => other == client,
            Cause::Time => tenant.expires <= self.now.mono,
            Cause::End => true,
            Cause::Opening { .. } => false,
        };
        assert!(is_due, "client {client} loses its socket to {cause:?}");
        tenant.lose(relay);
        if tenant.places.is_empty() {
            self.model.tenants.remove(&client);
        }
    }

    /// The allocation that a request is about, which is its sender's.
    fn owner(&mut self, asked: &Asked) -> &mut Tenant {
        let now = self.now.mono;
        let tenant = self.model.tenants.get_mut(&asked.client).expect("granted with an allocation");
        assert_eq!(asked.user, Some(tenant.user), "granted to another user");
        assert!(tenant.expires > now, "granted after the end");
        tenant
    }

    /// The lifetime in an answer, in seconds, which is never out of bounds.
    fn granted(&self, answer: &Message<'_>) -> u32 {
        let granted = answer.number(LIFETIME).expect("an allocation has a lifetime");
        let lifetime = Duration::from_secs(u64::from(granted));
        let lifetimes = &self.config.lifetimes;
        assert!((lifetimes.allocation..=lifetimes.max_allocation).contains(&lifetime), "{granted} seconds");
        granted
    }
}

/// True for a request by which this user gives back this client's allocation, or one address of it.
fn ends(asked: &Asked, client: usize, user: &str) -> bool {
    let request = parse(&asked.bytes);
    let is_end = request.method() == Method::Refresh && request.number(LIFETIME) == Some(0);
    is_end && asked.client == client && asked.user == Some(user)
}

/// The relayed addresses in an answer.
fn relayed(answer: &Message<'_>) -> Vec<SocketAddr> {
    let values = answer.attributes().filter(|attribute| attribute.kind == XOR_RELAYED_ADDRESS);
    let addresses: Option<Vec<SocketAddr>> =
        values.map(|found| decode_xor_address(found.value, answer.transaction())).collect();
    addresses.expect("a relayed address can be read")
}

/// A message of which it is known that it is one.
fn parse(bytes: &[u8]) -> Message<'_> {
    Message::parse(bytes).unwrap_or_else(|error| panic!("no message, {error}: {bytes:02x?}"))
}
