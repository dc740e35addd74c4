//! What one peer received, as files that other tools open: the media, the packets, the signaling.
//!
//! * `<peer>.webm` (VP8 and Opus) or `<peer>.mkv` (H264 and Opus): what came, as it came, never transcoded. Lost frames
//!   are gaps; video begins with its first key frame.
//! * `<peer>.pcap`: the RTP packets without their encryption, in made-up UDP between 127.0.0.1:5004 and :6004 (audio)
//!   and :5006 and :6006 (video), with the time of day. Wireshark takes them for RTP with the heuristic `rtp_udp`
//!   enabled (Analyze, Enabled Protocols), or by "Decode As...", UDP port 5004 and 5006, RTP.
//! * `<peer>-signaling.jsonl`: one JSON object for each STOMP frame, without passwords and tokens.
//!
//! Everything is written while the call goes on; whatever ends the process, what was written until then is readable.
//! Writing blocks as files do: keep a [`Recorder`] where that hurts nobody.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::movie::{Counts, Movie, Write};
use self::output::Output;
use self::talk::Talk;
use crate::media::VideoCodec;
use crate::rtc::{MediaKind, RtpPacket};

mod cues;
mod ebml;
mod head;
mod interleave;
mod movie;
mod output;
mod pcap;
mod redact;
mod talk;
#[cfg(test)]
mod tests;
mod track_clock;
mod video;

/// Writes what one peer receives.
///
/// A file that cannot be written any more, because the disk is full say, stops alone; that is told once in the log and
/// in the end by [`RecordedFile::stopped`]. The others and the call go on.
pub struct Recorder {
    start: Instant,
    start_unix: Duration,
    media: Media,
    packets: Output,
    packet_count: u64,
    /// When packets were last handed to the operating system.
    flushed: Instant,
    signaling: Output,
    talk: Talk,
}

/// What a recording came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The files there are now: media (if a frame came), packets, signaling.
    pub files: Vec<RecordedFile>,
    /// Video frames in the media file.
    pub video_frames: u64,
    /// Opus packets in the media file.
    pub audio_frames: u64,
    /// RTP packets that were recorded.
    pub packets: u64,
}

/// One file of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Why it ends before the call did; `None` when it is complete.
    pub stopped: Option<String>,
}

/// Why there is no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The folder is not there and cannot be made.
    #[error("recordings need a folder they can be written to, and {} cannot be made: {reason}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A file cannot be made.
    #[error("the recording {} cannot be written: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// Not one of the files is complete.
    #[error("nothing of the recording is complete: {reason}; what is there up to then can be read")]
    Incomplete {
        /// Why the first of them stopped.
        reason: String,
    },
}

impl Recorder {
    /// Makes the folder, where it is missing, and the files of `peer` in it; files of an earlier call are replaced. What
    /// a file's name cannot hold becomes `-`. `start` is time 0 of the signaling and `start_unix` the same moment since
    /// 1970.
    ///
    /// # Errors
    /// [`RecordError::Folder`] and [`RecordError::File`].
    pub fn create(dir: &Path, peer: &str, start: Instant, start_unix: Duration) -> Result<Self, RecordError> {
        fs::create_dir_all(dir)
            .map_err(|error| RecordError::Folder { path: dir.to_owned(), reason: error.to_string() })?;
        let name = file_name(peer);
        let path = |rest: &str| dir.join(format!("{name}{rest}"));
        // The media file comes with the first frames, and nobody shall take the one of yesterday for it.
        for old in [path(".webm"), path(".mkv")] {
            remove(&old)?;
        }
        let mut packets = Output::create(&path(".pcap"))?;
        packets.append(&pcap::file_header());
        packets.flush();
        Ok(Self {
            start,
            start_unix,
            media: Media { path: path(".webm"), movie: Movie::new(start_unix), output: None },
            packets,
            packet_count: 0,
            flushed: start,
            signaling: Output::create(&path("-signaling.jsonl"))?,
            talk: Talk::new(),
        })
    }

