//! Why no candidate pair worked: descriptions that never arrived, what our own questions to the servers found out, and
//! what both sides knew.

use super::{Cause, End, Evidence, Finding, PeerEvidence, facts};
use crate::call::{DescriptionKind, EndReason};
use crate::report::{ProbeOutcome, ProbeReport};

/// The cause, where `peer` ended without a pair. The order is that of [`judge`](super::judge).
pub(super) fn find(evidence: &Evidence, peer: &PeerEvidence) -> Option<Finding> {
    if let Some(finding) = undescribed(evidence, peer) {
        return Some(finding);
    }
    let finding = if is_ice_failure(peer) {
        undelivered(evidence)
            .or_else(|| turn(evidence))
            .or_else(|| stun(evidence))
            .or_else(|| without_candidates(evidence))
            .or_else(|| need_relay(evidence))
            .unwrap_or_else(|| finding(Cause::IceFailed, &format!("{} {}", peer.name, peer.end.words())))
    } else if relay_only_without_candidates(peer) {
        turn(evidence)?
    } else {
        return None;
    };
    Some(finding.with(evidence.peers.iter().flat_map(known)))
}

fn finding(cause: Cause, why: &str) -> Finding {
    Finding::new(cause, facts::does_not_work(why))
}

/// A description that one side was to send and the other one never got: whatever `peer` ran into without it, such as
/// checks that nobody answered, follows from that. Only both reports tell.
fn undescribed(evidence: &Evidence, peer: &PeerEvidence) -> Option<Finding> {
    if !is_ice_failure(peer) && peer.end != End::Call(EndReason::NoAnswer) {
        return None;
    }
    let (deaf, missing) = evidence.peers.iter().find_map(|other| match &other.end {
        End::Call(EndReason::PeerLeftEarly { missing }) => Some((other, *missing)),
        End::Call(_) | End::Unreachable { .. } | End::TimedOut { .. } => None,
    })?;
    let (cause, word) = match missing {
        DescriptionKind::Offer => (Cause::NoOffer, "offer"),
        DescriptionKind::Answer => (Cause::NoAnswer, "answer"),
    };
    let why = format!("no {word} of {} ever reached {}", peer.name, deaf.name);
    Some(finding(cause, &why).with(evidence.peers.iter().flat_map(facts::end)))
}

fn is_ice_failure(peer: &PeerEvidence) -> bool {
    matches!(peer.end, End::Call(EndReason::IceFailed { .. }))
}

/// A peer that may only use a relay and has none may get stuck before ICE has anything to fail at.
fn relay_only_without_candidates(peer: &PeerEvidence) -> bool {
    let stuck = match &peer.end {
        End::TimedOut { .. } => !peer.connected,
        End::Unreachable { .. } => false,
        End::Call(reason) => {
            matches!(reason, EndReason::NoOffer { .. } | EndReason::NoAnswer | EndReason::EngineFailed { .. })
        }
    };
    stuck && peer.relay_only && !has_candidates(peer)
}

/// What a peer knew, as facts.
fn known(peer: &PeerEvidence) -> Vec<String> {
    let mut known = vec![facts::candidates(peer)];
    known.extend(facts::checks(peer));
    match (peer.stun_configured, peer.turn_configured) {
        (false, false) => known.push(format!("{} had neither a STUN nor a TURN server", peer.name)),
        (true, false) => known.push(format!("{} had no TURN server", peer.name)),
        (_, true) => {}
    }
    if peer.relay_only {
        known.push(format!("{} was allowed relayed candidates only", peer.name));
    }
    known.extend(facts::probes(peer));
    known
}

fn turn(evidence: &Evidence) -> Option<Finding> {
    let troubles = evidence.peers.iter().flat_map(turn_troubles);
    let (peer, probe, trouble) = troubles.min_by_key(|(_, _, trouble)| trouble.rank)?;
    let why = format!("no path was found, and {} {}: {}", trouble.what, peer.name, probe.message);
    Some(finding(trouble.cause, &why))
}

/// What is wrong with a TURN server.
struct Trouble {
    /// The smaller, the more it says.
    rank: u8,
    cause: Cause,
    /// The beginning of a sentence that goes on with the peer's name.
    what: &'static str,
}

/// What is wrong with a peer's TURN servers; nothing while one of them works.
fn turn_troubles(peer: &PeerEvidence) -> Vec<(&PeerEvidence, &ProbeReport, Trouble)> {
    if probes(peer, "turn").any(|probe| probe.outcome == ProbeOutcome::Works) {
        return Vec::new();
    }
    // Whoever got a relayed address was let in: only what the relay reaches from there can still be wrong.
    let relayed = peer.candidates.iter().any(|candidate| candidate.local && candidate.kind == "relay");
    probes(peer, "turn")
        .filter(|probe| !relayed || probe.outcome == ProbeOutcome::PeerRefused)
        .filter_map(|probe| Some((peer, probe, trouble(probe.outcome)?)))
        .collect()
}

