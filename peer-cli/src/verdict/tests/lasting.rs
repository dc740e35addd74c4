//! Media that was well at first: that stopped, turned black, still or silent, or into another tone.

use super::*;
use crate::report::{ToneStretch, UntilEnd};

/// From `from_s` seconds after the start to the end of a call of 20 seconds.
fn since(from_s: f64) -> Option<UntilEnd> {
    Some(UntilEnd { from_ms: from_s * 1000.0, for_ms: 20_000.0 - from_s * 1000.0 })
}

/// The verdict on a call of 20 seconds, in which both directions were to show and say this.
fn long(wanted: Wanted, damage: impl FnOnce(&mut Evidence)) -> Verdict {
    after(|evidence| {
        (evidence.expected.video, evidence.expected.audio) = (wanted, wanted);
        for direction in &mut evidence.directions {
            let video = direction.video.as_mut().unwrap();
            (video.frames, video.decoded, video.stamped) = (601, 601, 601);
            direction.audio.as_mut().unwrap().seconds = 20.0;
        }
        damage(evidence);
    })
}

#[test]
fn pictures_that_stop_while_packets_trickle_are_stopped() {
    for judge in [JudgeLevel::Frames, JudgeLevel::Full] {
        let verdict = after(|e| {
            e.judge = judge;
            video(e).stream.quiet_ms = 200.0;
            video(e).picture_quiet_ms = Some(4100.0);
        });
        assert_eq!(verdict.code, Cause::MediaStopped);
        assert_eq!(verdict.sentence, "The video from bob to alice stopped 4.1 s before the end of the call.");
        assert_eq!(verdict.facts[0], "the last video packet from bob to alice came 0.2 s before the end");
        assert_eq!(verdict.facts[3], "the last picture from bob to alice came 4.1 s before the end");
    }
    let deaf = after(|e| audio(e).sound_quiet_ms = Some(4100.0));
    assert_eq!(deaf.code, Cause::MediaStopped);
    assert_eq!(deaf.facts[3], "the last sound that could be decoded from alice to bob came 4.1 s before the end");
}

#[test]
fn a_moment_without_pictures_at_the_end_is_no_fault() {
    assert!(after(|e| video(e).picture_quiet_ms = Some(2900.0)).ok, "a lost key frame takes its time");
    assert!(after(|e| audio(e).sound_quiet_ms = Some(2900.0)).ok);
    assert!(after(|e| (video(e).fps, video(e).picture_quiet_ms) = (0.5, Some(5900.0))).ok, "a slow source");
    assert_eq!(after(|e| (video(e).fps, video(e).picture_quiet_ms) = (0.5, Some(6100.0))).code, Cause::MediaStopped);
}

#[test]
fn a_single_picture_is_as_slow_as_its_source_can_be() {
    let single = |wanted, quiet_ms| {
        after(|e| {
            e.expected.video = wanted;
            (video(e).fps, video(e).decoded, video(e).frames, video(e).stamped) = (0.0, 1, 1, 1);
            video(e).picture_quiet_ms = Some(quiet_ms);
        })
        .code
    };
    assert_eq!((single(Wanted::Ours, 2900.0), single(Wanted::Ours, 3100.0)), (Cause::Ok, Cause::MediaStopped));
    assert_eq!((single(Wanted::Present, 29e3), single(Wanted::Present, 31e3)), (Cause::Ok, Cause::MediaStopped));
}

#[test]
fn the_test_signal_that_turns_black_still_or_silent_in_mid_call_is_named_with_the_second() {
    let black = long(Wanted::Ours, |e| video(e).black_at_end = since(17.5));
    assert_eq!(black.code, Cause::BlackPicture);
    let sentence = "The picture from bob to alice was black from 17.5 s after the start until the end, for 2.5 s.";
    assert_eq!(black.sentence, sentence);
    let frozen = long(Wanted::Ours, |e| video(e).still_at_end = since(12.0));
    assert_eq!(frozen.code, Cause::FrozenPicture);
    let sentence = "The picture from bob to alice stood still from 12.0 s after the start until the end, for 8.0 s.";
    assert_eq!(frozen.sentence, sentence);
    let silent = long(Wanted::Ours, |e| audio(e).silent_at_end = since(4.0));
    assert_eq!(silent.code, Cause::Silence);
    let sentence = "The sound from alice to bob was silent from 4.0 s after the start until the end, for 16.0 s.";
    assert_eq!(silent.sentence, sentence);
    let both = long(Wanted::Ours, |e| (video(e).black_at_end, video(e).still_at_end) = (since(9.0), since(9.0)));
    assert_eq!(both.code, Cause::BlackPicture, "black pictures stand still too");
}

