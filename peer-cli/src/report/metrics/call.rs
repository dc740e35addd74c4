//! The metrics of setting up a call, of the path, and of the run as a whole.

use super::{Better, JudgeLevel, Metric, Source, Unit};
use crate::report::{PeerReport, Report};

/// From the start of the run to the first picture, one sample for each peer.
pub(super) static SETUP: &[Metric] = &[
    peer(
        "setup_ms",
        Unit::Milliseconds,
        Better::Lower,
        "From READY to the first decoded picture; to the first sound where no video was sent.",
        setup,
    ),
    peer("signaling_ms", Unit::Milliseconds, Better::Lower, "From the start of the run to STOMP CONNECTED.", |_, p| {
        first(p, "stomp-connected")
    }),
    peer("join_ms", Unit::Milliseconds, Better::Lower, "From STOMP CONNECTED to having joined the room.", |_, p| {
        between(p, &["stomp-connected"], &["joined"])
    }),
    peer(
        "ready_ms",
        Unit::Milliseconds,
        Better::Neither,
        "From having joined to READY: how long the second member took.",
        |_, p| between(p, &["joined"], &["ready"]),
    ),
    peer(
        "negotiate_ms",
        Unit::Milliseconds,
        Better::Lower,
        "From READY to the first answer sent or received.",
        |_, p| between(p, &["ready"], &["answer-sent", "answer-received"]),
    ),
    peer(
        "ice_ms",
        Unit::Milliseconds,
        Better::Lower,
        "From the first connectivity check to a working candidate pair.",
        |_, p| between(p, &["ice-checking"], &["ice-connected"]),
    ),
    peer(
        "dtls_ms",
        Unit::Milliseconds,
        Better::Lower,
        "From the working pair to the end of the DTLS handshake.",
        |_, p| between(p, &["ice-connected"], &["connected"]),
    ),
    peer(
        "connect_ms",
        Unit::Milliseconds,
        Better::Lower,
        "From READY to connected, that is, until media can flow.",
        |_, p| between(p, &["ready"], &["connected"]),
    ),
    peer("first_packet_ms", Unit::Milliseconds, Better::Lower, "From connected to the first RTP packet.", |_, p| {
        between(p, &["connected"], &["first-packet"])
    }),
    peer(
        "first_key_frame_ms",
        Unit::Milliseconds,
        Better::Lower,
        "From connected to the first whole key frame.",
        |_, p| between(p, &["connected"], &["first-key-frame"]),
    ),
    peer(
        "first_picture_ms",
        Unit::Milliseconds,
        Better::Lower,
        "From connected to the first decoded picture.",
        |_, p| between(p, &["connected"], &["first-picture"]),
    ),
    peer("first_sound_ms", Unit::Milliseconds, Better::Lower, "From connected to the first decoded sound.", |_, p| {
        between(p, &["connected"], &["first-sound"])
    }),
];

/// The path between the peers and what was sent over it, one sample for each peer.
pub(super) static PATH: &[Metric] = &[
    peer(
        "rtt_ms",
        Unit::Milliseconds,
        Better::Lower,
        "Round-trip time of the last connectivity check on the candidate pair in use.",
        |_, p| p.pair.as_ref().and_then(|pair| pair.rtt_ms),
    ),
    peer(
        "rtcp_rtt_ms",
        Unit::Milliseconds,
        Better::Lower,
        "Round-trip time from the other side's receiver reports (RFC 3550 section 6.4.1).",
        |_, p| p.sent.rtcp_rtt_ms,
    ),
    peer(
        "interrupted_ms",
        Unit::Milliseconds,
        Better::Lower,
        "How long nothing came in mid-call, all interruptions together.",
        |_, p| interrupted(p),
    ),
    peer("ice_restarts", Unit::Count, Better::Lower, "ICE restarts.", |_, p| count(p, "ice-restart")),
    peer("signaling_losses", Unit::Count, Better::Lower, "How often the signaling connection was lost.", |_, p| {
        count(p, "signaling-lost")
    }),
    peer(
        "path.bytes_sent",
        Unit::Bytes,
        Better::Neither,
        "Payload bytes sent over the candidate pair in use.",
        |_, p| p.pair.as_ref().map(|pair| pair.bytes_sent as f64),
    ),
    peer(
        "path.bytes_received",
        Unit::Bytes,
        Better::Neither,
        "Payload bytes received over the candidate pair in use.",
        |_, p| p.pair.as_ref().map(|pair| pair.bytes_received as f64),
    ),
    peer("sent.video_frames", Unit::Count, Better::Neither, "Video frames handed to the engine.", |_, p| {
        p.sent.video.as_ref().map(|_| p.sent.video_frames as f64)
    }),
    peer("sent.audio_frames", Unit::Count, Better::Neither, "Audio frames handed to the engine.", |_, p| {
        p.sent.audio.as_ref().map(|_| p.sent.audio_frames as f64)
    }),
    peer("sent.key_frames_asked", Unit::Count, Better::Lower, "Key frames that the other side asked for.", |_, p| {
        p.sent.video.as_ref().map(|_| p.sent.key_frames_asked as f64)
    }),
    peer("sent.nacks_received", Unit::Count, Better::Lower, "Packets that the other side asked for again.", |_, p| {
        connected(p).map(|_| p.sent.nacks_received as f64)
    }),
    peer(
        "sent.target_kbps",
        Unit::Kbps,
        Better::Higher,
        "What the congestion controller allowed at the end; only with --live.",
        |_, p| p.sent.target_kbps,
    ),
    peer("overrun", Unit::Count, Better::Lower, "Received packets that this process was too slow to take.", |_, p| {
        connected(p).map(|_| p.overrun as f64)
    }),
];

