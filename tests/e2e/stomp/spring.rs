//! Step by step, what a real Spring broker answered and what our server answers. Where both differ, it is on purpose,
//! and the reason stands in [`DIFFERENCES`]; an entry that no longer differs fails the test.

use std::collections::BTreeMap;

use dialtone_tests::{Client, Program, Received, Transcript, fixture};
use dialtone_wire::stomp::Command;

use crate::PLAIN;

/// One deliberate difference.
struct Difference {
    step: &'static str,
    /// Whose socket was read, where the transcript names one.
    reader: &'static str,
    /// What our server answers, as [`World::tell`] writes it.
    ours: &'static [&'static str],
    reason: &'static str,
}

const fn differs(
    step: &'static str,
    reader: &'static str,
    ours: &'static [&'static str],
    reason: &'static str,
) -> Difference {
    Difference { step, reader, ours, reason }
}

const ERROR_AND_CLOSE: &[&str] = &["ERROR", "CLOSE 1002"];
const CLOSES_TOO: &str = "after ERROR the connection is closed, as STOMP 1.2 asks and Spring does since 5.3";
const WHO_AM_I: &str = "CONNECTED names the session and the server, and heart-beats are on by default";
const NO_FORGERY: &str = "clients do not publish to topics, or they could forge READY, LEAVE and member lists";
const TOLD: &str = "a refusal is told on /user/queue/system instead of silence";

