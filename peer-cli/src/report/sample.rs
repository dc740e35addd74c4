//! Reports made by hand for the tests of every form: a call that works, one that does not, and one with nothing in it.

use super::{
    AudioReport, CandidateReport, Checked, Direction, JudgeLevel, MessageStamp, PairReport, PairTried, PeerReport,
    PhaseStamp, ProbeOutcome, ProbeReport, ProcessReport, RelayReport, Report, SCHEMA, Sent, Snapshot, StreamReport,
    VideoReport,
};
use crate::measure::{Distribution, Series};
use crate::verdict::{Cause, Verdict};

/// When the healthy call began: 2026-11-23 08:46:40 UTC.
pub(crate) const STARTED: u64 = 1_795_423_600_000;

/// A WebP of one pixel.
pub(crate) const WEBP: &str = "UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=";

/// A call of three seconds between alice and bob in which everything is well.
pub(crate) fn healthy() -> Report {
    let alice = [
        ("socket-open", 50.0),
        ("stomp-connected", 54.5),
        ("joined", 55.2),
        ("ready", 55.3),
        ("offer-sent", 55.6),
        ("answer-received", 58.3),
        ("ice-checking", 58.5),
        ("ice-connected", 81.1),
        ("connected", 82.7),
        ("first-packet", 84.0),
        ("first-key-frame", 85.0),
        ("first-picture", 100.7),
        ("first-sound", 103.0),
        ("hung-up", 3083.4),
    ];
    let bob = [
        ("socket-open", 49.0),
        ("stomp-connected", 53.1),
        ("joined", 56.7),
        ("ready", 56.8),
        ("offer-received", 57.0),
        ("answer-sent", 57.7),
        ("ice-checking", 58.2),
        ("ice-connected", 81.0),
        ("connected", 82.3),
        ("first-packet", 83.9),
        ("first-key-frame", 84.6),
        ("first-picture", 101.8),
        ("first-sound", 104.1),
        ("hung-up", 3084.2),
    ];
    Report {
        schema: SCHEMA.to_owned(),
        version: "0.1.0".to_owned(),
        started_unix_ms: STARTED,
        duration_ms: 3110.0,
        server: "ws://127.0.0.1:8080/ws".to_owned(),
        embedded: true,
        room: "call-1".to_owned(),
        judge: JudgeLevel::Full,
        verdict: Verdict {
            ok: true,
            code: Cause::Ok,
            sentence: "The call works: decodable video and audible audio in both directions.".to_owned(),
            remedy: None,
            facts: Vec::new(),
            exit_code: 0,
        },
        expectations: vec![checked(
            "setup_ms<500",
            false,
            true,
            45.4,
            "setup_ms was 45.4 ms (alice), below 500 ms as it should be",
        )],
        peers: vec![peer("alice", &alice, ["1000", "2000"]), peer("bob", &bob, ["2000", "1000"])],
        directions: vec![direction("alice", "bob", 404.0), direction("bob", "alice", 1004.0)],
        relay: Some(RelayReport {
            url: "turn:127.0.0.1:3478".to_owned(),
            allocations: 2,
            bytes_to_peers: 1152,
            bytes_to_clients: 768,
        }),
        process: Some(ProcessReport { cpu_seconds: 1.4, cpu_percent: 45.0, peak_memory_mb: 38.2 }),
        repeat: None,
    }
}

