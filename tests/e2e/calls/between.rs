//! A scripted stranger between two real peers: each peer is in a room with one of the stranger's clients, and what goes
//! from one room to the other, and when, is the test's to say.

use std::time::Duration;

use dialtone_tests::{Client, LIMIT, Program, Received, Running, Scratch};
use serde_json::Value;

use super::assert_media_arrived;

/// How long one side is listened to before it is the other side's turn.
const TURN: Duration = Duration::from_millis(50);

/// A peer in a room, and the stranger's client there.
struct Side {
    peer: Running,
    client: Client,
    room: &'static str,
    left: bool,
}

impl Side {
    /// A peer in its room, which has learned its session id; the stranger's client is ready to join with an id that is
    /// larger than the peer's where `peer_calls`, and smaller where not: the smaller one calls. The server has
    /// `--open-topics`, so that the peer's id can be heard from outside.
    fn prepare(peer: impl FnOnce() -> Running, url: &str, room: &'static str, peer_calls: bool) -> Self {
        let mut watcher = Client::connect(url);
        watcher.listen("", room);
        let peer = peer();
        let members: Vec<String> = serde_json::from_str(&watcher.heard().body).unwrap();
        let suits = |client: &Client| (members[0].as_str() < client.sid()) == peer_calls;
        // Ids are random: one in two suits, unless the peer's own is extreme.
        let client = (0..500).map(|_| Client::connect(url)).find(suits).expect("one of 500 random ids suits");
        Self { peer, client, room, left: false }
    }

    /// The stranger's client joins; calling begins.
    fn meet(&mut self) {
        self.client.listen("", self.room);
        self.client.join(self.room);
    }

    /// The next signal of the peer, if one comes soon.
    fn signal(&mut self) -> Option<Value> {
        let received = self.client.next_within(TURN)?;
        assert!(!matches!(received, Received::Close(..) | Received::Gone), "{received:?}");
        let frame = received.frame()?;
        if !frame.headers.get("destination")?.ends_with("/signal") {
            return None;
        }
        let body: Value = serde_json::from_slice(&frame.body).unwrap();
        let from_server = frame.headers.get("sid").is_none();
        self.left |= from_server && body["type"] == "LEAVE";
        let own = frame.headers.get("sid") == Some(self.client.sid());
        (!from_server && !own).then_some(body)
    }

    fn say(&mut self, body: &Value) {
        self.client.signal(self.room, &body.to_string());
    }
}

/// Carries signals both ways until both peers have left. `pass` says what comes of each.
fn carry(one: &mut Side, other: &mut Side, mut pass: impl FnMut(usize, Value) -> Vec<Value>) {
    one.meet();
    other.meet();
    // A peer whose partner has left ends by itself, so this ends with the second one.
    for turn in 0..(4 * LIMIT.as_millis() / TURN.as_millis()) {
        let (from, to, way) = if turn % 2 == 0 { (&mut *one, &mut *other, 0) } else { (&mut *other, &mut *one, 1) };
        if let Some(body) = from.signal() {
            for body in pass(way, body) {
                to.say(&body);
            }
        }
        if from.left && !to.left {
            to.client.send(&format!("SEND\ndestination:/app/rooms/{}/leave\n\n\0", to.room));
            return;
        }
    }
    panic!("the call between the two rooms did not end");
}

fn is_description(body: &Value) -> bool {
    body["type"] == "OFFER" || body["type"] == "ANSWER"
}

#[test]
fn a_candidate_that_comes_before_its_description_is_used_after_it() {
    let (_server, url) = Program::server(["--open-topics"]);
    let scratch = Scratch::new("early");
    let reports = ["one.json", "two.json"].map(|name| scratch.file(name));
    let json = reports.each_ref().map(|path| format!("--json={}", path.display()));
    let args = |room, json| ["join", room, "--server", url.as_str(), "--duration", "1s", json];
    let mut caller = Side::prepare(|| Running::start(args("one", &json[0])), &url, "one", true);
    let mut callee = Side::prepare(|| Running::partner(args("two", &json[1])), &url, "two", false);
    let mut kept: [Option<Value>; 2] = [None, None];
    let mut early = [0, 0];
    carry(&mut caller, &mut callee, |way, body| {
        // Whoever is tired of waiting offers too; by then the candidates have come.
        if is_description(&body) && early[way] == 0 {
            kept[way] = Some(body);
            return Vec::new();
        }
        early[way] += usize::from(!is_description(&body));
        std::iter::once(body).chain(kept[way].take()).collect()
    });
    assert!(early.iter().all(|candidates| *candidates > 0), "{early:?}");
    for (side, report) in [caller, callee].into_iter().zip(&reports) {
        assert_media_arrived(&side.peer.wait_for_file(report));
    }
}

#[test]
fn peers_that_never_learn_of_each_others_addresses_say_so() {
    let (_server, url) = Program::server(["--open-topics"]);
    let args = |room| ["join", room, "--server", url.as_str(), "--connect-timeout", "10s", "--json"];
    let mut caller = Side::prepare(|| Running::start(args("one")), &url, "one", true);
    let mut callee = Side::prepare(|| Running::partner(args("two")), &url, "two", false);
    carry(&mut caller, &mut callee, |_, mut body| {
        if !is_description(&body) {
            return Vec::new();
        }
        let sdp = body["sdp"].as_str().unwrap();
        let without: String = sdp.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate")).collect();
        body["sdp"] = without.into();
        vec![body]
    });
    // Whoever gives up first leaves, and the stranger tells the other one so.
    let ends = [caller, callee].map(|side| side.peer.wait());
    assert!(ends.iter().any(|end| end.text("/verdict/code") == "NO_CANDIDATES" && end.code == 14), "{ends:?}");
    for end in &ends {
        assert!(["NO_CANDIDATES", "PEER_LEFT"].contains(&end.text("/verdict/code")), "{}", end.report);
    }
}
