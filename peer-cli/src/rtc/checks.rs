//! Brain: which candidate pairs ICE tries, read off the datagrams that carry its connectivity checks.
//!
//! The stack's statistics know the nominated pair alone: the others, which are what matters when none works, it never
//! writes down (`update_ice_agent_stats` copies one pair). But every check is a STUN Binding request that leaves through
//! a socket, bare or wrapped for a TURN server (RFC 8445 section 7.2.2, RFC 8656 section 3.4), and its answer comes back
//! with the same transaction id.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use rtc::stun::{
    attributes::{
        ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_XOR_PEER_ADDRESS,
        ATTR_XOR_RELAYED_ADDRESS, AttrType,
    },
    message::{
        CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND,
        METHOD_DATA, METHOD_SEND, Message, TransactionId, is_stun_message,
    },
    xoraddr::XorMappedAddress,
};

use super::engine::CHECK_INTERVAL;

/// Pairs remembered; a call has a few dozen.
const MAX_PAIRS: usize = 256;

/// Checks whose answer is waited for; the oldest one is forgotten first.
const MAX_OPEN: usize = 512;

/// Channels and allocations remembered, each.
const MAX_RELAYED: usize = 128;

/// A pair as the sockets see it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Way {
    /// Our socket.
    pub(super) local: SocketAddr,
    /// The TURN server in between.
    pub(super) server: Option<SocketAddr>,
    /// The far end's candidate.
    pub(super) remote: SocketAddr,
}

/// What came of a pair so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tried {
    /// Checks sent.
    pub(super) sent: u64,
    /// Answers that came.
    pub(super) answered: u64,
    /// The last round trip.
    pub(super) rtt: Option<Duration>,
}

/// The distance of the checks on one way: some quick ones, since the far end may just learn of us, then each twice as far
/// from the one before as that was, up to a limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Pace {
    next: Option<Instant>,
    sent: u32,
}

impl Pace {
    /// How many follow each other in every round of the stack.
    const QUICK: u32 = 5;
    /// As quick as two NATs may need it that each wait for a packet from the inside.
    const LONGEST: Duration = Duration::from_millis(200);
    /// The stack's rounds are not to the millisecond.
    const SLACK: Duration = Duration::from_millis(5);

    fn is_due(self, now: Instant) -> bool {
        self.next.is_none_or(|next| now + Self::SLACK >= next)
    }

