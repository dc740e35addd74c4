//! Whole conversations, sessions and hub together and no sockets: what a real Spring broker said, we say.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use dialtone_wire::stomp::{Command, Decoded, Decoder, Frame, Limits};
use proptest::prelude::*;

use crate::backplane::Memory;
use crate::config::Config;
use crate::hub::{Connection, Hub};
use crate::ice::Ice;
use crate::session::{Now, Output, Payload, Session, Settings};
use crate::testing;

struct World {
    settings: Arc<Settings>,
    hub: Hub,
    now: Now,
    peers: Vec<Peer>,
}

struct Peer {
    session: Session,
    conn: Connection,
    frames: Vec<Frame>,
    closed: bool,
}

impl World {
    fn new() -> Self {
        let config = Config::embedded();
        let ice = Ice::new(&config.ice);
        let hub = Hub::new(&config, || Box::new(Memory::new()));
        let now = Now { mono: testing::now(), unix: 0 };
        Self { settings: Arc::new(Settings { config, ice }), hub, now, peers: Vec::new() }
    }

    /// A peer that is connected and listens as in the transcript: `<x>0` members, `<x>1` signal, `<x>2` me, `<x>3` system.
    fn peer(&mut self, name: &str) -> usize {
        let session = Session::new(self.now.mono, Arc::clone(&self.settings));
        let conn = self.hub.connect().unwrap();
        self.peers.push(Peer { session, conn, frames: Vec::new(), closed: false });
        let at = self.peers.len() - 1;
        self.send(at, "CONNECT\naccept-version:1.2\n\n\0");
        let topics = ["/topic/rooms/r1/members", "/topic/rooms/r1/signal", "/user/queue/me", "/user/queue/system"];
        for (n, topic) in topics.into_iter().enumerate() {
            self.send(at, &format!("SUBSCRIBE\nid:{name}{n}\ndestination:{topic}\n\n\0"));
        }
        assert_eq!(self.peers[at].frames.remove(0).command, Command::Connected);
        at
    }

    fn send(&mut self, at: usize, bytes: &str) {
        let now = self.now;
        self.peers[at].session.handle_bytes(now, Bytes::copy_from_slice(bytes.as_bytes()));
        while self.peers.iter_mut().any(|peer| peer.run(now, &self.hub)) {}
    }

    fn lose(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        if !std::mem::replace(&mut peer.closed, true) {
            self.hub.disconnect(self.now.mono, &peer.conn, peer.session.farewell());
        }
        let now = self.now;
        while self.peers.iter_mut().any(|peer| peer.run(now, &self.hub)) {}
    }

    /// What came since the last time: subscription and body, session ids replaced by 1, 2, 3…
    fn heard(&mut self, at: usize) -> Vec<(String, String)> {
        let names: Vec<_> = self.peers.iter().map(|p| p.session.farewell().sid.unwrap()).collect();
        let frames = std::mem::take(&mut self.peers[at].frames);
        let tell = |frame: Frame| {
            let mut body = String::from_utf8(frame.body.to_vec()).unwrap();
            for (n, sid) in names.iter().enumerate() {
                body = body.replace(sid.as_str(), &(n + 1).to_string());
            }
            let header = |name| frame.headers.get(name).unwrap_or_default().to_owned();
            if frame.command == Command::Message {
                (header("subscription"), body)
            } else {
                (header("receipt-id"), body)
            }
        };
        frames.into_iter().map(tell).collect()
    }
}

impl Peer {
    /// One round of talk between session and hub; gives whether anything happened.
    fn run(&mut self, now: Now, hub: &Hub) -> bool {
        let mut happened = false;
        while let Some(output) = self.session.poll_output() {
            happened = true;
            match output {
                Output::Request(request) => hub.handle(now.mono, &mut self.conn, request),
                Output::Transmit(Payload::Text(text)) => self.frames.extend(decode(text.into())),
                Output::Transmit(Payload::Binary(bytes)) => self.frames.extend(decode(bytes.into())),
                Output::Ping => {}
                Output::Close { .. } => {
                    if !std::mem::replace(&mut self.closed, true) {
                        hub.disconnect(now.mono, &self.conn, self.session.farewell());
                    }
                }
            }
        }
        let mut events = VecDeque::new();
        if self.conn.outbox.take(&mut events, true).unwrap() {
            happened = true;
        }
        for event in events {
            self.session.handle_event(now, event);
        }
        happened
    }
}

fn decode(bytes: Bytes) -> Vec<Frame> {
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(bytes);
    let frames = std::iter::from_fn(|| decoder.next_frame().unwrap());
    frames.filter_map(|d| if let Decoded::Frame(frame) = d { Some(frame) } else { None }).collect()
}

fn join(room: &str) -> String {
    format!("SEND\ndestination:/app/rooms/{room}/join\n\n{{\"roomId\":\"{room}\"}}\0")
}