#[test]
fn less_than_two_seconds_prove_nothing() {
    let verdict = long(Wanted::Ours, |e| {
        (video(e).black_at_end, video(e).still_at_end) = (since(18.1), since(18.1));
        audio(e).silent_at_end = since(18.1);
    });
    assert!(verdict.ok, "{}", verdict.sentence);
}

#[test]
fn other_content_may_be_black_still_or_silent_for_less_than_half() {
    let codes = |from: f64| {
        [
            long(Wanted::Present, |e| video(e).black_at_end = since(from)).code,
            long(Wanted::Present, |e| video(e).still_at_end = since(from)).code,
            long(Wanted::Present, |e| audio(e).silent_at_end = since(from)).code,
        ]
    };
    assert_eq!(codes(10.1), [Cause::Ok; 3]);
    assert_eq!(codes(9.9), [Cause::BlackPicture, Cause::FrozenPicture, Cause::Silence]);
    let short = |from: f64, to: f64| {
        after(|e| {
            e.expected.video = Wanted::Present;
            video(e).decoded = (to * 30.0) as u64 + 1;
            video(e).still_at_end = Some(UntilEnd { from_ms: from * 1000.0, for_ms: (to - from) * 1000.0 });
        })
        .code
    };
    assert_eq!(short(0.2, 3.0), Cause::FrozenPicture, "all but the moment in which the encoder refined it");
    assert_eq!(short(1.0, 4.0), Cause::Ok);
    assert_eq!(short(0.0, 1.9), Cause::Ok, "nobody moves in every second");
}

#[test]
fn a_stranger_may_mute_and_the_verdict_says_so() {
    let muted = long(Wanted::IfAny, |e| {
        (video(e).black_at_end, audio(e).silent_at_end) = (since(8.0), since(9.0));
    });
    assert!(muted.ok);
    assert_eq!(
        muted.facts,
        [
            "the sound from alice was silent from 9.0 s after the start until the end, for 11.0 s",
            "the picture from bob was black from 8.0 s after the start until the end, for 12.0 s",
        ]
    );
    let stopped = long(Wanted::IfAny, |e| video(e).picture_quiet_ms = Some(5000.0));
    assert!(stopped.ok);
    assert_eq!(stopped.facts, ["the last video from bob came 5.0 s before the end"]);
}

fn tone(from_s: f64, until_s: f64, hz: Option<f64>) -> ToneStretch {
    ToneStretch { from_ms: from_s * 1000.0, until_ms: until_s * 1000.0, hz }
}

#[test]
fn a_tone_that_was_right_for_a_part_of_the_call_only_is_told_with_the_part() {
    let parts = vec![tone(0.2, 6.4, Some(440.0)), tone(7.2, 12.4, Some(704.0)), tone(13.2, 13.4, None)];
    let told = "heard from alice to bob, in seconds after the start: 440.0 Hz from 0.2 to 6.4, 704.0 Hz from 7.2 to \
                12.4, no clear tone from 13.2 to 13.4";
    for tone_hz in [Some(440.0), Some(704.0), None] {
        let verdict = after(|e| (audio(e).tone_hz, audio(e).tones) = (tone_hz, parts.clone()));
        assert_eq!(verdict.code, Cause::WrongTone);
        assert_eq!(verdict.facts.last().map(String::as_str), Some(told), "{:?}", verdict.facts);
    }
    let mixed = after(|e| audio(e).tones.clone_from(&parts)).sentence;
    assert_eq!(mixed, "The tone from alice to bob should be 440 Hz, and 704 Hz was heard for a part of it.");
}

#[test]
fn a_moment_of_another_tone_is_no_other_call_and_seconds_without_one_are_a_remark() {
    let moment = vec![tone(0.2, 6.4, Some(440.0)), tone(7.2, 8.4, Some(704.0)), tone(9.2, 20.4, Some(440.2))];
    let verdict = after(|e| audio(e).tones = moment);
    assert_eq!((verdict.code, verdict.facts.len()), (Cause::Ok, 0));
    let missing = vec![tone(0.2, 6.4, Some(440.0)), tone(7.2, 10.4, None), tone(11.2, 20.4, Some(440.2))];
    let verdict = after(|e| audio(e).tones = missing);
    assert_eq!(verdict.code, Cause::Ok);
    assert!(
        verdict.facts[0]
            .ends_with("440.0 Hz from 0.2 to 6.4, no clear tone from 7.2 to 10.4, 440.2 Hz from 11.2 to 20.4")
    );
}
