//! The brain: which frame leaves when. It knows neither sockets nor a clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Frames that wait at a time, both ways together: 100 Mbit/s of full frames for two seconds.
const ROOM: usize = 20_000;

/// What the cable does to frames, each way alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// How long a frame takes.
    pub(crate) delay: Duration,
    /// Up to so much more or less. The order stays: a frame that would overtake another one waits for it.
    pub(crate) jitter: Duration,
    /// Frames that take no time at all and so overtake those that wait.
    pub(crate) reorder: Share,
    /// Frames that come twice.
    pub(crate) duplicate: Share,
    /// Frames that get lost.
    pub(crate) loss: Share,
}

/// A part of all frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// 0 to 1,000,000.
    millionths: u64,
}

impl Share {
    /// `None` where it is less than nothing or more than all.
    pub(crate) fn of_percent(percent: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is looked at first")]
        (0.0..=100.0).contains(&percent).then(|| Self { millionths: (percent * 10_000.0).round() as u64 })
    }
}

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// From the first end to the second.
    There,
    /// From the second end to the first.
    Back,
}

impl Way {
    /// 0 or 1, the number of the end that it starts from.
    pub(crate) fn from(self) -> usize {
        match self {
            Self::There => 0,
            Self::Back => 1,
        }
    }

    /// The number of the end that it leads to.
    pub(crate) fn to(self) -> usize {
        1 - self.from()
    }
}

/// What became of the frames of one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Those that came.
    pub(crate) received: u64,
    /// Those that were lost because that was asked for.
    pub(crate) lost: u64,
    /// Those that go on twice.
    pub(crate) duplicated: u64,
    /// Those that skipped the delay.
    pub(crate) overtaken: u64,
    /// Those that found no room. Nobody asked for that.
    pub(crate) overflowed: u64,
}

/// Frames on their way.
#[derive(Debug)]
pub(crate) struct Wire {
    faults: Faults,
    dice: Dice,
    /// The one that is due first on top.
    waiting: BinaryHeap<Reverse<Waiting>>,
    room: usize,
    /// How many were taken so far: equal times keep their order.
    number: u64,
    /// When the last one that kept its place is due, by the end that it came from.
    last: [Option<Instant>; 2],
    counts: [Counts; 2],
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: Instant,
    number: u64,
    way: Way,
    frame: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(faults: Faults, seed: u64) -> Self {
        Self {
            faults,
            dice: Dice(seed),
            waiting: BinaryHeap::new(),
            room: ROOM,
            number: 0,
            last: [None; 2],
            counts: [Counts::default(); 2],
        }
    }

    /// A frame came in at the end where `way` starts.
    pub(crate) fn take(&mut self, now: Instant, way: Way, frame: &[u8]) {
        let counts = &mut self.counts[way.from()];
        counts.received += 1;
        if self.dice.hit(self.faults.loss) {
            counts.lost += 1;
            return;
        }
        let comes_twice = self.dice.hit(self.faults.duplicate);
        counts.duplicated += u64::from(comes_twice);
        for _ in 0..=u8::from(comes_twice) {
            self.keep(now, way, frame.to_vec());
        }
    }

    /// The next frame that is due at `now`; to be asked until there is none.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(Way, Vec<u8>)> {
        self.waiting.peek().filter(|Reverse(next)| next.due <= now)?;
        self.waiting.pop().map(|Reverse(Waiting { way, frame, .. })| (way, frame))
    }

    /// When to poll next.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse(next)| next.due)
    }

    /// What became of the frames of one way so far.
    pub(crate) fn counts(&self, way: Way) -> Counts {
        self.counts[way.from()]
    }

    fn keep(&mut self, now: Instant, way: Way, frame: Vec<u8>) {
        if self.waiting.len() >= self.room {
            self.counts[way.from()].overflowed += 1;
            return;
        }
        let due = if self.dice.hit(self.faults.reorder) {
            self.counts[way.from()].overtaken += 1;
            now
        } else {
            let last = &mut self.last[way.from()];
            let shaken =
                now + (self.faults.delay + self.dice.up_to(self.faults.jitter * 2)).saturating_sub(self.faults.jitter);
            *last.insert(last.map_or(shaken, |last| last.max(shaken)))
        };
        self.number += 1;
        self.waiting.push(Reverse(Waiting { due, number: self.number, way, frame }));
    }
}

/// SplitMix64: small, quick, and good enough to decide about frames.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    /// True for so many of all.
    fn hit(&mut self, share: Share) -> bool {
        share.millionths > 0 && self.roll() % 1_000_000 < share.millionths
    }

    /// A time from nothing to `most`.
    fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        if most == 0 { Duration::ZERO } else { Duration::from_nanos(self.roll() % most.saturating_add(1)) }
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests;
