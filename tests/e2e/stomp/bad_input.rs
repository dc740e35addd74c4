//! Bad input gets a clear answer, and another pair on the same server goes on talking as if nothing had happened.

use std::time::Duration;

use dialtone_server::Config;
use dialtone_tests::{Client, LIMIT, Program, Received, program_path};
use dialtone_wire::stomp::Command;
use serde_json::Value;

use crate::PLAIN;
use crate::inside::Inside;

/// Two members of a room of their own, who have done nothing wrong.
struct Innocents {
    a: Client,
    b: Client,
    said: u32,
}

impl Innocents {
    fn meet(url: &str) -> Self {
        let mut a = Client::member(url, "innocents");
        let mut b = Client::member(url, "innocents");
        a.hears("READY");
        b.hears("READY");
        Self { a, b, said: 0 }
    }

    /// Both hear what each says, and nothing else has come.
    fn go_on(&mut self) {
        for _ in 0..2 {
            self.said += 1;
            let body = format!(r#"{{"type":"OFFER","sid":"x","sdp":"v={}"}}"#, self.said);
            self.a.signal("innocents", &body);
            for listener in [&mut self.a, &mut self.b] {
                assert_eq!(listener.heard().body, body, "nothing is lost, and nothing else came");
            }
            std::mem::swap(&mut self.a, &mut self.b);
        }
    }
}

/// ERROR with these words, then the close of a protocol error.
fn assert_error(received: &[Received], words: &str) {
    let [error, close] = received else { panic!("expected ERROR and a close, got {received:?}") };
    let frame = error.frame().unwrap_or_else(|| panic!("expected ERROR, got {error:?}"));
    assert_eq!(frame.command, Command::Error);
    let message = frame.headers.get("message").unwrap_or_default();
    assert!(message.contains(words), "expected {words:?} in {message:?}");
    assert!(matches!(close, Received::Close(1002, _)), "{close:?}");
}

/// One refusal with this code; gives it.
fn assert_refused(received: &[Received], code: &str) -> Value {
    let [refusal] = received else { panic!("expected {code}, got {received:?}") };
    let frame = refusal.frame().unwrap_or_else(|| panic!("expected {code}, got {refusal:?}"));
    assert_eq!(frame.headers.get("destination"), Some("/user/queue/system"));
    let body: Value = serde_json::from_slice(&frame.body).unwrap();
    assert_eq!(body["code"], code, "{body}");
    assert!(body["message"].as_str().is_some_and(|sentence| sentence.len() > 10), "a sentence for a person: {body}");
    body
}

#[test]
fn damaged_frames_end_their_own_connection_only() {
    let (_server, url) = Program::server(PLAIN);
    let mut innocents = Innocents::meet(&url);
    for (damage, words) in [
        ("FOO\n\n\0", "FOO"),
        ("SEND\nnocolon\n\n\0", "nocolon"),
        ("SEND\ndestination:a\\x\n\n\0", "escape"),
        ("SEND\ndestination:a\rb\n\n\0", "carriage return"),
        ("SEND\ncontent-length:1\n\nabc\0", "NUL"),
        ("SEND\ncontent-length:many\n\nabc\0", "many"),
        ("SUBSCRIBE\nid:1\n\nbody\0", "no body"),
        ("RECEIPT\n\n\0", "RECEIPT"),
        ("CONNECT\naccept-version:1.2\n\n\0", "already"),
    ] {
        let mut client = Client::member(&url, "damaged");
        client.send(damage);
        assert_error(&client.until_closed(), words);
        innocents.go_on();
    }
    let mut headers = "SEND\n".to_owned();
    for n in 0..65 {
        headers.push_str(&format!("h{n}:x\n"));
    }
    let mut client = Client::connect(&url);
    client.send(&format!("{headers}\n\0"));
    assert_error(&client.until_closed(), "64");
    innocents.go_on();
}

#[test]
fn the_damaged_clients_partner_is_told_that_it_left() {
    let (_server, url) = Program::server(PLAIN);
    let mut partner = Client::member(&url, "r");
    let mut client = Client::member(&url, "r");
    client.send("FOO\n\n\0");
    assert_eq!(client.closed(), 1002);
    partner.hears("LEAVE");
    assert_eq!(partner.heard().body, format!(r#"["{}"]"#, partner.sid()));
}

#[test]
fn an_error_names_the_receipt_of_the_frame_that_caused_it() {
    let (_server, url) = Program::server(PLAIN);
    let mut client = Client::connect(&url);
    client.send("SEND\nreceipt:r-1\ncontent-length:1\n\nabc\0");
    assert_eq!(client.frame().headers.get("receipt-id"), Some("r-1"));
}

#[test]
fn a_frame_of_more_than_64_kib_is_an_error_and_a_message_of_more_than_256_kib_is_closed_with_1009() {
    let (_server, url) = Program::server(PLAIN);
    let mut innocents = Innocents::meet(&url);
    let frame = |size: usize| format!("SEND\ndestination:/app/rooms/r/signal\n\n{}\0", "x".repeat(size));
    let mut client = Client::connect(&url);
    client.send(&frame(64 * 1024));
    assert_error(&client.until_closed(), "65536");
    innocents.go_on();

    let mut client = Client::connect(&url);
    let large = frame(64 * 1024);
    for piece in large.as_bytes().chunks(1000) {
        client.send(std::str::from_utf8(piece).unwrap());
    }
    assert_error(&client.until_closed(), "65536");
    innocents.go_on();

    let mut client = Client::connect(&url);
    client.send(&"\n".repeat(256 * 1024 + 1));
    assert_eq!(client.closed(), 1009);
    innocents.go_on();

    let mut client = Client::member(&url, "large");
    let body = format!(r#"{{"type":"OFFER","sdp":"{}"}}"#, "x".repeat(60 * 1024));
    client.signal("large", &body);
    assert_eq!(client.heard().body, body, "what is within the limits passes");
}

#[test]
fn a_version_that_nobody_speaks_and_a_first_frame_that_is_not_connect_are_told() {
    let (_server, url) = Program::server(PLAIN);
    let mut innocents = Innocents::meet(&url);
    for (first, words) in [
        ("CONNECT\naccept-version:2.0,3.1\n\n\0", "1.2"),
        ("SEND\ndestination:/app/rooms/r/join\n\n\0", "CONNECT"),
        ("CONNECT\naccept-version:1.2\nheart-beat:soon\n\n\0", "soon"),
    ] {
        let mut client = Client::dial(&url);
        client.send(first);
        assert_error(&client.until_closed(), words);
        innocents.go_on();
    }
}

#[test]
fn who_does_not_connect_in_time_is_closed() {
    let server = Inside::spawn(|config| config.limits.connect_within = Duration::from_millis(300));
    let mut innocents = Innocents::meet(&server.url());
    let mut silent = Client::dial(&server.url());
    // Heart-beats are no CONNECT.
    silent.send("\n");
    let end = silent.until_closed();
    assert!(matches!(&end[..], [Received::Close(1008, reason)] if reason.contains("CONNECT")), "{end:?}");
    innocents.go_on();
}

#[test]
fn a_reader_that_does_not_read_is_cut_and_its_partner_is_told() {
    let server = Inside::spawn(|config: &mut Config| config.limits.frame_rate = 0);
    let mut innocents = Innocents::meet(&server.url());
    let mut talker = Client::member(&server.url(), "r");
    let _deaf = Client::member(&server.url(), "r");
    let body = format!(r#"{{"type":"OFFER","sdp":"{}"}}"#, "x".repeat(60_000));
    let told = (0..2000).any(|_| {
        talker.signal("r", &body);
        // Its own echo, or the LEAVE of the other one before it.
        loop {
            let heard = talker.heard();
            if heard.body.starts_with(r#"{"type":"LEAVE""#) {
                return true;
            }
            if heard.body == body {
                return false;
            }
        }
    });
    assert!(told, "120 MB were taken in for a reader that does not read");
    innocents.go_on();
}

#[test]
fn a_client_of_which_nothing_is_heard_is_gone() {
    let server = Inside::spawn(|config| {
        config.limits.silence = Duration::from_secs(4);
        config.limits.ping_every = Duration::from_millis(500);
    });
    let mut partner = Client::member(&server.url(), "r");
    // It never reads, so it never answers a ping.
    let _mute = Client::member(&server.url(), "r");
    // Whoever answers pings stays, even without a word.
    let told = partner.hears("LEAVE");
    assert!(told.body.contains("LEAVE"));
    let mut innocents = Innocents::meet(&server.url());
    innocents.go_on();
}

#[test]
fn a_bad_room_id_is_refused_and_the_connection_stays() {
    let (_server, url) = Program::server(PLAIN);
    let mut innocents = Innocents::meet(&url);
    let mut client = Client::connect(&url);
    client.listen("", "r");
    let long = "x".repeat(65);
    for room in ["a b", "a*", "", "방", "a/b", &long] {
        client.send(&format!("SEND\ndestination:/app/rooms/{room}/join\n\n\0"));
        assert_refused(&client.fence(), "BAD_ROOM_ID");
        client.send(&format!(
            "SUBSCRIBE\nid:x{}\ndestination:/topic/rooms/{}/members\n\n\0",
            room.len(),
            room.replace('*', "+")
        ));
        assert_refused(&client.fence(), "BAD_ROOM_ID");
    }
    client.join("r");
    assert_eq!(client.heard().subscription, "2", "the session goes on");
    innocents.go_on();
}

#[test]
fn what_is_not_json_or_not_a_signal_is_refused_with_the_reason() {
    let (_server, url) = Program::server(PLAIN);
    let mut innocents = Innocents::meet(&url);
    let mut client = Client::member(&url, "r");
    for body in [
        "",
        "hello",
        "{\"type\":\"OFFER\"",
        "[]",
        "{}",
        r#"{"type":"DANCE"}"#,
        r#"{"type":"OFFER"}"#,
        r#"{"type":"ANSWER","sdp":5}"#,
        r#"{"type":"CANDIDATE"}"#,
    ] {
        client.signal("r", body);
        let refusal = assert_refused(&client.fence(), "BAD_BODY");
        assert_eq!(refusal["roomId"], "r");
        assert_eq!(refusal["destination"], "/app/rooms/r/signal");
    }
    for (body, code) in [
        ("not JSON", "BAD_BODY"),
        (r#"{"roomId":"elsewhere"}"#, "ROOM_MISMATCH"),
        (r#"{"displayName":"a\u0007"}"#, "BAD_DISPLAY_NAME"),
    ] {
        client.send(&format!("SEND\ndestination:/app/rooms/r/join\n\n{body}\0"));
        assert_refused(&client.fence(), code);
    }
    client.signal("r", r#"{"type":"READY"}"#);
    assert_refused(&client.fence(), "SERVER_ONLY_SIGNAL");
    client.signal("elsewhere", r#"{"type":"LEAVE"}"#);
    assert_refused(&client.fence(), "NOT_A_MEMBER");
    innocents.go_on();
}

#[test]
fn nobody_speaks_in_the_name_of_another_member() {
    let (_server, url) = Program::server(PLAIN);
    let mut innocents = Innocents::meet(&url);
    let mut a = Client::member(&url, "r");
    let mut b = Client::member(&url, "r");
    a.hears("READY");
    b.hears("READY");
    a.signal("r", &format!(r#"{{"type":"OFFER","sid":"{}","sdp":"v=0"}}"#, b.sid()));
    assert_refused(&a.fence(), "SENDER_MISMATCH");
    assert_eq!(b.fence(), []);
    innocents.go_on();
}

#[test]
fn a_port_that_is_taken_is_named_by_server_and_relay() {
    let (_server, url) = Program::server(PLAIN);
    let taken = url.strip_prefix("ws://").unwrap().strip_suffix("/ws").unwrap();
    let second = Program::start("dialtone-server", ["--listen", taken]).wait(LIMIT);
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains(taken), "{}", second.stderr);

    let (_relay, taken) = Program::turn(["--secret", "north"]);
    let second = Program::start("dialtone-turn", ["--secret", "north", "--listen", taken.as_str()]).wait(LIMIT);
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains(&taken), "{}", second.stderr);
}

#[test]
fn wrong_usage_is_told_apart_from_everything_else() {
    let cases: [(&str, &[&str]); 7] = [
        ("dialtone-server", &["--listen", "here"]),
        ("dialtone-server", &["--turn-url", "turn:t.example"]),
        ("dialtone-turn", &[]),
        ("dialtone-turn", &["--user", "no-password"]),
        ("peer-cli", &["dance"]),
        ("peer-cli", &["join", "bad room"]),
        ("peer-cli", &["call", "--server", "ftp://nowhere"]),
    ];
    for (name, args) in cases {
        let end = Program::start(name, args).wait(LIMIT);
        assert_eq!(end.code, Some(64), "{name} {args:?}: {}", end.stderr);
        assert!(!end.stderr.is_empty(), "{name} says what is wrong");
        assert_eq!(end.stdout, "", "{} keeps standard output clean", program_path(name).display());
    }
}
