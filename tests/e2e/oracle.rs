//! Our relay as another implementation's client sees it: the `turn` crate allocates, opens permissions, sends, receives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dialtone_tests::Program;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use turn_oracle::client::{Client, ClientConfig};
use webrtc_util::conn::Conn;

/// Longer than anything on this machine takes. The oracle itself would go on for a minute.
const LIMIT: Duration = Duration::from_secs(20);

async fn client(relay: &str, username: &str, password: &str) -> Client {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let config = ClientConfig {
        stun_serv_addr: relay.to_owned(),
        turn_serv_addr: relay.to_owned(),
        username: username.to_owned(),
        password: password.to_owned(),
        realm: String::new(),
        software: "oracle".to_owned(),
        rto_in_ms: 0,
        conn: Arc::new(socket),
        vnet: None,
    };
    let client = Client::new(config).await.unwrap();
    client.listen().await.unwrap();
    client
}

/// What `conn` gets next.
async fn next(conn: &(impl Conn + Send + Sync)) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 2000];
    let (length, from) = timeout(LIMIT, conn.recv_from(&mut buffer)).await.expect("something comes").unwrap();
    buffer.truncate(length);
    (buffer, from)
}

#[tokio::test]
async fn it_learns_its_own_address() {
    let (_relay, address) = Program::turn(["--user", "alice:wonder"]);
    let client = client(&address, "alice", "wonder").await;
    let seen = timeout(LIMIT, client.send_binding_request()).await.unwrap().unwrap();
    assert!(seen.ip().is_loopback() && seen.port() != 0, "{seen}");
    client.close().await.unwrap();
}

#[tokio::test]
async fn it_talks_to_a_peer_both_ways_through_the_relay() {
    let (_relay, address) = Program::turn(["--user", "alice:wonder", "--allow-peer", "127.0.0.0/8"]);
    let client = client(&address, "alice", "wonder").await;
    let relayed = timeout(LIMIT, client.allocate()).await.unwrap().unwrap();
    let relayed_at = relayed.local_addr().unwrap();
    assert_ne!(relayed_at.to_string(), address, "an address of its own");

    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let peer_at = peer.local_addr().unwrap();
    // Sending opens the permission; the first words go as an indication, later ones through a channel once it is bound.
    for round in 0..20_u32 {
        let words = format!("to the peer {round}").into_bytes();
        timeout(LIMIT, relayed.send_to(&words, peer_at)).await.unwrap().unwrap();
        assert_eq!(next(&peer).await, (words, relayed_at));
        let words = format!("to the client {round}").into_bytes();
        peer.send_to(&words, relayed_at).await.unwrap();
        assert_eq!(next(&relayed).await, (words, peer_at));
    }
    client.close().await.unwrap();
}

#[tokio::test]
async fn two_of_them_meet_inside_the_relay_and_no_network_has_to_be_opened() {
    let (_relay, address) = Program::turn(["--user", "alice:wonder", "--user", "bob:builder"]);
    let (alice, bob) = (client(&address, "alice", "wonder").await, client(&address, "bob", "builder").await);
    let alices = timeout(LIMIT, alice.allocate()).await.unwrap().unwrap();
    let bobs = timeout(LIMIT, bob.allocate()).await.unwrap().unwrap();
    let (alice_at, bob_at) = (alices.local_addr().unwrap(), bobs.local_addr().unwrap());
    assert_ne!(alice_at, bob_at);
    // The first of each may be dropped: the other side has no permission for it yet.
    timeout(LIMIT, alices.send_to(b"knock", bob_at)).await.unwrap().unwrap();
    timeout(LIMIT, bobs.send_to(b"hello alice", alice_at)).await.unwrap().unwrap();
    assert_eq!(next(&alices).await, (b"hello alice".to_vec(), bob_at));
    timeout(LIMIT, alices.send_to(b"hello bob", bob_at)).await.unwrap().unwrap();
    let heard = next(&bobs).await;
    let heard = if heard.0 == b"knock" { next(&bobs).await } else { heard };
    assert_eq!(heard, (b"hello bob".to_vec(), alice_at));
}

#[tokio::test]
async fn without_an_opened_network_it_does_not_reach_private_peers() {
    let (_relay, address) = Program::turn(["--user", "alice:wonder"]);
    let client = client(&address, "alice", "wonder").await;
    let relayed = timeout(LIMIT, client.allocate()).await.unwrap().unwrap();
    // Not the relay's own address, where clients of one relay may meet.
    let peer = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let sent = timeout(LIMIT, relayed.send_to(b"let me in", peer.local_addr().unwrap())).await.unwrap();
    assert!(sent.is_err(), "permission for a private address is refused");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_refused() {
    let (_relay, address) = Program::turn(["--user", "alice:wonder", "--secret", "north"]);
    for (user, password) in [("alice", "wrong"), ("nobody", "wonder"), ("1:expired", "whatever")] {
        let client = client(&address, user, password).await;
        let refused = timeout(LIMIT, client.allocate()).await.expect("an answer comes");
        let error = refused.map(|_| ()).expect_err("it is refused");
        assert!(error.to_string().contains("401"), "{user}: {error}");
    }
}

#[tokio::test]
async fn a_time_limited_login_is_taken() {
    let (_relay, address) = Program::turn(["--secret", "north"]);
    // Good until the year 2100, whatever the time is now.
    let lifetime = Duration::from_secs(4_102_444_800);
    let (user, password) = dialtone_turn::rest_credentials("north", "alice", lifetime, SystemTime::UNIX_EPOCH);
    let client = client(&address, &user, &password).await;
    timeout(LIMIT, client.allocate()).await.unwrap().unwrap();
}
