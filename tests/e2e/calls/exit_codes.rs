//! Every way to fail has its exit code, and `--help` knows them all.

use std::collections::BTreeSet;

use dialtone_peer::verdict::Cause;
use dialtone_tests::{Client, LIMIT, Program, Running, Scratch, Signal, fixture, peer_cli};

use crate::PLAIN;

const USAGE: u8 = 64;

#[test]
fn help_documents_every_exit_code() {
    for command in [&["--help"][..], &["call", "--help"], &["join", "--help"]] {
        let help = Program::start("peer-cli", command).wait(LIMIT);
        assert_eq!(help.code, Some(0));
        let documented: BTreeSet<u8> = help
            .stdout
            .lines()
            .skip_while(|line| !line.starts_with("Exit codes"))
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect();
        let given: BTreeSet<u8> = Cause::ALL.iter().map(|cause| cause.exit_code()).chain([USAGE, 1]).collect();
        assert_eq!(documented, given, "{}", help.stdout);
    }
}

#[test]
fn the_kinds_of_failure_have_codes_of_their_own() {
    let kinds = [
        Cause::Ok,
        Cause::SignalingUnreachable,
        Cause::RoomFull,
        Cause::NobodyCame,
        Cause::NoAnswer,
        Cause::IceFailed,
        Cause::NoMedia,
        Cause::NotDecodable,
        Cause::QualityBelowExpected,
        Cause::TimedOut,
    ];
    let codes: BTreeSet<u8> = kinds.iter().map(|cause| cause.exit_code()).chain([USAGE, 1]).collect();
    assert_eq!(codes.len(), kinds.len() + 2);
    let names: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    assert_eq!(names.len(), Cause::ALL.len(), "every cause has a name of its own");
}

#[test]
fn a_full_room_takes_no_third() {
    let (_server, url) = Program::server(PLAIN);
    let mut members = [Client::member(&url, "r"), Client::member(&url, "r")];
    for member in &mut members {
        member.hears("READY");
    }
    let third = peer_cli(["join", "r", "--server", &url, "--json"]);
    third.assert_verdict("ROOM_FULL", 11);
    for member in &mut members {
        assert_eq!(member.fence(), [], "nobody in the room notices");
    }
}

#[test]
fn nobody_comes() {
    let (_server, url) = Program::server(PLAIN);
    peer_cli(["join", "r", "--server", &url, "--wait", "1s", "--json"]).assert_verdict("NOBODY_CAME", 12);
}

#[test]
fn the_time_for_the_whole_run_is_over() {
    let (_server, url) = Program::server(PLAIN);
    let call = peer_cli(["join", "r", "--server", &url, "--timeout", "1s", "--json"]);
    call.assert_verdict("TIMED_OUT", 17);
    assert!(call.text("/verdict/sentence").contains("waiting"), "it says how far it came: {}", call.report);
}

#[test]
fn stopping_before_there_is_anything_to_judge_is_neither_good_nor_bad() {
    let (_server, url) = Program::server(PLAIN);
    let scratch = Scratch::new("interrupted");
    let report = scratch.file("report.json");
    let json = format!("--json={}", report.display());
    let mut watcher = Client::member(&url, "other");
    let join = Running::start(["join", "r", "--server", &url, &json]);
    join.program().says(&["waiting for the other side"]);
    join.program().signal(Signal::SIGTERM);
    join.wait_for_file(&report).assert_verdict("INTERRUPTED", 130);
    assert_eq!(watcher.fence(), []);
}

#[test]
fn a_file_that_is_no_media_is_named_before_anything_starts() {
    let text = fixture("README.md");
    let text = text.to_str().unwrap();
    for (option, file) in [("--video", text), ("--audio", text), ("--video", "/nowhere/clip.webm")] {
        let call = peer_cli(["call", option, file]);
        assert_eq!(call.code, i32::from(USAGE), "{option} {file}: {}", call.stderr);
        assert!(call.stderr.contains(file), "{option} {file}: {}", call.stderr);
    }
}

#[test]
fn relayed_media_without_a_relay_is_told() {
    let (_server, url) = Program::server(PLAIN);
    let call = peer_cli(["call", "--server", &url, "--relay-only", "--json"]);
    call.assert_verdict("ENGINE_FAILED", 13);
}
