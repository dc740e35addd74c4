//! From RTP timestamps to times in a file.

/// The clock of one track.
///
/// Frames stand where their RTP timestamps say, counted from the first one: so lost frames leave a gap and the jitter
/// of the network stays out of the file. That "media time" gets its place in the file when [`place`](Self::place) is
/// called. All times here are in microseconds; those of arrival and those in the file have the same zero.
#[derive(Debug)]
pub(super) struct TrackClock {
    /// RTP units per second.
    rate: i64,
    newest: Option<Newest>,
    /// Arrival minus media time of the frame that was the quickest so far.
    quickest: i64,
    /// The sender's wall clock minus media time.
    told: Option<i64>,
    /// Time in the file minus media time.
    placed: Option<i64>,
    /// In milliseconds.
    last: Option<u64>,
}

/// The newest timestamp, as it came and counted from the first one.
#[derive(Copy, Clone, Debug)]
struct Newest {
    timestamp: u32,
    ticks: i64,
}

/// A timestamp this far from its arrival is one of another clock.
const JUMP: i64 = 5_000_000;

impl TrackClock {
    /// `rate`: RTP units per second.
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: i64::from(rate.max(1)), newest: None, quickest: 0, told: None, placed: None, last: None }
    }

    /// Whether the sender has started over with another clock.
    pub(super) fn is_other(&self, timestamp: u32, arrived: i64) -> bool {
        self.has_begun() && self.media_near(timestamp, arrived).is_none()
    }

    /// Forgets everything but the last time in the file.
    pub(super) fn restart(&mut self) {
        (self.newest, self.told, self.placed) = (None, None, None);
    }

    /// The media time of the next frame. The first one begins it.
    pub(super) fn take(&mut self, timestamp: u32, arrived: i64) -> i64 {
        let ticks = self.newest.map_or(0, |newest| newest.ticks + newest.steps_to(timestamp));
        let media = self.media(ticks);
        let way = arrived - media;
        self.quickest = if self.has_begun() { self.quickest.min(way) } else { way };
        self.newest = Some(Newest { timestamp, ticks });
        media
    }

    /// A sender report: its wall clock stood at `wall` when its RTP clock stood at `timestamp`. What comes before the
    /// first frame or belongs to another stream is left aside.
    pub(super) fn tell(&mut self, wall: i64, timestamp: u32, arrived: i64) {
        if let Some(media) = self.media_near(timestamp, arrived) {
            let told = wall - media;
            // A sender that counts from its last packet is late where that packet was, and never early.
            self.told = Some(self.told.map_or(told, |before| before.min(told)));
        }
    }

    /// Whether a frame has come.
    pub(super) fn has_begun(&self) -> bool {
        self.newest.is_some()
    }

    /// Whether frames wait for their place in the file.
    pub(super) fn is_waiting(&self) -> bool {
        self.has_begun() && self.placed.is_none()
    }

    /// Time in the file minus media time, once that is decided.
    pub(super) fn placed(&self) -> Option<i64> {
        self.placed
    }

    /// Decides it, or changes it.
    pub(super) fn place(&mut self, placed: i64) {
        self.placed = Some(placed);
    }

    /// Arrival minus media time of the frame that was the quickest so far.
    pub(super) fn quickest(&self) -> i64 {
        self.quickest
    }

    /// The sender's wall clock minus media time, if it has told.
    pub(super) fn told(&self) -> Option<i64> {
        self.told
    }

    /// Arrival minus the sender's wall clock, of the frame that was the quickest so far.
    pub(super) fn way(&self) -> Option<i64> {
        Some(self.quickest - self.told?)
    }

    /// Time in the file minus the sender's wall clock.
    pub(super) fn lead(&self) -> Option<i64> {
        Some(self.placed? - self.told?)
    }

    /// The time of the next frame in milliseconds: always behind that of the frame before, as players want it.
    pub(super) fn time(&mut self, media: i64) -> u64 {
        let micros = media + self.placed.unwrap_or(self.quickest);
        let millis = u64::try_from(micros).unwrap_or(0).saturating_add(500) / 1000;
        let time = self.last.map_or(millis, |last| millis.max(last.saturating_add(1)));
        self.last = Some(time);
        time
    }

    /// The media time of a timestamp; `None` before the first frame and for one that cannot be of this clock.
    fn media_near(&self, timestamp: u32, arrived: i64) -> Option<i64> {
        let newest = self.newest?;
        let media = self.media(newest.ticks + newest.steps_to(timestamp));
        ((media + self.quickest - arrived).abs() <= JUMP).then_some(media)
    }

    fn media(&self, ticks: i64) -> i64 {
        ticks * 1_000_000 / self.rate
    }
}

