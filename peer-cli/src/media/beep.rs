//! A tone with a click at every second, and nothing at all.

use std::f64::consts::{PI, TAU};

use super::tone::{SECOND, Second, encode_second, sine};
use super::{AudioDecoder, Source};

/// An endless [`tone()`](super::tone()) with a click at each whole second of the stream, the first one at its very
/// start: 5 ms of 3 kHz at -6 dBFS with soft edges. The [`pattern()`](super::pattern()) flashes at the same times, so
/// that a judge can tell how far sound and picture are apart. Encoded and refused like the tone.
pub fn beep(hz: f64) -> Box<dyn Source> {
    Box::new(Second::new(format!("beep {} Hz Opus", hz.round()), move || {
        let tone = sine(hz)?;
        encode_second(|at| tone(at) + click(at))
    }))
}

/// Endless digital silence, as a muted microphone gives it: Opus 48 kHz mono in 20 ms packets.
pub fn silence() -> Box<dyn Source> {
    Box::new(Second::new("silence Opus".to_owned(), || encode_second(|_| 0.0)))
}

/// The click's part of a sample of the second.
fn click(at: usize) -> f64 {
    if at >= CLICK {
        return 0.0;
    }
    let edge = at.min(CLICK - at).min(EDGE) as f64 / EDGE as f64;
    let softness = 0.5 - 0.5 * (PI * edge).cos();
    LOUDNESS * softness * (TAU * CLICK_HZ * at as f64 / f64::from(AudioDecoder::RATE)).sin()
}

const CLICK_HZ: f64 = 3000.0;
/// 5 ms.
const CLICK: usize = SECOND / 200;
/// Half a millisecond to come and to go.
const EDGE: usize = SECOND / 2000;
/// Root mean square of -6 dBFS, as the level of the tone is meant too; both together stay below full scale.
const LOUDNESS: f64 = 23_200.0;

#[cfg(test)]
mod tests {
    use super::super::MediaError;
    use super::super::tone::ear::{amplitude, heard, level_dbfs, loudest_near};
    use super::*;

    /// Where 3 kHz begins to be loud, as samples since the start.
    fn clicks(samples: &[i16]) -> Vec<usize> {
        const WINDOW: usize = 48;
        let (mut found, mut loud) = (Vec::new(), false);
        for start in (0..samples.len() - WINDOW).step_by(12) {
            let now = amplitude(&samples[start..start + WINDOW], CLICK_HZ) > 0.3;
            if now && !loud && found.last().is_none_or(|last| start > last + SECOND / 50) {
                found.push(start + WINDOW / 2);
            }
            loud = now;
        }
        found
    }

    #[test]
    fn a_click_comes_at_each_whole_second_and_nowhere_else() {
        for hz in [440.0, 1000.0] {
            let samples = heard(&mut *beep(hz), 175);
            // The decoder has no packet before the first click, which may be cut off.
            let found: Vec<usize> = clicks(&samples).into_iter().filter(|at| *at > SECOND / 2).collect();
            assert_eq!(found.len(), 3, "{found:?}");
            for (second, at) in (1..).zip(found) {
                assert!(at.abs_diff(second * SECOND) < 96, "{hz} Hz: click {second} at {at}");
            }
        }
    }

    #[test]
    fn the_tone_is_still_found_and_about_as_loud() {
        for hz in [440.0, 700.0, 1537.0] {
            let samples = heard(&mut *beep(hz), 150);
            assert!((level_dbfs(&samples) + 15.0).abs() < 1.5, "{hz} Hz at {} dBFS", level_dbfs(&samples));
            let found = loudest_near(&samples[SECOND / 2..SECOND * 3 / 2], hz);
            assert!((found - hz).abs() < 2.0, "{hz} Hz heard as {found}");
        }
    }

    #[test]
    fn tone_and_click_together_stay_below_full_scale() {
        let tone = sine(400.0).unwrap();
        assert!((0..SECOND).all(|at| (tone(at) + click(at)).abs() < 32_000.0));
        assert!((0..SECOND).filter(|at| click(*at) != 0.0).all(|at| at < CLICK));
    }

    #[test]
    fn silence_is_silent() {
        let samples = heard(&mut *silence(), 60);
        assert!(samples.iter().all(|sample| sample.unsigned_abs() <= 8));
        assert_eq!(silence().describe(), "silence Opus");
    }

    #[test]
    fn a_beep_no_phone_carries_is_refused() {
        assert!(matches!(beep(20.0).next(), Err(MediaError::ToneRange { .. })));
        assert_eq!(beep(440.0).describe(), "beep 440 Hz Opus");
    }
}
