//! The drawn test picture: a loop of 150 frames, encoded when first needed and kept.

use std::time::Duration;

use self::encode::Encoder;
use self::paint::Painter;
use super::{EncodedFrame, MediaError, Source, Stamp, VideoCodec};

mod encode;
mod paint;

/// Frames in the loop of a pattern (5 s at 30 fps); the stamp's index runs from 0 to 149.
pub const LOOP_FRAMES: u32 = 150;

/// What to draw.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct PatternConfig {
    /// How it is encoded. VP8 is all key frames; H264 has one every 30 frames.
    pub codec: VideoCodec,
    /// Width in pixels, even, 96 to 1920.
    pub width: u32,
    /// Height in pixels, even, 96 to 1920.
    pub height: u32,
    /// Frames per second, 1 to 60.
    pub fps: u32,
    /// Who draws; goes into the stamp and chooses the colour.
    pub peer: u8,
}

/// An endless pattern. Nothing is encoded until the first frame is asked for, and then one frame at a time, so starting
/// is cheap; after one turn of the loop every frame comes from memory. A size or rate out of range is refused by
/// [`Source::next`].
pub fn pattern(config: PatternConfig) -> Box<dyn Source> {
    Box::new(Pattern { config, studio: None, frames: vec![None; LOOP_FRAMES as usize], next: 0 })
}

struct Pattern {
    config: PatternConfig,
    studio: Option<Studio>,
    /// Within a group, frames are present from its start up to where encoding has come, without holes.
    frames: Vec<Option<EncodedFrame>>,
    next: u32,
}

struct Studio {
    painter: Painter,
    encoder: Encoder,
}

/// Frames from one key frame to the next; divides the loop evenly.
fn group(codec: VideoCodec) -> u32 {
    match codec {
        VideoCodec::Vp8 => 1,
        VideoCodec::H264 => 30,
    }
}

const MIN_SIDE: u32 = Stamp::MIN_WIDTH;
const MAX_SIDE: u32 = 1920;
const MAX_FPS: u32 = 60;

impl Source for Pattern {
    fn next(&mut self) -> Result<EncodedFrame, MediaError> {
        let index = self.next;
        let frame = self.frame(index)?;
        self.next = (index + 1) % LOOP_FRAMES;
        Ok(frame)
    }

    fn request_key_frame(&mut self) {
        let group = group(self.config.codec);
        self.next = self.next.div_ceil(group) * group % LOOP_FRAMES;
    }

    fn describe(&self) -> String {
        let PatternConfig { codec, width, height, fps, .. } = self.config;
        format!("pattern {width}x{height} {fps} fps {codec}")
    }
}

impl Pattern {
    fn frame(&mut self, index: u32) -> Result<EncodedFrame, MediaError> {
        let (at, group) = (index as usize, group(self.config.codec) as usize);
        let starts_group = at.is_multiple_of(group);
        if starts_group {
            self.forget_unfinished(at, group);
        }
        if let Some(Some(frame)) = self.frames.get(at) {
            return Ok(frame.clone());
        }
        let frame = self.encode(index, starts_group)?;
        if let Some(slot) = self.frames.get_mut(at) {
            *slot = Some(frame.clone());
        }
        Ok(frame)
    }

    /// A group left by a jump to a key frame cannot be continued: the encoder has moved on. Begin it again.
    fn forget_unfinished(&mut self, start: usize, group: usize) {
        if let Some(frames) = self.frames.get_mut(start..start + group)
            && frames.iter().any(Option::is_none)
        {
            frames.fill(None);
        }
    }

    fn encode(&mut self, index: u32, key: bool) -> Result<EncodedFrame, MediaError> {
        let PatternConfig { width, height, fps, peer, .. } = self.config;
        let studio = match &mut self.studio {
            Some(studio) => studio,
            empty @ None => empty.insert(Studio::open(self.config)?),
        };
        let mut rgb = studio.painter.paint(f64::from(index) / f64::from(LOOP_FRAMES));
        Stamp { peer, index }.draw_rgb(&mut rgb, width, height);
        let (data, is_key) = studio.encoder.encode(&rgb, key)?;
        Ok(EncodedFrame { data, duration: Duration::from_secs(1) / fps, key: is_key })
    }
}

