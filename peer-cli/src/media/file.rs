//! Media files: what they are is read from their first bytes, never from their name.
//!
//! A file is read and checked completely when it is opened (clips are small and repeated), so that a bad one is refused
//! before a call begins. Frames are passed on as they are; only WAV is encoded.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use self::track::Track;
use super::looped::Looped;
use super::{MediaError, Source, VideoCodec};

mod annex_b;
mod container;
mod ivf;
mod ogg_opus;
mod track;
mod wav;

/// A video file ready to be sent.
pub struct FileMedia {
    /// Its frames, repeated without end.
    pub source: Box<dyn Source>,
    /// Their codec.
    pub codec: VideoCodec,
    /// Width in pixels, if file or stream tell it.
    pub width: Option<u32>,
    /// Height in pixels, if file or stream tell it.
    pub height: Option<u32>,
}

impl fmt::Debug for FileMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileMedia").field(&self.source.describe()).finish()
    }
}

/// Opens the video of an IVF (VP8 or H264), WebM or Matroska (VP8 or H264), MP4 (H264) or raw H264 file. Frames before
/// the first key frame are left out. A raw H264 file without timing information is played at 30 frames per second.
///
/// # Errors
/// Any [`MediaError`] that speaks of a file.
pub fn open_video(path: &Path) -> Result<FileMedia, MediaError> {
    let input = Input::read(path, ACCEPTED_VIDEO)?;
    let track = match Format::of(&input.bytes) {
        Some(Format::Ivf) => ivf::read(&input)?,
        Some(Format::Matroska | Format::Mp4) => container::video(&input)?,
        Some(Format::AnnexB) => annex_b::read(&input)?,
        Some(Format::Ogg) => return Err(input.no_track("video", "audio: Ogg is read for Opus only")),
        Some(Format::Wav) => return Err(input.no_track("video", "audio: WAV")),
        None => return Err(input.not_media()),
    };
    let Track { codec, width, height, .. } = track;
    let label = match (width, height) {
        (Some(width), Some(height)) => format!("{} {width}x{height} {codec}", input.name),
        _ => format!("{} {codec}", input.name),
    };
    let source = Box::new(Looped::new(label, track.into_frames(&input)?));
    Ok(FileMedia { source, codec, width, height })
}

/// Opens the audio of an Ogg Opus, WebM, Matroska or MP4 file with Opus, or a WAV file (any rate and channels; mixed to
/// mono, resampled to 48 kHz and encoded once).
///
/// # Errors
/// Any [`MediaError`] that speaks of a file.
pub fn open_audio(path: &Path) -> Result<Box<dyn Source>, MediaError> {
    let input = Input::read(path, ACCEPTED_AUDIO)?;
    let frames = match Format::of(&input.bytes) {
        Some(Format::Ogg) => ogg_opus::read(&input)?,
        Some(Format::Matroska | Format::Mp4) => container::audio(&input)?,
        Some(Format::Wav) => wav::read(&input)?,
        Some(Format::Ivf) => return Err(input.no_track("audio", "video: IVF holds nothing else")),
        Some(Format::AnnexB) => return Err(input.no_track("audio", "video: H264")),
        None => return Err(input.not_media()),
    };
    if frames.is_empty() {
        return Err(input.broken(0, "the audio track holds no packets"));
    }
    Ok(Box::new(Looped::new(format!("{} Opus", input.name), frames)))
}

const ACCEPTED_VIDEO: &str = "IVF with VP8 or H264, WebM/MKV with VP8 or H264, MP4 with H264, or raw H264 (Annex B)";
const ACCEPTED_AUDIO: &str = "Ogg Opus, WebM/MKV with Opus, or WAV";

/// A clip is held in memory; more than this is a mistake.
const LARGEST_FILE: u64 = 512 << 20;

/// A file in memory and how to speak of it.
struct Input {
    /// As the user gave it.
    path: String,
    /// Its last part.
    name: String,
    bytes: Bytes,
    accepted: &'static str,
}

impl Input {
    fn read(path: &Path, accepted: &'static str) -> Result<Self, MediaError> {
        let shown = path.display().to_string();
        let failed = |source| MediaError::Read { path: shown.clone(), source };
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size > LARGEST_FILE {
            return Err(MediaError::TooLarge { path: shown, bytes: size, limit: LARGEST_FILE });
        }
        let mut bytes = Vec::new();
        // Not everything with a path has a size: pipes end only when they are read.
        file.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.is_empty() {
            return Err(MediaError::Empty { path: shown, accepted });
        }
        let name = path.file_name().map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
        Ok(Self { path: shown, name, bytes: bytes.into(), accepted })
    }

    fn not_media(&self) -> MediaError {
        let first: Vec<u8> = self.bytes.iter().copied().take(8).collect();
        let hex: Vec<String> = first.iter().map(|byte| format!("{byte:02x}")).collect();
        let begins = format!("{} (\"{}\")", hex.join(" "), first.escape_ascii());
        MediaError::NotMedia { path: self.path.clone(), begins, accepted: self.accepted }
    }

    fn no_track(&self, wanted: &'static str, tracks: impl Into<String>) -> MediaError {
        MediaError::NoTrack { path: self.path.clone(), wanted, tracks: tracks.into(), accepted: self.accepted }
    }

    fn video_codec(&self, codec: impl Into<String>) -> MediaError {
        MediaError::Codec {
            path: self.path.clone(),
            codec: codec.into(),
            supported: "VP8, or H264 (baseline, main or high, 8 bits 4:2:0) without B-frames, can",
            convert: "ffmpeg -i IN -c:v libvpx -an OUT.webm",
        }
    }

    fn audio_codec(&self, codec: impl Into<String>) -> MediaError {
        MediaError::Codec {
            path: self.path.clone(),
            codec: codec.into(),
            supported: "Opus with one or two channels can, and WAV",
            convert: "ffmpeg -i IN -vn -c:a libopus -frame_duration 20 OUT.ogg",
        }
    }

    fn broken(&self, frames: usize, reason: impl Into<String>) -> MediaError {
        MediaError::Broken { path: self.path.clone(), frames, reason: reason.into() }
    }
}

/// The formats told apart.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Format {
    Ivf,
    Matroska,
    Mp4,
    AnnexB,
    Ogg,
    Wav,
}

impl Format {
    fn of(bytes: &[u8]) -> Option<Self> {
        let starts = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
        if starts(0, b"DKIF") {
            Some(Self::Ivf)
        } else if starts(0, &[0x1a, 0x45, 0xdf, 0xa3]) {
            Some(Self::Matroska)
        } else if starts(4, b"ftyp") {
            Some(Self::Mp4)
        } else if starts(0, b"OggS") {
            Some(Self::Ogg)
        } else if starts(0, b"RIFF") && starts(8, b"WAVE") {
            Some(Self::Wav)
        } else {
            annex_b::looks_like(bytes).then_some(Self::AnnexB)
        }
    }
}

#[cfg(test)]
mod tests;
