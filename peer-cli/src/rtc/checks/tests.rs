//! Checks as they pass the sockets, and their pace.

use rtc::stun::{
    message::{MessageClass, MessageType, Method},
    xoraddr::XorMappedAddress,
};

use super::*;
use crate::rtc::engine::CHECK_INTERVAL;

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

#[test]
fn a_check_that_answers_the_far_ends_does_not_wait_for_its_turn() {
    let mut world = World::new();
    let (local, server) = ("192.0.2.1:1", "192.0.2.9:3478");
    let due = |world: &World, to: &str, datagram: &[u8]| {
        world.checks.may_leave(world.now, at(local), at(to), Frame::of(datagram).unwrap())
    };
    let peer = at("198.51.100.1:1");
    let mut wrapped = with_peer(message(METHOD_SEND, CLASS_INDICATION, 1), peer);
    wrapped.add(ATTR_DATA, &check(1));
    let mut handed_on = with_peer(message(METHOD_DATA, CLASS_INDICATION, 2), peer);
    handed_on.add(ATTR_DATA, &check(2));
    for (to, ours, theirs) in [("198.51.100.1:1", check(1), check(2)), (server, wrapped.raw, handed_on.raw)] {
        world.sends(local, to, &ours);
        assert!(!due(&world, to, &ours));
        world.receives(local, "198.51.100.2:2", &theirs);
        world.receives(local, to, &answer(77));
        assert!(!due(&world, to, &ours), "that came another way, or is no check");
        for _ in 0..Pace::TRIGGERED {
            world.receives(local, to, &theirs);
            assert!(due(&world, to, &ours));
            world.sends(local, to, &ours);
            assert!(!due(&world, to, &ours), "once");
        }
        world.receives(local, to, &theirs);
        assert!(!due(&world, to, &ours), "two ends do not drive each other for ever");
    }
}
