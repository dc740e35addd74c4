//! What arrived, in numbers. Every figure names its unit and its definition.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::{millis, round};
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
    /// negative when the sound came first. All clicks sound alike, so it is only known up to whole seconds, as -500 to
    /// 500: sound that is 700 ms late is told as -300. Absent without both.
    pub av_offset_ms: Option<Distribution>,
    /// How the sending times behind the latencies are known: `shared-clock` (both peers in one process), `picture`
    /// (the sender's clock is drawn into the picture) or `sender-report` (RTCP; as good as the two machines' clocks
    /// agree). Of the pictures, else of the sound; each kind has its own too. Absent when they are not known.
    pub latency_basis: Option<String>,
    /// What has to be known about these figures, each in one sentence: that the clocks of the two machines disagree, or
    /// that this machine was too slow to look at everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
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
    /// Packets that came in the repair stream (RFC 4588), sent again after a NACK (RFC 4585), and had not come before.
    /// Sound has no repair stream, so there it is always 0. A sender that answers NACKs in the stream itself is not told
    /// from a path that keeps packets back: these are only `reordered`.
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
    /// Since when the pictures had nothing to see, where that was so up to the last one and for a second at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub black_at_end: Option<UntilEnd>,
    /// Since when the picture stood still, where that was so up to the last one and for a second at least. Stamped
    /// pictures are the same by their stamps; others when in each tile of 16x16 pixels the mean brightness is within four
    /// levels of 256 of the picture with which the stretch began: what an encoder still changes in a scene without motion
    /// is less, a blink of an eye is more, and slow motion adds up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub still_at_end: Option<UntilEnd>,
    /// Pictures that show the same as the one before.
    pub repeated: u64,
    /// Pictures that the sender drew and that were never seen, counted by the numbers in the stamps from the first picture
    /// seen to the last one: what was drawn before or after these is not in it.
    pub frames_lost: u64,
    /// Freezes by the rule of webrtc-stats: a gap between two pictures of at least three times the average gap and 150 ms
    /// more than it, the average being that of the 30 gaps before. The time from the last picture to the end of the call
    /// counts too, where it also is a second or more.
    pub freezes: u64,
    /// Those gaps together, in milliseconds.
    pub freeze_ms: f64,
    /// The part of `freeze_ms` that lies at the end of the call, in milliseconds; 0 when pictures came until then.
    pub end_freeze_ms: f64,
    /// From the last decoded picture (whole frame, where nothing is decoded) to the end of the call, in milliseconds, or
    /// to the sender's own end, where that came first and is known. Absent where there was no picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture_quiet_ms: Option<f64>,
    /// The longest gap between two pictures, in milliseconds.
    pub longest_gap_ms: f64,
    /// From handing a frame to the sender's engine until it was decoded here (where nothing is decoded: until it was whole
    /// and all before it was there or given up), in milliseconds. So the wait for packets that are sent again is in it, as
    /// a viewer has it too; the encoding is not. Left out where it cannot be true, with a remark.
    pub latency_ms: Option<Distribution>,
    /// What it rests on; see [`Direction::latency_basis`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_basis: Option<String>,
    /// Peak signal-to-noise ratio of the brightness against the picture as it was drawn, in dB; of every
    /// seventh stamped picture. 100 stands for no difference at all.
    pub psnr_db: Option<Distribution>,
    /// Structural similarity of the brightness against the picture as it was drawn (Wang 2004, 8x8 windows), 0 to 1; of
    /// every 17th stamped picture.
    pub ssim: Option<Distribution>,
    /// Key frames that we asked for.
    pub key_frames_requested: u64,
    /// Frames put together that were not judged, because this machine was too slow.
    pub skipped: u64,
    /// CPU time of decoding, in milliseconds.
    pub decode_cpu_ms: f64,
    /// CPU time of judging the decoded pictures, in milliseconds.
    pub judge_cpu_ms: f64,
    /// The first, the last and the worst picture.
    pub snapshots: Vec<Snapshot>,
}

impl VideoReport {
    /// A picture that stands still up to the end of the call for less may only mean that the other side has just hung up.
    pub(crate) const LEAST_END_FREEZE: Duration = Duration::from_secs(1);

    /// The sender's part had ended so long before the receiver's, in milliseconds: it was not to send any more.
    pub(crate) fn sender_ended_before(&mut self, alone_ms: f64) {
        self.stream.sender_ended_before(alone_ms);
        let Some(quiet) = &mut self.picture_quiet_ms else { return };
        *quiet = round((*quiet - alone_ms).max(0.0));
        if self.end_freeze_ms > 0.0 {
            let left = if *quiet >= millis(Self::LEAST_END_FREEZE) { *quiet } else { 0.0 };
            if left <= 0.0 {
                self.freezes = self.freezes.saturating_sub(1);
            }
            self.freeze_ms = round((self.freeze_ms - self.end_freeze_ms + left).max(0.0));
            self.end_freeze_ms = left;
        }
    }
}

