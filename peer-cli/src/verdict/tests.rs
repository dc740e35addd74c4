//! Evidence in, exactly one verdict out.

use super::*;
use crate::call::DescriptionKind;
use crate::report::{AudioReport, StreamReport, VideoReport};

fn peer(name: &str, end: EndReason) -> PeerEvidence {
    let pair = PairReport {
        local: "host".into(),
        remote: "host".into(),
        local_address: "127.0.0.1:1".into(),
        remote_address: "127.0.0.1:2".into(),
        rtt_ms: None,
        bytes_sent: 0,
        bytes_received: 0,
    };
    PeerEvidence { name: name.into(), end: End::Call(end), connected: true, pair: Some(pair), no_common_codec: false }
}

fn stream(bytes: u64) -> StreamReport {
    StreamReport { packets: 10, bytes, ..StreamReport::default() }
}

fn direction(from: &str, to: &str) -> Direction {
    let video = VideoReport { stream: stream(1000), decoded: 9, stamped: 9, ..VideoReport::default() };
    let audio = AudioReport {
        stream: stream(100),
        seconds: 2.0,
        level_dbfs: Some(-15.0),
        tone_hz: Some(440.0),
        expected_tone_hz: Some(440.0),
        audible: true,
        ..AudioReport::default()
    };
    Direction { from: from.into(), to: to.into(), video: Some(video), audio: Some(audio) }
}

/// A call in which everything is as it should be.
fn healthy() -> Evidence {
    Evidence {
        peers: vec![peer("alice", EndReason::HungUp), peer("bob", EndReason::PeerLeft)],
        directions: vec![direction("alice", "bob"), direction("bob", "alice")],
        expected: Expected { video: Wanted::Ours, audio: Wanted::Ours, relay: false },
        relay: None,
    }
}

/// The verdict after `damage` was done to a healthy call.
fn after(damage: impl FnOnce(&mut Evidence)) -> Verdict {
    let mut evidence = healthy();
    damage(&mut evidence);
    judge(&evidence)
}

fn video(evidence: &mut Evidence) -> &mut VideoReport {
    evidence.directions[1].video.as_mut().unwrap()
}

fn audio(evidence: &mut Evidence) -> &mut AudioReport {
    evidence.directions[0].audio.as_mut().unwrap()
}

#[test]
fn a_healthy_call_passes() {
    let verdict = judge(&healthy());
    assert!(verdict.ok);
    assert_eq!((verdict.code, verdict.exit_code, verdict.remedy), (Cause::Ok, 0, None));
    assert_eq!(verdict.sentence, "The call works: decodable video and audible audio in both directions.");
}

#[test]
fn every_end_of_a_peer_has_its_own_cause() {
    let reason = || "why".to_owned();
    for (end, cause) in [
        (End::Unreachable { reason: reason() }, Cause::SignalingUnreachable),
        (End::TimedOut { after: "ready" }, Cause::TimedOut),
        (End::Call(EndReason::HungUp), Cause::Interrupted),
        (End::Call(EndReason::RoomFull { message: reason() }), Cause::RoomFull),
        (End::Call(EndReason::Refused { message: reason() }), Cause::JoinRefused),
        (End::Call(EndReason::NotJoined), Cause::JoinRefused),
        (End::Call(EndReason::NobodyCame), Cause::NobodyCame),
        (End::Call(EndReason::NoDescription { offered: true }), Cause::NoDescription),
        (
            End::Call(EndReason::DescriptionRefused { kind: DescriptionKind::Offer, reason: reason() }),
            Cause::DescriptionRefused,
        ),
        (End::Call(EndReason::EngineFailed { reason: reason() }), Cause::EngineFailed),
        (End::Call(EndReason::IceFailed { remote_candidates: true }), Cause::IceFailed),
        (End::Call(EndReason::DtlsTimedOut), Cause::DtlsFailed),
        (End::Call(EndReason::IceLost), Cause::IceLost),
        (End::Call(EndReason::SignalingLost { reason: reason() }), Cause::SignalingLost),
    ] {
        let verdict = after(|evidence| {
            evidence.peers[1].end = end.clone();
            evidence.peers[1].connected = false;
        });
        assert_eq!(verdict.code, cause, "{end:?}");
        assert_eq!(verdict.exit_code, cause.exit_code());
        assert!(!verdict.ok && verdict.remedy.is_some());
        assert!(!verdict.sentence.contains(".."), "{}", verdict.sentence);
    }
}

