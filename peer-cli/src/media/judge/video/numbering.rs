//! Which pictures are missing, by the numbers in their stamps.

use std::time::{Duration, Instant};

use super::super::super::Stamp;

/// Follows the stamps of one track.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    last: Option<Last>,
    /// The numbers go on without a loop.
    live: bool,
}

#[derive(Debug)]
struct Last {
    stamp: Stamp,
    rtp_timestamp: u32,
    at: Instant,
}

/// What a stamped picture is in relation to the one before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) step: Step,
    /// The first picture of a flash.
    pub(super) flash: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The same picture again.
    Repeated,
    /// A later one; `missing` pictures in between never came.
    Forward { missing: u64 },
    /// The first one, another peer's, an older one, or one from after a restart.
    Unknown,
}

impl Numbering {
    /// A picture with this stamp was seen; `clocked` when it tells the time too, as live ones do.
    pub(super) fn seen(&mut self, now: Instant, rtp_timestamp: u32, stamp: Stamp, clocked: bool) -> Seen {
        let new = Last { stamp, rtp_timestamp, at: now };
        let last = self.last.replace(new).filter(|last| last.stamp.peer == stamp.peer && last.stamp.fps == stamp.fps);
        if last.is_none() {
            self.live = false;
        }
        self.live |= clocked || stamp.index >= stamp.loop_frames();
        let flash = begins_flash(last.as_ref().map(|last| last.stamp), stamp);
        let step = last.map_or(Step::Unknown, |last| self.step(&last, now, rtp_timestamp, stamp));
        Seen { step, flash }
    }

    fn step(&self, last: &Last, now: Instant, rtp_timestamp: u32, stamp: Stamp) -> Step {
        let ticks = rtp_timestamp.wrapping_sub(last.rtp_timestamp).cast_signed();
        // A new RTP stream has new timestamps: nothing can be said about what lies between.
        let media = Duration::from_secs(u64::from(ticks.unsigned_abs())) / RTP_RATE;
        let real = now.saturating_duration_since(last.at);
        if ticks < 0 || media.abs_diff(real) > RESTART {
            return Step::Unknown;
        }
        let cycle = if self.live { stamp.live_frames() } else { stamp.loop_frames() };
        let drawn = i64::from(ticks) * i64::from(stamp.fps) / i64::from(RTP_RATE);
        let within = i64::from(stamp.index) - i64::from(last.stamp.index);
        // The number tells the picture within its loop, the time how many loops went by.
        let forward = within + nearest_multiple(drawn - within, i64::from(cycle));
        match u64::try_from(forward) {
            Ok(0) => Step::Repeated,
            Ok(forward) => Step::Forward { missing: forward - 1 },
            Err(_) => Step::Unknown,
        }
    }
}

const RTP_RATE: u32 = 90_000;
/// Timestamps that run away from the clock by more than this belong to another stream.
const RESTART: Duration = Duration::from_secs(10);

/// The multiple of `unit` that is nearest to `value`.
fn nearest_multiple(value: i64, unit: i64) -> i64 {
    let unit = unit.max(1);
    (value + unit / 2).div_euclid(unit) * unit
}

/// A flash lasts for some pictures; the first of them counts, whichever of them comes through. On the very first picture
/// only the second's own first one, for else it may have begun long before.
fn begins_flash(last: Option<Stamp>, stamp: Stamp) -> bool {
    let second = |stamp: Stamp| stamp.index / u32::from(stamp.fps.max(1));
    stamp.is_flash()
        && match last {
            Some(last) => !last.is_flash() || second(last) != second(stamp),
            None => stamp.index.is_multiple_of(u32::from(stamp.fps.max(1))),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn stamp(index: u32) -> Stamp {
        Stamp { peer: 1, fps: 30, index }
    }

    /// Pictures as (number in the stamp, number of the frame since the start, which is where its timestamp is).
    fn stepped(clocked: bool, pictures: &[(u32, u32)]) -> Vec<Step> {
        let (start, mut numbering) = (start(), Numbering::default());
        pictures
            .iter()
            .map(|&(index, frame)| {
                let now = start + Duration::from_secs(1) * frame / 30;
                // Around the end of the RTP clock.
                numbering.seen(now, (frame * 3000).wrapping_sub(5000), stamp(index), clocked).step
            })
            .skip(1)
            .collect()
    }

    fn missing(missing: u64) -> Step {
        Step::Forward { missing }
    }

    #[test]
    fn neighbours_miss_nothing_across_the_end_of_the_loop() {
        assert_eq!(stepped(false, &[(148, 0), (149, 1), (0, 2), (1, 3)]), [missing(0), missing(0), missing(0)]);
    }

    #[test]
    fn repeated_and_lost_pictures_are_told_apart() {
        assert_eq!(
            stepped(false, &[(10, 0), (10, 1), (13, 4), (149, 140), (2, 143)]),
            [Step::Repeated, missing(2), missing(135), missing(2)]
        );
    }

    #[test]
    fn whole_loops_that_are_missing_are_known_by_their_time() {
        assert_eq!(stepped(false, &[(10, 0), (11, 301)]), [missing(300)]);
        assert_eq!(stepped(false, &[(10, 0), (10, 150)]), [missing(149)]);
    }

    #[test]
    fn a_frozen_picture_is_repeated_however_long_it_stays() {
        let frozen: Vec<_> = (0..400).map(|frame| (0, frame)).collect();
        assert!(stepped(false, &frozen).iter().all(|step| *step == Step::Repeated));
    }

    #[test]
    fn an_older_picture_and_an_older_timestamp_lose_nothing() {
        assert_eq!(stepped(false, &[(100, 0), (90, 1), (91, 2)]), [Step::Unknown, missing(0)]);
        assert_eq!(stepped(false, &[(100, 100), (99, 99), (100, 100)]), [Step::Unknown, missing(0)]);
    }

    #[test]
    fn live_numbers_are_not_taken_for_a_loop() {
        assert_eq!(stepped(true, &[(10, 0), (290, 280)]), [missing(279)]);
        assert_eq!(stepped(false, &[(1000, 0), (1280, 280)]), [missing(279)]);
        let end = stamp(0).live_frames();
        assert_eq!(stepped(true, &[(end - 1, 0), (0, 1), (2, 3)]), [missing(0), missing(1)]);
    }

    #[test]
    fn a_new_stream_or_peer_begins_anew() {
        let (now, mut numbering) = (start(), Numbering::default());
        numbering.seen(now, 0, stamp(5), false);
        assert_eq!(numbering.seen(now, 90_000 * 60, stamp(90), false).step, Step::Unknown);
        let other = Stamp { peer: 2, ..stamp(120) };
        assert_eq!(numbering.seen(now, 90_000 * 60, other, false).step, Step::Unknown);
    }

    #[test]
    fn a_flash_is_told_once_even_when_its_first_picture_is_lost() {
        let (start, mut numbering) = (start(), Numbering::default());
        let mut flashes = Vec::new();
        for index in (0..31).chain(32..61).chain([60, 61, 62]) {
            let now = start + Duration::from_secs(1) * index / 30;
            if numbering.seen(now, index * 3000, stamp(index), false).flash {
                flashes.push(index);
            }
        }
        assert_eq!(flashes, [0, 30, 60]);
        let mut late = Numbering::default();
        assert!(!late.seen(start, 0, stamp(1), false).flash);
        assert!(!late.seen(start, 3000, stamp(29), false).flash);
        assert!(late.seen(start, 6000, stamp(31), false).flash, "the picture of number 30 was lost");
    }
}
