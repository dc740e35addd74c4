//! Every cause can be the verdict: one piece of evidence for each.

use std::collections::BTreeSet;

use super::*;

type Damage = fn(&mut Evidence);

/// What has to happen to a healthy call for each cause.
#[rustfmt::skip]
const EXAMPLES: [(Cause, Damage); Cause::ALL.len()] = [
    (Cause::Ok, |_| ()),
    (Cause::SignalingLostInCall, |e| e.peers[1].signaling_lost = true),
    (Cause::SignalingDns, |e| unreachable(e, DialStep::Dns)),
    (Cause::SignalingUnreachable, |e| unreachable(e, DialStep::Connect)),
    (Cause::SignalingTls, |e| unreachable(e, DialStep::Tls)),
    (Cause::SignalingHttp, |e| unreachable(e, DialStep::Http(404))),
    (Cause::SignalingNotWebsocket, |e| unreachable(e, DialStep::NotWebSocket)),
    (Cause::SignalingNotStomp, |e| lost(e, LossKind::NotStomp)),
    (Cause::LoginRefused, |e| lost(e, LossKind::LoginRefused)),
    (Cause::OriginRefused, |e| unreachable(e, DialStep::Http(403))),
    (Cause::JoinRefused, |e| ends(e, EndReason::NotJoined)),
    (Cause::RoomFull, |e| ends(e, EndReason::RoomFull { message: "Room is full".into() })),
    (Cause::NobodyCame, |e| ends(e, EndReason::NobodyCame)),
    (Cause::SignalingLost, |e| lost(e, LossKind::Lost)),
    (Cause::PeerLeft, |e| ends(e, EndReason::PeerLeft)),
    (Cause::NoOffer, |e| ends(e, EndReason::NoOffer { offered: true })),
    (Cause::NoAnswer, |e| ends(e, EndReason::NoAnswer)),
    (Cause::DescriptionRefused, |e| ends(e, EndReason::DescriptionRefused {
        kind: DescriptionKind::Answer, reason: "not SDP".into(),
    })),
    (Cause::EngineFailed, |e| ends(e, EndReason::EngineFailed { reason: "it broke".into() })),
    (Cause::NoCandidates, |e| { ice(e); e.peers[0].candidates.clear(); }),
    (Cause::StunUnreachable, |e| { ice(e); e.peers[1].probes = vec![probe("stun:s:1", ProbeOutcome::Unreachable)]; }),
    (Cause::TurnUnreachable, |e| turn(e, ProbeOutcome::UnknownHost)),
    (Cause::TurnLoginRefused, |e| turn(e, ProbeOutcome::LoginRefused)),
    (Cause::TurnPeerRefused, |e| turn(e, ProbeOutcome::PeerRefused)),
    (Cause::TurnQuota, |e| turn(e, ProbeOutcome::Quota)),
    (Cause::NeedRelay, ice),
    (Cause::IceFailed, |e| turn(e, ProbeOutcome::Works)),
    (Cause::DtlsFailed, |e| ends(e, EndReason::DtlsFailed)),
    (Cause::IceLost, |e| e.peers[1].end = End::Call(EndReason::IceLost)),
    (Cause::NoCommonCodec, |e| { e.directions[0].video = None; e.peers[0].no_common_codec = true; }),
    (Cause::NoMedia, |e| e.directions[0].video = None),
    (Cause::MediaStopped, |e| audio(e).stream.quiet_ms = 3000.0),
    (Cause::NotDecodable, |e| video(e).decoded = 0),
    (Cause::BlackPicture, |e| video(e).black = 20),
    (Cause::FrozenPicture, |e| video(e).repeated = 19),
    (Cause::WrongPicture, |e| video(e).wrong_peer = 20),
    (Cause::Silence, |e| audio(e).audible = false),
    (Cause::WrongTone, |e| audio(e).tone_hz = Some(1000.0)),
    (Cause::RelayNotUsed, |e| e.expected.relay = true),
    // Nothing has to happen to it: see `verdict_of`.
    (Cause::QualityBelowExpected, |_| ()),
    (Cause::TimedOut, |e| bob_ends(e, End::TimedOut { after: "ready".to_owned() })),
    (Cause::Interrupted, |e| bob_ends(e, End::Call(EndReason::HungUp))),
];

fn ends(evidence: &mut Evidence, reason: EndReason) {
    bob_ends(evidence, End::Call(reason));
}

fn unreachable(evidence: &mut Evidence, step: DialStep) {
    bob_ends(evidence, End::Unreachable { step, reason: "it is not there".into() });
}

fn lost(evidence: &mut Evidence, why: LossKind) {
    ends(evidence, EndReason::SignalingLost { why, reason: "it went away".into() });
}

fn ice(evidence: &mut Evidence) {
    bob_ends(evidence, ice_failed());
}

fn turn(evidence: &mut Evidence, outcome: ProbeOutcome) {
    ice(evidence);
    evidence.peers[1].turn_configured = true;
    evidence.peers[1].probes = vec![probe("turn:t:3478", outcome)];
}

/// What is said about the example, after more was asked for than there was where that is the cause.
fn verdict_of(cause: Cause, damage: Damage) -> Verdict {
    let missed = (cause == Cause::QualityBelowExpected).then(|| expectation("setup_ms<500", false));
    after(damage).with_expectations(missed.as_slice())
}

#[test]
fn every_cause_is_reached_by_some_evidence() {
    for (cause, damage) in EXAMPLES {
        assert_eq!(verdict_of(cause, damage).code, cause);
    }
    let shown: BTreeSet<_> = EXAMPLES.iter().map(|(cause, _)| *cause).collect();
    let all: BTreeSet<_> = Cause::ALL.into_iter().collect();
    assert_eq!(shown, all);
    assert_eq!(all.len(), Cause::ALL.len());
}

#[test]
fn every_cause_but_ok_has_a_remedy_and_facts() {
    for (cause, damage) in EXAMPLES {
        let verdict = verdict_of(cause, damage);
        assert_eq!(verdict.remedy.is_none(), cause == Cause::Ok, "{cause:?}");
        assert_eq!(verdict.facts.is_empty(), cause == Cause::Ok, "{cause:?}");
        assert_eq!((verdict.ok, verdict.exit_code), (cause.is_ok(), cause.exit_code()));
        for text in verdict.facts.iter().chain([&verdict.sentence]).chain(&verdict.remedy) {
            assert!(!text.contains("..") && !text.contains("  "), "{text:?}");
        }
        assert!(verdict.sentence.ends_with('.'), "{:?}", verdict.sentence);
    }
}

#[test]
fn codes_are_distinct_and_lead_back_to_their_cause() {
    let codes: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    assert_eq!(codes.len(), Cause::ALL.len());
    for cause in Cause::ALL {
        assert_eq!(Cause::from_code(cause.code()), Some(cause));
        assert_eq!(serde_json::to_value(cause).unwrap(), cause.code(), "JSON says the same code");
    }
    assert_eq!(Cause::from_code("ok"), None);
}

#[test]
fn a_verdict_survives_json() {
    for (cause, damage) in EXAMPLES {
        let verdict = verdict_of(cause, damage);
        let json = serde_json::to_string(&verdict).unwrap();
        assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
    }
    let old = r#"{"ok":false,"code":"NO_DESCRIPTION","sentence":"s","remedy":null,"exit_code":13}"#;
    let old: Verdict = serde_json::from_str(old).unwrap();
    assert_eq!((old.code, old.facts.len()), (Cause::NoAnswer, 0), "reports of before the split can be read");
}
