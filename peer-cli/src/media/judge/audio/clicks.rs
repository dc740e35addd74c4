//! Finds the clicks of the `beep` source: 5 ms of 3 kHz, far louder there than the sound around them.
//!
//! At 48 kHz a period of 3 kHz is 16 samples. Each such *hop* is multiplied with a cosine and a sine of that period; six
//! hops with the weights 1 2 3 3 2 1 give the loudness of 3 kHz within 2 ms, deaf to the tones of peers (up to 1.6 kHz).
//! Where that rises through half of the peak that follows, a click may have begun. It is one when it was quiet before
//! and is again after it, and when most of the power of the 5 ms in between is a single wave of 3 kHz: noise, speech and
//! the ends of lost packets are loud at 3 kHz too, but at everything else with it.

use std::collections::VecDeque;
use std::f32::consts::TAU;

/// Listens to the samples of one track.
#[derive(Debug)]
pub(super) struct Clicks {
    cosine: [f32; PERIOD],
    sine: [f32; PERIOD],
    /// Samples in `hop`.
    filled: usize,
    hop: Hop,
    /// The last hops, and the loudness in the middle of each six of them.
    hops: VecDeque<Hop>,
    loudness: VecDeque<f32>,
    /// Hops so far.
    count: u64,
    /// No click is looked for before this many hops.
    deaf_until: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Hop {
    cosine: f32,
    sine: f32,
    squares: f32,
}

const PERIOD: usize = 16;
/// Hops kept, 21 ms of them.
const KEPT: usize = 64;
/// The place among them where a click may begin: 8 ms lie before it and 13 ms behind.
const PLACE: usize = 24;
const WEIGHTS: [f32; 6] = [1.0, 2.0, 3.0, 3.0, 2.0, 1.0];
/// Six weighted hops of a wave of amplitude 1 have this length: half of 16 samples, times the sum of the weights.
const FULL: f32 = 96.0;
/// From the last of six hops back to their middle.
const DELAY: u64 = 2;
/// Hops in 5 ms.
const CLICK: usize = 15;
/// The quietest click, as amplitude: -20 dBFS.
const LEAST_PEAK: f32 = 0.1;
/// Of the power of the 5 ms that is one wave of 3 kHz; a click within a tone has 0.7 and more, noise hardly 0.2.
const LEAST_SHARE: f32 = 0.5;
/// Of the peak, that may be there before and after.
const MOST_AROUND: f32 = 0.35;
/// 200 ms until the next click.
const DEAF: u64 = 600;

impl Clicks {
    pub(super) fn new() -> Self {
        let wave = |shift: f32| std::array::from_fn(|at| (TAU * (at as f32 / PERIOD as f32 + shift)).cos());
        Self {
            cosine: wave(0.0),
            sine: wave(-0.25),
            filled: 0,
            hop: Hop::default(),
            // Silence before the first sample, so that a click at the very start is one.
            hops: VecDeque::from(vec![Hop::default(); KEPT]),
            loudness: VecDeque::from(vec![0.0; KEPT]),
            count: 0,
            deaf_until: 0,
        }
    }

    /// The next sample, full scale being 1. Returns the place of the sample where a click began, counted from the first
    /// one, when enough of what follows has been heard.
    pub(super) fn sample(&mut self, sample: f32) -> Option<u64> {
        self.hop.cosine += sample * self.cosine.get(self.filled)?;
        self.hop.sine += sample * self.sine.get(self.filled)?;
        self.hop.squares += sample * sample;
        self.filled += 1;
        if self.filled < PERIOD {
            return None;
        }
        self.filled = 0;
        self.hops.pop_front();
        self.hops.push_back(std::mem::take(&mut self.hop));
        self.loudness.pop_front();
        let loudness = self.loudness_now();
        self.loudness.push_back(loudness);
        self.count += 1;
        let onset = self.onset()?;
        self.deaf_until = self.count + DEAF;
        Some(onset)
    }

    fn loudness_now(&self) -> f32 {
        let weighted = self.hops.iter().rev().zip(WEIGHTS);
        let (cosine, sine) = weighted
            .fold((0.0, 0.0), |(cosine, sine), (hop, weight)| (cosine + hop.cosine * weight, sine + hop.sine * weight));
        f32::hypot(cosine, sine) / FULL
    }

    fn onset(&self) -> Option<u64> {
        let (before, here) = (*self.loudness.get(PLACE - 1)?, *self.loudness.get(PLACE)?);
        if here < LEAST_PEAK / 2.0 || self.count < self.deaf_until {
            return None;
        }
        let peak = self.loudness.range(PLACE..=PLACE + CLICK).copied().fold(0.0, f32::max);
        let half = peak / 2.0;
        let rises = before < half && here >= half;
        if peak < LEAST_PEAK || !rises || self.wave_share() < LEAST_SHARE {
            return None;
        }
        let most = peak * MOST_AROUND;
        // From 7 to 3 ms before, and from 8 to 12 ms after it began; codecs smear it by a few milliseconds.
        if self.mean(PLACE - 22..PLACE - 8) > most || self.mean(PLACE + 25..PLACE + 38) > most {
            return None;
        }
        let part = (half - before) / (here - before);
        // The loudness at this place belongs to the hop of this number, and in it to the middle of six hops.
        let hop = (self.count + PLACE as u64).saturating_sub(KEPT as u64 + 1 + DELAY);
        Some(hop * PERIOD as u64 + (part * PERIOD as f32) as u64)
    }

    /// How much of the power of the 5 ms from the onset on is one wave of 3 kHz, 0 to 1.
    fn wave_share(&self) -> f32 {
        let first = PLACE - DELAY as usize;
        let sum = self.hops.range(first..first + CLICK).fold(Hop::default(), |sum, hop| Hop {
            cosine: sum.cosine + hop.cosine,
            sine: sum.sine + hop.sine,
            squares: sum.squares + hop.squares,
        });
        let wave = (sum.cosine * sum.cosine + sum.sine * sum.sine) * 2.0 / (CLICK * PERIOD) as f32;
        wave / sum.squares.max(f32::MIN_POSITIVE)
    }

    fn mean(&self, places: std::ops::Range<usize>) -> f32 {
        let count = places.len().max(1) as f32;
        self.loudness.range(places).sum::<f32>() / count
    }
}
