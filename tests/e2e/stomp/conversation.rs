//! The server as a process: how a room lives, how resuming works, how it stops.

use std::io::{Read, Write};
use std::net::TcpStream;

use dialtone_tests::{Client, Heard, LIMIT, Program, Received, Signal};
use dialtone_wire::signal::READY_BODY;

use crate::PLAIN;

fn plain(subscription: &str, body: impl Into<String>) -> Heard {
    Heard { subscription: subscription.to_owned(), body: body.into(), from: None }
}

#[test]
fn two_clients_meet_talk_and_part() {
    let (_server, url) = Program::server(PLAIN);
    let mut a = Client::connect(&url);
    let mut b = Client::connect(&url);
    a.listen("", "r");
    b.listen("", "r");
    a.join("r");
    assert_eq!(a.heard(), plain("2", format!(r#"{{"sid":"{}","roomId":"r"}}"#, a.sid())));
    assert_eq!(a.heard(), plain("0", format!(r#"["{}"]"#, a.sid())));
    b.join("r");
    let both = plain("0", format!(r#"["{}","{}"]"#, a.sid(), b.sid()));
    assert_eq!(b.heard(), plain("2", format!(r#"{{"sid":"{}","roomId":"r"}}"#, b.sid())));
    assert_eq!((b.heard(), b.heard()), (both.clone(), plain("1", READY_BODY)));
    assert_eq!((a.heard(), a.heard()), (both, plain("1", READY_BODY)));

    let offer = r#"{"type":"OFFER","sid":"my label","sdp":"v=0","fieldOfTomorrow":[1]}"#;
    a.signal("r", offer);
    let relayed = Heard { subscription: "1".into(), body: offer.into(), from: Some(a.sid().to_owned()) };
    assert_eq!(b.heard(), relayed, "byte for byte, with the proven sender beside it");
    assert_eq!(a.heard(), relayed, "the sender hears itself");

    let leave = plain("1", format!(r#"{{"type":"LEAVE","sid":"{}"}}"#, b.sid()));
    b.send("SEND\ndestination:/app/rooms/r/leave\n\n\0");
    assert_eq!(b.heard(), leave, "who leaves sees its own LEAVE");
    assert_eq!(a.heard(), leave);
    assert_eq!(a.heard(), plain("0", format!(r#"["{}"]"#, a.sid())));
    b.fence();

    b.join("r");
    assert_eq!(b.heard().subscription, "2");
    assert_eq!(b.heard().subscription, "0");
    assert_eq!(b.heard(), plain("1", READY_BODY), "from one to two again");
}

#[test]
fn a_client_that_lost_its_socket_comes_back_to_its_seat_and_nobody_notices() {
    let (_server, url) = Program::server(PLAIN);
    let mut a = Client::member(&url, "r");
    let mut b = Client::dial(&url);
    b.log_in("resume:new\n");
    b.listen("", "r");
    b.join("r");
    let me: serde_json::Value = serde_json::from_str(&b.heard().body).unwrap();
    let token = me["resumeToken"].as_str().unwrap().to_owned();
    let sid = b.sid().to_owned();
    assert_eq!(a.hears("READY").body, READY_BODY);
    b.vanish();

    let mut b = Client::dial(&url);
    b.log_in(&format!("resume:{token}\n"));
    assert_eq!(b.sid(), sid);
    b.listen("", "r");
    b.join("r");
    assert_eq!(b.heard().subscription, "2");
    assert_eq!(b.heard(), plain("0", format!(r#"["{}","{sid}"]"#, a.sid())));
    assert_eq!(b.fence(), [], "no READY: the count has not changed");
    assert_eq!(a.fence(), [], "and no LEAVE");
}

#[test]
fn the_server_says_goodbye_and_stops_on_both_signals() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (server, url) = Program::server(PLAIN);
        let mut client = Client::member(&url, "r");
        server.signal(signal);
        assert!(client.heard().body.contains("GOING_AWAY"));
        assert_eq!(client.closed(), 1001);
        let end = server.wait(LIMIT);
        assert_eq!(end.code, Some(0), "{signal}: {}", end.stderr);
    }
}

#[test]
fn the_server_speaks_sockjs() {
    let (_server, url) = Program::server(PLAIN);
    let http = url.strip_prefix("ws://").unwrap().strip_suffix("/ws").unwrap().to_owned();
    assert!(get(&http, "/ws/info").contains(r#""websocket":true"#));
    assert!(get(&http, "/actuator/health").ends_with(r#"{"status":"UP"}"#));
    let mut client = Client::dial(&format!("{url}/000/abcdefgh/websocket"));
    let text = |text: &str| Received::Text(text.as_bytes().to_vec());
    assert_eq!(client.receive(), text("o"));
    client.send(r#"["CONNECT\naccept-version:1.2\n\n\u0000"]"#);
    let Received::Text(connected) = client.receive() else { panic!("SockJS speaks text") };
    assert!(connected.starts_with(br#"a["CONNECTED\nversion:1.2\n"#), "{}", String::from_utf8_lossy(&connected));
    client.send(r#"["DISCONNECT\nreceipt:bye\n\n\u0000"]"#);
    assert_eq!(client.receive(), text(r#"a["RECEIPT\nreceipt-id:bye\n\n\u0000"]"#));
}

fn get(host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
