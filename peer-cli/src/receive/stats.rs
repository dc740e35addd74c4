//! What the packets of a stream tell about the way they took (RFC 3550 sections 6.4.1, A.1, A.3 and A.8).

use std::collections::BTreeSet;
use std::time::Instant;

use super::RtpHeader;
use super::sequence::{Place, Sequence};
use super::window::Window;

/// Counts the packets of a sender; another SSRC is its next stream and counts on.
#[derive(Debug)]
pub struct StreamStats {
    clock_rate: u32,
    ssrc: Option<u32>,
    sequence: Sequence,
    /// The last packet, when its number fitted nowhere.
    misfit: Option<Arrival>,
    /// Lowest and highest number since the last restart of the sender.
    span: Option<(i64, i64)>,
    /// Distinct packets in the span, and in all spans before it the packets that never came.
    distinct: u64,
    lost_before: u64,
    seen: Window,
    /// Numbers whose packets come, or came, in the repair stream.
    repaired: BTreeSet<i64>,
    totals: RtpStats,
    /// Arrival and timestamp of the newest packet, for the jitter.
    newest: Option<(Instant, u32)>,
}

#[derive(Copy, Clone, Debug)]
struct Arrival {
    at: Instant,
    timestamp: u32,
    bytes: usize,
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
    /// Packets that arrived in the repair stream (RFC 4588) and not before in their own; see [`StreamStats::repaired`].
    pub recovered: u64,
    /// Packets found missing, whether or not they came later; at any moment those of the whole life of the stream.
    pub missed: u64,
    /// Highest sequence number, with the count of wraps in the upper 16 bits.
    pub highest_sequence: u32,
    /// Mean deviation of the packet spacing in milliseconds (section 6.4.1). Packets that come late or again do not
    /// count: a retransmission says nothing about the path's jitter.
    pub jitter_ms: f64,
}

impl StreamStats {
    /// `clock_rate`: timestamp units per second, 90000 for video and 48000 for Opus; at least 1.
    pub fn new(clock_rate: u32) -> Self {
        let clock_rate = clock_rate.max(1);
        Self {
            clock_rate,
            ssrc: None,
            sequence: Sequence::new(clock_rate),
            misfit: None,
            span: None,
            distinct: 0,
            lost_before: 0,
            seen: Window::default(),
            repaired: BTreeSet::new(),
            totals: RtpStats::default(),
            newest: None,
        }
    }

    /// A packet arrived with `bytes` of payload. Returns whether it is one of the stream's that was not there before.
    pub fn packet(&mut self, now: Instant, header: &RtpHeader, bytes: usize) -> bool {
        if self.ssrc.replace(header.ssrc).is_some_and(|before| before != header.ssrc) {
            self.start_over();
            self.sequence = Sequence::new(self.clock_rate);
            self.misfit = None;
        }
        let arrival = Arrival { at: now, timestamp: header.timestamp, bytes };
        let misfit = self.misfit.take();
        match self.sequence.place(now, header) {
            Place::At(number) => self.count(number, arrival),
            Place::Misfit => {
                self.misfit = Some(arrival);
                false
            }
            Place::Resumed(number) => self.count_both(misfit, number, arrival),
            Place::Restart(number) => {
                self.start_over();
                self.count_both(misfit, number, arrival)
            }
        }
    }

    /// The packet with this number came in the stream that repairs this one, and is about to be taken.
    pub fn repaired(&mut self, sequence: u16) {
        let Some(number) = self.sequence.nearest(sequence) else { return };
        if let Some((_, highest)) = self.span {
            self.repaired = self.repaired.split_off(&(highest - Window::SIZE));
        }
        // What is far ahead is nobody's, and must not fill the memory.
        if self.repaired.len() < Window::SIZE as usize {
            self.repaired.insert(number);
        }
    }

    /// From now on the timestamps count in another unit, at least 1 a second.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate.max(1);
        self.sequence.set_clock_rate(clock_rate);
        self.newest = None;
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

    /// What is known of the numbers so far says nothing about those to come.
    fn start_over(&mut self) {
        self.lost_before = self.lost();
        (self.span, self.distinct, self.newest) = (None, 0, None);
        self.seen = Window::default();
        self.repaired.clear();
    }

    fn count_both(&mut self, misfit: Option<Arrival>, number: i64, arrival: Arrival) -> bool {
        if let Some(misfit) = misfit {
            self.count(number - 1, misfit);
        }
        self.count(number, arrival)
    }

