use std::f64::consts::{PI, TAU};

use super::super::super::{Source, audio_decoder, beep};
use super::*;
use crate::measure::signed_ms;

#[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
fn start() -> Instant {
    Instant::now()
}

const PACKET: usize = 960;
const PACKET_TIME: Duration = Duration::from_millis(20);
const SECOND: usize = 48_000;

fn sine(hz: f64, amplitude: f64, seconds: f64) -> Vec<i16> {
    let count = (48_000.0 * seconds) as usize;
    (0..count).map(|at| (amplitude * 32_767.0 * (TAU * hz * at as f64 / 48_000.0).sin()) as i16).collect()
}

/// Numbers that look random, -1 to 1.
fn noise(count: usize) -> impl Iterator<Item = f64> {
    let mut state = 1_u32;
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1_u32 << 23) - 1.0
    })
}

/// Adds clicks of this amplitude, the first at `offset`, then one a second.
fn with_clicks(mut samples: Vec<i16>, amplitude: f64, offset: usize) -> Vec<i16> {
    const CLICK: usize = 240;
    const EDGE: usize = 24;
    for second in samples.get_mut(offset..).unwrap_or_default().chunks_mut(SECOND) {
        for (at, sample) in second.iter_mut().take(CLICK).enumerate() {
            let edge = at.min(CLICK - at).min(EDGE) as f64 / EDGE as f64;
            let softness = 0.5 - 0.5 * (PI * edge).cos();
            let wave = (TAU * 3000.0 * at as f64 / 48_000.0).sin();
            *sample += (amplitude * 32_767.0 * softness * wave) as i16;
        }
    }
    samples
}

/// Packets of 20 ms that come every 20 ms.
fn judge(samples: &[i16], start: Instant) -> AudioJudge {
    let mut judge = AudioJudge::new();
    for (number, packet) in (0..).zip(samples.chunks(PACKET)) {
        judge.samples(start + PACKET_TIME * number, number.wrapping_mul(PACKET as u32), packet);
    }
    judge
}

fn heard(samples: &[i16]) -> AudioHeard {
    judge(samples, start()).report()
}

#[test]
fn a_tone_is_found_to_a_tenth_of_a_hertz_wherever_it_lies_between_the_bins() {
    for hz in [100.0, 440.0, 441.3, 442.5, 700.0, 1000.0, 1237.9, 3000.0] {
        let tone = heard(&sine(hz, 0.25, 1.0)).tone_hz.unwrap();
        assert!((tone - hz).abs() < 0.1, "{hz} Hz heard as {tone}");
    }
}

#[test]
fn a_fifth_of_a_second_without_a_hole_is_what_a_tone_takes() {
    assert_eq!(heard(&sine(904.0, 0.25, 0.18)).tone_hz, None);
    let tone = heard(&sine(904.0, 0.25, 0.2)).tone_hz.unwrap();
    assert!((tone - 904.0).abs() < 0.1, "{tone}");
}

#[test]
fn a_tone_with_lost_packets_is_not_that_of_the_next_call() {
    // Without a packet of 20 ms these go on with another phase; the last one with the opposite one.
    for hz in [900.0, 912.0, 924.0] {
        let (start, mut judge) = (start(), AudioJudge::new());
        for (number, packet) in (0..).zip(sine(hz, 0.25, 10.0).chunks(PACKET)) {
            if number % 15 != 5 {
                judge.samples(start + PACKET_TIME * number, number * PACKET as u32, packet);
            }
        }
        let heard = judge.report();
        assert!((heard.tone_hz.unwrap() - hz).abs() < 0.1, "{hz} Hz: {heard:?}");
        assert_eq!((heard.tones.len(), heard.gaps), (1, 33), "{:?}", heard.tones);
    }
}

#[test]
fn it_is_told_when_which_tone_was_heard() {
    let start = start();
    let samples = [sine(404.0, 0.25, 3.0), sine(704.0, 0.25, 3.0), vec![0; 3 * SECOND]].concat();
    let heard = judge(&samples, start).report();
    let found: Vec<_> = heard.tones.iter().map(|tone| tone.told(start)).collect();
    // A look takes 200 ms, and the packet that completes it comes 180 ms after the first.
    let times: Vec<_> = found.iter().map(|tone| (tone.from_ms, tone.until_ms)).collect();
    assert_eq!(times, [(0.0, 2180.0), (2980.0, 5180.0), (5980.0, 8180.0)]);
    let near = |at: usize, hz: f64| found[at].hz.is_some_and(|heard| (heard - hz).abs() < 0.1);
    assert!(near(0, 404.0) && near(1, 704.0) && found[2].hz.is_none(), "{found:?}");
}

