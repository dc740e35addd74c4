//! Decoders behind one face each for video and audio.

use std::fmt;

use openh264::formats::YUVSource;
use oxideav_vp8::Vp8DecoderState;
use ropus::{Channels, DecodeMode};

use super::VideoCodec;

/// Turns the frames of one track, in order, into pictures.
pub trait VideoDecoder: Send {
    /// Decodes one whole frame (see [`EncodedFrame::data`](super::EncodedFrame::data) for its shape). `None`: nothing
    /// is to be shown for it (a hidden VP8 frame, H264 parameter sets alone).
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are damaged or refer to a picture that was never decoded. The decoder stays
    /// usable and recovers with the next key frame.
    fn decode(&mut self, frame: &[u8]) -> Result<Option<Picture>, DecodeError>;
}

/// A fresh decoder for one track.
///
/// # Errors
/// [`DecodeError`] when the codec library cannot set itself up (no memory).
pub fn video_decoder(codec: VideoCodec) -> Result<Box<dyn VideoDecoder>, DecodeError> {
    let decoder: Box<dyn VideoDecoder> = match codec {
        VideoCodec::Vp8 => Box::new(Vp8Decoder(Vp8DecoderState::new().with_max_pixels_per_frame(MAX_PIXELS))),
        VideoCodec::H264 => {
            let inner = openh264::decoder::Decoder::new().map_err(|error| DecodeError::new("H264", 0, error))?;
            Box::new(H264Decoder(inner))
        }
    };
    Ok(decoder)
}

/// A decoded picture in 4:2:0. Its brightness is judged; colour is kept for people to look at.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// `width * height` luma samples, row by row from the top left, without padding.
    pub luma: Vec<u8>,
    /// Blue difference, half the width and half the height (both rounded up), without padding; empty when unknown.
    pub u: Vec<u8>,
    /// Red difference, in the same shape as `u`.
    pub v: Vec<u8>,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

/// A frame or packet that could not be decoded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("cannot decode {codec} data of {bytes} bytes: {reason}")]
pub struct DecodeError {
    /// "VP8", "H264" or "Opus".
    pub codec: &'static str,
    /// Length of the refused frame or packet; 0 when the decoder itself could not be made.
    pub bytes: usize,
    /// What the decoder said.
    pub reason: String,
}

impl DecodeError {
    fn new(codec: &'static str, bytes: usize, reason: impl fmt::Display) -> Self {
        Self { codec, bytes, reason: reason.to_string() }
    }
}

/// A fresh Opus decoder for one track.
///
/// # Errors
/// [`DecodeError`] when the codec library cannot set itself up.
pub fn audio_decoder() -> Result<AudioDecoder, DecodeError> {
    let inner =
        ropus::Decoder::new(AudioDecoder::RATE, Channels::Mono).map_err(|error| DecodeError::new("Opus", 0, error))?;
    Ok(AudioDecoder { inner, samples: vec![0; LONGEST_PACKET] })
}

/// Opus (RFC 6716) to 48 kHz mono; stereo is mixed down by the decoder.
pub struct AudioDecoder {
    inner: ropus::Decoder,
    samples: Vec<i16>,
}

impl AudioDecoder {
    /// Samples per second of what comes out.
    pub const RATE: u32 = 48_000;

    /// Decodes one packet to 2.5 to 120 ms of samples (120 to 5760).
    ///
    /// # Errors
    /// [`DecodeError`] when the packet is empty or malformed.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[i16], DecodeError> {
        // An empty slice would ask the library to invent sound for a lost packet.
        if packet.is_empty() {
            return Err(DecodeError::new("Opus", 0, "the packet is empty"));
        }
        let count = self
            .inner
            .decode(packet, &mut self.samples, DecodeMode::Normal)
            .map_err(|error| DecodeError::new("Opus", packet.len(), error))?;
        Ok(self.samples.get(..count).unwrap_or_default())
    }
}

impl fmt::Debug for AudioDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AudioDecoder(Opus, 48 kHz mono)")
    }
}

/// 120 ms at 48 kHz.
const LONGEST_PACKET: usize = 5760;

/// What a stranger may make the decoder allocate for one VP8 picture: 4K.
const MAX_PIXELS: u64 = 4096 * 2304;

struct Vp8Decoder(Vp8DecoderState);

