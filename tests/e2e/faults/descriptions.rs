//! What can be wrong with offers and answers.

use dialtone_tests::{Call, Client, Deed, Meddler, Program, Running, Scratch};

use super::{call, join};
use crate::PLAIN;

/// The stranger is the one to offer. The peer does so in its place after a while, which does not help.
pub(super) fn silent_caller(scratch: &Scratch) -> Call {
    against(scratch, Role::Callee, &["--connect-timeout", "4s"], |stranger| {
        stranger.hears(r#""OFFER""#);
        stranger.hears("LEAVE");
    })
}

pub(super) fn silent_callee(scratch: &Scratch) -> Call {
    against(scratch, Role::Caller, &["--connect-timeout", "4s"], |stranger| {
        stranger.hears(r#""OFFER""#);
        stranger.hears("LEAVE");
    })
}

pub(super) fn swallowed_offers(_: &Scratch) -> Call {
    swallowing("OFFER")
}

pub(super) fn swallowed_answers(_: &Scratch) -> Call {
    swallowing("ANSWER")
}

/// A call in which no description of one kind arrives. Both sides lose patience at about the same time; which of them
/// sees the other one leave is chance, and must not matter.
fn swallowing(kind: &'static str) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let meddler = Meddler::before(&url, move |passing| if passing.is_sent(kind) { Deed::Swallow } else { Deed::Pass });
    call(&meddler.url(), &["--connect-timeout", "4s"])
}

/// The side that answered has given up on its checks long before the other one gives up on the answer.
pub(super) fn swallowed_answers_with_patience(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let meddler = Meddler::before(&url, |passing| if passing.is_sent("ANSWER") { Deed::Swallow } else { Deed::Pass });
    // It counts against nothing: for half a minute it only waits.
    let server = meddler.url();
    let call = Running::partner(["call", "--server", &server, "--json", "--connect-timeout", "90s"]).wait();
    let ends: Vec<_> = (0..2).map(|peer| call.text(&format!("/peers/{peer}/end"))).collect();
    assert!(ends.contains(&"ice-failed") && ends.contains(&"peer-left"), "{}", call.report);
    call
}

pub(super) fn bad_offer(scratch: &Scratch) -> Call {
    against(scratch, Role::Callee, &[], |stranger| {
        stranger.signal("r", r#"{"type":"OFFER","sdp":"this is no description"}"#);
        stranger.hears("LEAVE");
    })
}

pub(super) fn bad_answer(scratch: &Scratch) -> Call {
    against(scratch, Role::Caller, &[], |stranger| {
        stranger.hears(r#""OFFER""#);
        stranger.signal("r", r#"{"type":"ANSWER","sdp":"v=0\r\nnonsense"}"#);
        stranger.hears("LEAVE");
    })
}

/// RFC 5737: an address of documentation, which no machine has.
pub(super) fn foreign_address(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    join(&url, &["--bind", "192.0.2.1:0"])
}

pub(super) fn no_relay_named(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    join(&url, &["--relay-only"])
}

/// What the peer is to be: the one with the smaller session id calls.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Caller,
    Callee,
}

/// A peer in its role against a stranger that joins and then does what `act` says.
fn against(scratch: &Scratch, role: Role, options: &[&str], act: impl FnOnce(&mut Client)) -> Call {
    let (_server, url) = Program::server(["--open-topics"]);
    let report = scratch.file("report.json");
    let json = format!("--json={}", report.display());
    let mut watcher = Client::connect(&url);
    watcher.listen("", "r");
    let peer = Running::start(["join", "r", "--server", &url, &json].into_iter().chain(options.iter().copied()));
    let members: Vec<String> = serde_json::from_str(&watcher.heard().body).unwrap();
    let suits = |stranger: &Client| (members[0].as_str() < stranger.sid()) == (role == Role::Caller);
    // Ids are random: one in two suits, unless the peer's own is extreme.
    let mut stranger = (0..500).map(|_| Client::connect(&url)).find(suits).expect("one of 500 random ids suits");
    stranger.listen("", "r");
    stranger.join("r");
    stranger.hears("READY");
    act(&mut stranger);
    peer.wait_for_file(&report)
}
