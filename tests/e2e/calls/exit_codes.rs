//! Every way to fail has its exit code, and `--help` knows them all.

use std::collections::BTreeSet;
use std::process::Command;

use dialtone_peer::verdict::Cause;
use dialtone_tests::{Client, Finished, LIMIT, Program, Running, Scratch, Signal, fixture, peer_cli, program_path};

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

/// Nobody listens there.
const NOWHERE: [&str; 4] = ["join", "r", "--server", "ws://127.0.0.1:1/ws"];

#[test]
fn an_output_that_cannot_be_written_is_told_before_the_first_call() {
    let scratch = Scratch::new("unwritable");
    let (folder, taken) = (scratch.file("nowhere/report"), scratch.file("taken"));
    std::fs::write(&taken, "a file").unwrap();
    let (path, taken) = (folder.to_str().unwrap(), taken.to_str().unwrap());
    let json = format!("--json={path}");
    for options in
        [&[json.as_str()][..], &["--html", path], &["--junit", path], &["--markdown", path], &["--record", taken]]
    {
        let call = peer_cli(["call"].iter().chain(options));
        assert_eq!(call.code, i32::from(USAGE), "{options:?}: {}", call.stderr);
        assert!(call.stderr.contains(if options[0] == "--record" { taken } else { path }), "{}", call.stderr);
        assert!(!call.stdout.contains("WebSocket open"), "{options:?}: {}", call.stdout);
    }
    let twice = peer_cli(["call", "--html", taken, "--junit", taken]);
    assert_eq!(twice.code, i32::from(USAGE), "{}", twice.stderr);
    assert!(twice.stderr.contains("--html and --junit both go to"), "{}", twice.stderr);
    assert_eq!(std::fs::read_to_string(taken).unwrap(), "a file");
}

#[test]
fn a_report_that_is_lost_in_the_end_does_not_hide_the_verdict() {
    let failed = peer_cli(NOWHERE.iter().chain(&["--json=/dev/full"]));
    assert_eq!(failed.code, 10, "{}", failed.stderr);
    assert!(failed.stderr.contains("could not be written to /dev/full"), "{}", failed.stderr);
    let passed = peer_cli(["call", "--duration", "300ms", "--json=/dev/full"]);
    assert_eq!(passed.code, 1, "{}", passed.stderr);
}

#[test]
fn a_call_that_cannot_be_started_later_on_leaves_those_before_it() {
    let scratch = Scratch::new("unstarted");
    let (clip, report) = (scratch.file("clip.webm"), scratch.file("report.json"));
    std::fs::copy(fixture("bunny-vp8-opus.webm"), &clip).unwrap();
    let json = format!("--json={}", report.display());
    let video = clip.to_str().unwrap();
    let run = Running::start(["call", "--repeat", "3", "--duration", "2s", "--video", video, &json]);
    run.program().says(&["connected (DTLS)"]);
    std::fs::remove_file(&clip).unwrap();
    let run = run.wait_for_file(&report);
    run.assert_verdict("ENGINE_FAILED", 13);
    let counts = ["asked", "calls", "ok", "causes/ENGINE_FAILED"].map(|of| run.number(&format!("/repeat/{of}")));
    assert_eq!(counts, [3.0, 3.0, 1.0, 2.0], "{}", run.report);
    assert!(run.text("/repeat/runs/1/sentence").contains(video), "{}", run.report);
}

#[test]
fn a_stopped_repetition_reports_the_calls_that_were_over() {
    let scratch = Scratch::new("stopped");
    let report = scratch.file("report.json");
    let json = format!("--json={}", report.display());
    let run = Running::start(["call", "--repeat", "50", "--duration", "500ms", &json]);
    run.program().says(&["call 2 of 50"]);
    run.program().signal(Signal::SIGINT);
    let run = run.wait_for_file(&report);
    run.assert_verdict("INTERRUPTED", 130);
    let (asked, calls, ok) = (run.number("/repeat/asked"), run.number("/repeat/calls"), run.number("/repeat/ok"));
    assert!(asked == 50.0 && (1.0..50.0).contains(&calls) && ok == calls, "{}", run.report);
}

#[test]
fn an_expectation_on_how_many_may_fail_decides_instead_of_the_first_failure() {
    let failing = ["call", "--repeat", "2", "--server", "ws://127.0.0.1:1/ws"];
    assert_eq!(peer_cli(failing).code, 10);
    assert_eq!(peer_cli(failing.iter().chain(&["--expect", "failed_calls<=2"])).code, 0);
    assert_eq!(peer_cli(failing.iter().chain(&["--expect", "ok_percent>=50"])).code, 18);
}

#[test]
fn the_command_line_helps_whoever_gets_it_wrong() {
    let lesson = Program::start("peer-cli", [""; 0]).wait(LIMIT);
    assert_eq!(lesson.code, Some(i32::from(USAGE)));
    assert!(lesson.stderr.contains("peer-cli call "), "{}", lesson.stderr);
    for (args, words) in [
        (&["call", "--json", "out.json"][..], "--json=out.json"),
        (&["join", "--json", "out.json"], "--json=out.json"),
        (&["call", "--duration", "0"], "nothing comes that could be judged"),
    ] {
        let wrong = Program::start("peer-cli", args).wait(LIMIT);
        assert_eq!(wrong.code, Some(i32::from(USAGE)), "{args:?}");
        assert!(wrong.stderr.contains(words), "{args:?}: {}", wrong.stderr);
    }
}

#[test]
fn an_empty_variable_is_none_and_quiet_says_nothing_less_to_a_workflow() {
    let run = |variables: &[(&str, &str)], args: &[&str]| -> Finished {
        let mut command = Command::new(program_path("peer-cli"));
        command.args(args).envs(variables.iter().copied()).env_remove("GITHUB_STEP_SUMMARY");
        Program::spawn("peer-cli", &mut command).wait(LIMIT)
    };
    let empty = run(&[("PEER_CLI_WAIT", ""), ("PEER_CLI_QUIET", ""), ("PEER_CLI_ICE", "")], &NOWHERE);
    assert_eq!(empty.code, Some(10), "{}", empty.stderr);
    let quiet: Vec<_> = NOWHERE.into_iter().chain(["--quiet"]).collect();
    let told = run(&[("GITHUB_ACTIONS", "true")], &quiet);
    assert!(told.stdout.lines().any(|line| line.starts_with("::error title=SIGNALING_")), "{}", told.stdout);
}
