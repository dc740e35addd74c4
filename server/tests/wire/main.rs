//! The server over real sockets.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "helpers of tests may fail loudly")]

mod client;
mod rooms;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use client::{Client, dial, get, shake_hands};
use dialtone_server::{Config, IceConfig, Origins, Secret, Server, SpawnError, Tls};
use dialtone_wire::stomp::Command;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

const READY: &str = dialtone_wire::signal::READY_BODY;

async fn spawn(change: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::embedded();
    change(&mut config);
    Server::spawn(config).await.unwrap()
}

fn pair(subscription: &str, body: impl Into<String>) -> (String, String) {
    (subscription.to_owned(), body.into())
}

/// Two clients in room r; what both have heard so far is checked. Gives their session ids too.
async fn two(server: &Server) -> (Client, Client, String, String) {
    one_and(server, "").await
}

/// The same; the second one adds these headers to its CONNECT.
async fn one_and(server: &Server, connect_headers: &str) -> (Client, Client, String, String) {
    let (mut a, connected) = Client::stomp(server, "r", "").await;
    let sid_a = connected.headers.get("session").unwrap().to_owned();
    let (mut b, connected) = Client::stomp(server, "r", connect_headers).await;
    let sid_b = connected.headers.get("session").unwrap().to_owned();
    a.join("r").await;
    assert_eq!(a.heard().await, pair("2", format!(r#"{{"sid":"{sid_a}","roomId":"r"}}"#)));
    assert_eq!(a.heard().await, pair("0", format!(r#"["{sid_a}"]"#)));
    b.join("r").await;
    let both = pair("0", format!(r#"["{sid_a}","{sid_b}"]"#));
    let me = b.heard().await;
    assert!(me.0 == "2" && me.1.starts_with(&format!(r#"{{"sid":"{sid_b}","roomId":"r""#)), "{me:?}");
    assert_eq!(b.heard().await, both);
    assert_eq!(b.heard().await, pair("1", READY));
    assert_eq!(a.heard().await, both);
    assert_eq!(a.heard().await, pair("1", READY));
    (a, b, sid_a, sid_b)
}

#[tokio::test]
async fn two_clients_meet_and_signals_reach_both_untouched_and_in_order() {
    let server = spawn(|_| {}).await;
    let (mut a, mut b, sid_a, _) = two(&server).await;
    let offer = r#"{"type":"OFFER","sid":"A","sdp":"v=0","extra":1}"#;
    let candidate = r#"{"type":"CANDIDATE","candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}"#;
    a.signal("r", offer).await;
    a.signal("r", candidate).await;
    let frame = b.frame().await;
    assert_eq!(frame.headers.get("sid"), Some(sid_a.as_str()));
    let names: Vec<_> = frame.headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["destination", "content-type", "sid", "subscription", "message-id", "content-length"]);
    assert_eq!(frame.body, offer);
    assert_eq!(b.heard().await, pair("1", candidate));
    assert_eq!(a.heard().await, pair("1", offer));
    assert_eq!(a.heard().await, pair("1", candidate));

    let (mut c, _) = Client::stomp(&server, "r", "").await;
    c.join("r").await;
    assert!(c.heard().await.1.starts_with(r#"{"code":"ROOM_FULL","message":"Room is full","roomId":"r""#));
    server.shutdown().await;
}

#[tokio::test]
async fn a_frame_may_come_in_pieces_and_several_at_once_and_as_binary() {
    let server = spawn(|_| {}).await;
    let mut client = Client::raw(&server).await;
    for piece in ["CONN", "ECT\r\naccept-ver", "sion:1.2\r\n\r\n\0\n\nACK\nid:1\nreceipt:1\n\n\0BEGIN\nreceipt:2\n\n"] {
        client.send(piece).await;
    }
    client.message(Message::binary(&b"\0"[..])).await;
    assert_eq!(client.frame().await.command, Command::Connected);
    assert_eq!(client.frame().await.headers.get("receipt-id"), Some("1"));
    assert_eq!(client.frame().await.headers.get("receipt-id"), Some("2"));
}

#[tokio::test]
async fn the_clients_first_sub_protocol_is_taken_and_a_foreign_origin_is_refused() {
    let server = spawn(|_| {}).await;
    let host = server.addr().to_string();
    let own = format!("http://{host}");
    let offer = [("sec-websocket-protocol", "v10.stomp, v11.stomp, v12.stomp"), ("origin", own.as_str())];
    let (_client, response) = shake_hands(dial(&server).await, &host, "/ws", &offer).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "v10.stomp");

    let foreign = [("origin", "https://evil.example")];
    match shake_hands(dial(&server).await, &host, "/ws", &foreign).await.map(|_| ()) {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_plain_http_paths_answer() {
    let server = spawn(|config| {
        config.origins = Origins::List(vec!["https://call.example".parse().unwrap()]);
        config.ice = IceConfig {
            stun_urls: vec!["stun:s.example".into()],
            turn_urls: vec!["turn:t.example".into()],
            turn_secret: Secret::parse("north"),
            ..IceConfig::default()
        };
    })
    .await;
    assert!(get(&server, "/ws", "").await.ends_with("\r\n\r\nWelcome to SockJS!\n"));
    assert!(get(&server, "/actuator/health", "").await.ends_with(r#"{"status":"UP"}"#));
    let info = get(&server, "/ws/info?t=1", "Origin: https://call.example\r\n").await;
    assert!(info.contains("access-control-allow-origin: https://call.example\r\n"), "{info}");
    assert!(info.contains(r#""websocket":true"#), "{info}");
    assert!(get(&server, "/ws/info", "Origin: https://evil.example\r\n").await.starts_with("HTTP/1.1 403"));
    let ice = get(&server, "/ice-servers", "").await;
    assert!(ice.ends_with(r#"{"iceServers":[{"urls":["stun:s.example"]}]}"#), "no login without the flag: {ice}");
    assert!(get(&server, "/ws/websocket", "").await.starts_with("HTTP/1.1 400"));
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n";
    assert!(get(&server, "/ws", upgrade).await.starts_with("HTTP/1.1 426"));
    assert!(get(&server, "/nowhere", "").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn the_call_page_is_served_and_can_be_switched_off() {
    let server = spawn(|_| {}).await;
    let front = get(&server, "/", "").await;
    let (head, document) = front.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: text/html; charset=utf-8\r\n"), "{head}");
    assert!(head.contains("content-security-policy: default-src 'none'; "), "{head}");
    assert!(document.starts_with("<!doctype html>"));
    assert!(get(&server, "/r/some-room?media=pattern", "").await.ends_with(document));
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let again = get(&server, "/", &format!("If-None-Match: {tag}\r\n")).await;
    assert!(again.starts_with("HTTP/1.1 304") && again.ends_with("\r\n\r\n"), "{again}");
    assert!(get(&server, "/assets/main.js", "").await.contains("content-type: text/javascript; charset=utf-8\r\n"));
    assert!(get(&server, "/assets/args.rs", "").await.starts_with("HTTP/1.1 404"));
    assert!(get(&server, "/r/", "").await.starts_with("HTTP/1.1 404"));

    let server = spawn(|config| config.page = false).await;
    assert!(get(&server, "/", "").await.contains("at /ws\n"));
    assert!(get(&server, "/r/some-room", "").await.starts_with("HTTP/1.1 404"));
    assert!(get(&server, "/assets/main.js", "").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_damaged_frame_ends_its_own_connection_and_no_other() {
    let server = spawn(|_| {}).await;
    let (mut a, mut b, sid_a, sid_b) = two(&server).await;
    b.send("FOO\n\n\0").await;
    let error = b.frame().await;
    assert_eq!(error.command, Command::Error);
    assert!(error.headers.get("message").unwrap().contains("FOO"));
    assert_eq!(b.closed().await, 1002);
    assert_eq!(a.heard().await, pair("1", format!(r#"{{"type":"LEAVE","sid":"{sid_b}"}}"#)));
    assert_eq!(a.heard().await, pair("0", format!(r#"["{sid_a}"]"#)));
    a.signal("r", r#"{"type":"LEAVE"}"#).await;
    assert_eq!(a.heard().await, pair("1", r#"{"type":"LEAVE"}"#));
}

#[tokio::test]
async fn a_websocket_message_that_is_too_large_is_answered_with_1009() {
    let server = spawn(|_| {}).await;
    let (mut client, _) = Client::stomp(&server, "r", "").await;
    client.send(&"\n".repeat(256 * 1024 + 1)).await;
    assert_eq!(client.closed().await, 1009);
}

#[tokio::test]
async fn sockjs_wraps_every_frame() {
    let server = spawn(|_| {}).await;
    let host = server.addr().to_string();
    let path = "/ws/123/abcdefgh/websocket";
    let (mut client, _) = shake_hands(dial(&server).await, &host, path, &[]).await.unwrap();
    assert_eq!(client.text().await, "o");
    client.send(r#"["CONNECT\naccept-version:1.2\n\n\u0000"]"#).await;
    let connected = client.text().await;
    assert!(connected.starts_with(r#"a["CONNECTED\nversion:1.2\n"#), "{connected}");
    client.send(r#"["DISCONNECT\nreceipt:bye\n\n\u0000"]"#).await;
    assert_eq!(client.text().await, r#"a["RECEIPT\nreceipt-id:bye\n\n\u0000"]"#);
    assert_eq!(client.text().await, r#"c[1000,""]"#);
    assert_eq!(client.closed().await, 1000);
}

#[tokio::test]
async fn tls_with_a_self_signed_certificate_works() {
    let server = spawn(|config| config.tls = Some(Tls::SelfSigned)).await;
    assert!(server.ws_url().starts_with("wss://127.0.0.1:"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.certificate().unwrap().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, dial(&server).await).await.unwrap();
    let (mut client, _) = shake_hands(Box::new(tls), "localhost", "/ws", &[]).await.unwrap();
    client.log_in("r", "").await;
}

#[tokio::test]
async fn a_client_that_loses_its_socket_resumes_with_its_seat() {
    let server = spawn(|_| {}).await;
    let (mut a, _) = Client::stomp(&server, "r", "").await;
    a.join("r").await;
    a.heard().await;
    a.heard().await;
    let (mut b, connected) = Client::stomp(&server, "r", "resume:new\n").await;
    let sid = connected.headers.get("session").unwrap().to_owned();
    b.join("r").await;
    let me: serde_json::Value = serde_json::from_str(&b.heard().await.1).unwrap();
    let token = me["resumeToken"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        a.heard().await;
    }
    drop(b);

    let (mut b, connected) = Client::stomp(&server, "r", &format!("resume:{token}\n")).await;
    assert_eq!(connected.headers.get("session"), Some(sid.as_str()));
    b.join("r").await;
    assert_eq!(b.heard().await.0, "2");
    assert!(b.heard().await.1.ends_with(&format!(r#""{sid}"]"#)));
    let word = r#"{"type":"LEAVE","sid":"only the echo of this"}"#;
    a.signal("r", word).await;
    assert_eq!(a.heard().await, pair("1", word), "nobody noticed");
    assert_eq!(b.heard().await, pair("1", word), "and there was no READY");
}

#[tokio::test]
async fn when_the_grace_time_is_over_the_others_are_told() {
    let server = spawn(|config| config.resume_grace = Duration::from_millis(200)).await;
    let (mut a, b, _, sid) = one_and(&server, "resume:new\n").await;
    drop(b);
    assert_eq!(a.heard().await, pair("1", format!(r#"{{"type":"LEAVE","sid":"{sid}"}}"#)));
}

#[tokio::test]
async fn a_page_that_is_closed_is_not_waited_for() {
    let server = spawn(|config| config.resume_grace = Duration::from_secs(3600)).await;
    let (mut a, mut b, _, sid) = one_and(&server, "resume:new\n").await;
    b.message(Message::Close(Some(CloseFrame { code: CloseCode::Away, reason: "".into() }))).await;
    assert_eq!(a.heard().await, pair("1", format!(r#"{{"type":"LEAVE","sid":"{sid}"}}"#)));
}

#[tokio::test]
async fn a_connection_without_connect_is_closed() {
    let server = spawn(|config| config.limits.connect_within = Duration::from_millis(200)).await;
    assert_eq!(Client::raw(&server).await.closed().await, 1008);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_and_its_partner_is_told() {
    let server = spawn(|config| config.limits.frame_rate = 0).await;
    let (mut a, _b, _, sid_b) = two(&server).await;
    let offer = format!(r#"{{"type":"OFFER","sdp":"{}"}}"#, "x".repeat(60_000));
    let leave = pair("1", format!(r#"{{"type":"LEAVE","sid":"{sid_b}"}}"#));
    for _ in 0..2000 {
        a.signal("r", &offer).await;
        loop {
            let heard = a.heard().await;
            if heard == leave {
                return;
            }
            if heard.1 == offer {
                break;
            }
        }
    }
    panic!("120 MB were taken in for a reader that does not read");
}

#[tokio::test]
async fn stopping_is_told_and_closes_with_1001() {
    let server = spawn(|_| {}).await;
    let addr = server.addr();
    let (mut client, _) = Client::stomp(&server, "r", "").await;
    let told = async {
        let (subscription, body) = client.heard().await;
        assert_eq!(subscription, "3");
        assert!(body.starts_with(r#"{"code":"GOING_AWAY""#), "{body}");
        assert_eq!(client.closed().await, 1001);
    };
    tokio::join!(server.shutdown(), told);
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "nobody listens any longer");
}

#[tokio::test]
async fn a_taken_port_is_told_with_the_address() {
    let server = spawn(|_| {}).await;
    let config = Config { listen: server.addr(), ..Config::embedded() };
    let error = Server::spawn(config).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, SpawnError::Listen { addr, .. } if addr == server.addr()));
    assert!(error.to_string().contains(&server.addr().to_string()), "{error}");
}
