//! The metrics of what arrived, one sample for each direction.

use super::{Better, JudgeLevel, Metric, Source, Unit};
use crate::measure::Distribution;
use crate::report::{AudioReport, Direction, VideoReport};

use Better::{Higher, Lower, Neither};
use JudgeLevel::{Frames, Full, Packets};
use Unit::{Count, Fps, FullScale, Hertz, Milliseconds, Pixels, Ratio, Score, Seconds};

/// The pictures.
pub(super) static VIDEO: &[Metric] = &[
    video(
        "video.fps",
        Fps,
        Higher,
        Frames,
        "Pictures per second from the first to the last; whole frames where nothing is decoded.",
        |v| Some(v.fps),
    ),
    video_spread(
        "video.latency_ms",
        Milliseconds,
        Lower,
        Frames,
        "From handing a frame to the sender's engine until it was decoded here (whole, where nothing is decoded).",
        |v| v.latency_ms,
    ),
    video(
        "video.freezes",
        Count,
        Lower,
        Frames,
        "Gaps between two pictures of at least three times the average of the last 30 and 150 ms more than it \
         (webrtc-stats).",
        |v| Some(v.freezes as f64),
    ),
    video("video.freeze_ms", Milliseconds, Lower, Frames, "All freezes together.", |v| Some(v.freeze_ms)),
    video(
        "video.end_freeze_ms",
        Milliseconds,
        Lower,
        Frames,
        "The part of them that lies at the end of the call; 0 when pictures came until then.",
        |v| Some(v.end_freeze_ms),
    ),
    video(
        "video.picture_quiet_ms",
        Milliseconds,
        Lower,
        Frames,
        "From the last picture to the end of the call; whole frames where nothing is decoded.",
        |v| v.picture_quiet_ms,
    ),
    video("video.longest_gap_ms", Milliseconds, Lower, Frames, "The longest gap between two pictures.", |v| {
        Some(v.longest_gap_ms)
    }),
    video("video.frames", Count, Neither, Frames, "Frames put together from packets.", |v| Some(v.frames as f64)),
    video("video.key_frames", Count, Neither, Frames, "Key frames among them.", |v| Some(v.key_frames as f64)),
    video("video.decoded", Count, Neither, Full, "Frames decoded.", |v| Some(v.decoded as f64)),
    video("video.decode_errors", Count, Lower, Full, "Frames that the decoder refused.", |v| {
        Some(v.decode_errors as f64)
    }),
    video(
        "video.frames_lost",
        Count,
        Lower,
        Full,
        "Pictures drawn and never seen between the first and the last one seen, by the numbers in their stamps.",
        |v| Some(v.frames_lost as f64),
    ),
    video("video.repeated", Count, Lower, Full, "Pictures that show the same as the one before.", |v| {
        Some(v.repeated as f64)
    }),
    video("video.black", Count, Lower, Full, "Pictures with nothing to see.", |v| Some(v.black as f64)),
    video(
        "video.black_at_end_ms",
        Milliseconds,
        Lower,
        Full,
        "How long there was nothing to see up to the last picture; 0 below a second.",
        |v| Some(v.black_at_end.map_or(0.0, |end| end.for_ms)),
    ),
    video(
        "video.still_at_end_ms",
        Milliseconds,
        Lower,
        Full,
        "How long the picture stood still up to the last one; 0 below a second.",
        |v| Some(v.still_at_end.map_or(0.0, |end| end.for_ms)),
    ),
    video(
        "video.stamped",
        Count,
        Neither,
        Full,
        "Pictures with a readable stamp, which only our own pattern has.",
        |v| Some(v.stamped as f64),
    ),
    video(
        "video.wrong_peer",
        Count,
        Lower,
        Full,
        "Stamped pictures that another peer than the expected one drew.",
        |v| Some(v.wrong_peer as f64),
    ),
    video_spread(
        "video.psnr_db",
        Unit::Decibels,
        Higher,
        Full,
        "Peak signal-to-noise ratio of the brightness against the picture as it was drawn; of every 7th.",
        |v| v.psnr_db,
    ),
    video_spread(
        "video.ssim",
        Ratio,
        Higher,
        Full,
        "Structural similarity of the brightness against the picture as it was drawn, 0 to 1; of every 17th.",
        |v| v.ssim,
    ),
    video("video.width", Pixels, Neither, Full, "Width of the last picture.", |v| Some(f64::from(v.width))),
    video("video.height", Pixels, Neither, Full, "Height of the last picture.", |v| Some(f64::from(v.height))),
    video("video.plis", Count, Lower, Packets, "Key frames that we asked for (PLI).", |v| {
        Some(v.key_frames_requested as f64)
    }),
    video("video.skipped", Count, Lower, Frames, "Frames not judged, because this machine was too slow.", |v| {
        Some(v.skipped as f64)
    }),
    video("video.decode_cpu_ms", Milliseconds, Lower, Full, "CPU time of decoding.", |v| Some(v.decode_cpu_ms)),
    video("video.judge_cpu_ms", Milliseconds, Lower, Full, "CPU time of judging the decoded pictures.", |v| {
        Some(v.judge_cpu_ms)
    }),
];