fn signal(body: &str) -> String {
    format!("SEND\ndestination:/app/rooms/r1/signal\nx-custom:1\n\n{body}\0")
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

const READY: &str = dialtone_wire::signal::READY_BODY;

#[test]
fn the_conversation_of_the_transcript() {
    let mut world = World::new();
    let a = world.peer("a");
    let b = world.peer("b");
    world.send(a, &join("r1"));
    assert_eq!(world.heard(a), pairs(&[("a2", r#"{"sid":"1","roomId":"r1"}"#), ("a0", r#"["1"]"#)]));
    assert_eq!(world.heard(b), [], "who is not a member yet hears nothing");
    world.send(b, &join("r1"));
    assert_eq!(world.heard(a), pairs(&[("a0", r#"["1","2"]"#), ("a1", READY)]));
    let b_hears = [("b2", r#"{"sid":"2","roomId":"r1"}"#), ("b0", r#"["1","2"]"#), ("b1", READY)];
    assert_eq!(world.heard(b), pairs(&b_hears), "me, members, READY: always in this order");

    let c = world.peer("c");
    world.send(c, &join("r1"));
    let full = r#"{"code":"ROOM_FULL","message":"Room is full","roomId":"r1","destination":"/app/rooms/r1/join"}"#;
    assert_eq!(world.heard(c), pairs(&[("c3", full)]));

    let offer = r#"{"type":"OFFER","sid":"A","sdp":"v=0","extra":1}"#;
    world.send(a, &signal(offer));
    assert_eq!(world.heard(a), pairs(&[("a1", offer)]), "the sender hears itself");
    let from = world.peers[a].session.farewell().sid.unwrap();
    let frame = world.peers[b].frames[0].clone();
    assert_eq!(frame.headers.get("sid"), Some(from.as_str()));
    assert_eq!(frame.headers.get("x-custom"), None);
    assert_eq!(world.heard(b), pairs(&[("b1", offer)]));
    assert_eq!(world.heard(c), []);

    world.send(a, "SEND\ndestination:/topic/rooms/r1/signal\nreceipt:77\n\nraw text\0");
    assert_eq!(world.heard(b), [], "nobody forges READY");
    assert_eq!(world.heard(a).last(), pairs(&[("77", "")]).first());

    world.send(b, &join("r1"));
    assert_eq!(world.heard(b), pairs(&b_hears[..2]), "a second join is answered, without READY");
    assert_eq!(world.heard(a), []);

    world.send(b, "DISCONNECT\nreceipt:bye\n\n\0");
    assert_eq!(world.heard(b), pairs(&[("bye", "")]));
    assert_eq!(world.heard(a), pairs(&[("a1", r#"{"type":"LEAVE","sid":"2"}"#), ("a0", r#"["1"]"#)]));

    world.send(c, &join("r1"));
    assert_eq!(world.heard(a), pairs(&[("a0", r#"["1","3"]"#), ("a1", READY)]), "from one to two again");
}

#[test]
fn a_leave_signal_of_a_client_is_relayed_and_frees_no_seat() {
    let mut world = World::new();
    let (a, b, c) = (world.peer("a"), world.peer("b"), world.peer("c"));
    world.send(a, &join("r1"));
    world.send(b, &join("r1"));
    world.heard(b);
    world.send(a, &signal(r#"{"type":"LEAVE"}"#));
    assert_eq!(world.heard(b), pairs(&[("b1", r#"{"type":"LEAVE"}"#)]));
    world.send(c, &join("r1"));
    assert!(world.heard(c)[0].1.contains("ROOM_FULL"));
    world.send(a, "SEND\ndestination:/app/rooms/r1/leave\nreceipt:l\n\n\0");
    let own = world.heard(a);
    let expected = [("a1", r#"{"type":"LEAVE","sid":"1"}"#), ("a0", r#"["2"]"#), ("l", "")];
    assert_eq!(own[own.len() - 3..], pairs(&expected), "who leaves sees its own LEAVE");
    world.send(c, &join("r1"));
    assert_eq!(world.heard(c).first().unwrap().0, "c2");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However four peers come and go: READY comes exactly when the count goes from one to two, to both and never else,
    /// and nobody ever sees more members than the room takes.
    #[test]
    fn ready_follows_the_count_whatever_happens(steps in proptest::collection::vec((0_usize..4, 0_u8..4), 1..60)) {
        let mut world = World::new();
        for name in ["a", "b", "c", "d"] {
            world.peer(name);
        }
        let mut seated: Vec<usize> = Vec::new();
        let mut gone = BTreeSet::new();
        for (at, verb) in steps {
            if gone.contains(&at) {
                continue;
            }
            let before = seated.len();
            let was = seated.contains(&at);
            match verb {
                0 | 1 => {
                    world.send(at, &join("r1"));
                    if !was && before < 2 {
                        seated.push(at);
                    }
                }
                2 => {
                    world.send(at, "SEND\ndestination:/app/rooms/r1/leave\n\n\0");
                    seated.retain(|p| *p != at);
                }
                _ => {
                    world.lose(at);
                    gone.insert(at);
                    seated.retain(|p| *p != at);
                }
            }
            let ready = before == 1 && seated.len() == 2;
            for peer in (0..4).filter(|p| !gone.contains(p)) {
                let heard = world.heard(peer);
                let readies = heard.iter().filter(|(_, body)| body == READY).count();
                prop_assert_eq!(readies, usize::from(ready && seated.contains(&peer)));
                for (_, body) in heard.iter().filter(|(id, _)| id.ends_with('0')) {
                    let expected: Vec<_> = seated.iter().map(|p| format!("\"{}\"", p + 1)).collect();
                    prop_assert_eq!(body, &format!("[{}]", expected.join(",")));
                }
            }
        }
    }
}
