use std::net::SocketAddr;
use std::time::Duration;

use super::client::{Client, PEER, indication};
use super::world::World;
use crate::relay::Decision;

#[test]
fn allocation_is_held_to_its_rate_each_way() {
    // 1 MB/s, and half of that at once.
    let mut relay = World::with("203.0.113.1", |config| config.limits.max_bitrate = 8_000_000);
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    client.permit(&mut relay, &[PEER]).unwrap();
    let peer: SocketAddr = PEER.parse().unwrap();
    // 1000 bytes with its headers.
    let sent = indication(peer, &[7; 972]);
    let up = (0..600).filter(|_| relay.route(&client, &sent) != Decision::Done).count();
    assert_eq!(up, 500);
    let down = (0..600).filter(|_| relay.down(peer, &[7; 972]).is_some()).count();
    assert_eq!(down, 500);
    relay.advance_by(Duration::from_millis(10));
    let up = (0..100).filter(|_| relay.route(&client, &sent) != Decision::Done).count();
    assert_eq!(up, 10);

    let totals = relay.counters[0].totals();
    assert_eq!((totals.packets_to_peers, totals.bytes_to_peers), (510, 510 * 972), "what was dropped does not count");
    assert_eq!((totals.packets_to_clients, totals.bytes_to_clients), (500, 500 * 972));
    assert_eq!(totals.limited_packets, 100 + 100 + 90);
}

#[test]
fn empty_packets_are_not_free() {
    // 1 MB/s, and half of that at once.
    let mut relay = World::with("203.0.113.1", |config| config.limits.max_bitrate = 8_000_000);
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    client.permit(&mut relay, &[PEER]).unwrap();
    let sent = indication(PEER.parse().unwrap(), b"");
    let up = (0..20_000).filter(|_| relay.route(&client, &sent) != Decision::Done).count();
    assert_eq!(up, 500_000 / 28);
    let totals = relay.counters[0].totals();
    assert_eq!((totals.packets_to_peers, totals.bytes_to_peers), (500_000 / 28, 0));
}

#[test]
fn all_allocations_share_the_total() {
    // 1 MB/s, and half of that at once.
    let mut relay = World::build(&["203.0.113.1"], 2, |config| config.limits.max_total_bitrate = 8_000_000);
    let mut clients = [Client::on(0, 1, "alice"), Client::on(1, 2, "alice")];
    for client in &mut clients {
        client.allocate(&mut relay).unwrap();
        client.permit(&mut relay, &[PEER]).unwrap();
    }
    let sent = indication(PEER.parse().unwrap(), &[7; 972]);
    let mut passed = 0;
    for round in 0..1200 {
        if relay.route(&clients[round % 2], &sent) != Decision::Done {
            passed += 1;
        }
    }
    assert!((490..=500).contains(&passed), "{passed}");
    let totals = relay.counters[0].totals() + relay.counters[1].totals();
    assert_eq!(totals.packets_to_peers, passed);
    assert_eq!(totals.limited_packets, 1200 - passed);
}

#[test]
fn without_caps_nothing_is_limited() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    client.permit(&mut relay, &[PEER]).unwrap();
    let sent = indication(PEER.parse().unwrap(), &[7; 60_000]);
    assert!((0..1000).all(|_| relay.route(&client, &sent) != Decision::Done));
    assert_eq!(relay.counters[0].totals().limited_packets, 0);
}
