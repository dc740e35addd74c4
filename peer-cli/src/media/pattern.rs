//! The drawn test picture: a loop of five seconds, encoded when first needed and kept; and what a broken camera sends.

use self::studio::Studio;
use super::{EncodedFrame, MediaError, Source, Stamp, VideoCodec, stamp};

mod encode;
mod live;
mod paint;
mod rate;
mod reference;
mod studio;

pub use live::live;
pub use reference::Reference;

/// What to draw.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct PatternConfig {
    /// How it is encoded. VP8 is all key frames.
    pub codec: VideoCodec,
    /// Width in pixels, even, 96 to 1920.
    pub width: u32,
    /// Height in pixels, even, 96 to 1920.
    pub height: u32,
    /// Frames per second, 1 to 60.
    pub fps: u32,
    /// Who draws; goes into the stamp and chooses the colour.
    pub peer: u8,
    /// In bit/s, at least 50 000 counts; `None` for a good quality whatever it takes (about a tenth of a bit per
    /// pixel). Reached on average over the loop where the codec can.
    pub bitrate: Option<u32>,
    /// Frames from one key frame to the next, H264 only; 0 counts as 1, `None` is one second. The loop's first frame is
    /// always a key frame.
    pub key_interval: Option<u32>,
}

impl PatternConfig {
    /// What the picture of this index carries; the rate is at most 60 once the studio is open.
    fn stamp(&self, index: u32) -> Stamp {
        Stamp { peer: self.peer, fps: self.fps as u8, index }
    }

    fn describe(&self, what: &str) -> String {
        let Self { codec, width, height, fps, .. } = self;
        format!("{what} {width}x{height} {fps} fps {codec}")
    }
}

/// An endless pattern: a loop of five seconds (`5 * fps` frames) whose index is in each picture's stamp. Nothing is
/// encoded until the first frame is asked for, and then one frame at a time, so starting is cheap; after one turn of the
/// loop every frame comes from memory. A key frame out of turn is encoded afresh, and so are the frames from it to the
/// next key frame of the loop. A size or rate out of range is refused by [`Source::next`].
pub fn pattern(config: PatternConfig) -> Box<dyn Source> {
    Box::new(Pattern::new(config, Scene::Moving))
}

/// An endless black picture without a stamp, as a covered camera gives it. Size and rate as for [`pattern`]; the bitrate
/// does not count.
pub fn black(config: PatternConfig) -> Box<dyn Source> {
    Box::new(Pattern::new(PatternConfig { bitrate: None, ..config }, Scene::Black))
}

/// One picture of the [`pattern`] (the one in the middle of its loop) again and again, as a camera that hangs gives it.
pub fn frozen(config: PatternConfig) -> Box<dyn Source> {
    Box::new(Pattern::new(config, Scene::Frozen))
}

struct Pattern {
    config: PatternConfig,
    scene: Scene,
    studio: Option<Studio>,
    /// The loop. Within a group, frames are present from its start up to where encoding has come, without holes.
    frames: Vec<Option<EncodedFrame>>,
    /// Of the next frame.
    next: usize,
    key_wanted: bool,
    /// From a key frame out of turn up to the next one of the loop: the kept frames continue another stream.
    afresh: bool,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Scene {
    Moving,
    Black,
    Frozen,
}

/// Frames from one key frame to the next.
fn group(config: PatternConfig) -> u32 {
    match config.codec {
        VideoCodec::Vp8 => 1,
        VideoCodec::H264 => config.key_interval.unwrap_or(config.fps).max(1),
    }
}

/// Enough for five seconds at the highest rate; a rate beyond it is refused when the studio is opened.
const LONGEST_LOOP: u32 = 300;

impl Source for Pattern {
    fn next(&mut self) -> Result<EncodedFrame, MediaError> {
        let index = self.next;
        let starts_group = index.is_multiple_of(self.group());
        if starts_group {
            self.afresh = false;
            self.forget_unfinished(index);
        }
        let out_of_turn = self.key_wanted && !starts_group;
        self.afresh |= out_of_turn;
        let frame = if self.afresh { self.encode(index, out_of_turn)? } else { self.kept(index, starts_group)? };
        self.key_wanted = false;
        self.next = (index + 1) % self.frames.len();
        Ok(frame)
    }

    fn request_key_frame(&mut self) {
        self.key_wanted = true;
    }

    fn describe(&self) -> String {
        self.config.describe(match self.scene {
            Scene::Moving => "pattern",
            Scene::Black => "black",
            Scene::Frozen => "frozen",
        })
    }
}

impl Pattern {
    fn new(config: PatternConfig, scene: Scene) -> Self {
        let length = match scene {
            Scene::Moving => stamp::loop_frames(config.fps.min(LONGEST_LOOP)),
            // One group says it all.
            Scene::Black | Scene::Frozen => group(config),
        };
        let frames = vec![None; length.clamp(1, LONGEST_LOOP) as usize];
        Self { config, scene, studio: None, frames, next: 0, key_wanted: false, afresh: false }
    }

    fn group(&self) -> usize {
        group(self.config) as usize
    }

    fn kept(&mut self, index: usize, key: bool) -> Result<EncodedFrame, MediaError> {
        if let Some(Some(frame)) = self.frames.get(index) {
            return Ok(frame.clone());
        }
        let frame = self.encode(index, key)?;
        if let Some(slot) = self.frames.get_mut(index) {
            *slot = Some(frame.clone());
        }
        Ok(frame)
    }

    /// A group that was left for a key frame out of turn cannot be continued: the encoder has moved on. Begin it again.
    fn forget_unfinished(&mut self, start: usize) {
        let end = start.saturating_add(self.group()).min(self.frames.len());
        if let Some(frames) = self.frames.get_mut(start..end)
            && frames.iter().any(Option::is_none)
        {
            frames.fill(None);
        }
    }

    fn encode(&mut self, index: usize, key: bool) -> Result<EncodedFrame, MediaError> {
        let studio = match &mut self.studio {
            Some(studio) => studio,
            empty @ None => empty.insert(Studio::open(self.config, self.config.bitrate)?),
        };
        match self.scene {
            Scene::Moving => studio.picture(index as u32, None, key),
            Scene::Black => studio.black(key),
            // In the middle of the loop there is no flash.
            Scene::Frozen => studio.picture(stamp::loop_frames(self.config.fps) / 2, None, key),
        }
    }
}

#[cfg(test)]
mod tests;
