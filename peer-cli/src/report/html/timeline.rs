//! The time axis of the waterfall: linear, but for one long stretch in which nothing happens.

use super::axis;

/// So much of the axis has to be silence before some of it is left out,
const MOSTLY: f64 = 0.6;
/// and at least so much, in milliseconds.
const LONG_MS: f64 = 1500.0;
/// The width of what stands for the part left out.
const GAP: f64 = 56.0;

/// From milliseconds since the run began to places on the paper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Timeline {
    end_ms: f64,
    left: f64,
    right: f64,
    cut: Option<(f64, f64)>,
}

impl Timeline {
    /// From 0 to `end_ms` between `left` and `right`. `moments` are all the times at which something happens.
    pub(super) fn new(moments: &[f64], end_ms: f64, left: f64, right: f64) -> Self {
        Self { end_ms: end_ms.max(1.0), left, right, cut: silence(moments, end_ms) }
    }

    /// The place of a moment; everything after the end is at the end.
    pub(super) fn at(&self, ms: f64) -> f64 {
        let ms = ms.clamp(0.0, self.end_ms);
        let scale = self.per_ms();
        match self.cut {
            None => self.left + ms * scale,
            Some((from, _)) if ms <= from => self.left + ms * scale,
            Some((from, to)) if ms < to => self.left + from * scale + (ms - from) / (to - from) * GAP,
            Some((from, to)) => self.left + from * scale + GAP + (ms - to) * scale,
        }
    }

    /// Units of the paper for a millisecond.
    pub(super) fn per_ms(&self) -> f64 {
        match self.cut {
            None => (self.right - self.left) / self.end_ms,
            Some((from, to)) => (self.right - self.left - GAP) / (self.end_ms - (to - from)),
        }
    }

    /// The stretch left out, from and to in milliseconds.
    pub(super) fn cut(&self) -> Option<(f64, f64)> {
        self.cut
    }

    /// Ticks with their labels.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let left_out = self.cut.map_or(0.0, |(from, to)| to - from);
        let step = axis::time_step(self.end_ms - left_out, 9);
        axis::ticks(0.0, self.end_ms, step)
            .into_iter()
            .filter(|ms| self.cut.is_none_or(|(from, to)| *ms <= from || *ms >= to))
            .map(|ms| (self.at(ms), axis::time_label(ms, step, self.end_ms)))
            .collect()
    }
}

/// The part of the longest silence that is left out, when it would take most of the axis.
fn silence(moments: &[f64], end_ms: f64) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = moments.iter().copied().filter(|ms| (0.0..end_ms).contains(ms)).collect();
    sorted.extend([0.0, end_ms]);
    sorted.sort_by(f64::total_cmp);
    let (from, to) = sorted
        .windows(2)
        .filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
        .max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)))?;
    let length = to - from;
    if length < LONG_MS || length < end_ms * MOSTLY {
        return None;
    }
    // A little of it stays on both sides, so that a bar is seen to go on.
    let margin = ((end_ms - length) * 0.15).max(20.0);
    Some((from + margin, to - margin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_axis_is_linear() {
        let line = Timeline::new(&[100.0, 300.0, 900.0], 1000.0, 100.0, 1100.0);
        assert_eq!((line.cut(), line.at(0.0), line.at(500.0), line.at(5000.0)), (None, 100.0, 600.0, 1100.0));
    }

    #[test]
    fn a_long_wait_is_shortened_and_the_rest_keeps_its_order() {
        let line = Timeline::new(&[100.0, 60_100.0, 60_400.0], 60_500.0, 0.0, 1000.0);
        let (from, to) = line.cut().unwrap();
        assert_eq!((from, to), (175.0, 60_025.0));
        let places: Vec<f64> =
            [0.0, 100.0, 175.0, 30_000.0, 60_025.0, 60_400.0, 60_500.0].map(|ms| line.at(ms)).to_vec();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
        assert!((places[4] - places[2] - GAP).abs() < 1e-9 && (places[6] - 1000.0).abs() < 1e-9, "{places:?}");
        assert!(line.ticks().iter().all(|(x, _)| *x <= places[2] + 1e-9 || *x >= places[4] - 1e-9));
    }

    #[test]
    fn a_silence_of_less_than_most_of_the_axis_stays() {
        assert_eq!(silence(&[4000.0], 8000.0), None);
        assert_eq!(silence(&[10.0], 1200.0), None);
        assert_eq!(silence(&[], 0.0), None);
    }
}
