//! The two encoders of the pattern.
//!
//! The payload of a lossy WebP image is one VP8 key frame (RFC 9649 section 2.5), and libwebp is by far the cheapest
//! VP8 encoder that builds without outside tools; so VP8 is sent as key frames only.

use bytes::Bytes;
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder as H264Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Level, Profile,
    RateControlMode,
};
use openh264::formats::{RgbSliceU8, YUVBuffer};
use webp::WebPConfig;

use super::super::{MediaError, VideoCodec};

/// Packed RGB in, VP8 frames or H264 access units out.
pub(super) struct Encoder {
    width: u32,
    height: u32,
    kind: Kind,
}

enum Kind {
    Vp8(WebPConfig),
    H264 { inner: Box<H264Encoder>, started: bool },
}

impl Encoder {
    pub(super) fn new(codec: VideoCodec, width: u32, height: u32, fps: u32) -> Result<Self, MediaError> {
        let kind = match codec {
            VideoCodec::Vp8 => Kind::Vp8(webp_config()?),
            VideoCodec::H264 => Kind::H264 { inner: Box::new(h264_encoder(width, height, fps)?), started: false },
        };
        Ok(Self { width, height, kind })
    }

    /// Encodes `width * height` packed RGB pixels; the answer says whether it became a key frame. `key` forces one.
    pub(super) fn encode(&mut self, rgb: &[u8], key: bool) -> Result<(Bytes, bool), MediaError> {
        match &mut self.kind {
            Kind::Vp8(config) => {
                let webp = webp::Encoder::from_rgb(rgb, self.width, self.height)
                    .encode_advanced(config)
                    .map_err(|error| failed("VP8", format!("libwebp says {error:?}")))?;
                let frame = vp8_chunk(&webp).ok_or_else(|| failed("VP8", "no VP8 chunk in the WebP image"))?;
                Ok((Bytes::copy_from_slice(frame), true))
            }
            Kind::H264 { inner, started } => {
                let size = (self.width as usize, self.height as usize);
                let yuv = YUVBuffer::from_rgb8_source(RgbSliceU8::new(rgb, size));
                // The very first picture is an IDR anyway, and before it the library takes no wishes.
                if key && *started {
                    inner.force_intra_frame();
                }
                *started = true;
                let stream = inner.encode(&yuv).map_err(|error| failed("H264", error))?;
                let is_key = matches!(stream.frame_type(), FrameType::IDR);
                let data = stream.to_vec();
                if data.is_empty() {
                    return Err(failed("H264", "it left a frame out"));
                }
                Ok((data.into(), is_key))
            }
        }
    }
}

fn failed(codec: &'static str, reason: impl ToString) -> MediaError {
    MediaError::Encode { codec, reason: reason.to_string() }
}

fn webp_config() -> Result<WebPConfig, MediaError> {
    let mut config = WebPConfig::new().map_err(|()| failed("VP8", "libwebp has another version than its binding"))?;
    config.method = 0;
    config.quality = 60.0;
    Ok(config)
}

/// Constrained baseline 3.1. Key frames are only where they are asked for, so that groups can be cached.
fn h264_encoder(width: u32, height: u32, fps: u32) -> Result<H264Encoder, MediaError> {
    let config = EncoderConfig::new()
        .profile(Profile::Baseline)
        .level(Level::Level_3_1)
        .complexity(Complexity::Low)
        .rate_control_mode(RateControlMode::Off)
        .bitrate(BitRate::from_bps(bits_per_second(width, height, fps)))
        .max_frame_rate(FrameRate::from_hz(fps as f32))
        .intra_frame_period(IntraFramePeriod::auto())
        .scene_change_detect(false)
        .skip_frames(false)
        .num_threads(1);
    H264Encoder::with_api_config(OpenH264API::from_source(), config).map_err(|error| failed("H264", error))
}

/// A tenth of a bit for each pixel: 0.9 Mbit/s at 640x480 and 30 fps.
fn bits_per_second(width: u32, height: u32, fps: u32) -> u32 {
    (width * height / 10 * fps).max(100_000)
}

/// The data of the `VP8 ` chunk of a RIFF/WEBP file.
fn vp8_chunk(webp: &[u8]) -> Option<&[u8]> {
    let mut rest = webp.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    loop {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if name == b"VP8 " {
            return after.get(..length);
        }
        rest = after.get(length.next_multiple_of(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vp8_chunk_is_found_behind_others() {
        let webp = b"RIFF\x20\0\0\0WEBPABCD\x03\0\0\0xyz\0VP8 \x02\0\0\0ok";
        assert_eq!(vp8_chunk(webp), Some(&b"ok"[..]));
    }

    #[test]
    fn files_without_a_vp8_chunk_give_none() {
        for webp in [&b""[..], b"RIFF", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPVP8 \x09\0\0\0short"] {
            assert_eq!(vp8_chunk(webp), None);
        }
    }
}
