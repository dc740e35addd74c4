//! The one frequency that holds most of the power, if there is one.

use std::f64::consts::{PI, TAU};
use std::time::Duration;

/// Looks at a slice of every second, at a sixth of the rate. A slice is 200 ms without a hole: that long a tone has to
/// sound to be known, and then it is known to a tenth of a hertz, clicks and coding included. Across a hole it would
/// jump in phase, and be off by some hertz.
#[derive(Debug)]
pub(super) struct Pitch {
    /// Sum of the input samples that will be the next one at the lower rate.
    pending: (u32, f64),
    slice: Vec<f64>,
    /// Input samples so far, and at how many of them the next slice is looked at.
    heard: u64,
    due: u64,
    spectrum: Vec<f64>,
    /// Mean square of everything that went into `spectrum`.
    power: f64,
}

/// What one slice held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    /// Its tone, where there is one.
    pub(super) hz: Option<f64>,
}

impl Pitch {
    /// How long a slice is.
    pub(super) const LOOK: Duration = Duration::from_millis(200);

    pub(super) fn new() -> Self {
        Self {
            pending: (0, 0.0),
            slice: Vec::with_capacity(SLICE),
            heard: 0,
            due: 0,
            spectrum: vec![0.0; BINS],
            power: 0.0,
        }
    }

    /// What comes next does not go on where the last sample ended.
    pub(super) fn restart(&mut self) {
        self.pending = (0, 0.0);
        self.slice.clear();
    }

    /// The next sample at 48 kHz, full scale being 1. To a sixth of the rate by averaging: enough for the tones peers
    /// use, and cheap.
    pub(super) fn sample(&mut self, sample: f64) -> Option<Look> {
        self.heard += 1;
        let (count, sum) = &mut self.pending;
        *count += 1;
        *sum += sample;
        if *count < REDUCTION {
            return None;
        }
        let reduced = *sum / f64::from(REDUCTION);
        self.pending = (0, 0.0);
        self.slice.push(reduced);
        if self.slice.len() < SLICE {
            return None;
        }
        // One slice of every second; a tone does not change faster than that.
        let look = (self.heard >= self.due).then(|| {
            self.due = self.heard + SECOND;
            self.analyse()
        });
        self.slice.clear();
        look
    }

    /// In Hz, over everything so far; `None` for silence, speech, music and noise, and before the first slice.
    pub(super) fn tone(&self) -> Option<f64> {
        dominant(&self.spectrum, self.power)
    }

    fn analyse(&mut self) -> Look {
        let power = self.slice.iter().map(|sample| sample * sample).sum::<f64>() / SLICE as f64;
        let windowed: Vec<f64> = self
            .slice
            .iter()
            .enumerate()
            .map(|(at, sample)| sample * (0.5 - 0.5 * (TAU * at as f64 / SLICE as f64).cos()))
            .collect();
        let spectrum: Vec<f64> = (0..BINS).map(|bin| goertzel(&windowed, frequency(bin as f64))).collect();
        for (sum, power) in self.spectrum.iter_mut().zip(&spectrum) {
            *sum += power;
        }
        self.power += power;
        Look { hz: dominant(&spectrum, power).filter(|_| power > AUDIBLE) }
    }
}

/// Of a spectrum and its power the one frequency that holds most of it, in Hz.
fn dominant(spectrum: &[f64], power: f64) -> Option<f64> {
    let (bin, &peak) = spectrum.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    // Averaging has made high tones quieter here than they were.
    if power <= 0.0 || peak < power * LEAST_SHARE {
        return None;
    }
    let neighbour = |at: Option<usize>| at.and_then(|at| spectrum.get(at)).map_or(0.0, |power| power.sqrt());
    let (left, right) = (neighbour(bin.checked_sub(1)), neighbour(bin.checked_add(1)));
    // Between two bins the Hann window spreads a sine so that amplitudes tell where it lies.
    let middle = peak.sqrt();
    let shift = if right > left { towards(middle, right) } else { -towards(middle, left) };
    Some(frequency(bin as f64 + shift))
}

const REDUCTION: u32 = 6;
const RATE: f64 = 8_000.0;
/// 200 ms at the lower rate: bins 5 Hz apart.
const SLICE: usize = 1600;
/// Input samples.
const SECOND: u64 = 48_000;
const BIN_HZ: f64 = 5.0;
const LOWEST_HZ: f64 = 50.0;
/// Up to 3.5 kHz.
const BINS: usize = 691;
/// A sine halfway between two bins still shows 72 % of its power in the larger one.
const LEAST_SHARE: f64 = 0.45;
/// Mean square of -50 dBFS: what is quieter is silence, whatever tone a codec makes of it.
const AUDIBLE: f64 = 1e-5;

fn frequency(bin: f64) -> f64 {
    LOWEST_HZ + bin * BIN_HZ
}

/// How far, in bins, a sine lies beside its larger bin, from the amplitudes of the two largest.
fn towards(middle: f64, side: f64) -> f64 {
    let ratio = side / middle.max(f64::MIN_POSITIVE);
    ((2.0 * ratio - 1.0) / (1.0 + ratio)).clamp(0.0, 0.5)
}

/// Power of one frequency in Hann-windowed samples, scaled so that a sine shows its own mean square.
fn goertzel(windowed: &[f64], hz: f64) -> f64 {
    let step = 2.0 * PI * hz / RATE;
    let factor = 2.0 * step.cos();
    let (mut before, mut last) = (0.0, 0.0);
    for sample in windowed {
        let next = sample + factor * last - before;
        before = last;
        last = next;
    }
    let squared = before * before + last * last - factor * before * last;
    let amplitude = 4.0 / windowed.len() as f64;
    squared * amplitude * amplitude / 2.0
}
