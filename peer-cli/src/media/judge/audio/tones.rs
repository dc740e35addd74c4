//! Which tone was heard when.

use std::time::{Duration, Instant};

use crate::clock::{millis, round};
use crate::report::ToneStretch;

/// A stretch of sound in which every look found the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToneHeard {
    /// When the first look at it began.
    pub from: Instant,
    /// When the last one ended. There is one look a second.
    pub until: Instant,
    /// The tone in Hz; `None` for silence, speech, music and noise.
    pub hz: Option<f64>,
}

impl ToneHeard {
    /// The same for a report whose times count from `run_start`.
    pub fn told(self, run_start: Instant) -> ToneStretch {
        let ms = |at: Instant| millis(at.saturating_duration_since(run_start));
        ToneStretch { from_ms: ms(self.from), until_ms: ms(self.until), hz: self.hz.map(round) }
    }
}

/// Keeps them, bounded.
#[derive(Debug, Default)]
pub(super) struct Tones {
    stretches: Vec<ToneHeard>,
}

/// Speech may have one every other second.
const MOST: usize = 32;
/// What one look may be off from another, in Hz; calls of neighbouring numbers are twice as far apart.
const SAME_HZ: f64 = 1.9;

impl Tones {
    /// A look of this length ended at `now` and found this.
    pub(super) fn look(&mut self, now: Instant, length: Duration, hz: Option<f64>) {
        let is_full = self.stretches.len() == MOST;
        match self.stretches.last_mut() {
            Some(last) if is_same(last.hz, hz) => last.until = now,
            // The last one then stands for all that follows.
            Some(last) if is_full => (last.until, last.hz) = (now, None),
            Some(_) | None => {
                let from = now.checked_sub(length).unwrap_or(now);
                self.stretches.push(ToneHeard { from, until: now, hz });
            }
        }
    }

    pub(super) fn heard(&self) -> &[ToneHeard] {
        &self.stretches
    }
}

fn is_same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= SAME_HZ,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    /// One look of 200 ms a second, the first at 800 ms.
    fn looked(found: impl IntoIterator<Item = Option<f64>>) -> Vec<ToneStretch> {
        let (start, mut tones) = (start(), Tones::default());
        for (second, hz) in (1..).zip(found) {
            tones.look(start + Duration::from_secs(second), Duration::from_millis(200), hz);
        }
        tones.heard().iter().map(|tone| tone.told(start)).collect()
    }

    #[test]
    fn looks_that_find_the_same_are_one_stretch() {
        let found = looked([Some(404.0), Some(404.5), None, None, Some(408.0), Some(404.0)]);
        let stretch = |from_ms, until_ms, hz| ToneStretch { from_ms, until_ms, hz };
        let expected = [
            stretch(800.0, 2000.0, Some(404.0)),
            stretch(2800.0, 4000.0, None),
            stretch(4800.0, 5000.0, Some(408.0)),
            stretch(5800.0, 6000.0, Some(404.0)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn of_sound_that_changes_all_the_time_the_rest_is_one_stretch() {
        let found = looked((0..1000).map(|look| Some(f64::from(100 + look % 2 * 50))));
        assert_eq!(found.len(), MOST);
        assert_eq!(found.last(), Some(&ToneStretch { from_ms: 31_800.0, until_ms: 1_000_000.0, hz: None }));
    }
}
