use std::net::SocketAddr;

use super::client::{Client, PEER, code, indication, relayed};
use super::world::{World, id};
use crate::relay::{Decision, Family, OpenFailure, Output, PortHint};
use crate::stun::attributes::{ADDITIONAL_ADDRESS_FAMILY, ADDRESS_ERROR_CODE, LIFETIME, REQUESTED_ADDRESS_FAMILY};
use crate::stun::{Message, MessageBuilder, Method};

const PEER_6: &str = "[2001:db8:ffff::20]:7000";

#[test]
fn both_families_are_given_in_one_allocation() {
    let mut relay = dual_relay();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(both);
    let wanted = relay.outputs(&client, &request);
    let towards = client.address.remote;
    let (four, six) = ("203.0.113.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let port = PortHint::Any;
    let expected = vec![
        Output::OpenRelaySocket { relay: id(0), bind: four, towards, port },
        Output::OpenRelaySocket { relay: id(1), bind: six, towards, port },
    ];
    assert_eq!(wanted, expected);
    // In the other order, because that is not ours to say.
    relay.cores[0].allocation_opened(relay.now.mono, id(1), SocketAddr::new(six, 50_001));
    assert_eq!(relay.drain(0), vec![]);
    relay.cores[0].allocation_opened(relay.now.mono, id(0), SocketAddr::new(four, 50_002));
    let answers = relay.complete(0);
    let (_, answer) = answers.first().unwrap();
    let addresses = vec![SocketAddr::new(four, 50_002), SocketAddr::new(six, 50_001)];
    assert_eq!(relayed(answer), addresses);
    assert_eq!(Message::parse(answer).unwrap().find(ADDRESS_ERROR_CODE), None);
    assert_eq!(relay.send(&client, &request), *answer, "a lost answer is repeated");
    assert_eq!(relay.counters[0].totals().live_allocations, 1);
}

#[test]
fn it_counts_twice_and_ends_at_once() {
    let mut relay = dual_relay();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate_with(&mut relay, both).unwrap();
    assert_eq!(Client::new(2, "alice", "pw").allocate(&mut relay), Err(486));
    relay.advance(600);
    relay.time_out();
    assert_eq!(relay.closed, vec![id(0), id(1)]);
    assert!(relay.ledger.is_empty());
}

#[test]
fn where_one_place_is_left_it_is_for_ipv4_and_ipv6_is_named_as_missing() {
    let mut relay = dual_relay();
    Client::new(1, "alice", "pw").allocate(&mut relay).unwrap();
    let mut client = Client::new(2, "alice", "pw");
    let answer = client.allocate_with(&mut relay, both).unwrap();
    let addresses = relayed(&answer);
    assert_eq!(addresses.iter().map(|address| Family::of(address.ip())).collect::<Vec<_>>(), vec![Family::V4]);
    assert_eq!(missing(&answer), Some(vec![2, 0, 5, 8]));
    assert_eq!(Client::new(3, "alice", "pw").allocate_with(&mut relay, both), Err(486), "none is left");
    client.refresh(&mut relay, 0).unwrap();
    assert!(Client::new(3, "alice", "pw").allocate(&mut relay).is_ok());
}

#[test]
fn relay_with_one_family_names_the_missing_one() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    let answer = client.allocate_with(&mut relay, both).unwrap();
    assert_eq!(relayed(&answer).len(), 1);
    assert_eq!(missing(&answer), Some(vec![2, 0, 4, 40]));
    assert!(Client::new(2, "alice", "pw").allocate(&mut relay).is_ok(), "it counts once");
}

