//! What a run has found out, as one value; every way to show it is a pure function of it.
//!
//! The JSON form is the value itself, with `schema` naming its version: fields may be added under the same version, and
//! are renamed or removed only under a new one.

use serde::Serialize;

pub mod terminal;

use crate::verdict::Verdict;

/// The version of the JSON document.
pub const SCHEMA: &str = "dialtone.report/1";

/// Everything about one run of `call` or `join`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The version of this program.
    pub version: &'static str,
    /// When the run began, in milliseconds since 1970 (UTC).
    pub started_unix_ms: u64,
    /// How long the run took, in milliseconds.
    pub duration_ms: f64,
    /// The signaling server.
    pub server: String,
    /// Whether that server ran inside this process.
    pub embedded: bool,
    /// The room.
    pub room: String,
    /// Whether the call works, and if not, why.
    pub verdict: Verdict,
    /// What each of our peers did and saw, in order of their names.
    pub peers: Vec<PeerReport>,
    /// What arrived, one entry per direction.
    pub directions: Vec<Direction>,
    /// What the embedded relay counted; absent without one.
    pub relay: Option<RelayReport>,
}

/// What one of our peers did and saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeerReport {
    /// Its name in this run.
    pub name: String,
    /// Its session id, once the server told it.
    pub sid: Option<String>,
    /// The signaling server's name for itself, where it tells.
    pub server: Option<String>,
    /// Milestones in the order they came.
    pub phases: Vec<PhaseStamp>,
    /// How the call ended for this peer: a stable code.
    pub end: &'static str,
    /// The same in words.
    pub end_message: String,
    /// The candidate pair that carried the media, as it stood at the end.
    pub pair: Option<PairReport>,
    /// What it sent.
    pub sent: Sent,
    /// Received packets that this process was too slow to take; they count as lost without being the network's fault.
    pub overrun: u64,
}

/// One milestone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseStamp {
    /// Its name, such as `joined`, `ready`, `ice-connected`.
    pub phase: &'static str,
    /// Milliseconds since the run began.
    pub at_ms: f64,
}

/// The candidate pair in use (RFC 8445; `RTCIceCandidatePairStats`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairReport {
    /// `host`, `srflx`, `prflx` or `relay`.
    pub local: String,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub remote: String,
    /// Our address and port.
    pub local_address: String,
    /// The other side's address and port.
    pub remote_address: String,
    /// The last round-trip time of a connectivity check, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Payload bytes sent over the pair.
    pub bytes_sent: u64,
    /// Payload bytes received over the pair.
    pub bytes_received: u64,
}

/// What a peer sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sent {
    /// The video source in words; absent where none was sent.
    pub video: Option<String>,
    /// The video codec negotiated for sending; absent when there was no common one.
    pub video_codec: Option<String>,
    /// Video frames handed to the engine.
    pub video_frames: u64,
    /// The audio source in words; absent where none was sent.
    pub audio: Option<String>,
    /// Audio frames handed to the engine.
    pub audio_frames: u64,
    /// Key frames that the other side asked for.
    pub key_frames_asked: u64,
}

/// What arrived in one direction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Direction {
    /// Who sent.
    pub from: String,
    /// Who received and measured.
    pub to: String,
    /// The pictures; absent when not a packet came.
    pub video: Option<VideoReport>,
    /// The sound; absent when not a packet came.
    pub audio: Option<AudioReport>,
}

/// Counts of one RTP stream (RFC 3550 appendix A).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StreamReport {
    /// The codec.
    pub codec: String,
    /// Packets received, duplicates not counted.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Payload bytes received.
    pub bytes: u64,
    /// Payload bits per second over the time from the first packet to the last, in kbit/s.
    pub bitrate_kbps: f64,
    /// Interarrival jitter in milliseconds.
    pub jitter_ms: f64,
    /// From the last packet to the end of the call, in milliseconds.
    pub quiet_ms: f64,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VideoReport {
    /// The packets.
    #[serde(flatten)]
    pub stream: StreamReport,
    /// Frames put together from packets.
    pub frames: u64,
    /// Frames decoded.
    pub decoded: u64,
    /// Frames that the decoder refused.
    pub decode_errors: u64,
    /// Decoded frames per second from the first to the last.
    pub fps: f64,
    /// Width of the last picture in pixels.
    pub width: u32,
    /// Height of the last picture in pixels.
    pub height: u32,
    /// Pictures with a readable stamp, which only our own pattern has.
    pub stamped: u64,
    /// Stamped pictures that another peer than the expected one drew.
    pub wrong_peer: u64,
    /// Pictures with nothing to see.
    pub black: u64,
    /// Key frames that we asked for.
    pub key_frames_requested: u64,
}

/// What was heard.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AudioReport {
    /// The packets.
    #[serde(flatten)]
    pub stream: StreamReport,
    /// Packets that the decoder refused.
    pub decode_errors: u64,
    /// Seconds of sound decoded.
    pub seconds: f64,
    /// Level over all of it, in dB relative to full scale; absent in perfect silence.
    pub level_dbfs: Option<f64>,
    /// The dominant tone in Hz, where there is one.
    pub tone_hz: Option<f64>,
    /// The tone that was expected, where one was.
    pub expected_tone_hz: Option<f64>,
    /// Whether there was something to hear.
    pub audible: bool,
}

/// What the embedded relay counted, from its side.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RelayReport {
    /// Its address.
    pub url: String,
    /// Allocations made during the run.
    pub allocations: u64,
    /// Payload bytes from clients to peers.
    pub bytes_to_peers: u64,
    /// Payload bytes from peers to clients.
    pub bytes_to_clients: u64,
}

impl Report {
    /// The JSON document.
    pub fn to_json(&self) -> String {
        // Only strings as keys and no failing impl: it cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}
