//! Evidence in, exactly one verdict out.

mod ends;
mod examples;
mod lasting;
mod media;

use super::*;
use crate::call::{DescriptionKind, LossKind};
use crate::report::{AudioReport, ProbeOutcome, StreamReport, VideoReport};
use crate::signaling::DialStep;

fn pair() -> PairReport {
    PairReport {
        local: "host".into(),
        remote: "host".into(),
        local_address: "127.0.0.1:1".into(),
        remote_address: "127.0.0.1:2".into(),
        ..PairReport::default()
    }
}

fn candidate(local: bool) -> CandidateReport {
    CandidateReport { local, kind: "host".into(), protocol: "udp".into(), ..CandidateReport::default() }
}

fn peer(name: &str, end: EndReason) -> PeerEvidence {
    PeerEvidence {
        name: name.into(),
        end: End::Call(end),
        connected: true,
        pair: Some(pair()),
        no_common_codec: false,
        no_common_audio_codec: false,
        candidates: vec![candidate(true), candidate(false)],
        pairs: Vec::new(),
        probes: Vec::new(),
        turn_configured: false,
        stun_configured: false,
        relay_only: false,
        signaling_lost: false,
        media_duration_ms: 5000.0,
        interruptions: Vec::new(),
    }
}

fn stream(bytes: u64) -> StreamReport {
    StreamReport { packets: 10, bytes, ..StreamReport::default() }
}

fn direction(from: &str, to: &str) -> Direction {
    let video =
        VideoReport { stream: stream(1000), frames: 20, decoded: 20, stamped: 20, fps: 30.0, ..VideoReport::default() };
    let audio = AudioReport {
        stream: stream(100),
        seconds: 2.0,
        level_dbfs: Some(-15.0),
        tone_hz: Some(440.0),
        expected_tone_hz: Some(440.0),
        audible: true,
        ..AudioReport::default()
    };
    Direction { from: from.into(), to: to.into(), video: Some(video), audio: Some(audio), ..Direction::default() }
}

