//! What the packets of a stream tell about the way they took (RFC 3550 sections 6.4.1, A.1, A.3 and A.8).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::RtpHeader;
use super::sequence::{Place, Sequence};

/// Counts the packets of one SSRC.
#[derive(Debug)]
pub struct StreamStats {
    clock_rate: f64,
    sequence: Sequence,
    /// Lowest and highest number since the last restart of the sender.
    span: Option<(i64, i64)>,
    /// Distinct packets in the span, and in all spans before it the packets that never came.
    distinct: u64,
    lost_before: u64,
    seen: Window,
    /// Numbers that are missing, and since when; those a window behind are forgotten.
    missing: BTreeMap<i64, Instant>,
    totals: RtpStats,
    /// Arrival and timestamp of the newest packet, for the jitter.
    newest: Option<(Instant, u32)>,
}

/// The counts of a stream.
#[derive(Copy, Clone, PartialEq, Debug, Default)]
pub struct RtpStats {
    /// Packets that arrived, without duplicates.
    pub received: u64,
    /// Payload bytes of those packets.
    pub bytes: u64,
    /// Packets that were sent, as the sequence numbers tell, and have not arrived.
    pub lost: u64,
    /// Packets that arrived once more, or so late that nobody knows.
    pub duplicates: u64,
    /// Packets that arrived after a later one.
    pub reordered: u64,
    /// Those of them that came so late that they were sent again: 5 ms or more after they were missed.
    pub recovered: u64,
    /// Packets found missing, whether or not they came later; at any moment those of one stream's whole life.
    pub missed: u64,
    /// Highest sequence number, with the count of wraps in the upper 16 bits.
    pub highest_sequence: u32,
    /// Mean deviation of the packet spacing in milliseconds (section 6.4.1). Packets that come late or again do not
    /// count: a retransmission says nothing about the path's jitter.
    pub jitter_ms: f64,
}

/// A packet that comes this long after it was missed was sent again; mere reordering is quicker.
const RECOVERED_AFTER: Duration = Duration::from_millis(5);

impl StreamStats {
    /// `clock_rate`: timestamp units per second, 90000 for video and 48000 for Opus; at least 1.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: f64::from(clock_rate.max(1)),
            sequence: Sequence::default(),
            span: None,
            distinct: 0,
            lost_before: 0,
            seen: Window::default(),
            missing: BTreeMap::new(),
            totals: RtpStats::default(),
            newest: None,
        }
    }

    /// A packet arrived with `bytes` of payload.
    pub fn packet(&mut self, now: Instant, header: &RtpHeader, bytes: usize) {
        let number = match self.sequence.place(header.sequence) {
            Place::At(number) => number,
            Place::Misfit => return,
            Place::Restart(number) => {
                self.lost_before = self.lost();
                (self.span, self.distinct, self.newest) = (None, 0, None);
                self.seen = Window::default();
                self.missing.clear();
                number
            }
        };
        let (lowest, highest) = self.span.unwrap_or((number, number - 1));
        if !self.seen.insert(number, highest) {
            self.totals.duplicates += 1;
            return;
        }
        self.span = Some((lowest.min(number), highest.max(number)));
        self.distinct += 1;
        self.totals.received += 1;
        self.totals.bytes += bytes as u64;
        if number > highest {
            self.miss(now, highest + 1..number);
            self.jitter(now, header.timestamp);
        } else {
            self.totals.reordered += 1;
            let missed = self.missing.remove(&number);
            let late = missed.is_some_and(|since| now.saturating_duration_since(since) >= RECOVERED_AFTER);
            self.totals.recovered += u64::from(late);
        }
    }

    /// Numbers were skipped.
    fn miss(&mut self, now: Instant, skipped: std::ops::Range<i64>) {
        let oldest = skipped.end - Window::SIZE;
        if self.missing.first_key_value().is_some_and(|(&first, _)| first < oldest) {
            self.missing = self.missing.split_off(&oldest);
        }
        self.totals.missed += u64::try_from(skipped.end - skipped.start).unwrap_or_default();
        self.missing.extend((skipped.start.max(oldest)..skipped.end).map(|number| (number, now)));
    }

    /// Everything so far.
    pub fn report(&self) -> RtpStats {
        let highest_sequence = self.span.map_or(0, |(_, highest)| (highest - 0x1_0000) as u32);
        RtpStats { lost: self.lost(), highest_sequence, ..self.totals }
    }

    fn lost(&self) -> u64 {
        let expected = self.span.map_or(0, |(lowest, highest)| highest - lowest + 1);
        self.lost_before + u64::try_from(expected).unwrap_or(0).saturating_sub(self.distinct)
    }

    /// Appendix A.8, in seconds instead of clock units.
    fn jitter(&mut self, now: Instant, timestamp: u32) {
        if let Some((before, sent_before)) = self.newest.replace((now, timestamp)) {
            let arrival = now.saturating_duration_since(before).as_secs_f64();
            let sending = f64::from(timestamp.wrapping_sub(sent_before) as i32) / self.clock_rate;
            let deviation = (arrival - sending).abs() * 1000.0;
            self.totals.jitter_ms += (deviation - self.totals.jitter_ms) / 16.0;
        }
    }
}

