use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::script::{KINDS, Kind, STEP};
use super::{Reached, codec, dialogue, route};
use crate::stun::attributes::{DATA, XOR_PEER_ADDRESS};
use crate::stun::{Class, IntegrityKind, Key, MessageBuilder, Method, TransactionId};

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..200)) {
        codec(&bytes);
        route(&bytes, base());
    }

    #[test]
    fn damaged_messages_are_survived(at in 0_usize..200, value: u8, cut in 0_usize..200) {
        let mut bytes = good_message();
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(cut.max(1));
        codec(&bytes);
        route(&bytes, base());
    }

    #[test]
    fn bodies_with_a_good_header_are_survived(body in vec(any::<u8>(), 0..64)) {
        let mut bytes = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([1; 12])).finish();
        let padded = body.len() / 4 * 4;
        bytes[3] = u8::try_from(padded).unwrap();
        bytes.extend_from_slice(&body[..padded]);
        codec(&bytes);
        route(&bytes, base());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_script_keeps_the_rules(script in vec(any::<u8>(), 0..600)) {
        dialogue(&script, base());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dialogues_with_calls_in_them_keep_the_rules(script in script()) {
        dialogue(&script, base());
    }
}

#[test]
fn dialogues_reach_every_part_of_the_relay() {
    let mut runner = TestRunner::deterministic();
    let mut reached = Reached::default();
    for _ in 0..1000 {
        let script = script().new_tree(&mut runner).unwrap().current();
        reached += dialogue(&script, base());
    }
    for (what, count) in [
        ("allocations", reached.allocations),
        ("dual allocations", reached.dual),
        ("adopted reservations", reached.adopted),
        ("abandoned requests", reached.abandoned),
        ("late sockets", reached.late),
        ("permissions", reached.permissions),
        ("channels", reached.channels),
        ("packets to peers", reached.to_peer),
        ("packets to clients", reached.to_client),
        ("packets to the other core", reached.to_sibling),
        ("packets inside the relay", reached.inside),
    ] {
        assert!(count > 0, "no {what}: {reached:?}");
    }
    for code in crate::REFUSAL_CODES {
        assert!(reached.codes.contains_key(&code), "no {code}: {reached:?}");
    }
}

#[test]
fn call_between_two_workers_arrives() {
    let script: Vec<u8> = std::iter::once(0).chain(call(0, 3).concat()).collect();
    let reached = dialogue(&script, base());
    assert_eq!((reached.allocations, reached.channels), (2, 1));
    assert_eq!((reached.to_sibling, reached.to_peer), (2, 1));
    assert_eq!((reached.to_client, reached.inside), (3, 2));
}

#[test]
fn reserved_port_is_adopted() {
    let script: Vec<u8> = std::iter::once(0).chain(reservation(0, 1).concat()).collect();
    let reached = dialogue(&script, base());
    assert_eq!((reached.allocations, reached.adopted), (2, 1));
}

#[test]
fn client_that_leaves_before_its_socket_is_open_gets_nothing() {
    for (stays, allocations, late, abandoned) in [(true, 1, 1, 0), (false, 0, 0, 1)] {
        let script: Vec<u8> = std::iter::once(0).chain(patience(2, stays).concat()).collect();
        let reached = dialogue(&script, base());
        assert_eq!((reached.allocations, reached.late, reached.abandoned), (allocations, late, abandoned));
    }
}

#[test]
fn endless_script_comes_to_an_end() {
    let reached = dialogue(&[0x16; 100_000], base());
    assert_eq!(reached.steps, 200);
}

/// Scripts whose clients mostly do what clients do.
fn script() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), vec(scene(), 1..24)).prop_map(|(options, scenes)| {
        let steps = scenes.into_iter().flatten().flatten();
        std::iter::once(options).chain(steps).collect()
    })
}

fn scene() -> impl Strategy<Value = Vec<[u8; STEP]>> {
    let client = || 0_u8..8;
    let users = [(0, 1), (1, 0), (0, 4), (4, 1), (2, 5), (5, 7), (3, 6), (6, 3)];
    prop_oneof![
        12 => any_step().prop_map(|step| vec![step]),
        1 => (client(), client()).prop_map(|(caller, callee)| call(caller, callee)),
        1 => proptest::sample::select(users.to_vec()).prop_map(|(first, second)| reservation(first, second)),
        1 => client().prop_map(|client| vec![step(ALLOCATE, client, [0, 6, 0])]),
        1 => (client(), any::<bool>()).prop_map(|(client, stays)| patience(client, stays)),
    ]
}

/// Any step, but few of them damaged or under a false name.
fn any_step() -> impl Strategy<Value = [u8; STEP]> {
    let claim = prop_oneof![8 => Just(0_u8), 1 => 5_u8..8];
    let how = prop_oneof![9 => 0_u8..200, 1 => 200_u8..=255];
    (0_u8..32, 0_u8..8, claim, 0_u8..4, any::<[u8; 3]>(), how).prop_map(
        |(kind, client, claim, flags, [a, b, c], how)| [kind, client | (claim << 3) | (flags << 6), a, b, c, how],
    )
}

/// Two clients that talk to each other through the relay, and the first one to a peer.
fn call(caller: u8, callee: u8) -> Vec<[u8; STEP]> {
    let relayed = |client: u8| 0x80 | client;
    vec![
        step(ALLOCATE, caller, [0, 0, 0]),
        step(ALLOCATE, callee, [0, 0, 0]),
        step(Kind::Request(Method::CreatePermission), caller, [0, relayed(callee), 0]),
        step(Kind::Request(Method::ChannelBind), callee, [0, relayed(caller), 0]),
        step(Kind::Send, caller, [3, relayed(callee), 0]),
        step(Kind::ChannelData, callee, [0, 5, 0]),
        step(Kind::Request(Method::CreatePermission), caller, [0, 0, 0]),
        step(Kind::Send, caller, [3, 0, 0]),
        step(Kind::Peer, caller, [0, 0, 3]),
    ]
}

/// An even port with the next one reserved, which another client of the same user fetches.
fn reservation(first: u8, second: u8) -> Vec<[u8; STEP]> {
    vec![step(ALLOCATE, first, [0x03, 0, 0]), step(ALLOCATE, second, [0x0c, 0, 0])]
}

/// A client whose socket takes its time; it waits for it or goes away.
fn patience(client: u8, stays: bool) -> Vec<[u8; STEP]> {
    let then = if stays { Kind::Settle } else { Kind::Gone };
    let (late, prompt) = ([3, 0, 0], [0, 0, 0]);
    vec![
        step(Kind::Mood, client, late),
        step(ALLOCATE, client, [0, 0, 0]),
        step(then, client, [0, 0, 0]),
        step(Kind::Mood, client, prompt),
    ]
}

const ALLOCATE: Kind = Kind::Request(Method::Allocate);

fn step(kind: Kind, client: u8, [a, b, c]: [u8; 3]) -> [u8; STEP] {
    let code = KINDS.iter().position(|known| *known == kind).unwrap();
    [u8::try_from(code).unwrap(), client, a, b, c, 0]
}

fn good_message() -> Vec<u8> {
    MessageBuilder::new(Class::Request, Method::CreatePermission, TransactionId([1; 12]))
        .xor_address(XOR_PEER_ADDRESS, std::net::SocketAddr::from(([192, 0, 2, 1], 9)))
        .attribute(DATA, b"some data")
        .integrity(&Key::short_term("key"), IntegrityKind::Sha256)
        .fingerprint()
        .finish()
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn base() -> Instant {
    Instant::now()
}
