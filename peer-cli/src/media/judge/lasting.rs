//! What began at some time and went on until the end.

use std::time::{Duration, Instant};

use crate::clock::millis;
use crate::report::UntilEnd;

/// Something that went on up to the last picture or packet, such as blackness or silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasting {
    /// The first picture or packet of it.
    pub since: Instant,
    /// From then to the last picture or packet; at least a second.
    pub length: Duration,
}

impl Lasting {
    /// The same for a report whose times count from `run_start`.
    pub fn told(self, run_start: Instant) -> UntilEnd {
        UntilEnd { from_ms: millis(self.since.saturating_duration_since(run_start)), for_ms: millis(self.length) }
    }
}

/// Follows something that is there or not in each picture or packet.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// Its first and its last one, as long as it goes on.
    times: Option<(Instant, Instant)>,
}

/// Anything may be black, still or silent for less.
const SHORTEST: Duration = Duration::from_secs(1);

impl Stretch {
    /// Whether it is there in the one that came at `now`.
    pub(super) fn note(&mut self, now: Instant, is_there: bool) {
        let first = self.times.map_or(now, |(first, _)| first);
        self.times = is_there.then_some((first, now));
    }

    /// It is there, and began only now.
    pub(super) fn restart(&mut self, now: Instant) {
        self.times = Some((now, now));
    }

    /// Since when it has gone on; `None` when it does not, or not for a second yet.
    pub(super) fn lasting(&self) -> Option<Lasting> {
        let (since, last) = self.times?;
        let length = last.saturating_duration_since(since);
        (length >= SHORTEST).then_some(Lasting { since, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    /// One a second, told as milliseconds since the start.
    fn followed(are_there: &[bool]) -> Option<UntilEnd> {
        let (start, mut stretch) = (start(), Stretch::default());
        for (second, is_there) in (0..).zip(are_there) {
            stretch.note(start + Duration::from_secs(second), *is_there);
        }
        stretch.lasting().map(|lasting| lasting.told(start))
    }

    #[test]
    fn what_goes_on_until_the_end_is_told_from_its_beginning() {
        let told = |from_ms, for_ms| Some(UntilEnd { from_ms, for_ms });
        assert_eq!(followed(&[false, true, true, true]), told(1000.0, 2000.0));
        assert_eq!(followed(&[true, true, false, true, true]), told(3000.0, 1000.0));
    }

    #[test]
    fn what_has_ended_or_hardly_begun_is_not_told() {
        for are_there in [&[][..], &[true, true, false], &[false, true]] {
            assert_eq!(followed(are_there), None, "{are_there:?}");
        }
    }

    #[test]
    fn a_restart_forgets_what_was_before() {
        let (start, mut stretch) = (start(), Stretch::default());
        stretch.note(start, true);
        stretch.restart(start + Duration::from_secs(5));
        stretch.note(start + Duration::from_secs(7), true);
        let (since, length) = (start + Duration::from_secs(5), Duration::from_secs(2));
        assert_eq!(stretch.lasting(), Some(Lasting { since, length }));
    }
}