#[test]
fn sound_that_falls_silent_until_the_end_is_told_from_then_on() {
    let start = start();
    let told = |samples: &[Vec<i16>]| judge(&samples.concat(), start).report().silent_at_end.map(|l| l.told(start));
    let (tone, silence) = (sine(440.0, 0.25, 2.0), vec![0; 3 * SECOND]);
    let silent = told(&[tone.clone(), silence.clone()]).unwrap();
    assert_eq!((silent.from_ms, silent.for_ms), (2000.0, 2980.0));
    assert_eq!(told(&[silence.clone(), tone.clone()]), None);
    assert_eq!(told(&[tone.clone(), silence, tone]), None);
}

#[test]
fn the_quiet_before_the_end_of_the_call_is_from_the_last_packet_on() {
    let start = start();
    let after = Duration::from_millis(2500);
    let heard = judge(&sine(440.0, 0.25, 0.1), start).finish(start + PACKET_TIME * 4 + after);
    assert_eq!(heard.quiet, Some(after));
    assert_eq!(AudioJudge::new().finish(start).quiet, None);
}

#[test]
fn a_hole_of_more_than_ten_seconds_is_a_hole() {
    let (start, mut judge) = (start(), AudioJudge::new());
    for number in [0, 1, 1000, 1001] {
        judge.samples(start + PACKET_TIME * number, number * PACKET as u32, &[0; PACKET]);
    }
    let heard = judge.report();
    assert_eq!((heard.gaps, heard.gap), (1, PACKET_TIME * 998));
}

#[test]
fn the_level_is_the_root_mean_square() {
    let heard = heard(&sine(1000.0, 0.5, 1.0));
    assert!((heard.level_dbfs + 9.03).abs() < 0.05, "{heard:?}");
    assert!((heard.seconds - 1.0).abs() < 1e-9);
    assert!(!heard.silent);
}

#[test]
fn the_level_now_is_that_of_the_last_packet() {
    let (start, mut judge) = (start(), AudioJudge::new());
    assert!(judge.level_now() <= -120.0);
    judge.samples(start, 0, &[16_384; PACKET]);
    assert!((judge.level_now() + 6.02).abs() < 0.01);
    judge.samples(start, 960, &[0; PACKET]);
    assert!(judge.level_now() <= -120.0);
    assert!(judge.report().level_dbfs > -10.0);
}

#[test]
fn silence_and_whispers_are_silent_and_have_no_tone() {
    for samples in [vec![], vec![0; SECOND], sine(440.0, 0.001, 1.0)] {
        let heard = heard(&samples);
        assert!(heard.silent && heard.tone_hz.is_none() && heard.clicks == 0, "{heard:?}");
        assert!(heard.level_dbfs >= -120.0);
    }
}

#[test]
fn noise_and_chords_are_no_tone() {
    let noise: Vec<i16> = noise(SECOND).map(|sample| (sample * 16_384.0) as i16).collect();
    let noise = heard(&noise);
    assert!(!noise.silent && noise.tone_hz.is_none(), "{noise:?}");
    let chord = [400.0, 500.0, 600.0].map(|hz| sine(hz, 0.2, 1.0));
    let chord: Vec<i16> = (0..SECOND).map(|at| chord[0][at] + chord[1][at] + chord[2][at]).collect();
    assert_eq!(heard(&chord).tone_hz, None);
}

#[test]
fn a_tone_in_a_little_noise_is_still_a_tone() {
    let mut samples = sine(440.0, 0.25, 2.0);
    for (at, sample) in samples.iter_mut().enumerate() {
        *sample += (at * 7919 % 801) as i16 - 400;
    }
    assert!((heard(&samples).tone_hz.unwrap() - 440.0).abs() < 0.2);
}

