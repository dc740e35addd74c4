//! What a complete relay has beyond one client and one peer: two families, IPv6, workers, discovery, draining.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use dialtone_turn::stun::attributes::{
    ADDITIONAL_ADDRESS_FAMILY, ALTERNATE_SERVER, CHANGE_REQUEST, EVEN_PORT, OTHER_ADDRESS, RESERVATION_TOKEN,
    RESPONSE_ORIGIN, XOR_MAPPED_ADDRESS, XOR_RELAYED_ADDRESS, decode_address, decode_xor_address,
};
use dialtone_turn::stun::{Class, Message, MessageBuilder, Method, TransactionId};
use dialtone_turn::{Config, Relay};
use tokio::net::UdpSocket;

use crate::client::{Client, LOCALHOST, config, receive};

/// Enough clients that the system deals some of them to each of two workers.
const MANY: usize = 12;

#[tokio::test]
async fn ipv6_client_and_peer_talk_both_ways() {
    let relay = Relay::spawn(Config { listen: vec![at("[::1]:0")], ..opened() }).await.expect("relay starts");
    let mut client = Client::udp(&relay).await;
    let relayed = client.allocate().await;
    talk(&mut client, relayed, at("[::1]:0")).await;
    relay.shutdown().await;
}

#[tokio::test]
async fn one_allocation_reaches_peers_of_both_families() {
    let listen = vec![LOCALHOST, at("[::1]:0")];
    let relay = Relay::spawn(Config { listen, ..opened() }).await.expect("relay starts");
    let mut client = Client::udp(&relay).await;
    let answer = client.allocate_with(|m| m.number(ADDITIONAL_ADDRESS_FAMILY, 2 << 24)).await;
    let answer = Message::parse(&answer).expect("a message");
    let relayed: Vec<SocketAddr> = answer
        .attributes()
        .filter(|attribute| attribute.kind == XOR_RELAYED_ADDRESS)
        .filter_map(|attribute| decode_xor_address(attribute.value, answer.transaction()))
        .collect();
    let [v4, v6] = relayed[..] else { panic!("two relayed addresses expected, got {relayed:?}") };
    assert!(v4.is_ipv4() && v6.is_ipv6(), "{relayed:?}");
    talk(&mut client, v4, LOCALHOST).await;
    talk(&mut client, v6, at("[::1]:0")).await;
    assert_eq!(relay.live_allocations(), 1);
    relay.shutdown().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_of_different_workers_meet_inside_the_relay() {
    let config = Config { workers: 2, allow_peer: Vec::new(), ..config() };
    let relay = Relay::spawn(config).await.expect("relay starts");
    let mut clients = Vec::new();
    for index in 0..MANY {
        let mut client = if index % 3 == 0 { Client::tcp(&relay).await } else { Client::udp(&relay).await };
        let relayed = client.allocate().await;
        clients.push((client, relayed));
    }
    // Each says something to the next one; the last to the first.
    for index in 0..MANY {
        let next = (index + 1) % MANY;
        let (from, to) = (clients[index].1, clients[next].1);
        clients[index].0.permit(to).await;
        clients[next].0.permit(from).await;
        clients[index].0.indicate(to, &[u8::try_from(index).unwrap()]).await;
        assert_eq!(clients[next].0.data().await, (from, vec![u8::try_from(index).unwrap()]));
    }
    assert_eq!(relay.totals().dropped_packets, 0);
    relay.shutdown().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn reserved_port_is_had_from_whichever_worker_is_asked() {
    let relay = Relay::spawn(Config { workers: 2, ..config() }).await.expect("relay starts");
    for _ in 0..MANY {
        let mut first = Client::udp(&relay).await;
        let answer = first.allocate_with(|m| m.attribute(EVEN_PORT, &[0x80])).await;
        let answer = Message::parse(&answer).expect("a message");
        let even = answer.xor_address(XOR_RELAYED_ADDRESS).expect("a relayed address");
        let token = answer.find(RESERVATION_TOKEN).expect("a token");
        let mut second = Client::udp(&relay).await;
        let answer = second.allocate_with(|m| m.attribute(RESERVATION_TOKEN, token)).await;
        let answer = Message::parse(&answer).expect("a message");
        let odd = answer.xor_address(XOR_RELAYED_ADDRESS).expect("the reserved address");
        assert_eq!((even.port() % 2, odd.port()), (0, even.port() + 1));
        talk(&mut second, odd, LOCALHOST).await;
    }
    relay.shutdown().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn discovery_answers_come_from_the_address_that_is_asked_for() {
    let config = Config { discovery: Some(at("127.0.0.2:0")), workers: 2, ..config() };
    let relay = Relay::spawn(config).await.expect("relay starts");
    let [primary, other, ..] = *relay.udp_addrs() else { panic!("four addresses expected") };
    assert_eq!(relay.udp_addrs().iter().collect::<BTreeSet<_>>().len(), 4);
    let socket = UdpSocket::bind(LOCALHOST).await.expect("client binds");
    let crossed = |ip: SocketAddr, port: SocketAddr| SocketAddr::new(ip.ip(), port.port());
    for (flags, from) in [(0, primary), (2, crossed(primary, other)), (4, crossed(other, primary)), (6, other)] {
        let request = MessageBuilder::new(Class::Request, Method::Binding, TransactionId([9; 12]))
            .number(CHANGE_REQUEST, flags)
            .finish();
        socket.send_to(&request, primary).await.expect("sends");
        let (answer, origin) = receive(&socket).await;
        assert_eq!(origin, from, "flags {flags}");
        let answer = Message::parse(&answer).expect("a message");
        assert_eq!(answer.xor_address(XOR_MAPPED_ADDRESS), socket.local_addr().ok());
        assert_eq!(answer.find(RESPONSE_ORIGIN).and_then(decode_address), Some(from));
        assert_eq!(answer.find(OTHER_ADDRESS).and_then(decode_address), Some(other));
    }
    relay.shutdown().await;
}

#[tokio::test]
async fn draining_relay_sends_new_clients_elsewhere_and_keeps_the_old_ones() {
    let elsewhere = at("192.0.2.77:3478");
    let relay = Relay::spawn(Config { alternate_server: vec![elsewhere], ..config() }).await.expect("relay starts");
    let mut old = Client::udp(&relay).await;
    let relayed = old.allocate().await;
    relay.drain();
    let mut new = Client::udp(&relay).await;
    let answer = new.allocate_with(|m| m).await;
    let answer = Message::parse(&answer).expect("a message");
    assert_eq!(answer.error_code(), Some(300));
    assert_eq!(answer.find(ALTERNATE_SERVER).and_then(decode_address), Some(elsewhere));
    talk(&mut old, relayed, LOCALHOST).await;
    assert_eq!(relay.live_allocations(), 1);
    relay.shutdown().await;
}

#[tokio::test]
async fn limit_of_bits_per_second_drops_what_goes_beyond() {
    // One allocation may send 64 KiB at once, and then hardly anything.
    let mut config = config();
    config.limits.max_bitrate = 8000;
    let relay = Relay::spawn(config).await.expect("relay starts");
    let mut client = Client::udp(&relay).await;
    client.allocate().await;
    let peer = UdpSocket::bind(LOCALHOST).await.expect("peer binds");
    let peer_at = peer.local_addr().expect("peer is bound");
    client.permit(peer_at).await;
    for _ in 0..100 {
        client.indicate(peer_at, &[7; 1000]).await;
    }
    // Answered in turn: when the answer is here, all the packets before it were dealt with.
    client.permit(peer_at).await;
    let totals = relay.totals();
    assert_eq!(totals.packets_to_peers + totals.limited_packets, 100);
    assert!((60..80).contains(&totals.packets_to_peers), "{totals:?}");
    relay.shutdown().await;
}

async fn talk(client: &mut Client, relayed: SocketAddr, peer: SocketAddr) {
    let peer = UdpSocket::bind(peer).await.expect("peer binds");
    let peer_at = peer.local_addr().expect("peer is bound");
    client.permit(peer_at).await;
    client.indicate(peer_at, b"out").await;
    assert_eq!(receive(&peer).await, (b"out".to_vec(), relayed));
    peer.send_to(b"back", relayed).await.expect("peer sends");
    assert_eq!(client.data().await, (peer_at, b"back".to_vec()));
}

/// Peers on both loopback addresses may be reached.
fn opened() -> Config {
    let mut config = config();
    config.allow_peer.push("::1/128".parse().expect("a network"));
    config
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
