//! A pure tone as a loop of Opus packets.

use std::f64::consts::TAU;

use bytes::Bytes;
use ropus::{Application, Bitrate, Channels, Encoder};

use super::looped::Looped;
use super::{AudioDecoder, EncodedFrame, MediaError, Source, opus};

/// Frequencies, in Hz, that [`tone`] takes; outside them phones and browsers filter or alias.
pub const TONE_RANGE_HZ: std::ops::RangeInclusive<f64> = 50.0..=8000.0;

/// An endless sine of `hz` (rounded to whole hertz, -15 dBFS RMS), Opus 48 kHz mono in 20 ms packets. A whole number of
/// periods fits into its loop of one second, so it never clicks. Nothing is encoded until the first packet is asked
/// for; a frequency outside [`TONE_RANGE_HZ`] is refused by [`Source::next`].
pub fn tone(hz: f64) -> Box<dyn Source> {
    Box::new(Tone { hz, looped: None })
}

/// Encodes 48 kHz mono samples to 20 ms packets; the last one is filled up with silence. `warm_up` packets at the front
/// only set the encoder up and are left out.
pub(super) fn encode(samples: &[i16], warm_up: usize) -> Result<Vec<EncodedFrame>, MediaError> {
    let failed = |reason: String| MediaError::Encode { codec: "Opus", reason };
    let mut encoder = Encoder::builder(AudioDecoder::RATE, Channels::Mono, Application::Audio)
        .bitrate(Bitrate::Bits(BITS_PER_SECOND))
        .build()
        .map_err(|error| failed(error.to_string()))?;
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

/// 20 ms at 48 kHz.
const PACKET_SAMPLES: usize = 960;
const BITS_PER_SECOND: u32 = 32_000;
/// RFC 6716 section 3.2.1: a frame has at most 1275 bytes.
const LARGEST_PACKET: usize = 1276;
/// Packets, a fifth of a second, until the encoder has settled: then the loop's end fits its beginning.
const WARM_UP: usize = 10;
const PACKETS: usize = 50;
const AMPLITUDE: f64 = 8200.0;

struct Tone {
    hz: f64,
    looped: Option<Looped>,
}

impl Source for Tone {
    fn next(&mut self) -> Result<EncodedFrame, MediaError> {
        let looped = match &mut self.looped {
            Some(looped) => looped,
            empty @ None => empty.insert(Looped::new(String::new(), sine(self.hz)?)),
        };
        looped.next()
    }

    fn request_key_frame(&mut self) {}

    fn describe(&self) -> String {
        format!("tone {} Hz Opus", self.hz.round())
    }
}

fn sine(hz: f64) -> Result<Vec<EncodedFrame>, MediaError> {
    if !TONE_RANGE_HZ.contains(&hz) {
        return Err(MediaError::ToneRange { hz, min: *TONE_RANGE_HZ.start(), max: *TONE_RANGE_HZ.end() });
    }
    let step = TAU * hz.round() / f64::from(AudioDecoder::RATE);
    let samples: Vec<i16> =
        (0..(WARM_UP + PACKETS) * PACKET_SAMPLES).map(|at| (AMPLITUDE * (step * at as f64).sin()) as i16).collect();
    encode(&samples, WARM_UP)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{AudioJudge, audio_decoder};
    use super::*;

    #[test]
    fn the_tone_is_heard_again_after_decoding_across_its_loop() {
        for hz in [440.0, 700.0, 1000.0] {
            let (mut source, mut decoder, mut judge) = (tone(hz), audio_decoder().unwrap(), AudioJudge::new());
            for _ in 0..150 {
                let packet = source.next().unwrap();
                assert_eq!(packet.duration, Duration::from_millis(20));
                judge.samples(decoder.decode(&packet.data).unwrap());
            }
            let heard = judge.report();
            assert!((heard.seconds - 3.0).abs() < 1e-9, "{heard:?}");
            assert!((heard.level_dbfs + 15.0).abs() < 1.5, "{heard:?}");
            assert!((heard.tone_hz.unwrap() - hz).abs() < 2.0, "{heard:?}");
        }
    }

    #[test]
    fn the_loop_does_not_click() {
        let (mut source, mut decoder) = (tone(440.0), audio_decoder().unwrap());
        let mut samples = Vec::new();
        for _ in 0..120 {
            samples.extend_from_slice(decoder.decode(&source.next().unwrap().data).unwrap());
        }
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
}
