//! How regularly pictures come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::report::VideoReport;

/// Gaps between pictures; see the fields of [`VideoHeard`](super::VideoHeard) of the same names.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pub(super) first_at: Option<Instant>,
    last_at: Option<Instant>,
    /// The last gaps, oldest first.
    recent: VecDeque<Duration>,
    pub(super) shown: u64,
    pub(super) watched: Duration,
    pub(super) freezes: u64,
    pub(super) freeze: Duration,
    pub(super) end_freeze: Duration,
    pub(super) longest_gap: Duration,
    pub(super) quiet: Option<Duration>,
}

const FREEZE_MARGIN: Duration = Duration::from_millis(150);
/// A first gap of that length is a freeze; sources of one picture a second exist.
const FIRST_GAP: Duration = Duration::from_secs(2);
/// Gaps that make the average: webrtc-stats takes the last 30 frames.
const RECENT: usize = 30;

impl Pace {
    pub(super) fn shown(&mut self, now: Instant) {
        self.first_at.get_or_insert(now);
        self.shown += 1;
        let Some(before) = self.last_at.replace(now) else { return };
        let gap = now.saturating_duration_since(before);
        if self.is_freeze(gap) {
            self.freezes += 1;
            self.freeze += gap;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(gap);
        self.watched += gap;
        self.longest_gap = self.longest_gap.max(gap);
    }

    /// The call has ended, and with it the gap behind the last picture. Between the last picture of a sound call and the
    /// moment when we learn that the other side has hung up there may lie a round trip; that is no freeze.
    pub(super) fn end(&mut self, ended: Instant) {
        self.quiet = self.last_at.map(|last| ended.saturating_duration_since(last));
        if let Some(gap) = self.quiet.filter(|gap| *gap >= VideoReport::LEAST_END_FREEZE && self.is_freeze(*gap)) {
            self.freezes += 1;
            self.freeze += gap;
            self.end_freeze = gap;
        }
    }

    /// Held against the average of the last gaps before this one; the first gap has nothing to be compared with but what
    /// no source of pictures does.
    fn is_freeze(&self, gap: Duration) -> bool {
        let gaps = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        let average = self.recent.iter().sum::<Duration>().checked_div(gaps);
        let limit = average.map_or(FIRST_GAP, |average| (average * 3).max(average + FREEZE_MARGIN));
        gap >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn paced(gaps: &[u64]) -> Pace {
        let (mut pace, mut now) = (Pace::default(), start());
        pace.shown(now);
        for gap in gaps {
            now += Duration::from_millis(*gap);
            pace.shown(now);
        }
        pace
    }

    #[test]
    fn a_long_gap_is_a_freeze_and_a_short_one_is_not() {
        let pace = paced(&[33, 33, 33, 150, 33, 400, 33]);
        assert_eq!((pace.freezes, pace.freeze), (1, Duration::from_millis(400)));
        assert_eq!((pace.shown, pace.watched), (8, Duration::from_millis(715)));
        assert_eq!(pace.longest_gap, Duration::from_millis(400));
    }

    #[test]
    fn the_limit_is_150_ms_above_the_average_of_fast_pictures_and_three_averages_of_slow_ones() {
        for (usual, gap, freezes) in [(40, 189, 0), (40, 190, 1), (100, 299, 0), (100, 300, 1)] {
            assert_eq!(paced(&[usual, usual, usual, gap]).freezes, freezes, "{gap} ms after gaps of {usual} ms");
        }
    }

    #[test]
    fn a_line_that_is_cut_behind_the_first_picture_makes_a_freeze_and_a_slow_source_makes_none() {
        assert_eq!((paced(&[3000, 33]).freezes, paced(&[1000, 1000]).freezes), (1, 0));
    }

    #[test]
    fn one_picture_has_no_gap() {
        let pace = paced(&[]);
        assert_eq!((pace.shown, pace.watched, pace.freezes), (1, Duration::ZERO, 0));
    }

    #[test]
    fn the_average_is_that_of_the_last_thirty_gaps() {
        // After 100 pictures one second apart come 30 fast ones: by then a gap of half a second is a freeze, whatever the
        // average of all gaps is.
        let (slow, fast) = ([1000; 100], [33; 30]);
        assert_eq!(paced(&[&slow[..], &fast, &[500]].concat()).freezes, 1);
        assert_eq!(paced(&[&slow[..], &fast[..20], &[500]].concat()).freezes, 0);
        // And pictures that have become slow for good are no freezes for ever.
        assert_eq!(paced(&[&[33; 1000][..], &[300; 100]].concat()).freezes, 8);
    }

    /// Pictures every 33 ms, and the end of the call so much later.
    fn ended(after: u64) -> Pace {
        let (mut pace, mut now) = (Pace::default(), start());
        for _ in 0..30 {
            now += Duration::from_millis(33);
            pace.shown(now);
        }
        pace.end(now + Duration::from_millis(after));
        pace
    }

    #[test]
    fn a_picture_that_stands_still_until_the_end_of_the_call_is_a_freeze() {
        let (pace, gap) = (ended(1000), Duration::from_secs(1));
        assert_eq!((pace.freezes, pace.freeze, pace.end_freeze, pace.quiet), (1, gap, gap, Some(gap)));
        assert_eq!(pace.longest_gap, Duration::from_millis(33), "between two pictures");
    }

    #[test]
    fn the_short_tail_of_a_call_is_no_freeze() {
        let (pace, gap) = (ended(999), Duration::from_millis(999));
        assert_eq!((pace.freezes, pace.end_freeze, pace.quiet), (0, Duration::ZERO, Some(gap)));
        let mut slow = paced(&[1000; 5]);
        slow.end(slow.last_at.unwrap() + Duration::from_millis(2900));
        assert_eq!(slow.freezes, 0, "one picture a second");
        slow.end(slow.last_at.unwrap());
        assert_eq!(slow.quiet, Some(Duration::ZERO));
        let mut nothing = Pace::default();
        nothing.end(start());
        assert_eq!((nothing.quiet, nothing.freezes), (None, 0));
    }
}
