//! WAV: mixed to mono, resampled to 48 kHz, encoded to Opus once.

use std::f64::consts::PI;
use std::io::Cursor;

use hound::{SampleFormat, WavReader};

use super::super::{AudioDecoder, EncodedFrame, MediaError, tone};
use super::Input;

/// Ten minutes take about two seconds to encode; nobody tests with more.
const LONGEST_SECONDS: u32 = 600;
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

pub(super) fn read(input: &Input) -> Result<Vec<EncodedFrame>, MediaError> {
    let broken = |error: hound::Error| input.broken(0, format!("WAV: {error}"));
    let mut reader = WavReader::new(Cursor::new(input.bytes.clone())).map_err(broken)?;
    let spec = reader.spec();
    if spec.channels == 0 || !RATES.contains(&spec.sample_rate) {
        return Err(input.broken(0, format!("WAV with {} channels at {} Hz", spec.channels, spec.sample_rate)));
    }
    let seconds = reader.duration() / spec.sample_rate;
    if seconds > LONGEST_SECONDS {
        return Err(input.broken(0, format!("{seconds} s of sound, the limit for WAV is {LONGEST_SECONDS} s")));
    }
    let samples: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>().map_err(broken)?,
        SampleFormat::Int => {
            let full_scale = (1_u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            let scaled = reader.samples::<i32>().map(|sample| sample.map(|sample| sample as f32 / full_scale));
            scaled.collect::<Result<_, _>>().map_err(broken)?
        }
    };
    let channels = usize::from(spec.channels);
    let mono: Vec<f32> = samples.chunks(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    let resampled = resample(&mono, spec.sample_rate);
    let pcm: Vec<i16> = resampled.iter().map(|sample| (sample * 32_767.0) as i16).collect();
    tone::encode(&pcm, 0)
}

/// Zero crossings of the sinc on each side; 16 keep the pass band flat and images below -60 dB.
const CROSSINGS: f64 = 16.0;
/// Fractions of an input sample that get a filter of their own. All common rates need at most 640.
const PHASES: usize = 1024;

/// To 48 kHz with a Hann-windowed sinc, cut off at the lower of the two Nyquist frequencies.
fn resample(input: &[f32], rate: u32) -> Vec<f32> {
    const OUTPUT: u32 = AudioDecoder::RATE;
    if rate == OUTPUT {
        return input.to_vec();
    }
    let cutoff = (f64::from(OUTPUT) / f64::from(rate)).min(1.0);
    let reach = (CROSSINGS / cutoff).ceil() as usize;
    let filters: Vec<Vec<f32>> = (0..PHASES).map(|phase| filter(phase as f64 / PHASES as f64, cutoff, reach)).collect();
    let count = (input.len() as u64 * u64::from(OUTPUT) / u64::from(rate)) as usize;
    (0..count)
        .map(|at| {
            let position = at as u64 * u64::from(rate);
            let whole = (position / u64::from(OUTPUT)) as usize;
            let phase = (position % u64::from(OUTPUT)) as usize * PHASES / OUTPUT as usize;
            let taps = filters.get(phase).map_or(&[][..], Vec::as_slice);
            // Tap t weighs the input sample whole + t + 1 - reach.
            taps.iter()
                .enumerate()
                .filter_map(|(tap, weight)| Some(input.get((whole + tap + 1).checked_sub(reach)?)? * weight))
                .sum()
        })
        .collect()
}

/// Weights for the `2 * reach` input samples around a point `fraction` behind an input sample.
fn filter(fraction: f64, cutoff: f64, reach: usize) -> Vec<f32> {
    let weights: Vec<f64> = (0..2 * reach)
        .map(|tap| {
            let distance = tap as f64 + 1.0 - reach as f64 - fraction;
            let window = 0.5 + 0.5 * (PI * distance / reach as f64).clamp(-PI, PI).cos();
            sinc(distance * cutoff) * window
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let count = (f64::from(rate) * seconds) as usize;
        (0..count).map(|at| (2.0 * PI * hz * at as f64 / f64::from(rate)).sin() as f32 * 0.5).collect()
    }

    #[test]
    fn a_sine_stays_the_same_sine_at_another_rate() {
        for rate in [8_000, 11_025, 16_000, 44_100, 96_000, 12_345] {
            let (got, wanted) = (resample(&sine(1000.0, rate, 0.2), rate), sine(1000.0, 48_000, 0.2));
            assert!(got.len().abs_diff(wanted.len()) <= 8, "{rate}: {} samples", got.len());
            let inside = 1000..got.len().min(wanted.len()) - 1000;
            let worst = inside.map(|at| (got[at] - wanted[at]).abs()).fold(0.0, f32::max);
            assert!(worst < 0.01, "{rate}: off by {worst}");
        }
    }

    #[test]
    fn what_48_khz_cannot_carry_is_filtered_out() {
        let got = resample(&sine(40_000.0, 192_000, 0.2), 192_000);
        let loudest = got[1000..got.len() - 1000].iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        assert!(loudest < 0.01, "{loudest}");
    }
}
