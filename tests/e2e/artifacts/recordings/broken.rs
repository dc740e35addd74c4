//! What is left of a recording when the process is killed or the disk is full.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dialtone_tests::{Call, Finished, LIMIT, Program, Running, Scratch, Signal, program_path};

use super::{FFMPEG, FFPROBE, captured, recording_of, run, skip_without, text, times_go_forward};

/// How often to look whether a file has grown.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[test]
fn what_a_killed_process_had_written_is_read_clean() {
    if skip_without("ffprobe", &FFPROBE) || skip_without("ffmpeg", &FFMPEG) {
        return;
    }
    for (codec, extension) in [("vp8", "webm"), ("h264", "mkv")] {
        let scratch = Scratch::new("killed");
        let media = ["alice", "bob"].map(|name| scratch.file(&format!("{name}.{extension}")));
        let args = ["call", "--codec", codec, "--duration", "60s", "--record", text(scratch.path())];
        let call = Running::start(args);
        // Each time it grows there is another cluster.
        for path in &media {
            for _ in 0..3 {
                grows(path);
            }
        }
        call.program().signal(Signal::SIGKILL);
        // Gone when this is.
        drop(call);
        for (path, name) in media.iter().zip(["alice", "bob"]) {
            let frames = times_go_forward(path);
            assert!(frames["video"] > 30 && frames["audio"] > 50, "{frames:?} in {}", path.display());
            run("ffmpeg", &["-v", "error", "-i", text(path), "-fps_mode", "vfr", "-f", "null", "-"]);
            assert!(captured(&scratch.file(&format!("{name}.pcap"))) > 100);
            let lines = std::fs::read_to_string(scratch.file(&format!("{name}-signaling.jsonl"))).unwrap();
            assert!(lines.ends_with('\n') && lines.lines().all(|line| line.ends_with('}')), "{lines}");
        }
    }
}

/// Waits until a file is longer than it was.
fn grows(path: &Path) {
    let length = || std::fs::metadata(path).map_or(0, |file| file.len());
    let before = length();
    let looks = LIMIT.as_millis() / LOOK_EVERY.as_millis();
    let grown = (0..looks).any(|_| {
        std::thread::sleep(LOOK_EVERY);
        length() > before
    });
    assert!(grown, "{} stays at {before} bytes", path.display());
}

/// The system refuses to let a file grow beyond some hundred kilobytes, as a full disk would: the media and the packets
/// reach that, the signaling does not.
#[test]
fn a_full_disk_ends_files_and_not_the_call_and_is_told_as_a_warning() {
    if skip_without("ffprobe", &FFPROBE) || skip_without("sh", &["sh", "-c", "exit 0"]) {
        return;
    }
    let scratch = Scratch::new("full-disk");
    let call = call_with_small_files(&["--duration", "7s", "--record", text(scratch.path()), "--json"]);
    call.assert_verdict("OK", 0);
    for name in ["alice", "bob"] {
        let recording = recording_of(&call, name);
        let error = recording["error"].as_str().unwrap();
        assert!(error.contains(&format!("{name}.webm ends early: ")), "{error}");
        assert!(!error.contains("signaling"), "{error}");
        let media = scratch.file(&format!("{name}.webm"));
        let frames = times_go_forward(&media);
        assert!(frames["video"] > 15 && frames["audio"] > 25, "{frames:?}");
        assert_eq!(recording["files"][0]["bytes"], std::fs::metadata(&media).unwrap().len());
        assert!(captured(&scratch.file(&format!("{name}.pcap"))) > 100);
        let told = |line: &&str| line.contains("ERROR") && line.contains(&format!("{name}.webm"));
        assert_eq!(call.stderr.lines().filter(told).count(), 1, "{}", call.stderr);
        let warned = call.at("/expectations").as_array().unwrap().iter().any(|checked| {
            checked["text"] == format!("recording of {name}") && checked["warning"] == true && checked["ok"] == false
        });
        assert!(warned, "{}", call.report);
    }
    assert!(call.stderr.contains("WARN"), "{}", call.stderr);
}

/// A call whose files may have 800 blocks of the shell, 512 or 1024 bytes each. A shell that ignores the signal which
/// comes with that leaves it ignored, so that writing fails as on a full disk.
fn call_with_small_files(args: &[&str]) -> Call {
    const LIMITED: &str = "trap '' XFSZ; ulimit -f 800; exec \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", LIMITED, "sh"]).arg(program_path("peer-cli")).arg("call").args(args);
    let Finished { code, stdout, stderr } = Program::spawn("sh", &mut shell).wait(LIMIT);
    let report = serde_json::from_str(&stdout).unwrap_or_default();
    Call { code: code.unwrap(), report, stdout, stderr }
}
