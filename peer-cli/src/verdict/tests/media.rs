//! Faults of the media, and what is none.

use super::*;

#[test]
fn each_fault_of_the_media_has_its_own_cause() {
    assert_eq!(after(|e| e.directions[1].video = None).code, Cause::NoMedia);
    assert_eq!(after(|e| e.directions[0].audio = None).code, Cause::NoMedia);
    assert_eq!(after(|e| video(e).decoded = 0).code, Cause::NotDecodable);
    assert_eq!(after(|e| audio(e).seconds = 0.0).code, Cause::NotDecodable);
    assert_eq!(after(|e| video(e).stream.quiet_ms = 2000.0).code, Cause::MediaStopped);
    assert_eq!(after(|e| audio(e).stream.quiet_ms = 2000.0).code, Cause::MediaStopped);
    assert_eq!(after(|e| video(e).black = 20).code, Cause::BlackPicture);
    assert_eq!(after(|e| video(e).repeated = 19).code, Cause::FrozenPicture);
    assert_eq!(after(|e| (video(e).black, video(e).repeated) = (20, 19)).code, Cause::BlackPicture);
    assert_eq!(after(|e| video(e).stamped = 0).code, Cause::WrongPicture);
    assert_eq!(after(|e| video(e).wrong_peer = 3).code, Cause::WrongPicture);
    assert_eq!(after(|e| audio(e).audible = false).code, Cause::Silence);
    assert_eq!(after(|e| audio(e).tone_hz = Some(700.0)).code, Cause::WrongTone);
    for neighbour in [438.0, 442.0] {
        assert_eq!(after(|e| audio(e).tone_hz = Some(neighbour)).code, Cause::WrongTone, "halfway to the next call's");
    }
    assert_eq!(after(|e| audio(e).tone_hz = None).code, Cause::WrongTone);
    let verdict = after(|e| {
        e.directions[1].video = None;
        e.peers[1].no_common_codec = true;
    });
    assert_eq!(verdict.code, Cause::NoCommonCodec);
}

#[test]
fn a_healthy_call_under_load_is_not_blamed() {
    assert_eq!(after(|e| audio(e).tone_hz = Some(441.8)).code, Cause::Ok, "noise may shift a tone a little");
    assert_eq!(after(|e| video(e).stream.quiet_ms = 1400.0).code, Cause::Ok, "a busy moment at the end");
    let slow = after(|e| (video(e).fps, video(e).stream.quiet_ms) = (1.0, 2500.0));
    assert_eq!(slow.code, Cause::Ok, "one picture a second");
    assert_eq!(after(|e| video(e).repeated = 18).code, Cause::Ok, "the picture moved once");
    assert_eq!(after(|e| (video(e).decoded, video(e).repeated) = (5, 4)).code, Cause::Ok, "too few pictures");
    assert_eq!(after(|e| video(e).wrong_peer = 1).code, Cause::Ok, "one damaged stamp");
    let broken = after(|e| {
        audio(e).tone_hz = None;
        audio(e).stream.loss_percent = 20.0;
    });
    assert_eq!(broken.code, Cause::Ok, "so much loss leaves no clear tone");
    assert_eq!(after(|e| (audio(e).seconds, audio(e).tone_hz) = (0.2, None)).code, Cause::Ok, "a fraction of a second");
}

#[test]
fn a_call_too_short_to_judge_is_not_blamed() {
    let short = |ms: f64, damage: fn(&mut Evidence)| {
        after(|evidence| {
            evidence.peers[0].media_duration_ms = ms;
            damage(evidence);
        })
        .code
    };
    assert_eq!(short(300.0, |e| e.directions[1].video = None), Cause::Interrupted);
    assert_eq!(short(1200.0, |e| e.directions[1].video = None), Cause::NoMedia);
    assert_eq!(short(1200.0, |e| video(e).decoded = 0), Cause::Interrupted);
    assert_eq!(short(2100.0, |e| video(e).decoded = 0), Cause::NotDecodable);
    assert_eq!(short(300.0, |_| ()), Cause::Ok, "what came is good enough");
}

