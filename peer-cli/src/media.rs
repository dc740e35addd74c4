//! What a peer sends, and how it judges what it receives.
//!
//! *Sources* hand out encoded frames without end: a drawn [`pattern()`] or the same picture [`live`], a [`tone()`] or a
//! [`beep()`], or a file of the user ([`open_video`], [`open_audio`]; sent as it is, never transcoded except WAV);
//! [`black`], [`frozen`] and [`silence`] are what a broken camera or microphone sends. The far end takes the frames
//! apart again with a [`VideoDecoder`] or an [`AudioDecoder`] and gives the result to a [`VideoJudge`] or an
//! [`AudioJudge`]. A [`Stamp`] in the pattern says which peer drew a picture and which picture of its loop it is, so a
//! judge can tell "a picture arrived" from "the right picture arrived", and the [`Reference`] redraws what was sent.
//!
//! Nothing here knows RTP, sockets or tasks; pacing by [`EncodedFrame::duration`] is the caller's work.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;

mod beep;
mod codec;
mod colour;
mod error;
mod file;
pub(crate) mod h264;
mod judge;
mod looped;
mod opus;
mod pattern;
mod snapshot;
mod stamp;
mod tone;

pub use beep::{beep, silence};
pub use codec::{AudioDecoder, DecodeError, Picture, VideoDecoder, audio_decoder, video_decoder};
pub use error::MediaError;
pub use file::{FileMedia, open_audio, open_video};
pub use judge::{AudioHeard, AudioJudge, Lasting, SyncJudge, ToneHeard, VideoHeard, VideoJudge, VideoJudgeConfig};
pub use opus::{InvalidOpusPacket, packet_duration};
pub use pattern::{PatternConfig, Reference, black, frozen, live, pattern};
pub use snapshot::picture_webp;
pub use stamp::{ClockStrip, Stamp};
pub use tone::{TONE_RANGE_HZ, tone};

/// An endless supply of encoded frames, in sending order.
pub trait Source: Send {
    /// The next frame. Files and patterns start over at their end, so this never runs dry.
    ///
    /// # Errors
    /// [`MediaError`] when an encoder refuses or the configuration asks for something that cannot be drawn; asking
    /// again gives the same error. A file was read completely when it was opened and does not fail here.
    fn next(&mut self) -> Result<EncodedFrame, MediaError>;

    /// The far end cannot go on without a key frame (it sent a PLI, RFC 4585 section 6.3.1): the next frame is one. A
    /// drawn picture is encoded afresh for it, so that picture and sound stay together; a file goes on at its next key
    /// frame. Does nothing for audio.
    fn request_key_frame(&mut self);

    /// What the next frame needs to know of the world; given right before each [`next`](Self::next). Only a live
    /// source looks at it.
    fn hint(&mut self, hint: Hint) {
        let _ = hint;
    }

    /// What is sent, for people: "pattern 640x480 30 fps VP8", "bunny.webm 640x360 VP8".
    fn describe(&self) -> String;
}

/// The world at the time of one frame.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Hint {
    /// Milliseconds since 1970 (UTC).
    pub unix_ms: u64,
    /// What the congestion controller thinks the way carries, in bit/s; `None` without an estimate.
    pub target_bps: Option<u64>,
}

/// One VP8 frame, one H264 access unit (Annex B, with SPS and PPS before an IDR picture) or one Opus packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncodedFrame {
    /// The coded bytes.
    pub data: Bytes,
    /// How long to wait before the next frame; the RTP timestamp moves on by this much. Between 1 ms and 10 s.
    pub duration: Duration,
    /// Whether a decoder can begin here. Always true for audio.
    pub key: bool,
}

/// The video codecs this peer sends and decodes; every browser must have both (RFC 7742 section 5).
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum VideoCodec {
    /// VP8, RFC 6386.
    Vp8,
    /// H.264 constrained baseline, ITU-T H.264.
    H264,
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
        })
    }
}

impl FromStr for VideoCodec {
    type Err = UnknownVideoCodec;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Vp8, Self::H264]
            .into_iter()
            .find(|codec| codec.to_string().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownVideoCodec(name.to_owned()))
    }
}

/// The name is not one of a [`VideoCodec`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no video codec called {0:?} here: use VP8 or H264")]
pub struct UnknownVideoCodec(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codec_names_are_read_in_any_case_and_shown_in_upper_case() {
        for (name, codec) in [("vp8", VideoCodec::Vp8), ("h264", VideoCodec::H264)] {
            assert_eq!(name.parse(), Ok(codec));
            assert_eq!(name.to_uppercase().parse(), Ok(codec));
            assert_eq!(codec.to_string(), name.to_uppercase());
        }
    }

    #[test]
    fn unknown_codec_is_told_what_there_is() {
        let error = "AV1".parse::<VideoCodec>().unwrap_err();
        assert_eq!(error.to_string(), "no video codec called \"AV1\" here: use VP8 or H264");
    }
}
