//! IVF: a header of 32 bytes, then frames with size and time in front.

use bytes::{Buf, Bytes};

use super::super::{MediaError, VideoCodec, h264};
use super::Input;
use super::track::Track;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 12;

pub(super) fn read(input: &Input) -> Result<Track, MediaError> {
    if input.bytes.len() < HEADER {
        let reason = format!("an IVF header has {HEADER} bytes, there are {}", input.bytes.len());
        return Err(input.broken(0, reason));
    }
    let mut rest = input.bytes.clone();
    rest.advance(6);
    let header_length = usize::from(rest.get_u16_le());
    let mut fourcc = [0; 4];
    rest.copy_to_slice(&mut fourcc);
    let (width, height) = (u32::from(rest.get_u16_le()), u32::from(rest.get_u16_le()));
    let (rate, scale) = (rest.get_u32_le(), rest.get_u32_le());
    if rate == 0 || scale == 0 {
        return Err(input.broken(0, format!("its time base is {scale}/{rate} s; neither may be 0")));
    }
    let codec = match &fourcc {
        b"VP80" => VideoCodec::Vp8,
        b"H264" | b"h264" | b"avc1" => VideoCodec::H264,
        other => return Err(input.video_codec(name(*other))),
    };
    let mut rest = input.bytes.clone();
    rest.advance(header_length.clamp(HEADER, rest.len()));

    let mut track = Track::new(codec, Some(width), Some(height));
    while rest.has_remaining() {
        let (data, time) = frame(&mut rest).map_err(|reason| input.broken(track.len(), reason))?;
        let nanos = nanos(time, rate, scale);
        match codec {
            VideoCodec::Vp8 => track.push_vp8(input, data, nanos)?,
            VideoCodec::H264 => track.push_h264(input, &h264::nal_units(&data).collect::<Vec<_>>(), nanos)?,
        }
    }
    Ok(track)
}

fn frame(rest: &mut Bytes) -> Result<(Bytes, u64), String> {
    if rest.len() < FRAME_HEADER {
        return Err(format!("a frame header has {FRAME_HEADER} bytes, only {} are left", rest.len()));
    }
    let (size, time) = (rest.get_u32_le() as usize, rest.get_u64_le());
    if rest.len() < size {
        return Err(format!("a frame of {size} bytes is announced, only {} are left", rest.len()));
    }
    Ok((rest.split_to(size), time))
}

fn nanos(time: u64, rate: u32, scale: u32) -> i64 {
    let nanos = u128::from(time) * u128::from(scale) * 1_000_000_000 / u128::from(rate);
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

fn name(fourcc: [u8; 4]) -> String {
    match &fourcc {
        b"VP90" => "VP9".to_owned(),
        b"AV01" => "AV1".to_owned(),
        other => format!("IVF codec \"{}\"", other.escape_ascii()),
    }
}