impl VideoDecoder for Vp8Decoder {
    fn decode(&mut self, frame: &[u8]) -> Result<Option<Picture>, DecodeError> {
        let decoded = self.0.decode_frame(frame).map_err(|error| DecodeError::new("VP8", frame.len(), error))?;
        if self.0.last_frame_shown() == Some(false) {
            return Ok(None);
        }
        Ok(Some(Picture { width: decoded.width, height: decoded.height, luma: decoded.y, u: decoded.u, v: decoded.v }))
    }
}

struct H264Decoder(openh264::decoder::Decoder);

impl VideoDecoder for H264Decoder {
    fn decode(&mut self, frame: &[u8]) -> Result<Option<Picture>, DecodeError> {
        // The library takes an empty input for the end of the stream.
        if frame.is_empty() {
            return Err(DecodeError::new("H264", 0, "the frame is empty"));
        }
        let decoded = self.0.decode(frame).map_err(|error| DecodeError::new("H264", frame.len(), error))?;
        Ok(decoded.as_ref().and_then(|picture| {
            let planes = [picture.y(), picture.u(), picture.v()];
            let (y, u, v) = picture.strides();
            picture_of(picture.dimensions(), planes, [y, u, v])
        }))
    }
}

/// A picture from planes with padding. One whose colour is cut short is shown without it.
fn picture_of((width, height): (usize, usize), planes: [&[u8]; 3], strides: [usize; 3]) -> Option<Picture> {
    let ([y, u, v], [y_stride, u_stride, v_stride]) = (planes, strides);
    let luma = packed((width, height), y_stride, y)?;
    let half = (width.div_ceil(2), height.div_ceil(2));
    let (u, v) = packed(half, u_stride, u).zip(packed(half, v_stride, v)).unwrap_or_default();
    Some(Picture { width: width as u32, height: height as u32, luma, u, v })
}

/// Rows without the padding the decoder keeps at their ends. `None` when there are too few or too short ones.
fn packed((width, height): (usize, usize), stride: usize, plane: &[u8]) -> Option<Vec<u8>> {
    if width == 0 || height == 0 || stride < width {
        return None;
    }
    let mut samples = Vec::with_capacity(width * height);
    for row in plane.chunks(stride).take(height) {
        samples.extend_from_slice(row.get(..width)?);
    }
    (samples.len() == width * height).then_some(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_at_the_row_ends_is_left_out() {
        let planes = [&[1, 2, 9, 3, 4, 9][..], &[5, 9], &[6, 9]];
        let picture = picture_of((2, 2), planes, [3, 2, 2]).unwrap();
        assert_eq!(picture, Picture { width: 2, height: 2, luma: vec![1, 2, 3, 4], u: vec![5], v: vec![6] });
    }

    #[test]
    fn odd_sizes_have_their_last_colour_sample() {
        let planes = [&[1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0][..], &[1, 2, 3, 4], &[5, 6, 7, 8]];
        let picture = picture_of((3, 3), planes, [4, 2, 2]).unwrap();
        assert_eq!(picture.luma, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((picture.u, picture.v), (vec![1, 2, 3, 4], vec![5, 6, 7, 8]));
    }

    #[test]
    fn colour_that_is_cut_short_is_left_out_and_brightness_is_not() {
        let colourless = picture_of((2, 2), [&[1, 2, 3, 4], &[], &[6]], [2, 1, 1]).unwrap();
        assert_eq!((colourless.luma.len(), colourless.u.len(), colourless.v.len()), (4, 0, 0));
        assert_eq!(picture_of((2, 2), [&[1, 2, 3], &[5], &[6]], [2, 1, 1]), None);
    }

    #[test]
    fn empty_and_damaged_frames_are_errors_not_panics() {
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            let mut decoder = video_decoder(codec).unwrap();
            assert!(decoder.decode(&[]).is_err(), "{codec}");
        }
        let mut vp8 = video_decoder(VideoCodec::Vp8).unwrap();
        assert!(vp8.decode(&[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40]).is_err());
        let mut audio = audio_decoder().unwrap();
        assert!(audio.decode(&[]).is_err());
        assert!(audio.decode(&[0xff]).is_err());
    }

    #[test]
    fn a_huge_vp8_picture_is_refused_before_it_is_allocated() {
        let mut header = vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f];
        header.extend([0; 64]);
        let error = video_decoder(VideoCodec::Vp8).unwrap().decode(&header).unwrap_err();
        assert!(error.reason.contains("exceeds"), "{error}");
    }
}
