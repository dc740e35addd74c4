use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::client::{Client, MessagePart, PEER, code};
use super::world::{World, id};
use crate::relay::{Decision, Family, OpenFailure, Output, PortHint, RelayId};
use crate::stun::attributes::{
    DONT_FRAGMENT, EVEN_PORT, REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, RESERVATION_TOKEN, UNKNOWN_ATTRIBUTES,
};
use crate::stun::{Message, Method};

#[test]
fn allocation_lives_is_refreshed_and_deleted() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    let relayed = client.allocate(&mut relay).unwrap();
    assert_eq!(relayed, "203.0.113.1:50001".parse().unwrap());
    assert_eq!(client.refresh(&mut relay, 100), Ok(600));
    assert_eq!(client.refresh(&mut relay, 9999), Ok(3600));
    assert_eq!(client.refresh(&mut relay, 0), Ok(0));
    assert_eq!(relay.closed, vec![id(0)]);
    assert_eq!(client.refresh(&mut relay, 600), Err(437));
    assert_eq!(relay.cores[0].poll_timeout(), None);
    let totals = relay.counters[0].totals();
    assert_eq!((totals.allocations, totals.live_allocations), (1, 0));
    assert!(relay.ledger.is_empty());
}

#[test]
fn socket_of_the_next_allocation_has_another_id() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    client.refresh(&mut relay, 0).unwrap();
    client.allocate(&mut relay).unwrap();
    assert_eq!(relay.open.keys().collect::<Vec<_>>(), vec![&(0, RelayId { slot: 0, generation: 1 })]);
    client.permit(&mut relay, &[PEER]).unwrap();
    let old = relay.cores[0].handle_peer(relay.now.mono, id(0), PEER.parse().unwrap(), b"x");
    assert_eq!(old, Decision::Done);
}

#[test]
fn allocation_ends_by_itself() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    assert_eq!(relay.cores[0].poll_timeout(), Some(relay.now.mono + Duration::from_secs(600)));
    relay.advance(600);
    relay.cores[0].handle_timeout(relay.now.mono);
    assert_eq!(relay.drain(0), vec![Output::CloseRelaySocket { relay: id(0) }]);
    assert!(relay.ledger.is_empty());
}

#[test]
fn lost_answer_is_repeated_and_second_allocate_is_437() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(|m| m.attribute(EVEN_PORT, &[0x80]));
    let first = relay.send(&client, &request);
    assert_eq!(relay.send(&client, &request), first);
    client.refresh(&mut relay, 3000).unwrap();
    assert_eq!(relay.send(&client, &request), first, "what was granted at first");
    assert_eq!(client.allocate(&mut relay), Err(437));
    assert_eq!(relay.counters[0].totals().allocations, 1);
}

#[test]
fn request_repeated_before_its_socket_is_open_is_answered_once() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(|m| m);
    let wanted = relay.outputs(&client, &request);
    let [Output::OpenRelaySocket { relay: socket, bind, .. }] = wanted.as_slice() else {
        panic!("one socket, not {wanted:?}");
    };
    assert_eq!(relay.outputs(&client, &request), vec![]);
    relay.cores[0].allocation_opened(relay.now.mono, *socket, SocketAddr::new(*bind, 50_001));
    assert_eq!(relay.drain(0).len(), 1);
}

#[test]
fn bad_wishes_have_their_own_codes() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let cases: [(u16, MessagePart); 8] = [
        (400, |m| m),
        (442, |m| m.number(REQUESTED_TRANSPORT, 6 << 24)),
        (440, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).number(REQUESTED_ADDRESS_FAMILY, 2 << 24)),
        (440, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).number(REQUESTED_ADDRESS_FAMILY, 7 << 24)),
        (420, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(0x7abc, b"")),
        (508, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(RESERVATION_TOKEN, &[0; 8])),
        (400, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(RESERVATION_TOKEN, &[0; 3])),
        (400, |m| {
            m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(RESERVATION_TOKEN, &[0; 8]).attribute(EVEN_PORT, &[0])
        }),
    ];
    for (expected, part) in cases {
        let request = client.request(Method::Allocate, part);
        let answer = relay.send(&client, &request);
        assert_eq!(code(&answer), Some(expected));
        let message = Message::parse(&answer).unwrap();
        assert!(message.verify(&client.key()), "signed, because the asker has proved himself");
        let unknown = (expected == 420).then_some(&[0x7a, 0xbc][..]);
        assert_eq!(message.find(UNKNOWN_ATTRIBUTES), unknown);
    }
    assert!(relay.ledger.is_empty());
    let request = client.allocate_request(|m| m.attribute(DONT_FRAGMENT, &[]));
    assert_eq!(code(&relay.send(&client, &request)), None);
}

#[test]
fn relay_with_nothing_but_ipv6_gives_that_to_who_names_no_family() {
    let mut relay = World::at("2001:db8::1");
    let mut client = Client::new(1, "alice", "pw");
    client.address.remote = "[2001:db8:1::1]:4000".parse().unwrap();
    assert_eq!(client.allocate(&mut relay), Ok("[2001:db8::1]:50001".parse().unwrap()));
    let mut other = Client::new(2, "alice", "pw");
    let named = other.allocate_with(&mut relay, |m| m.number(REQUESTED_ADDRESS_FAMILY, 1 << 24));
    assert_eq!(named, Err(440), "but not to who wants IPv4");
}

