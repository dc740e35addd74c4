//! What the peers of a run send.

use crate::args::{AudioChoice, CommonArgs, VideoChoice};
use crate::media::{self, MediaError, PatternConfig, VideoCodec};
use crate::peer::Playable;

/// Who a peer is, as seen in its pattern and heard in its tone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice {
    pub(super) name: &'static str,
    pub(super) tone_hz: f64,
    pub(super) stamp: u8,
}

impl Voice {
    /// Alice and bob of the call with this number, 1 to 126: no two calls share a stamp or a tone.
    pub(super) fn pair(number: u8) -> [Self; 2] {
        let step = 4.0 * f64::from(number);
        [
            Self { name: "alice", tone_hz: 400.0 + step, stamp: number * 2 },
            Self { name: "bob", tone_hz: 1000.0 + step, stamp: number * 2 + 1 },
        ]
    }
}

/// What one peer sends.
pub(super) struct Media {
    pub(super) video: Option<Playable>,
    pub(super) audio: Option<Playable>,
    pub(super) codec: VideoCodec,
}

impl Media {
    pub(super) fn open(args: &CommonArgs, voice: Voice) -> Result<Self, MediaError> {
        let (width, height) = args.size;
        let pattern = PatternConfig {
            codec: args.codec,
            width,
            height,
            fps: args.fps,
            peer: voice.stamp,
            bitrate: args.bitrate,
            key_interval: args.key_frame_interval,
        };
        let mut codec = args.codec;
        // The first frame is made here, so that what cannot be encoded is told before anything is started.
        let video = match args.video_choice() {
            VideoChoice::Pattern if args.live => Some(Playable::prepare_live(media::live(pattern))?),
            VideoChoice::Pattern => Some(Playable::prepare(media::pattern(pattern))?),
            VideoChoice::Black => Some(Playable::prepare(media::black(pattern))?),
            VideoChoice::Frozen => Some(Playable::prepare(media::frozen(pattern))?),
            VideoChoice::File(path) => {
                let file = media::open_video(&path)?;
                codec = file.codec;
                Some(Playable::prepare(file.source)?)
            }
            VideoChoice::None => None,
        };
        let audio = match args.audio_choice() {
            AudioChoice::Beep => Some(media::beep(voice.tone_hz)),
            AudioChoice::Tone => Some(media::tone(voice.tone_hz)),
            AudioChoice::Silence => Some(media::silence()),
            AudioChoice::File(path) => Some(media::open_audio(&path)?),
            AudioChoice::None => None,
        };
        Ok(Self { video, audio: audio.map(Playable::prepare).transpose()?, codec })
    }
}