    fn count(&mut self, number: i64, arrival: Arrival) -> bool {
        let (lowest, highest) = self.span.unwrap_or((number, number - 1));
        if !self.seen.insert(number, highest) {
            self.totals.duplicates += 1;
            return false;
        }
        self.span = Some((lowest.min(number), highest.max(number)));
        self.distinct += 1;
        self.totals.received += 1;
        self.totals.bytes += arrival.bytes as u64;
        let repaired = self.repaired.remove(&number);
        self.totals.recovered += u64::from(repaired);
        if number <= highest {
            self.totals.reordered += 1;
        } else {
            self.totals.missed += u64::try_from(number - highest - 1).unwrap_or_default();
            if !repaired {
                self.jitter(arrival);
            }
        }
        true
    }

    /// Appendix A.8, in seconds instead of clock units.
    fn jitter(&mut self, Arrival { at, timestamp, .. }: Arrival) {
        if let Some((before, sent_before)) = self.newest.replace((at, timestamp)) {
            let arrival = at.saturating_duration_since(before).as_secs_f64();
            let sending = f64::from(timestamp.wrapping_sub(sent_before).cast_signed()) / f64::from(self.clock_rate);
            let deviation = (arrival - sending).abs() * 1000.0;
            self.totals.jitter_ms += (deviation - self.totals.jitter_ms) / 16.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    /// Of one sender of sound: 20 ms a packet.
    fn header(sequence: u16) -> RtpHeader {
        RtpHeader { sequence, timestamp: u32::from(sequence) * 960, marker: false, ssrc: 1 }
    }

    /// Packets of 100 bytes, 20 ms of Opus apart in time and sending.
    fn counted(sequence: &[u16]) -> RtpStats {
        let (mut stats, start) = (StreamStats::new(48_000), start());
        for (at, &sequence) in sequence.iter().enumerate() {
            stats.packet(start + Duration::from_millis(20) * at as u32, &header(sequence), 100);
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
    fn only_what_came_in_the_repair_stream_is_recovered_however_late_the_others_come() {
        let (mut stats, start) = (StreamStats::new(48_000), start());
        for (sequence, millis) in [(1, 0), (5, 20)] {
            stats.packet(start + Duration::from_millis(millis), &header(sequence), 1);
        }
        stats.repaired(3);
        for (sequence, millis) in [(2, 60), (3, 60), (3, 61)] {
            stats.packet(start + Duration::from_millis(millis), &header(sequence), 1);
        }
        // Probing the path with a packet that has long been there repairs nothing.
        stats.repaired(5);
        assert!(!stats.packet(start + Duration::from_millis(70), &header(5), 1));
        let report = stats.report();
        assert_eq!((report.missed, report.reordered, report.recovered, report.lost), (3, 2, 1, 1));
        assert_eq!(report.duplicates, 2);
    }

    #[test]
    fn a_repaired_number_is_found_across_the_wrap_and_forgotten_a_window_later() {
        let (mut stats, start) = (StreamStats::new(48_000), start());
        stats.packet(start, &header(65_534), 1);
        stats.packet(start, &header(1), 1);
        stats.repaired(65_535);
        stats.repaired(0);
        assert!(stats.packet(start, &header(65_535), 1));
        for step in 2..=5000 {
            stats.packet(start, &header(step), 1);
        }
        stats.repaired(4999);
        assert_eq!(stats.repaired, BTreeSet::from([0x2_0000 + 4999]));
        assert_eq!(stats.report().recovered, 1);
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
        assert_eq!((stats.received, stats.lost), (6, 1));
    }

    #[test]
    fn an_outage_of_many_thousand_packets_is_loss() {
        let (mut stats, start) = (StreamStats::new(48_000), start());
        for (sequence, seconds) in [(1, 0), (4001, 80), (4002, 80), (4003, 80)] {
            stats.packet(start + Duration::from_secs(seconds), &header(sequence), 1);
        }
        let report = stats.report();
        assert_eq!((report.received, report.lost, report.missed), (4, 3999, 3999));
    }

    #[test]
    fn another_stream_of_the_sender_counts_on() {
        let (mut stats, start) = (StreamStats::new(48_000), start());
        for (ssrc, sequence) in [(1, 10), (1, 12), (2, 20_000), (2, 20_001), (2, 20_003), (3, 20_010)] {
            stats.packet(start, &RtpHeader { ssrc, ..header(sequence) }, 1);
        }
        let report = stats.report();
        assert_eq!((report.received, report.lost, report.missed), (6, 2, 2));
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
