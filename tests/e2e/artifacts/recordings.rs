//! Recordings, as other people's programs read them: whole ones, and what is left of a call that went wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use dialtone_tests::{Call, Fate, LIMIT, Packet, Program, Running, Scratch, Way, peer_cli};
use serde_json::Value;

use super::{script, skip_without};
use crate::PLAIN;
use crate::wired::Wired;

mod broken;
mod sync;

const FFPROBE: [&str; 2] = ["ffprobe", "-version"];
const FFMPEG: [&str; 2] = ["ffmpeg", "-version"];

#[test]
fn recordings_are_read_clean_by_ffprobe_and_played_by_chromium() {
    if skip_without("ffprobe", &FFPROBE) {
        return;
    }
    let scratch = Scratch::new("record");
    let mut files = Vec::new();
    let kinds: [(&str, &str, &[&str]); 2] = [("vp8", "webm", &[]), ("h264", "mkv", &["--bitrate", "800k"])];
    for (codec, extension, options) in kinds {
        let folder = scratch.file(codec);
        let args = ["call", "--codec", codec, "--duration", "3s", "--record", text(&folder), "--json"];
        let call = peer_cli(args.iter().chain(options));
        call.assert_verdict("OK", 0);
        assert!(!call.stderr.contains("OpenH264"), "the encoder has nothing to say: {}", call.stderr);
        for (peer, name) in ["alice", "bob"].into_iter().enumerate() {
            let media = folder.join(format!("{name}.{extension}"));
            let received = &call.report["directions"][1 - peer];
            holds_what_was_received(&media, codec, received);
            rtp_is_captured(&folder.join(format!("{name}.pcap")), received);
            signaling_is_written(&folder.join(format!("{name}-signaling.jsonl")));
            let recording = call.at(&format!("/peers/{peer}/recording"));
            assert_eq!(recording["files"][0]["path"], text(&media), "{recording}");
            assert_eq!(recording["error"], Value::Null, "{recording}");
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

#[test]
fn a_lossy_path_leaves_gaps_and_no_broken_pictures() {
    if skip_without("ffprobe", &FFPROBE) || skip_without("ffmpeg", &FFMPEG) {
        return;
    }
    for (codec, extension) in [("vp8", "webm"), ("h264", "mkv")] {
        let scratch = Scratch::new("lossy");
        let mut seen = 0_u32;
        let wired = Wired::new(move |packet: &Packet| {
            let media = packet.way == Way::Up && packet.rtp.is_some();
            seen += u32::from(media);
            if media && seen % 25 == 24 { Fate::Drop } else { Fate::Pass }
        });
        let call = wired.call(&["--codec", codec, "--duration", "5s", "--record", text(scratch.path())]);
        call.assert_verdict("OK", 0);
        for (peer, name) in ["alice", "bob"].into_iter().enumerate() {
            let received = &call.report["directions"][1 - peer];
            let lost = received["audio"]["lost"].as_u64().unwrap();
            assert!(lost > 0, "the wire drops one in 25: {received}");
            let media = scratch.file(&format!("{name}.{extension}"));
            let frames = times_go_forward(&media);
            assert_eq!(frames["video"], received["video"]["frames"].as_u64().unwrap(), "{codec} of {name}");
            assert!(frames["audio"] <= received["audio"]["packets"].as_u64().unwrap(), "{codec} of {name}");
            // As it is, and decoded, which must not be pressed into a constant frame rate.
            for into_nothing in [["-c", "copy"], ["-fps_mode", "vfr"]] {
                let decode = ["-v", "error", "-i", text(&media), into_nothing[0], into_nothing[1], "-f", "null", "-"];
                run("ffmpeg", &decode);
            }
        }
    }
}

#[test]
fn two_peers_of_one_name_in_one_folder_have_files_of_their_own() {
    if skip_without("ffprobe", &FFPROBE) {
        return;
    }
    let (_server, url) = Program::server(PLAIN);
    let scratch = Scratch::new("one-folder");
    let record = text(scratch.path());
    let join = ["join", "r", "--server", &url, "--duration", "2s", "--record", record, "--json"];
    let (first, second) = (Running::start(join), Running::partner(join));
    let mut stems = Vec::new();
    for side in [first.wait(), second.wait()] {
        side.assert_verdict("OK", 0);
        let files = side.at("/peers/0/recording/files").as_array().unwrap().clone();
        let paths: Vec<PathBuf> = files.iter().map(|file| file["path"].as_str().unwrap().into()).collect();
        assert_eq!(paths.len(), 3);
        holds_what_was_received(&paths[0], "vp8", &side.report["directions"][0]);
        rtp_is_captured(&paths[1], &side.report["directions"][0]);
        signaling_is_written(&paths[2]);
        assert!(side.stdout.contains("recorded by") || side.stderr.contains("recorded by"), "the names are told");
        stems.push(paths[0].file_stem().unwrap().to_owned());
    }
    stems.sort();
    assert_eq!(stems, ["peer", "peer-2"]);
}

/// The logins of two relays come along: one that the signaling server gives out, and one of the command line.
#[test]
fn no_login_gets_into_a_recording() {
    const PASSWORD: &str = "carrots-and-4711-more";
    let (_given, address) = Program::turn(["--secret", "north"]);
    let (_own, own) = Program::turn(["--user", &format!("rabbit:{PASSWORD}")]);
    let (turn, own) = (format!("turn:{address}?transport=udp"), format!("turn:{own}?transport=udp"));
    let (_server, url) = Program::server(["--turn-url", &turn, "--turn-secret", "north", "--ice-without-login"]);
    let scratch = Scratch::new("logins");
    let login = ["--ice", &own, "--ice-user", "rabbit", "--ice-password", PASSWORD];
    let call =
        ["call", "--server", &url, "--relay-only", "--duration", "1s", "--record", text(scratch.path()), "--json"];
    peer_cli(call.iter().chain(&login)).assert_verdict("OK", 0);
    for name in ["alice", "bob"] {
        let lines = signaling_is_written(&scratch.file(&format!("{name}-signaling.jsonl")));
        let hidden: usize = lines.iter().map(hidden_logins).sum();
        assert!(hidden > 0, "the server gave a login to {name}: {lines:?}");
    }
    for file in std::fs::read_dir(scratch.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
        assert!(!found, "the password is in {}", path.display());
    }
}

/// How many logins were taken out of a value and the texts of JSON in it. One that is still there is a failure.
fn hidden_logins(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match name.as_str() {
                "credential" => {
                    assert_eq!(value, "…", "a credential is left out");
                    1
                }
                _ => hidden_logins(value),
            })
            .sum(),
        Value::Array(values) => values.iter().map(hidden_logins).sum(),
        Value::String(text) => serde_json::from_str::<Value>(text).map_or(0, |inside| match inside {
            Value::Object(_) | Value::Array(_) => hidden_logins(&inside),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// ffprobe has nothing to complain about, and finds every frame with its time.
fn holds_what_was_received(media: &Path, codec: &str, received: &Value) {
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
    times_go_forward(media);
    let duration: f64 = found["format"]["duration"].as_str().unwrap().parse().unwrap();
    let heard = received["audio"]["seconds"].as_f64().unwrap();
    assert!((duration - heard).abs() < 0.5, "{duration} s in the file, {heard} s heard");
}

/// The times of a stream's frames only go forward; how many there are of each kind.
fn times_go_forward(media: &Path) -> BTreeMap<String, u64> {
    let entries = ["-v", "error", "-of", "csv=p=0", "-show_entries", "packet=codec_type,pts", text(media)];
    let mut last = BTreeMap::<String, (u64, i64)>::new();
    for line in run("ffprobe", &entries).lines() {
        let mut fields = line.split(',');
        let (kind, time) = (fields.next().unwrap(), fields.next().unwrap().parse::<i64>().unwrap());
        let (frames, before) = last.entry(kind.to_owned()).or_insert((0, i64::MIN));
        assert!(time > *before, "{kind} of {} goes from {before} to {time} ms", media.display());
        (*frames, *before) = (*frames + 1, time);
    }
    last.into_iter().map(|(kind, (frames, _))| (kind, frames)).collect()
}

/// One entry for each packet received, behind a header that any reader of the format knows.
fn rtp_is_captured(pcap: &Path, received: &Value) {
    let count = |kind: &str, field: &str| received[kind][field].as_u64().unwrap();
    let expected: u64 = ["video", "audio"].iter().map(|kind| count(kind, "packets") + count(kind, "duplicates")).sum();
    assert_eq!(captured(pcap), expected);
}

/// How many packets a capture has, all of them whole.
fn captured(pcap: &Path) -> u64 {
    let bytes = std::fs::read(pcap).unwrap();
    assert_eq!(bytes[..4], 0xa1b2_c3d4_u32.to_le_bytes(), "little-endian, microseconds");
    let (mut at, mut packets) = (24, 0);
    while let Some(length) = bytes.get(at + 8..at + 12) {
        at += 16 + u32::from_le_bytes(length.try_into().unwrap()) as usize;
        packets += 1;
    }
    assert_eq!(at, bytes.len(), "the last packet is whole");
    packets
}

/// The lines of one peer, from its connecting on.
fn signaling_is_written(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let frames: Vec<_> = lines.iter().map(|line| (line["sent"] == true, line["frame"].as_str().unwrap())).collect();
    assert_eq!(frames[..2], [(true, "CONNECT"), (false, "CONNECTED")]);
    assert_eq!(frames.iter().filter(|frame| frame.1 == "CONNECT").count(), 1, "of one peer only");
    assert!(frames.contains(&(true, "SEND")) && frames.contains(&(false, "MESSAGE")), "{frames:?}");
    lines
}

/// What a program says, on both outputs; it must end well.
fn run(program: &str, args: &[&str]) -> String {
    let ended = Program::spawn(program, Command::new(program).args(args)).wait(LIMIT);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{program} {args:?}");
    ended.stdout
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a peer's recording is called in the report of a call, and what became of it.
fn recording_of<'a>(call: &'a Call, name: &str) -> &'a Value {
    let peers = call.at("/peers").as_array().unwrap();
    &peers.iter().find(|peer| peer["name"] == name).unwrap()["recording"]
}
