//! Evidence in, one verdict out: does the call work, and if not, why and what to do.
//!
//! Causes are looked for in the order in which a call comes about: whoever could not reach the server cannot be blamed
//! for missing media. The first thing that is wrong is the verdict; the rest follows from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call::EndReason;
use crate::report::{
    CandidateReport, Checked, Direction, Interruption, JudgeLevel, PairReport, PairTried, ProbeReport, RelayReport,
};

mod cause;
mod end;
mod facts;
mod ice;
mod media;
mod remedy;
#[cfg(test)]
mod tests;

pub use cause::Cause;
pub use end::End;

/// Does the call work, and if not, why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Whether it works.
    pub ok: bool,
    /// The cause, as a stable code; `OK` when it works.
    pub code: Cause,
    /// The verdict in one sentence.
    pub sentence: String,
    /// What to do, in one sentence; absent when there is nothing to be done.
    pub remedy: Option<String>,
    /// What was measured and led to the verdict, each in a short sentence; at least one when the call does not work.
    /// When it does: the warnings.
    #[serde(default)]
    pub facts: Vec<String>,
    /// What the program exits with.
    pub exit_code: u8,
}

/// What is known about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// How the call went for each of our peers.
    pub peers: Vec<PeerEvidence>,
    /// What arrived; one entry for each of our peers, which is its receiver.
    pub directions: Vec<Direction>,
    /// What was to arrive.
    pub expected: Expected,
    /// What the embedded relay counted.
    pub relay: Option<RelayReport>,
    /// How closely the media was looked at; what was not looked at is not judged.
    pub judge: JudgeLevel,
}

/// How the call went for one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerEvidence {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub end: End,
    /// Whether media could flow at some time.
    pub connected: bool,
    /// The pair in use at the end.
    pub pair: Option<PairReport>,
    /// Whether it wanted to send video and found no codec in common.
    pub no_common_codec: bool,
    /// The same for audio.
    pub no_common_audio_codec: bool,
    /// The candidates of both sides that it knew.
    pub candidates: Vec<CandidateReport>,
    /// The pairs it tried.
    pub pairs: Vec<PairTried>,
    /// What it found out when it asked its STUN and TURN servers itself.
    pub probes: Vec<ProbeReport>,
    /// Whether it had a TURN server to use.
    pub turn_configured: bool,
    /// Whether it had a STUN server to use.
    pub stun_configured: bool,
    /// Whether it was allowed relayed candidates only.
    pub relay_only: bool,
    /// Whether signaling was lost after media flowed, and was not back at the end.
    pub signaling_lost: bool,
    /// From the moment when media could flow to the end of the call, in milliseconds; 0 when it never could.
    pub media_duration_ms: f64,
    /// When it could not flow meanwhile.
    pub interruptions: Vec<Interruption>,
}

/// What is to arrive in every direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Pictures.
    pub video: Wanted,
    /// Sound.
    pub audio: Wanted,
    /// Media through a relay at both ends.
    pub relay: bool,
}

/// How much is asked of one kind of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing; it may be missing.
    Nothing,
    /// Whatever comes must be decodable; coming is not needed.
    IfAny,
    /// It must come and be decodable and audible.
    Present,
    /// It must be our own test signal, from the right peer.
    Ours,
}

impl Wanted {
    /// Whether it has to come.
    fn must_come(self) -> bool {
        matches!(self, Self::Present | Self::Ours)
    }
}

/// Judges a run: exactly one cause, the first that is found in this order.
///
/// 1. **How the peers ended**, in the order of a call: server not reached, not joined, server lost, engine, no offer,
///    description refused, no answer, ICE, DTLS, path lost, out of time. Of two peers the one whose end comes earlier
///    in a call is named, since the other one's follows from it: an offer that never arrived leaves its sender without
///    an answer. A peer that only saw the other one leave, or nobody come, has no reason of its own and is asked last.
/// 2. **Why ICE failed** is asked of all peers, as any of them may hold the reason: TURN login refused, then quota,
///    then TURN unreachable (a server that did not take us says more than one that cannot be seen), then a relay that
///    refuses the other side's address; where there is no TURN, a silent STUN server; then a side without candidates;
///    then, only with both sides' reports at hand, that both need a relay and have none; else plain `ICE_FAILED`. A
///    peer with one working relay is not blamed for its other servers.
/// 3. **Whether the relay was used**, where that was asked for.
/// 4. **The media**, all directions at each step: not a packet (no common codec first), nothing decodable, stopped,
///    black, frozen or wrong pictures, silence, wrong tone. What [`JudgeLevel`] left out is not judged: `packets` knows
///    only whether packets came and stopped, `frames` also whether frames could be put together. A call too short to
///    tell is `INTERRUPTED`, never blamed. Pictures that turn black or still in mid-call, and sound that falls silent,
///    count where that lasts until the end: for 2 s where it was to be our own test signal, which never does; of other
///    content for 5 s and half of all, or for nearly all. Of a stranger, who may have muted it, it is a remark.
/// 5. **Signaling lost in mid-call**, which media does not notice: a warning.
///
/// Expectations are held against the verdict by [`Verdict::with_expectations`].
pub fn judge(evidence: &Evidence) -> Verdict {
    let found = early_end(evidence)
        .or_else(|| relay(evidence))
        .or_else(|| media::find(evidence))
        .or_else(|| signaling_lost(evidence));
    let Finding { cause, sentence, mut facts } =
        found.unwrap_or_else(|| Finding::new(Cause::Ok, format!("{}.", media::works(evidence))));
    if cause == Cause::Ok {
        facts.extend(media::remarks(evidence));
    }
    facts.extend(evidence.directions.iter().flat_map(|direction| direction.remarks.iter().cloned()));
    facts.extend(evidence.peers.iter().flat_map(facts::interruptions));
    Verdict::new(Finding { cause, sentence, facts })
}