impl StreamReport {
    fn sender_ended_before(&mut self, alone_ms: f64) {
        self.quiet_ms = round((self.quiet_ms - alone_ms).max(0.0));
    }
}

/// Something that went on up to the last picture or packet, such as blackness or silence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UntilEnd {
    /// When it began, in milliseconds since the peers were started.
    pub from_ms: f64,
    /// From then to the last picture or packet, in milliseconds.
    pub for_ms: f64,
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
    /// The dominant tone in Hz, where there is one; good to a tenth of a hertz. It takes 200 ms of sound without a hole.
    pub tone_hz: Option<f64>,
    /// Which tone was heard when, in order: looked for in 200 ms of each second. At most 32 stretches; the last one then
    /// stands for all that follows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tones: Vec<ToneStretch>,
    /// The tone that was expected, where one was.
    pub expected_tone_hz: Option<f64>,
    /// Whether there was something to hear.
    pub audible: bool,
    /// Since when no packet was louder than -50 dBFS, where that was so up to the last one and for a second at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_at_end: Option<UntilEnd>,
    /// From the last decoded packet to the end of the call, in milliseconds, or to the sender's own end, where that came
    /// first and is known. Absent where nothing was decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound_quiet_ms: Option<f64>,
    /// Holes in the sound: stretches of media time between two packets that no packet covers, as RTP timestamps tell. A
    /// packet that comes more than 40 ms after a later one is too late to be heard.
    pub gaps: u64,
    /// Those holes together, in milliseconds.
    pub gap_ms: f64,
    /// The longest of them, in milliseconds.
    pub longest_gap_ms: f64,
    /// Clicks heard; the `beep` source has one each second.
    pub clicks: u64,
    /// From handing a packet to the sender's engine until it arrived here, in milliseconds; of every packet, overtaken or
    /// not. The 20 ms that a packet collects, the codec's own delay of 6.5 ms and any wait for packets before it are not
    /// in it. Left out where it cannot be true, with a remark.
    pub latency_ms: Option<Distribution>,
    /// What it rests on; see [`Direction::latency_basis`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_basis: Option<String>,
    /// Packets that were not judged, because this machine was too slow.
    pub skipped: u64,
    /// An estimate of the mean opinion score, 1 to 4.5: the E-model (ITU-T G.107) reduced to delay and loss. It did not
    /// listen to anything. The delay is the median of `latency_ms` where both peers share a clock, and half of the
    /// round-trip time where not, since clocks of two machines may be farther apart than any path is long; absent without
    /// either.
    pub mos_estimate: Option<f64>,
}

impl AudioReport {
    /// The same as [`VideoReport::sender_ended_before`].
    pub(crate) fn sender_ended_before(&mut self, alone_ms: f64) {
        self.stream.sender_ended_before(alone_ms);
        if let Some(quiet) = &mut self.sound_quiet_ms {
            *quiet = round((*quiet - alone_ms).max(0.0));
        }
    }
}

/// A stretch of sound in which every look found the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToneStretch {
    /// When the first look at it began, in milliseconds since the peers were started.
    pub from_ms: f64,
    /// When the last one ended, in milliseconds since the peers were started.
    pub until_ms: f64,
    /// The tone in Hz; `null` for silence, speech, music and noise.
    pub hz: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(freeze_ms: f64, end_freeze_ms: f64, quiet_ms: f64, alone_ms: f64) -> (u64, f64, f64, Option<f64>) {
        let stream = StreamReport { quiet_ms: 100.0, ..StreamReport::default() };
        let picture_quiet_ms = Some(quiet_ms);
        let mut video =
            VideoReport { stream, freezes: 2, freeze_ms, end_freeze_ms, picture_quiet_ms, ..VideoReport::default() };
        video.sender_ended_before(alone_ms);
        assert_eq!(video.stream.quiet_ms, (100.0 - alone_ms).max(0.0));
        (video.freezes, video.freeze_ms, video.end_freeze_ms, video.picture_quiet_ms)
    }

    #[test]
    fn a_sender_that_has_ended_is_not_missed() {
        assert_eq!(ended(2500.0, 2000.0, 2000.0, 0.0), (2, 2500.0, 2000.0, Some(2000.0)));
        assert_eq!(ended(2500.0, 2000.0, 2000.0, 400.0), (2, 2100.0, 1600.0, Some(1600.0)));
        assert_eq!(ended(2500.0, 2000.0, 2000.0, 1900.0), (1, 500.0, 0.0, Some(100.0)));
        assert_eq!(ended(500.0, 0.0, 40.0, 1900.0), (2, 500.0, 0.0, Some(0.0)), "there was no freeze at the end");
    }

    #[test]
    fn the_sound_of_a_sender_that_has_ended_is_not_missed() {
        let mut audio = AudioReport { sound_quiet_ms: Some(1500.0), ..AudioReport::default() };
        audio.sender_ended_before(1000.0);
        assert_eq!(audio.sound_quiet_ms, Some(500.0));
        audio.sender_ended_before(1000.0);
        assert_eq!(audio.sound_quiet_ms, Some(0.0));
    }
}
