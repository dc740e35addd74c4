//! A brain: where the frames of both tracks stand in the file.
//!
//! Sound and pictures of one moment come at different times: the first picture may have been sent again, or wait for
//! the encoder. So nothing is decided by who comes first. The frames of a track that begins wait for two seconds; then
//! both tracks are placed by the sender's own clock, as its reports tell it (RFC 3550 section 6.4.1), or where they say
//! nothing, each by the frame that came the quickest.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::interleave::Sample;
use super::track_clock::TrackClock;
use crate::rtc::MediaKind;

/// Takes frames as they come and gives them back with their times.
#[derive(Debug)]
pub(super) struct Timeline {
    /// When the first frame came; arrivals are counted from it.
    begin: Option<Instant>,
    video: TrackClock,
    audio: TrackClock,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// When a track that has begun gets its place, in microseconds.
    due: Option<i64>,
    /// Time in the file minus time since the first arrival, in microseconds: the file begins with its earliest frame.
    shift: Option<i64>,
    /// Both tracks stand where the sender's clock says.
    matched: bool,
    ready: VecDeque<Sample>,
}

/// A frame without its time.
#[derive(Debug)]
struct Waiting {
    kind: MediaKind,
    /// In microseconds since the first frame of its track.
    media: i64,
    key: bool,
    data: Bytes,
}

/// How long a track waits for its place, in microseconds: by then a slow beginning has made up for it, and most senders
/// have sent a report.
const PATIENCE: i64 = 2_000_000;
/// How much may wait for it.
const MOST_BYTES: usize = 4 << 20;
const MOST_FRAMES: usize = 1024;
/// Tracks that are apart by less than this, in microseconds, are left as they are when a report comes late: nobody
/// notices that (ITU-R BT.1359), but a gap in the sound.
const NOTICEABLE: i64 = 20_000;
/// Two tracks whose ways took times this different, in microseconds, do not have one clock.
const MOST_APART: i64 = 5_000_000;

impl Timeline {
    pub(super) fn new() -> Self {
        Self {
            begin: None,
            video: TrackClock::new(90_000),
            audio: TrackClock::new(48_000),
            waiting: VecDeque::new(),
            bytes: 0,
            due: None,
            shift: None,
            matched: false,
            ready: VecDeque::new(),
        }
    }

    /// Takes the next frame of a track.
    pub(super) fn frame(&mut self, kind: MediaKind, timestamp: u32, key: bool, data: Bytes, at: Instant) {
        let arrived = self.since_begin(at);
        if self.clock(kind).is_other(timestamp, arrived) {
            // What waits is of the old clock.
            self.settle();
            self.clock(kind).restart();
            self.matched = false;
        }
        if !self.clock(kind).has_begun() {
            self.due = Some(arrived + PATIENCE);
        }
        let media = self.clock(kind).take(timestamp, arrived);
        self.bytes += data.len();
        self.waiting.push_back(Waiting { kind, media, key, data });
        let full = self.bytes > MOST_BYTES || self.waiting.len() > MOST_FRAMES;
        if full || self.due.is_none_or(|due| arrived >= due) {
            self.settle();
        }
    }

    /// Takes a sender report: 32 bits of seconds and 32 bits of their fraction, and the RTP clock at that moment.
    pub(super) fn report(&mut self, kind: MediaKind, ntp: u64, timestamp: u32, at: Instant) {
        // Nothing has come that it could be held against, or the sender has no clock.
        if self.begin.is_none() || ntp == 0 {
            return;
        }
        let arrived = self.since_begin(at);
        self.clock(kind).tell(micros(ntp), timestamp, arrived);
        if self.matched || self.apart().is_none() {
            return;
        }
        if let (Some(video), Some(audio)) = (self.video.lead(), self.audio.lead()) {
            self.match_tracks(video - audio);
        }
    }

    /// The next frame with its time; times of a track always go forward.
    pub(super) fn poll(&mut self) -> Option<Sample> {
        self.ready.pop_front()
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self) {
        self.settle();
    }

    /// Both tracks have their places, and only now the sender says how they belong together: the one that stands too
    /// early leaves a gap, since what is in the file stays there.
    fn match_tracks(&mut self, video_late: i64) {
        let early = if video_late > 0 { &mut self.audio } else { &mut self.video };
        if let Some(placed) = early.placed().filter(|_| video_late.abs() >= NOTICEABLE) {
            early.place(placed + video_late.abs());
        }
        self.matched = true;
    }

    /// Places the tracks that wait for it, and lets the frames go.
    fn settle(&mut self) {
        self.due = None;
        for kind in [MediaKind::Video, MediaKind::Audio] {
            if self.clock(kind).is_waiting() {
                let placed = self.place_of(kind);
                self.clock(kind).place(placed);
            }
        }
        self.begin_with_the_earliest();
        self.bytes = 0;
        while let Some(Waiting { kind, media, key, data }) = self.waiting.pop_front() {
            let time = self.clock(kind).time(media);
            self.ready.push_back(Sample { kind, time, key, data });
        }
    }

    /// Time in the file minus media time.
    fn place_of(&mut self, kind: MediaKind) -> i64 {
        let shift = self.shift.unwrap_or(0);
        let apart = self.apart();
        let (own, other) = match kind {
            MediaKind::Video => (&self.video, &self.audio),
            MediaKind::Audio => (&self.audio, &self.video),
        };
        let (Some(told), Some(_)) = (own.told(), apart) else {
            return own.quickest() + shift;
        };
        self.matched = true;
        // The whole file stands as early as its quickest frame allows.
        let way = [own, other].into_iter().filter_map(TrackClock::way).min().unwrap_or_default();
        told + other.lead().unwrap_or(way + shift)
    }

    /// How much longer the way of video took than that of sound; `None` where the sender has not told enough.
    fn apart(&self) -> Option<i64> {
        let apart = self.video.way()? - self.audio.way()?;
        (apart.abs() <= MOST_APART).then_some(apart)
    }

    fn begin_with_the_earliest(&mut self) {
        if self.shift.is_some() {
            return;
        }
        let places = [(MediaKind::Video, self.video.placed()), (MediaKind::Audio, self.audio.placed())];
        let time = |frame: &Waiting| {
            let (_, placed) = places.iter().find(|(kind, _)| *kind == frame.kind)?;
            Some(frame.media + (*placed)?)
        };
        let Some(earliest) = self.waiting.iter().filter_map(time).min() else { return };
        for clock in [&mut self.video, &mut self.audio] {
            if let Some(placed) = clock.placed() {
                clock.place(placed - earliest);
            }
        }
        self.shift = Some(-earliest);
    }

    fn clock(&mut self, kind: MediaKind) -> &mut TrackClock {
        match kind {
            MediaKind::Video => &mut self.video,
            MediaKind::Audio => &mut self.audio,
        }
    }

    /// In microseconds; the first moment of all begins it.
    fn since_begin(&mut self, at: Instant) -> i64 {
        let since = at.saturating_duration_since(*self.begin.get_or_insert(at));
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX / 4)
    }
}

/// Microseconds of NTP's 32.32 bits.
fn micros(ntp: u64) -> i64 {
    let (seconds, fraction) = (ntp >> 32, ntp & 0xffff_ffff);
    (seconds * 1_000_000 + ((fraction * 1_000_000) >> 32)).cast_signed()
}

#[cfg(test)]
mod tests;
