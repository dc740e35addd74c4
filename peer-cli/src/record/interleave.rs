//! Two tracks into one order of time.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::rtc::MediaKind;

/// One frame on its way into the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) kind: MediaKind,
    /// Milliseconds since the file began.
    pub(super) time: u64,
    pub(super) key: bool,
    pub(super) data: Bytes,
}

/// Holds the frames of one track until the other has caught up, within limits.
#[derive(Debug, Default)]
pub(super) struct Interleave {
    audio: VecDeque<Sample>,
    video: VecDeque<Sample>,
    bytes: usize,
    newest: u64,
}

/// How long a frame waits for earlier ones of the other track, in milliseconds of media time. A lost packet holds back
/// its own track for a quarter of a second.
const PATIENCE: u64 = 500;
/// How much may wait.
const MOST_BYTES: usize = 2 << 20;
const MOST_SAMPLES: usize = 512;

impl Interleave {
    /// Takes the next frame of a track; times of one track do not go backwards.
    pub(super) fn push(&mut self, sample: Sample) {
        self.bytes += sample.data.len();
        self.newest = self.newest.max(sample.time);
        match sample.kind {
            MediaKind::Audio => self.audio.push_back(sample),
            MediaKind::Video => self.video.push_back(sample),
        }
    }

    /// The next frame that need not wait any longer; with `all`, none does.
    pub(super) fn pop(&mut self, all: bool) -> Option<Sample> {
        let (audio, video) = (self.audio.front(), self.video.front());
        let both = audio.is_some() && video.is_some();
        let first = [video, audio].into_iter().flatten().min_by_key(|sample| sample.time)?;
        let full = self.bytes > MOST_BYTES || self.audio.len() + self.video.len() > MOST_SAMPLES;
        if !(all || both || full || self.newest - first.time >= PATIENCE) {
            return None;
        }
        let kind = first.kind;
        let sample = match kind {
            MediaKind::Audio => self.audio.pop_front(),
            MediaKind::Video => self.video.pop_front(),
        }?;
        self.bytes -= sample.data.len();
        Some(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(kind: MediaKind, time: u64) -> Sample {
        Sample { kind, time, key: true, data: Bytes::from_static(b"x") }
    }

    fn drained(queue: &mut Interleave, all: bool) -> Vec<(MediaKind, u64)> {
        std::iter::from_fn(|| queue.pop(all)).map(|sample| (sample.kind, sample.time)).collect()
    }

    #[test]
    fn frames_come_out_in_the_order_of_their_times() {
        use MediaKind::{Audio, Video};
        let mut queue = Interleave::default();
        for (kind, time) in [(Audio, 0), (Audio, 20), (Audio, 40), (Video, 10), (Video, 43)] {
            queue.push(sample(kind, time));
        }
        assert_eq!(drained(&mut queue, false), [(Audio, 0), (Video, 10), (Audio, 20), (Audio, 40)]);
        assert_eq!(drained(&mut queue, true), [(Video, 43)]);
    }

    #[test]
    fn a_lonely_track_waits_half_a_second_only() {
        let mut queue = Interleave::default();
        for time in [0, 480] {
            queue.push(sample(MediaKind::Audio, time));
        }
        assert!(drained(&mut queue, false).is_empty());
        queue.push(sample(MediaKind::Audio, 500));
        assert_eq!(drained(&mut queue, false), [(MediaKind::Audio, 0)]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut queue = Interleave::default();
        for _ in 0..MOST_SAMPLES {
            queue.push(sample(MediaKind::Audio, 0));
        }
        assert!(queue.pop(false).is_none());
        queue.push(sample(MediaKind::Audio, 0));
        assert!(queue.pop(false).is_some());
        queue.push(Sample { data: Bytes::from(vec![0; MOST_BYTES]), ..sample(MediaKind::Audio, 0) });
        assert!(queue.pop(false).is_some());
    }
}
