//! Ends of which only both reports, or the servers, tell the reason.

use super::*;

/// What comes of two peers without media that ended like this.
fn ended(alice: EndReason, bob: EndReason) -> Verdict {
    after(|evidence| {
        bob_ends(evidence, End::Call(bob));
        evidence.peers[0].end = End::Call(alice);
    })
}

fn left(missing: DescriptionKind) -> EndReason {
    EndReason::PeerLeftEarly { missing }
}

fn no_path() -> EndReason {
    EndReason::IceFailed { local_candidates: true, remote_candidates: true }
}

#[test]
fn an_answer_that_never_arrived_is_named_whoever_of_both_gives_up_first() {
    let verdict = ended(left(DescriptionKind::Answer), no_path());
    assert_eq!(verdict.code, Cause::NoAnswer);
    assert_eq!(verdict.sentence, "The call does not work: no answer of bob ever reached alice.");
    assert_eq!(
        verdict.facts,
        ["alice saw the other side leave, and had no answer of it", "bob tried every candidate pair, and none worked"]
    );
    assert_eq!(ended(EndReason::NoAnswer, EndReason::PeerLeft).code, Cause::NoAnswer);
    assert_eq!(ended(EndReason::PeerLeft, no_path()).code, Cause::NeedRelay, "alice had the answer");
}

#[test]
fn an_offer_that_never_arrived_is_named_whoever_of_both_gives_up_first() {
    let verdict = ended(EndReason::NoAnswer, left(DescriptionKind::Offer));
    assert_eq!(verdict.code, Cause::NoOffer);
    assert_eq!(verdict.sentence, "The call does not work: no offer of alice ever reached bob.");
    let waited = EndReason::NoOffer { offered: true };
    assert_eq!(ended(left(DescriptionKind::Answer), waited).code, Cause::NoOffer);
}

#[test]
fn who_leaves_early_for_a_reason_of_its_own_or_for_none_that_is_known_has_left() {
    assert_eq!(ended(left(DescriptionKind::Offer), EndReason::HungUp).code, Cause::Interrupted);
    let broken = EndReason::EngineFailed { reason: "it broke".into() };
    assert_eq!(ended(left(DescriptionKind::Answer), broken).code, Cause::EngineFailed);
    let alone = after(|evidence| {
        bob_ends(evidence, End::Call(left(DescriptionKind::Offer)));
        evidence.peers.remove(0);
    });
    assert_eq!((alone.code, alone.exit_code), (Cause::PeerLeft, 12));
}

#[test]
fn a_refused_handshake_names_the_alert_and_who_sent_it() {
    let refused = |by_us| EndReason::DtlsRefused { by_us, alert: "bad_certificate".into() };
    let verdict = ended(EndReason::PeerLeft, refused(true));
    assert_eq!(verdict.code, Cause::DtlsFailed);
    assert_eq!(
        verdict.sentence,
        "The call does not work: bob found a path, and refused the DTLS handshake over it with the alert \
         bad_certificate."
    );
    assert!(ended(EndReason::PeerLeft, refused(false)).sentence.contains("the other side refused"));
}

#[test]
fn what_the_servers_say_after_a_lost_path_is_among_the_facts() {
    let verdict = after(|evidence| {
        evidence.peers[1].end = End::Call(EndReason::IceLost);
        evidence.peers[1].probes = vec![probe("turn:t:3478", ProbeOutcome::Unreachable)];
    });
    assert_eq!(verdict.code, Cause::IceLost);
    let told = "bob asked itself: turn:t:3478 answered something, after 12 ms".to_owned();
    assert!(verdict.facts.contains(&told), "{:?}", verdict.facts);
}
