//! What can be wrong in a room before anybody offers anything.

use dialtone_tests::{Call, Client, Deed, Meddler, Program, Running, Scratch};
use dialtone_wire::stomp::{Command, Frame};

use super::join;
use crate::PLAIN;

/// A server that lets in by invitation only, in the form in which ours refuses other things.
pub(super) fn refused_join(_: &Scratch) -> Call {
    const WORDS: &str = "this room is by invitation";
    let (_server, url) = Program::server(PLAIN);
    let meddler = Meddler::before(&url, |passing| {
        if !passing.is_sent_to("/join") {
            return Deed::Pass;
        }
        let refusal = Frame::new(Command::Message)
            .header("destination", "/user/queue/system")
            .header("subscription", "sub-1")
            .header("message-id", "refusal-1")
            .header("content-type", "application/json")
            .body(format!(r#"{{"code":"NOT_INVITED","message":"{WORDS}"}}"#));
        Deed::Answer(vec![refusal])
    });
    let call = join(&meddler.url(), &[]);
    assert!(call.text("/verdict/sentence").contains(WORDS), "{}", call.report);
    call
}

/// The peer asks again and again, for 10 s.
pub(super) fn swallowed_join(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let meddler = Meddler::before(&url, |passing| if passing.is_sent_to("/join") { Deed::Swallow } else { Deed::Pass });
    join(&meddler.url(), &[])
}

pub(super) fn lost_while_waiting(scratch: &Scratch) -> Call {
    let (server, url) = Program::server(PLAIN);
    let (peer, report) = start_join(scratch, &url, &["--wait", "10s"]);
    server.crash();
    peer.wait_for_file(&report)
}

pub(super) fn full(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let mut members = [Client::member(&url, "r"), Client::member(&url, "r")];
    for member in &mut members {
        member.hears("READY");
    }
    join(&url, &[])
}

pub(super) fn nobody(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    join(&url, &["--wait", "1s"])
}

pub(super) fn leaver(scratch: &Scratch) -> Call {
    against(scratch, |stranger| {
        stranger.send("SEND\ndestination:/app/rooms/r/leave\n\n\0");
        stranger.hears("LEAVE");
    })
}

/// No resume was asked for, so the seat is given back with the socket.
pub(super) fn vanisher(scratch: &Scratch) -> Call {
    against(scratch, |stranger| {
        let another = Client::dial(stranger.url());
        std::mem::replace(stranger, another).vanish();
    })
}

/// A peer against a stranger that joins and then does what `act` says.
fn against(scratch: &Scratch, act: impl FnOnce(&mut Client)) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let (peer, report) = start_join(scratch, &url, &[]);
    let mut stranger = Client::member(&url, "r");
    stranger.hears("READY");
    act(&mut stranger);
    peer.wait_for_file(&report)
}

/// A peer that waits in the room, and where its report will be.
fn start_join(scratch: &Scratch, url: &str, options: &[&str]) -> (Running, std::path::PathBuf) {
    let report = scratch.file("report.json");
    let json = format!("--json={}", report.display());
    let peer = Running::partner(["join", "r", "--server", url, &json].into_iter().chain(options.iter().copied()));
    peer.program().says(&["waiting for the other side"]);
    (peer, report)
}