#[test]
fn family_that_fails_is_named_with_its_reason() {
    for (family, failure, expected) in [
        (Family::V6, OpenFailure::NoPort, [2, 0, 5, 8]),
        (Family::V6, OpenFailure::NoAddress, [2, 0, 4, 40]),
        (Family::V4, OpenFailure::NoPort, [1, 0, 5, 8]),
    ] {
        let mut relay = dual_relay();
        relay.failing = vec![(family, failure)];
        let mut client = Client::new(1, "alice", "pw");
        let answer = client.allocate_with(&mut relay, both).unwrap();
        assert_eq!(missing(&answer), Some(expected.to_vec()));
        let addresses = relayed(&answer);
        let [address] = addresses.as_slice() else {
            panic!("one address, not {addresses:?}");
        };
        assert_ne!(Family::of(address.ip()), family);
        client.refresh(&mut relay, 0).unwrap();
        assert!(relay.ledger.is_empty());
    }
}

#[test]
fn request_fails_when_both_families_do() {
    for (four, six, expected) in [
        (OpenFailure::NoAddress, OpenFailure::NoAddress, 440),
        (OpenFailure::NoPort, OpenFailure::NoPort, 508),
        (OpenFailure::NoAddress, OpenFailure::NoPort, 508),
    ] {
        let mut relay = dual_relay();
        relay.failing = vec![(Family::V4, four), (Family::V6, six)];
        let mut client = Client::new(1, "alice", "pw");
        assert_eq!(client.allocate_with(&mut relay, both), Err(expected));
        assert!(relay.ledger.is_empty());
    }
}

#[test]
fn client_that_left_between_both_sockets_leaves_nothing_behind() {
    let mut relay = dual_relay();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(both);
    assert_eq!(relay.outputs(&client, &request).len(), 2);
    relay.cores[0].allocation_opened(relay.now.mono, id(0), "203.0.113.1:50001".parse().unwrap());
    relay.cores[0].client_gone(relay.now.mono, client.address);
    relay.cores[0].allocation_opened(relay.now.mono, id(1), "[2001:db8::1]:50002".parse().unwrap());
    let closed = [1, 0].map(|slot| Output::CloseRelaySocket { relay: id(slot) });
    assert_eq!(relay.drain(0), closed);
    assert!(relay.ledger.is_empty());
}

#[test]
fn each_family_has_its_own_socket_and_its_own_peers() {
    let mut relay = dual_relay();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate_with(&mut relay, both).unwrap();
    assert_eq!(client.permit(&mut relay, &[PEER, PEER_6]), Ok(()));
    assert_eq!(client.bind(&mut relay, 0x4000, PEER_6), Ok(()));
    for (slot, peer) in [(0, PEER), (1, PEER_6)] {
        let to: SocketAddr = peer.parse().unwrap();
        let sent = indication(to, b"hi");
        let out = Decision::ToPeer { relay: id(slot), to, payload: b"hi", dont_fragment: false };
        assert_eq!(relay.route(&client, &sent), out);
        let down = relay.cores[0].handle_peer(relay.now.mono, id(slot), to, b"yo");
        assert!(matches!(down, Decision::ToClient { to, .. } if to == client.address));
    }
    let down = relay.cores[0].handle_peer(relay.now.mono, id(1), PEER_6.parse().unwrap(), b"yo");
    let Decision::ToClient { head, .. } = down else {
        panic!("to the client, not {down:?}");
    };
    assert_eq!(head.as_bytes(), [0x40, 0, 0, 2]);
}

