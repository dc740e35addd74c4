use dialtone_wire::bodies::JoinRequest;

use super::*;
use crate::backplane::Rejection;
use crate::config::{IceConfig, Secret};
use crate::resume::Token;
use crate::testing::{now, room, sid};

const JOIN_R: &str = "SEND\ndestination:/app/rooms/r/join\n\n\0";

struct Bench {
    session: Session,
    now: Now,
}

impl Bench {
    fn fresh(config: Config) -> Self {
        let ice = Ice::new(&config.ice);
        let now = Now { mono: now(), unix: 1_000 };
        Self { session: Session::new(now.mono, Arc::new(Settings { config, ice })), now }
    }

    /// A session s1 that is connected and listens to its private queues as `me` and `sys`.
    fn connected(config: Config) -> Self {
        let mut bench = Self::fresh(config);
        assert_eq!(bench.send("CONNECT\naccept-version:1.2\n\n\0"), [Output::Request(Request::Open(Ask::Nothing))]);
        bench.tell(opened("s1"));
        bench.send("SUBSCRIBE\nid:me\ndestination:/user/queue/me\n\n\0");
        bench.send("SUBSCRIBE\nid:sys\ndestination:/user/queue/system\n\n\0");
        bench
    }

    fn send(&mut self, bytes: &str) -> Vec<Output> {
        self.session.handle_bytes(self.now, Bytes::copy_from_slice(bytes.as_bytes()));
        self.outputs()
    }

    fn tell(&mut self, event: Event) -> Vec<Output> {
        self.session.handle_event(self.now, event);
        self.outputs()
    }

    fn wait(&mut self, seconds: u64) -> Vec<Output> {
        self.now.mono += Duration::from_secs(seconds);
        self.session.handle_timeout(self.now);
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }
}

fn opened(who: &str) -> Event {
    Event::Opened { sid: sid(who), resume_token: None, refused: false }
}

fn text(frame: impl Into<String>) -> Output {
    Output::Transmit(Payload::Text(frame.into()))
}

fn message(destination: &str, extra: &str, id: &str, number: u32, body: &str) -> Output {
    let length = body.len();
    text(format!(
        "MESSAGE\ndestination:{destination}\ncontent-type:application/json\n{extra}subscription:{id}\n\
         message-id:s1-{number}\ncontent-length:{length}\n\n{body}\0"
    ))
}

fn system(number: u32, body: &str) -> Output {
    message("/user/queue/system", "", "sys", number, body)
}

fn error(message: &str, extra: &str) -> [Output; 2] {
    [
        text(format!("ERROR\nmessage:{message}\n{extra}content-length:0\n\n\0")),
        Output::Close { code: 1002, reason: "protocol error" },
    ]
}

/// The code of the one refusal among `outputs`.
fn code(outputs: &[Output]) -> String {
    let [Output::Transmit(Payload::Text(frame)), ..] = outputs else { panic!("{outputs:?}") };
    let body = frame.split_once("\n\n").unwrap().1.trim_end_matches('\0');
    serde_json::from_str::<serde_json::Value>(body).unwrap()["code"].as_str().unwrap().to_owned()
}

