//! Evidence in, one verdict out: does the call work, and if not, why and what to do.
//!
//! Causes are looked for in the order in which a call comes about: whoever could not reach the server cannot be blamed
//! for missing media. The first thing that is wrong is the verdict; the rest follows from it.

use serde::Serialize;

use crate::call::EndReason;
use crate::report::{Direction, PairReport, RelayReport, StreamReport};

mod cause;
mod end;
#[cfg(test)]
mod tests;

pub use cause::Cause;
pub use end::End;

/// Does the call work, and if not, why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether it works.
    pub ok: bool,
    /// The cause, as a stable code; `OK` when it works.
    pub code: Cause,
    /// The verdict in one sentence.
    pub sentence: String,
    /// What to do, in one sentence; absent when it works.
    pub remedy: Option<&'static str>,
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

/// Judges a run.
pub fn judge(evidence: &Evidence) -> Verdict {
    let found = early_end(evidence)
        .or_else(|| relay(evidence))
        .or_else(|| evidence.directions.iter().find_map(|direction| media(evidence, direction)));
    let (cause, sentence) = found.unwrap_or_else(|| (Cause::Ok, works(evidence)));
    Verdict { ok: cause == Cause::Ok, code: cause, sentence, remedy: cause.remedy(), exit_code: cause.exit_code() }
}

/// How long before the end of a call the last packet may have come; pictures come some thirty times a second.
const MOST_QUIET_MS: f64 = 1500.0;

type Finding = (Cause, String);

/// The peer that ended for a reason of its own. One that only saw the other one leave is asked last.
fn early_end(evidence: &Evidence) -> Option<Finding> {
    let mut ends: Vec<_> = evidence.peers.iter().filter(|peer| !is_good_end(peer)).collect();
    ends.sort_by_key(|peer| match &peer.end {
        End::Call(EndReason::HungUp | EndReason::PeerLeft) => 2,
        End::Call(EndReason::NobodyCame) => 1,
        End::Call(_) | End::Unreachable { .. } | End::TimedOut { .. } => 0,
    });
    let peer = ends.first()?;
    let cause = peer.end.cause();
    if cause == Cause::Interrupted {
        return Some((cause, "Stopped before media could flow: there is nothing to judge.".to_owned()));
    }
    let words = peer.end.words();
    let stop = if words.ends_with(['.', '?', '!']) { "" } else { "." };
    Some((cause, format!("The call does not work: {} {words}{stop}", peer.name)))
}

/// Hanging up, or being hung up on, once media could flow.
fn is_good_end(peer: &PeerEvidence) -> bool {
    peer.connected && matches!(peer.end, End::Call(EndReason::HungUp | EndReason::PeerLeft))
}

fn relay(evidence: &Evidence) -> Option<Finding> {
    if !evidence.expected.relay {
        return None;
    }
    let direct = evidence.peers.iter().find(|p| p.pair.as_ref().is_none_or(|pair| pair.local != "relay"));
    if let Some(peer) = direct {
        let local = peer.pair.as_ref().map_or("unknown", |pair| pair.local.as_str());
        let sentence =
            format!("The call was to go through the relay, and {}'s side of the pair is {local}.", peer.name);
        return Some((Cause::RelayNotUsed, sentence));
    }
    let relay = evidence.relay.as_ref()?;
    let received: u64 = evidence.directions.iter().map(received_bytes).sum();
    let carried = relay.bytes_to_clients.max(relay.bytes_to_peers);
    (carried < received).then(|| {
        let sentence = format!(
            "The call was to go through the relay, which counted {carried} bytes where the peers received {received}."
        );
        (Cause::RelayNotUsed, sentence)
    })
}

fn received_bytes(direction: &Direction) -> u64 {
    let video = direction.video.as_ref().map_or(0, |v| v.stream.bytes);
    let audio = direction.audio.as_ref().map_or(0, |a| a.stream.bytes);
    video + audio
}

fn media(evidence: &Evidence, direction: &Direction) -> Option<Finding> {
    let way = format!("from {} to {}", direction.from, direction.to);
    video(evidence, direction, &way).or_else(|| audio(evidence, direction, &way))
}