#[test]
fn quota_counts_users_and_all() {
    let mut relay = World::new();
    for number in 1..=2 {
        Client::new(number, "alice", "pw").allocate(&mut relay).unwrap();
    }
    assert_eq!(Client::new(3, "alice", "pw").allocate(&mut relay), Err(486));
    let mut bob = Client::new(4, "bob", "pw");
    bob.allocate(&mut relay).unwrap();
    assert_eq!(Client::new(5, "bob", "pw").allocate(&mut relay), Err(486));
    bob.refresh(&mut relay, 0).unwrap();
    assert!(Client::new(5, "bob", "pw").allocate(&mut relay).is_ok());
}

#[test]
fn quota_counts_sources() {
    let mut relay = World::with("203.0.113.1", |config| config.limits.max_allocations_per_ip = 1);
    let mut alice = Client::new(1, "alice", "pw");
    alice.allocate(&mut relay).unwrap();
    let mut bob = Client::new(1, "bob", "pw");
    bob.address.remote.set_port(4001);
    assert_eq!(bob.allocate(&mut relay), Err(486));
    assert!(Client::new(2, "bob", "pw").allocate(&mut relay).is_ok());
    alice.refresh(&mut relay, 0).unwrap();
    assert!(bob.allocate(&mut relay).is_ok());
}

#[test]
fn no_port_is_508_and_costs_no_quota() {
    let mut relay = World::new();
    relay.failing = vec![(Family::V4, OpenFailure::NoPort)];
    for _ in 0..5 {
        assert_eq!(Client::new(1, "alice", "pw").allocate(&mut relay), Err(508));
    }
    relay.failing = vec![(Family::V4, OpenFailure::NoAddress)];
    assert_eq!(Client::new(1, "alice", "pw").allocate(&mut relay), Err(440));
    assert!(relay.ledger.is_empty());
    relay.failing.clear();
    assert!(Client::new(1, "alice", "pw").allocate(&mut relay).is_ok());
}

#[test]
fn one_relay_port_is_never_given_twice() {
    let open = |config: &mut crate::Config| config.public_ip = vec!["203.0.113.9".parse().unwrap()];
    let mut relay = World::with("10.0.0.1", open);
    let mut alice = Client::new(1, "alice", "pw");
    assert_eq!(alice.allocate(&mut relay), Ok("203.0.113.9:50001".parse().unwrap()));

    // Another local address, the same port.
    (relay.ip, relay.next_port) = ("10.0.0.2".parse().unwrap(), 50_001);
    let mut bob = Client::new(2, "bob", "pw");
    assert_eq!(bob.allocate(&mut relay), Err(508));
    assert_eq!(relay.closed, vec![id(1)]);
    assert_eq!(alice.refresh(&mut relay, 600), Ok(600), "its owner keeps it");
    relay.next_port = 50_002;
    assert_eq!(bob.allocate(&mut relay), Ok("203.0.113.9:50002".parse().unwrap()));
}

#[test]
fn loopback_client_of_a_public_relay_is_not_bound_to_loopback() {
    let mut relay = World::with("127.0.0.1", |config| config.public_ip = vec!["203.0.113.9".parse().unwrap()]);
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(|m| m);
    let wanted = relay.outputs(&client, &request);
    let [Output::OpenRelaySocket { bind, towards, .. }] = wanted.as_slice() else {
        panic!("one socket, not {wanted:?}");
    };
    assert_eq!(*bind, Family::V4.wildcard());
    assert_eq!(towards.ip(), "203.0.113.9".parse::<IpAddr>().unwrap());
}

#[test]
fn relay_with_several_addresses_sends_from_the_one_it_tells() {
    let public: IpAddr = "203.0.113.10".parse().unwrap();
    let mut relay = World::build(&["203.0.113.11", "203.0.113.10"], 1, |config| config.public_ip = vec![public]);
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(|m| m);
    let wanted = relay.outputs(&client, &request);
    let [Output::OpenRelaySocket { bind, .. }] = wanted.as_slice() else {
        panic!("one socket, not {wanted:?}");
    };
    assert_eq!(*bind, public);
}

#[test]
fn client_that_left_before_its_socket_is_open_leaves_nothing_behind() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(|m| m.attribute(EVEN_PORT, &[0x80]));
    let wanted = relay.outputs(&client, &request);
    let [Output::OpenRelaySocket { relay: socket, bind, port, .. }] = wanted.as_slice() else {
        panic!("one socket, not {wanted:?}");
    };
    let PortHint::EvenAndNext { token } = *port else {
        panic!("a port with the next one, not {port:?}");
    };
    relay.cores[0].client_gone(relay.now.mono, client.address);
    relay.cores[0].allocation_opened(relay.now.mono, *socket, SocketAddr::new(*bind, 50_002));
    let given_back = vec![Output::CloseRelaySocket { relay: *socket }, Output::DropReserved { token }];
    assert_eq!(relay.drain(0), given_back);
    assert!(relay.ledger.is_empty());
    relay.cores[0].allocation_opened(relay.now.mono, *socket, SocketAddr::new(*bind, 50_002));
    assert_eq!(relay.drain(0), vec![Output::CloseRelaySocket { relay: *socket }], "nobody waits for it");
}

#[test]
fn stop_ends_every_allocation_and_reservation() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(|m| m.attribute(EVEN_PORT, &[0x80]));
    assert_eq!(code(&relay.send(&client, &request)), None);
    let token = *relay.parked.keys().next().unwrap();
    relay.cores[0].end_all(relay.now.mono);
    let closed = vec![Output::CloseRelaySocket { relay: id(0) }, Output::DropReserved { token }];
    assert_eq!(relay.drain(0), closed);
    assert_eq!(relay.counters[0].totals().live_allocations, 0);
    assert_eq!(relay.cores[0].poll_timeout(), None);
    assert!(relay.ledger.is_empty());
}