impl Newest {
    /// Up to 2^31 units in either direction, as all arithmetic of sequences does it.
    fn steps_to(self, timestamp: u32) -> i64 {
        i64::from(timestamp.wrapping_sub(self.timestamp).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes frames of timestamp and arrival in milliseconds, and gives their times when they stand where they came.
    fn times(clock: &mut TrackClock, frames: &[(u32, i64)]) -> Vec<u64> {
        let media: Vec<i64> = frames.iter().map(|(timestamp, at)| clock.take(*timestamp, at * 1000)).collect();
        media.into_iter().map(|media| clock.time(media)).collect()
    }

    #[test]
    fn times_follow_the_timestamps_and_not_the_arrivals() {
        let mut clock = TrackClock::new(90_000);
        let frames = [(1000, 40), (4000, 95), (7000, 110), (1000 + 90_000, 1300)];
        assert_eq!(times(&mut clock, &frames), [40, 73, 107, 1040], "a gap stays a gap");
    }

    #[test]
    fn wrapping_timestamps_go_on() {
        let mut clock = TrackClock::new(48_000);
        assert_eq!(times(&mut clock, &[(u32::MAX - 479, 0), (480, 20), (1440, 40)]), [0, 20, 40]);
    }

    #[test]
    fn the_quickest_frame_says_where_the_track_stands() {
        let mut clock = TrackClock::new(90_000);
        assert_eq!(
            times(&mut clock, &[(0, 400), (45_000, 700), (90_000, 1010), (135_000, 1530)]),
            [10, 510, 1010, 1510]
        );
    }

    #[test]
    fn another_clock_is_noticed_and_its_frames_stand_where_they_come() {
        let mut clock = TrackClock::new(90_000);
        times(&mut clock, &[(0, 0), (9000, 100)]);
        assert!(!clock.is_other(18_000, 200_000) && !clock.is_other(0, 200_000));
        assert!(clock.is_other(2_000_000_000, 500_000));
        clock.restart();
        assert!(!clock.is_other(2_000_000_000, 500_000));
        assert_eq!(times(&mut clock, &[(2_000_000_000, 500), (2_000_009_000, 600)]), [500, 600]);
    }

    #[test]
    fn time_always_goes_forward() {
        let mut clock = TrackClock::new(90_000);
        let frames = [(9000, 100), (18_000, 200), (13_500, 201), (18_000, 202), (18_045, 203), (27_000, 300)];
        assert_eq!(times(&mut clock, &frames), [100, 200, 201, 202, 203, 300]);
        clock.restart();
        assert_eq!(times(&mut clock, &[(5, 250)]), [301]);
    }

    #[test]
    fn the_earliest_of_the_senders_reports_counts_and_those_of_another_stream_do_not() {
        let mut clock = TrackClock::new(48_000);
        clock.tell(1_000_000, 0, 0);
        assert_eq!(clock.told(), None, "nothing has come yet");
        clock.take(1000, 0);
        clock.tell(7_030_000, 1000 + 48_000, 1_000_000);
        assert_eq!(clock.told(), Some(6_030_000));
        clock.tell(8_000_000, 1000 + 96_000, 2_010_000);
        clock.tell(9_010_000, 1000 + 3 * 48_000, 3_000_000);
        clock.tell(1, 3_000_000_000, 3_100_000);
        assert_eq!(clock.told(), Some(6_000_000));
    }
}
