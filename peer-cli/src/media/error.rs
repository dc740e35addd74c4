//! Why media cannot be sent.

use std::io;

/// Why a source cannot be opened or cannot go on. Every message names the file or value at fault and what would do.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The file cannot be read at all.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The path as the user gave it.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file has no bytes.
    #[error("{path} is empty (0 bytes); expected {accepted}")]
    Empty {
        /// The path as the user gave it.
        path: String,
        /// The formats taken here.
        accepted: &'static str,
    },
    /// The file is larger than a test clip may be; it is held in memory.
    #[error("{path} has {bytes} bytes, the limit is {limit}: cut a shorter clip (it is repeated anyway)")]
    TooLarge {
        /// The path as the user gave it.
        path: String,
        /// Its size in bytes.
        bytes: u64,
        /// The largest size in bytes.
        limit: u64,
    },
    /// The first bytes belong to no known format.
    #[error("{path} is not a media file known here: it begins with {begins}; expected {accepted}")]
    NotMedia {
        /// The path as the user gave it.
        path: String,
        /// The first bytes, in hexadecimal and as text.
        begins: String,
        /// The formats taken here.
        accepted: &'static str,
    },
    /// A good file without the kind of track asked for.
    #[error("{path} has no {wanted} track (it has: {tracks}); expected {accepted}")]
    NoTrack {
        /// The path as the user gave it.
        path: String,
        /// "video" or "audio".
        wanted: &'static str,
        /// The tracks there are, by codec.
        tracks: String,
        /// The formats taken here.
        accepted: &'static str,
    },
    /// The track is there, but its codec is not one that is sent.
    #[error("{path}: {codec} cannot be sent; {supported}. Convert it first, for example with: {convert}")]
    Codec {
        /// The path as the user gave it.
        path: String,
        /// The codec found, with the reason if it is not the codec itself.
        codec: String,
        /// What is supported instead.
        supported: &'static str,
        /// A command that makes a file which can be sent.
        convert: &'static str,
    },
    /// The file ends too early or contradicts itself.
    #[error("{path} is truncated or damaged: {reason} (after {frames} good frames); copy or convert it again")]
    Broken {
        /// The path as the user gave it.
        path: String,
        /// Frames of the wanted track read before the fault.
        frames: usize,
        /// What was expected and what came.
        reason: String,
    },
    /// The track holds nothing a decoder could begin with.
    #[error("{path}: none of its {frames} {codec} frames is a key frame, so no decoder could begin; encode it again")]
    NoKeyFrame {
        /// The path as the user gave it.
        path: String,
        /// Frames in the track.
        frames: usize,
        /// The codec of the track.
        codec: String,
    },
    /// The pattern cannot be drawn in this size.
    #[error("a pattern of {width}x{height} cannot be drawn: width and height are even numbers from {min} to {max}")]
    PatternSize {
        /// Asked width in pixels.
        width: u32,
        /// Asked height in pixels.
        height: u32,
        /// Least width and height.
        min: u32,
        /// Largest width and height.
        max: u32,
    },
    /// The pattern cannot be drawn at this rate.
    #[error("a pattern of {fps} frames per second cannot be sent: use 1 to {max}")]
    PatternRate {
        /// Asked frames per second.
        fps: u32,
        /// Largest rate.
        max: u32,
    },
    /// The tone is outside what survives every decoder.
    #[error("a tone of {hz} Hz cannot be sent: use {min} to {max} Hz")]
    ToneRange {
        /// Asked frequency.
        hz: f64,
        /// Lowest frequency in Hz.
        min: f64,
        /// Highest frequency in Hz.
        max: f64,
    },
    /// An encoder refused its input.
    #[error("the {codec} encoder failed: {reason}")]
    Encode {
        /// The codec of the encoder.
        codec: &'static str,
        /// What the encoder said.
        reason: String,
    },
}
