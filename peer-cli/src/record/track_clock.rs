//! From RTP timestamps to times in a file.

use std::time::Duration;

/// The clock of one track.
///
/// Its first frame is put where it arrived, every later one where its RTP timestamp says: so lost frames leave a gap and
/// the jitter of the network stays out of the file.
#[derive(Debug)]
pub(super) struct TrackClock {
    /// RTP units per second.
    rate: i64,
    anchor: Option<Anchor>,
    last: u64,
}

#[derive(Debug)]
struct Anchor {
    /// Microseconds in the file that belong to `ticks` 0.
    at: i64,
    /// The newest timestamp, as it came and unwrapped from the anchor.
    newest: u32,
    ticks: i64,
}

/// A timestamp this far from its arrival, in microseconds, is a sender that started over with another clock.
const JUMP: i64 = 5_000_000;

impl TrackClock {
    /// `rate`: RTP units per second.
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: i64::from(rate.max(1)), anchor: None, last: 0 }
    }

    /// The time of a frame in milliseconds, never before the one of the frame before it. `arrived` is counted from the
    /// beginning of the file.
    pub(super) fn time(&mut self, timestamp: u32, arrived: Duration) -> u64 {
        let arrived = i64::try_from(arrived.as_micros()).unwrap_or(i64::MAX / 2);
        let anchor = self.anchor.get_or_insert(Anchor { at: arrived, newest: timestamp, ticks: 0 });
        // Steps of up to 2^31 units in either direction, as all arithmetic of sequences does it.
        anchor.ticks += i64::from(timestamp.wrapping_sub(anchor.newest) as i32);
        anchor.newest = timestamp;
        let mut micros = anchor.at + anchor.ticks * 1_000_000 / self.rate;
        if (micros - arrived).abs() > JUMP {
            (anchor.at, anchor.ticks) = (arrived, 0);
            micros = arrived;
        }
        let millis = u64::try_from(micros).unwrap_or(0).saturating_add(500) / 1000;
        self.last = self.last.max(millis);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn times_follow_the_timestamps_and_not_the_arrivals() {
        let mut clock = TrackClock::new(90_000);
        assert_eq!(clock.time(1000, ms(40)), 40);
        assert_eq!(clock.time(4000, ms(95)), 73);
        assert_eq!(clock.time(7000, ms(95)), 107);
        assert_eq!(clock.time(1000 + 90_000, ms(1300)), 1040, "a gap stays a gap");
    }

    #[test]
    fn wrapping_timestamps_go_on() {
        let mut clock = TrackClock::new(48_000);
        assert_eq!(clock.time(u32::MAX - 479, ms(0)), 0);
        assert_eq!(clock.time(480, ms(20)), 20);
        assert_eq!(clock.time(1440, ms(40)), 40);
    }

    #[test]
    fn another_clock_starts_where_it_arrives() {
        let mut clock = TrackClock::new(90_000);
        clock.time(0, ms(0));
        assert_eq!(clock.time(2_000_000_000, ms(500)), 500);
        assert_eq!(clock.time(2_000_009_000, ms(590)), 600);
        assert_eq!(clock.time(77, ms(700)), 700);
    }

    #[test]
    fn time_never_runs_backwards() {
        let mut clock = TrackClock::new(90_000);
        clock.time(9000, ms(100));
        assert_eq!(clock.time(18_000, ms(200)), 200);
        assert_eq!(clock.time(13_500, ms(201)), 200);
        assert_eq!(clock.time(27_000, ms(300)), 300);
    }
}