fn video(evidence: &Evidence, direction: &Direction, way: &str) -> Option<Finding> {
    let wanted = evidence.expected.video;
    let Some(video) = &direction.video else {
        if matches!(wanted, Wanted::Nothing | Wanted::IfAny) {
            return None;
        }
        let codec = evidence.peers.iter().any(|p| p.name == direction.from && p.no_common_codec);
        return Some(if codec {
            (Cause::NoCommonCodec, format!("No video goes {way}: both sides have no video codec in common."))
        } else {
            (Cause::NoMedia, format!("The path is up, and not one video packet came {way}."))
        });
    };
    if wanted == Wanted::Nothing {
        return None;
    }
    if video.decoded == 0 {
        let packets = video.stream.packets;
        return Some((
            Cause::NotDecodable,
            format!("{packets} video packets came {way}, and no picture could be decoded."),
        ));
    }
    if let Some(stopped) = stopped(&video.stream, "video", way).filter(|_| wanted != Wanted::IfAny) {
        return Some(stopped);
    }
    if wanted != Wanted::IfAny && video.black == video.decoded {
        return Some((Cause::BlackPicture, format!("All {} pictures {way} are black.", video.decoded)));
    }
    if wanted == Wanted::Ours && (video.wrong_peer > 0 || video.stamped == 0) {
        let what = if video.stamped == 0 { "do not carry the sender's stamp" } else { "carry another peer's stamp" };
        return Some((Cause::WrongPicture, format!("Pictures came {way}, and they {what}.")));
    }
    None
}

fn audio(evidence: &Evidence, direction: &Direction, way: &str) -> Option<Finding> {
    let wanted = evidence.expected.audio;
    let Some(audio) = &direction.audio else {
        let needed = !matches!(wanted, Wanted::Nothing | Wanted::IfAny);
        return needed.then(|| (Cause::NoMedia, format!("The path is up, and not one audio packet came {way}.")));
    };
    if matches!(wanted, Wanted::Nothing | Wanted::IfAny) {
        return None;
    }
    if audio.seconds <= 0.0 {
        let packets = audio.stream.packets;
        return Some((
            Cause::NotDecodable,
            format!("{packets} audio packets came {way}, and no sound could be decoded."),
        ));
    }
    if let Some(stopped) = stopped(&audio.stream, "audio", way) {
        return Some(stopped);
    }
    if !audio.audible {
        let level = audio.level_dbfs.map_or_else(|| "no level at all".to_owned(), |l| format!("{l:.0} dBFS"));
        return Some((Cause::Silence, format!("Sound came {way}, and there is nothing to hear in it ({level}).")));
    }
    let right = match (audio.expected_tone_hz, audio.tone_hz) {
        (None, _) => true,
        (Some(expected), Some(heard)) => (expected - heard).abs() <= expected * 0.03,
        (Some(_), None) => false,
    };
    if wanted == Wanted::Ours && !right {
        let heard = audio.tone_hz.map_or_else(|| "no clear tone".to_owned(), |hz| format!("{hz:.0} Hz"));
        let expected = audio.expected_tone_hz.unwrap_or_default();
        return Some((Cause::WrongTone, format!("The tone {way} should be {expected:.0} Hz, and {heard} was heard.")));
    }
    None
}

/// Media that came at first and then no more; a camera or a network that went away in mid-call.
fn stopped(stream: &StreamReport, kind: &str, way: &str) -> Option<Finding> {
    (stream.quiet_ms > MOST_QUIET_MS).then(|| {
        let seconds = stream.quiet_ms / 1000.0;
        (Cause::MediaStopped, format!("The {kind} {way} stopped {seconds:.1} s before the end of the call."))
    })
}

fn works(evidence: &Evidence) -> String {
    let relayed = if evidence.expected.relay { ", through the relay" } else { "" };
    if evidence.expected.video == Wanted::IfAny {
        let came = evidence.directions.first();
        let kinds = match came.map(|d| (d.video.is_some(), d.audio.as_ref().map(|audio| audio.audible))) {
            Some((true, Some(true))) => "decodable video and audible audio arrived",
            Some((true, Some(false))) => "decodable video and silence arrived",
            Some((true, None)) => "decodable video arrived, and no audio",
            Some((false, Some(true))) => "audible audio arrived, and no video",
            Some((false, Some(false))) => "silence arrived, and no video",
            Some((false, None)) | None => "the path was up, and the other side sent nothing",
        };
        return format!("The call works: {kinds}{relayed}.");
    }
    let kinds = match (evidence.expected.video, evidence.expected.audio) {
        (Wanted::Nothing, Wanted::Nothing) => "the path is up",
        (Wanted::Nothing, _) => "audible audio",
        (_, Wanted::Nothing) => "decodable video",
        _ => "decodable video and audible audio",
    };
    format!("The call works: {kinds} in both directions{relayed}.")
}