fn probes<'a>(peer: &'a PeerEvidence, scheme: &'static str) -> impl Iterator<Item = &'a ProbeReport> {
    peer.probes.iter().filter(move |probe| probe.url.starts_with(scheme))
}

fn trouble(outcome: ProbeOutcome) -> Option<Trouble> {
    let (rank, cause, what) = match outcome {
        ProbeOutcome::Works => return None,
        ProbeOutcome::LoginRefused => (0, Cause::TurnLoginRefused, "the TURN server refused the login of"),
        ProbeOutcome::Quota => (1, Cause::TurnQuota, "the TURN server had no room for"),
        ProbeOutcome::UnknownHost | ProbeOutcome::Unreachable => {
            (2, Cause::TurnUnreachable, "no answer came from the TURN server of")
        }
        // It answers, though not as a TURN server does: there is none to be reached.
        ProbeOutcome::Refused => (3, Cause::TurnUnreachable, "nothing can be made of the TURN server of"),
        ProbeOutcome::PeerRefused => (4, Cause::TurnPeerRefused, "the TURN server does not relay to the other side of"),
    };
    Some(Trouble { rank, cause, what })
}

fn stun(evidence: &Evidence) -> Option<Finding> {
    let (peer, probe) = evidence.peers.iter().filter(|peer| !peer.turn_configured).find_map(|peer| {
        let works = probes(peer, "stun").any(|probe| probe.outcome == ProbeOutcome::Works);
        Some((peer, probes(peer, "stun").next().filter(|_| !works)?))
    })?;
    let why = format!("no path was found, and the STUN server of {} cannot be used: {}", peer.name, probe.message);
    Some(finding(Cause::StunUnreachable, &why))
}

/// One side gathered candidates, and the other one knows none: no server could have helped. Only both reports tell.
fn undelivered(evidence: &Evidence) -> Option<Finding> {
    let (deaf, other) = evidence.peers.iter().filter(|peer| !knows_candidates(peer)).find_map(|deaf| {
        let other = evidence.peers.iter().find(|other| other.name != deaf.name && has_candidates(other))?;
        Some((deaf, other))
    })?;
    Some(nothing_to_connect_to(&format!("not one candidate of {} reached {}", other.name, deaf.name)))
}

fn without_candidates(evidence: &Evidence) -> Option<Finding> {
    if let Some(peer) = evidence.peers.iter().find(|peer| !has_candidates(peer)) {
        return Some(nothing_to_connect_to(&format!("{} gathered no candidate", peer.name)));
    }
    // With two reports at hand that would be `undelivered`: this is the one peer of a join.
    let peer = evidence.peers.iter().find(|peer| !knows_candidates(peer))?;
    Some(nothing_to_connect_to(&format!("the other side sent {} no candidate", peer.name)))
}

fn nothing_to_connect_to(why: &str) -> Finding {
    finding(Cause::NoCandidates, &format!("{why}, so there was nothing to connect to"))
}

fn has_candidates(peer: &PeerEvidence) -> bool {
    let told = matches!(peer.end, End::Call(EndReason::IceFailed { local_candidates: true, .. }));
    told || peer.candidates.iter().any(|candidate| candidate.local)
}

fn knows_candidates(peer: &PeerEvidence) -> bool {
    let told = matches!(peer.end, End::Call(EndReason::IceFailed { remote_candidates: true, .. }));
    told || peer.candidates.iter().any(|candidate| !candidate.local)
}

/// Both sides knew each other's addresses, asked, and were never answered. What one side alone knows is not enough to
/// say so: the other one may have a relay.
fn need_relay(evidence: &Evidence) -> Option<Finding> {
    let peers = &evidence.peers;
    let without_relay = peers.iter().all(|peer| !peer.turn_configured);
    // Where the engine kept no account of its pairs it has asked all the same: that is how ICE fails.
    let asked = peers.iter().all(|peer| peer.pairs.is_empty())
        || peers
            .iter()
            .flat_map(|peer| &peer.pairs)
            .any(|pair| pair.requests_sent > 0 || matches!(pair.state.as_str(), "in-progress" | "failed"));
    let answered = peers.iter().any(|peer| {
        facts::answered(peer) > 0 || peer.pairs.iter().any(|pair| pair.nominated || pair.state == "succeeded")
    });
    (peers.len() >= 2 && without_relay && asked && !answered).then(|| {
        let why = "neither side reaches the other one directly, and neither has a TURN relay to meet at";
        finding(Cause::NeedRelay, why)
    })
}
