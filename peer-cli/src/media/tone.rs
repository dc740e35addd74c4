//! A pure tone as a loop of Opus packets, and what other sounds of one second share with it.

use std::f64::consts::TAU;

use bytes::Bytes;
use ropus::{Application, Bitrate, Channels, Encoder};

use super::looped::Looped;
use super::{AudioDecoder, EncodedFrame, MediaError, Source, opus};

/// Frequencies, in Hz, that [`tone()`] takes; outside them phones and browsers filter or alias.
pub const TONE_RANGE_HZ: std::ops::RangeInclusive<f64> = 50.0..=8000.0;

/// An endless sine of `hz` (rounded to whole hertz, -15 dBFS RMS), Opus 48 kHz mono in 20 ms packets. A whole number of
/// periods fits into its loop of one second, so it never clicks. Nothing is encoded until the first packet is asked
/// for; a frequency outside [`TONE_RANGE_HZ`] is refused by [`Source::next`].
pub fn tone(hz: f64) -> Box<dyn Source> {
    Box::new(Second::new(format!("tone {} Hz Opus", hz.round()), move || {
        let sine = sine(hz)?;
        encode_second(sine)
    }))
}

/// One second of sound, encoded when first asked for and repeated without end.
pub(super) struct Second<F> {
    label: String,
    make: F,
    looped: Option<Looped>,
}

impl<F: Fn() -> Result<Vec<EncodedFrame>, MediaError> + Send> Second<F> {
    pub(super) fn new(label: String, make: F) -> Self {
        Self { label, make, looped: None }
    }
}

impl<F: Fn() -> Result<Vec<EncodedFrame>, MediaError> + Send> Source for Second<F> {
    fn next(&mut self) -> Result<EncodedFrame, MediaError> {
        let looped = match &mut self.looped {
            Some(looped) => looped,
            empty @ None => empty.insert(Looped::new(self.label.clone(), (self.make)()?)),
        };
        looped.next()
    }

    fn request_key_frame(&mut self) {}

    fn describe(&self) -> String {
        self.label.clone()
    }
}

/// The sine of [`tone()`]: its value, out of 32 767, at each of the 48 000 samples of the second.
pub(super) fn sine(hz: f64) -> Result<impl Fn(usize) -> f64, MediaError> {
    if !TONE_RANGE_HZ.contains(&hz) {
        return Err(MediaError::ToneRange { hz, min: *TONE_RANGE_HZ.start(), max: *TONE_RANGE_HZ.end() });
    }
    let step = TAU * hz.round() / f64::from(AudioDecoder::RATE);
    Ok(move |at| AMPLITUDE * (step * at as f64).sin())
}

/// Encodes a second that is going to be repeated: its end fits its beginning, and what a decoder puts out begins with
/// `wave(0)`, give or take a sample.
pub(super) fn encode_second(wave: impl Fn(usize) -> f64) -> Result<Vec<EncodedFrame>, MediaError> {
    let first = SECOND - WARM_UP * PACKET_SAMPLES + LOOKAHEAD;
    let count = SECOND + WARM_UP * PACKET_SAMPLES;
    let samples: Vec<i16> = (first..first + count).map(|at| wave(at % SECOND) as i16).collect();
    encode(&samples, WARM_UP)
}

/// Encodes 48 kHz mono samples to 20 ms packets; the last one is filled up with silence. `warm_up` packets at the front
/// only set the encoder up and are left out.
pub(super) fn encode(samples: &[i16], warm_up: usize) -> Result<Vec<EncodedFrame>, MediaError> {
    let failed = |reason: String| MediaError::Encode { codec: "Opus", reason };
    let mut encoder = encoder().map_err(failed)?;
    let mut packet = [0; LARGEST_PACKET];
    let mut frames = Vec::with_capacity(samples.len().div_ceil(PACKET_SAMPLES));
    for chunk in samples.chunks(PACKET_SAMPLES) {
        let mut block = [0; PACKET_SAMPLES];
        block[..chunk.len()].copy_from_slice(chunk);
        let length = encoder.encode(&block, &mut packet).map_err(|error| failed(error.to_string()))?;
        let data = Bytes::copy_from_slice(packet.get(..length).unwrap_or_default());
        let duration = opus::packet_duration(&data).map_err(|error| failed(error.to_string()))?;
        frames.push(EncodedFrame { data, duration, key: true });
    }
    frames.drain(..warm_up.min(frames.len()));
    Ok(frames)
}

