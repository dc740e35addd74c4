//! Sequence numbers that do not wrap, outages, and streams that start over (RFC 3550 appendix A.1).

use std::time::{Duration, Instant};

use super::RtpHeader;

/// Follows the sequence numbers of one stream.
#[derive(Debug)]
pub(super) struct Sequence {
    clock_rate: u32,
    newest: Option<Newest>,
    /// What would follow the last number that fitted nowhere.
    after_misfit: Option<u16>,
}

/// The packet with the highest number.
#[derive(Copy, Clone, Debug)]
struct Newest {
    number: i64,
    timestamp: u32,
    arrived: Instant,
}

/// Where a packet belongs.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// At this number in the endless count.
    At(i64),
    /// Too far away to believe. It may turn out to belong there, see the next two.
    Misfit,
    /// The second one in a row far ahead, and the sender's clock has gone on as ours has: an outage, and what lies
    /// between never came. The misfit before has the number before.
    Resumed(i64),
    /// The second one in a row far away: the sender has started over, at the number before this one, which the misfit
    /// before has. All earlier ones are history.
    Restart(i64),
}

/// Farther apart than this, ahead or behind, is a misfit: `MAX_DROPOUT` of RFC 3550.
const MAX_STEP: i16 = 3000;

/// How far the sender's clock may be from ours after an outage. What lies in queues on the way makes up some seconds; a
/// sender that starts over begins at a random timestamp, which is farther away 99.9 times of 100.
const SLACK: Duration = Duration::from_secs(10);

impl Sequence {
    /// `clock_rate`: timestamp units per second, at least 1.
    pub(super) fn new(clock_rate: u32) -> Self {
        Self { clock_rate: clock_rate.max(1), newest: None, after_misfit: None }
    }

    /// The same numbers go on under another clock rate.
    pub(super) fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate.max(1);
    }

    pub(super) fn place(&mut self, now: Instant, header: &RtpHeader) -> Place {
        let RtpHeader { sequence, timestamp, .. } = *header;
        let newest = |number: i64| Newest { number, timestamp, arrived: now };
        let Some(highest) = self.newest else {
            // One turn above zero, so that a packet overtaken by the first one still has its place.
            let first = i64::from(sequence) + 0x1_0000;
            self.newest = Some(newest(first));
            return Place::At(first);
        };
        let step = step(highest.number, sequence);
        if step.unsigned_abs() <= MAX_STEP.unsigned_abs() {
            let place = highest.number + i64::from(step);
            if step > 0 {
                self.newest = Some(newest(place));
            }
            self.after_misfit = None;
            return Place::At(place);
        }
        if self.after_misfit.replace(sequence.wrapping_add(1)) != Some(sequence) {
            return Place::Misfit;
        }
        self.after_misfit = None;
        if self.goes_on(&highest, now, timestamp) {
            // Outages of more than a turn, which nothing but a path of many thousand packets a second could have, count
            // as what is left of them.
            let place = highest.number + i64::from(sequence.wrapping_sub(highest.number as u16));
            self.newest = Some(newest(place));
            Place::Resumed(place)
        } else {
            // A whole turn ahead of everything seen, so that old and new numbers cannot be mistaken.
            let place = (((highest.number >> 16) + 2) << 16) + i64::from(sequence);
            self.newest = Some(newest(place));
            Place::Restart(place)
        }
    }

    /// The number next to the highest one that ends in these 16 bits; `None` before the first packet.
    pub(super) fn nearest(&self, sequence: u16) -> Option<i64> {
        self.newest.map(|highest| highest.number + i64::from(step(highest.number, sequence)))
    }

    /// Whether timestamps have advanced with the clock. Backwards they never do: old packets sent once more are no outage.
    fn goes_on(&self, highest: &Newest, now: Instant, timestamp: u32) -> bool {
        let Ok(ticks) = u32::try_from(timestamp.wrapping_sub(highest.timestamp).cast_signed()) else { return false };
        let sent = Duration::from_secs(u64::from(ticks)) / self.clock_rate;
        ticks > 0 && sent.abs_diff(now.saturating_duration_since(highest.arrived)) <= SLACK
    }
}

fn step(highest: i64, sequence: u16) -> i16 {
    sequence.wrapping_sub(highest as u16).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    /// Packets as (number, timestamp in milliseconds, arrival in milliseconds).
    fn places(packets: &[(u16, i32, u64)]) -> Vec<Place> {
        let (start, mut sequence) = (start(), Sequence::new(90_000));
        let place = |&(number, media, at): &(u16, i32, u64)| {
            // Around the end of the RTP clock.
            let timestamp = (u32::MAX - 9000).wrapping_add_signed(media * 90);
            let header = RtpHeader { sequence: number, timestamp, marker: false, ssrc: 1 };
            sequence.place(start + Duration::from_millis(at), &header)
        };
        packets.iter().map(place).collect()
    }

    /// All at once, with timestamps far apart.
    fn offsets(numbers: &[u16]) -> Vec<Place> {
        let packets: Vec<_> = numbers.iter().map(|&number| (number, i32::from(number) * 20, 0)).collect();
        places(&packets)
    }

    #[test]
    fn numbers_go_on_counting_across_the_wrap() {
        let base = 0x1_0000;
        let expected = [65_534, 65_535, 65_536, 65_535, 65_537].map(|number| Place::At(base + number));
        assert_eq!(offsets(&[65_534, 65_535, 0, 65_535, 1]), expected);
    }

    #[test]
    fn a_packet_older_than_the_first_has_its_place() {
        assert_eq!(offsets(&[0, 65_535]), [Place::At(0x1_0000), Place::At(0xffff)]);
    }

    #[test]
    fn one_wild_number_is_forgotten_and_two_in_a_row_start_over() {
        let places = offsets(&[10, 30_000, 11, 30_001, 30_002, 30_003]);
        let restart = 0x3_0000 + 30_002;
        let expected = [
            Place::At(0x1_000a),
            Place::Misfit,
            Place::At(0x1_000b),
            Place::Misfit,
            Place::Restart(restart),
            Place::At(restart + 1),
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn a_long_outage_through_which_the_senders_clock_went_on_is_no_restart() {
        let found = places(&[(65_000, 0, 0), (4000, 20_000, 20_100), (4001, 20_001, 20_100), (4002, 20_002, 20_101)]);
        let resumed = 0x2_0000 + 4001;
        assert_eq!(found[1..], [Place::Misfit, Place::Resumed(resumed), Place::At(resumed + 1)]);
        // More than half a turn.
        let found = places(&[(0, 0, 0), (60_000, 40_000, 40_000), (60_001, 40_000, 40_000)]);
        assert_eq!(found[1..], [Place::Misfit, Place::Resumed(0x1_0000 + 60_001)]);
    }

    #[test]
    fn a_clock_that_jumped_or_ran_back_is_a_restart() {
        for media in [100_000, 31_000, -1000] {
            let found = places(&[(0, 0, 0), (30_000, media, 20_000), (30_001, media, 20_000)]);
            assert_eq!(found[1..], [Place::Misfit, Place::Restart(0x3_0000 + 30_001)], "{media} ms");
        }
    }

    #[test]
    fn a_number_has_its_nearest_place() {
        let (start, mut sequence) = (start(), Sequence::new(90_000));
        assert_eq!(sequence.nearest(5), None);
        sequence.place(start, &RtpHeader { sequence: 1, timestamp: 0, marker: false, ssrc: 1 });
        assert_eq!((sequence.nearest(3), sequence.nearest(65_535)), (Some(0x1_0003), Some(0xffff)));
    }
}
