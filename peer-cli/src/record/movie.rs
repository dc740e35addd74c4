//! A brain: frames in, the bytes of a WebM or Matroska file out (RFC 9559), as they come.
//!
//! The file is a stream at first: a segment of unknown size without an index, playable however it ends. At the end the
//! head is written once more, with sizes, duration and the way to the index.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::cues::{Cue, Cues};
use super::ebml::{element, id, size, uint};
use super::head::{self, AUDIO_TRACK, AudioTrack, Ending, Head, VIDEO_TRACK};
use super::interleave::{Interleave, Sample};
use super::timeline::Timeline;
use super::video::{Unfit, Video};
use crate::media::{VideoCodec, packet_duration};
use crate::rtc::MediaKind;

/// What to do with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// Put these bytes at its beginning, over what is there.
    Start(Vec<u8>),
    /// Put these bytes at its end.
    End(Vec<u8>),
}

/// One recording.
#[derive(Debug)]
pub(super) struct Movie {
    head: Head,
    /// Whether the head in the file is the one above.
    head_written: bool,
    video: Video,
    timeline: Timeline,
    queue: Interleave,
    cluster: Option<Cluster>,
    cues: Cues,
    /// Length of the file once everything in `writes` is done.
    length: u64,
    end: u64,
    last_picture: Option<u64>,
    counts: Counts,
    writes: VecDeque<Write>,
}

/// Frames in the file.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) video: u64,
    pub(super) audio: u64,
    /// Video frames of another codec than the first, left out.
    pub(super) other_codec: u64,
}

#[derive(Debug)]
struct Cluster {
    time: u64,
    blocks: u64,
    body: Vec<u8>,
}

/// A cluster has at most this much time in milliseconds, and bytes unless a single frame has more.
const CLUSTER_TIME: i64 = 2000;
const CLUSTER_BYTES: usize = 1 << 20;
/// From this age on a key frame begins a new cluster, where players like to start.
const CLUSTER_RIPE: i64 = 1000;

const CLUSTER: u32 = 0x1f43_b675;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;

impl Movie {
    /// `began`: the time since 1970 to note in the file.
    pub(super) fn new(began: Duration) -> Self {
        Self {
            head: Head { began, ..Head::default() },
            head_written: false,
            video: Video::default(),
            timeline: Timeline::new(),
            queue: Interleave::default(),
            cluster: None,
            cues: Cues::new(),
            length: head::LENGTH as u64,
            end: 0,
            last_picture: None,
            counts: Counts::default(),
            writes: VecDeque::new(),
        }
    }

    /// Takes a video frame. Those before the first key frame are left out.
    pub(super) fn video(&mut self, codec: VideoCodec, data: &Bytes, key: bool, timestamp: u32, at: Instant) {
        let sample = match self.video.sample(codec, data, key) {
            Ok(sample) => sample,
            Err(Unfit::OtherCodec) => {
                self.counts.other_codec += 1;
                return;
            }
            Err(Unfit::NoKeyFrameYet | Unfit::Empty) => return,
        };
        if self.head.video.is_none() {
            self.head.video = self.video.track().cloned();
            self.head_written = false;
        }
        self.counts.video += 1;
        self.timeline.frame(MediaKind::Video, timestamp, key, sample, at);
        self.move_on(false);
    }

    /// Takes an Opus packet.
    pub(super) fn audio(&mut self, data: &Bytes, timestamp: u32, at: Instant) {
        const STEREO: u8 = 0x04;
        if packet_duration(data).is_err() {
            return;
        }
        if self.head.audio.is_none() {
            let stereo = data.first().is_some_and(|toc| toc & STEREO != 0);
            self.head.audio = Some(AudioTrack { channels: if stereo { 2 } else { 1 } });
            self.head_written = false;
        }
        self.counts.audio += 1;
        self.timeline.frame(MediaKind::Audio, timestamp, true, data.clone(), at);
        self.move_on(false);
    }

    /// Takes what the sender tells about its clocks.
    pub(super) fn report(&mut self, kind: MediaKind, ntp: u64, timestamp: u32, at: Instant) {
        self.timeline.report(kind, ntp, timestamp, at);
    }

    /// The next thing to do; call until `None` after every frame.
    pub(super) fn poll_write(&mut self) -> Option<Write> {
        self.writes.pop_front()
    }