/// The sound, and how it fits the pictures.
pub(super) static AUDIO: &[Metric] = &[
    audio("audio.seconds", Seconds, Neither, Full, "Seconds of sound decoded.", |a| Some(a.seconds)),
    audio_spread(
        "audio.latency_ms",
        Milliseconds,
        Lower,
        Packets,
        "From handing a packet to the sender's engine until it arrived here.",
        |a| a.latency_ms,
    ),
    audio(
        "audio.level_dbfs",
        FullScale,
        Neither,
        Full,
        "Level over all of the sound, relative to full scale; nothing in perfect silence.",
        |a| a.level_dbfs,
    ),
    audio("audio.tone_hz", Hertz, Neither, Full, "The dominant tone, where there is one.", |a| a.tone_hz),
    audio("audio.expected_tone_hz", Hertz, Neither, Packets, "The tone that was expected, where one was.", |a| {
        a.expected_tone_hz
    }),
    audio(
        "audio.gaps",
        Count,
        Lower,
        Full,
        "Stretches of media time between two packets that no packet covers.",
        |a| Some(a.gaps as f64),
    ),
    audio("audio.gap_ms", Milliseconds, Lower, Full, "Those gaps together.", |a| Some(a.gap_ms)),
    audio("audio.longest_gap_ms", Milliseconds, Lower, Full, "The longest of them.", |a| Some(a.longest_gap_ms)),
    audio(
        "audio.silent_at_end_ms",
        Milliseconds,
        Lower,
        Full,
        "How long there was nothing to hear up to the last packet; 0 below a second.",
        |a| Some(a.silent_at_end.map_or(0.0, |end| end.for_ms)),
    ),
    audio(
        "audio.sound_quiet_ms",
        Milliseconds,
        Lower,
        Full,
        "From the last decoded packet to the end of the call.",
        |a| a.sound_quiet_ms,
    ),
    audio("audio.clicks", Count, Neither, Full, "Clicks heard; the beep source has one each second.", |a| {
        Some(a.clicks as f64)
    }),
    audio("audio.decode_errors", Count, Lower, Full, "Packets that the decoder refused.", |a| {
        Some(a.decode_errors as f64)
    }),
    audio("audio.skipped", Count, Lower, Full, "Packets not judged, because this machine was too slow.", |a| {
        Some(a.skipped as f64)
    }),
    audio(
        "audio.mos_estimate",
        Score,
        Higher,
        Packets,
        "Estimated mean opinion score, 1 to 4.5: the E-model (ITU-T G.107) reduced to loss and delay, which is half of the \
         round-trip time where the peers share no clock.",
        |a| a.mos_estimate,
    ),
    Metric {
        name: "av_offset_ms",
        unit: Milliseconds,
        better: Neither,
        about: "By how much the click of each second came after the flash of the same second; negative when the sound \
                came first. Known up to whole seconds: -500 to 500.",
        needs: Full,
        source: Source::DirectionSpread(|direction: &Direction| direction.av_offset_ms),
    },
];

/// A figure of the pictures.
pub(super) const fn video(
    name: &'static str,
    unit: Unit,
    better: Better,
    needs: JudgeLevel,
    about: &'static str,
    get: fn(&VideoReport) -> Option<f64>,
) -> Metric {
    Metric { name, unit, better, about, needs, source: Source::Video(get) }
}

const fn video_spread(
    name: &'static str,
    unit: Unit,
    better: Better,
    needs: JudgeLevel,
    about: &'static str,
    get: fn(&VideoReport) -> Option<Distribution>,
) -> Metric {
    Metric { name, unit, better, about, needs, source: Source::VideoSpread(get) }
}

/// A figure of the sound.
pub(super) const fn audio(
    name: &'static str,
    unit: Unit,
    better: Better,
    needs: JudgeLevel,
    about: &'static str,
    get: fn(&AudioReport) -> Option<f64>,
) -> Metric {
    Metric { name, unit, better, about, needs, source: Source::Audio(get) }
}

const fn audio_spread(
    name: &'static str,
    unit: Unit,
    better: Better,
    needs: JudgeLevel,
    about: &'static str,
    get: fn(&AudioReport) -> Option<Distribution>,
) -> Metric {
    Metric { name, unit, better, about, needs, source: Source::AudioSpread(get) }
}
