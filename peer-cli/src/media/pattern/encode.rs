//! The two encoders of the pattern.
//!
//! The payload of a lossy WebP image is one VP8 key frame (RFC 9649 section 2.5), and libwebp is by far the cheapest
//! VP8 encoder that builds without outside tools; so VP8 is sent as key frames only.

use bytes::Bytes;
use openh264::encoder::{
    BitRate, Complexity, Encoder as H264Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Level, Profile,
    RateControlMode,
};
use openh264::formats::YUVBuffer;
use openh264::{OpenH264API, Timestamp};
use webp::WebPConfig;

use super::super::{MediaError, VideoCodec, colour};
use super::rate::QualityControl;

/// Less than this no encoder is asked for, in bit/s.
pub(super) const LEAST_BITRATE: u32 = 50_000;

/// Packed RGB in, VP8 frames or H264 access units out.
pub(super) struct Encoder {
    size: Size,
    kind: Kind,
}

/// Pixels and pictures per second.
#[derive(Copy, Clone)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) fps: u32,
}

enum Kind {
    Vp8 { config: WebPConfig, rate: Option<QualityControl> },
    H264(H264),
}

struct H264 {
    inner: Box<H264Encoder>,
    /// Pictures so far.
    encoded: u64,
}

impl Encoder {
    /// `bitrate` in bit/s, at least [`LEAST_BITRATE`] counts; without one the quality stays the same instead.
    pub(super) fn new(codec: VideoCodec, size: Size, bitrate: Option<u32>) -> Result<Self, MediaError> {
        let bitrate = bitrate.map(|bps| bps.max(LEAST_BITRATE));
        let kind = match codec {
            VideoCodec::Vp8 => {
                let rate = bitrate.map(|bps| QualityControl::new(bps, size.fps, size.width * size.height));
                Kind::Vp8 { config: webp_config()?, rate }
            }
            VideoCodec::H264 => Kind::H264(H264::new(size, bitrate)?),
        };
        Ok(Self { size, kind })
    }

    /// Encodes `width * height` packed RGB pixels; the answer says whether it became a key frame. `key` forces one.
    pub(super) fn encode(&mut self, rgb: &[u8], key: bool) -> Result<(Bytes, bool), MediaError> {
        let Size { width, height, fps } = self.size;
        match &mut self.kind {
            Kind::Vp8 { config, rate } => {
                if let Some(rate) = rate {
                    config.quality = rate.quality();
                }
                let webp = webp::Encoder::from_rgb(rgb, width, height)
                    .encode_advanced(config)
                    .map_err(|error| failed("VP8", format!("libwebp says {error:?}")))?;
                let frame = vp8_chunk(&webp).ok_or_else(|| failed("VP8", "no VP8 chunk in the WebP image"))?;
                if let Some(rate) = rate {
                    rate.encoded(frame.len());
                }
                Ok((Bytes::copy_from_slice(frame), true))
            }
            Kind::H264(encoder) => {
                let planes = colour::i420(rgb, width as usize, height as usize);
                let yuv = YUVBuffer::from_vec(planes, width as usize, height as usize);
                encoder.encode(&yuv, fps, key)
            }
        }
    }

    /// Changes the bitrate, in bit/s. The next H264 frame is then a key frame: openh264 takes another rate only through
    /// its raw interface, which is not safe, so that encoder is replaced.
    pub(super) fn set_bitrate(&mut self, bps: u32) -> Result<(), MediaError> {
        let bps = bps.max(LEAST_BITRATE);
        let Size { width, height, fps } = self.size;
        match &mut self.kind {
            Kind::Vp8 { rate: Some(rate), .. } => rate.set_rate(bps, fps),
            Kind::Vp8 { rate: rate @ None, .. } => *rate = Some(QualityControl::new(bps, fps, width * height)),
            Kind::H264(encoder) => *encoder = H264::new(self.size, Some(bps))?,
        }
        Ok(())
    }
}

impl H264 {
    /// Constrained baseline 3.1. Key frames are only where they are asked for, so that groups can be cached.
    ///
    /// With a bitrate the library may leave frames out, and never gets away with it (see [`encode`](Self::encode)). It
    /// is allowed to because it complains on standard error where it is not, past every log level: its wrapper sets
    /// that only after the settings were looked at.
    fn new(size: Size, bitrate: Option<u32>) -> Result<Self, MediaError> {
        let mode = if bitrate.is_some() { RateControlMode::Bitrate } else { RateControlMode::Off };
        let config = EncoderConfig::new()
            .profile(Profile::Baseline)
            .level(Level::Level_3_1)
            .complexity(Complexity::Low)
            .rate_control_mode(mode)
            .bitrate(BitRate::from_bps(bitrate.unwrap_or_else(|| natural_bitrate(size))))
            .max_frame_rate(FrameRate::from_hz(size.fps as f32))
            .intra_frame_period(IntraFramePeriod::auto())
            .scene_change_detect(false)
            .skip_frames(bitrate.is_some())
            .num_threads(1);
        let inner =
            H264Encoder::with_api_config(OpenH264API::from_source(), config).map_err(|error| failed("H264", error))?;
        Ok(Self { inner: Box::new(inner), encoded: 0 })
    }

    fn encode(&mut self, yuv: &YUVBuffer, fps: u32, key: bool) -> Result<(Bytes, bool), MediaError> {
        // The very first picture is an IDR anyway, and before it the library takes no wishes.
        if key && self.encoded > 0 {
            self.inner.force_intra_frame();
        }
        let time = Timestamp::from_millis(self.encoded * 1000 / u64::from(fps.max(1)));
        self.encoded += 1;
        // Leaving a picture out takes one frame's worth from the library's budget and next to no time. So it gives in
        // when it is asked again: at once where the bitrate can be reached, after a few times where it cannot.
        for _ in 0..MOST_LEFT_OUT {
            let stream = self.inner.encode_at(yuv, time).map_err(|error| failed("H264", error))?;
            if matches!(stream.frame_type(), FrameType::Skip) {
                continue;
            }
            let is_key = matches!(stream.frame_type(), FrameType::IDR);
            let data = stream.to_vec();
            if !data.is_empty() {
                return Ok((data.into(), is_key));
            }
        }
        Err(failed("H264", "it left a frame out"))
    }
}

/// How often one picture may be left out before it counts as a fault: noise at a seven-hundredth of the rate that it
/// needs takes some 700 times, our pattern not ten.
const MOST_LEFT_OUT: usize = 2000;

/// A tenth of a bit for each pixel: 0.9 Mbit/s at 640x480 and 30 fps.
pub(super) fn natural_bitrate(size: Size) -> u32 {
    (size.width * size.height / 10 * size.fps).max(100_000)
}

fn failed(codec: &'static str, reason: impl ToString) -> MediaError {
    MediaError::Encode { codec, reason: reason.to_string() }
}

fn webp_config() -> Result<WebPConfig, MediaError> {
    let mut config = WebPConfig::new().map_err(|()| failed("VP8", "libwebp has another version than its binding"))?;
    config.method = 0;
    config.quality = 60.0;
    // Each picture stands for itself, so there is nothing to smooth for the next one; and the filter is the better half of
    // what decoding costs.
    config.filter_strength = 0;
    Ok(config)
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