/// A call in which everything is as it should be.
fn healthy() -> Evidence {
    Evidence {
        peers: vec![peer("alice", EndReason::HungUp), peer("bob", EndReason::PeerLeft)],
        directions: vec![direction("alice", "bob"), direction("bob", "alice")],
        expected: Expected { video: Wanted::Ours, audio: Wanted::Ours, relay: false },
        relay: None,
        judge: JudgeLevel::Full,
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

/// Bob's part ended like this, and alice only saw him leave.
fn bob_ends(evidence: &mut Evidence, end: End) {
    evidence.peers[0].end = End::Call(EndReason::PeerLeft);
    evidence.peers[1].end = end;
    for peer in &mut evidence.peers {
        (peer.connected, peer.pair, peer.media_duration_ms) = (false, None, 0.0);
    }
}

fn ice_failed() -> End {
    End::Call(EndReason::IceFailed { local_candidates: true, remote_candidates: true })
}

fn probe(url: &str, outcome: ProbeOutcome) -> ProbeReport {
    ProbeReport {
        url: url.into(),
        outcome,
        message: format!("{url} answered something"),
        took_ms: 12.0,
        mapped: None,
        relayed: None,
    }
}

fn tried(requests_sent: u64, responses_received: u64) -> PairTried {
    PairTried { state: "failed".into(), requests_sent, responses_received, ..PairTried::default() }
}

fn expectation(text: &str, warning: bool) -> Checked {
    Checked {
        text: text.into(),
        warning,
        ok: false,
        value: Some(700.0),
        unit: "ms".into(),
        message: format!("{text} was missed: 700 ms"),
    }
}

/// Bob's ICE failed, and alice's probes found this.
fn ice_with(probes: Vec<ProbeReport>) -> Verdict {
    after(|evidence| {
        bob_ends(evidence, ice_failed());
        evidence.peers[0].turn_configured = probes.iter().any(|probe| probe.url.starts_with("turn"));
        evidence.peers[0].stun_configured = true;
        evidence.peers[0].probes = probes;
    })
}

#[test]
fn a_healthy_call_passes() {
    let verdict = judge(&healthy());
    assert!(verdict.ok && verdict.facts.is_empty());
    assert_eq!((verdict.code, verdict.exit_code, verdict.remedy), (Cause::Ok, 0, None));
    assert_eq!(verdict.sentence, "The call works: decodable video and audible audio in both directions.");
}

#[test]
fn every_end_of_a_peer_has_its_own_cause() {
    let reason = || "why".to_owned();
    let unreachable = |step| End::Unreachable { step, reason: reason() };
    let lost = |why| End::Call(EndReason::SignalingLost { why, reason: reason() });
    for (end, cause) in [
        (unreachable(DialStep::Dns), Cause::SignalingDns),
        (unreachable(DialStep::Connect), Cause::SignalingUnreachable),
        (unreachable(DialStep::Tls), Cause::SignalingTls),
        (unreachable(DialStep::Http(404)), Cause::SignalingHttp),
        (unreachable(DialStep::Http(500)), Cause::SignalingHttp),
        (unreachable(DialStep::Http(401)), Cause::LoginRefused),
        (unreachable(DialStep::Http(403)), Cause::OriginRefused),
        (unreachable(DialStep::NotWebSocket), Cause::SignalingNotWebsocket),
        (lost(LossKind::Lost), Cause::SignalingLost),
        (lost(LossKind::NotStomp), Cause::SignalingNotStomp),
        (lost(LossKind::LoginRefused), Cause::LoginRefused),
        (lost(LossKind::JoinRefused), Cause::JoinRefused),
        (End::TimedOut { after: "ready".to_owned() }, Cause::TimedOut),
        (End::Call(EndReason::HungUp), Cause::Interrupted),
        (End::Call(EndReason::RoomFull { message: reason() }), Cause::RoomFull),
        (End::Call(EndReason::Refused { message: reason() }), Cause::JoinRefused),
        (End::Call(EndReason::NotJoined), Cause::JoinRefused),
        (End::Call(EndReason::NobodyCame), Cause::NobodyCame),
        (End::Call(EndReason::NoOffer { offered: true }), Cause::NoOffer),
        (End::Call(EndReason::NoAnswer), Cause::NoAnswer),
        (
            End::Call(EndReason::DescriptionRefused { kind: DescriptionKind::Offer, reason: reason() }),
            Cause::DescriptionRefused,
        ),
        (End::Call(EndReason::EngineFailed { reason: reason() }), Cause::EngineFailed),
        (End::Call(EndReason::DtlsTimedOut), Cause::DtlsFailed),
        (End::Call(EndReason::DtlsFailed), Cause::DtlsFailed),
        (End::Call(EndReason::IceLost), Cause::IceLost),
    ] {
        let verdict = after(|evidence| {
            evidence.peers[1].end = end.clone();
            evidence.peers[1].connected = false;
        });
        assert_eq!(verdict.code, cause, "{end:?}");
        assert_eq!(verdict.exit_code, cause.exit_code());
        assert!(!verdict.ok && verdict.remedy.is_some() && !verdict.facts.is_empty());
        assert!(!verdict.sentence.contains(".."), "{}", verdict.sentence);
    }
}

#[test]
fn the_peer_whose_end_explains_the_others_is_named() {
    let verdict = after(|evidence| {
        bob_ends(
            evidence,
            End::Call(EndReason::DescriptionRefused { kind: DescriptionKind::Offer, reason: "no".into() }),
        );
    });
    assert_eq!(verdict.code, Cause::DescriptionRefused);
    assert!(verdict.sentence.contains("bob"), "{}", verdict.sentence);
    let swallowed = |alice: EndReason, bob: End| {
        after(|evidence| {
            bob_ends(evidence, bob);
            evidence.peers[0].end = End::Call(alice);
        })
    };
    let no_offer = swallowed(EndReason::NoAnswer, End::Call(EndReason::NoOffer { offered: true }));
    assert_eq!(no_offer.code, Cause::NoOffer, "an offer that never arrived is not answered");
    let no_answer = swallowed(EndReason::NoAnswer, ice_failed());
    assert_eq!(no_answer.code, Cause::NoAnswer, "an answer that never arrived brings no path");
    let full = swallowed(EndReason::NobodyCame, End::Call(EndReason::RoomFull { message: "full".into() }));
    assert_eq!(full.code, Cause::RoomFull);
    let stopped = swallowed(EndReason::PeerLeft, End::Call(EndReason::HungUp));
    assert_eq!(stopped.code, Cause::Interrupted);
}

#[test]
fn a_failed_ice_is_explained_by_the_servers_in_the_order_of_what_they_said() {
    use ProbeOutcome::{LoginRefused, PeerRefused, Quota, Refused, UnknownHost, Unreachable, Works};
    let turn = |outcome| probe("turn:t:3478", outcome);
    let stun = |outcome| probe("stun:s:3478", outcome);
    for (probes, cause) in [
        (vec![turn(LoginRefused)], Cause::TurnLoginRefused),
        (vec![turn(Quota), turn(LoginRefused)], Cause::TurnLoginRefused),
        (vec![turn(Unreachable), turn(Quota)], Cause::TurnQuota),
        (vec![turn(PeerRefused), turn(UnknownHost)], Cause::TurnUnreachable),
        (vec![turn(Refused)], Cause::TurnUnreachable),
        (vec![stun(Unreachable), turn(PeerRefused)], Cause::TurnPeerRefused),
        (vec![turn(Works), turn(LoginRefused)], Cause::IceFailed),
        (vec![turn(Works), stun(Unreachable)], Cause::IceFailed),
        (vec![stun(Unreachable)], Cause::StunUnreachable),
        (vec![stun(Works), stun(UnknownHost)], Cause::NeedRelay),
    ] {
        let verdict = ice_with(probes.clone());
        assert_eq!(verdict.code, cause, "{probes:?}");
        assert!(verdict.facts.iter().any(|fact| fact.contains("answered something")), "{:?}", verdict.facts);
    }
    let verdict = ice_with(vec![turn(LoginRefused)]);
    assert_eq!(
        verdict.sentence,
        "The call does not work: no path was found, and the TURN server refused the login of alice: turn:t:3478 \
         answered something."
    );
}

#[test]
fn a_side_without_candidates_is_named() {
    let without = |damage: fn(&mut Evidence)| {
        after(|evidence| {
            bob_ends(evidence, ice_failed());
            damage(evidence);
        })
    };
    let gathered = without(|e| e.peers[0].candidates.retain(|candidate| !candidate.local));
    assert_eq!(gathered.code, Cause::NoCandidates);
    assert!(gathered.sentence.contains("alice gathered no candidate"), "{}", gathered.sentence);
    let lost = without(|e| e.peers[0].candidates.retain(|candidate| candidate.local));
    assert_eq!(lost.code, Cause::NoCandidates);
    assert!(lost.sentence.contains("not one candidate of bob reached alice"), "{}", lost.sentence);
    let alone = without(|e| {
        e.peers.remove(0);
        e.peers[0].candidates.clear();
        e.peers[0].end = End::Call(EndReason::IceFailed { local_candidates: true, remote_candidates: false });
    });
    assert_eq!(alone.code, Cause::NoCandidates);
    assert!(alone.sentence.contains("the other side sent bob no candidate"), "{}", alone.sentence);
}

#[test]
fn that_both_need_a_relay_is_said_only_of_two_that_asked_and_heard_nothing() {
    let with = |damage: fn(&mut Evidence)| {
        after(|evidence| {
            bob_ends(evidence, ice_failed());
            evidence.peers[0].pairs = vec![tried(20, 0)];
            damage(evidence);
        })
        .code
    };
    assert_eq!(with(|_| ()), Cause::NeedRelay);
    assert_eq!(with(|e| e.peers[0].pairs.clear()), Cause::NeedRelay, "the engine kept no account");
    assert_eq!(with(|e| e.peers[0].pairs = vec![tried(20, 1)]), Cause::IceFailed, "something came through");
    assert_eq!(with(|e| e.peers[1].turn_configured = true), Cause::IceFailed);
    assert_eq!(with(|e| drop(e.peers.remove(0))), Cause::IceFailed, "one side alone cannot know");
}

#[test]
fn a_peer_that_may_only_use_a_relay_and_gets_none_is_told_by_its_relay() {
    let verdict = after(|evidence| {
        bob_ends(evidence, End::TimedOut { after: "offer-sent".to_owned() });
        evidence.peers[1].relay_only = true;
        evidence.peers[1].candidates.clear();
        evidence.peers[1].turn_configured = true;
        evidence.peers[1].probes = vec![probe("turn:t:3478", ProbeOutcome::Quota)];
    });
    assert_eq!(verdict.code, Cause::TurnQuota);
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
    assert_eq!(after(|e| e.peers[0].end = End::TimedOut { after: "connected".to_owned() }).code, Cause::TimedOut);
}

#[test]
fn a_missed_expectation_fails_the_call_and_a_warning_does_not() {
    let asked = [expectation("a<1", true), expectation("b<2", false), expectation("c<3", false)];
    let missed = judge(&healthy()).with_expectations(&asked);
    assert_eq!((missed.code, missed.exit_code, missed.ok), (Cause::QualityBelowExpected, 18, false));
    assert_eq!(missed.sentence, "The call works, but not as well as was asked: b<2 was missed: 700 ms (and 1 more).");
    assert_eq!(missed.facts, ["b<2 was missed: 700 ms", "c<3 was missed: 700 ms", "warning: a<1 was missed: 700 ms"]);
    let warned = judge(&healthy()).with_expectations(&[expectation("a<1", true)]);
    assert_eq!((warned.code, warned.ok), (Cause::Ok, true));
    assert_eq!(warned.facts, ["warning: a<1 was missed: 700 ms"]);
    assert_eq!(judge(&healthy()).with_expectations(&[]), judge(&healthy()));
}

#[test]
fn a_call_that_does_not_work_stays_as_it_is_whatever_was_asked() {
    let failed = after(|e| audio(e).audible = false);
    assert_eq!(failed.clone().with_expectations(&[expectation("a<1", false), expectation("b<2", true)]), failed);
}

#[test]
fn signaling_lost_in_mid_call_is_a_warning_that_hides_nothing_worse() {
    let lost = after(|e| e.peers[0].signaling_lost = true);
    assert_eq!((lost.code, lost.ok, lost.exit_code), (Cause::SignalingLostInCall, true, 0));
    assert!(lost.sentence.starts_with("The call works: decodable video and audible audio in both directions; "));
    let worse = lost.clone().with_expectations(&[expectation("a<1", false)]);
    assert_eq!(worse.code, Cause::QualityBelowExpected);
    let warned = lost.clone().with_expectations(&[expectation("a<1", true)]);
    assert_eq!((warned.code, warned.facts.len()), (Cause::SignalingLostInCall, lost.facts.len() + 1));
}