fn encoder() -> Result<Encoder, String> {
    Encoder::builder(AudioDecoder::RATE, Channels::Mono, Application::Audio)
        .bitrate(Bitrate::Bits(BITS_PER_SECOND))
        .build()
        .map_err(|error| error.to_string())
}

/// Samples of the loop.
pub(super) const SECOND: usize = AudioDecoder::RATE as usize;
/// 20 ms at 48 kHz.
const PACKET_SAMPLES: usize = 960;
const BITS_PER_SECOND: u32 = 32_000;
/// RFC 6716 section 3.2.1: a frame has at most 1275 bytes.
const LARGEST_PACKET: usize = 1276;
/// Packets, a fifth of a second, until the encoder has settled: then the loop's end fits its beginning.
const WARM_UP: usize = 10;
/// How many samples later than the encoder took them the decoder gives them back (the pre-skip of RFC 7845).
const LOOKAHEAD: usize = 312;
const AMPLITUDE: f64 = 8200.0;

/// How tests listen.
#[cfg(test)]
pub(super) mod ear {
    use std::f64::consts::TAU;

    use super::super::{Source, audio_decoder};

    /// So many packets, decoded.
    pub(in super::super) fn heard(source: &mut dyn Source, packets: usize) -> Vec<i16> {
        let (mut decoder, mut samples) = (audio_decoder().unwrap(), Vec::new());
        for _ in 0..packets {
            let packet = source.next().unwrap();
            let decoded = decoder.decode(&packet.data).unwrap();
            assert_eq!(packet.duration.as_micros() * 48 / 1000, decoded.len() as u128);
            samples.extend_from_slice(decoded);
        }
        samples
    }

    /// Root mean square in dB relative to full scale.
    pub(in super::super) fn level_dbfs(samples: &[i16]) -> f64 {
        let squares: f64 = samples.iter().map(|&sample| (f64::from(sample) / 32_768.0).powi(2)).sum();
        10.0 * (squares / samples.len() as f64).log10()
    }

    /// Amplitude of one frequency, 1 for full scale.
    pub(in super::super) fn amplitude(samples: &[i16], hz: f64) -> f64 {
        let step = TAU * hz / 48_000.0;
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (at, &sample) in samples.iter().enumerate() {
            let (sin, cos) = (step * at as f64).sin_cos();
            real += f64::from(sample) * cos;
            imaginary += f64::from(sample) * sin;
        }
        real.hypot(imaginary) * 2.0 / samples.len() as f64 / 32_768.0
    }

    /// The loudest of the whole frequencies up to 20 Hz away.
    pub(in super::super) fn loudest_near(samples: &[i16], hz: f64) -> f64 {
        let candidates = (-20..=20).map(|offset| hz + f64::from(offset));
        candidates.max_by(|a, b| amplitude(samples, *a).total_cmp(&amplitude(samples, *b))).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::ear::{heard, level_dbfs, loudest_near};
    use super::*;

    #[test]
    fn the_tone_is_heard_again_after_decoding_across_its_loop() {
        for hz in [440.0, 700.0, 1000.0] {
            let samples = heard(&mut *tone(hz), 150);
            assert_eq!(samples.len(), 3 * SECOND);
            assert!((level_dbfs(&samples) + 15.0).abs() < 1.5, "{hz} Hz at {} dBFS", level_dbfs(&samples));
            let found = loudest_near(&samples[SECOND / 2..SECOND * 3 / 2], hz);
            assert!((found - hz).abs() < 2.0, "{hz} Hz heard as {found}");
        }
    }

    #[test]
    fn the_loop_does_not_click() {
        let samples = heard(&mut *tone(440.0), 120);
        // The steepest a 440 Hz sine of this amplitude gets is 472 a sample.
        let settled = &samples[PACKET_SAMPLES * 10..];
        let steepest = settled.windows(2).map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs()).max();
        assert!(steepest.unwrap() < 900, "{steepest:?}");
    }

    #[test]
    fn a_tone_no_phone_carries_is_refused() {
        for hz in [0.0, -440.0, 20_000.0, f64::NAN] {
            assert!(matches!(tone(hz).next(), Err(MediaError::ToneRange { .. })), "{hz}");
        }
    }

    #[test]
    fn the_description_names_the_frequency() {
        assert_eq!(tone(439.7).describe(), "tone 440 Hz Opus");
    }

    #[test]
    fn the_lookahead_is_the_encoders() {
        assert_eq!(encoder().unwrap().lookahead() as usize, LOOKAHEAD);
    }
}
