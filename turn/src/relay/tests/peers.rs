use std::net::SocketAddr;

use super::client::{Client, PEER, indication};
use super::world::{World, id};
use crate::relay::Decision;

#[test]
fn both_peers_of_one_request_get_through() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    let peers = ["198.51.100.20:1", "198.51.100.21:1"];
    assert_eq!(client.permit(&mut relay, &peers), Ok(()));
    for peer in peers {
        let peer: SocketAddr = peer.parse().unwrap();
        let sent = indication(peer, b"hi");
        let decision = relay.route(&client, &sent);
        assert_eq!(decision, Decision::ToPeer { relay: id(0), to: peer, payload: b"hi", dont_fragment: false });
    }
}

#[test]
fn one_forbidden_peer_keeps_the_others_out() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    for bad in ["127.0.0.1:1", "0.0.0.0:1", "169.254.169.254:80", "10.0.0.1:1", "224.0.0.1:1"] {
        assert_eq!(client.permit(&mut relay, &[PEER, bad]), Err(403), "{bad}");
    }
    for other_family in ["[2001:db8::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(client.permit(&mut relay, &[other_family]), Err(443));
        assert_eq!(client.bind(&mut relay, 0x4000, other_family), Err(443));
    }
    assert_eq!(client.permit(&mut relay, &[]), Err(400));
    let sent = indication(PEER.parse().unwrap(), b"hi");
    assert_eq!(relay.route(&client, &sent), Decision::Done);
}

#[test]
fn peers_need_an_allocation() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    assert_eq!(client.permit(&mut relay, &[PEER]), Err(437));
    assert_eq!(client.bind(&mut relay, 0x4000, PEER), Err(437));
}

#[test]
fn more_peers_and_channels_than_allowed_are_508() {
    let mut relay = World::with("203.0.113.1", |config| {
        config.limits.permissions_per_allocation = 2;
        config.limits.channels_per_allocation = 1;
    });
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    assert_eq!(client.permit(&mut relay, &["198.51.100.1:1", "198.51.100.2:1", "198.51.100.3:1"]), Err(508));
    assert_eq!(client.permit(&mut relay, &["198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1"]), Ok(()));
    assert_eq!(client.bind(&mut relay, 0x4000, "198.51.100.3:1"), Err(508));
    assert_eq!(client.bind(&mut relay, 0x4000, "198.51.100.1:1"), Ok(()));
    assert_eq!(client.bind(&mut relay, 0x4001, "198.51.100.2:1"), Err(508));
}

#[test]
fn channels_are_bound_once_in_their_range() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    for (number, expected) in [
        (0x3fff, Err(400)),
        (0x8000, Err(400)),
        (0x4000, Ok(())),
        (0x4000, Ok(())),
        (0x5000, Err(400)), // same peer, other channel
    ] {
        assert_eq!(client.bind(&mut relay, number, PEER), expected, "{number:#x}");
    }
    assert_eq!(client.bind(&mut relay, 0x4000, "198.51.100.21:1"), Err(400));
    assert_eq!(client.bind(&mut relay, 0x7fff, "198.51.100.21:1"), Ok(()));
    assert_eq!(client.bind(&mut relay, 0x4002, "192.168.0.1:1"), Err(403));

    let peer: SocketAddr = PEER.parse().unwrap();
    let up = [0x40, 0, 0, 2, b'h', b'i', 0, 0];
    let to_peer = Decision::ToPeer { relay: id(0), to: peer, payload: b"hi", dont_fragment: false };
    assert_eq!(relay.route(&client, &up), to_peer);
    let down = relay.down(peer, b"yo").unwrap();
    assert_eq!(down, (client.address, vec![0x40, 0, 0, 2, b'y', b'o']));
}
