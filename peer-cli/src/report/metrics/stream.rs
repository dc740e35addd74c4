//! The metrics of the packets of a stream, one sample for each direction.

use super::media::{audio, video};
use super::{Better, JudgeLevel, Metric, Unit};

use Better::{Higher, Lower, Neither};
use JudgeLevel::Packets;
use Unit::{Count, Kbps, Milliseconds, Percent};

/// Counts of an RTP stream are the same for both kinds of media.
macro_rules! stream {
    ($kind:literal, $metric:ident) => {
        &[
            $metric(
                concat!($kind, ".bitrate_kbps"),
                Kbps,
                Higher,
                Packets,
                "Payload bits per second from the first packet to the last.",
                |m| Some(m.stream.bitrate_kbps),
            ),
            $metric(
                concat!($kind, ".packets"),
                Count,
                Neither,
                Packets,
                "Packets received, duplicates not counted.",
                |m| Some(m.stream.packets as f64),
            ),
            $metric(
                concat!($kind, ".lost"),
                Count,
                Lower,
                Packets,
                "Packets that never came (RFC 3550 appendix A.3).",
                |m| Some(m.stream.lost as f64),
            ),
            $metric(
                concat!($kind, ".loss_percent"),
                Percent,
                Lower,
                Packets,
                "Packets that never came, of those expected.",
                |m| Some(m.stream.loss_percent),
            ),
            $metric(
                concat!($kind, ".recovered"),
                Count,
                Lower,
                Packets,
                "Packets that came in the repair stream (RFC 4588); sound has none.",
                |m| Some(m.stream.recovered as f64),
            ),
            $metric(
                concat!($kind, ".network_loss_percent"),
                Percent,
                Lower,
                Packets,
                "Packets lost or recovered, of those expected: what the network lost.",
                |m| Some(m.stream.network_loss_percent),
            ),
            $metric(concat!($kind, ".duplicates"), Count, Lower, Packets, "Packets that came again.", |m| {
                Some(m.stream.duplicates as f64)
            }),
            $metric(
                concat!($kind, ".reordered"),
                Count,
                Lower,
                Packets,
                "Packets that came after a later one, recovered ones included.",
                |m| Some(m.stream.reordered as f64),
            ),
            $metric(concat!($kind, ".bytes"), Unit::Bytes, Neither, Packets, "Payload bytes received.", |m| {
                Some(m.stream.bytes as f64)
            }),
            $metric(
                concat!($kind, ".jitter_ms"),
                Milliseconds,
                Lower,
                Packets,
                "Interarrival jitter (RFC 3550 section 6.4.1).",
                |m| Some(m.stream.jitter_ms),
            ),
            $metric(
                concat!($kind, ".quiet_ms"),
                Milliseconds,
                Lower,
                Packets,
                "From the last packet to the end of the call.",
                |m| Some(m.stream.quiet_ms),
            ),
            $metric(
                concat!($kind, ".nacks"),
                Count,
                Lower,
                Packets,
                "Packets that we asked for again (NACK, RFC 4585 section 6.2.1).",
                |m| Some(m.stream.nacks_sent as f64),
            ),
        ]
    };
}

/// The packets of the pictures.
pub(super) static VIDEO: &[Metric] = stream!("video", video);

/// The packets of the sound.
pub(super) static AUDIO: &[Metric] = stream!("audio", audio);