#[test]
fn connect_is_answered_with_version_heart_beat_session_and_server() {
    let mut bench = Bench::fresh(Config::embedded());
    let open = bench.send("CONNECT\naccept-version:1.0,1.1\nheart-beat:10000,10000\nreceipt:c\n\n\0");
    assert_eq!(open, [Output::Request(Request::Open(Ask::Nothing))]);
    let connected = format!(
        "CONNECTED\nversion:1.1\nheart-beat:10000,10000\nsession:s1\nserver:dialtone/{}\n\n\0",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(bench.tell(opened("s1")), [text(connected), text("RECEIPT\nreceipt-id:c\n\n\0")]);
}

#[test]
fn without_a_common_version_there_is_an_error_with_ours() {
    let mut bench = Bench::fresh(Config::embedded());
    let expected = error("the supported versions of STOMP are 1.0, 1.1 and 1.2", "version:1.0,1.1,1.2\n");
    assert_eq!(bench.send("CONNECT\naccept-version:2.0\n\n\0"), expected);
    assert_eq!(bench.send(JOIN_R), [], "nothing is heard after the end");
    assert_eq!(bench.session.poll_timeout(), None);
}

#[test]
fn before_connect_heart_beats_are_tolerated_and_frames_are_not() {
    let mut bench = Bench::fresh(Config::embedded());
    assert_eq!(bench.send("\n\r\n"), []);
    assert_eq!(bench.send(JOIN_R), error("the first frame is CONNECT", ""));
}

#[test]
fn a_second_connect_ends_the_session() {
    let mut bench = Bench::connected(Config::embedded());
    let expected = error("the session is connected already", "receipt-id:x\n");
    assert_eq!(bench.send("CONNECT\naccept-version:1.2\nreceipt:x\n\n\0"), expected);
    assert!(!bench.session.farewell().for_good, "a broken client may come back");
}

#[test]
fn damaged_frames_are_errors_with_the_receipt_id() {
    let mut bench = Bench::connected(Config::embedded());
    let outputs = bench.send("SEND\nreceipt:7\nnocolon\n\n\0");
    let [Output::Transmit(Payload::Text(frame)), Output::Close { code: 1002, .. }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert!(frame.starts_with("ERROR\nmessage:illegal header"), "{frame}");
    assert!(frame.contains("\nreceipt-id:7\n"), "{frame}");
}

#[test]
fn a_frame_has_at_most_sixty_four_headers() {
    let mut bench = Bench::connected(Config::embedded());
    let ack = |headers: usize| format!("ACK\nid:1\nreceipt:a\n{}\n\0", "x:1\n".repeat(headers - 2));
    assert_eq!(bench.send(&ack(64)), [text("RECEIPT\nreceipt-id:a\n\n\0")]);
    assert_eq!(bench.send(&ack(65)), error("a frame has at most 64 headers", "receipt-id:a\n"));

    let mut config = Config::embedded();
    config.limits.headers = 3;
    let mut bench = Bench::connected(config);
    assert_eq!(bench.send(&ack(3)), [text("RECEIPT\nreceipt-id:a\n\n\0")]);
    assert_eq!(bench.send(&ack(4)), error("a frame has at most 3 headers", "receipt-id:a\n"));
}

#[test]
fn disconnect_is_receipted_and_closes_normally_for_good() {
    let mut bench = Bench::connected(Config::embedded());
    let expected = [text("RECEIPT\nreceipt-id:bye\n\n\0"), Output::Close { code: 1000, reason: "" }];
    assert_eq!(bench.send("DISCONNECT\nreceipt:bye\n\n\0"), expected);
    assert!(bench.session.farewell().for_good);
}

#[test]
fn frames_park_while_a_request_is_pending_and_go_on_in_order() {
    let mut bench = Bench::connected(Config::embedded());
    let join = |r: &str| Output::Request(Request::Join(room(r), JoinRequest::default()));
    let two =
        "SEND\ndestination:/app/rooms/a/join\nreceipt:1\n\n\0SEND\ndestination:/app/rooms/b/join\nreceipt:2\n\n\0";
    assert_eq!(bench.send(two), [join("a")]);
    assert!(!bench.session.wants_input());
    assert_eq!(bench.send("SUBSCRIBE\nid:1\ndestination:/topic/rooms/b/signal\n\n\0"), []);
    assert_eq!(bench.tell(Event::Done(Ok(()))), [text("RECEIPT\nreceipt-id:1\n\n\0"), join("b")]);
    let full =
        system(0, r#"{"code":"ROOM_FULL","message":"Room is full","roomId":"b","destination":"/app/rooms/b/join"}"#);
    let listen = Output::Request(Request::Subscribe(room("b"), Kind::Signal));
    assert_eq!(
        bench.tell(Event::Done(Err(Denied::Rejected(Rejection::RoomFull)))),
        [full, text("RECEIPT\nreceipt-id:2\n\n\0"), listen]
    );
    assert!(bench.session.wants_input());
}

#[test]
fn a_subscribe_and_a_send_in_one_message_lose_nothing() {
    let mut bench = Bench::connected(Config::embedded());
    let both = format!("SUBSCRIBE\nid:1\ndestination:/topic/rooms/r/members\n\n\0{JOIN_R}");
    let listen = Output::Request(Request::Subscribe(room("r"), Kind::Members));
    assert_eq!(bench.send(&both), [listen, Output::Request(Request::Join(room("r"), JoinRequest::default()))]);
}

#[test]
fn every_matching_subscription_gets_its_own_copy_with_the_proven_sender() {
    let mut bench = Bench::connected(Config::embedded());
    let listen = Output::Request(Request::Subscribe(room("r"), Kind::Signal));
    assert_eq!(bench.send("SUBSCRIBE\nid:1\ndestination:/topic/rooms/r/signal\n\n\0"), [listen]);
    assert_eq!(bench.send("SUBSCRIBE\nid:2\ndestination:/topic/rooms/r/signal\n\n\0"), []);
    let signal = |from: Option<&str>| Event::Signal { room: room("r"), from: from.map(sid), body: "{}".into() };
    let copy = |id, number, extra: &str| message("/topic/rooms/r/signal", extra, id, number, "{}");
    assert_eq!(bench.tell(signal(Some("s2"))), [copy("1", 0, "sid:s2\n"), copy("2", 1, "sid:s2\n")]);
    assert_eq!(bench.tell(signal(None)), [copy("1", 2, ""), copy("2", 3, "")]);
    assert_eq!(bench.send("UNSUBSCRIBE\nid:1\n\n\0"), []);
    assert_eq!(bench.session.farewell().listened, BTreeSet::from([room("r")]));
    let deaf = Output::Request(Request::Unsubscribe(room("r"), Kind::Signal));
    assert_eq!(bench.send("UNSUBSCRIBE\nid:2\n\n\0"), [deaf]);
    assert_eq!(bench.tell(signal(None)), []);
}

#[test]
fn a_body_that_is_not_text_goes_as_binary() {
    let mut bench = Bench::connected(Config::embedded());
    bench.send("SUBSCRIBE\nid:1\ndestination:/topic/rooms/r/signal\n\n\0");
    let event = Event::Signal { room: room("r"), from: None, body: Bytes::from_static(b"\xff") };
    assert!(matches!(&bench.tell(event)[..], [Output::Transmit(Payload::Binary(bytes))] if bytes.ends_with(b"\xff\0")));
}

#[test]
fn refusals_have_codes_and_never_close_the_session() {
    let mut bench = Bench::connected(Config::embedded());
    let send = |to: &str, body: &str| format!("SEND\ndestination:{to}\n\n{body}\0");
    for (frame, expected) in [
        (send("/topic/rooms/r/signal", "{}"), "FORBIDDEN_DESTINATION"),
        (send("/app/nowhere", ""), "UNKNOWN_DESTINATION"),
        (send("/app/rooms/a b/join", ""), "BAD_ROOM_ID"),
        (send("/app/rooms/r/join", r#"{"roomId":"other"}"#), "ROOM_MISMATCH"),
        (send("/app/rooms/r/join", "hello"), "BAD_BODY"),
        (send("/app/rooms/r/join", r#"{"displayName":"a\nb"}"#), "BAD_DISPLAY_NAME"),
        (send("/app/rooms/r/signal", "hello"), "BAD_BODY"),
        (send("/app/rooms/r/signal", r#"{"type":"READY"}"#), "SERVER_ONLY_SIGNAL"),
        ("SUBSCRIBE\nid:1\ndestination:/topic/rooms/*/signal\n\n\0".to_owned(), "PATTERN_SUBSCRIPTION"),
        ("SUBSCRIBE\nid:1\ndestination:/queue/me-user2\n\n\0".to_owned(), "FORBIDDEN_DESTINATION"),
        ("SUBSCRIBE\ndestination:/topic/rooms/r/signal\n\n\0".to_owned(), "BAD_SUBSCRIPTION_ID"),
        ("SUBSCRIBE\nid:sys\ndestination:/topic/rooms/r/signal\n\n\0".to_owned(), "BAD_SUBSCRIPTION_ID"),
        ("UNSUBSCRIBE\nid:nope\n\n\0".to_owned(), "BAD_SUBSCRIPTION_ID"),
    ] {
        let outputs = bench.send(&frame);
        assert_eq!((code(&outputs).as_str(), outputs.len()), (expected, 1), "{frame}");
    }
    for denied in [Denied::SenderMismatch, Denied::TooManyRooms, Denied::Rejected(Rejection::NotAMember)] {
        bench.send(JOIN_R);
        bench.tell(Event::Done(Err(denied)));
    }
    assert_eq!(bench.send("ACK\nid:1\nreceipt:still-here\n\n\0"), [text("RECEIPT\nreceipt-id:still-here\n\n\0")]);
}

#[test]
fn who_does_not_listen_to_system_gets_no_refusal_but_its_receipt() {
    let mut bench = Bench::fresh(Config::embedded());
    bench.send("CONNECT\naccept-version:1.2\n\n\0");
    bench.tell(opened("s1"));
    assert_eq!(bench.send("SEND\ndestination:/nowhere\nreceipt:1\n\n\0"), [text("RECEIPT\nreceipt-id:1\n\n\0")]);
}

#[test]
fn subscriptions_are_bounded() {
    let mut config = Config::embedded();
    config.limits.subscriptions = 3;
    let mut bench = Bench::connected(config);
    bench.send("SUBSCRIBE\nid:1\ndestination:/topic/rooms/r/signal\n\n\0");
    assert_eq!(
        code(&bench.send("SUBSCRIBE\nid:2\ndestination:/topic/rooms/r/members\n\n\0")),
        "TOO_MANY_SUBSCRIPTIONS"
    );
    let long = "x".repeat(129);
    bench.send("UNSUBSCRIBE\nid:1\n\n\0");
    let outputs = bench.send(&format!("SUBSCRIBE\nid:{long}\ndestination:/topic/rooms/r/members\n\n\0"));
    assert_eq!(code(&outputs), "BAD_SUBSCRIPTION_ID");
}

#[test]
fn frames_beyond_the_rate_are_dropped_and_told_once_a_second() {
    let mut config = Config::embedded();
    (config.limits.frame_rate, config.limits.frame_burst) = (1, 4);
    let mut bench = Bench::connected(config);
    let ack = "ACK\nid:1\nreceipt:1\n\n\0";
    let receipt = text("RECEIPT\nreceipt-id:1\n\n\0");
    assert_eq!(bench.send(ack), std::slice::from_ref(&receipt));
    assert_eq!(bench.send(ack), std::slice::from_ref(&receipt));
    assert_eq!(code(&bench.send(JOIN_R)), "RATE_LIMITED");
    assert_eq!(bench.send(JOIN_R), [], "dropped, and not told again so soon");
    let outputs = bench.send(ack);
    assert_eq!(outputs.last(), Some(&receipt));
    assert_eq!(code(&outputs[..1]), "RATE_LIMITED", "a receipt alone would say that the frame took effect");
    bench.now.mono += Duration::from_secs(1);
    assert_eq!(bench.send(JOIN_R), [Output::Request(Request::Join(room("r"), JoinRequest::default()))]);
}

#[test]
fn frames_wait_while_much_that_was_said_is_not_written() {
    let mut bench = Bench::connected(Config::embedded());
    for id in 0..4 {
        bench.send(&format!("SUBSCRIBE\nid:s{id}\ndestination:/user/queue/system\n\n\0"));
    }
    bench.session.handle_written(bench.now);
    let bad = format!("SEND\ndestination:/nowhere/{}\n\n\0", "x".repeat(200));
    let size = |outputs: &[Output]| -> usize {
        outputs.iter().map(|o| if let Output::Transmit(payload) = o { payload.len() } else { 0 }).sum()
    };
    let first = size(&bench.send(&bad.repeat(500)));
    assert!((64 * 1024..72 * 1024).contains(&first), "{first} bytes were said at once");
    assert!(!bench.session.wants_input());
    let mut all = first;
    while bench.session.handle_written(bench.now) {
        let more = size(&std::iter::from_fn(|| bench.session.poll_output()).collect::<Vec<_>>());
        assert!(more < 72 * 1024);
        all += more;
    }
    assert!(bench.session.wants_input());
    assert!(all > 4 * 500 * 300, "nothing was lost: {all} bytes");
}

#[test]
fn a_fifth_subscription_to_one_destination_is_refused() {
    let mut bench = Bench::connected(Config::embedded());
    bench.send("SUBSCRIBE\nid:sys\ndestination:/user/queue/system\n\n\0");
    for id in 0..4 {
        bench.send(&format!("SUBSCRIBE\nid:{id}\ndestination:/topic/rooms/r/signal\n\n\0"));
    }
    let refused = bench.send("SUBSCRIBE\nid:4\ndestination:/topic/rooms/r/signal\n\n\0");
    assert_eq!(code(&refused), "TOO_MANY_SUBSCRIPTIONS");
}

#[test]
fn a_signal_is_judged_and_its_bytes_are_untouched() {
    let mut bench = Bench::connected(Config::embedded());
    let body = r#"{ "type":"OFFER", "sid":"A","sdp":"v=0","extra":1 }"#;
    let request = Request::Signal { room: room("r"), claimed: Some("A".into()), body: body.into() };
    assert_eq!(bench.send(&format!("SEND\ndestination:/app/rooms/r/signal\n\n{body}\0")), [Output::Request(request)]);
}

#[test]
fn me_carries_ice_servers_and_the_resume_token_when_there_are_any() {
    let mut config = Config::embedded();
    config.ice = IceConfig { stun_urls: vec!["stun:s".into()], ..IceConfig::default() };
    let mut bench = Bench::fresh(config);
    bench.send("CONNECT\naccept-version:1.2\nresume:new\n\n\0");
    bench.tell(Event::Opened { sid: sid("s1"), resume_token: Some("t0".into()), refused: false });
    bench.send("SUBSCRIBE\nid:me\ndestination:/user/queue/me\n\n\0");
    let body = r#"{"sid":"s1","roomId":"r","iceServers":[{"urls":["stun:s"]}],"resumeToken":"t0"}"#;
    let expected = message("/user/queue/me", "", "me", 0, body);
    assert_eq!(bench.tell(Event::Me { room: room("r") }), [expected]);

    let mut plain = Bench::connected(Config::embedded());
    let expected = message("/user/queue/me", "", "me", 0, r#"{"sid":"s1","roomId":"r"}"#);
    assert_eq!(plain.tell(Event::Me { room: room("r") }), [expected]);
}

#[test]
fn a_turn_login_carries_the_session_id() {
    let mut config = Config::embedded();
    config.ice = IceConfig {
        turn_urls: vec!["turn:t".into()],
        turn_secret: Secret::parse("north"),
        turn_ttl: Duration::from_secs(60),
        without_login: true,
        ..IceConfig::default()
    };
    let mut bench = Bench::connected(config);
    let outputs = bench.tell(Event::Me { room: room("r") });
    assert!(format!("{outputs:?}").contains("1060:s1"), "{outputs:?}");
}

#[test]
fn a_refused_resume_is_told_when_the_client_listens() {
    let mut bench = Bench::fresh(Config::embedded());
    let token = "0".repeat(31) + "7";
    let open = bench.send(&format!("CONNECT\naccept-version:1.2\nresume:{token}\n\n\0"));
    assert_eq!(open, [Output::Request(Request::Open(Ask::Token(Some(Token::from_random(7)))))]);
    bench.tell(Event::Opened { sid: sid("s1"), resume_token: None, refused: true });
    let subscribe = "SUBSCRIBE\nid:sys\ndestination:/user/queue/system\n\n\0";
    assert_eq!(code(&bench.send(subscribe)), "RESUME_REFUSED");
}

#[test]
fn going_away_is_told_and_then_the_connection_closes() {
    let mut bench = Bench::connected(Config::embedded());
    let outputs = bench.tell(Event::GoingAway);
    assert_eq!(code(&outputs), "GOING_AWAY");
    assert_eq!(outputs[1..], [Output::Close { code: 1001, reason: "going away" }]);
    let mut taken = Bench::connected(Config::embedded());
    assert_eq!(taken.tell(Event::TakenOver), [Output::Close { code: 1008, reason: "resumed elsewhere" }]);
}

#[test]
fn only_a_page_that_goes_away_says_goodbye_by_closing() {
    for (code, for_good) in [(Some(1001), true), (Some(1000), false), (Some(1006), false), (None, false)] {
        let mut bench = Bench::connected(Config::embedded());
        bench.session.handle_close(code);
        assert_eq!(bench.session.farewell().for_good, for_good, "{code:?}");
    }
}

#[test]
fn without_connect_the_connection_ends_in_five_seconds() {
    let mut bench = Bench::fresh(Config::embedded());
    assert_eq!(bench.session.poll_timeout(), Some(bench.now.mono + Duration::from_secs(5)));
    assert_eq!(bench.wait(4), []);
    assert_eq!(bench.wait(1), [Output::Close { code: 1008, reason: "no CONNECT in time" }]);
}

#[test]
fn heart_beats_and_pings_are_sent_and_silence_ends_the_session() {
    let mut bench = Bench::fresh(Config::embedded());
    bench.send("CONNECT\naccept-version:1.2\nheart-beat:0,12000\n\n\0");
    bench.tell(opened("s1"));
    assert_eq!(bench.wait(10), [Output::Ping]);
    assert_eq!(bench.wait(2), [text("\n")]);
    bench.session.handle_alive(bench.now);
    assert_eq!(bench.wait(8), [Output::Ping]);
    assert_eq!(bench.session.poll_timeout(), Some(bench.now.mono + Duration::from_secs(4)));
    assert_eq!(bench.wait(17), [Output::Close { code: 1001, reason: "nothing heard" }]);
    assert!(!bench.session.farewell().for_good);
}

#[test]
fn spring_is_silent_but_for_a_full_room_and_offers_no_heart_beats() {
    let mut bench = Bench::fresh(Config { spring: true, ..Config::embedded() });
    bench.send("CONNECT\naccept-version:1.2\nheart-beat:10000,10000\n\n\0");
    let connected = bench.tell(opened("s1"));
    assert!(format!("{connected:?}").contains("heart-beat:0,0"));
    bench.send("SUBSCRIBE\nid:c0\ndestination:/user/queue/system\n\n\0");
    assert_eq!(bench.send("SEND\ndestination:/nowhere\n\n\0"), []);
    bench.send(JOIN_R);
    let full = "MESSAGE\ndestination:/user/queue/system\ncontent-type:text/plain;charset=UTF-8\nsubscription:c0\n\
                message-id:s1-0\ncontent-length:12\n\nRoom is full\0";
    assert_eq!(bench.tell(Event::Done(Err(Denied::Rejected(Rejection::RoomFull)))), [text(full)]);
}