#[test]
fn the_way_and_the_kind_of_what_is_missing_are_named() {
    let sentence = |damage: fn(&mut Evidence)| after(damage).sentence;
    assert_eq!(
        sentence(|e| e.directions[1].video = None),
        "The path is up, and not one video packet came from bob to alice."
    );
    assert_eq!(
        sentence(|e| e.directions.iter_mut().for_each(|direction| direction.audio = None)),
        "The path is up, and not one audio packet came, neither from alice to bob nor from bob to alice."
    );
    assert_eq!(
        sentence(|e| (e.directions[1].video, e.directions[1].audio) = (None, None)),
        "The path is up, and not one packet came from bob to alice, while media came from alice to bob."
    );
    assert_eq!(
        sentence(|e| e.directions.iter_mut().for_each(|d| (d.video, d.audio) = (None, None))),
        "The path is up, and not one packet came, neither from alice to bob nor from bob to alice."
    );
    let facts = after(|e| e.directions[1].video = None).facts;
    assert!(facts.contains(&"10 video packets came from alice to bob, 0 from bob to alice".to_owned()), "{facts:?}");
}

#[test]
fn what_was_not_looked_at_is_not_judged() {
    let unseen = |judge: JudgeLevel, frames: u64| {
        after(|evidence| {
            evidence.judge = judge;
            for direction in &mut evidence.directions {
                let video = direction.video.as_mut().unwrap();
                (video.frames, video.decoded, video.stamped) = (frames, 0, 0);
                let audio = direction.audio.as_mut().unwrap();
                (audio.seconds, audio.audible, audio.tone_hz) = (0.0, false, None);
            }
        })
    };
    let packets = unseen(JudgeLevel::Packets, 0);
    assert_eq!(packets.sentence, "The call works: video packets and audio packets in both directions.");
    assert_eq!(unseen(JudgeLevel::Frames, 20).code, Cause::Ok);
    assert_eq!(unseen(JudgeLevel::Frames, 0).code, Cause::NotDecodable);
    for judge in [JudgeLevel::Packets, JudgeLevel::Frames] {
        assert_eq!(after(|e| (e.judge, e.directions[1].video) = (judge, None)).code, Cause::NoMedia);
        let stopped = after(|e| {
            e.judge = judge;
            video(e).stream.quiet_ms = 2000.0;
        });
        assert_eq!(stopped.code, Cause::MediaStopped);
    }
}

#[test]
fn what_was_not_asked_for_may_be_missing() {
    let nothing = |evidence: &mut Evidence| {
        for direction in &mut evidence.directions {
            (direction.video, direction.audio) = (None, None);
        }
    };
    for wanted in [Wanted::Nothing, Wanted::IfAny] {
        let verdict = after(|evidence| {
            evidence.expected = Expected { video: wanted, audio: wanted, relay: false };
            nothing(evidence);
        });
        assert!(verdict.ok, "{wanted:?}: {}", verdict.sentence);
    }
    let verdict = after(|evidence| {
        evidence.expected.video = Wanted::IfAny;
        video(evidence).decoded = 0;
    });
    assert_eq!(verdict.code, Cause::NotDecodable, "what comes must be decodable");
}

#[test]
fn mostly_refused_pictures_and_sound_full_of_holes_are_no_working_media() {
    let verdict = after(|e| (video(e).decoded, video(e).decode_errors) = (9, 10));
    assert_eq!(verdict.code, Cause::NotDecodable, "{}", verdict.sentence);
    let ruined = after(|e| (audio(e).tone_hz, audio(e).stream.loss_percent) = (None, 60.0));
    assert_eq!(ruined.code, Cause::NotDecodable, "{}", ruined.sentence);
    assert!(after(|e| (audio(e).tone_hz, audio(e).stream.loss_percent) = (None, 10.0)).ok);
}

#[test]
fn sound_without_a_common_codec_is_told_from_a_silent_microphone() {
    let verdict = after(|e| {
        e.directions[0].audio = None;
        e.peers[0].no_common_audio_codec = true;
    });
    assert_eq!(verdict.code, Cause::NoCommonCodec);
    assert!(verdict.sentence.contains("no audio codec in common"), "{}", verdict.sentence);
}

#[test]
fn whoever_comes_may_be_black_and_silent_and_the_verdict_says_so() {
    let verdict = after(|e| {
        (e.expected.video, e.expected.audio) = (Wanted::IfAny, Wanted::IfAny);
        video(e).black = video(e).decoded;
        e.directions[1].audio = None;
    });
    assert!(verdict.ok && verdict.facts.iter().any(|fact| fact.contains("are black")), "{:?}", verdict.facts);
    assert!(verdict.facts.iter().any(|fact| fact.contains("no audio came")), "{:?}", verdict.facts);
}
