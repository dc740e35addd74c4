//! Stretches of media time that no packet covers.

use std::collections::VecDeque;
use std::time::Duration;

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
}

/// A jump of 10 seconds either way is a new beginning, not a hole.
const RESTART: i64 = 480_000;
/// Late packets find the last holes.
const MOST_OPEN: usize = 32;

impl Holes {
    /// A packet of `length` samples came.
    pub(super) fn packet(&mut self, rtp_timestamp: u32, length: u32) {
        let end = self.end.unwrap_or(End { rtp_timestamp, position: 0 });
        let ahead = i64::from(rtp_timestamp.wrapping_sub(end.rtp_timestamp).cast_signed());
        if ahead.abs() > RESTART {
            while self.settle_oldest() {}
            self.end = Some(End { rtp_timestamp: rtp_timestamp.wrapping_add(length), ..end });
            return;
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
            self.end = Some(End { rtp_timestamp: rtp_timestamp.wrapping_add(length), position: behind });
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Holes as count, milliseconds together and of the longest one, after packets of 20 ms with these numbers.
    fn found(start: u32, packets: impl IntoIterator<Item = i64>) -> (u64, u128, u128) {
        let mut holes = Holes::default();
        for packet in packets {
            holes.packet(start.wrapping_add((packet * 960) as u32), 960);
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
    fn holes_beyond_the_memory_are_still_counted() {
        assert_eq!(found(7, (0..100).map(|packet| packet * 2)), (99, 99 * 20, 20));
    }
}
