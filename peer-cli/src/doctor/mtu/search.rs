//! Brain: which packet length is tried next, and how often.

use std::time::{Duration, Instant};

/// Transmissions of each length.
const MAX_SENT: u32 = 3;

/// How long the first length is waited for after each transmission; nothing is known of the path then.
const FIRST_WAIT: Duration = Duration::from_millis(700);

/// How long the others are waited for: so many round trips, within these bounds.
const ROUND_TRIPS: u32 = 4;
const WAIT_AT_LEAST: Duration = Duration::from_millis(100);
const WAIT_AT_MOST: Duration = Duration::from_millis(500);

/// What is tried, as the length of the whole IP packet in bytes; every length is a multiple of four.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Lengths {
    /// What every path has to carry.
    least: u16,
    /// More is not tried; Ethernet carries no more.
    most: u16,
    /// IP and UDP headers.
    headers: u16,
}

impl Lengths {
    /// RFC 1122 section 3.3.3 for the least; 20 bytes of IP, 8 of UDP.
    pub(super) const IPV4: Self = Self { least: 576, most: 1500, headers: 28 };
    /// RFC 8200 section 5 for the least; 40 bytes of IP, 8 of UDP.
    pub(super) const IPV6: Self = Self { least: 1280, most: 1500, headers: 48 };
}

/// What was found out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::doctor) struct PathMtu {
    /// The longest IP packet that was answered, in bytes; 0 when not even the least was.
    pub(in crate::doctor) bytes: u16,
    /// Whether a longer one, by four bytes, was tried and missed, or none is tried; else the time was over before.
    pub(in crate::doctor) exact: bool,
    /// Whether the answers were as long as the requests, so that the way back is measured too.
    pub(in crate::doctor) both_ways: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Search {
    lengths: Lengths,
    end: Instant,
    /// The longest that was answered; 0 before any was.
    good: u16,
    /// The shortest that was missed.
    bad: u16,
    /// The one that is tried.
    size: u16,
    sent: u32,
    sent_at: Instant,
    due: Instant,
    wait: Duration,
    /// Whether there is something to send, and whether it is a new length.
    outbox: Option<bool>,
    both_ways: bool,
    found: Option<PathMtu>,
}

impl Search {
    /// Tries the least length first, then the most, then halves what lies between.
    pub(super) fn start(now: Instant, lengths: Lengths, end: Instant) -> Self {
        Self {
            lengths,
            end,
            good: 0,
            bad: lengths.most + 4,
            size: lengths.least,
            sent: 1,
            sent_at: now,
            due: now + FIRST_WAIT,
            wait: FIRST_WAIT,
            outbox: Some(true),
            both_ways: true,
            found: None,
        }
    }

    /// The bytes of UDP payload to send next, and whether this is the first time; asked for until there is nothing.
    pub(super) fn poll_transmit(&mut self) -> Option<(usize, bool)> {
        let is_new = self.outbox.take()?;
        Some((usize::from(self.size - self.lengths.headers), is_new))
    }

    /// An answer to the last length came, of so many bytes of UDP payload.
    pub(super) fn answered(&mut self, now: Instant, payload: usize) {
        if self.found.is_some() {
            return;
        }
        let round_trip = now.saturating_duration_since(self.sent_at);
        if self.good == 0 {
            self.wait = (round_trip * ROUND_TRIPS).clamp(WAIT_AT_LEAST, WAIT_AT_MOST);
        }
        // A server that knows no padding refuses in few bytes, which proves the way there alone.
        self.both_ways &= payload + 4 >= usize::from(self.size - self.lengths.headers);
        self.good = self.size;
        self.next(now);
    }

