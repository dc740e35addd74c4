//! The frames of one video track while it is read: times become durations, H264 units become access units.

use std::time::Duration;

use bytes::Bytes;

use super::super::{EncodedFrame, MediaError, VideoCodec, h264};
use super::Input;

/// Frames in file order.
pub(super) struct Track {
    pub(super) codec: VideoCodec,
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    frames: Vec<Timed>,
    /// The parameter sets in force, to be repeated before key frames that come without.
    sps: Option<Bytes>,
    pps: Option<Bytes>,
}

struct Timed {
    data: Bytes,
    nanos: i64,
    key: bool,
}

/// How long the frame of a track with a single one stays.
const ONE_FRAME: Duration = Duration::from_millis(33);

impl Track {
    pub(super) fn new(codec: VideoCodec, width: Option<u32>, height: Option<u32>) -> Self {
        Self { codec, width, height, frames: Vec::new(), sps: None, pps: None }
    }

    /// Frames read so far.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Parameter sets that stand outside the stream.
    pub(super) fn set_parameters(&mut self, config: &h264::AvcConfig) {
        self.sps = config.sps.first().cloned();
        self.pps = config.pps.first().cloned();
    }

    /// Adds one VP8 frame shown at `nanos`. Empty ones (the encoder dropped a picture) only make the one before longer.
    pub(super) fn push_vp8(&mut self, input: &Input, data: Bytes, nanos: i64) -> Result<(), MediaError> {
        let Some(&tag) = data.first() else {
            return Ok(());
        };
        let key = tag & 1 == 0;
        if key {
            // RFC 6386 section 9.1: start code, then 14 bits each of width and height.
            let Some(&[0x9d, 0x01, 0x2a, w0, w1, h0, h1]) = data.get(3..10) else {
                return Err(input.broken(self.len(), "a VP8 key frame does not have its start code 9d 01 2a"));
            };
            self.width = Some(u32::from(u16::from_le_bytes([w0, w1]) & 0x3fff));
            self.height = Some(u32::from(u16::from_le_bytes([h0, h1]) & 0x3fff));
        }
        self.frames.push(Timed { data, nanos, key });
        Ok(())
    }

    /// Adds the units of one H264 picture. Refuses what WebRTC cannot carry.
    pub(super) fn push_h264(&mut self, input: &Input, nals: &[&[u8]], nanos: i64) -> Result<(), MediaError> {
        let (mut key, mut has_sps, mut slices) = (false, false, 0);
        for nal in nals {
            match h264::kind(nal) {
                h264::SPS => {
                    has_sps = true;
                    self.sps = Some(Bytes::copy_from_slice(nal));
                }
                h264::PPS => self.pps = Some(Bytes::copy_from_slice(nal)),
                h264::IDR_SLICE => {
                    key = true;
                    slices += 1;
                }
                h264::SLICE => slices += 1,
                _ => {}
            }
            if h264::is_b_slice(nal) {
                return Err(input.video_codec("H264 with B-frames (add `-bf 0` to x264)"));
            }
        }
        if slices == 0 {
            return Ok(());
        }
        let mut units: Vec<&[u8]> = Vec::new();
        if key {
            self.check_parameters(input)?;
            if !has_sps {
                units.extend([&self.sps, &self.pps].into_iter().flatten().map(|set| &set[..]));
            }
        }
        units.extend(nals.iter().copied().filter(|nal| !h264::is_dispensable(nal)));
        let data = h264::annex_b(units);
        self.frames.push(Timed { data, nanos, key });
        Ok(())
    }

    /// From the first key frame on, with the time to the next frame as duration.
    pub(super) fn into_frames(self, input: &Input) -> Result<Vec<EncodedFrame>, MediaError> {
        if self.frames.is_empty() {
            return Err(input.broken(0, "the video track holds no frames"));
        }
        let Some(first) = self.frames.iter().position(|frame| frame.key) else {
            return Err(MediaError::NoKeyFrame {
                path: input.path.clone(),
                frames: self.len(),
                codec: self.codec.to_string(),
            });
        };
        let mut durations: Vec<Duration> =
            self.frames.windows(2).map(|pair| between(pair[0].nanos, pair[1].nanos)).collect();
        // Nothing tells how long the last one stays; as long as the one before is a good guess.
        durations.push(durations.last().copied().unwrap_or(ONE_FRAME));
        let frames = self.frames.into_iter().zip(durations).skip(first);
        Ok(frames.map(|(frame, duration)| EncodedFrame { data: frame.data, duration, key: frame.key }).collect())
    }

    fn check_parameters(&mut self, input: &Input) -> Result<(), MediaError> {
        const BASELINE: u8 = 66;
        const MAIN: u8 = 77;
        const HIGH: u8 = 100;
        let Some(sps) = self.sps.as_deref().and_then(h264::Sps::parse) else {
            return Err(input.broken(self.len(), "an H264 key frame comes without a readable parameter set (SPS)"));
        };
        if self.pps.is_none() {
            return Err(input.broken(self.len(), "an H264 key frame comes without a picture parameter set (PPS)"));
        }
        if !matches!(sps.profile, BASELINE | MAIN | HIGH) || !sps.plain {
            return Err(input.video_codec(format!("H264 of profile {} or with unusual samples", sps.profile)));
        }
        self.width = Some(sps.width);
        self.height = Some(sps.height);
        Ok(())
    }
}

/// Equal or backward times would stop the RTP clock, and a huge gap the call.
fn between(nanos: i64, next: i64) -> Duration {
    let nanos = u64::try_from(next.saturating_sub(nanos)).unwrap_or(0);
    Duration::from_nanos(nanos).clamp(Duration::from_millis(1), Duration::from_secs(10))
}
