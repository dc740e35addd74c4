//! The pattern encoded while it is sent, with a counter and the time in every picture.

use super::super::{EncodedFrame, Hint, MediaError, Source, VideoCodec};
use super::encode::{LEAST_BITRATE, Size, natural_bitrate};
use super::studio::Studio;
use super::{PatternConfig, group};

/// The pattern as a camera would give it: every picture is encoded when it is asked for, shows its number since the
/// start (modulo [`Stamp::live_frames`](super::super::Stamp::live_frames)) and, in a [`ClockStrip`](super::super::ClockStrip), the time of the last
/// [`Hint`]. The bitrate follows the hint's estimate between 50 kbit/s and [`PatternConfig::bitrate`] (2.5 Mbit/s
/// without one); without an estimate it is that bitrate, or a tenth of a bit per pixel. A size or rate out of range is
/// refused by [`Source::next`]. Frames before the first hint are trials and do not count: the first one after it is a
/// key frame with number 0.
pub fn live(config: PatternConfig) -> Box<dyn Source> {
    Box::new(Live { config, studio: None, hint: None, key_wanted: false, index: 0 })
}

struct Live {
    config: PatternConfig,
    studio: Option<(Studio, Rate)>,
    /// The last one; `None` while nothing is sent yet.
    hint: Option<Hint>,
    key_wanted: bool,
    /// Of the next picture.
    index: u32,
}

impl Source for Live {
    fn next(&mut self) -> Result<EncodedFrame, MediaError> {
        let config = self.config;
        let Hint { unix_ms, target_bps } = self.hint.unwrap_or_default();
        let (studio, rate) = match &mut self.studio {
            Some(open) => open,
            empty @ None => {
                let rate = Rate::new(config, target_bps);
                empty.insert((Studio::open(config, Some(rate.bps))?, rate))
            }
        };
        if let Some(bps) = rate.next(target_bps) {
            studio.set_bitrate(bps)?;
        }
        let key = self.key_wanted || self.index.is_multiple_of(group(config));
        let frame = studio.picture(self.index, Some(unix_ms as u32), key)?;
        self.key_wanted = self.hint.is_none();
        if self.hint.is_none() {
            return Ok(frame);
        }
        self.index = (self.index + 1) % config.stamp(self.index).live_frames();
        Ok(frame)
    }

    fn request_key_frame(&mut self) {
        self.key_wanted = true;
    }

    fn describe(&self) -> String {
        self.config.describe("live")
    }

    fn hint(&mut self, hint: Hint) {
        self.hint = Some(hint);
    }
}

/// A brain: Which bitrate the encoder is to have, and when it is worth telling it.
#[derive(Debug)]
struct Rate {
    codec: VideoCodec,
    /// What the encoder has now, in bit/s.
    bps: u32,
    /// Without an estimate.
    unguided: u32,
    cap: u32,
    /// Frames since the last change, and in a second.
    frames: u32,
    second: u32,
}

impl Rate {
    fn new(config: PatternConfig, estimate: Option<u64>) -> Self {
        let PatternConfig { codec, width, height, fps, bitrate, .. } = config;
        let cap = bitrate.unwrap_or(DEFAULT_CAP).max(LEAST_BITRATE);
        // The size is checked only when the studio is opened.
        let natural = || match width.checked_mul(height).and_then(|pixels| pixels.checked_mul(fps)) {
            Some(_) => natural_bitrate(Size { width, height, fps }),
            None => cap,
        };
        let unguided = bitrate.unwrap_or_else(natural).clamp(LEAST_BITRATE, cap);
        let mut rate = Self { codec, bps: unguided, unguided, cap, frames: 0, second: fps };
        rate.bps = rate.wanted(estimate);
        rate
    }

    /// Called for every frame: the new bitrate, if the encoder should be told one before it. For H264 that means a new
    /// encoder and a key frame, so only a large change counts, and only once a second.
    fn next(&mut self, estimate: Option<u64>) -> Option<u32> {
        let wanted = self.wanted(estimate);
        let change = match self.codec {
            VideoCodec::Vp8 => wanted != self.bps,
            VideoCodec::H264 => {
                self.frames >= self.second && u64::from(wanted.abs_diff(self.bps)) * 4 > u64::from(self.bps)
            }
        };
        if change {
            (self.bps, self.frames) = (wanted, 0);
        }
        self.frames = self.frames.saturating_add(1);
        change.then_some(wanted)
    }

    fn wanted(&self, estimate: Option<u64>) -> u32 {
        estimate.map_or(self.unguided, |bps| u32::try_from(bps).unwrap_or(u32::MAX).clamp(LEAST_BITRATE, self.cap))
    }
}

/// In bit/s: enough for a good picture, and not so much that a test fills a line.
const DEFAULT_CAP: u32 = 2_500_000;

#[cfg(test)]
mod tests {
    use super::super::super::{ClockStrip, Stamp, video_decoder};
    use super::*;

    fn config(codec: VideoCodec) -> PatternConfig {
        PatternConfig { codec, width: 320, height: 240, fps: 10, peer: 9, bitrate: None, key_interval: None }
    }

    fn hint(unix_ms: u64, target_bps: Option<u64>) -> Hint {
        Hint { unix_ms, target_bps }
    }