impl Verdict {
    fn new(Finding { cause, sentence, facts }: Finding) -> Self {
        let remedy = cause.remedy().map(str::to_owned);
        Self { ok: cause.is_ok(), code: cause, sentence, remedy, facts, exit_code: cause.exit_code() }
    }

    /// The same verdict, held against what was asked for of one call or of several together: one that is good, be it with
    /// a warning, turns into `QUALITY_BELOW_EXPECTED` where an expectation is missed, and takes up the warnings where
    /// not. What is worse stays as it is.
    #[must_use]
    pub fn with_expectations(mut self, expectations: &[Checked]) -> Self {
        if !self.ok {
            return self;
        }
        match quality(expectations) {
            Some(mut missed) => {
                missed.facts.append(&mut self.facts);
                Self::new(missed)
            }
            None => {
                self.facts.extend(facts::missed(expectations, true));
                self
            }
        }
    }
}

/// A cause, its sentence, and what it rests on.
struct Finding {
    cause: Cause,
    sentence: String,
    facts: Vec<String>,
}

impl Finding {
    fn new(cause: Cause, sentence: String) -> Self {
        Self { cause, sentence, facts: Vec::new() }
    }

    fn with(self, facts: impl IntoIterator<Item = String>) -> Self {
        Self { facts: facts.into_iter().collect(), ..self }
    }
}

/// The peer whose end explains the others', where one ended badly.
fn early_end(evidence: &Evidence) -> Option<Finding> {
    let peer = evidence.peers.iter().filter(|peer| !is_good_end(peer)).min_by_key(|peer| peer.end.rank())?;
    if let Some(finding) = ice::find(evidence, peer) {
        return Some(finding);
    }
    let cause = peer.end.cause();
    let facts = evidence.peers.iter().flat_map(facts::end);
    if cause == Cause::Interrupted {
        let sentence = "Stopped before media could flow: there is nothing to judge.".to_owned();
        return Some(Finding::new(cause, sentence).with(facts));
    }
    Some(Finding::new(cause, facts::does_not_work(&format!("{} {}", peer.name, peer.end.words()))).with(facts))
}

/// Hanging up, or being hung up on, once media could flow.
fn is_good_end(peer: &PeerEvidence) -> bool {
    peer.connected && matches!(peer.end, End::Call(EndReason::HungUp | EndReason::PeerLeft))
}

fn relay(evidence: &Evidence) -> Option<Finding> {
    if !evidence.expected.relay {
        return None;
    }
    let pairs = evidence.peers.iter().map(facts::pair);
    let direct = evidence.peers.iter().find(|p| p.pair.as_ref().is_none_or(|pair| pair.local != "relay"));
    if let Some(peer) = direct {
        let local = peer.pair.as_ref().map_or("unknown", |pair| pair.local.as_str());
        let sentence =
            format!("The call was to go through the relay, and {}'s side of the pair is {local}.", peer.name);
        return Some(Finding::new(Cause::RelayNotUsed, sentence).with(pairs));
    }
    let relay = evidence.relay.as_ref()?;
    let received: u64 = evidence.directions.iter().map(received_bytes).sum();
    let carried = relay.bytes_to_clients.max(relay.bytes_to_peers);
    (carried < received).then(|| {
        let sentence = format!(
            "The call was to go through the relay, which counted {carried} bytes where the peers received {received}."
        );
        let counted = format!(
            "the relay counted {} allocations, {} bytes to peers and {} bytes to clients",
            relay.allocations, relay.bytes_to_peers, relay.bytes_to_clients
        );
        Finding::new(Cause::RelayNotUsed, sentence).with(std::iter::once(counted).chain(pairs))
    })
}

fn received_bytes(direction: &Direction) -> u64 {
    let video = direction.video.as_ref().map_or(0, |v| v.stream.bytes);
    let audio = direction.audio.as_ref().map_or(0, |a| a.stream.bytes);
    video + audio
}

fn quality(expectations: &[Checked]) -> Option<Finding> {
    let missed: Vec<_> = facts::missed(expectations, false).collect();
    let first = missed.first()?.trim_end_matches('.');
    let more = match missed.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let sentence = format!("The call works, but not as well as was asked: {first}{more}.");
    let warnings = facts::missed(expectations, true);
    Some(Finding::new(Cause::QualityBelowExpected, sentence).with(missed.into_iter().chain(warnings)))
}

fn signaling_lost(evidence: &Evidence) -> Option<Finding> {
    let lost: Vec<_> = evidence.peers.iter().filter(|peer| peer.signaling_lost).collect();
    if lost.is_empty() {
        return None;
    }
    let names: Vec<_> = lost.iter().map(|peer| peer.name.as_str()).collect();
    let sentence = format!(
        "{}; meanwhile the signaling server was lost ({}), and was not back at the end.",
        media::works(evidence),
        names.join(", ")
    );
    let facts = lost.iter().map(|peer| {
        let seconds = peer.media_duration_ms / 1000.0;
        format!("{} had media for {seconds:.1} s and no signaling server at the end", peer.name)
    });
    Some(Finding::new(Cause::SignalingLostInCall, sentence).with(facts))
}
