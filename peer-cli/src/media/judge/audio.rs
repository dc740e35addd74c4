//! Sound: how loud is it, and is it the tone of a peer?

use std::f64::consts::{PI, TAU};

use super::super::AudioDecoder;

/// Listens to the decoded samples of one track.
#[derive(Debug)]
pub struct AudioJudge {
    count: u64,
    squares: f64,
    /// Sum of the input samples that will be the next one at the lower rate.
    pending: (u32, f64),
    slice: Vec<f64>,
    slices: u64,
    spectrum: Vec<f64>,
    /// Mean square of everything that went into `spectrum`.
    power: f64,
}

/// What was heard on one track.
#[derive(Clone, PartialEq, Debug)]
pub struct AudioHeard {
    /// Length of the sound in seconds.
    pub seconds: f64,
    /// Root mean square of all samples, in dB below full scale: 0 is the loudest, -120 stands for nothing at all.
    pub level_dbfs: f64,
    /// The one frequency, in Hz, that holds most of the power; `None` for silence, speech, music and noise.
    pub tone_hz: Option<f64>,
    /// Nobody would hear this: not louder than [`AudioHeard::AUDIBLE_DBFS`].
    pub silent: bool,
}

impl AudioHeard {
    /// Louder than this counts as heard, in dBFS.
    pub const AUDIBLE_DBFS: f64 = -50.0;
}

impl AudioJudge {
    /// Has heard nothing yet.
    pub fn new() -> Self {
        Self {
            count: 0,
            squares: 0.0,
            pending: (0, 0.0),
            slice: Vec::with_capacity(SLICE),
            slices: 0,
            spectrum: vec![0.0; BINS],
            power: 0.0,
        }
    }

    /// Samples at 48 kHz mono, in the order of playing.
    pub fn samples(&mut self, samples: &[i16]) {
        for &sample in samples {
            let sample = f64::from(sample) / 32_768.0;
            self.squares += sample * sample;
            self.reduce(sample);
        }
        self.count += samples.len() as u64;
    }

    /// Everything so far.
    pub fn report(&self) -> AudioHeard {
        let mean_square = if self.count == 0 { 0.0 } else { self.squares / self.count as f64 };
        let level_dbfs = (10.0 * mean_square.log10()).max(QUIETEST_DBFS);
        let silent = level_dbfs <= AudioHeard::AUDIBLE_DBFS;
        let tone_hz = if silent { None } else { self.tone() };
        AudioHeard { seconds: self.count as f64 / f64::from(AudioDecoder::RATE), level_dbfs, tone_hz, silent }
    }

    /// To a sixth of the rate by averaging: enough for the tones peers use, and cheap.
    fn reduce(&mut self, sample: f64) {
        let (count, sum) = &mut self.pending;
        *count += 1;
        *sum += sample;
        if *count == REDUCTION {
            let reduced = *sum / f64::from(REDUCTION);
            self.pending = (0, 0.0);
            self.slice.push(reduced);
            if self.slice.len() == SLICE {
                // The first slice of every second; a tone does not change faster than that.
                if self.slices.is_multiple_of(SLICES_PER_SECOND) {
                    self.analyse();
                }
                self.slices += 1;
                self.slice.clear();
            }
        }
    }

    fn analyse(&mut self) {
        self.power += self.slice.iter().map(|sample| sample * sample).sum::<f64>() / SLICE as f64;
        let windowed: Vec<f64> = self
            .slice
            .iter()
            .enumerate()
            .map(|(at, sample)| sample * (0.5 - 0.5 * (TAU * at as f64 / SLICE as f64).cos()))
            .collect();
        for (bin, power) in self.spectrum.iter_mut().enumerate() {
            *power += goertzel(&windowed, frequency(bin as f64));
        }
    }