const DIFFERENCES: &[Difference] = &[
    differs(
        "CONNECT hb 10000,10000",
        "",
        &["CONNECTED version:1.2 heart-beat:10000,10000 session:# server:dialtone/#"],
        WHO_AM_I,
    ),
    differs(
        "CONNECT accept 1.0,1.1",
        "",
        &["CONNECTED version:1.1 heart-beat:10000,10000 session:# server:dialtone/#"],
        WHO_AM_I,
    ),
    differs(
        "a joins",
        "a",
        &[
            r#"MESSAGE destination:/user/queue/me content-type:application/json subscription:a2 message-id:1-# content-length:25 | {"sid":"1","roomId":"r1"}"#,
            r#"MESSAGE destination:/topic/rooms/r1/members content-type:application/json subscription:a0 message-id:1-# content-length:5 | ["1"]"#,
        ],
        "who I am names the room too",
    ),
    differs(
        "b joins",
        "b",
        &[
            r#"MESSAGE destination:/user/queue/me content-type:application/json subscription:b2 message-id:2-# content-length:25 | {"sid":"2","roomId":"r1"}"#,
            r#"MESSAGE destination:/topic/rooms/r1/members content-type:application/json subscription:b0 message-id:2-# content-length:9 | ["1","2"]"#,
            r#"MESSAGE destination:/topic/rooms/r1/signal content-type:application/json subscription:b1 message-id:2-# content-length:55 | {"type":"READY","sid":null,"sdp":null,"candidate":null}"#,
        ],
        "who is not a member yet does not hear the room",
    ),
    differs("c full", "c", &["refusal ROOM_FULL by c0"], "a refusal has a code, the room and the destination as well"),
    differs(
        "a signal",
        "b",
        &[
            r#"MESSAGE destination:/topic/rooms/r1/signal content-type:application/json sid:1 subscription:b1 message-id:2-# content-length:48 | {"type":"OFFER","sid":"A","sdp":"v=0","extra":1}"#,
        ],
        "bodies are relayed byte for byte, and the header sid is the proven sender",
    ),
    differs(
        "a direct SEND to topic, receipt 77",
        "a",
        &["refusal FORBIDDEN_DESTINATION by a3", "RECEIPT receipt-id:77"],
        NO_FORGERY,
    ),
    differs("a direct SEND to topic, receipt 77", "b", &[], NO_FORGERY),
    differs(
        "wildcard SUBSCRIBE with receipt",
        "",
        &["refusal PATTERN_SUBSCRIPTION by a3", "RECEIPT receipt-id:78"],
        "a pattern would let anybody listen to every call; receipts are given for every frame that asks",
    ),
    differs("wildcard: a gets room zz", "", &[], "there is no subscription to other people's rooms"),
    differs("SUBSCRIBE without id", "", &["refusal BAD_SUBSCRIPTION_ID by a3"], TOLD),
    differs("SEND unknown /app", "", &["refusal UNKNOWN_DESTINATION by a3"], TOLD),
    differs("SEND no destination", "", &["refusal UNKNOWN_DESTINATION by a3"], TOLD),
    differs("bad JSON to signal", "", &["refusal BAD_BODY by a3"], TOLD),
    differs("second CONNECT", "", ERROR_AND_CLOSE, "a session connects once, as in Spring since 7.0"),
    differs("UNSUBSCRIBE unknown id", "", &["refusal BAD_SUBSCRIPTION_ID by a3"], TOLD),
    differs(
        "split frame over 3 ws + second frame",
        "b",
        &[
            r#"MESSAGE destination:/topic/rooms/r1/signal content-type:application/json sid:1 subscription:b1 message-id:2-# content-length:37 | {"type":"CANDIDATE","candidate":null}"#,
        ],
        "bodies are relayed byte for byte, and what goes straight to the topic is refused",
    ),
    differs("binary ws message", "b", &[], NO_FORGERY),
    differs("octet-stream body", "b", &[], NO_FORGERY),
    differs(
        "b DISCONNECT receipt",
        "b",
        &["RECEIPT receipt-id:bye", "CLOSE 1000"],
        "after DISCONNECT there is nothing to wait for, so the server closes",
    ),
    differs(
        "CONNECT accept-version 2.0",
        "",
        &["ERROR version:1.0,1.1,1.2", "CLOSE 1002"],
        "an unsupported version is told, as STOMP 1.2 asks",
    ),
    differs(
        "CONNECT without accept-version",
        "",
        &["CONNECTED version:1.0 heart-beat:10000,10000 session:# server:dialtone/#"],
        "no accept-version means STOMP 1.0, and the answer says so",
    ),
    differs(
        "STOMP command",
        "",
        &["CONNECTED version:1.2 heart-beat:10000,10000 session:# server:dialtone/#"],
        WHO_AM_I,
    ),
    differs("SUBSCRIBE before CONNECT", "", ERROR_AND_CLOSE, "the first frame is CONNECT, as in Spring since 7.0"),
    differs("unknown command", "", ERROR_AND_CLOSE, CLOSES_TOO),
    differs(
        "server command MESSAGE from client",
        "",
        ERROR_AND_CLOSE,
        "a frame that a client may not send is an error",
    ),
    differs("header without colon", "", ERROR_AND_CLOSE, CLOSES_TOO),
    differs("bad escape", "", ERROR_AND_CLOSE, CLOSES_TOO),
    differs(r"\t escape", "", ERROR_AND_CLOSE, CLOSES_TOO),
    differs("lone CR", "", ERROR_AND_CLOSE, CLOSES_TOO),
    differs("CRLF ok", "", &[], "there are no topics but those of rooms; CRLF is accepted all the same"),
    differs("body on SUBSCRIBE", "", ERROR_AND_CLOSE, CLOSES_TOO),
    differs("content-length too short", "", ERROR_AND_CLOSE, CLOSES_TOO),
    differs("bad content-type", "", &[], "a body is judged by itself, not by its label"),
    differs(
        "SUBSCRIBE + SEND in one message",
        "",
        &[
            r#"MESSAGE destination:/topic/rooms/one/signal content-type:application/json sid:# subscription:s message-id:#-# content-length:16 | {"type":"LEAVE"}"#,
        ],
        "frames of one session are handled in order, so nothing is lost",
    ),
    differs(
        "one ws message of 70 KiB",
        "",
        ERROR_AND_CLOSE,
        "a WebSocket message may have 256 KiB; it is the frame that is too large",
    ),
    differs("70 KiB split in 8 KiB", "", ERROR_AND_CLOSE, CLOSES_TOO),
    differs("one ws message of 20 KiB", "", &[], "a large description need not be split"),
    differs("plain DISCONNECT", "", &["CLOSE 1000"], "saying goodbye is no error"),
];

