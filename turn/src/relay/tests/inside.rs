use std::net::SocketAddr;

use super::client::{Client, PEER, indication};
use super::world::{World, id};
use crate::relay::{Decision, Head};

#[test]
fn own_relayed_address_is_reached_inside_even_where_its_network_is_refused() {
    let mut relay = World::at("127.0.0.1");
    let mut alice = Client::new(1, "alice", "pw");
    let mut bob = Client::new(2, "bob", "pw");
    let from_alice = alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    assert_eq!(alice.bind(&mut relay, 0x4000, "127.0.0.1:22"), Err(403));
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
        assert_eq!(alice.permit(&mut relay, &[own]), Ok(()), "{own}");
        assert_eq!(alice.bind(&mut relay, 0x4000, own), Err(403), "{own}");
        let to_ssh = indication(own.parse().unwrap(), b"hi");
        assert_eq!(relay.route(&alice, &to_ssh), Decision::Done, "{own}");
        assert_eq!(relay.down(own.parse().unwrap(), b"hi"), None, "{own}");
    }
    assert_eq!(alice.permit(&mut relay, &[&to_bob.to_string()]), Ok(()));

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
fn permission_for_our_own_address_does_not_ask_for_the_port() {
    // As Firefox does it: the first candidate of a peer is not its relayed one, and there is no second permission.
    let mut relay = World::at("127.0.0.1");
    let mut alice = Client::new(1, "alice", "pw");
    let mut bob = Client::new(2, "bob", "pw");
    let from_alice = alice.allocate(&mut relay).unwrap();
    for port in [1, 0] {
        let peer = SocketAddr::new(relay.ip, port).to_string();
        assert_eq!(alice.permit(&mut relay, &[&peer]), Ok(()), "{port}");
    }
    let to_bob = bob.allocate(&mut relay).unwrap();
    bob.permit(&mut relay, &[&from_alice.to_string()]).unwrap();
    let sent = indication(to_bob, b"hi");
    let decision = relay.route(&alice, &sent);
    assert!(matches!(decision, Decision::ToClient { to, .. } if to == bob.address), "{decision:?}");
    // What is protected and not ours stays closed.
    for other in ["127.0.0.2:1", "10.0.0.1:1"] {
        assert_eq!(alice.permit(&mut relay, &[other]), Err(403), "{other}");
    }
}

#[test]
fn channel_to_our_own_address_needs_an_allocation_there_until_it_is_renewed() {
    let mut relay = World::at("127.0.0.1");
    let mut alice = Client::new(1, "alice", "pw");
    let mut bob = Client::new(2, "bob", "pw");
    alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap().to_string();
    assert_eq!(alice.bind(&mut relay, 0x4000, &to_bob), Ok(()));
    bob.refresh(&mut relay, 0).unwrap();
    assert_eq!(alice.bind(&mut relay, 0x4000, &to_bob), Ok(()), "renewal");
    assert_eq!(alice.bind(&mut relay, 0x4001, "127.0.0.1:22"), Err(403), "its permission is not enough");
    assert_eq!(alice.bind(&mut relay, 0x4000, "127.0.0.1:22"), Err(403));
    relay.advance(599);
    assert_eq!(alice.refresh(&mut relay, 1200), Ok(1200));
    relay.advance(1);
    assert_eq!(alice.bind(&mut relay, 0x4000, &to_bob), Err(403), "the channel has expired");
}

#[test]
fn denied_address_of_our_own_is_still_reached_inside_and_only_there() {
    let mut relay = World::with("203.0.113.1", |config| {
        config.allow_peer = vec!["203.0.113.0/24".parse().unwrap()];
        config.deny_peer = vec!["203.0.113.1/32".parse().unwrap(), "198.51.100.20/32".parse().unwrap()];
    });
    let mut alice = Client::new(1, "alice", "pw");
    let mut bob = Client::new(2, "bob", "pw");
    let from_alice = alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    assert_eq!(alice.permit(&mut relay, &[PEER]), Err(403));
    assert_eq!(alice.bind(&mut relay, 0x4000, PEER), Err(403));
    assert_eq!(alice.permit(&mut relay, &["198.51.100.21:1", "203.0.113.2:22"]), Ok(()));

    assert_eq!(alice.permit(&mut relay, &["203.0.113.1:22"]), Ok(()));
    let to_ssh = indication("203.0.113.1:22".parse().unwrap(), b"hi");
    assert_eq!(relay.route(&alice, &to_ssh), Decision::Done);
    bob.permit(&mut relay, &[&from_alice.to_string()]).unwrap();
    let sent = indication(to_bob, b"hi");
    let decision = relay.route(&alice, &sent);
    assert!(matches!(decision, Decision::ToClient { to, .. } if to == bob.address), "{decision:?}");
}

#[test]
fn address_that_is_learned_to_be_our_own_is_protected_from_the_next_permission_on() {
    let mut relay = World::new();
    let mut alice = Client::new(1, "alice", "pw");
    alice.allocate(&mut relay).unwrap();
    let other: SocketAddr = "203.0.113.77:22".parse().unwrap();
    let sent = indication(other, b"hi");
    let out = Decision::ToPeer { relay: id(0), to: other, payload: b"hi", dont_fragment: false };
    alice.permit(&mut relay, &[&other.to_string()]).unwrap();
    assert_eq!(relay.route(&alice, &sent), out);
    relay.ledger.learn(std::iter::once(other.ip()));
    assert_eq!(relay.route(&alice, &sent), out, "what was granted stays until it expires");
    alice.permit(&mut relay, &[&other.to_string()]).unwrap();
    assert_eq!(relay.route(&alice, &sent), Decision::Done);
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
