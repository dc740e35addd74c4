//! Frames to RTP packets.
//!
//! Frames are cut here and not by the stack's sample track, because that one is tied to one codec before anything is
//! negotiated, and rounds each duration down to whole clock ticks: at 30 frames a second video would fall behind audio
//! by 20 ms a minute.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::Duration,
};

use bytes::Bytes;
use rtc::rtp::{self, packetizer::Payloader};
use webrtc::error::Result;

use super::{MediaKind, engine::SendCodec};

/// Largest RTP payload in bytes: 1200 bytes of RTP leave room for SRTP, UDP, IPv6 and a TURN channel header in any
/// path of the internet.
const MAX_PAYLOAD: usize = 1200 - 12;

/// What the far end accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Negotiated {
    /// How to encode and cut.
    pub(super) codec: SendCodec,
    /// The number that stands for it.
    pub(super) payload_type: u8,
}

/// Where an outgoing RTP stream stands.
pub(super) struct Stream {
    payloader: Option<(SendCodec, Box<dyn Payloader>)>,
    sequence: u16,
    first_timestamp: u32,
    played: Duration,
}

impl Stream {
    /// A stream that starts at random numbers, as RFC 3550 section 5.1 asks for.
    pub(super) fn new() -> Self {
        Self { payloader: None, sequence: dice() as u16, first_timestamp: dice() as u32, played: Duration::ZERO }
    }

    /// The timestamp and the packets of one frame; the next one follows after `duration` on the media clock.
    pub(super) fn cut(
        &mut self,
        kind: MediaKind,
        ssrc: u32,
        negotiated: Negotiated,
        data: &Bytes,
        duration: Duration,
    ) -> Result<(u32, Vec<rtp::Packet>)> {
        let Negotiated { codec, payload_type } = negotiated;
        let description = codec.describe();
        let mut payloader = match self.payloader.take() {
            Some((current, payloader)) if current == codec => payloader,
            Some(_) | None => description.payloader()?,
        };
        let payloads = payloader.payload(MAX_PAYLOAD, data);
        self.payloader = Some((codec, payloader));
        let payloads = payloads?;
        let timestamp = self.first_timestamp.wrapping_add(ticks(self.played, description.clock_rate));
        self.played += duration;

        let last = payloads.len().saturating_sub(1);
        let mut packets = Vec::with_capacity(payloads.len());
        for (i, payload) in payloads.into_iter().enumerate() {
            packets.push(rtp::Packet {
                header: rtp::Header {
                    version: 2,
                    // For audio the marker would mean the start of a talk spurt (RFC 7587 section 4.1).
                    marker: kind == MediaKind::Video && i == last,
                    payload_type,
                    sequence_number: self.sequence,
                    timestamp,
                    ssrc,
                    ..rtp::Header::default()
                },
                payload,
            });
            self.sequence = self.sequence.wrapping_add(1);
        }
        Ok((timestamp, packets))
    }
}

/// RTP clock ticks in `time`, modulo 2^32 as timestamps are.
fn ticks(time: Duration, clock_rate: u32) -> u32 {
    (time.as_nanos() * u128::from(clock_rate) / 1_000_000_000) as u32
}

/// A random number for names, sequence numbers and timestamps: the standard library's hash keys come from the
/// operating system, and nothing secret hangs on these.
pub(super) fn dice() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::VideoCodec;

    fn stream() -> Stream {
        Stream { payloader: None, sequence: u16::MAX, first_timestamp: u32::MAX, played: Duration::ZERO }
    }

    const VP8: Negotiated = Negotiated { codec: SendCodec::Video(VideoCodec::Vp8), payload_type: 96 };

    #[test]
    fn a_frame_is_cut_into_packets_of_one_timestamp_with_the_marker_on_the_last() {
        let frame = Bytes::from(vec![0; 3000]);
        let (timestamp, packets) = stream().cut(MediaKind::Video, 7, VP8, &frame, Duration::from_millis(20)).unwrap();
        assert_eq!(timestamp, u32::MAX);
        let facts: Vec<_> =
            packets.iter().map(|packet| (packet.header.sequence_number, packet.header.marker)).collect();
        assert_eq!(facts, [(u16::MAX, false), (0, false), (1, true)]);
        for packet in &packets {
            assert_eq!(packet.header.timestamp, u32::MAX);
            assert_eq!((packet.header.ssrc, packet.header.payload_type), (7, 96));
            assert!(packet.payload.len() <= MAX_PAYLOAD);
        }
    }

    #[test]
    fn timestamps_do_not_fall_behind_at_thirty_frames_a_second() {
        let mut stream = stream();
        stream.first_timestamp = 0;
        let frame = Bytes::from_static(&[0; 10]);
        let duration = Duration::from_nanos(33_333_333);
        let mut last = 0;
        for _ in 0..=30 * 60 {
            (last, _) = stream.cut(MediaKind::Video, 7, VP8, &frame, duration).unwrap();
        }
        assert!((60 * 90_000 - 2..=60 * 90_000).contains(&last), "{last}");
    }

    #[test]
    fn the_clock_wraps_with_the_timestamp() {
        assert_eq!(ticks(Duration::from_millis(20), 48_000), 960);
        let wrap = Duration::from_secs((1 << 32) / 90_000 + 1);
        assert!(ticks(wrap, 90_000) < 90_000);
    }
}
