//! Opus packets, as far as their length in time shows.

use std::time::Duration;

/// Time of one packet: its frame length times its frame count, 2.5 to 120 ms (RFC 6716 sections 3.1 and 3.2).
///
/// # Errors
/// [`InvalidOpusPacket`] for an empty packet, one without its frame count byte, or one outside those limits.
pub fn packet_duration(packet: &[u8]) -> Result<Duration, InvalidOpusPacket> {
    let toc = *packet.first().ok_or(InvalidOpusPacket::Empty)?;
    let frames = match toc & 0b11 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).ok_or(InvalidOpusPacket::NoFrameCount)? & 0x3f),
    };
    let duration = frame_duration(toc >> 3) * frames;
    if frames == 0 || duration > LONGEST {
        return Err(InvalidOpusPacket::Length { frames, duration });
    }
    Ok(duration)
}

/// Why bytes are no Opus packet.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidOpusPacket {
    /// Not even a TOC byte.
    #[error("an Opus packet has at least one byte, this one has none")]
    Empty,
    /// Code 3 in the TOC byte promises a second byte.
    #[error("an Opus packet of code 3 has a frame count byte, this one ends after its first byte")]
    NoFrameCount,
    /// Nothing, or more than 120 ms.
    #[error("an Opus packet holds 2.5 to 120 ms, this one {frames} frames or {duration:?}")]
    Length {
        /// Frames announced.
        frames: u32,
        /// Their time together.
        duration: Duration,
    },
}

const LONGEST: Duration = Duration::from_millis(120);

/// RFC 6716 table 2: SILK, hybrid and CELT configurations have different ladders.
fn frame_duration(config: u8) -> Duration {
    let step = usize::from(config & 0b11);
    Duration::from_micros(match config {
        0..12 => [10_000, 20_000, 40_000, 60_000][step],
        12..16 => [10_000, 20_000][step & 1],
        _ => [2_500, 5_000, 10_000, 20_000][step],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(packet: &[u8]) -> u128 {
        packet_duration(packet).unwrap().as_micros()
    }

    #[test]
    fn the_toc_byte_tells_the_frame_length() {
        assert_eq!(micros(&[0 << 3]), 10_000);
        assert_eq!(micros(&[3 << 3]), 60_000);
        assert_eq!(micros(&[13 << 3]), 20_000);
        assert_eq!(micros(&[14 << 3]), 10_000);
        assert_eq!(micros(&[16 << 3]), 2_500);
        assert_eq!(micros(&[31 << 3]), 20_000);
        assert_eq!(micros(&[0x48]), 20_000);
    }

    #[test]
    fn a_packet_may_hold_several_frames() {
        assert_eq!(micros(&[31 << 3 | 1]), 40_000);
        assert_eq!(micros(&[31 << 3 | 2]), 40_000);
        assert_eq!(micros(&[31 << 3 | 3, 0x80 | 6]), 120_000);
    }

    #[test]
    fn impossible_packets_are_refused() {
        assert_eq!(packet_duration(&[]), Err(InvalidOpusPacket::Empty));
        assert_eq!(packet_duration(&[0xff]), Err(InvalidOpusPacket::NoFrameCount));
        assert!(matches!(packet_duration(&[0xff, 0]), Err(InvalidOpusPacket::Length { frames: 0, .. })));
        assert!(matches!(packet_duration(&[0xff, 7]), Err(InvalidOpusPacket::Length { frames: 7, .. })));
    }
}