    /// The end: everything that waited, the index, and the head as it is to stay. Nothing for a recording without a
    /// frame.
    pub(super) fn finish(&mut self) {
        self.timeline.finish();
        self.move_on(true);
        self.flush();
        if self.length <= head::LENGTH as u64 {
            return;
        }
        let index = self.cues.render(self.head.segment_start());
        let cues = index.as_ref().map(|_| self.length);
        if let Some(index) = index {
            self.append(index);
        }
        self.head.ending = Some(Ending { duration_ms: self.end, cues, length: self.length });
        self.head_written = false;
        self.write_head();
    }

    /// What the file is to be called behind the dot; may change when H264 joins sound that came long before.
    pub(super) fn extension(&self) -> &'static str {
        self.head.extension()
    }

    /// Frames so far.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Frames that have their time go on to the other track's, and from there into the file; with `all`, none waits.
    fn move_on(&mut self, all: bool) {
        while let Some(sample) = self.timeline.poll() {
            self.end = self.end.max(sample.time + self.stay(&sample));
            self.queue.push(sample);
        }
        while let Some(sample) = self.queue.pop(all) {
            self.write(&sample);
        }
    }

    /// How long a frame is seen or heard, in milliseconds. A picture is taken to stay as long as the one before it, one
    /// second at most.
    fn stay(&mut self, sample: &Sample) -> u64 {
        match sample.kind {
            MediaKind::Video => {
                let last = self.last_picture.replace(sample.time);
                last.map_or(33, |last| sample.time.saturating_sub(last).clamp(1, 1000))
            }
            MediaKind::Audio => packet_duration(&sample.data).map_or(0, |duration| duration.as_millis() as u64),
        }
    }

    fn write(&mut self, sample: &Sample) {
        const KEY: u8 = 0x80;
        if self.cluster.as_ref().is_some_and(|cluster| !cluster.has_room_for(sample)) {
            self.flush();
        }
        let place = self.length;
        let cluster = self.cluster.get_or_insert_with(|| Cluster::new(sample.time));
        let (track, leads) = match sample.kind {
            MediaKind::Video => (VIDEO_TRACK, sample.key),
            MediaKind::Audio => (AUDIO_TRACK, self.head.video.is_none() && cluster.blocks == 0),
        };
        if leads {
            self.cues.offer(Cue { time: sample.time, track, cluster: place, block: cluster.body.len() as u64 });
        }
        // Track, time since the cluster's, flags (RFC 9559 section 10.2).
        let time = i16::try_from(cluster.relative(sample)).unwrap_or(i16::MAX).to_be_bytes();
        let header = [0x80 | track, time[0], time[1], if sample.key { KEY } else { 0 }];
        cluster.blocks += 1;
        id(&mut cluster.body, SIMPLE_BLOCK);
        size(&mut cluster.body, (header.len() + sample.data.len()) as u64);
        cluster.body.extend_from_slice(&header);
        cluster.body.extend_from_slice(&sample.data);
    }

    /// Hands out the open cluster, and the head before it where that says something new.
    fn flush(&mut self) {
        let Some(cluster) = self.cluster.take() else { return };
        if !self.head_written {
            self.write_head();
        }
        let mut bytes = Vec::with_capacity(cluster.body.len() + 8);
        element(&mut bytes, CLUSTER, &cluster.body);
        self.append(bytes);
    }

    fn write_head(&mut self) {
        // There always is one: what describes a track is bounded well below its length.
        if let Some(head) = self.head.render() {
            self.writes.push_back(Write::Start(head));
            self.head_written = true;
        }
    }

    fn append(&mut self, bytes: Vec<u8>) {
        self.length += bytes.len() as u64;
        self.writes.push_back(Write::End(bytes));
    }
}

impl Cluster {
    fn new(time: u64) -> Self {
        let mut body = Vec::new();
        uint(&mut body, TIMESTAMP, time);
        Self { time, blocks: 0, body }
    }

    fn relative(&self, sample: &Sample) -> i64 {
        let signed = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        signed(sample.time) - signed(self.time)
    }

    fn has_room_for(&self, sample: &Sample) -> bool {
        let relative = self.relative(sample);
        let begins = sample.kind == MediaKind::Video && sample.key && relative >= CLUSTER_RIPE;
        let small = self.body.len() + sample.data.len() <= CLUSTER_BYTES;
        (i64::from(i16::MIN)..CLUSTER_TIME).contains(&relative) && small && !begins
    }
}