    fn went(&mut self, now: Instant) {
        self.sent = self.sent.saturating_add(1);
        let doublings = self.sent.saturating_sub(Self::QUICK).min(8);
        self.next = Some(now + (CHECK_INTERVAL * (1 << doublings)).min(Self::LONGEST));
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Checks {
    tried: BTreeMap<Way, Tried>,
    paces: BTreeMap<Way, Pace>,
    open: VecDeque<(TransactionId, Way, Instant)>,
    /// Our socket, TURN server, channel number: the far end's candidate.
    channels: BTreeMap<(SocketAddr, SocketAddr, u16), SocketAddr>,
    /// Our socket, TURN server: the address it lends.
    relayed: BTreeMap<(SocketAddr, SocketAddr), SocketAddr>,
}

/// A datagram that may have to do with checks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Frame<'a> {
    /// A STUN message.
    Stun(&'a [u8]),
    /// A STUN message in a TURN channel (RFC 8656 section 12.4).
    Channel(u16, &'a [u8]),
}

impl<'a> Frame<'a> {
    /// Looks at a few bytes: media, which is nearly everything, is `None`.
    pub(super) fn of(datagram: &'a [u8]) -> Option<Self> {
        match datagram {
            [0..=3, ..] => is_stun_message(datagram).then_some(Self::Stun(datagram)),
            [high @ 0x40..=0x4f, low, _, _, inner @ ..] if matches!(inner, [0..=3, ..]) && is_stun_message(inner) => {
                Some(Self::Channel(u16::from_be_bytes([*high, *low]), inner))
            }
            _ => None,
        }
    }
}

impl Checks {
    /// Whether a datagram may leave: everything but a check that follows the last one on its way too soon.
    ///
    /// The stack asks on every pair in every round, 50 times a second, which on a peer with a few interfaces and relays is
    /// a thousand packets a second; RFC 8445 section 14.3 wants each to wait longer the more were not answered. A check
    /// that nominates is never held back.
    pub(super) fn may_leave(&self, now: Instant, local: SocketAddr, to: SocketAddr, frame: Frame<'_>) -> bool {
        let Some((way, check)) = self.check(local, to, frame) else { return true };
        check.contains(ATTR_USE_CANDIDATE) || self.paces.get(&way).is_none_or(|pace| pace.is_due(now))
    }

    /// Something left.
    pub(super) fn sent(&mut self, now: Instant, local: SocketAddr, to: SocketAddr, frame: Frame<'_>) {
        if let Some((way, check)) = self.check(local, to, frame) {
            self.asked(now, way, &check);
        } else if let Frame::Stun(bytes) = frame
            && let Some(message) = decode(bytes)
            && (message.typ.method, message.typ.class) == (METHOD_CHANNEL_BIND, CLASS_REQUEST)
        {
            let number = message.get(ATTR_CHANNEL_NUMBER).ok();
            let number = number.and_then(|value| Some(u16::from_be_bytes([*value.first()?, *value.get(1)?])));
            if let (Some(number), Some(remote)) = (number, address(&message, ATTR_XOR_PEER_ADDRESS)) {
                insert(&mut self.channels, (local, to, number), remote);
            }
        }
    }

    /// The check in a datagram that leaves, and its way: a Binding request with a priority; without one it is a question
    /// to a STUN server.
    fn check(&self, local: SocketAddr, to: SocketAddr, frame: Frame<'_>) -> Option<(Way, Message)> {
        let (way, message) = match frame {
            Frame::Stun(bytes) => {
                let message = decode(bytes)?;
                if (message.typ.method, message.typ.class) == (METHOD_SEND, CLASS_INDICATION) {
                    let remote = address(&message, ATTR_XOR_PEER_ADDRESS)?;
                    (Way { local, server: Some(to), remote }, decode(&message.get(ATTR_DATA).ok()?)?)
                } else {
                    (Way { local, server: None, remote: to }, message)
                }
            }
            Frame::Channel(number, bytes) => {
                let remote = *self.channels.get(&(local, to, number))?;
                (Way { local, server: Some(to), remote }, decode(bytes)?)
            }
        };
        let is_request = (message.typ.method, message.typ.class) == (METHOD_BINDING, CLASS_REQUEST);
        (is_request && message.contains(ATTR_PRIORITY)).then_some((way, message))
    }

    /// Something came.
    pub(super) fn received(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, frame: Frame<'_>) {
        let bytes = match frame {
            Frame::Stun(bytes) | Frame::Channel(_, bytes) => bytes,
        };
        let Some(message) = decode(bytes) else { return };
        let (method, class) = (message.typ.method, message.typ.class);
        if method == METHOD_DATA && class == CLASS_INDICATION {
            if let Some(inner) = message.get(ATTR_DATA).ok().and_then(|data| decode(&data)) {
                self.answered(now, &inner);
            }
        } else if method == METHOD_ALLOCATE && class == CLASS_SUCCESS_RESPONSE {
            if let Some(relayed) = address(&message, ATTR_XOR_RELAYED_ADDRESS) {
                insert(&mut self.relayed, (local, from), relayed);
            }
        } else {
            self.answered(now, &message);
        }
    }

    /// The pairs, with the address that a TURN server lends to those through one.
    pub(super) fn tried(&self) -> Vec<(Way, Tried, Option<SocketAddr>)> {
        let relayed = |way: &Way| self.relayed.get(&(way.local, way.server?)).copied();
        self.tried.iter().map(|(way, tried)| (*way, *tried, relayed(way))).collect()
    }

    /// Whether a check of ours from this socket was answered by this address, or through this TURN server.
    pub(super) fn is_proved(&self, local: SocketAddr, far: SocketAddr) -> bool {
        self.tried
            .iter()
            .any(|(way, tried)| way.local == local && way.server.unwrap_or(way.remote) == far && tried.answered > 0)
    }

    fn asked(&mut self, now: Instant, way: Way, check: &Message) {
        if self.tried.len() >= MAX_PAIRS && !self.tried.contains_key(&way) {
            return;
        }
        self.tried.entry(way).or_default().sent += 1;
        self.paces.entry(way).or_default().went(now);
        if self.open.len() == MAX_OPEN {
            self.open.pop_front();
        }
        self.open.push_back((check.transaction_id, way, now));
    }

    fn answered(&mut self, now: Instant, message: &Message) {
        if message.typ.method != METHOD_BINDING || message.typ.class != CLASS_SUCCESS_RESPONSE {
            return;
        }
        let Some(index) = self.open.iter().rposition(|(id, ..)| *id == message.transaction_id) else {
            return;
        };
        if let Some((_, way, asked)) = self.open.remove(index)
            && let Some(tried) = self.tried.get_mut(&way)
        {
            tried.answered += 1;
            tried.rtt = Some(now.saturating_duration_since(asked));
        }
    }
}

fn insert<K: Ord>(map: &mut BTreeMap<K, SocketAddr>, key: K, value: SocketAddr) {
    if map.len() < MAX_RELAYED || map.contains_key(&key) {
        map.insert(key, value);
    }
}

fn decode(bytes: &[u8]) -> Option<Message> {
    let mut message = Message::new();
    message.unmarshal_binary(bytes).ok()?;
    Some(message)
}

fn address(message: &Message, attribute: AttrType) -> Option<SocketAddr> {
    let mut address = XorMappedAddress { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };
    address.get_from_as(message, attribute).ok()?;
    Some(SocketAddr::new(address.ip, address.port))
}

#[cfg(test)]
mod tests {
    use rtc::stun::message::{MessageClass, MessageType, Method};

    use super::*;

    const LATER: Duration = Duration::from_millis(30);

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn message(method: Method, class: MessageClass, id: u8) -> Message {
        let mut message = Message::new();
        message.typ = MessageType::new(method, class);
        message.transaction_id = TransactionId([id; 12]);
        message.write_header();
        message
    }

    fn check(id: u8) -> Vec<u8> {
        let mut message = message(METHOD_BINDING, CLASS_REQUEST, id);
        message.add(ATTR_PRIORITY, &[0; 4]);
        message.raw
    }

    fn answer(id: u8) -> Vec<u8> {
        message(METHOD_BINDING, CLASS_SUCCESS_RESPONSE, id).raw
    }

    fn with_peer(mut message: Message, peer: SocketAddr) -> Message {
        XorMappedAddress { ip: peer.ip(), port: peer.port() }.add_to_as(&mut message, ATTR_XOR_PEER_ADDRESS).unwrap();
        message
    }

    fn in_channel(number: u16, inner: &[u8]) -> Vec<u8> {
        [&number.to_be_bytes()[..], &(inner.len() as u16).to_be_bytes(), inner].concat()
    }

    struct World {
        checks: Checks,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            Self { checks: Checks::default(), now: tokio::time::Instant::now().into_std() }
        }

        fn sends(&mut self, local: &str, to: &str, datagram: &[u8]) {
            self.checks.sent(self.now, at(local), at(to), Frame::of(datagram).unwrap());
        }

        fn receives(&mut self, local: &str, from: &str, datagram: &[u8]) {
            self.checks.received(self.now + LATER, at(local), at(from), Frame::of(datagram).unwrap());
        }
    }

    #[test]
    fn media_is_passed_over_at_a_glance() {
        for datagram in [&[][..], &[0x80; 40], &[0x16; 40], &[0x40, 0, 0, 4, 0x80, 0, 0, 0], &[0x40], &[0; 40]] {
            assert_eq!(Frame::of(datagram), None);
        }
        let check = check(1);
        assert_eq!(Frame::of(&check), Some(Frame::Stun(&check)));
        assert_eq!(Frame::of(&in_channel(0x4001, &check)), Some(Frame::Channel(0x4001, &check)));
    }

    #[test]
    fn checks_and_their_answers_are_counted_for_each_pair() {
        let mut world = World::new();
        world.sends("192.0.2.1:1", "198.51.100.1:1", &check(1));
        world.sends("192.0.2.1:1", "198.51.100.1:1", &check(2));
        world.sends("192.0.2.1:1", "198.51.100.2:2", &check(3));
        world.sends("192.0.2.1:1", "198.51.100.9:3478", &message(METHOD_BINDING, CLASS_REQUEST, 4).raw);
        world.receives("192.0.2.1:1", "198.51.100.1:1", &answer(2));
        world.receives("192.0.2.1:1", "198.51.100.1:1", &answer(2));
        world.receives("192.0.2.1:1", "198.51.100.1:1", &answer(77));
        world.receives("192.0.2.1:1", "198.51.100.1:1", &check(5));
        let proved = |far| world.checks.is_proved(at("192.0.2.1:1"), at(far));
        assert!(proved("198.51.100.1:1"));
        assert!(!proved("198.51.100.2:2") && !proved("198.51.100.9:3478"), "no check was answered from there");
        let way = |remote| Way { local: at("192.0.2.1:1"), server: None, remote: at(remote) };
        assert_eq!(
            world.checks.tried(),
            [
                (way("198.51.100.1:1"), Tried { sent: 2, answered: 1, rtt: Some(LATER) }, None),
                (way("198.51.100.2:2"), Tried { sent: 1, answered: 0, rtt: None }, None),
            ]
        );
    }

    #[test]
    fn checks_through_a_relay_are_seen_in_indications_and_in_channels() {
        let (local, server, remote) = ("192.0.2.1:1", "203.0.113.1:3478", "198.51.100.1:1");
        let mut world = World::new();
        let mut allocated = message(METHOD_ALLOCATE, CLASS_SUCCESS_RESPONSE, 9);
        XorMappedAddress { ip: at("203.0.113.1:50000").ip(), port: 50_000 }
            .add_to_as(&mut allocated, ATTR_XOR_RELAYED_ADDRESS)
            .unwrap();
        world.receives(local, server, &allocated.raw);

        let mut send = with_peer(message(METHOD_SEND, CLASS_INDICATION, 8), at(remote));
        send.add(ATTR_DATA, &check(1));
        world.sends(local, server, &send.raw);
        let mut data = with_peer(message(METHOD_DATA, CLASS_INDICATION, 7), at(remote));
        data.add(ATTR_DATA, &answer(1));
        world.receives(local, server, &data.raw);

        let mut bind = with_peer(message(METHOD_CHANNEL_BIND, CLASS_REQUEST, 6), at(remote));
        bind.add(ATTR_CHANNEL_NUMBER, &[0x40, 0x05, 0, 0]);
        world.sends(local, server, &bind.raw);
        world.sends(local, server, &in_channel(0x4005, &check(2)));
        world.sends(local, server, &in_channel(0x4006, &check(3)));
        world.receives(local, server, &in_channel(0x4005, &answer(2)));

        let way = Way { local: at(local), server: Some(at(server)), remote: at(remote) };
        let tried = Tried { sent: 2, answered: 2, rtt: Some(LATER) };
        assert_eq!(world.checks.tried(), [(way, tried, Some(at("203.0.113.1:50000")))]);
        assert!(world.checks.is_proved(at(local), at(server)));
        assert!(!world.checks.is_proved(at(local), at(remote)), "it is reached through the server alone");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut world = World::new();
        for port in 1..=1000 {
            world.sends("192.0.2.1:1", &format!("198.51.100.1:{port}"), &check(port as u8));
        }
        assert_eq!(world.checks.tried().len(), MAX_PAIRS);
        assert!(world.checks.open.len() <= MAX_OPEN);
    }

    #[test]
    fn checks_on_one_way_follow_each_other_more_and_more_slowly_unless_they_nominate() {
        let start = crate::clock::now();
        let (local, far, other) = (at("192.168.1.2:1"), at("203.0.113.5:2"), at("203.0.113.6:2"));
        let mut checks = Checks::default();
        let mut left = Vec::new();
        for round in 0..50 {
            let now = start + CHECK_INTERVAL * round;
            let check = check(1);
            let frame = Frame::of(&check).unwrap();
            if checks.may_leave(now, local, far, frame) {
                checks.sent(now, local, far, frame);
                left.push((now - start).as_millis());
            }
        }
        assert_eq!(left, [0, 20, 40, 60, 80, 100, 140, 220, 380, 580, 780, 980]);

        let mut nominating = message(METHOD_BINDING, CLASS_REQUEST, 2);
        nominating.add(ATTR_PRIORITY, &[0; 4]);
        nominating.add(ATTR_USE_CANDIDATE, &[]);
        let soon = start + CHECK_INTERVAL * 45 + Duration::from_millis(1);
        assert!(checks.may_leave(soon, local, far, Frame::of(&nominating.raw).unwrap()));
        assert!(!checks.may_leave(soon, local, far, Frame::of(&check(3)).unwrap()));
        assert!(checks.may_leave(soon, local, other, Frame::of(&check(4)).unwrap()), "another way has its own pace");
        assert!(checks.may_leave(soon, local, far, Frame::of(&answer(5)).unwrap()), "an answer is no check");
    }
}
