//! The course of a call: a page that is reloaded, closed, hidden or crashes, a server that is another one all of a sudden.
//! `glare` is offers that cross each other, `traces` what calls leave behind.

use std::net::SocketAddr;

use dialtone_tests::{Forward, Ground, Program, Running, wait_until};

use super::{House, Stage, cable, is_missing};
use traces::has_seen;

mod glare;
mod traces;

/// A server that keeps the seat of a lost connection for longer than any test waits: so a seat that is free soon was
/// given up by a goodbye.
const PATIENT: [&str; 2] = ["--resume-grace", "600"];
/// One that keeps it so long that a page could come back, and no longer.
const HASTY: [&str; 2] = ["--resume-grace", "2"];

#[test]
fn a_page_that_is_reloaded_or_closed_or_leaves_gives_its_place_to_the_next_one() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &PATIENT);
    let mut stage = house.stage(&["--one-browser"]);
    begin(&mut stage, "seat", "");
    stage.all(&["b reload", "a wait waiting", "b wait lobby", "b join"]);
    both_receive(&mut stage);
    stage.all(&["b close", "a wait waiting"]);
    assert_eq!(stage.says("a")["why"], "left");
    stage.all(&["b open /r/seat?media=pattern&peer=7", "b join"]);
    both_receive(&mut stage);
    stage.all(&["c open /r/seat?media=pattern&peer=8", "c join", "c wait full"]);
    stage.all(&["b press leave", "b wait ended", "c press again"]);
    receives(&mut stage, "a", 8, 416);
    receives(&mut stage, "c", 6, 412);
}

#[test]
fn peer_cli_sees_a_page_leave_that_is_reloaded_or_closed_and_the_next_one_finds_it() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &PATIENT);
    let mut stage = house.stage(&[]);
    stage.all(&["a browser tabs", "a open /r/mixed?media=pattern&peer=7", "a join", "a wait waiting"]);
    let peer = house.peer("mixed", &[]);
    receives(&mut stage, "a", 6, 412);
    stage.does("a reload");
    saw_it_leave(peer);

    stage.all(&["a wait lobby", "a join", "a wait waiting"]);
    let peer = house.peer("mixed", &[]);
    receives(&mut stage, "a", 6, 412);
    let sent = is_hidden_and_goes_on(&mut stage);
    goes_on(&mut stage, "a", "");
    stage.does("a close");
    let stamped = saw_it_leave(peer);
    assert!(stamped > sent + 30.0, "{stamped} pictures of the page arrived, and it was hidden after {sent}");
}

#[test]
fn a_hidden_firefox_sends_on_and_says_that_it_sees_nothing_and_leaves_when_it_is_closed() {
    if is_missing(&["firefox-esr"]) {
        return;
    }
    let Some(ground) = cable() else { return };
    let house = House::open(&ground, &PATIENT);
    let mut stage = house.stage(&[]);
    stage.all(&["a browser firefox", "a open /r/hidden?media=pattern&peer=7", "a join", "a wait waiting"]);
    let peer = house.peer("hidden", &[]);
    stage.all(&["a wait connected", "a until d.far.peer===6 && d.far.stamped>10 && d.far.isBlind===false"]);
    let sent = is_hidden_and_goes_on(&mut stage);
    assert_eq!(stage.says("a")["far"]["isBlind"], true);
    stage.does("a close");
    let stamped = saw_it_leave(peer);
    assert!(stamped > sent + 30.0, "{stamped} pictures of the page arrived, and it was hidden after {sent}");
}

#[test]
fn a_browser_that_crashes_is_waited_for_and_then_gone() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &HASTY);
    let mut stage = house.stage(&[]);
    stage.does("b browser tabs");
    begin(&mut stage, "crash", "");
    stage.all(&["b crash", "a wait waiting"]);
    assert_eq!(stage.says("a")["why"], "left");
    stage.all(&["a close", "b open /r/again?media=pattern&peer=7", "b join", "b wait waiting"]);
    let peer = house.peer("again", &[]);
    receives(&mut stage, "b", 6, 412);
    stage.does("b crash");
    // How the media of a lost page is judged is a matter of how long it was waited for.
    let call = peer.wait();
    assert_eq!(call.text("/peers/0/end"), "peer-left", "{}", call.report);
    assert!(wait_until(|| has_seen(&house, "left ") == 4), "{}", house.server.stderr());
}

