//! Probes of a relay in this process, and of what is no relay.

use std::net::{IpAddr, Ipv4Addr};

use dialtone_turn::{Config, Relay};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const LIMIT: Duration = Duration::from_secs(20);
const PEER: &str = "127.0.0.1:9";

async fn relay(change: impl FnOnce(&mut Config)) -> Relay {
    let mut config = Config {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        allow_peer: vec![ipnet::Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 8).into()],
        ..Config::default()
    };
    config.credentials.users.insert("bob".to_owned(), "hunter2".to_owned());
    change(&mut config);
    Relay::spawn(config).await.unwrap()
}

fn server(scheme: &str, address: SocketAddr, password: &str) -> IceServer {
    IceServer {
        urls: vec![format!("{scheme}:{address}")],
        username: Some("bob".to_owned()),
        credential: Some(password.to_owned()),
    }
}

async fn one(server: IceServer, peer: &str) -> ProbeReport {
    let mut reports = probe(&[server], &[peer.parse().unwrap()], LIMIT, None).await;
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

#[tokio::test]
async fn a_relay_works_for_stun_and_turn_and_keeps_no_allocation() {
    let relay = relay(|_| {}).await;
    let address = relay.udp_addrs()[0];
    let servers = [server("stun", address, "x"), server("turn", address, "hunter2")];
    let reports = probe(&servers, &[PEER.parse().unwrap()], LIMIT, None).await;
    let [stun, turn] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((stun.outcome, &stun.url), (ProbeOutcome::Works, &format!("stun:{address}")), "{}", stun.message);
    let mapped: SocketAddr = stun.mapped.as_deref().unwrap().parse().unwrap();
    assert_eq!(mapped.ip(), IpAddr::from(Ipv4Addr::LOCALHOST));
    assert_eq!(stun.relayed, None);

    assert_eq!(turn.outcome, ProbeOutcome::Works, "{}", turn.message);
    let relayed = turn.relayed.as_deref().unwrap();
    assert_eq!(turn.message, format!("turn:{address} relays from {relayed} and takes the other side's address"));
    assert!(turn.mapped.is_some() && turn.took_ms > 0.0);
    assert_eq!(relay.totals().allocations, 1);
    assert_eq!(relay.live_allocations(), 0);
    relay.shutdown().await;
}

#[tokio::test]
async fn a_wrong_password_is_a_refused_login() {
    let relay = relay(|_| {}).await;
    let address = relay.udp_addrs()[0];
    let report = one(server("turn", address, "hunter3"), PEER).await;
    assert_eq!(report.outcome, ProbeOutcome::LoginRefused, "{}", report.message);
    assert_eq!(report.message, format!("turn:{address} answered 401 Unauthorized to user bob"));
    relay.shutdown().await;
}

#[tokio::test]
async fn a_full_relay_is_a_quota() {
    let relay = relay(|config| config.limits.max_allocations_per_user = 0).await;
    let report = one(server("turn", relay.udp_addrs()[0], "hunter2"), PEER).await;
    assert_eq!(report.outcome, ProbeOutcome::Quota, "{}", report.message);
    assert!(report.message.contains("answered 486"), "{}", report.message);
    relay.shutdown().await;
}

#[tokio::test]
async fn a_peer_that_the_relay_protects_is_refused() {
    let relay = relay(|_| {}).await;
    let report = one(server("turn", relay.udp_addrs()[0], "hunter2"), "10.255.255.9:9").await;
    assert_eq!(report.outcome, ProbeOutcome::PeerRefused, "{}", report.message);
    assert!(report.message.contains("answered 403"), "{}", report.message);
    assert!(report.message.ends_with("to the other side's address 10.255.255.9:9"), "{}", report.message);
    assert!(report.relayed.is_some());
    assert_eq!(relay.live_allocations(), 0);
    relay.shutdown().await;
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_unreachable_long_before_the_limit() {
    let address = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = one(server("turn", address, "hunter2"), PEER).await;
    assert_eq!(report.outcome, ProbeOutcome::Unreachable, "{}", report.message);
    assert!(report.took_ms < LIMIT.as_secs_f64() * 1000.0 / 2.0, "{} ms", report.took_ms);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_unreachable_at_the_limit() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = server("stun", silent.local_addr().unwrap(), "");
    let reports = probe(&[server], &[], Duration::from_millis(700), None).await;
    assert_eq!(reports[0].outcome, ProbeOutcome::Unreachable, "{}", reports[0].message);
    assert!(reports[0].message.contains(" did not answer: Binding was sent "), "{}", reports[0].message);
    assert!(reports[0].took_ms >= 700.0);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_an_unknown_host() {
    let server = IceServer { urls: vec!["stun:no-such-host.invalid".to_owned()], ..IceServer::default() };
    let report = one(server, PEER).await;
    assert_eq!(report.outcome, ProbeOutcome::UnknownHost, "{}", report.message);
    assert!(report.message.starts_with("stun:no-such-host.invalid:3478 has a name"), "{}", report.message);
}

#[tokio::test]
async fn urls_that_no_peer_can_use_are_left_out() {
    let server = IceServer {
        urls: ["stuns:a.example", "stun:a.example?transport=tcp", "nonsense"].map(str::to_owned).to_vec(),
        username: Some("bob".to_owned()),
        credential: Some("hunter2".to_owned()),
    };
    assert!(probe(&[server], &[], LIMIT, None).await.is_empty());
}

fn over_tcp(address: SocketAddr, password: &str) -> IceServer {
    let server = server("turn", address, password);
    IceServer { urls: vec![format!("{}?transport=tcp", server.urls[0])], ..server }
}

#[tokio::test]
async fn a_relay_is_asked_over_tcp_as_well() {
    let relay = relay(|_| {}).await;
    let address = relay.tcp_addrs()[0];
    let works = one(over_tcp(address, "hunter2"), PEER).await;
    assert_eq!(works.outcome, ProbeOutcome::Works, "{}", works.message);
    let relayed = works.relayed.as_deref().unwrap();
    assert_eq!(
        works.message,
        format!("turn:{address}?transport=tcp relays from {relayed} and takes the other side's address")
    );
    assert_eq!(relay.live_allocations(), 0, "given back");
    let refused = one(over_tcp(address, "wrong"), PEER).await;
    assert_eq!(refused.outcome, ProbeOutcome::LoginRefused, "{}", refused.message);
    relay.shutdown().await;
}

#[tokio::test]
async fn a_tcp_port_where_nothing_listens_is_unreachable_at_once() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for server in [over_tcp(address, "x"), server("turns", address, "x")] {
        let report = one(server, PEER).await;
        assert_eq!(report.outcome, ProbeOutcome::Unreachable, "{}", report.message);
        assert!(report.message.ends_with(" is not there: nothing listens at its address (TCP)"), "{}", report.message);
    }
}

/// Takes one connection, reads what comes first, says `answer` and hangs up.
async fn talker(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut first = [0; 4096];
        assert!(stream.read(&mut first).await.unwrap() > 0);
        stream.write_all(answer).await.unwrap();
    });
    address
}

