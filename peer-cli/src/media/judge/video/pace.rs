//! How regularly pictures come.

use std::time::{Duration, Instant};

/// Gaps between pictures; see the fields of [`VideoHeard`](super::VideoHeard) of the same names.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pub(super) first_at: Option<Instant>,
    last_at: Option<Instant>,
    pub(super) shown: u64,
    pub(super) watched: Duration,
    pub(super) freezes: u64,
    pub(super) freeze: Duration,
    pub(super) longest_gap: Duration,
}

const FREEZE_MARGIN: Duration = Duration::from_millis(150);

impl Pace {
    pub(super) fn shown(&mut self, now: Instant) {
        self.first_at.get_or_insert(now);
        self.shown += 1;
        let Some(before) = self.last_at.replace(now) else { return };
        let gap = now.saturating_duration_since(before);
        // The average of the gaps before this one; the first gap has nothing to be compared with.
        let gaps = u32::try_from(self.shown - 2).unwrap_or(u32::MAX);
        if let Some(average) = self.watched.checked_div(gaps)
            && gap >= (average * 3).max(average + FREEZE_MARGIN)
        {
            self.freezes += 1;
            self.freeze += gap;
        }
        self.watched += gap;
        self.longest_gap = self.longest_gap.max(gap);
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
    fn one_picture_has_no_gap() {
        let pace = paced(&[]);
        assert_eq!((pace.shown, pace.watched, pace.freezes), (1, Duration::ZERO, 0));
    }
}