impl Studio {
    fn open(config: PatternConfig) -> Result<Self, MediaError> {
        let PatternConfig { codec, width, height, fps, peer } = config;
        let good = |side: u32| (MIN_SIDE..=MAX_SIDE).contains(&side) && side.is_multiple_of(2);
        if !good(width) || !good(height) {
            return Err(MediaError::PatternSize { width, height, min: MIN_SIDE, max: MAX_SIDE });
        }
        if !(1..=MAX_FPS).contains(&fps) {
            return Err(MediaError::PatternRate { fps, max: MAX_FPS });
        }
        Ok(Self { painter: Painter::new(width, height, peer), encoder: Encoder::new(codec, width, height, fps)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{h264, video_decoder};
    use super::*;

    fn config(codec: VideoCodec) -> PatternConfig {
        PatternConfig { codec, width: 320, height: 240, fps: 30, peer: 5 }
    }

    fn indexes(source: &mut dyn Source, codec: VideoCodec, count: usize) -> Vec<u32> {
        let mut decoder = video_decoder(codec).unwrap();
        (0..count)
            .map(|_| {
                let frame = source.next().unwrap();
                let picture = decoder.decode(&frame.data).unwrap().expect("a picture for every frame");
                assert_eq!((picture.width, picture.height), (320, 240));
                let stamp = Stamp::read(&picture).expect("a readable stamp");
                assert_eq!(stamp.peer, 5);
                stamp.index
            })
            .collect()
    }

    #[test]
    fn every_picture_of_the_loop_is_decoded_with_its_stamp_and_the_loop_repeats() {
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            let expected: Vec<u32> = (0..LOOP_FRAMES).chain(0..40).collect();
            assert_eq!(indexes(&mut *pattern(config(codec)), codec, 190), expected, "{codec}");
        }
    }

    #[test]
    fn vp8_is_all_key_frames_and_h264_has_one_every_second_with_its_parameter_sets() {
        let mut vp8 = pattern(config(VideoCodec::Vp8));
        assert!((0..5).all(|_| vp8.next().unwrap().key));

        let mut h264 = pattern(config(VideoCodec::H264));
        for index in 0..61 {
            let frame = h264.next().unwrap();
            assert_eq!(frame.key, index % 30 == 0, "frame {index}");
            let kinds: Vec<u8> = h264::nal_units(&frame.data).map(|nal| nal[0] & 0x1f).collect();
            let expected: &[u8] = if frame.key { &[7, 8, 5] } else { &[1] };
            assert_eq!(kinds, expected, "frame {index}");
            assert_eq!(frame.duration, Duration::from_secs(1) / 30);
        }
    }

    #[test]
    fn h264_is_constrained_baseline() {
        let frame = pattern(config(VideoCodec::H264)).next().unwrap();
        let sps = h264::nal_units(&frame.data).next().unwrap();
        assert_eq!(sps[1], 66, "profile_idc");
        assert_eq!(sps[2] & 0x40, 0x40, "constraint_set1_flag");
    }

    #[test]
    fn a_wanted_key_frame_comes_at_once_and_the_stream_stays_decodable_after_it() {
        let codec = VideoCodec::H264;
        let mut source = pattern(config(codec));
        assert_eq!(indexes(&mut *source, codec, 6), [0, 1, 2, 3, 4, 5]);
        source.request_key_frame();
        let after: Vec<u32> = (30..LOOP_FRAMES).chain(0..35).collect();
        assert_eq!(indexes(&mut *source, codec, after.len()), after);
    }

    #[test]
    fn a_wish_at_a_key_frame_skips_nothing() {
        let mut source = pattern(config(VideoCodec::H264));
        source.request_key_frame();
        assert_eq!(indexes(&mut *source, VideoCodec::H264, 2), [0, 1]);
    }

    #[test]
    fn impossible_sizes_and_rates_are_refused() {
        let good = config(VideoCodec::Vp8);
        let error = |config| pattern(config).next().unwrap_err().to_string();
        assert_eq!(
            error(PatternConfig { width: 321, ..good }),
            "a pattern of 321x240 cannot be drawn: width and height are even numbers from 96 to 1920"
        );
        assert!(error(PatternConfig { height: 0, ..good }).contains("320x0"));
        assert_eq!(
            error(PatternConfig { fps: 0, ..good }),
            "a pattern of 0 frames per second cannot be sent: use 1 to 60"
        );
    }

    #[test]
    fn the_description_names_size_rate_and_codec() {
        assert_eq!(pattern(config(VideoCodec::H264)).describe(), "pattern 320x240 30 fps H264");
    }
}
