//! What a run leaves behind, looked at with other people's programs: ffprobe for recordings, Chromium for recordings and
//! HTML reports, a JSON Schema validator for the JSON.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dialtone_tests::{Finished, LIMIT, Program, Scratch, fixture, is_required, peer_cli};
use serde_json::Value;

#[test]
fn recordings_are_read_clean_by_ffprobe_and_played_by_chromium() {
    if skip_without("ffprobe", &["ffprobe", "-version"]) {
        return;
    }
    let scratch = Scratch::new("record");
    let mut files = Vec::new();
    for (codec, extension) in [("vp8", "webm"), ("h264", "mkv")] {
        let folder = scratch.file(codec);
        let record = folder.to_str().unwrap();
        let call = peer_cli(["call", "--codec", codec, "--duration", "3s", "--record", record, "--json"]);
        call.assert_verdict("OK", 0);
        for (peer, name) in ["alice", "bob"].into_iter().enumerate() {
            let media = folder.join(format!("{name}.{extension}"));
            let received = &call.report["directions"][1 - peer];
            probe(&media, codec, received);
            rtp_is_captured(&folder.join(format!("{name}.pcap")), received);
            signaling_is_written(&folder.join(format!("{name}-signaling.jsonl")));
            files.push(media);
        }
    }
    if skip_without("chromium", &["chromium", "--version"]) {
        return;
    }
    if let Some(played) = script("playback.mjs", "playwright-core", &files) {
        assert_eq!(played.code, Some(0), "{}\n{}", played.stdout, played.stderr);
    }
}

/// ffprobe has nothing to complain about, and finds every frame with its time.
fn probe(media: &Path, codec: &str, received: &Value) {
    let entries = "stream=codec_name,width,height,nb_read_frames:format=duration";
    let args = ["-v", "warning", "-count_frames", "-of", "json", "-show_entries", entries];
    let probed = Program::spawn("ffprobe", Command::new("ffprobe").args(args).arg(media)).wait(LIMIT);
    assert_eq!((probed.code, probed.stderr.as_str()), (Some(0), ""), "{}", media.display());
    let found: Value = serde_json::from_str(&probed.stdout).unwrap();
    let streams = found["streams"].as_array().unwrap();
    let frames = |name: &str| {
        let stream = streams.iter().find(|stream| stream["codec_name"] == name).unwrap_or(&Value::Null);
        stream["nb_read_frames"].as_str().and_then(|count| count.parse::<u64>().ok()).unwrap_or_default()
    };
    assert_eq!(frames(codec), received["video"]["decoded"].as_u64().unwrap(), "{found}");
    assert_eq!(frames("opus"), received["audio"]["packets"].as_u64().unwrap(), "{found}");
    let duration: f64 = found["format"]["duration"].as_str().unwrap().parse().unwrap();
    let heard = received["audio"]["seconds"].as_f64().unwrap();
    assert!((duration - heard).abs() < 0.5, "{duration} s in the file, {heard} s heard");
}

/// One entry for each packet received, behind a header that any reader of the format knows.
fn rtp_is_captured(pcap: &Path, received: &Value) {
    let bytes = std::fs::read(pcap).unwrap();
    assert_eq!(bytes[..4], 0xa1b2_c3d4_u32.to_le_bytes(), "little-endian, microseconds");
    let (mut at, mut packets) = (24, 0);
    while let Some(length) = bytes.get(at + 8..at + 12) {
        at += 16 + u32::from_le_bytes(length.try_into().unwrap()) as usize;
        packets += 1;
    }
    assert_eq!(at, bytes.len(), "the last packet is whole");
    let count = |kind: &str, field: &str| received[kind][field].as_u64().unwrap();
    let expected: u64 = ["video", "audio"].iter().map(|kind| count(kind, "packets") + count(kind, "duplicates")).sum();
    assert_eq!(packets, expected);
}

fn signaling_is_written(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let frames: Vec<_> = lines.iter().map(|line| (line["sent"] == true, line["frame"].as_str().unwrap())).collect();
    assert_eq!(frames[..2], [(true, "CONNECT"), (false, "CONNECTED")]);
    assert!(frames.contains(&(true, "SEND")) && frames.contains(&(false, "MESSAGE")), "{frames:?}");
    assert!(!text.contains("\"credential\":\"") || text.contains("\"credential\":\"…\""), "logins are left out");
}

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
