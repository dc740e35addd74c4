//! What is received of one kind of media: its counts, and the receive brain that makes frames of it.

use std::time::{Duration, Instant};

use crate::clock::{millis, round};
use crate::media::{VideoCodec, packet_duration};
use crate::receive::{Output, Payload, ReceiveConfig, Receiver, RtpHeader, StreamStats};
use crate::report::StreamReport;
use crate::rtc::{ReceivedCodec, RtpPacket};

/// Seconds from the first packet to the last below which there is no bitrate to speak of.
const LEAST_SPAN: f64 = 0.1;
/// A stream that was silent for this long may be followed by another one.
const GONE_AFTER: Duration = Duration::from_secs(1);

/// The stream of one sender; when another one takes its place, or another codec, the counts go on.
pub(super) struct Stream {
    codec: ReceivedCodec,
    /// Whether packets are to be put together.
    assemble: bool,
    /// `None` for a codec that nobody here decodes, and where nothing is to be put together.
    receiver: Option<Receiver>,
    stats: StreamStats,
    ssrc: u32,
    frames: u64,
    key_frames: u64,
    /// Of the packets of sound, as their first bytes tell.
    played: Duration,
    missed: u64,
    first: Instant,
    last: Instant,
}

/// What one packet adds to the series.
pub(super) struct PacketNews {
    /// Whether it had not been there before.
    pub(super) is_new: bool,
    pub(super) kilobits: f64,
    /// Packets found missing by this one.
    pub(super) missed: u64,
    pub(super) jitter_ms: f64,
}

impl Stream {
    pub(super) fn new(codec: ReceivedCodec, clock_rate: u32, at: Instant, assemble: bool) -> Self {
        Self {
            receiver: receiver(&codec, assemble),
            codec,
            assemble,
            stats: StreamStats::new(clock_rate),
            ssrc: 0,
            frames: 0,
            key_frames: 0,
            played: Duration::ZERO,
            missed: 0,
            first: at,
            last: at,
        }
    }

    /// The sender goes on with another codec. What of the one before is not finished by now never will be: see
    /// [`Stream::end`].
    pub(super) fn switch(&mut self, codec: ReceivedCodec, clock_rate: u32) {
        self.receiver = receiver(&codec, self.assemble);
        self.codec = codec;
        self.stats.set_clock_rate(clock_rate);
    }

    pub(super) fn packet(&mut self, at: Instant, packet: RtpPacket) -> PacketNews {
        let header = RtpHeader {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            ssrc: packet.ssrc,
        };
        self.last = at;
        self.ssrc = packet.ssrc;
        let bytes = packet.payload.len();
        let is_new = self.stats.packet(at, &header, bytes);
        if is_new && self.codec == ReceivedCodec::Opus {
            self.played += packet_duration(&packet.payload).unwrap_or_default();
        }
        if let Some(receiver) = &mut self.receiver {
            receiver.packet(at, header, packet.payload);
        }
        let stats = self.stats.report();
        let missed = stats.missed.saturating_sub(self.missed);
        self.missed = stats.missed;
        PacketNews { is_new, kilobits: bytes as f64 * 8.0 / 1000.0, missed, jitter_ms: stats.jitter_ms }
    }

    /// The packet with this number comes in the stream that repairs this one.
    pub(super) fn repaired(&mut self, sequence: u16) {
        self.stats.repaired(sequence);
    }

    /// Nothing more is waited for.
    pub(super) fn end(&mut self, now: Instant) {
        if let Some(receiver) = &mut self.receiver {
            receiver.end(now);
        }
    }

    /// What the receive brain has to say next; frames are counted on their way.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        let output = self.receiver.as_mut()?.poll_output()?;
        if let Output::Frame { key, .. } = &output {
            self.frames += 1;
            self.key_frames += u64::from(*key);
        }
        Some(output)
    }

    pub(super) fn receiver(&mut self) -> Option<&mut Receiver> {
        self.receiver.as_mut()
    }

    pub(super) fn peek_receiver(&self) -> Option<&Receiver> {
        self.receiver.as_ref()
    }

    pub(super) fn codec(&self) -> &ReceivedCodec {
        &self.codec
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn key_frames(&self) -> u64 {
        self.key_frames
    }

    /// Seconds of sound in the packets.
    pub(super) fn seconds(&self) -> f64 {
        self.played.as_secs_f64()
    }

    pub(super) fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < GONE_AFTER
    }

    pub(super) fn report(&self, now: Instant, nacks_sent: u64) -> StreamReport {
        let stats = self.stats.report();
        let seconds = self.last.saturating_duration_since(self.first).as_secs_f64();
        let kilobits = stats.bytes as f64 * 8.0 / 1000.0;
        let share = |part: u64| {
            let expected = stats.received + stats.lost;
            if expected > 0 { round(part as f64 * 100.0 / expected as f64) } else { 0.0 }
        };
        StreamReport {
            codec: match &self.codec {
                ReceivedCodec::Opus => "opus".to_owned(),
                ReceivedCodec::Vp8 => "VP8".to_owned(),
                ReceivedCodec::H264 => "H264".to_owned(),
                ReceivedCodec::Other(name) => name.clone(),
            },
            packets: stats.received,
            lost: stats.lost,
            loss_percent: share(stats.lost),
            recovered: stats.recovered,
            network_loss_percent: share(stats.lost + stats.recovered),
            duplicates: stats.duplicates,
            reordered: stats.reordered,
            bytes: stats.bytes,
            bitrate_kbps: if seconds >= LEAST_SPAN { round(kilobits / seconds) } else { 0.0 },
            jitter_ms: round(stats.jitter_ms),
            quiet_ms: millis(now.saturating_duration_since(self.last)),
            nacks_sent,
        }
    }
}

fn receiver(codec: &ReceivedCodec, assemble: bool) -> Option<Receiver> {
    let payload = match (codec, video_codec(codec)) {
        (_, Some(codec)) => Some(Payload::Video(codec)),
        (ReceivedCodec::Opus, None) => Some(Payload::Opus),
        (ReceivedCodec::Vp8 | ReceivedCodec::H264 | ReceivedCodec::Other(_), None) => None,
    };
    payload.filter(|_| assemble).map(|payload| Receiver::new(ReceiveConfig::new(payload)))
}

pub(super) fn video_codec(codec: &ReceivedCodec) -> Option<VideoCodec> {
    match codec {
        ReceivedCodec::Vp8 => Some(VideoCodec::Vp8),
        ReceivedCodec::H264 => Some(VideoCodec::H264),
        ReceivedCodec::Opus | ReceivedCodec::Other(_) => None,
    }
}