/// The same call, in which nothing that bob sends comes to alice.
pub(crate) fn failed() -> Report {
    let mut report = healthy();
    report.verdict = Verdict {
        ok: false,
        code: Cause::NoMedia,
        sentence: "The path is up, and not one packet came from bob to alice.".to_owned(),
        remedy: Some("Look at the sender.".to_owned()),
        facts: vec!["362 video packets came from alice to bob, 0 from bob to alice".to_owned()],
        exit_code: 15,
    };
    report.expectations = vec![
        checked("setup_ms<500", false, true, 45.0, "setup_ms was 45 ms (bob), below 500 ms as it should be"),
        checked("video.fps>50", true, false, 30.0, "video.fps was 30 fps (alice -> bob); it should be above 50 fps"),
    ];
    let late = ["first-packet", "first-key-frame", "first-picture", "first-sound"];
    report.peers[0].phases.retain(|stamp| !late.contains(&stamp.phase.as_str()));
    report.peers[0].probes = vec![ProbeReport {
        url: "turn:127.0.0.1:3478".to_owned(),
        outcome: ProbeOutcome::Works,
        message: "turn:127.0.0.1:3478 allocates and relays".to_owned(),
        took_ms: 12.0,
        mapped: Some("127.0.0.1:1000".to_owned()),
        relayed: Some("127.0.0.1:5000".to_owned()),
    }];
    report.directions[1] = Direction { from: "bob".to_owned(), to: "alice".to_owned(), ..Direction::default() };
    report
}

/// A report with nothing in it, as an earlier version may have written it.
pub(crate) fn empty() -> Report {
    let text = r#"{
        "schema": "dialtone.report/1", "version": "0.1.0", "started_unix_ms": 1735689600000, "duration_ms": 0.0,
        "server": "ws://127.0.0.1:8080/ws", "embedded": true, "room": "room-1",
        "verdict": {"ok": true, "code": "OK", "sentence": "The call works.", "remedy": null, "exit_code": 0},
        "peers": [], "directions": [], "relay": null
    }"#;
    serde_json::from_str(text).expect("a report")
}

fn checked(text: &str, warning: bool, ok: bool, value: f64, message: &str) -> Checked {
    let unit = if text.contains("_ms") { "ms" } else { "fps" };
    Checked {
        text: text.to_owned(),
        warning,
        ok,
        value: Some(value),
        unit: unit.to_owned(),
        message: message.to_owned(),
    }
}

fn peer(name: &str, phases: &[(&str, f64)], [ours, theirs]: [&str; 2]) -> PeerReport {
    let address = |port: &str| format!("127.0.0.1:{port}");
    let offers = name == "alice";
    let message =
        |kind: &str, at_ms: f64, sent: bool| MessageStamp { at_ms, sent, kind: kind.to_owned(), detail: String::new() };
    PeerReport {
        interruptions: Vec::new(),
        name: name.to_owned(),
        sid: Some(format!("{name}-sid")),
        server: Some("dialtone/0.1.0".to_owned()),
        phases: phases.iter().map(|(phase, at_ms)| PhaseStamp { phase: (*phase).to_owned(), at_ms: *at_ms }).collect(),
        messages: if offers {
            let candidates = [56.0, 56.2, 56.4].map(|at_ms| message("CANDIDATE", at_ms, true));
            [&[message("OFFER", 55.6, true)][..], &candidates, &[message("ANSWER", 58.3, false)]].concat()
        } else {
            let candidates = [57.1, 57.2, 57.4].map(|at_ms| message("CANDIDATE", at_ms, false));
            [&[message("OFFER", 57.0, false)][..], &candidates, &[message("ANSWER", 57.7, true)]].concat()
        },
        end: "hung-up".to_owned(),
        end_message: "hung up".to_owned(),
        pair: Some(PairReport {
            local: "host".to_owned(),
            remote: "host".to_owned(),
            local_address: address(ours),
            remote_address: address(theirs),
            rtt_ms: Some(0.1),
            bytes_sent: 420_000,
            bytes_received: 419_000,
        }),
        candidates: vec![CandidateReport {
            local: true,
            kind: "host".to_owned(),
            protocol: "udp".to_owned(),
            address: address(ours),
            at_ms: 56.0,
        }],
        pairs: vec![PairTried {
            local: format!("host {}", address(ours)),
            remote: format!("host {}", address(theirs)),
            state: "succeeded".to_owned(),
            nominated: true,
            rtt_ms: Some(0.1),
            requests_sent: 3,
            responses_received: 3,
        }],
        probes: Vec::new(),
        sent: Sent {
            video: Some("pattern 640x480 30 fps VP8".to_owned()),
            video_codec: Some("VP8".to_owned()),
            video_frames: 90,
            audio: Some("beep Opus".to_owned()),
            audio_frames: 150,
            key_frames_asked: 0,
            nacks_received: 0,
            rtcp_rtt_ms: Some(0.4),
            target_kbps: None,
        },
        overrun: 0,
        recording: None,
    }
}

