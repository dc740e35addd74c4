//! What was measured, in short sentences with numbers.

use super::{End, Evidence, PeerEvidence};
use crate::call::EndReason;
use crate::report::{Checked, Direction};

/// The kinds of candidates in the order of their worth (RFC 8445 section 5.1.2.2).
const KINDS: [&str; 4] = ["host", "prflx", "srflx", "relay"];

/// The verdict on a call that did not come about.
pub(super) fn does_not_work(why: &str) -> String {
    let stop = if why.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("The call does not work: {why}{stop}")
}

/// How a peer's part ended, and how far it had come.
pub(super) fn end(peer: &PeerEvidence) -> Vec<String> {
    let mut facts = vec![format!("{} {}", peer.name, peer.end.words().trim_end_matches('.'))];
    if peer.connected {
        facts.push(format!("{} had a path for media for {:.1} s", peer.name, peer.media_duration_ms / 1000.0));
    }
    if had_a_path(&peer.end) {
        if peer.pair.is_some() {
            facts.push(pair(peer));
        }
        facts.push(candidates(peer));
        facts.extend(checks(peer));
        facts.extend(probes(peer));
    }
    facts
}

fn had_a_path(end: &End) -> bool {
    match end {
        End::Call(reason) => matches!(
            reason,
            EndReason::DtlsTimedOut | EndReason::DtlsFailed | EndReason::DtlsRefused { .. } | EndReason::IceLost
        ),
        End::Unreachable { .. } | End::TimedOut { .. } => false,
    }
}

/// The pair that carried the media.
pub(super) fn pair(peer: &PeerEvidence) -> String {
    match &peer.pair {
        Some(pair) => format!(
            "{}'s pair was {} {} -> {} {}, with {} bytes sent and {} received",
            peer.name,
            pair.local,
            pair.local_address,
            pair.remote,
            pair.remote_address,
            pair.bytes_sent,
            pair.bytes_received
        ),
        None => format!("{}'s pair is not known", peer.name),
    }
}

/// Which candidates a peer had, and which of the other side it knew.
pub(super) fn candidates(peer: &PeerEvidence) -> String {
    let listed = |local: bool| {
        let of = |kind: &str| peer.candidates.iter().filter(|c| c.local == local && c.kind == kind).count();
        let counts = KINDS.map(|kind| (kind, of(kind)));
        let words: Vec<_> = counts.iter().filter(|(_, n)| *n > 0).map(|(kind, n)| format!("{n} {kind}")).collect();
        if words.is_empty() { "no".to_owned() } else { words.join(" and ") }
    };
    format!(
        "{} gathered {} candidates and knew {} candidates of the other side",
        peer.name,
        listed(true),
        listed(false)
    )
}

/// How many connectivity checks were sent and answered; nothing where the engine kept no account of them.
pub(super) fn checks(peer: &PeerEvidence) -> Option<String> {
    let (tried, sent, answered) = (peer.pairs.len(), sent(peer), answered(peer));
    (tried > 0).then(|| format!("{} tried {tried} candidate pairs: {sent} checks sent, {answered} answered", peer.name))
}

/// What its servers said when they were asked directly.
pub(super) fn probes(peer: &PeerEvidence) -> impl Iterator<Item = String> {
    peer.probes.iter().map(|probe| {
        format!("{} asked itself: {}, after {:.0} ms", peer.name, probe.message.trim_end_matches('.'), probe.took_ms)
    })
}

/// Connectivity checks sent over all pairs.
fn sent(peer: &PeerEvidence) -> u64 {
    peer.pairs.iter().map(|pair| pair.requests_sent).sum()
}

/// Connectivity checks answered over all pairs.
pub(super) fn answered(peer: &PeerEvidence) -> u64 {
    peer.pairs.iter().map(|pair| pair.responses_received).sum()
}

/// How many packets of a kind came which way.
pub(super) fn packets(evidence: &Evidence, kind: &str, of: impl Fn(&Direction) -> Option<u64>) -> String {
    let mut counts = evidence
        .directions
        .iter()
        .map(|direction| (of(direction).unwrap_or_default(), format!("from {} to {}", direction.from, direction.to)));
    let mut fact = match counts.next() {
        Some((count, way)) => format!("{count} {kind} packets came {way}"),
        None => format!("no {kind} packets came"),
    };
    for (count, way) in counts {
        fact.push_str(&format!(", {count} {way}"));
    }
    fact
}

/// The expectations that were missed, warnings or the others, each in one sentence.
pub(super) fn missed(expectations: &[Checked], warning: bool) -> impl Iterator<Item = String> {
    let missed = expectations.iter().filter(move |checked| !checked.ok && checked.warning == warning);
    missed.map(move |checked| {
        let words = if checked.message.is_empty() { &checked.text } else { &checked.message };
        if warning { format!("warning: {words}") } else { words.clone() }
    })
}

/// When media could not flow though it did before, and for how long.
pub(super) fn interruptions(peer: &PeerEvidence) -> impl Iterator<Item = String> {
    peer.interruptions.iter().map(|gone| {
        let why = match (gone.network_changed, gone.relay_lost) {
            (true, _) => ", when its network changed",
            (false, true) => ", when the connection to its relay broke",
            (false, false) => "",
        };
        let until = if gone.recovered { "until media could flow again" } else { "until the end" };
        let (name, at, length) = (&peer.name, gone.at_ms / 1000.0, gone.ms / 1000.0);
        format!("{name} lost its path for media at {at:.1} s{why}; it took {length:.1} s {until}")
    })
}
