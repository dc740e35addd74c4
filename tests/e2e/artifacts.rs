//! What a run leaves behind, looked at with other people's programs: ffprobe for recordings, Chromium for recordings and
//! HTML reports, a JSON Schema validator for the JSON.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dialtone_tests::{Finished, Program, Scratch, fixture, is_required, peer_cli};

mod recordings;

#[test]
fn html_reports_are_self_contained_readable_and_accessible() {
    if skip_without("chromium", &["chromium", "--version"]) {
        return;
    }
    let scratch = Scratch::new("html");
    let html = |name: &str| scratch.file(&format!("{name}.html"));
    let (passed, failed, repeated, alone) = (html("passed"), html("failed"), html("repeated"), html("alone"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let expect = ["--expect", "setup_ms<10000", "--warn", "video.fps>1000"];
    let call = ["call", "--duration", "2s", "--html"];
    assert_eq!(peer_cli(call.into_iter().chain([text(&passed).as_str()]).chain(expect)).code, 0);
    let silence = ["--audio", "silence", "--video", "frozen"];
    assert_eq!(peer_cli(call.into_iter().chain([text(&failed).as_str()]).chain(silence)).code, 16);
    let several = ["--repeat", "3", "--duration", "500ms"];
    assert_eq!(peer_cli(["call", "--html", &text(&repeated)].into_iter().chain(several)).code, 0);
    let nobody = ["join", "r", "--server", "ws://127.0.0.1:1/ws", "--html"];
    assert_eq!(peer_cli(nobody.into_iter().chain([text(&alone).as_str()])).code, 10);
    if let Some(looked) = script("report.mjs", "axe-core", &[passed, failed, repeated, alone]) {
        assert_eq!(looked.code, Some(0), "{}\n{}", looked.stdout, looked.stderr);
    }
}

#[test]
fn the_published_schema_describes_the_reports() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peer-cli/report.schema.json");
    let written = std::fs::read_to_string(&published).unwrap();
    assert!(
        written == dialtone_peer::report::json_schema(),
        "it is not that of the code; write it anew: cargo run --bin peer-cli -- schema > peer-cli/report.schema.json"
    );
    let scratch = Scratch::new("schema");
    let file = |name: &str| scratch.file(&format!("{name}.json"));
    let (passed, failed, repeated) = (file("passed"), file("failed"), file("repeated"));
    let json = |path: &Path| format!("--json={}", path.display());
    let expect = ["--expect", "setup_ms<10000", "--expect", "video.fps>1000"];
    assert_eq!(peer_cli(["call", "--duration", "1s", &json(&passed)].into_iter().chain(expect)).code, 18);
    assert_eq!(peer_cli(["join", "r", "--server", "ws://127.0.0.1:1/ws", &json(&failed)]).code, 10);
    assert_eq!(peer_cli(["call", "--repeat", "2", "--duration", "300ms", &json(&repeated)]).code, 0);
    if let Some(held) = script("validate.mjs", "ajv", &[published, passed, failed, repeated]) {
        assert_eq!(held.code, Some(0), "{}\n{}", held.stdout, held.stderr);
    }
}

#[test]
fn the_published_schema_of_the_doctor_describes_its_findings() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peer-cli/doctor.schema.json");
    let scratch = Scratch::new("doctor-schema");
    let found = scratch.file("found.json");
    let closed = ["doctor", "--server", "ws://127.0.0.1:1/ws", "--timeout", "1s"];
    let json = format!("--json={}", found.display());
    assert_eq!(peer_cli(closed.into_iter().chain([json.as_str()])).code, 10);
    if let Some(held) = script("validate.mjs", "ajv", &[published, found]) {
        assert_eq!(held.code, Some(0), "{}\n{}", held.stdout, held.stderr);
    }
}

#[test]
fn an_old_report_is_shown_in_every_form_and_compared_with_a_new_one() {
    let scratch = Scratch::new("old");
    let (old, new, html) = (scratch.file("old.json"), scratch.file("new.json"), scratch.file("old.html"));
    let json = |path: &Path| format!("--json={}", path.display());
    assert_eq!(peer_cli(["call", "--duration", "500ms", &json(&old)]).code, 0);
    assert_eq!(peer_cli(["call", "--duration", "500ms", "--size", "320x240", &json(&new)]).code, 0);
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let shown = peer_cli(["report", &path(&old)]);
    assert!(shown.code == 0 && shown.stdout.contains("PASS"), "{}", shown.stdout);
    let rendered = peer_cli(["report", &path(&old), "--html", &path(&html)]);
    assert!(rendered.code == 0 && std::fs::read_to_string(&html).unwrap().starts_with("<!DOCTYPE html>"));
    let compared = peer_cli(["diff", &path(&old), &path(&new)]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    assert!(compared.stdout.contains("video.bitrate_kbps"), "{}", compared.stdout);
    let wrong = peer_cli(["report", fixture("README.md").to_str().unwrap()]);
    assert!(wrong.code == 64 && wrong.stderr.contains("not a report"), "{}", wrong.stderr);
}

#[test]
fn the_metrics_are_listed_by_the_command_and_by_the_option() {
    let (command, option) = (peer_cli(["metrics"]), peer_cli(["call", "--list-metrics"]));
    assert_eq!((command.code, option.code), (0, 0));
    assert_eq!(command.stdout, option.stdout);
    assert!(command.stdout.lines().any(|line| line.starts_with("video.freeze_ms")), "{}", command.stdout);
}

/// Runs a script of `tests/js`; `None`, said loudly, where node or the package it needs is missing.
fn script<A: AsRef<OsStr>>(name: &str, package: &str, args: &[A]) -> Option<Finished> {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("js");
    if skip_without("node", &["node", "--version"]) {
        return None;
    }
    if !scripts.join("node_modules").join(package).is_dir() {
        skip(&format!("{package} is not installed: npm ci --prefix tests/js"));
        return None;
    }
    let mut command = Command::new("node");
    command.arg(scripts.join(name)).args(args);
    Some(Program::spawn("node", &mut command).wait(Duration::from_secs(300)))
}

fn skip_without(what: &str, command: &[&str]) -> bool {
    let ran = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).output();
    let missing = !ran.is_ok_and(|ran| ran.status.success());
    if missing {
        skip(&format!("{what} is not installed"));
    }
    missing
}

/// Says so past libtest, which would keep it; an environment that requires the group fails instead.
fn skip(reason: &str) {
    assert!(!is_required("artifacts"), "artifacts are required, and {reason}");
    // Where nobody can read it, nobody can be told.
    let _ = writeln!(std::io::stderr(), "SKIPPED artifacts: {reason}");
}