    fn tone(&self) -> Option<f64> {
        let (bin, &peak) = self.spectrum.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        // Averaging has made high tones quieter here than they were.
        if peak < self.power * LEAST_SHARE {
            return None;
        }
        let neighbour = |at: Option<usize>| at.and_then(|at| self.spectrum.get(at)).map_or(0.0, |power| power.sqrt());
        let (left, right) = (neighbour(bin.checked_sub(1)), neighbour(bin.checked_add(1)));
        // Between two bins the Hann window spreads a sine so that amplitudes tell where it lies.
        let middle = peak.sqrt();
        let shift = if right > left { towards(middle, right) } else { -towards(middle, left) };
        Some(frequency(bin as f64 + shift))
    }
}

impl Default for AudioJudge {
    fn default() -> Self {
        Self::new()
    }
}

const QUIETEST_DBFS: f64 = -120.0;
const REDUCTION: u32 = 6;
const RATE: f64 = 8_000.0;
/// 200 ms at the lower rate: bins 5 Hz apart.
const SLICE: usize = 1600;
const SLICES_PER_SECOND: u64 = 5;
const BIN_HZ: f64 = 5.0;
const LOWEST_HZ: f64 = 50.0;
/// Up to 3.5 kHz.
const BINS: usize = 691;
/// A sine halfway between two bins still shows 72 % of its power in the larger one.
const LEAST_SHARE: f64 = 0.45;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, amplitude: f64, seconds: f64) -> Vec<i16> {
        let count = (48_000.0 * seconds) as usize;
        (0..count).map(|at| (amplitude * 32_767.0 * (TAU * hz * at as f64 / 48_000.0).sin()) as i16).collect()
    }

    fn heard(samples: &[i16]) -> AudioHeard {
        let mut judge = AudioJudge::new();
        for packet in samples.chunks(960) {
            judge.samples(packet);
        }
        judge.report()
    }

    #[test]
    fn a_tone_is_found_within_two_hertz_wherever_it_lies_between_the_bins() {
        for hz in [100.0, 440.0, 441.3, 442.5, 700.0, 1000.0, 1237.9, 3000.0] {
            let tone = heard(&sine(hz, 0.25, 1.0)).tone_hz.unwrap();
            assert!((tone - hz).abs() < 2.0, "{hz} Hz heard as {tone}");
        }
    }

    #[test]
    fn the_level_is_the_root_mean_square() {
        let heard = heard(&sine(1000.0, 0.5, 1.0));
        assert!((heard.level_dbfs + 9.03).abs() < 0.05, "{heard:?}");
        assert!((heard.seconds - 1.0).abs() < 1e-9);
        assert!(!heard.silent);
    }

    #[test]
    fn silence_and_whispers_are_silent_and_have_no_tone() {
        for samples in [vec![], vec![0; 48_000], sine(440.0, 0.001, 1.0)] {
            let heard = heard(&samples);
            assert!(heard.silent && heard.tone_hz.is_none(), "{heard:?}");
            assert!(heard.level_dbfs >= -120.0);
        }
    }

    #[test]
    fn noise_and_chords_are_no_tone() {
        let mut state = 1_u32;
        let noise: Vec<i16> = (0..48_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 17) as i16 - 16_384
            })
            .collect();
        let noise = heard(&noise);
        assert!(!noise.silent && noise.tone_hz.is_none(), "{noise:?}");
        let chord = [400.0, 500.0, 600.0].map(|hz| sine(hz, 0.2, 1.0));
        let chord: Vec<i16> = (0..48_000).map(|at| chord[0][at] + chord[1][at] + chord[2][at]).collect();
        assert_eq!(heard(&chord).tone_hz, None);
    }

    #[test]
    fn a_tone_in_a_little_noise_is_still_a_tone() {
        let mut samples = sine(440.0, 0.25, 2.0);
        for (at, sample) in samples.iter_mut().enumerate() {
            *sample += (at * 7919 % 801) as i16 - 400;
        }
        assert!((heard(&samples).tone_hz.unwrap() - 440.0).abs() < 2.0);
    }
}