#[test]
fn refresh_may_end_one_family_only() {
    for (value, slot, ended, kept) in [(1_u32, 0, PEER, PEER_6), (2, 1, PEER_6, PEER)] {
        let mut relay = dual_relay();
        let mut client = Client::new(1, "alice", "pw");
        client.allocate_with(&mut relay, both).unwrap();
        client.bind(&mut relay, 0x4000, PEER).unwrap();
        client.bind(&mut relay, 0x4001, PEER_6).unwrap();
        assert_eq!(refresh_family(&mut client, &mut relay, value, 0), Ok(0));
        assert_eq!(relay.closed, vec![id(slot)]);
        assert_eq!(client.permit(&mut relay, &[ended]), Err(443));
        assert_eq!(refresh_family(&mut client, &mut relay, value, 0), Err(443));
        assert_eq!(refresh_family(&mut client, &mut relay, value, 600), Err(443));

        assert_eq!(refresh_family(&mut client, &mut relay, 3 - value, 700), Ok(700));
        let to: SocketAddr = kept.parse().unwrap();
        let sent = indication(to, b"hi");
        let out = Decision::ToPeer { relay: id(1 - slot), to, payload: b"hi", dont_fragment: false };
        assert_eq!(relay.route(&client, &sent), out);
        let gone = indication(ended.parse().unwrap(), b"hi");
        assert_eq!(relay.route(&client, &gone), Decision::Done);
        let down = relay.cores[0].handle_peer(relay.now.mono, id(1 - slot), to, b"yo");
        assert!(matches!(down, Decision::ToClient { to, .. } if to == client.address));

        assert!(Client::new(2, "alice", "pw").allocate(&mut relay).is_ok(), "its place is free");
        assert_eq!(relay.counters[0].totals().live_allocations, 2);
        assert_eq!(refresh_family(&mut client, &mut relay, 3 - value, 0), Ok(0), "the last one");
        assert_eq!(client.refresh(&mut relay, 600), Err(437));
        relay.advance(700);
        relay.time_out();
        assert!(relay.ledger.is_empty());
    }
}

#[test]
fn refresh_without_family_is_for_both() {
    let mut relay = dual_relay();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate_with(&mut relay, both).unwrap();
    assert_eq!(client.refresh(&mut relay, 1000), Ok(1000));
    relay.advance(999);
    relay.time_out();
    assert_eq!(relay.open.len(), 2);
    assert_eq!(client.refresh(&mut relay, 0), Ok(0));
    assert!(relay.open.is_empty() && relay.ledger.is_empty());
}

#[test]
fn both_families_of_two_clients_meet_inside() {
    let mut relay = dual_relay();
    let (mut alice, mut bob) = (Client::new(1, "alice", "pw"), Client::new(2, "bob", "pw"));
    let from_alice = relayed(&alice.allocate_with(&mut relay, both).unwrap());
    let to_bob = relayed(&bob.allocate_with(&mut relay, both).unwrap());
    for (from, to) in from_alice.into_iter().zip(to_bob) {
        alice.permit(&mut relay, &[&to.to_string()]).unwrap();
        bob.bind(&mut relay, 0x4000 + u32::from(from.is_ipv6()), &from.to_string()).unwrap();
        let sent = indication(to, b"hi");
        let decision = relay.route(&alice, &sent);
        let Decision::ToClient { to, head, .. } = decision else {
            panic!("to Bob, not {decision:?}");
        };
        assert_eq!(to, bob.address);
        assert_eq!(head.as_bytes()[..2], [0x40, u8::from(from.is_ipv6())], "the address of the right family");
    }
}

fn dual_relay() -> World {
    World::build(&["203.0.113.1", "2001:db8::1"], 1, |config| config.limits.max_allocations = 4)
}

fn both(message: MessageBuilder) -> MessageBuilder {
    message.number(ADDITIONAL_ADDRESS_FAMILY, 2 << 24)
}

fn refresh_family(client: &mut Client, relay: &mut World, family: u32, seconds: u32) -> Result<u32, u16> {
    let request = client.request(Method::Refresh, |message| {
        message.number(LIFETIME, seconds).number(REQUESTED_ADDRESS_FAMILY, family << 24)
    });
    let answer = relay.send(client, &request);
    match code(&answer) {
        None => Ok(Message::parse(&answer).unwrap().number(LIFETIME).unwrap()),
        Some(code) => Err(code),
    }
}

fn missing(answer: &[u8]) -> Option<Vec<u8>> {
    Message::parse(answer).unwrap().find(ADDRESS_ERROR_CODE).map(|value| value[..4].to_vec())
}
