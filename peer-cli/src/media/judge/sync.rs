//! Sound and picture together: does the click of a second come with its flash?

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::measure::{Collector, Distribution, signed_ms};

/// Pairs the flashes seen with the clicks heard. Both come once a second, so a flash and a click within half a second of
/// each other belong together; one without a partner (its packets were lost) is forgotten.
///
/// One second's click sounds like another one's, so an offset is only known up to whole seconds: sound that is 700 ms
/// late is told as 300 ms early, and one that drifts jumps from +500 ms to -500 ms.
#[derive(Debug, Default)]
pub struct SyncJudge {
    flashes: VecDeque<Instant>,
    clicks: VecDeque<Instant>,
    offsets: Collector,
}

impl SyncJudge {
    /// Has seen and heard nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flash was seen.
    pub fn flash(&mut self, now: Instant) {
        match take_nearest(&mut self.clicks, now) {
            Some(click) => self.offsets.add(signed_ms(now, click)),
            None => remember(&mut self.flashes, now),
        }
    }

    /// A click was heard.
    pub fn click(&mut self, now: Instant) {
        match take_nearest(&mut self.flashes, now) {
            Some(flash) => self.offsets.add(signed_ms(flash, now)),
            None => remember(&mut self.clicks, now),
        }
    }

    /// Click minus flash in milliseconds over all pairs, -500 to 500: positive when the sound came later. `None` without
    /// a pair.
    pub fn distribution(&self) -> Option<Distribution> {
        self.offsets.distribution()
    }
}

/// Beyond this they belong to different seconds.
const MOST_APART: Duration = Duration::from_millis(500);
/// Without a partner, and yet to be given up.
const WAITING: usize = 8;

fn take_nearest(waiting: &mut VecDeque<Instant>, now: Instant) -> Option<Instant> {
    let apart = |then: Instant| now.saturating_duration_since(then).max(then.saturating_duration_since(now));
    let (place, _) = waiting
        .iter()
        .map(|then| apart(*then))
        .enumerate()
        .filter(|(_, apart)| *apart <= MOST_APART)
        .min_by_key(|(_, apart)| *apart)?;
    waiting.remove(place)
}

fn remember(waiting: &mut VecDeque<Instant>, now: Instant) {
    if waiting.len() == WAITING {
        waiting.pop_front();
    }
    waiting.push_back(now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn judged(flashes: &[u64], clicks: &[u64]) -> Option<Distribution> {
        let (start, mut judge) = (start(), SyncJudge::new());
        let mut events: Vec<(u64, bool)> =
            flashes.iter().map(|at| (*at, true)).chain(clicks.iter().map(|at| (*at, false))).collect();
        events.sort_unstable();
        for (at, is_flash) in events {
            let now = start + Duration::from_millis(at);
            if is_flash { judge.flash(now) } else { judge.click(now) }
        }
        judge.distribution()
    }

    #[test]
    fn sound_that_comes_later_is_positive_and_sound_that_comes_first_is_negative() {
        let later = judged(&[1000, 2000, 3000], &[1040, 2060, 3050]).unwrap();
        assert_eq!((later.count, later.min, later.mean, later.max), (3, 40.0, 50.0, 60.0));
        let earlier = judged(&[1000, 2000], &[970, 1980]).unwrap();
        assert_eq!((earlier.count, earlier.min, earlier.max), (2, -30.0, -20.0));
    }

    #[test]
    fn one_without_a_partner_is_left_out() {
        let found = judged(&[1000, 3000, 5000], &[2040, 3040, 4040, 5040]).unwrap();
        assert_eq!((found.count, found.min, found.max), (2, 40.0, 40.0));
    }

    #[test]
    fn more_than_half_a_second_apart_is_another_second() {
        assert_eq!(judged(&[1000], &[1501]), None);
        assert_eq!(judged(&[1000], &[1500]).unwrap().max, 500.0);
        assert_eq!(judged(&[], &[1000, 2000]), None);
    }

    #[test]
    fn a_flash_counts_for_one_click_only() {
        assert_eq!(judged(&[1000], &[990, 1010]).unwrap().count, 1);
    }

    #[test]
    fn clicks_without_flashes_do_not_pile_up() {
        let (start, mut judge) = (start(), SyncJudge::new());
        for second in 0..1000 {
            judge.click(start + Duration::from_secs(second));
        }
        assert_eq!(judge.clicks.len(), WAITING);
    }
}