    /// A whole frame came: VP8 frame, H264 access unit (Annex B) or Opus packet, in the order of sending. `codec` is the
    /// one of a video frame; video without one is left out. `at`: when it came.
    pub fn frame(
        &mut self,
        kind: MediaKind,
        codec: Option<VideoCodec>,
        data: &Bytes,
        key: bool,
        rtp_timestamp: u32,
        at: Instant,
    ) {
        match (kind, codec) {
            (MediaKind::Audio, _) => self.media.frame(|movie| movie.audio(data, rtp_timestamp, at)),
            (MediaKind::Video, Some(codec)) => {
                self.media.frame(|movie| movie.video(codec, data, key, rtp_timestamp, at));
            }
            (MediaKind::Video, None) => {}
        }
    }

    /// A packet came.
    pub fn rtp(&mut self, at: Instant, kind: MediaKind, packet: &RtpPacket) {
        const FLUSH_EVERY: Duration = Duration::from_secs(1);
        if self.packets.is_stopped() {
            return;
        }
        let time = self.start_unix + at.saturating_duration_since(self.start);
        if let Some(record) = pcap::record(time, kind, packet) {
            self.packets.append(&record);
            self.packet_count += u64::from(!self.packets.is_stopped());
        }
        if at.saturating_duration_since(self.flushed) >= FLUSH_EVERY {
            self.flushed = at;
            self.packets.flush();
        }
    }

    /// A text of STOMP was sent or received.
    pub fn signaling(&mut self, at: Instant, sent: bool, text: &[u8]) {
        let lines = self.talk.lines(at.saturating_duration_since(self.start), sent, text);
        self.signaling.append(&lines);
        self.signaling.flush();
    }

    /// The call is over: completes the files.
    ///
    /// # Errors
    /// [`RecordError::Incomplete`] when every single file stopped early.
    pub fn finish(self) -> Result<Recorded, RecordError> {
        let (media, counts) = self.media.finish();
        let files: Vec<RecordedFile> =
            media.into_iter().chain([self.packets.finish(), self.signaling.finish()]).collect();
        if files.iter().all(|file| file.stopped.is_some()) {
            let reason = files.into_iter().find_map(|file| file.stopped).unwrap_or_default();
            return Err(RecordError::Incomplete { reason });
        }
        Ok(Recorded { files, video_frames: counts.video, audio_frames: counts.audio, packets: self.packet_count })
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("frames", &self.media.movie.counts())
            .field("packets", &self.packet_count)
            .finish_non_exhaustive()
    }
}

/// The media file; made with the first bytes for it.
struct Media {
    path: PathBuf,
    movie: Movie,
    output: Option<Output>,
}

impl Media {
    fn frame(&mut self, take: impl FnOnce(&mut Movie)) {
        if self.output.as_ref().is_some_and(Output::is_stopped) {
            return;
        }
        let refused = self.movie.counts().other_codec;
        take(&mut self.movie);
        if refused == 0 && self.movie.counts().other_codec > 0 {
            tracing::warn!(path = %self.path.display(), "the video changed its codec; the rest is left out of the recording");
        }
        self.write();
    }

    fn finish(mut self) -> (Option<RecordedFile>, Counts) {
        self.movie.finish();
        self.write();
        (self.output.map(Output::finish), self.movie.counts())
    }

    fn write(&mut self) {
        while let Some(write) = self.movie.poll_write() {
            let extension = self.movie.extension();
            let path = self.path.with_extension(extension);
            let output = self.output.get_or_insert_with(|| Output::open(&path));
            match write {
                Write::Start(bytes) => {
                    output.rename(extension);
                    output.write_start(&bytes);
                }
                Write::End(bytes) => output.append(&bytes),
            }
            output.flush();
        }
    }
}

/// Letters, digits, `-` and `_` of any script stay; nothing that leads into another folder or hides a file.
fn file_name(peer: &str) -> String {
    const LONGEST: usize = 40;
    let safe = |c: char| if c.is_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = peer.chars().take(LONGEST).map(safe).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "peer".to_owned() } else { name.to_owned() }
}

fn remove(path: &Path) -> Result<(), RecordError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RecordError::File { path: path.to_owned(), reason: error.to_string() })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