#[tokio::test]
async fn what_takes_connections_and_is_no_turn_server_is_told_by_what_it_does() {
    const HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    let said = |report: &ProbeReport| report.message.split_once("?transport=tcp ").unwrap().1.to_owned();
    let report = one(over_tcp(talker(HTTP).await, "x"), PEER).await;
    assert_eq!(report.outcome, ProbeOutcome::Refused, "{}", report.message);
    assert_eq!(said(&report), "answered with something that is no STUN message");
    let report = one(over_tcp(talker(b"").await, "x"), PEER).await;
    assert_eq!((report.outcome, said(&report).as_str()), (ProbeOutcome::Unreachable, "closed the connection"));
    let report = one(server("turns", talker(HTTP).await, "x"), PEER).await;
    assert_eq!(report.outcome, ProbeOutcome::Refused, "{}", report.message);
    assert!(report.message.contains(" failed in TLS: "), "{}", report.message);
}

#[tokio::test]
async fn a_name_with_several_addresses_works_where_one_of_them_does() {
    let relay = relay(|_| {}).await;
    let port = relay.udp_addrs()[0].port();
    let server =
        IceServer { urls: vec![format!("turn:localhost:{port}")], ..server("turn", relay.udp_addrs()[0], "hunter2") };
    let report = one(server, PEER).await;
    assert_eq!(report.outcome, ProbeOutcome::Works, "{}", report.message);
    assert!(report.message.starts_with(&format!("turn:localhost:{port} relays from ")), "{}", report.message);
    assert_eq!(relay.live_allocations(), 0);
    relay.shutdown().await;
}