const WORDS: usize = 64;

/// Which of the last 4096 numbers have been seen.
#[derive(Debug)]
struct Window {
    bits: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self { bits: [0; WORDS] }
    }
}

impl Window {
    const SIZE: i64 = WORDS as i64 * 64;

    /// Whether `number` is new. `highest` is the highest number before it; whatever lies a window behind is not new.
    fn insert(&mut self, number: i64, highest: i64) -> bool {
        if number <= highest - Self::SIZE {
            return false;
        }
        for skipped in highest.max(number - Self::SIZE) + 1..=number {
            self.set(skipped, false);
        }
        let new = !self.get(number);
        self.set(number, true);
        new
    }

    fn get(&self, number: i64) -> bool {
        let (word, bit) = Self::place(number);
        self.bits.get(word).is_some_and(|bits| bits >> bit & 1 == 1)
    }

    fn set(&mut self, number: i64, value: bool) {
        let (word, bit) = Self::place(number);
        if let Some(bits) = self.bits.get_mut(word) {
            *bits = *bits & !(1 << bit) | u64::from(value) << bit;
        }
    }

    fn place(number: i64) -> (usize, u32) {
        let at = number.rem_euclid(Self::SIZE);
        ((at / 64) as usize, (at % 64) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    /// Packets of 100 bytes, 20 ms of Opus apart in time and sending.
    fn counted(sequence: &[u16]) -> RtpStats {
        let (mut stats, start) = (StreamStats::new(48_000), start());
        for (at, &sequence) in sequence.iter().enumerate() {
            let header = RtpHeader { sequence, timestamp: u32::from(sequence) * 960, marker: false, ssrc: 1 };
            stats.packet(start + Duration::from_millis(20) * at as u32, &header, 100);
        }
        stats.report()
    }

    #[test]
    fn a_clean_stream_loses_nothing_and_has_no_jitter() {
        let clean = counted(&[10, 11, 12]);
        let expected = RtpStats { received: 3, bytes: 300, highest_sequence: 12, ..RtpStats::default() };
        assert_eq!(RtpStats { jitter_ms: 0.0, ..clean }, expected);
        assert!(clean.jitter_ms < 1e-6, "{clean:?}");
    }

    #[test]
    fn what_was_sent_again_is_told_from_what_was_overtaken() {
        let (mut stats, start) = (StreamStats::new(48_000), start());
        for (sequence, millis) in [(1, 0), (5, 20), (2, 21), (3, 25), (4, 26)] {
            let header = RtpHeader { sequence, timestamp: u32::from(sequence) * 960, marker: false, ssrc: 1 };
            stats.packet(start + Duration::from_millis(millis), &header, 1);
        }
        let report = stats.report();
        assert_eq!((report.missed, report.reordered, report.recovered, report.lost), (3, 3, 2, 0));
    }

    #[test]
    fn the_wrap_is_no_loss() {
        let stats = counted(&[65_534, 65_535, 0, 1]);
        assert_eq!((stats.received, stats.lost, stats.highest_sequence), (4, 0, 0x1_0001));
    }

    #[test]
    fn lost_doubled_and_overtaken_packets_are_told_apart() {
        let stats = counted(&[1, 2, 5, 4, 4, 2, 8]);
        assert_eq!((stats.received, stats.lost, stats.duplicates, stats.reordered), (5, 3, 2, 1));
    }

    #[test]
    fn a_packet_overtaken_by_the_first_counts() {
        let stats = counted(&[100, 99, 101]);
        assert_eq!((stats.received, stats.lost, stats.reordered), (3, 0, 1));
    }

    #[test]
    fn a_sender_that_starts_over_is_no_loss() {
        let stats = counted(&[1, 2, 4, 40_000, 40_001, 40_002]);
        assert_eq!((stats.received, stats.lost), (5, 1));
    }

    #[test]
    fn jitter_follows_the_formula_of_rfc_3550() {
        let (mut stats, start) = (StreamStats::new(90_000), start());
        for (sequence, millis) in [(0, 0), (1, 36), (2, 66)] {
            let header = RtpHeader { sequence, timestamp: u32::from(sequence) * 2700, marker: true, ssrc: 1 };
            stats.packet(start + Duration::from_millis(millis), &header, 1);
        }
        // Deviations of 6 ms and 0 ms.
        let expected = 6.0 / 16.0 * (15.0 / 16.0);
        assert!((stats.report().jitter_ms - expected).abs() < 1e-6, "{:?}", stats.report());
    }
}
