//! Reports for the tests of this folder.

use crate::measure::{Distribution, Series};
use crate::report::{
    AudioReport, CandidateReport, Checked, Direction, MessageStamp, PairReport, PairTried, PeerReport, PhaseStamp,
    ProcessReport, RelayReport, Report, Snapshot, StreamReport, VideoReport,
};

/// A WebP of one pixel.
pub(super) const WEBP: &str = "UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=";

/// A report with nothing in it.
pub(super) fn empty() -> Report {
    let text = r#"{
        "schema": "dialtone.report/1", "version": "0.1.0", "started_unix_ms": 1735689600000, "duration_ms": 0.0,
        "server": "ws://127.0.0.1:8080/ws", "embedded": true, "room": "room-1",
        "verdict": {"ok": true, "code": "OK", "sentence": "The call works.", "remedy": null, "exit_code": 0},
        "peers": [], "directions": [], "relay": null
    }"#;
    serde_json::from_str(text).expect("a report")
}

/// A call of ten seconds between alice and bob.
pub(super) fn call() -> Report {
    Report {
        duration_ms: 10_400.0,
        peers: vec![alice(), bob()],
        directions: vec![direction("alice", "bob"), direction("bob", "alice")],
        expectations: vec![Checked {
            text: "video.freeze_ms<200".to_owned(),
            warning: false,
            ok: true,
            value: Some(0.0),
            unit: "ms".to_owned(),
            message: "0 ms in both directions".to_owned(),
        }],
        relay: Some(RelayReport { url: "turn:127.0.0.1:3478".to_owned(), allocations: 2, ..RelayReport::default() }),
        process: Some(ProcessReport { cpu_seconds: 2.5, cpu_percent: 24.0, peak_memory_mb: 61.0 }),
        ..empty()
    }
}

fn alice() -> PeerReport {
    PeerReport {
        name: "alice".to_owned(),
        phases: phases(&[
            ("socket-open", 4.0),
            ("stomp-connected", 6.0),
            ("joined", 9.0),
            ("ready", 40.0),
            ("offer-sent", 61.0),
            ("answer-received", 92.0),
            ("ice-checking", 93.0),
            ("ice-connected", 160.0),
            ("connected", 190.0),
            ("first-packet", 201.0),
            ("first-key-frame", 203.0),
            ("first-picture", 214.0),
            ("hung-up", 10_390.0),
        ]),
        messages: messages(&[
            (61.0, true, "OFFER"),
            (62.0, true, "CANDIDATE"),
            (63.0, true, "CANDIDATE"),
            (64.0, true, "CANDIDATE"),
            (92.0, false, "ANSWER"),
        ]),
        pair: Some(PairReport {
            local: "host".to_owned(),
            remote: "srflx".to_owned(),
            local_address: "127.0.0.1:5000".to_owned(),
            remote_address: "127.0.0.1:5002".to_owned(),
            rtt_ms: Some(0.4),
            ..PairReport::default()
        }),
        candidates: vec![CandidateReport {
            local: true,
            kind: "host".to_owned(),
            protocol: "udp".to_owned(),
            address: "127.0.0.1:5000".to_owned(),
            at_ms: 62.0,
        }],
        pairs: vec![PairTried {
            local: "host 127.0.0.1:5000".to_owned(),
            remote: "srflx 127.0.0.1:5002".to_owned(),
            state: "succeeded".to_owned(),
            nominated: true,
            rtt_ms: Some(0.4),
            requests_sent: 3,
            responses_received: 3,
        }],
        ..PeerReport::default()
    }
}

fn bob() -> PeerReport {
    PeerReport {
        name: "bob".to_owned(),
        phases: phases(&[
            ("socket-open", 5.0),
            ("stomp-connected", 8.0),
            ("joined", 38.0),
            ("ready", 41.0),
            ("offer-received", 63.0),
            ("answer-sent", 90.0),
            ("ice-connected", 161.0),
            ("connected", 191.0),
            ("first-picture", 230.0),
        ]),
        messages: messages(&[
            (63.0, false, "OFFER"),
            (63.5, false, "CANDIDATE"),
            (64.0, false, "CANDIDATE"),
            (65.0, false, "CANDIDATE"),
            (90.0, true, "ANSWER"),
        ]),
        ..PeerReport::default()
    }
}

fn direction(from: &str, to: &str) -> Direction {
    let latency = Distribution { count: 300, min: 1.0, mean: 2.4, p50: 2.1, p95: 5.5, p99: 8.0, max: 12.0 };
    let stream =
        StreamReport { codec: "VP8".to_owned(), packets: 1500, bitrate_kbps: 812.0, ..StreamReport::default() };
    let snapshot = Snapshot {
        which: "worst".to_owned(),
        at_ms: 3200.0,
        width: 640,
        height: 480,
        psnr_db: Some(31.5),
        webp_base64: WEBP.to_owned(),
    };
    Direction {
        from: from.to_owned(),
        to: to.to_owned(),
        video: Some(VideoReport {
            stream: stream.clone(),
            fps: 29.97,
            width: 640,
            height: 480,
            latency_ms: Some(latency),
            snapshots: vec![snapshot],
            ..VideoReport::default()
        }),
        audio: Some(AudioReport { stream, audible: true, mos_estimate: Some(4.3), ..AudioReport::default() }),
        av_offset_ms: Some(latency),
        latency_basis: Some("shared-clock".to_owned()),
        series: Some(series()),
    }
}

fn series() -> Series {
    let column = |value: f32| vec![Some(value); 100];
    Series {
        start_ms: 200.0,
        interval_ms: 100.0,
        video_kbps: column(800.0),
        audio_kbps: column(32.0),
        fps: column(30.0),
        video_latency_ms: column(2.0),
        psnr_db: (0..100).map(|n: u8| n.is_multiple_of(5).then_some(48.0)).collect(),
        ..Series::default()
    }
}

fn phases(stamps: &[(&str, f64)]) -> Vec<PhaseStamp> {
    stamps.iter().map(|(phase, at_ms)| PhaseStamp { phase: (*phase).to_owned(), at_ms: *at_ms }).collect()
}

fn messages(stamps: &[(f64, bool, &str)]) -> Vec<MessageStamp> {
    let message = |(at_ms, sent, kind): &(f64, bool, &str)| MessageStamp {
        at_ms: *at_ms,
        sent: *sent,
        kind: (*kind).to_owned(),
        detail: String::new(),
    };
    stamps.iter().map(message).collect()
}
