use std::net::SocketAddr;

use super::client::{Client, PEER};
use super::world::{World, id};
use crate::relay::{Decision, Output, Transport};
use crate::stun::attributes::{ADDITIONAL_ADDRESS_FAMILY, DATA, DONT_FRAGMENT, XOR_PEER_ADDRESS};
use crate::stun::{Class, Message, MessageBuilder, Method, TransactionId};

#[test]
fn data_flows_both_ways_until_the_permission_ends() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    client.permit(&mut relay, &[PEER]).unwrap();
    let peer: SocketAddr = PEER.parse().unwrap();
    relay.advance(299);
    assert_eq!(relay.down(peer, b"hello").map(|(to, _)| to), Some(client.address));
    let (_, bytes) = relay.down(peer, b"hello").unwrap();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.method(), Method::Data);
    assert_eq!(message.find(DATA), Some(&b"hello"[..]));
    assert_eq!(message.xor_address(XOR_PEER_ADDRESS), Some(peer));
    assert_eq!(relay.down("198.51.100.99:1".parse().unwrap(), b"who"), None);

    relay.advance(1);
    assert_eq!(relay.down(peer, b"late"), None);
    let totals = relay.counters[0].totals();
    assert_eq!((totals.packets_to_clients, totals.bytes_to_clients), (2, 10));
}

#[test]
fn frames_for_streams_are_padded() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.address.transport = Transport::Tcp;
    client.allocate(&mut relay).unwrap();
    client.bind(&mut relay, 0x4000, PEER).unwrap();
    let (_, bytes) = relay.down(PEER.parse().unwrap(), b"yo").unwrap();
    assert_eq!(bytes, [0x40, 0, 0, 2, b'y', b'o', 0, 0]);

    relay.cores[0].client_gone(relay.now.mono, client.address);
    assert_eq!(relay.drain(0), vec![Output::CloseRelaySocket { relay: id(0) }]);
    assert!(relay.ledger.is_empty());
}

#[test]
fn dont_fragment_goes_with_its_packet_only() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate_with(&mut relay, |m| m.attribute(DONT_FRAGMENT, &[])).unwrap();
    client.permit(&mut relay, &[PEER]).unwrap();
    let peer: SocketAddr = PEER.parse().unwrap();
    let send = || {
        MessageBuilder::new(Class::Indication, Method::Send, TransactionId([5; 12]))
            .xor_address(XOR_PEER_ADDRESS, peer)
            .attribute(DATA, b"hi")
    };
    for (bytes, dont_fragment) in [(send().attribute(DONT_FRAGMENT, &[]).finish(), true), (send().finish(), false)] {
        let decision = Decision::ToPeer { relay: id(0), to: peer, payload: b"hi", dont_fragment };
        assert_eq!(relay.route(&client, &bytes), decision);
    }
    let unknown = send().attribute(0x7abc, &[]).finish();
    assert_eq!(relay.route(&client, &unknown), Decision::Done);
}

#[test]
fn dont_fragment_counts_towards_ipv4_and_from_ipv4_or_a_stream() {
    let (four, six) = ("192.0.2.1:4000", "[2001:db8:1::1]:4000");
    for (transport, remote, counts) in [
        (Transport::Udp, four, true),
        (Transport::Udp, six, false),
        (Transport::Tcp, four, true),
        (Transport::Tcp, six, true),
        (Transport::Tls, six, true),
    ] {
        let mut relay = World::build(&["203.0.113.1", "2001:db8::1"], 1, |_| {});
        let mut client = Client::new(1, "alice", "pw");
        client.address.transport = transport;
        client.address.remote = remote.parse().unwrap();
        client.allocate_with(&mut relay, |m| m.number(ADDITIONAL_ADDRESS_FAMILY, 2 << 24)).unwrap();
        for (slot, peer, dont_fragment) in [(0, PEER, counts), (1, "[2001:db8:ffff::20]:7000", false)] {
            client.permit(&mut relay, &[peer]).unwrap();
            let to: SocketAddr = peer.parse().unwrap();
            let sent = MessageBuilder::new(Class::Indication, Method::Send, TransactionId([5; 12]))
                .xor_address(XOR_PEER_ADDRESS, to)
                .attribute(DATA, b"hi")
                .attribute(DONT_FRAGMENT, &[])
                .finish();
            let decision = Decision::ToPeer { relay: id(slot), to, payload: b"hi", dont_fragment };
            assert_eq!(relay.route(&client, &sent), decision, "{transport:?} {remote}");
        }
    }
}

#[test]
fn nothing_is_relayed_without_an_allocation() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    let up = [0x40, 0, 0, 2, b'h', b'i', 0, 0];
    assert_eq!(relay.route(&client, &up), Decision::Done);
    client.allocate(&mut relay).unwrap();
    client.bind(&mut relay, 0x4000, PEER).unwrap();
    relay.advance(600);
    assert_eq!(relay.route(&client, &up), Decision::Done, "it has expired, whether that was noticed or not");
    assert_eq!(relay.down(PEER.parse().unwrap(), b"x"), None);
    assert_eq!(relay.counters[0].totals().packets_to_peers, 0);
}