#[test]
fn clicks_in_a_tone_are_told_within_half_a_millisecond_of_their_onset() {
    for (hz, amplitude, offset) in [(400.0, 0.5, 0), (904.0, 0.7, 500), (1504.0, 0.5, 31_111), (1000.0, 0.7, 959)] {
        let start = start();
        let mut judge = judge(&with_clicks(sine(hz, 0.25, 3.5), amplitude, offset), start);
        let events: Vec<Instant> = std::iter::from_fn(|| judge.take_event()).collect();
        assert_eq!(judge.report().clicks, events.len() as u64);
        assert_eq!(events.len(), if offset < SECOND / 2 { 4 } else { 3 }, "{hz} Hz");
        for (second, event) in (0..).zip(events) {
            let onset = start + samples_long((offset + second * SECOND) as u64);
            let apart = event.max(onset) - event.min(onset);
            assert!(apart < Duration::from_micros(500), "{hz} Hz, click {second}: {apart:?}");
        }
    }
}

#[test]
fn the_beeps_clicks_are_found_after_coding_and_decoding() {
    for hz in [400.0, 1504.0] {
        let (mut source, mut decoder): (Box<dyn Source>, _) = (beep(hz), audio_decoder().unwrap());
        let (start, mut judge) = (start(), AudioJudge::new());
        for number in 0..175 {
            let packet = source.next().unwrap();
            let samples = decoder.decode(&packet.data).unwrap();
            judge.samples(start + PACKET_TIME * number, number * PACKET as u32, samples);
        }
        // The decoder has no packet before the first click, which may be cut off.
        let found: Vec<_> = std::iter::from_fn(|| judge.take_event()).map(|at| signed_ms(start, at)).collect();
        let later: Vec<_> = found.iter().filter(|at| **at > 500.0).collect();
        assert_eq!(later.len(), 3, "{hz} Hz: {found:?}");
        for (second, at) in (1..).zip(later) {
            assert!((at - f64::from(second) * 1000.0).abs() < 2.0, "{hz} Hz: click {second} at {at} ms");
        }
        assert!((judge.report().tone_hz.unwrap() - hz).abs() < 0.2, "{hz} Hz");
    }
}

#[test]
fn clicks_leave_tone_and_level_as_they_are() {
    let heard = heard(&with_clicks(sine(904.0, 0.2515, 3.0), 0.7, 0));
    assert!((heard.tone_hz.unwrap() - 904.0).abs() < 0.1, "{heard:?}");
    assert!((heard.level_dbfs + 15.0).abs() < 0.3, "{heard:?}");
}

#[test]
fn tones_have_no_clicks_even_where_a_packet_is_lost() {
    for hz in [440.0, 1000.7, 2900.0, 3000.0, 3100.0] {
        let mut samples = sine(hz, 0.25, 3.0);
        assert_eq!(heard(&samples).clicks, 0, "{hz} Hz");
        samples.drain(50_000..50_960);
        assert_eq!(heard(&samples).clicks, 0, "{hz} Hz with a loss");
    }
}

#[test]
fn noise_and_speech_have_no_clicks() {
    let white: Vec<i16> = noise(10 * SECOND).map(|sample| (sample * 16_384.0) as i16).collect();
    assert_eq!(heard(&white).clicks, 0);
    // Syllables of 50 to 200 ms in the band of speech.
    let (mut smooth, mut smoother) = (0.0, 0.0);
    let speech: Vec<i16> = noise(10 * SECOND)
        .enumerate()
        .map(|(at, sample)| {
            smooth += 0.4 * (sample - smooth);
            smoother += 0.4 * (smooth - smoother);
            let syllable = [0.0, 1.0, 0.2, 1.5, 1.5, 0.0, 0.7][at / 2400 % 7];
            (smoother * syllable * 32_767.0) as i16
        })
        .collect();
    assert_eq!(heard(&speech).clicks, 0);
}

#[test]
fn holes_come_from_the_timestamps() {
    let (start, mut judge) = (start(), AudioJudge::new());
    let packet = [0; PACKET];
    for number in [0, 1, 4] {
        judge.samples(start + PACKET_TIME * number, number * 960, &packet);
    }
    let heard = judge.report();
    assert_eq!((heard.gaps, heard.gap, heard.longest_gap), (1, PACKET_TIME * 2, PACKET_TIME * 2));
}
