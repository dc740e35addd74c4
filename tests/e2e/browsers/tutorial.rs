//! A page as a tutorial for Spring would write it, `tests/js/tutorial`, served from an origin of its own: it calls our page,
//! `peer-cli` and itself, by its own rule of who calls. It cannot be told to roll back, and queues nothing.

use std::collections::BTreeSet;

use dialtone_tests::{Ground, Program, wait_until};
use serde_json::Value;

use super::{House, STEP, STEP_WAITS, Stage, is_missing, scripts, skip};

/// Moving pictures and sound arrive from a far end whose pictures are stamped.
const STAMPED: &str = "t until s.frames>30 && s.pictures>5 && s.energy>0 && s.peers.length>0";
/// How often a call is placed at most until each side had the smaller session id once: ids are dice.
const MOST_THROWS: usize = 6;

/// How the page of the tutorial is opened, and when.
#[derive(Debug, Clone, Copy)]
struct Way {
    is_first: bool,
    transport: &'static str,
    candidates: &'static str,
    /// Its rule of who calls, as its address says it.
    caller: &'static str,
    /// As a caller it does not hear the offers of others.
    is_stubborn: bool,
}

/// Each transport and each form of candidates with each order of coming, and every rule.
const WAYS: [Way; 4] = [
    way(true, "websocket", "nested", "smallest"),
    way(true, "sockjs", "flat", "first"),
    way(false, "websocket", "flat", "largest"),
    way(false, "sockjs", "nested", "second"),
];

const fn way(is_first: bool, transport: &'static str, candidates: &'static str, caller: &'static str) -> Way {
    Way { is_first, transport, candidates, caller, is_stubborn: false }
}

/// Against our rule in any case: either both call, or nobody does.
const STUBBORN: Way = Way { is_stubborn: true, ..way(true, "websocket", "nested", "largest") };

impl Way {
    fn open(self, page: &str, house: &House<'_>, room: &str) -> String {
        let Self { transport, candidates, caller, .. } = self;
        let stubborn = if self.is_stubborn { "&stubborn" } else { "" };
        let server = &house.http;
        format!(
            "{page} open server={server}&room={room}&transport={transport}&candidates={candidates}&caller={caller}{stubborn}"
        )
    }

    /// Fails unless the page got what a page deserves; whether its session id was the smaller one.
    #[track_caller]
    fn check(self, seen: &Value, stamped_by: u32) -> bool {
        assert_eq!(seen["status"], "connected", "{self:?}: {seen:#}");
        assert_eq!(seen["peers"], serde_json::json!([stamped_by]), "{self:?}: {seen:#}");
        let socket = seen["sockets"][0].as_str().unwrap_or_default();
        assert_eq!(socket.ends_with("/websocket"), self.transport == "sockjs", "{self:?}: {socket}");
        let is_smaller = other(seen).is_some_and(|other| seen["sid"].as_str() < Some(other));
        let calls = match self.caller {
            "smallest" => is_smaller,
            "largest" => !is_smaller,
            first_or_second => self.is_first == (first_or_second == "first"),
        };
        let signals = seen["signals"].as_array().map_or(&[][..], Vec::as_slice);
        let count = |signal: &str| signals.iter().filter(|seen| *seen == signal).count();
        // It hears its own offers too. Where both called, what it stumbles over is its own doing.
        let both_called = calls && count("< OFFER") > count("> OFFER");
        assert!(both_called || seen["faults"] == serde_json::json!([]), "{self:?}: {seen:#}");
        is_smaller
    }
}

/// The session id of the other member.
fn other(seen: &Value) -> Option<&str> {
    let members = seen["members"].as_array()?;
    members.iter().find(|sid| **sid != seen["sid"])?.as_str()
}

#[test]
fn a_page_of_a_tutorial_and_our_page_call_each_other() {
    let ground = Ground::loopback();
    let Some((mut tutorial, origin)) = tutorial(&ground) else { return };
    let house = House::of_origin(&ground, Some(&origin), &[]);
    let mut stage = house.stage(&["--one-browser"]);
    let mut call = |room: String, way: Way| {
        tutorial.does(&way.open("t", &house, &room));
        stage.does(&format!("a open /r/{room}?media=pattern&peer=7"));
        if way.is_first {
            tutorial.all(&["t join", "t until s.members.length===1"]);
            stage.does("a join");
        } else {
            stage.all(&["a join", "a wait waiting"]);
            tutorial.does("t join");
        }
        stage.all(&["a wait connected", "a until d.stats?.received.frames>30 && d.stats.received.audioEnergy>0"]);
        let seen = tutorial.does(STAMPED)["snapshot"].take();
        assert_eq!(stage.says("a")["state"], "connected", "{way:?}");
        let is_smaller = way.check(&seen, 7);
        if way.is_first {
            tutorial.does("t leave");
            stage.does("a wait waiting");
        } else {
            stage.does("a press leave");
            tutorial.does("t until s.status.includes('left')");
        }
        tutorial.does("t close");
        stage.does("a close");
        is_smaller
    };
    every_way(&mut call);
}

