//! A signaling server that is not there, goes away, or comes back.

use std::net::SocketAddr;

use dialtone_tests::{Forward, Program, Running, Scratch, peer_cli};

use super::{assert_phases, assert_test_signals_arrived};
use crate::PLAIN;
use crate::closed::ClosedTcp;
use crate::faults::lost_in_call;

#[test]
fn a_server_that_is_not_there_is_told_with_its_address() {
    let closed = ClosedTcp::new();
    let address = closed.address().to_string();
    let call = peer_cli(["call", "--server", &format!("ws://{address}/ws"), "--json"]);
    call.assert_verdict("SIGNALING_UNREACHABLE", 10);
    assert!(call.text("/verdict/sentence").contains(&address), "{}", call.report);
    assert!(!call.text("/verdict/remedy").is_empty());
}

#[test]
fn a_server_that_speaks_no_websocket_is_told_apart() {
    let (_server, url) = Program::server(PLAIN);
    let elsewhere = format!("{}/nowhere", url.strip_suffix("/ws").unwrap());
    let call = peer_cli(["join", "r", "--server", &elsewhere, "--json"]);
    call.assert_verdict("SIGNALING_HTTP", 10);
    assert!(call.text("/verdict/sentence").contains("404"), "{}", call.report);
}

#[test]
fn media_goes_on_when_the_server_dies_in_mid_call() {
    let call = lost_in_call(&Scratch::new("mid-call"));
    call.assert_verdict("SIGNALING_LOST_IN_CALL", 0);
    assert_eq!(call.at("/verdict/ok"), true, "it is a warning");
    assert_test_signals_arrived(&call);
    for peer in 0..2 {
        assert_phases(&call, peer, &["connected", "signaling-lost", "hung-up"]);
    }
    // The pattern runs at 30 pictures per second; most of the three seconds lie after the crash.
    for direction in 0..2 {
        let span = call.number(&format!("/directions/{direction}/audio/seconds"));
        assert!(span > 2.0, "only {span} s of sound: {}", call.report);
    }
}

#[test]
fn a_server_that_comes_back_before_the_second_member_is_found_again() {
    let (server, url) = Program::server(PLAIN);
    let forward = Forward::to(address(&url));
    let url = format!("ws://{}/ws", forward.address());
    let scratch = Scratch::new("comes-back");
    let report = scratch.file("report.json");
    let json = format!("--json={}", report.display());
    let first = Running::start(["join", "r", "--server", &url, "--duration", "500ms", &json]);
    first.program().says(&["waiting for the other side"]);
    server.crash();
    first.program().says(&["signaling lost"]);
    let (_server, another) = Program::server(PLAIN);
    forward.lead_to(Some(address(&another)));
    first.program().says(&["signaling is back"]);
    let second = Running::partner(["join", "r", "--server", &url, "--duration", "500ms", "--json"]);
    first.wait_for_file(&report).assert_verdict("OK", 0);
    second.wait().assert_verdict("OK", 0);
}

#[test]
fn a_server_that_stays_away_before_the_second_member_came_ends_the_call() {
    let (server, url) = Program::server(PLAIN);
    let scratch = Scratch::new("stays-away");
    let report = scratch.file("report.json");
    let json = format!("--json={}", report.display());
    // No place is taken: it does nothing but wait, for as long as a lost server is looked for.
    let join = Running::partner(["join", "r", "--server", &url, "--wait", "5m", &json]);
    join.program().says(&["waiting for the other side"]);
    server.crash();
    let join = join.wait_for_file(&report);
    join.assert_verdict("SIGNALING_LOST", 10);
    assert_phases(&join, 0, &["joined", "waiting", "signaling-lost"]);
}

/// Where a server listens that told this url.
fn address(url: &str) -> SocketAddr {
    let address = url.strip_prefix("ws://").and_then(|rest| rest.strip_suffix("/ws"));
    address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("{url:?} is not ws://ADDRESS/ws"))
}