#[test]
fn a_call_goes_on_while_the_server_is_exchanged() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let open = || Program::server(["--origin", "any"]);
    let (first, url) = open();
    let forward = Forward::to(address(&url));
    let (http, ws) = (format!("http://{}", forward.address()), format!("ws://{}/ws", forward.address()));
    let mut stage = Stage::begin(&ground, &http, &["--one-browser"]);
    begin(&mut stage, "server", "");
    forward.lead_to(None);
    first.crash();
    for page in ["a", "b"] {
        stage.does(&format!("{page} until d.signaling==='lost'"));
        goes_on(&mut stage, page, "&& d.signaling==='lost' && d.status!=='Connected'");
    }
    let (second, url) = open();
    forward.lead_to(Some(address(&url)));
    for page in ["a", "b"] {
        stage.does(&format!("{page} until d.signaling==='open'"));
        goes_on(&mut stage, page, "&& d.status==='Connected'");
    }
    // The next thing that needs a server.
    stage.all(&["b press leave", "a wait waiting", "b wait ended", "b press again"]);
    both_receive(&mut stage);
    stage.all(&["b press leave", "b wait ended", "a wait waiting"]);

    // The same with peer-cli, and with a server that says that it goes.
    let house = House { ground: &ground, server: second, http, ws };
    let peer = house.peer("server", &[]);
    receives(&mut stage, "a", 6, 412);
    forward.lead_to(None);
    drop(house);
    stage.does("a until d.signaling==='lost'");
    goes_on(&mut stage, "a", "");
    let (third, url) = open();
    forward.lead_to(Some(address(&url)));
    stage.does("a until d.signaling==='open'");
    assert!(wait_until(|| third.stderr().matches("joined room=").count() == 2), "{}", third.stderr());
    goes_on(&mut stage, "a", "");
    stage.does("a press leave");
    let call = peer.wait();
    call.assert_verdict("OK", 0);
    assert_eq!(call.text("/peers/0/end"), "peer-left");
    for phase in ["signaling-lost", "signaling-back"] {
        assert!(call.phases(0).contains(&phase), "{:?}", call.phases(0));
    }
}

#[test]
fn a_page_keeps_its_seat_over_a_lost_connection_and_gives_it_up_when_it_leaves_without_one() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &PATIENT);
    let mut stage = house.stage(&["--one-browser"]);
    stage.does("a wire");
    begin(&mut stage, "line", "");
    let sid = stage.says("a")["sid"].take();
    stage.all(&["a cut", "a until d.signaling==='lost'"]);
    goes_on(&mut stage, "a", "&& d.signaling==='lost'");
    stage.all(&["a mend", "a until d.signaling==='open'"]);
    assert_eq!(stage.says("a")["sid"], sid);
    goes_on(&mut stage, "b", "");
    // It leaves, and the server hears of it as soon as it can.
    let leaves = ["a cut", "a until d.signaling==='lost'", "a press leave", "a wait ended"];
    stage.all(&leaves);
    stage.all(&["a mend", "b wait waiting", "a press again"]);
    both_receive(&mut stage);
    // It is back before the server has heard: its own old seat is not in its way.
    stage.all(&leaves);
    stage.all(&["a press again", "a mend"]);
    both_receive(&mut stage);
    stage.all(&["a press leave", "b wait waiting"]);
}

/// Two pages in a call: a is peer 6, and b, which comes second, peer 7.
#[track_caller]
fn begin(stage: &mut Stage, room: &str, query: &str) {
    for (page, peer) in [("a", 6), ("b", 7)] {
        stage.does(&format!("{page} open /r/{room}?media=pattern&peer={peer}{query}"));
    }
    stage.all(&["a join", "a wait waiting", "b join"]);
    both_receive(stage);
}

#[track_caller]
fn both_receive(stage: &mut Stage) {
    receives(stage, "a", 7, 1012);
    receives(stage, "b", 6, 412);
}

/// Waits until the page is in a call in which it sees that peer's picture and hears its tone.
#[track_caller]
fn receives(stage: &mut Stage, page: &str, peer: u32, tone: u32) {
    stage.does(&format!("{page} wait connected"));
    let far = format!("d.far.peer==={peer} && d.far.stamped>20 && Math.abs(d.far.toneHz-{tone})<10");
    stage.does(&format!("{page} until d.state==='connected' && {far}"));
}

/// Waits until the page has seen more pictures than now, with sound, in a call that is connected; `and` something.
#[track_caller]
fn goes_on(stage: &mut Stage, page: &str, and: &str) {
    let seen = stage.says(page)["far"]["stamped"].take();
    stage.does(&format!("{page} until d.far.stamped>{seen}+30 && d.far.toneHz>0 && d.state==='connected' {and}"));
}

/// Puts another tab in front of page a and waits until it has sent more; how many pictures it had sent when it was hidden.
#[track_caller]
fn is_hidden_and_goes_on(stage: &mut Stage) -> f64 {
    stage.all(&["a until d.stats?.sent.frames>0", "a hide"]);
    let sent = stage.says("a")["stats"]["sent"]["frames"].as_f64().expect("a call has figures");
    stage.does(&format!("a until d.state==='connected' && d.stats?.sent.frames>{sent}+60 && d.far.toneHz>0"));
    sent
}

/// Waits for the end of a good call of `peer-cli` whose other side has left; how many pictures of it arrived.
#[track_caller]
fn saw_it_leave(peer: Running) -> f64 {
    let call = peer.wait();
    call.assert_verdict("OK", 0);
    assert_eq!(call.text("/peers/0/end"), "peer-left", "{}", call.report);
    call.number("/directions/0/video/stamped")
}

/// Where a server listens that told this URL.
fn address(url: &str) -> SocketAddr {
    let address = url.strip_prefix("ws://").and_then(|rest| rest.strip_suffix("/ws"));
    address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("{url:?} is not ws://ADDRESS/ws"))
}
