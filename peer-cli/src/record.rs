//! What one peer received, as files that other tools open: the media, the packets, the signaling.
//!
//! * `<peer>.webm` (VP8 and Opus) or `<peer>.mkv` (H264 and Opus): what came, as it came, never transcoded. Lost frames
//!   are gaps; video begins with its first key frame.
//! * `<peer>.pcap`: the RTP packets without their encryption, in made-up UDP between 127.0.0.1:5004 and :6004 (audio)
//!   and :5006 and :6006 (video), with the time of day. Wireshark takes them for RTP with the heuristic `rtp_udp`
//!   enabled (Analyze, Enabled Protocols), or by "Decode As...", UDP port 5004 and 5006, RTP.
//! * `<peer>-signaling.jsonl`: one JSON object for each STOMP frame, without passwords and tokens.
//!
//! Everything is written while the call goes on; whatever ends the process, what was written until then is readable: of
//! the media all but the last two to four seconds. Writing blocks as files do: keep a [`Recorder`] where that hurts
//! nobody.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::claim::{Claim, claim};
use self::movie::{Counts, Movie, Write};
use self::output::Output;
use self::talk::Talk;
use crate::media::VideoCodec;
use crate::rtc::{MediaKind, RtpPacket};

mod claim;
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
mod timeline;
mod track_clock;
mod video;

/// Writes what one peer receives.
///
/// A file that cannot be written any more, because the disk is full say, stops alone, behind its last whole entry; that
/// is told once in the log and in the end by [`RecordedFile::stopped`]. The others and the call go on.
pub struct Recorder {
    stem: PathBuf,
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

impl Recorded {
    /// What is missing, file by file; `None` for a recording that is complete.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let fault =
            |file: &RecordedFile| Some(format!("{} ends early: {}", file.path.display(), file.stopped.as_ref()?));
        let faults: Vec<String> = self.files.iter().filter_map(fault).collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }
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
    /// Thousands of recordings have this name.
    #[error("there are too many recordings beside {}; use another folder or remove some", .path.display())]
    NoName {
        /// What the names of their files begin with.
        path: PathBuf,
    },
}

impl Recorder {
    /// Makes the folder, where it is missing, and the files of `peer` in it. What a file's name cannot hold becomes `-`.
    /// What is there stays: where there is a recording of that name already, this one is called `<peer>-2`, `<peer>-3`
    /// and so on, also when several begin at once. `start` is time 0 of the signaling and `start_unix` the same moment
    /// since 1970.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn create(dir: &Path, peer: &str, start: Instant, start_unix: Duration) -> Result<Self, RecordError> {
        fs::create_dir_all(dir)
            .map_err(|error| RecordError::Folder { path: dir.to_owned(), reason: error.to_string() })?;
        let Claim { stem, mut packets, signaling } = claim(dir, &file_name(peer))?;
        packets.append(&pcap::file_header());
        packets.flush();
        Ok(Self {
            start,
            start_unix,
            media: Media { path: stem.with_extension("webm"), movie: Movie::new(start_unix), output: None },
            stem,
            packets,
            packet_count: 0,
            flushed: start,
            signaling,
            talk: Talk::new(),
        })
    }

    /// What the names of all files begin with, in their folder.
    pub fn stem(&self) -> &Path {
        &self.stem
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

    /// A sender report came (RFC 3550 section 6.4.1): `ntp` in the form of NTP, and the stream's RTP clock at that
    /// moment. With one of each kind, pictures and sound are put together as the sender made them.
    pub fn sender_report(&mut self, kind: MediaKind, ntp: u64, rtp_timestamp: u32, at: Instant) {
        self.media.movie.report(kind, ntp, rtp_timestamp, at);
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
    pub fn finish(self) -> Recorded {
        let (media, counts) = self.media.finish();
        let files = media.into_iter().chain([self.packets.finish(), self.signaling.finish()]).collect();
        Recorded { files, video_frames: counts.video, audio_frames: counts.audio, packets: self.packet_count }
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
