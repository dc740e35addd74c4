//! One kind of media on its way in: its stream, when it was sent, and what became of its frames.

use std::time::Instant;

use crate::measure::{Basis, Collector, SendLedger, SenderClock, signed_ms};
use crate::media::VideoCodec;
use crate::peer::stream::{PacketNews, Stream, video_codec};
use crate::rtc::{MediaKind, ReceivedCodec, RtpPacket};

/// One kind of media.
pub(super) struct Track {
    /// From the first packet on.
    pub(super) stream: Option<Stream>,
    pub(super) clock: SenderClock,
    /// How the last time of sending was known.
    pub(super) basis: Option<Basis>,
    /// From sending packets to their arrival, in milliseconds.
    pub(super) latency: Collector,
    /// Frames for which the judging thread had no room.
    pub(super) skipped: u64,
}

impl Track {
    pub(super) fn new(kind: MediaKind, ledger: Option<SendLedger>) -> Self {
        let clock_rate = match kind {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        };
        Self {
            stream: None,
            clock: SenderClock::new(kind, clock_rate, ledger),
            basis: None,
            latency: Collector::new(),
            skipped: 0,
        }
    }

    /// Whether a packet of this stream comes while packets of another one do.
    pub(super) fn is_beside(&self, at: Instant, ssrc: u32) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.ssrc() != ssrc && stream.is_alive(at))
    }

    /// Takes one packet. `assemble`: whether to make frames of them.
    pub(super) fn packet(
        &mut self,
        at: Instant,
        (codec, clock_rate): (&ReceivedCodec, u32),
        assemble: bool,
        packet: RtpPacket,
    ) -> PacketNews {
        let stream = self.stream.get_or_insert_with(|| Stream::new(codec.clone(), clock_rate, at, assemble));
        if stream.codec() != codec {
            stream.switch(codec.clone(), clock_rate);
        }
        stream.packet(at, packet)
    }

    /// A packet with this timestamp arrived; returns for how many milliseconds it was on its way, where that is known.
    pub(super) fn arrived(&mut self, at: Instant, timestamp: u32) -> Option<f64> {
        let latency = signed_ms(self.sent_at(timestamp)?, at);
        self.latency.add(latency);
        Some(latency)
    }

    /// When what has this timestamp in the present stream was sent, where that is known.
    pub(super) fn sent_at(&mut self, timestamp: u32) -> Option<Instant> {
        let ssrc = self.stream.as_ref()?.ssrc();
        let (sent_at, basis) = self.clock.sent_at(ssrc, timestamp)?;
        self.basis = Some(basis);
        Some(sent_at)
    }

    pub(super) fn video_codec(&self) -> Option<VideoCodec> {
        self.stream.as_ref().and_then(|stream| video_codec(stream.codec()))
    }
}
