//! The relay with real sockets: UDP, TCP and TLS clients, and peers that answer.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "helpers of tests may fail loudly")]

mod client;
mod complete;
mod trains;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dialtone_turn::stun::{Class, MessageBuilder, Method, TransactionId};
use dialtone_turn::{Config, Lifetimes, Limits, Relay, SpawnError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::client::{Certificate, Client, LIMIT, LOCALHOST, Link, config, receive};

#[tokio::test]
async fn udp_client_and_peer_talk_both_ways() {
    let relay = Relay::spawn(config()).await.expect("relay starts");
    let client = Client::udp(&relay).await;
    client_and_peer_talk(client, &relay).await;
    relay.shutdown().await;
}

#[tokio::test]
async fn tcp_client_and_peer_talk_both_ways() {
    let relay = Relay::spawn(config()).await.expect("relay starts");
    let client = Client::tcp(&relay).await;
    client_and_peer_talk(client, &relay).await;
    relay.shutdown().await;
}

#[tokio::test]
async fn tls_client_and_peer_talk_both_ways() {
    let certificate = Certificate::new();
    let relay = Relay::spawn(Config { tls_listen: vec![LOCALHOST], tls: Some(certificate.files.clone()), ..config() })
        .await
        .expect("relay starts");
    let client = Client::tls(&relay, &certificate).await;
    client_and_peer_talk(client, &relay).await;
    relay.shutdown().await;
}

#[tokio::test]
async fn two_clients_meet_inside_the_relay_without_any_opened_network() {
    let relay = Relay::spawn(Config { allow_peer: Vec::new(), ..config() }).await.expect("relay starts");
    let mut alice = Client::udp(&relay).await;
    let mut bob = Client::tcp(&relay).await;
    let alice_at = alice.allocate().await;
    let bob_at = bob.allocate().await;
    alice.permit(bob_at).await;
    bob.permit(alice_at).await;
    alice.indicate(bob_at, b"hello bob").await;
    assert_eq!(bob.data().await, (alice_at, b"hello bob".to_vec()));
    bob.indicate(alice_at, b"hello alice").await;
    assert_eq!(alice.data().await, (bob_at, b"hello alice".to_vec()));
    relay.shutdown().await;
}

#[tokio::test]
async fn closed_connection_ends_its_allocation() {
    let relay = Relay::spawn(config()).await.expect("relay starts");
    let mut client = Client::tcp(&relay).await;
    client.allocate().await;
    assert_eq!(relay.totals().live_allocations, 1);
    drop(client);
    let gone = async {
        while relay.totals().live_allocations != 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, gone).await.expect("the allocation ends");
    relay.shutdown().await;
}

#[tokio::test]
async fn stream_that_speaks_something_else_is_closed() {
    let relay = Relay::spawn(config()).await.expect("relay starts");
    let mut stream = TcpStream::connect(relay.tcp_addrs()[0]).await.expect("connects");
    stream.write_all(&[0x16, 0x03, 0x01, 0x02]).await.expect("writes");
    let read = timeout(LIMIT, stream.read(&mut [0; 16])).await;
    // Closed in good order or reset, but closed.
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    relay.shutdown().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn wildcard_listener_answers_from_the_address_the_client_used() {
    let wildcard = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let relay = Relay::spawn(Config { listen: vec![wildcard], ..config() }).await.expect("relay starts");
    // All of 127.0.0.0/8 is this machine. A connected socket hears nobody but the address it is connected to.
    let used = SocketAddr::from(([127, 0, 0, 2], relay.udp_addrs()[0].port()));
    let socket = UdpSocket::bind(LOCALHOST).await.expect("client binds");
    socket.connect(used).await.expect("connects");
    let local = socket.local_addr().expect("client is bound");
    let mut client = Client::new(Link::Udp(socket), local);
    assert_eq!(client.allocate().await.ip(), used.ip());

    let peer = UdpSocket::bind(LOCALHOST).await.expect("peer binds");
    let peer_at = peer.local_addr().expect("peer is bound");
    client.permit(peer_at).await;
    client.indicate(peer_at, b"out").await;
    let (bytes, relayed) = receive(&peer).await;
    assert_eq!(bytes, b"out");
    peer.send_to(b"back", relayed).await.expect("peer sends");
    assert_eq!(client.data().await, (peer_at, b"back".to_vec()));
    relay.shutdown().await;
}

#[tokio::test]
async fn stream_that_talks_on_without_an_allocation_is_closed() {
    let lifetimes = Lifetimes { idle_stream: Duration::from_millis(300), ..Lifetimes::default() };
    let relay = Relay::spawn(Config { lifetimes, ..config() }).await.expect("relay starts");
    let (mut reader, mut writer) = TcpStream::connect(relay.tcp_addrs()[0]).await.expect("connects").into_split();
    // One Binding request after the other, each long before the limit.
    let binding = MessageBuilder::new(Class::Request, Method::Binding, TransactionId([1; 12])).finish();
    let talk = async {
        let mut answer = [0; 1024];
        loop {
            let written = writer.write_all(&binding).await;
            let read = reader.read(&mut answer).await;
            if written.is_err() || matches!(read, Ok(0) | Err(_)) {
                return;
            }
        }
    };
    timeout(LIMIT, talk).await.expect("the connection is closed");
    relay.shutdown().await;
}

#[tokio::test]
async fn connection_with_an_allocation_outlives_the_limit() {
    let lifetimes = Lifetimes { idle_stream: Duration::from_secs(2), ..Lifetimes::default() };
    let relay = Relay::spawn(Config { lifetimes, ..config() }).await.expect("relay starts");
    let mut client = Client::tcp(&relay).await;
    client.allocate().await;
    let mut stranger = TcpStream::connect(relay.tcp_addrs()[0]).await.expect("connects");
    // The stranger came later: when its time is over, the client's was over before.
    let read = timeout(LIMIT, stranger.read(&mut [0; 16])).await.expect("the stranger is sent away");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    client.permit(LOCALHOST).await;
    relay.shutdown().await;
}

#[tokio::test]
async fn long_frame_without_an_allocation_ends_the_connection() {
    let relay = Relay::spawn(config()).await.expect("relay starts");
    let mut stream = TcpStream::connect(relay.tcp_addrs()[0]).await.expect("connects");
    stream.write_all(&[0x40, 0, 0x10, 0]).await.expect("writes");
    let read = timeout(LIMIT, stream.read(&mut [0; 16])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    relay.shutdown().await;
}

#[tokio::test]
async fn one_source_has_only_so_many_connections_without_an_allocation() {
    let limits = Limits { max_streams_per_ip: 1, ..Limits::default() };
    let relay = Relay::spawn(Config { limits, ..config() }).await.expect("relay starts");
    let mut first = Client::tcp(&relay).await;
    assert_eq!(first.local.ip(), LOCALHOST.ip());
    // The relay has to know of the first when the second comes: an answer shows that.
    first.ask(Method::Binding, |m| m).await;
    let mut second = TcpStream::connect(relay.tcp_addrs()[0]).await.expect("connects");
    let read = timeout(LIMIT, second.read(&mut [0; 16])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    // With an allocation it makes room for the next.
    first.allocate().await;
    let mut third = Client::tcp(&relay).await;
    third.allocate().await;
    assert_eq!(relay.totals().refused_streams, 1);
    relay.shutdown().await;
}

#[tokio::test]
async fn burst_from_one_tcp_client_to_another_that_reads_arrives_whole() {
    const FRAMES: u8 = 120;
    let relay = Relay::spawn(config()).await.expect("relay starts");
    let (mut alice, mut bob) = (Client::tcp(&relay).await, Client::tcp(&relay).await);
    let (alice_at, bob_at) = (alice.allocate().await, bob.allocate().await);
    alice.bind_channel(0x4001, bob_at).await;
    bob.bind_channel(0x4002, alice_at).await;
    // Twice what waits for one connection at most, in one piece.
    let frame = |number: u8, channel: u8| [&[0x40, channel, 0x07, 0xd0][..], &[number; 2000]].concat();
    let burst: Vec<u8> = (0..FRAMES).flat_map(|number| frame(number, 1)).collect();
    alice.send(&burst).await;
    for number in 0..FRAMES {
        assert_eq!(bob.receive().await, frame(number, 2), "{number}");
    }
    assert_eq!(relay.totals().dropped_packets, 0);
    relay.shutdown().await;
}

#[tokio::test]
async fn slow_reader_over_tcp_loses_data_and_is_not_fed_old_data_for_ever() {
    const PACKET: usize = 1000;
    let relay = Relay::spawn(config()).await.expect("relay starts");
    let mut client = Client::tcp(&relay).await;
    let relayed = client.allocate().await;
    let peer = UdpSocket::bind(LOCALHOST).await.expect("peer binds");
    client.bind_channel(0x4001, peer.local_addr().expect("peer is bound")).await;
    // Far more than all queues of ours hold; what is lost on the way to the relay is not counted by it.
    let mut sent = 0_u32;
    while relay.totals().dropped_packets < 1000 {
        assert!(sent < 100_000, "nothing is dropped: {:?}", relay.totals());
        let mut packet = vec![0; PACKET];
        packet[..4].copy_from_slice(&sent.to_be_bytes());
        peer.send_to(&packet, relayed).await.expect("peer sends");
        sent += 1;
        if sent.is_multiple_of(64) {
            tokio::task::yield_now().await;
        }
    }
    // It reads again: first what waited, and soon what is fresh. The first fresh packets may find the queue still full.
    let fresh = b"\x40\x01\x00\x05fresh\0\0\0";
    let mut old = 0;
    'fresh: loop {
        assert!(old < sent, "all old data came, and nothing fresh");
        peer.send_to(b"fresh", relayed).await.expect("peer sends");
        while let Ok(frame) = timeout(Duration::from_millis(200), client.receive()).await {
            if frame == fresh {
                break 'fresh;
            }
            old += 1;
        }
    }
    assert!(old + 1000 <= sent, "{old} of {sent} old packets came");
    relay.shutdown().await;
}

#[tokio::test]
async fn second_public_address_of_one_family_is_a_usage_error() {
    let public_ip = ["203.0.113.7", "2001:db8::7", "203.0.113.8"].map(|ip| ip.parse().expect("an address")).to_vec();
    let error = Relay::spawn(Config { public_ip, ..config() }).await.expect_err("one too many");
    assert!(error.is_usage());
    assert!(error.to_string().contains("203.0.113.8"), "{error}");
}

#[tokio::test]
async fn address_of_another_machine_is_not_blamed_on_a_program() {
    let elsewhere = SocketAddr::from(([203, 0, 113, 7], 0));
    let error = Relay::spawn(Config { listen: vec![elsewhere], ..config() }).await.expect_err("not ours");
    let text = error.to_string();
    assert!(text.contains("--public-ip") && !text.contains("another program"), "{text}");
}

#[tokio::test]
async fn taken_port_is_named_and_free_again_after_shutdown() {
    let relay = Relay::spawn(config()).await.expect("relay starts");
    let address = relay.udp_addrs()[0];
    let again = || Config { listen: vec![address], ..config() };
    let error = Relay::spawn(again()).await.expect_err("the port is taken");
    assert!(!error.is_usage());
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(error.to_string().contains("another program"), "{error}");
    relay.shutdown().await;
    let relay = Relay::spawn(again()).await.expect("the port is free");
    relay.shutdown().await;
}

#[tokio::test]
async fn relay_without_credentials_does_not_start() {
    let error = Relay::spawn(Config { listen: vec![LOCALHOST], ..Config::default() }).await.expect_err("no open relay");
    assert!(matches!(error, SpawnError::NoCredentials));
    assert!(error.is_usage());
}

async fn client_and_peer_talk(mut client: Client, relay: &Relay) {
    let peer = UdpSocket::bind(LOCALHOST).await.expect("peer binds");
    let peer_at = peer.local_addr().expect("peer is bound");
    let relayed = client.allocate().await;

    client.permit(peer_at).await;
    client.indicate(peer_at, b"first").await;
    assert_eq!(receive(&peer).await, (b"first".to_vec(), relayed));
    peer.send_to(b"second", relayed).await.expect("peer sends");
    assert_eq!(client.data().await, (peer_at, b"second".to_vec()));

    client.bind_channel(0x4001, peer_at).await;
    client.send(&[0x40, 0x01, 0, 5, b't', b'h', b'i', b'r', b'd', 0, 0, 0]).await;
    assert_eq!(receive(&peer).await, (b"third".to_vec(), relayed));
    peer.send_to(b"four", relayed).await.expect("peer sends");
    assert_eq!(client.receive().await, b"\x40\x01\x00\x04four");

    let totals = relay.totals();
    assert_eq!((totals.packets_to_peers, totals.bytes_to_peers), (2, 10));
    assert_eq!((totals.packets_to_clients, totals.bytes_to_clients), (2, 10));
    assert_eq!((totals.live_allocations, totals.allocations), (1, 1));
}