    /// The system itself refused to send it.
    pub(super) fn too_long(&mut self, now: Instant) {
        self.missed(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.found.is_none().then(|| self.due.min(self.end))
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.found.is_some() {
            return;
        }
        if now >= self.end {
            return self.conclude(self.good == 0);
        }
        if now < self.due {
            return;
        }
        if self.sent >= MAX_SENT {
            return self.missed(now);
        }
        self.sent += 1;
        self.send(now, false);
    }

    /// What was found out, once it is over.
    pub(super) fn found(&self) -> Option<PathMtu> {
        self.found
    }

    fn missed(&mut self, now: Instant) {
        if self.found.is_some() {
            return;
        }
        self.bad = self.size;
        self.next(now);
    }

    fn next(&mut self, now: Instant) {
        let Lengths { least, most, .. } = self.lengths;
        if self.bad <= least || self.bad - self.good <= 4 {
            return self.conclude(true);
        }
        // Most paths carry it, and then everything is known.
        let first_try = self.good == least && self.bad > most;
        self.size = if first_try { most } else { self.good + (self.bad - self.good) / 8 * 4 };
        self.sent = 1;
        self.send(now, true);
    }

    fn send(&mut self, now: Instant, is_new: bool) {
        self.sent_at = now;
        self.due = now + self.wait;
        self.outbox = Some(is_new);
    }

    fn conclude(&mut self, exact: bool) {
        self.outbox = None;
        self.found = Some(PathMtu { bytes: self.good, exact, both_ways: self.both_ways && self.good > 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// What a path makes of a payload.
    #[derive(Clone, Copy)]
    enum Path {
        /// It carries IP packets up to so many bytes, and the answer is as long.
        Carries(u16),
        /// The same, and the answer is short.
        CarriesOneWay(u16),
        /// The system refuses to send what is longer.
        Refuses(u16),
    }

    fn search(lengths: Lengths, path: Path, limit: Duration) -> (PathMtu, Duration, usize) {
        let start = tokio::time::Instant::now().into_std();
        let mut now = start;
        let mut search = Search::start(now, lengths, start + limit);
        let mut tried = 0;
        loop {
            while let Some((payload, is_new)) = search.poll_transmit() {
                tried += usize::from(is_new);
                let size = u16::try_from(payload).unwrap() + lengths.headers;
                assert!((lengths.least..=lengths.most).contains(&size) && size.is_multiple_of(4), "{size}");
                match path {
                    Path::Carries(most) if size <= most => search.answered(now, payload),
                    Path::CarriesOneWay(most) if size <= most => search.answered(now, 40),
                    Path::Refuses(most) if size <= most => search.answered(now, payload),
                    Path::Refuses(_) => search.too_long(now),
                    Path::Carries(_) | Path::CarriesOneWay(_) => {}
                }
            }
            if let Some(found) = search.found() {
                return (found, now - start, tried);
            }
            now = search.poll_timeout().expect("something is waited for");
            search.handle_timeout(now);
        }
    }

    fn exact(bytes: u16) -> PathMtu {
        PathMtu { bytes, exact: true, both_ways: bytes > 0 }
    }

    #[test]
    fn an_ethernet_path_is_known_after_two_packets() {
        let (found, took, tried) = search(Lengths::IPV4, Path::Carries(9000), LIMIT);
        assert_eq!((found, took, tried), (exact(1500), Duration::ZERO, 2));
    }

    #[test]
    fn every_path_is_found_to_four_bytes() {
        for most in [576, 577, 579, 580, 1006, 1280, 1400, 1420, 1452, 1476, 1480, 1492, 1496, 1499, 1500] {
            for path in [Path::Carries(most), Path::Refuses(most)] {
                let (found, took, tried) = search(Lengths::IPV4, path, LIMIT);
                assert_eq!(found, exact(most / 4 * 4), "{most}");
                assert!(tried <= 11 && took < Duration::from_secs(4), "{most}: {tried} lengths in {took:?}");
            }
        }
        assert_eq!(search(Lengths::IPV6, Path::Carries(1280), LIMIT).0, exact(1280));
        assert_eq!(search(Lengths::IPV6, Path::Carries(1456), LIMIT).0, exact(1456));
    }

    #[test]
    fn a_server_without_padding_measures_the_way_there() {
        let (found, ..) = search(Lengths::IPV4, Path::CarriesOneWay(1492), LIMIT);
        assert_eq!(found, PathMtu { bytes: 1492, exact: true, both_ways: false });
    }

    #[test]
    fn silence_is_nothing_after_three_tries() {
        let (found, took, tried) = search(Lengths::IPV4, Path::Carries(0), LIMIT);
        assert_eq!((found, took, tried), (exact(0), FIRST_WAIT * 3, 1));
    }

    #[test]
    fn out_of_time_the_best_so_far_is_a_lower_bound() {
        let (found, took, _) = search(Lengths::IPV4, Path::Carries(1400), Duration::from_millis(350));
        assert_eq!((found.exact, took), (false, Duration::from_millis(350)));
        assert!((576..1400).contains(&found.bytes), "{}", found.bytes);
    }
}