#[test]
fn the_peer_with_a_reason_of_its_own_is_named_before_the_one_that_was_left() {
    let verdict = after(|evidence| {
        evidence.peers[0] = peer("alice", EndReason::PeerLeft);
        evidence.peers[0].connected = false;
        evidence.peers[1] =
            peer("bob", EndReason::DescriptionRefused { kind: DescriptionKind::Offer, reason: "no".into() });
        evidence.peers[1].connected = false;
    });
    assert_eq!(verdict.code, Cause::DescriptionRefused);
    assert!(verdict.sentence.contains("bob"), "{}", verdict.sentence);
}

#[test]
fn each_fault_of_the_media_has_its_own_cause() {
    assert_eq!(after(|e| e.directions[1].video = None).code, Cause::NoMedia);
    assert_eq!(after(|e| e.directions[0].audio = None).code, Cause::NoMedia);
    assert_eq!(after(|e| video(e).decoded = 0).code, Cause::NotDecodable);
    assert_eq!(after(|e| audio(e).seconds = 0.0).code, Cause::NotDecodable);
    assert_eq!(after(|e| video(e).stream.quiet_ms = 2000.0).code, Cause::MediaStopped);
    assert_eq!(after(|e| audio(e).stream.quiet_ms = 2000.0).code, Cause::MediaStopped);
    assert_eq!(after(|e| video(e).black = 9).code, Cause::BlackPicture);
    assert_eq!(after(|e| video(e).stamped = 0).code, Cause::WrongPicture);
    assert_eq!(after(|e| video(e).wrong_peer = 1).code, Cause::WrongPicture);
    assert_eq!(after(|e| audio(e).audible = false).code, Cause::Silence);
    assert_eq!(after(|e| audio(e).tone_hz = Some(700.0)).code, Cause::WrongTone);
    assert_eq!(after(|e| audio(e).tone_hz = None).code, Cause::WrongTone);
    assert_eq!(after(|e| audio(e).tone_hz = Some(445.0)).code, Cause::Ok, "a codec may shift a tone by a percent");
    let verdict = after(|e| {
        e.directions[1].video = None;
        e.peers[1].no_common_codec = true;
    });
    assert_eq!(verdict.code, Cause::NoCommonCodec);
}

#[test]
fn a_direction_is_named() {
    let verdict = after(|e| e.directions[1].video = None);
    assert_eq!(verdict.sentence, "The path is up, and not one video packet came from bob to alice.");
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
fn a_relayed_call_is_proved_by_both_pairs_and_by_the_relay_itself() {
    let relayed = |carried| {
        move |evidence: &mut Evidence| {
            evidence.expected.relay = true;
            for peer in &mut evidence.peers {
                peer.pair.as_mut().unwrap().local = "relay".into();
            }
            let counted = RelayReport { bytes_to_clients: carried, ..RelayReport::default() };
            evidence.relay = Some(counted);
        }
    };
    assert_eq!(after(relayed(2200)).code, Cause::Ok);
    assert_eq!(after(relayed(2199)).code, Cause::RelayNotUsed, "the relay carried less than arrived");
    let verdict = after(|evidence| {
        relayed(9999)(evidence);
        evidence.peers[1].pair.as_mut().unwrap().local = "host".into();
    });
    assert_eq!(verdict.code, Cause::RelayNotUsed);
    assert!(verdict.sentence.contains("bob"));
}

#[test]
fn media_that_flowed_and_was_lost_is_not_a_working_call() {
    assert_eq!(after(|e| e.peers[0].end = End::Call(EndReason::IceLost)).code, Cause::IceLost);
    assert_eq!(after(|e| e.peers[0].end = End::TimedOut { after: "connected" }).code, Cause::TimedOut);
}