#[test]
fn our_server_answers_as_spring_does_but_for_the_listed_differences() {
    let text = std::fs::read_to_string(fixture("spring-4.3-transcript.txt")).unwrap();
    let transcript = Transcript::parse(&text);
    assert_eq!(transcript.steps.len(), 46, "every step of the transcript is read");
    let (_server, url) = Program::server(["--frame-rate", "0"]);

    let offered = Client::offering(&url, &["v10.stomp", "v11.stomp", "v12.stomp"]);
    assert_eq!(offered.protocol(), Some(transcript.protocol.as_str()));

    let mut world = World::new(url);
    let mut unused: Vec<_> = DIFFERENCES.iter().map(|d| (d.step, d.reader)).collect();
    let mut wrong = Vec::new();
    for (at, step) in transcript.steps.iter().enumerate() {
        let reader = step.reader.as_deref().unwrap_or_default();
        let goes_on = at > 0 && transcript.steps[at - 1].name == step.name;
        if !goes_on {
            world.act(&step.name);
        }
        let spring: Vec<_> = step.received.iter().map(|received| tell(received, &SPRING_IDS)).collect();
        let ours = world.heard(reader);
        let listed = DIFFERENCES.iter().find(|d| d.step == step.name && d.reader == reader);
        unused.retain(|entry| *entry != (step.name.as_str(), reader));
        match listed {
            None if ours != spring => {
                wrong.push(format!("{} {reader}\n  spring {spring:#?}\n  ours {ours:#?}", step.name));
            }
            None => {}
            Some(difference) if ours != difference.ours => {
                wrong.push(format!(
                    "{} {reader}: expected {:#?}\n  because {}\n  ours {ours:#?}",
                    step.name, difference.ours, difference.reason
                ));
            }
            Some(_) if ours == spring => wrong.push(format!("{} {reader}: it no longer differs", step.name)),
            Some(_) => {}
        }
    }
    assert_eq!(unused, [], "listed differences in steps that do not exist");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The transcript's sessions are labelled by Spring itself: its ids there are a counter.
const SPRING_IDS: [(&str, &str); 0] = [];

/// Clients a, b and c as in the transcript, and what they heard in the present step.
struct World {
    url: String,
    a: Client,
    b: Client,
    c: Client,
    heard: BTreeMap<&'static str, Vec<Received>>,
}

impl World {
    fn new(url: String) -> Self {
        let mut a = Client::connect(&url);
        let mut b = Client::connect(&url);
        let mut c = Client::connect(&url);
        a.listen("a", "r1");
        b.listen("b", "r1");
        c.send("SUBSCRIBE\nid:c0\ndestination:/user/queue/system\n\n\0");
        Self { url, a, b, c, heard: BTreeMap::new() }
    }

    /// What the reader of a step heard, told with the transcript's labels.
    fn heard(&self, reader: &str) -> Vec<String> {
        let ids = [(self.a.sid(), "1"), (self.b.sid(), "2"), (self.c.sid(), "3")];
        self.heard.get(reader).into_iter().flatten().map(|received| tell(received, &ids)).collect()
    }

    /// Does what was done in the step of this name.
    fn act(&mut self, step: &str) {
        self.heard.clear();
        let direct = |body: &str| format!("SEND\ndestination:/topic/rooms/r1/signal\n\n{body}\0");
        let big = |size: usize| format!("SEND\ndestination:/topic/big\n\n{}\0", "x".repeat(size));
        let alone = match step {
            "a joins" => return self.a_sends("SEND\ndestination:/app/rooms/r1/join\n\n{\"roomId\":\"r1\"}\0"),
            "b joins" => {
                let body = r#"{"roomId":"r1","displayName":"B"}"#;
                self.b
                    .send(&format!("SEND\ndestination:/app/rooms/r1/join\ncontent-type:application/json\n\n{body}\0"));
                return self.listen("b");
            }
            "c full" => {
                self.c.join("r1");
                return self.listen("c");
            }
            "a signal" => {
                let body = r#"{"type":"OFFER","sid":"A","sdp":"v=0","extra":1}"#;
                return self.a_sends(&format!("SEND\ndestination:/app/rooms/r1/signal\nx-custom:1\n\n{body}\0"));
            }
            "a direct SEND to topic, receipt 77" => {
                return self
                    .a_sends("SEND\ndestination:/topic/rooms/r1/signal\nreceipt:77\nx-custom:q\\cz\n\nraw text\0");
            }
            "wildcard SUBSCRIBE with receipt" => {
                return self.a_sends("SUBSCRIBE\nid:w\ndestination:/topic/rooms/*/signal\nreceipt:78\n\n\0");
            }
            "wildcard: a gets room zz" => {
                self.b.signal("zz", r#"{"type":"X"}"#);
                return self.listen("b");
            }
            "SUBSCRIBE without id" => return self.a_sends("SUBSCRIBE\ndestination:/topic/rooms/r1/signal\n\n\0"),
            "SEND unknown /app" => return self.a_sends("SEND\ndestination:/app/nowhere\n\nx\0"),
            "SEND no destination" => return self.a_sends("SEND\n\nx\0"),
            "bad JSON to signal" => return self.a_sends("SEND\ndestination:/app/rooms/r1/signal\n\n{nope\0"),
            "BEGIN/ACK/NACK/COMMIT" => {
                return self
                    .a_sends("BEGIN\ntransaction:t\n\n\0ACK\nid:1\n\n\0NACK\nid:1\n\n\0COMMIT\ntransaction:t\n\n\0");
            }
            "UNSUBSCRIBE unknown id" => return self.a_sends("UNSUBSCRIBE\nid:nobody\n\n\0"),
            r"heartbeat \n" => return self.a_sends("\n"),
            "split frame over 3 ws + second frame" => {
                self.a.send("SEND\ndestination:/app/rooms/r1/sig");
                self.a.send("nal\n\n{\"type\":\"CANDIDATE\",");
                return self.a_sends(&format!("\"candidate\":null}}\0\n\n\n{}", direct("two")));
            }
            "binary ws message" => {
                self.a.send_binary(direct("bin").as_bytes());
                return self.listen("a");
            }
            "octet-stream body" => {
                self.a.send_binary(
                    b"SEND\ndestination:/topic/rooms/r1/signal\ncontent-type:application/octet-stream\ncontent-length:3\n\n\x00\x01\x02\x00",
                );
                return self.listen("a");
            }
            "b DISCONNECT receipt" => {
                self.b.send("DISCONNECT\nreceipt:bye\n\n\0");
                self.heard.insert("b", self.b.until_closed());
                return;
            }
            "String payload via @SendToUser" => self.as_spring(),
            "CONNECT hb 10000,10000" => self.first("CONNECT\naccept-version:1.2\nheart-beat:10000,10000\n\n\0"),
            "CONNECT accept 1.0,1.1" => self.first("CONNECT\naccept-version:1.0,1.1\n\n\0"),
            "CONNECT accept-version 2.0" => self.first("CONNECT\naccept-version:2.0\n\n\0"),
            "CONNECT without accept-version" => self.first("CONNECT\n\n\0"),
            "STOMP command" => self.first("STOMP\naccept-version:1.2\n\n\0"),
            "SUBSCRIBE before CONNECT" => self.first("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0"),
            "heartbeat before CONNECT" => {
                let mut client = Client::dial(&self.url);
                client.send("\n");
                // Answered with CONNECTED and nothing before it, or this panics.
                client.log_in("");
                client.fence()
            }
            "second CONNECT" => self.then(&["CONNECT\naccept-version:1.2\n\n\0"]),
            "unknown command" => self.then(&["FOO\n\n\0"]),
            "server command MESSAGE from client" => self.then(&["MESSAGE\ndestination:/topic/a\n\nx\0"]),
            "header without colon" => self.then(&["SEND\nnocolon\n\nx\0"]),
            "bad escape" => self.then(&["SEND\ndestination:/topic/a\\x\n\nx\0"]),
            r"\t escape" => self.then(&["SEND\ndestination:/topic/a\\t\n\nx\0"]),
            "lone CR" => self.then(&["SEND\ndestination:/topic/a\rb\n\nx\0"]),
            "CRLF ok" => self.then(&[
                "SUBSCRIBE\r\nid:1\r\ndestination:/topic/crlf\r\n\r\n\0",
                "SEND\r\ndestination:/topic/crlf\r\n\r\nx\0",
            ]),
            "body on SUBSCRIBE" => self.then(&["SUBSCRIBE\nid:1\ndestination:/topic/a\ncontent-length:4\n\nbody\0"]),
            "content-length too short" => self.then(&["SEND\ndestination:/topic/a\ncontent-length:1\n\nabc\0"]),
            "bad content-type" => self.then(&["SEND\ndestination:/topic/a\ncontent-type:zzz\n\nx\0"]),
            "SUBSCRIBE + SEND in one message" => {
                self.then(&["SUBSCRIBE\nid:s\ndestination:/topic/rooms/one/signal\n\n\0\
                 SEND\ndestination:/app/rooms/one/join\n\n\0\
                 SEND\ndestination:/app/rooms/one/signal\n\n{\"type\":\"LEAVE\"}\0"])
            }
            "one ws message of 70 KiB" => self.then(&[big(70 * 1024).as_str()]),
            "70 KiB split in 8 KiB" => {
                let whole = big(70 * 1024);
                let pieces: Vec<_> =
                    whole.as_bytes().chunks(8 * 1024).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
                self.then(&pieces)
            }
            "one ws message of 20 KiB" => self.then(&[big(20 * 1024).as_str()]),
            "plain DISCONNECT" => self.then(&["DISCONNECT\n\n\0"]),
            "user dest by other session" => self.then(&[
                "SUBSCRIBE\nid:1\ndestination:/user/queue/me\n\n\0",
                "SEND\ndestination:/user/queue/me\n\nx\0",
            ]),
            "SUBSCRIBE raw /queue/me-user*" => self.then(&["SUBSCRIBE\nid:1\ndestination:/queue/me-user*\n\n\0"]),
            other => panic!("the transcript has a step that this test does not know: {other}"),
        };
        self.heard.insert("", alone);
    }

    fn a_sends(&mut self, text: &str) {
        self.a.send(text);
        self.listen("a");
    }

    /// What everybody heard once the server is done with what `sender` said. Steps without a named reader read a's.
    fn listen(&mut self, sender: &str) {
        let first = match sender {
            "b" => self.b.fence(),
            "c" => self.c.fence(),
            _ => self.a.fence(),
        };
        let mut hear = |name: &'static str, client: &mut Client| {
            let mut all = if name == sender { first.clone() } else { Vec::new() };
            all.extend(client.fence());
            self.heard.insert(name, all);
        };
        hear("a", &mut self.a);
        hear("b", &mut self.b);
        hear("c", &mut self.c);
        self.heard.insert("", self.heard["a"].clone());
    }

    /// A connection of its own whose first words these are.
    fn first(&self, text: &str) -> Vec<Received> {
        let mut client = Client::dial(&self.url);
        client.send(text);
        client.fence()
    }

    /// A connection of its own that says this after CONNECTED.
    fn then(&self, messages: &[&str]) -> Vec<Received> {
        let mut client = Client::connect(&self.url);
        for message in messages {
            client.send(message);
        }
        client.fence()
    }

    /// Bodies that are text belong to the Spring behaviour, which our server has by a switch.
    fn as_spring(&self) -> Vec<Received> {
        let (_server, url) = Program::server(["--spring"]);
        let mut members = [Client::connect(&url), Client::connect(&url)];
        for member in &mut members {
            member.join("r1");
            assert_eq!(member.fence(), []);
        }
        let mut third = Client::connect(&url);
        third.send("SUBSCRIBE\nid:c0\ndestination:/user/queue/system\n\n\0");
        third.join("r1");
        let heard = third.fence();
        // As told by the third client of the transcript.
        heard.into_iter().map(|received| renamed(received, third.sid(), "3")).collect()
    }
}

/// One line for each thing that came. What cannot be equal is written alike: session and message ids, the length that
/// depends on them, the sentences of errors, the reason of a close. Spring 4.3 adds a charset to JSON; 5.2 and later
/// do not, and that is what we follow.
fn tell(received: &Received, ids: &[(&str, &str)]) -> String {
    if let Received::Close(code, _) = received {
        return format!("CLOSE {code}");
    }
    let Some(frame) = received.frame() else { return format!("{received:?}") };
    let relabel = |text: &str| {
        let known = ids.iter().fold(text.to_owned(), |text, (sid, label)| text.replace(sid, label));
        without_uuids(&known)
    };
    let body = relabel(&String::from_utf8_lossy(&frame.body));
    let header = |name: &str| frame.headers.get(name).unwrap_or_default();
    if header("destination") == "/user/queue/system"
        && let Ok(refusal) = serde_json::from_str::<serde_json::Value>(&body)
        && let Some(code) = refusal["code"].as_str()
    {
        assert!(refusal["message"].as_str().is_some_and(|m| !m.is_empty()), "a refusal has a sentence: {body}");
        return format!("refusal {code} by {}", header("subscription"));
    }
    if let Some(length) = frame.headers.get("content-length") {
        assert_eq!(length, frame.body.len().to_string(), "{frame:?}");
    }
    let mut line = frame.command.as_str().to_owned();
    for (name, value) in frame.headers.iter() {
        let value = match (frame.command, name) {
            (Command::Error, "message" | "content-length") => continue,
            (Command::Connected, "server") => "dialtone/#".to_owned(),
            (_, "content-length") => body.len().to_string(),
            (_, "content-type") => value.replace("application/json;charset=UTF-8", "application/json"),
            (_, "message-id") => {
                let (session, _) = value.rsplit_once('-').unwrap_or((value, ""));
                format!("{}-#", relabel(session))
            }
            _ => relabel(value),
        };
        line.push_str(&format!(" {name}:{value}"));
    }
    if frame.command == Command::Message {
        line.push_str(&format!(" | {body}"));
    }
    match received {
        Received::Binary(_) => format!("binary {line}"),
        Received::Text(_) | Received::Close(..) | Received::Gone => line,
    }
}

/// Session ids of clients that have no label become `#`.
fn without_uuids(text: &str) -> String {
    const LENGTH: usize = 36;
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_uuid = rest.get(..LENGTH).is_some_and(|part| {
            part.bytes().enumerate().all(|(at, b)| match at {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_hexdigit(),
            })
        });
        if is_uuid {
            out.push('#');
            rest = &rest[LENGTH..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

fn renamed(received: Received, sid: &str, label: &str) -> Received {
    match received {
        Received::Text(bytes) => Received::Text(String::from_utf8_lossy(&bytes).replace(sid, label).into_bytes()),
        Received::Binary(_) | Received::Close(..) | Received::Gone => received,
    }
}

#[test]
fn a_page_that_offers_no_sub_protocol_is_let_in() {
    let (_server, url) = Program::server(PLAIN);
    let mut client = Client::connect(&url);
    assert_eq!(client.protocol(), None);
    assert_eq!(client.fence(), []);
}