    /// Sends that many frames with one estimate and returns their mean bitrate.
    fn rate(source: &mut dyn Source, frames: u32, target_bps: Option<u64>) -> f64 {
        let mut bytes = 0;
        for _ in 0..frames {
            source.hint(hint(0, target_bps));
            bytes += source.next().unwrap().data.len();
        }
        bytes as f64 * 8.0 * 10.0 / f64::from(frames)
    }

    #[test]
    fn every_picture_shows_its_number_and_the_time_of_the_hint() {
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            let (mut source, mut decoder) = (live(config(codec)), video_decoder(codec).unwrap());
            for index in 0..60 {
                let now = 1_770_000_000_000 + u64::from(index) * 100;
                source.hint(hint(now, None));
                let frame = source.next().unwrap();
                let picture = decoder.decode(&frame.data).unwrap().unwrap();
                assert_eq!(Stamp::read(&picture), Some(Stamp { peer: 9, fps: 10, index }), "{codec}");
                assert_eq!(ClockStrip::read(&picture), Some(now as u32), "{codec} {index}");
            }
        }
    }

    #[test]
    fn trials_before_the_first_hint_do_not_count() {
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            let (mut source, mut decoder) = (live(config(codec)), video_decoder(codec).unwrap());
            source.next().unwrap();
            source.next().unwrap();
            for index in 0..3 {
                source.hint(hint(5, None));
                let frame = source.next().unwrap();
                assert!(frame.key || index > 0, "{codec}");
                let picture = decoder.decode(&frame.data).unwrap().unwrap();
                assert_eq!(Stamp::read(&picture).map(|stamp| stamp.index), Some(index), "{codec}");
            }
        }
    }

    #[test]
    fn a_wanted_key_frame_is_the_next_one_and_others_come_in_their_interval() {
        let mut source = live(PatternConfig { key_interval: Some(8), ..config(VideoCodec::H264) });
        source.hint(hint(0, None));
        let keys: Vec<u32> = (0..20)
            .filter(|index| {
                if *index == 3 {
                    source.request_key_frame();
                }
                source.next().unwrap().key
            })
            .collect();
        assert_eq!(keys, [0, 3, 8, 16]);
    }

    #[test]
    fn a_smaller_estimate_makes_smaller_frames_and_the_stream_stays_decodable() {
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            let mut source = live(config(codec));
            let much = rate(&mut *source, 40, Some(600_000));
            rate(&mut *source, 20, Some(60_000));
            let little = rate(&mut *source, 40, Some(60_000));
            // The picture is easy: H264 does not use all that it may. Key frames alone cannot be as small as that.
            assert!(little < much * 0.7, "{codec}: {little} after {much}");
            assert!(codec == VideoCodec::Vp8 || little < 70_000.0, "{codec}: {little}");

            let mut decoder = video_decoder(codec).unwrap();
            source.request_key_frame();
            for step in 0..30 {
                source.hint(hint(0, Some(if step < 15 { 60_000 } else { 900_000 })));
                let picture = decoder.decode(&source.next().unwrap().data).unwrap().unwrap();
                assert!(Stamp::read(&picture).is_some(), "{codec} {step}");
            }
        }
    }

    #[test]
    fn a_starved_encoder_leaves_no_picture_out() {
        let codec = VideoCodec::H264;
        let mut source = live(PatternConfig { width: 640, height: 480, fps: 30, ..config(codec) });
        let mut decoder = video_decoder(codec).unwrap();
        for index in 0..70 {
            source.hint(hint(0, Some(1)));
            let picture = decoder.decode(&source.next().unwrap().data).unwrap().unwrap();
            assert_eq!(Stamp::read(&picture).map(|stamp| stamp.index), Some(index));
        }
    }

    #[test]
    fn the_bitrate_stays_between_its_limits() {
        let wanted = |bitrate, estimate| Rate::new(PatternConfig { bitrate, ..config(VideoCodec::Vp8) }, estimate).bps;
        assert_eq!(wanted(None, Some(100_000_000)), 2_500_000);
        assert_eq!(wanted(Some(800_000), Some(100_000_000)), 800_000);
        assert_eq!(wanted(Some(800_000), None), 800_000);
        assert_eq!(wanted(None, Some(1)), 50_000);
        assert_eq!(wanted(Some(1), Some(u64::MAX)), 50_000);
        assert_eq!(wanted(None, None), 100_000);
    }

    #[test]
    fn an_h264_encoder_is_replaced_for_large_changes_and_once_a_second_only() {
        let mut rate = Rate::new(config(VideoCodec::H264), Some(1_000_000));
        let changes = |rate: &mut Rate, estimate: u64, frames: u32| -> Vec<u32> {
            (0..frames).filter(|_| rate.next(Some(estimate)).is_some()).collect()
        };
        assert!(changes(&mut rate, 1_250_000, 30).is_empty());
        assert_eq!(changes(&mut rate, 1_300_000, 30), [0]);
        assert_eq!(changes(&mut rate, 400_000, 30), [0]);
        assert_eq!(changes(&mut rate, 800_000, 2), [0]);
        assert_eq!(changes(&mut rate, 400_000, 30), [8]);
    }

    #[test]
    fn the_description_says_live() {
        assert_eq!(live(config(VideoCodec::Vp8)).describe(), "live 320x240 10 fps VP8");
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let huge = PatternConfig { width: u32::MAX, height: u32::MAX, ..config(VideoCodec::H264) };
        assert!(matches!(live(huge).next(), Err(MediaError::PatternSize { .. })));
    }
}