fn direction(from: &str, to: &str, tone_hz: f64) -> Direction {
    Direction {
        from: from.to_owned(),
        to: to.to_owned(),
        video: Some(VideoReport {
            stream: stream("VP8", 362, 397_000, 1061.0, 0.6),
            frames: 90,
            key_frames: 90,
            decoded: 90,
            fps: 30.0,
            width: 640,
            height: 480,
            stamped: 90,
            longest_gap_ms: 41.0,
            latency_ms: spread(90, [8.0, 12.3, 12.1, 15.0, 18.2, 21.0]),
            psnr_db: spread(30, [37.5, 38.2, 38.2, 38.9, 39.0, 39.1]),
            ssim: spread(6, [0.979, 0.981, 0.981, 0.983, 0.983, 0.983]),
            decode_cpu_ms: 210.0,
            judge_cpu_ms: 18.0,
            snapshots: vec![Snapshot {
                which: "worst".to_owned(),
                at_ms: 1230.0,
                width: 640,
                height: 480,
                psnr_db: Some(37.5),
                webp_base64: WEBP.to_owned(),
            }],
            ..VideoReport::default()
        }),
        audio: Some(AudioReport {
            stream: stream("opus", 150, 12_000, 32.0, 1.1),
            seconds: 3.0,
            level_dbfs: Some(-15.0),
            tone_hz: Some(tone_hz),
            expected_tone_hz: Some(tone_hz),
            audible: true,
            clicks: 3,
            latency_ms: spread(150, [1.0, 3.2, 3.1, 4.0, 5.2, 6.0]),
            mos_estimate: Some(4.4),
            ..AudioReport::default()
        }),
        av_offset_ms: spread(3, [1.0, 2.0, 2.0, 3.0, 3.0, 3.0]),
        latency_basis: Some("shared-clock".to_owned()),
        remarks: Vec::new(),
        series: Some(series()),
    }
}

/// From the first packet to the end of the call, which both came in the middle of an entry.
fn series() -> Series {
    let whole = |first: f32, rest: f32, last: f32| {
        let inner = std::iter::repeat_n(Some(rest), 29);
        std::iter::once(Some(first)).chain(inner).chain([Some(last)]).collect::<Vec<_>>()
    };
    Series {
        start_ms: 0.0,
        interval_ms: 100.0,
        video_kbps: whole(170.0, 1061.0, 0.0),
        audio_kbps: whole(6.4, 32.0, 6.4),
        fps: whole(10.0, 30.0, 0.0),
        video_latency_ms: whole(16.0, 12.0, 12.0),
        psnr_db: (0..31).map(|n: u8| n.is_multiple_of(5).then_some(38.0)).collect(),
        level_dbfs: whole(-21.0, -15.0, -10.5),
        ..Series::default()
    }
}

fn stream(codec: &str, packets: u64, bytes: u64, bitrate_kbps: f64, jitter_ms: f64) -> StreamReport {
    StreamReport {
        codec: codec.to_owned(),
        packets,
        bytes,
        bitrate_kbps,
        jitter_ms,
        quiet_ms: 12.0,
        ..StreamReport::default()
    }
}

/// Of minimum, mean, median, 95th and 99th percentile, and maximum.
fn spread(count: u64, [min, mean, p50, p95, p99, max]: [f64; 6]) -> Option<Distribution> {
    Some(Distribution { count, min, mean, p50, p95, p99, max })
}
