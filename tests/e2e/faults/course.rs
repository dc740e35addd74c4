//! What can be wrong with the run as a whole.

use dialtone_tests::{Call, Program, Running, Scratch, Signal, peer_cli};

use super::join;
use crate::PLAIN;

/// A call whose signaling server dies while both sides see and hear each other.
pub(crate) fn lost_in_call(scratch: &Scratch) -> Call {
    let (server, url) = Program::server(PLAIN);
    let report = scratch.file("report.json");
    let json = format!("--json={}", report.display());
    let call = Running::start(["call", "--server", &url, "--duration", "3s", &json]);
    for peer in ["alice", "bob"] {
        call.program().says(&[peer, "first picture decoded"]);
        call.program().says(&[peer, "first sound decoded"]);
    }
    server.crash();
    call.wait_for_file(&report)
}

/// More pictures than anybody sends.
pub(super) fn missed_expectation(_: &Scratch) -> Call {
    const MISSED: &str = "video.fps>1000";
    let fine = "setup_ms<60s";
    let call = peer_cli(["call", "--expect", MISSED, "--expect", fine, "--duration", "2s", "--json"]);
    let checked = call.at("/expectations").as_array().map_or(&[][..], Vec::as_slice);
    let outcomes: Vec<_> = checked.iter().map(|one| (one["text"].as_str(), one["ok"].as_bool())).collect();
    assert_eq!(outcomes, [(Some(MISSED), Some(false)), (Some(fine), Some(true))], "{}", call.report);
    call
}

pub(super) fn too_long(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    join(&url, &["--timeout", "1s"])
}

pub(super) fn stopped(scratch: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let report = scratch.file("report.json");
    let json = format!("--json={}", report.display());
    let peer = Running::partner(["join", "r", "--server", &url, &json]);
    peer.program().says(&["waiting for the other side"]);
    peer.program().signal(Signal::SIGINT);
    peer.wait_for_file(&report)
}
