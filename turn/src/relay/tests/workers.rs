use std::net::{IpAddr, SocketAddr};

use super::client::{Client, code, indication, relayed};
use super::world::{World, framed, id};
use crate::relay::{Decision, Output};
use crate::stun::Message;
use crate::stun::attributes::{DATA, EVEN_PORT, REQUESTED_ADDRESS_FAMILY, RESERVATION_TOKEN, XOR_PEER_ADDRESS};

#[test]
fn peers_at_different_workers_talk_to_each_other() {
    let mut relay = two_workers();
    let (mut alice, mut bob) = (Client::on(0, 1, "alice"), Client::on(1, 2, "bob"));
    let from_alice = alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    alice.permit(&mut relay, &[&to_bob.to_string()]).unwrap();
    bob.bind(&mut relay, 0x4000, &from_alice.to_string()).unwrap();

    let sent = indication(to_bob, b"hi");
    let over = Decision::ToSibling { worker: 1, from: from_alice, to: to_bob, payload: b"hi" };
    assert_eq!(relay.route(&alice, &sent), over);
    let arrived = framed(relay.cores[1].handle_sibling(relay.now.mono, from_alice, to_bob, b"hi"));
    assert_eq!(arrived, Some((bob.address, vec![0x40, 0, 0, 2, b'h', b'i'])));

    let answered = [0x40, 0, 0, 2, b'y', b'o'];
    let back = Decision::ToSibling { worker: 0, from: to_bob, to: from_alice, payload: b"yo" };
    assert_eq!(relay.route(&bob, &answered), back);
    let (to, bytes) = framed(relay.cores[0].handle_sibling(relay.now.mono, to_bob, from_alice, b"yo")).unwrap();
    assert_eq!(to, alice.address);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.find(DATA), Some(&b"yo"[..]));
    assert_eq!(message.xor_address(XOR_PEER_ADDRESS), Some(to_bob));

    let (one, two) = (relay.counters[0].totals(), relay.counters[1].totals());
    assert_eq!((one.packets_to_peers, one.packets_to_clients), (1, 1));
    assert_eq!((two.packets_to_peers, two.packets_to_clients), (1, 1));
}

#[test]
fn sibling_needs_a_permission_like_any_peer() {
    let mut relay = two_workers();
    let (mut alice, mut bob) = (Client::on(0, 1, "alice"), Client::on(1, 2, "bob"));
    let from_alice = alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    let arrived = relay.cores[1].handle_sibling(relay.now.mono, from_alice, to_bob, b"hi");
    assert_eq!(arrived, Decision::Done);
    bob.permit(&mut relay, &[&from_alice.to_string()]).unwrap();
    relay.advance(300);
    let arrived = relay.cores[1].handle_sibling(relay.now.mono, from_alice, to_bob, b"hi");
    assert_eq!(arrived, Decision::Done, "expired");
}

#[test]
fn what_is_not_live_is_refused_and_not_reached() {
    let mut relay = two_workers();
    let (mut alice, mut bob) = (Client::on(0, 1, "alice"), Client::on(1, 2, "bob"));
    alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    let nobody = SocketAddr::new(to_bob.ip(), 50_999).to_string();
    assert_eq!(alice.bind(&mut relay, 0x4000, &nobody), Err(403));
    assert_eq!(alice.permit(&mut relay, &[&to_bob.to_string()]), Ok(()));
    let to_nobody = indication(nobody.parse().unwrap(), b"hi");
    assert_eq!(relay.route(&alice, &to_nobody), Decision::Done);

    bob.refresh(&mut relay, 0).unwrap();
    let to_gone = indication(to_bob, b"hi");
    assert_eq!(relay.route(&alice, &to_gone), Decision::Done);
    let late = relay.cores[1].handle_sibling(relay.now.mono, "203.0.113.1:50001".parse().unwrap(), to_bob, b"hi");
    assert_eq!(late, Decision::Done, "what was on its way when the allocation ended");
}

#[test]
fn port_of_another_worker_on_another_address_of_ours_swallows_nothing() {
    let listen = ["203.0.113.1", "203.0.113.2", "2001:db8::1"];
    let mut relay = World::build(&listen, 2, |config| {
        config.allow_peer = vec!["203.0.113.0/24".parse().unwrap()];
        config.limits.max_allocations = 4;
    });
    let mut alice = Client::on(0, 1, "alice");
    alice.allocate(&mut relay).unwrap();
    let mut bob = Client::on(1, 2, "bob");
    let six = bob.allocate_with(&mut relay, |m| m.number(REQUESTED_ADDRESS_FAMILY, 2 << 24)).unwrap();
    let four = relayed(&Client::on(1, 3, "bob").allocate_with(&mut relay, |m| m).unwrap());
    let ports = [relayed(&six)[0], four[0]].map(|relayed| relayed.port());
    assert_eq!(four[0].ip(), "203.0.113.1".parse::<IpAddr>().unwrap());

    alice.permit(&mut relay, &["203.0.113.1:1", "203.0.113.2:1"]).unwrap();
    for (ip, port) in [("203.0.113.1", ports[0]), ("203.0.113.2", ports[0]), ("203.0.113.2", ports[1])] {
        let to = SocketAddr::new(ip.parse().unwrap(), port);
        let sent = indication(to, b"hi");
        let out = Decision::ToPeer { relay: id(0), to, payload: b"hi", dont_fragment: false };
        assert_eq!(relay.route(&alice, &sent), out, "another service");
    }
    let sent = indication(four[0], b"hi");
    let decision = relay.route(&alice, &sent);
    assert!(matches!(decision, Decision::ToSibling { worker: 1, to, .. } if to == four[0]), "{decision:?}");
}

