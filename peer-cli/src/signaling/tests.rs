//! The conversation brain by the bytes it sends and the events it tells.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dialtone_wire::stomp::Version;
use dialtone_wire::{RoomId, SessionId};

use super::{Conversation, ConversationError, DialError, DialStep, Output, ServerUrl};
use crate::call::{Candidate, DescriptionKind, FromServer, LossKind, Signal};

struct Harness {
    brain: Conversation,
    now: Instant,
}

impl Harness {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where the test takes its base instant")]
        let now = Instant::now();
        Self { brain: Conversation::new("h".into(), RoomId::parse("r1").unwrap(), None), now }
    }

    fn joined() -> Self {
        let mut harness = Self::new();
        harness.open();
        harness.hears("CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n\0");
        harness.hears(&message("/user/queue/me", r#"{"sid":"me","roomId":"r1","resumeToken":"t1"}"#));
        harness
    }

    fn open(&mut self) -> Vec<Output> {
        self.brain.handle_open(self.now);
        self.drain()
    }

    fn hears(&mut self, text: &str) -> Vec<Output> {
        self.brain.handle_bytes(self.now, Bytes::copy_from_slice(text.as_bytes()));
        self.drain()
    }

    fn next_deadline(&mut self) -> Vec<Output> {
        self.now = self.brain.poll_timeout().expect("a deadline is set");
        self.brain.handle_timeout(self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.brain.poll_output()).collect()
    }
}

fn message(destination: &str, body: &str) -> String {
    format!(
        "MESSAGE\ndestination:{destination}\nsubscription:x\nmessage-id:1\ncontent-length:{}\n\n{body}\0",
        body.len()
    )
}

fn transmit(text: &str) -> Output {
    Output::Transmit(Bytes::copy_from_slice(text.as_bytes()))
}

fn event(event: FromServer) -> Output {
    Output::Event(event)
}

fn sid(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

const JOIN: &str =
    "SEND\ndestination:/app/rooms/r1/join\ncontent-type:application/json\ncontent-length:15\n\n{\"roomId\":\"r1\"}\0";

#[test]
fn a_conversation_connects_subscribes_and_joins_in_this_order() {
    let mut h = Harness::new();
    assert_eq!(
        h.open(),
        [transmit("CONNECT\naccept-version:1.1,1.2\nhost:h\nheart-beat:10000,10000\nresume:new\n\n\0")]
    );
    assert_eq!(
        h.hears("CONNECTED\nversion:1.2\nserver:s/1\nheart-beat:0,0\n\n\0"),
        [
            Output::Connected { version: Version::V1_2, server: Some("s/1".into()) },
            transmit("SUBSCRIBE\nid:sub-0\ndestination:/user/queue/me\n\n\0"),
            transmit("SUBSCRIBE\nid:sub-1\ndestination:/user/queue/system\n\n\0"),
            transmit("SUBSCRIBE\nid:sub-2\ndestination:/topic/rooms/r1/members\n\n\0"),
            transmit("SUBSCRIBE\nid:sub-3\ndestination:/topic/rooms/r1/signal\n\n\0"),
            transmit(JOIN),
        ]
    );
}

#[test]
fn a_join_that_is_not_answered_is_sent_again() {
    let mut h = Harness::new();
    h.open();
    h.hears("CONNECTED\nversion:1.2\n\n\0");
    assert_eq!(h.next_deadline(), [transmit(JOIN)]);
    assert_eq!(h.next_deadline(), [transmit(JOIN)]);
    assert_eq!(h.hears(&message("/user/queue/me", r#"{"sid":"me"}"#)), [event(FromServer::Me(sid("me")))]);
    assert_eq!(h.brain.poll_timeout(), None);
}

#[test]
fn what_the_server_publishes_becomes_events() {
    let mut h = Harness::joined();
    assert_eq!(
        h.hears(&message("/topic/rooms/r1/members", r#"["a","me"]"#)),
        [event(FromServer::Members(vec![sid("a"), sid("me")]))]
    );
    assert_eq!(
        h.hears(&message("/topic/rooms/r1/signal", dialtone_wire::signal::READY_BODY)),
        [event(FromServer::Ready)]
    );
    assert_eq!(
        h.hears(&message("/topic/rooms/r1/signal", r#"{"type":"OFFER","sid":"label","sdp":"v=0"}"#)),
        [event(FromServer::Signal {
            from: Some(sid("label")),
            signal: Signal::Description { kind: DescriptionKind::Offer, sdp: "v=0".into() }
        })]
    );
    let proven = "MESSAGE\ndestination:/topic/rooms/r1/signal\nsid:a\nsubscription:x\nmessage-id:1\n\n{\"type\":\"LEAVE\",\"sid\":\"z\"}\0";
    assert_eq!(h.hears(proven), [event(FromServer::Leave(Some(sid("a"))))], "the server's proof wins over the label");
    assert_eq!(
        h.hears(&message("/user/queue/system", "Room is full")),
        [event(FromServer::Refused { room_full: true, message: "Room is full".into() })]
    );
    assert_eq!(h.hears(&message("/topic/rooms/r1/signal", "not JSON")), [], "damage is left aside");
}

#[test]
fn turn_servers_come_before_the_session_id() {
    let mut h = Harness::new();
    h.open();
    h.hears("CONNECTED\nversion:1.2\n\n\0");
    let outputs = h.hears(&message("/user/queue/me", r#"{"sid":"me","iceServers":[{"urls":["stun:h"]}]}"#));
    assert!(
        matches!(&outputs[..], [Output::IceServers(s), Output::Event(FromServer::Me(_))] if s[0].urls == ["stun:h"])
    );
}

#[test]
fn signals_carry_our_label_and_wait_for_a_connection() {
    let mut h = Harness::joined();
    let candidate = Candidate { candidate: "c".into(), sdp_mid: Some("0".into()), sdp_m_line_index: Some(0) };
    h.brain.handle_closed();
    assert_eq!(h.drain(), [event(FromServer::Lost)]);
    h.brain.send(Signal::Candidate(Some(candidate)));
    assert_eq!(h.drain(), []);
    let [Output::Transmit(connect)] = &h.open()[..] else { panic!() };
    assert!(connect.windows(10).any(|w| w == b"resume:t1\n"), "{connect:?}");
    h.hears("CONNECTED\nversion:1.2\n\n\0");
    let body = r#"{"type":"CANDIDATE","sid":"me","candidate":{"candidate":"c","sdpMid":"0","sdpMLineIndex":0}}"#;
    assert_eq!(
        h.hears(&message("/user/queue/me", r#"{"sid":"me"}"#)),
        [
            event(FromServer::Back),
            event(FromServer::Me(sid("me"))),
            transmit(&format!(
                "SEND\ndestination:/app/rooms/r1/signal\ncontent-type:application/json\ncontent-length:{}\n\n{body}\0",
                body.len()
            )),
        ]
    );
}

#[test]
fn heart_beats_are_sent_and_their_absence_is_noticed() {
    let mut h = Harness::joined();
    let start = h.now;
    let mut sent = 0;
    loop {
        match &h.next_deadline()[..] {
            [Output::Transmit(beat)] if beat == "\n" => sent += 1,
            [.., Output::Broken(ConversationError::Silent(after))] => {
                assert_eq!(*after, Duration::from_secs(30));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(h.now - start, Duration::from_secs(30));
    assert!(sent >= 5, "{sent}");
}

#[test]
fn a_server_that_is_no_stomp_server_is_told() {
    let mut h = Harness::new();
    h.open();
    assert!(matches!(&h.hears("HTTP/1.1 400\n\n\0")[..], [Output::Broken(ConversationError::NotStomp(_))]));
    let mut h = Harness::new();
    h.open();
    assert_eq!(h.next_deadline(), [Output::Broken(ConversationError::NoAnswer)]);
    let mut h = Harness::new();
    h.open();
    assert_eq!(h.hears(ERROR), [Output::Broken(ConversationError::LoginRefused("no:way".into()))]);
    let mut h = Harness::new();
    h.open();
    assert!(matches!(&h.hears("SEND\n\n\0")[..], [Output::Broken(ConversationError::NotAServer(_))]));
}

const ERROR: &str = "ERROR\nmessage:no\\cway\n\n\0";

#[test]
fn an_error_is_told_by_what_it_answers() {
    let mut h = Harness::new();
    h.open();
    h.hears("CONNECTED\nversion:1.2\n\n\0");
    assert_eq!(h.hears(ERROR), [Output::Broken(ConversationError::JoinRefused("no:way".into()))]);
    let mut h = Harness::joined();
    assert_eq!(h.hears(ERROR), [Output::Broken(ConversationError::Refused("no:way".into()))]);
}

#[test]
fn what_breaks_a_conversation_has_its_kind() {
    let words = String::new;
    for (error, kind) in [
        (ConversationError::NoAnswer, LossKind::NotStomp),
        (ConversationError::LoginRefused(words()), LossKind::LoginRefused),
        (ConversationError::JoinRefused(words()), LossKind::JoinRefused),
        (ConversationError::Refused(words()), LossKind::Lost),
        (ConversationError::Silent(Duration::from_secs(30)), LossKind::Lost),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn a_server_that_hangs_up_on_connect_is_told_once_until_it_lets_us_in() {
    let mut h = Harness::new();
    h.open();
    h.brain.handle_closed();
    assert_eq!(h.drain(), [event(FromServer::Lost)]);
    h.open();
    h.brain.handle_closed();
    assert_eq!(h.drain(), []);
    h.open();
    h.hears("CONNECTED\nversion:1.2\n\n\0");
    assert_eq!(h.hears(&message("/user/queue/me", r#"{"sid":"me"}"#)), [event(FromServer::Me(sid("me")))]);
    h.brain.handle_closed();
    assert_eq!(h.drain(), [event(FromServer::Lost)]);
}

#[test]
fn a_dial_that_fails_names_its_step() {
    for step in [DialStep::Dns, DialStep::Connect, DialStep::Tls, DialStep::NotWebSocket] {
        assert_eq!(DialError::TimedOut { step }.step(), step);
    }
    let refused = DialError::Http { status: 403, hint: "" };
    assert_eq!(refused.step(), DialStep::Http(403));
    assert_eq!(DialError::TimedOut { step: DialStep::Tls }.to_string(), "the TLS handshake took longer than 10 s");
}

#[test]
fn leaving_says_so_and_waits_for_the_receipt() {
    let mut h = Harness::joined();
    h.brain.leave(h.now);
    assert_eq!(
        h.drain(),
        [
            transmit("SEND\ndestination:/app/rooms/r1/leave\ncontent-type:application/json\n\n\0"),
            transmit("DISCONNECT\nreceipt:bye\n\n\0"),
        ]
    );
    assert_eq!(h.hears("RECEIPT\nreceipt-id:bye\n\n\0"), [Output::Done]);
    let mut h = Harness::new();
    h.brain.leave(h.now);
    assert_eq!(h.drain(), [Output::Done]);
}

#[test]
fn server_urls_are_read_with_their_defaults() {
    for (text, expected) in [
        ("ws://localhost:8080/ws", "ws://localhost:8080/ws"),
        ("ws://localhost:8080", "ws://localhost:8080/ws"),
        ("https://example.org/", "wss://example.org:443/ws"),
        ("ws://u:secret@h:1/ws?token=secret", "ws://h:1/ws"),
        ("wss://[::1]:8443/ws/websocket", "wss://[::1]:8443/ws/websocket"),
    ] {
        assert_eq!(ServerUrl::parse(text).unwrap().to_string(), expected);
    }
    for bad in ["localhost:8080", "ftp://x", "ws://", "", "not a url"] {
        assert!(ServerUrl::parse(bad).is_err(), "{bad}");
    }
}