/// The run as a whole.
pub(super) static RUN: &[Metric] = &[
    run("relay.allocations", Unit::Count, Better::Neither, "Allocations that the embedded relay made.", |r| {
        r.relay.as_ref().map(|relay| relay.allocations as f64)
    }),
    run(
        "relay.bytes_to_peers",
        Unit::Bytes,
        Better::Neither,
        "Payload bytes from clients to peers, counted by the embedded relay.",
        |r| r.relay.as_ref().map(|relay| relay.bytes_to_peers as f64),
    ),
    run(
        "relay.bytes_to_clients",
        Unit::Bytes,
        Better::Neither,
        "Payload bytes from peers to clients, counted by the embedded relay.",
        |r| r.relay.as_ref().map(|relay| relay.bytes_to_clients as f64),
    ),
    run(
        "process.cpu_percent",
        Unit::Percent,
        Better::Lower,
        "CPU time of this process over the time of the run, of one core.",
        |r| r.process.as_ref().map(|process| process.cpu_percent),
    ),
    run("process.cpu_seconds", Unit::Seconds, Better::Lower, "CPU time of this process.", |r| {
        r.process.as_ref().map(|process| process.cpu_seconds)
    }),
    run("process.peak_memory_mb", Unit::Megabytes, Better::Lower, "The most memory that was resident.", |r| {
        r.process.as_ref().map(|process| process.peak_memory_mb)
    }),
    run("duration_ms", Unit::Milliseconds, Better::Neither, "How long the run took; with --repeat, each call.", |r| {
        Some(r.duration_ms)
    }),
    run("calls", Unit::Count, Better::Neither, "Calls placed.", |r| Some(calls(r).0)),
    run("failed_calls", Unit::Count, Better::Lower, "Calls that did not work.", |r| {
        let (calls, ok) = calls(r);
        Some(calls - ok)
    }),
    run("ok_percent", Unit::Percent, Better::Higher, "The share of calls that worked.", |r| {
        let (calls, ok) = calls(r);
        (calls > 0.0).then(|| ok / calls * 100.0)
    }),
];

const fn peer(
    name: &'static str,
    unit: Unit,
    better: Better,
    about: &'static str,
    get: fn(&Report, &PeerReport) -> Option<f64>,
) -> Metric {
    Metric { name, unit, better, about, needs: JudgeLevel::Packets, source: Source::Peer(get) }
}

const fn run(
    name: &'static str,
    unit: Unit,
    better: Better,
    about: &'static str,
    get: fn(&Report) -> Option<f64>,
) -> Metric {
    Metric { name, unit, better, about, needs: JudgeLevel::Packets, source: Source::Run(get) }
}

fn setup(report: &Report, peer: &PeerReport) -> Option<f64> {
    if let Some(picture) = between(peer, &["ready"], &["first-picture"]) {
        return Some(picture);
    }
    // The sound answers only where no picture was to come.
    let sender = report.directions.iter().find(|way| way.to == peer.name).and_then(|way| report.peer(&way.from));
    let video = sender.is_some_and(|sender| sender.sent.video.is_some());
    if video { None } else { between(peer, &["ready"], &["first-sound"]) }
}

fn first(peer: &PeerReport, phase: &str) -> Option<f64> {
    peer.phases.iter().find(|stamp| stamp.phase == phase).map(|stamp| stamp.at_ms)
}

fn connected(peer: &PeerReport) -> Option<f64> {
    first(peer, "connected")
}

/// From the first of some milestones to the first of some others, in milliseconds.
fn between(peer: &PeerReport, from: &[&str], to: &[&str]) -> Option<f64> {
    let earliest = |names: &[&str]| {
        let found = peer.phases.iter().find(|stamp| names.contains(&stamp.phase.as_str()));
        found.map(|stamp| stamp.at_ms)
    };
    let length = (earliest(to)? - earliest(from)?).max(0.0);
    Some((length * 1000.0).round() / 1000.0)
}

/// Each interruption lasts until media can flow again, or until the peer's last milestone. What was never connected was
/// never interrupted either.
fn interrupted(peer: &PeerReport) -> Option<f64> {
    connected(peer)?;
    let mut since = None;
    let mut sum = 0.0;
    for stamp in &peer.phases {
        match stamp.phase.as_str() {
            "interrupted" => since = since.or(Some(stamp.at_ms)),
            "connected" | "hung-up" => sum += since.take().map_or(0.0, |since: f64| stamp.at_ms - since),
            _ => {}
        }
    }
    if let (Some(since), Some(last)) = (since, peer.phases.last()) {
        sum += last.at_ms - since;
    }
    Some((sum * 1000.0).round() / 1000.0)
}

fn count(peer: &PeerReport, phase: &str) -> Option<f64> {
    first(peer, "joined")?;
    Some(peer.phases.iter().filter(|stamp| stamp.phase == phase).count() as f64)
}

/// Calls placed and calls that worked.
fn calls(report: &Report) -> (f64, f64) {
    match &report.repeat {
        Some(repeat) => (repeat.calls as f64, repeat.ok as f64),
        None => (1.0, if report.verdict.ok { 1.0 } else { 0.0 }),
    }
}