#[test]
fn address_inside_and_the_one_outside_both_lead_to_the_other_worker() {
    let mut relay = World::build(&["10.0.0.1"], 2, |config| {
        config.public_ip = vec!["203.0.113.9".parse().unwrap()];
    });
    let (mut alice, mut bob) = (Client::on(0, 1, "alice"), Client::on(1, 2, "bob"));
    alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    for ip in ["203.0.113.9", "10.0.0.1"] {
        let to = SocketAddr::new(ip.parse().unwrap(), to_bob.port());
        alice.permit(&mut relay, &[&to.to_string()]).unwrap();
        let sent = indication(to, b"hi");
        let decision = relay.route(&alice, &sent);
        assert!(matches!(decision, Decision::ToSibling { worker: 1, .. }), "{ip}: {decision:?}");
    }
}

#[test]
fn reserved_port_is_not_live() {
    let mut relay = two_workers();
    let (mut alice, mut bob) = (Client::on(0, 1, "alice"), Client::on(1, 2, "bob"));
    alice.allocate_with(&mut relay, |m| m.attribute(EVEN_PORT, &[0x80])).unwrap();
    bob.allocate(&mut relay).unwrap();
    assert_eq!(bob.bind(&mut relay, 0x4000, "203.0.113.1:50003"), Err(403));
    assert_eq!(bob.bind(&mut relay, 0x4000, "203.0.113.1:50002"), Ok(()));
}

#[test]
fn reservation_made_at_one_worker_is_redeemed_at_another() {
    let mut relay = two_workers();
    let (mut rtp, mut rtcp) = (Client::on(0, 1, "alice"), Client::on(1, 2, "alice"));
    let answer = rtp.allocate_with(&mut relay, |m| m.attribute(EVEN_PORT, &[0x80])).unwrap();
    let token: [u8; 8] = Message::parse(&answer).unwrap().find(RESERVATION_TOKEN).unwrap().try_into().unwrap();
    rtcp.fetch_nonce(&mut relay);
    let request = rtcp.allocate_request(|m| m.attribute(RESERVATION_TOKEN, &token));
    assert_eq!(relay.outputs(&rtcp, &request), vec![Output::AdoptRelaySocket { relay: id(0), token }]);
    let local = relay.parked.remove(&token).unwrap();
    relay.open.insert((1, id(0)), local);
    relay.cores[1].allocation_opened(relay.now.mono, id(0), local);
    let answers = relay.complete(1);
    assert_eq!(relayed(&answers[0].1), vec!["203.0.113.1:50003".parse().unwrap()]);
    assert_eq!(relay.ledger.worker_of(local), Some(1));

    // The first worker's note of it runs out without harm.
    relay.advance(30);
    relay.cores[0].handle_timeout(relay.now.mono);
    assert_eq!(relay.drain(0), vec![]);
    rtcp.refresh(&mut relay, 0).unwrap();
    rtp.refresh(&mut relay, 0).unwrap();
    assert!(relay.ledger.is_empty());
}

#[test]
fn reservation_is_redeemed_once() {
    let mut relay = two_workers();
    let mut rtp = Client::on(0, 1, "alice");
    let answer = rtp.allocate_with(&mut relay, |m| m.attribute(EVEN_PORT, &[0x80])).unwrap();
    let token = Message::parse(&answer).unwrap().find(RESERVATION_TOKEN).unwrap().to_vec();
    let mut ask = |worker, number| {
        Client::on(worker, number, "alice").allocate_with(&mut relay, |m| m.attribute(RESERVATION_TOKEN, &token))
    };
    assert!(ask(1, 2).is_ok());
    assert_eq!(ask(0, 3), Err(508));
    assert_eq!(ask(1, 4), Err(508));
}

#[test]
fn quotas_count_together() {
    let mut relay = two_workers();
    Client::on(0, 1, "alice").allocate(&mut relay).unwrap();
    Client::on(1, 2, "alice").allocate(&mut relay).unwrap();
    assert_eq!(Client::on(0, 3, "alice").allocate(&mut relay), Err(486));
    Client::on(0, 4, "bob").allocate(&mut relay).unwrap();
    assert_eq!(Client::on(1, 5, "bob").allocate(&mut relay), Err(486), "three in all");
}

#[test]
fn nonce_of_one_worker_is_good_at_another() {
    let mut relay = two_workers();
    let mut client = Client::on(0, 1, "alice");
    client.fetch_nonce(&mut relay);
    client.worker = 1;
    let request = client.allocate_request(|m| m);
    assert_eq!(code(&relay.send(&client, &request)), None);
}

#[test]
fn port_of_one_worker_is_taken_for_another() {
    let mut relay = two_workers();
    Client::on(0, 1, "alice").allocate(&mut relay).unwrap();
    relay.next_port = 50_001;
    assert_eq!(Client::on(1, 2, "bob").allocate(&mut relay), Err(508));
    assert_eq!(relay.open.len(), 1);
}

fn two_workers() -> World {
    World::build(&["203.0.113.1"], 2, |_| {})
}