#[test]
fn a_page_of_a_tutorial_and_peer_cli_call_each_other() {
    let ground = Ground::loopback();
    let Some((mut tutorial, _)) = tutorial(&ground) else { return };
    let house = House::open(&ground, &[]);
    let mut call = |room: String, way: Way| {
        tutorial.does(&way.open("t", &house, &room));
        let peer = if way.is_first {
            tutorial.all(&["t join", "t until s.members.length===1"]);
            house.peer(&room, &[])
        } else {
            let peer = house.peer(&room, &[]);
            assert!(wait_until(|| peer.program().stderr().contains("waiting")), "{}", peer.program().stderr());
            tutorial.does("t join");
            peer
        };
        let seen = tutorial.does(STAMPED)["snapshot"].take();
        let has_both = || {
            let said = peer.program().stderr();
            ["first picture decoded", "first sound decoded"].iter().all(|phase| said.contains(phase))
        };
        assert!(wait_until(has_both), "{way:?}: {}", peer.program().stderr());
        tutorial.all(&["t leave", "t close"]);
        let is_smaller = way.check(&seen, 6);
        let call = peer.wait();
        call.assert_verdict("OK", 0);
        // A camera's pictures: they were decoded and are not ours.
        assert_eq!(call.at("/directions/0/video/stamped"), 0, "{}", call.report);
        assert_eq!(call.at("/directions/0/video/decode_errors"), 0, "{}", call.report);
        is_smaller
    };
    every_way(&mut call);
}

#[test]
fn two_pages_of_a_tutorial_call_each_other_and_only_from_where_they_may() {
    let ground = Ground::loopback();
    let Some((mut tutorial, _)) = tutorial(&ground) else { return };
    let house = House::open(&ground, &[]);
    for (page, way) in [("t", WAYS[0]), ("u", Way { caller: "smallest", ..WAYS[1] })] {
        tutorial.does(&way.open(page, &house, "two"));
        tutorial.does(&format!("{page} join"));
    }
    for page in ["t", "u"] {
        let until = format!("{page} until s.frames>30 && s.pictures>5 && s.energy>0");
        let seen = tutorial.does(&until)["snapshot"].take();
        assert_eq!((&seen["status"], &seen["faults"]), (&"connected".into(), &serde_json::json!([])), "{seen:#}");
    }
    tutorial.does("t leave");
    tutorial.all(&["u until s.status.includes('left')", "t close", "u close"]);

    let house = House::of_origin(&ground, None, &[]);
    for way in [WAYS[0], WAYS[1]] {
        tutorial.does(&way.open("t", &house, "elsewhere"));
        tutorial.does("t join");
        let seen = tutorial.does("t until s.status==='Disconnected'")["snapshot"].take();
        assert_eq!(seen["sid"], Value::Null, "{seen:#}");
        tutorial.does("t close");
    }
}

/// Places a call in each way, and stubborn ones until each side had the smaller session id.
fn every_way(call: &mut dyn FnMut(String, Way) -> bool) {
    for (number, way) in WAYS.into_iter().enumerate() {
        call(format!("way-{number}"), way);
    }
    let mut thrown = BTreeSet::new();
    for number in 0..MOST_THROWS {
        thrown.insert(call(format!("stubborn-{number}"), Way { is_first: number % 2 == 0, ..STUBBORN }));
        if thrown.len() == 2 {
            return;
        }
    }
}

/// The tutorial's own web server and browser, and its origin; `None`: something is missing.
fn tutorial(ground: &Ground) -> Option<(Stage, String)> {
    if is_missing(&["chromium"]) {
        return None;
    }
    if !scripts().join("node_modules/sockjs-client").is_dir() {
        skip("its packages are not installed: npm ci --prefix tests/js");
        return None;
    }
    let mut command = ground.command("node");
    command.arg(scripts().join("tutorial/drive.mjs")).args(["--limit", STEP_WAITS]);
    let (program, input) = Program::spawn_to_tell("node", &mut command);
    let origin = origin(&program.answers("{\"number\":0,", STEP));
    Some((Stage { program, input, number: 0 }, origin))
}

fn origin(first: &str) -> String {
    let first: Value = serde_json::from_str(first).expect("an answer is JSON");
    first["origin"].as_str().expect("it tells its origin").to_owned()
}
