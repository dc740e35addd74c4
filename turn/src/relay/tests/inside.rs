use std::net::SocketAddr;

use super::client::{Client, indication};
use super::world::{World, id};
use crate::relay::{Decision, Head};

#[test]
fn own_relayed_address_is_reached_inside_even_where_its_network_is_refused() {
    let mut relay = World::at("127.0.0.1");
    let mut alice = Client::new(1, "alice", "pw");
    let mut bob = Client::new(2, "bob", "pw");
    let from_alice = alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    assert_eq!(alice.permit(&mut relay, &["127.0.0.1:22"]), Err(403));
    assert_eq!(alice.permit(&mut relay, &[&to_bob.to_string()]), Ok(()));

    let sent = indication(to_bob, b"hi");
    assert_eq!(relay.route(&alice, &sent), Decision::Done);
    assert_eq!(bob.permit(&mut relay, &[&from_alice.to_string()]), Ok(()));
    let transaction = relay.cores[0].dice.clone().transaction();
    assert_eq!(
        relay.route(&alice, &sent),
        Decision::ToClient {
            to: bob.address,
            head: Head::data(transaction, from_alice, 2).unwrap(),
            payload: b"hi",
            padding: 2,
        }
    );

    let to_ssh = indication("127.0.0.1:22".parse().unwrap(), b"hi");
    assert_eq!(relay.route(&alice, &to_ssh), Decision::Done);
    assert_eq!(relay.down("127.0.0.1:22".parse().unwrap(), b"x"), None);
    bob.refresh(&mut relay, 0).unwrap();
    assert_eq!(relay.route(&alice, &sent), Decision::Done);
    assert_eq!(alice.permit(&mut relay, &[&to_bob.to_string()]), Ok(()), "renewal");
    assert_eq!(relay.route(&alice, &sent), Decision::Done, "nobody lives there any more");
}

#[test]
fn inside_traffic_never_comes_through_the_socket() {
    let mut relay = World::at("127.0.0.1");
    let mut alice = Client::new(1, "alice", "pw");
    let mut bob = Client::new(2, "bob", "pw");
    alice.allocate(&mut relay).unwrap();
    let from_bob = bob.allocate(&mut relay).unwrap();
    alice.permit(&mut relay, &[&from_bob.to_string()]).unwrap();
    assert_eq!(relay.down(from_bob, b"x"), None);
}

#[test]
fn own_public_address_is_reached_inside_only_unless_it_is_opened() {
    let open = |config: &mut crate::Config| config.public_ip = vec!["203.0.113.9".parse().unwrap()];
    let mut relay = World::with("203.0.113.1", open);
    let mut alice = Client::new(1, "alice", "pw");
    let mut bob = Client::new(2, "bob", "pw");
    alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    for own in ["203.0.113.1:22", "203.0.113.9:22"] {
        assert_eq!(alice.permit(&mut relay, &[own]), Err(403), "{own}");
        assert_eq!(alice.bind(&mut relay, 0x4000, own), Err(403), "{own}");
    }
    assert_eq!(alice.permit(&mut relay, &[&to_bob.to_string()]), Ok(()));
    let to_ssh = indication(SocketAddr::new(to_bob.ip(), 22), b"hi");
    assert_eq!(relay.route(&alice, &to_ssh), Decision::Done);

    let mut relay = World::with("203.0.113.1", |config| {
        config.allow_peer = vec!["203.0.113.1/32".parse().unwrap()];
    });
    let mut alice = Client::new(1, "alice", "pw");
    alice.allocate(&mut relay).unwrap();
    assert_eq!(alice.permit(&mut relay, &["203.0.113.1:22"]), Ok(()));
    let to: SocketAddr = "203.0.113.1:22".parse().unwrap();
    let to_ssh = indication(to, b"hi");
    let out = Decision::ToPeer { relay: id(0), to, payload: b"hi", dont_fragment: false };
    assert_eq!(relay.route(&alice, &to_ssh), out);
    assert!(relay.down(to, b"hi").is_some());
}

#[test]
fn both_addresses_of_an_allocation_lead_inside() {
    let open = |config: &mut crate::Config| config.public_ip = vec!["203.0.113.9".parse().unwrap()];
    let mut relay = World::with("10.0.0.1", open);
    let mut alice = Client::new(1, "alice", "pw");
    let mut bob = Client::new(2, "bob", "pw");
    let from_alice = alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    bob.permit(&mut relay, &[&from_alice.to_string()]).unwrap();
    let bound = SocketAddr::new(relay.ip, to_bob.port());
    for address in [to_bob, bound] {
        alice.permit(&mut relay, &[&address.to_string()]).unwrap();
        let sent = indication(address, b"hi");
        let decision = relay.route(&alice, &sent);
        assert!(matches!(decision, Decision::ToClient { to, .. } if to == bob.address), "{address}: {decision:?}");
    }
    let totals = relay.counters[0].totals();
    assert_eq!((totals.bytes_to_peers, totals.bytes_to_clients), (4, 4));
}
