//! Stretches of media time that no packet covers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::samples_long;

/// Follows the RTP timestamps of one track, which count samples (RFC 7587 section 4.2).
#[derive(Debug, Default)]
pub(super) struct Holes {
    end: Option<End>,
    /// Holes that a late packet may still fill, as first sample and the one behind the last, oldest first.
    open: VecDeque<(i64, i64)>,
    count: u64,
    samples: u64,
    longest: u64,
}

/// Where the newest packet ends.
#[derive(Debug, Clone, Copy)]
struct End {
    rtp_timestamp: u32,
    /// The same, never turning over.
    position: i64,
    /// When that packet came.
    at: Instant,
}

/// Timestamps that run away from the clock by more than this are a new beginning, not a hole.
const RESTART: Duration = Duration::from_secs(10);
/// Late packets find the last holes.
const MOST_OPEN: usize = 32;

impl Holes {
    /// A packet of `length` samples came. Returns whether its sound goes on where the newest packet's ended.
    pub(super) fn packet(&mut self, now: Instant, rtp_timestamp: u32, length: u32) -> bool {
        let is_first = self.end.is_none();
        let end = self.end.unwrap_or(End { rtp_timestamp, position: 0, at: now });
        let ahead = i64::from(rtp_timestamp.wrapping_sub(end.rtp_timestamp).cast_signed());
        let behind_end = rtp_timestamp.wrapping_add(length);
        if is_new_beginning(ahead, now.saturating_duration_since(end.at)) {
            while self.settle_oldest() {}
            self.end = Some(End { rtp_timestamp: behind_end, at: now, ..end });
            return false;
        }
        let first = end.position + ahead;
        let behind = first + i64::from(length);
        if ahead > 0 {
            if self.open.len() == MOST_OPEN {
                self.settle_oldest();
            }
            self.open.push_back((end.position, first));
        } else if ahead < 0 {
            self.fill(first, behind);
        }
        if behind >= end.position {
            self.end = Some(End { rtp_timestamp: behind_end, position: behind, at: now });
        }
        ahead == 0 && !is_first
    }

    /// How many there are, how long they are together, and how long the longest is.
    pub(super) fn report(&self) -> (u64, Duration, Duration) {
        let lengths = self.open.iter().map(|(first, behind)| first.abs_diff(*behind));
        let count = self.count + self.open.len() as u64;
        let samples = self.samples + lengths.clone().sum::<u64>();
        let longest = lengths.fold(self.longest, u64::max);
        (count, samples_long(samples), samples_long(longest))
    }

    /// A late packet covers a hole, or a part of one.
    fn fill(&mut self, first: i64, behind: i64) {
        self.open = self
            .open
            .iter()
            .flat_map(|hole| [(hole.0, hole.1.min(first)), (hole.0.max(behind), hole.1)])
            .filter(|(first, behind)| first < behind)
            .collect();
    }

    fn settle_oldest(&mut self) -> bool {
        let Some((first, behind)) = self.open.pop_front() else { return false };
        let length = first.abs_diff(behind);
        self.count += 1;
        self.samples += length;
        self.longest = self.longest.max(length);
        true
    }
}

/// So many samples `ahead` of the newest packet's end, and so much later: in a stream that goes on the two agree,
/// however long nothing came.
fn is_new_beginning(ahead: i64, later: Duration) -> bool {
    let media = samples_long(ahead.unsigned_abs());
    if ahead < 0 { media + later > RESTART } else { media.abs_diff(later) > RESTART }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    /// Holes as count, milliseconds together and of the longest one, after packets of 20 ms with these numbers, of which
    /// one comes every 20 ms.
    fn found(start: u32, packets: impl IntoIterator<Item = i64>) -> (u64, u128, u128) {
        found_at(start, (0..).step_by(20).zip(packets))
    }

    /// The same of packets that come at these times, in milliseconds.
    fn found_at(first: u32, packets: impl IntoIterator<Item = (u64, i64)>) -> (u64, u128, u128) {
        let (start, mut holes) = (start(), Holes::default());
        for (ms, packet) in packets {
            holes.packet(start + Duration::from_millis(ms), first.wrapping_add((packet * 960) as u32), 960);
        }
        let (count, together, longest) = holes.report();
        (count, together.as_millis(), longest.as_millis())
    }

    #[test]
    fn packets_in_a_row_have_no_hole_even_across_the_end_of_the_rtp_clock() {
        assert_eq!(found(0, 0..100), (0, 0, 0));
        assert_eq!(found(u32::MAX - 5000, 0..100), (0, 0, 0));
    }

    #[test]
    fn missing_packets_are_holes() {
        assert_eq!(found(u32::MAX - 5000, [0, 1, 3, 4, 9, 10]), (2, 100, 80));
    }

    #[test]
    fn late_and_repeated_packets_are_no_hole() {
        assert_eq!(found(7, [0, 1, 3, 2, 4, 5]), (0, 0, 0));
        assert_eq!(found(7, [5, 0, 1, 6]), (0, 0, 0));
        assert_eq!(found(7, [0, 1, 1, 2]), (0, 0, 0));
    }

    #[test]
    fn a_late_packet_fills_only_its_part() {
        assert_eq!(found(7, [0, 6, 3]), (2, 80, 40));
        assert_eq!(found(7, [0, 6, 1]), (1, 80, 80));
        assert_eq!(found(7, [0, 6, 5, 1]), (1, 60, 60));
    }

    #[test]
    fn a_new_beginning_is_no_hole_and_keeps_the_older_ones() {
        assert_eq!(found(7, [0, 2, 10_000, 10_001, 10_003]), (2, 40, 20));
        assert_eq!(found(7, [10_000, 0, 1, 3]), (1, 20, 20));
        assert_eq!(found(7, [0, 500]), (1, 9_980, 9_980));
    }

    #[test]
    fn a_hole_of_any_length_is_one_when_the_clock_agrees() {
        assert_eq!(found_at(7, [(0, 0), (20_000, 1000), (20_020, 1001)]), (1, 19_980, 19_980));
        // Two hours, across the end of the RTP clock, and a burst behind them.
        let long = [(0, 0), (7_200_300, 360_000), (7_200_310, 360_001), (7_200_310, 360_002)];
        assert_eq!(found_at(u32::MAX - 5000, long), (1, 7_199_980, 7_199_980));
    }

    #[test]
    fn a_pause_without_media_time_is_no_hole() {
        assert_eq!(found_at(7, [(0, 0), (60_000, 1), (60_020, 2)]), (0, 0, 0));
    }

    #[test]
    fn what_does_not_go_on_is_told() {
        let (start, mut holes) = (start(), Holes::default());
        let mut goes_on = |ms: u64, packet: u32| holes.packet(start + Duration::from_millis(ms), packet * 960, 960);
        let found = [(0, 5), (20, 6), (60, 8), (61, 7), (80, 9), (80, 9), (99_000, 10), (99_020, 11)];
        let found = found.map(|(ms, packet)| goes_on(ms, packet));
        assert_eq!(found, [false, true, false, false, true, false, false, true]);
    }

    #[test]
    fn holes_beyond_the_memory_are_still_counted() {
        assert_eq!(found(7, (0..100).map(|packet| packet * 2)), (99, 99 * 20, 20));
    }
}
