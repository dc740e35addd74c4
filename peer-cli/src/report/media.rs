//! What arrived, in numbers. Every figure names its unit and its definition.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::{Distribution, Series};

/// What arrived in one direction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Direction {
    /// Who sent.
    pub from: String,
    /// Who received and measured.
    pub to: String,
    /// The pictures; absent when not a packet came.
    pub video: Option<VideoReport>,
    /// The sound; absent when not a packet came.
    pub audio: Option<AudioReport>,
    /// By how many milliseconds the click of each second was received after the flash of the same second was seen;
    /// negative when the sound came first. Absent without both.
    pub av_offset_ms: Option<Distribution>,
    /// How the sending times behind the latencies are known: `shared-clock` (both peers in one process), `picture`
    /// (the sender's clock is drawn into the picture) or `sender-report` (RTCP; as good as the two machines' clocks
    /// agree). Absent when they are not known.
    pub latency_basis: Option<String>,
    /// The same over time.
    pub series: Option<Series>,
}

/// Counts of one RTP stream (RFC 3550 appendix A).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StreamReport {
    /// The codec.
    pub codec: String,
    /// Packets received, duplicates not counted.
    pub packets: u64,
    /// Packets that never came (RFC 3550 appendix A.3: expected minus received).
    pub lost: u64,
    /// `lost` as a share of the packets expected, in percent.
    pub loss_percent: f64,
    /// Packets that were missed and came too late for mere reordering: sent again after a NACK (RFC 4585, RFC 4588).
    pub recovered: u64,
    /// `lost` and `recovered` together as a share of the packets expected, in percent: what the network lost.
    pub network_loss_percent: f64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after a later one, `recovered` ones included.
    pub reordered: u64,
    /// Payload bytes received.
    pub bytes: u64,
    /// Payload bits per second over the time from the first packet to the last, in kbit/s.
    pub bitrate_kbps: f64,
    /// Interarrival jitter in milliseconds (RFC 3550 section 6.4.1).
    pub jitter_ms: f64,
    /// From the last packet to the end of the call, in milliseconds.
    pub quiet_ms: f64,
    /// NACKs that we sent for this stream (RFC 4585 section 6.2.1), counted as packets asked for.
    pub nacks_sent: u64,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VideoReport {
    /// The packets.
    #[serde(flatten)]
    pub stream: StreamReport,
    /// Frames put together from packets.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Frames decoded.
    pub decoded: u64,
    /// Frames that the decoder refused.
    pub decode_errors: u64,
    /// Pictures per second from the first to the last; whole frames where nothing is decoded.
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
    /// Pictures that show the same as the one before.
    pub repeated: u64,
    /// Pictures that the sender drew and that were never seen, counted from the numbers in their stamps.
    pub frames_lost: u64,
    /// Freezes by the rule of webrtc-stats: a gap between two pictures of at least three times the average gap and 150 ms
    /// more than it.
    pub freezes: u64,
    /// Those gaps together, in milliseconds.
    pub freeze_ms: f64,
    /// The longest gap between two pictures, in milliseconds.
    pub longest_gap_ms: f64,
    /// From handing a frame to the sender's engine until it was decoded here (put together, where nothing is decoded),
    /// in milliseconds; the encoding is not in it. See [`Direction::latency_basis`].
    pub latency_ms: Option<Distribution>,
    /// Peak signal-to-noise ratio of the brightness against the picture as it was drawn, in dB; of pictures looked at
    /// (a sample of the stamped ones). 100 stands for no difference at all.
    pub psnr_db: Option<Distribution>,
    /// Structural similarity of the brightness against the picture as it was drawn (Wang 2004, 8x8 windows), 0 to 1; of
    /// pictures looked at (a smaller sample).
    pub ssim: Option<Distribution>,
    /// Key frames that we asked for.
    pub key_frames_requested: u64,
    /// CPU time of decoding, in milliseconds.
    pub decode_cpu_ms: f64,
    /// CPU time of judging the decoded pictures, in milliseconds.
    pub judge_cpu_ms: f64,
    /// The first, the last and the worst picture.
    pub snapshots: Vec<Snapshot>,
}

/// A picture kept to be looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Snapshot {
    /// `first`, `last` or `worst` (the lowest PSNR).
    pub which: String,
    /// When it was decoded, in milliseconds since the peers were started.
    pub at_ms: f64,
    /// Width in pixels as decoded.
    pub width: u32,
    /// Height in pixels as decoded.
    pub height: u32,
    /// Its PSNR in dB, where it was measured.
    pub psnr_db: Option<f64>,
    /// The picture as WebP, at most 480 pixels wide, in base64 (RFC 4648 section 4).
    pub webp_base64: String,
}

/// What was heard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
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
    /// Holes in the sound: stretches of media time between two packets that no packet covers, as RTP timestamps tell.
    pub gaps: u64,
    /// Those holes together, in milliseconds.
    pub gap_ms: f64,
    /// The longest of them, in milliseconds.
    pub longest_gap_ms: f64,
    /// Clicks heard; the `beep` source has one each second.
    pub clicks: u64,
    /// From handing a packet to the sender's engine until it was received here, in milliseconds. The 20 ms that a packet
    /// collects and the codec's own delay of 6.5 ms are not in it. See [`Direction::latency_basis`].
    pub latency_ms: Option<Distribution>,
    /// An estimate of the mean opinion score, 1 to 4.5: the E-model (ITU-T G.107) reduced to delay and loss. It did not
    /// listen to anything.
    pub mos_estimate: Option<f64>,
}
