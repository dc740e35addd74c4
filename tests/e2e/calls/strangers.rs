//! A real peer and a scripted one that behaves badly.

use dialtone_tests::{Call, Client, Program, Running, Scratch};

use super::assert_phases;
use crate::PLAIN;

/// How long the peer waits for media where none will come: so long that a busy machine does not run out of it first.
const PATIENCE: [&str; 2] = ["--connect-timeout", "10s"];

/// Runs a peer against a stranger that joins the peer's room and then does what `act` says.
fn against(name: &str, options: &[&str], act: impl FnOnce(&mut Client)) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let scratch = Scratch::new(name);
    let report = scratch.file("report.json");
    let json = format!("--json={}", report.display());
    // No place is taken: it does little but wait.
    let peer = Running::partner(["join", "r", "--server", &url, &json].into_iter().chain(options.iter().copied()));
    peer.program().says(&["waiting for the other side"]);
    let mut stranger = Client::member(&url, "r");
    stranger.hears("READY");
    act(&mut stranger);
    peer.wait_for_file(&report)
}

/// Whichever session id is the smaller one was to offer.
fn assert_nothing_was_said(call: &Call) {
    let code = call.text("/verdict/code");
    assert!(["NO_OFFER", "NO_ANSWER"].contains(&code), "{code}\n{}", call.stdout);
    call.assert_verdict(code, 13);
}

#[test]
fn an_offer_that_does_not_parse_is_refused() {
    let call = against("offer", &[], |stranger| {
        stranger.signal("r", r#"{"type":"OFFER","sdp":"this is no description"}"#);
        stranger.hears("LEAVE");
    });
    call.assert_verdict("DESCRIPTION_REFUSED", 13);
    assert_phases(&call, 0, &["ready", "offer-received"]);
    assert!(call.text("/verdict/sentence").contains("offer"), "{}", call.report);
}

#[test]
fn an_answer_that_does_not_parse_is_refused() {
    let call = against("answer", &[], |stranger| {
        // Whichever session id is the smaller one: the peer offers at once, or after two seconds without an offer.
        stranger.hears(r#""OFFER""#);
        stranger.signal("r", r#"{"type":"ANSWER","sdp":"v=0\r\nnonsense"}"#);
        stranger.hears("LEAVE");
    });
    call.assert_verdict("DESCRIPTION_REFUSED", 13);
    assert_phases(&call, 0, &["ready", "offer-sent", "answer-received"]);
}

#[test]
fn candidates_and_answers_out_of_place_do_not_disturb_the_call() {
    let call = against("out-of-place", &PATIENCE, |stranger| {
        stranger.signal("r", r#"{"type":"CANDIDATE","candidate":null}"#);
        stranger.signal("r", r#"{"type":"CANDIDATE","candidate":{"candidate":"nonsense","sdpMid":"9"}}"#);
        stranger.signal("r", r#"{"type":"CANDIDATE","candidate":"flat nonsense","sdpMid":"0","sdpMLineIndex":0}"#);
        stranger.hears(r#""LEAVE""#);
    });
    assert_nothing_was_said(&call);
}

#[test]
fn who_comes_and_says_nothing_is_told_from_who_never_came() {
    let call = against("silent", &PATIENCE, |stranger| {
        stranger.hears(r#""LEAVE""#);
    });
    assert_nothing_was_said(&call);
    assert_phases(&call, 0, &["ready", "offer-sent"]);
}

#[test]
fn who_comes_and_goes_before_media_is_told() {
    let call = against("goes", &[], |stranger| {
        stranger.send("DISCONNECT\n\n\0");
        assert_eq!(stranger.closed(), 1000);
    });
    call.assert_verdict("PEER_LEFT", 12);
}

#[test]
fn who_vanishes_without_a_word_before_media_is_told() {
    let call = against("vanishes", &[], |stranger| {
        // No resume was asked for, so the seat is given back with the socket.
        let another = Client::dial(stranger.url());
        std::mem::replace(stranger, another).vanish();
    });
    call.assert_verdict("PEER_LEFT", 12);
}
