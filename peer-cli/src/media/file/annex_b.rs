//! Raw H264: units behind start codes, without times.

use super::super::{MediaError, VideoCodec, h264};
use super::Input;
use super::track::Track;

/// What is assumed when the stream has no timing information.
const FRAMES_PER_SECOND: f64 = 30.0;

/// A start code and a unit that may stand first in a stream.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    const SEI: u8 = 6;
    const DELIMITER: u8 = 9;
    let unit = bytes.strip_prefix(&[0, 0, 0, 1]).or_else(|| bytes.strip_prefix(&[0, 0, 1]));
    unit.is_some_and(|unit| {
        let forbidden_bit = unit.first().is_some_and(|header| header & 0x80 != 0);
        !forbidden_bit
            && matches!(h264::kind(unit), h264::SLICE | h264::IDR_SLICE | SEI | h264::SPS | h264::PPS | DELIMITER)
    })
}

pub(super) fn read(input: &Input) -> Result<Track, MediaError> {
    let mut track = Track::new(VideoCodec::H264, None, None);
    let rate = h264::nal_units(&input.bytes)
        .find(|nal| h264::kind(nal) == h264::SPS)
        .and_then(h264::Sps::parse)
        .and_then(|sps| sps.frame_rate)
        .unwrap_or(FRAMES_PER_SECOND);
    let mut picture: Vec<&[u8]> = Vec::new();
    let mut has_slice = false;
    for nal in h264::nal_units(&input.bytes) {
        let is_slice = matches!(h264::kind(nal), h264::SLICE | h264::IDR_SLICE);
        // ITU-T H.264 section 7.4.1.2.3: the next picture begins with its first slice or with what stands before it.
        if has_slice && (!is_slice || h264::is_first_slice(nal)) {
            push(input, &mut track, &picture, rate)?;
            picture.clear();
            has_slice = false;
        }
        picture.push(nal);
        has_slice |= is_slice;
    }
    push(input, &mut track, &picture, rate)?;
    Ok(track)
}

fn push(input: &Input, track: &mut Track, picture: &[&[u8]], rate: f64) -> Result<(), MediaError> {
    let nanos = (track.len() as f64 * 1e9 / rate) as i64;
    track.push_h264(input, picture, nanos)
}
