//! The cases of what arrived: each kind of media in each direction is judged by itself, as the verdict on the whole names
//! only the first thing that is wrong.

use quick_junit::{TestCase, TestCaseStatus};

use super::{case, clean, failure, skipped};
use crate::call::EndReason;
use crate::report::terminal::direction::{absence, heard, picture_quality, seen, sound_quality};
use crate::report::{Direction, PeerReport, Report};
use crate::verdict::{self, Cause, End, Evidence, Expected, PeerEvidence, Verdict, Wanted};

/// One for the pictures and one for the sound.
pub(super) fn cases(report: &Report, direction: &Direction) -> [TestCase; 2] {
    let video = direction.video.as_ref().map(|video| {
        let words = [seen(video, report.judge), picture_quality(video, report.judge)].concat();
        words.join("; ")
    });
    let audio = direction.audio.as_ref().map(|audio| {
        let words = [heard(audio, report.judge), sound_quality(audio, direction, report.judge)].concat();
        words.join("; ")
    });
    let (video_wanted, audio_wanted) = wanted(report, direction);
    let only_video = Expected { video: video_wanted, audio: Wanted::Nothing, relay: false };
    let only_audio = Expected { video: Wanted::Nothing, audio: audio_wanted, relay: false };
    let sent = report.peer(&direction.from).map(|peer| &peer.sent);
    [
        kind(report, direction, ("video", sent.map(|sent| sent.video.is_some())), video, only_video),
        kind(report, direction, ("audio", sent.map(|sent| sent.audio.is_some())), audio, only_audio),
    ]
}

/// `sent`: whether the sender had a source, where that is known; `found`: the figures in words.
fn kind(
    report: &Report,
    direction: &Direction,
    (name, sent): (&str, Option<bool>),
    found: Option<String>,
    expected: Expected,
) -> TestCase {
    let status = match (fault(report, direction, expected), &found) {
        (Some(fault), _) => failure(&fault),
        (None, Some(_)) => TestCaseStatus::success(),
        (None, None) => skipped(absence(sent)),
    };
    let took_ms = report.peer(&direction.to).map_or(0.0, media_ms);
    let mut case = case(&format!("{name} from {} to {}", direction.from, direction.to), "media", status, took_ms);
    if let Some(words) = found {
        case.set_system_out(clean(&words));
    }
    case
}

/// What the verdict would be if this kind of media in this direction were all there is. Only a call that failed for its
/// media is looked at: where it failed earlier, media that did not come is no fault of its own.
fn fault(report: &Report, direction: &Direction, expected: Expected) -> Option<Verdict> {
    // The exit codes for media that did not come, or not as expected.
    if !matches!(report.verdict.exit_code, 15 | 16) {
        return None;
    }
    let evidence = Evidence {
        peers: report.peers.iter().map(peer).collect(),
        directions: vec![direction.clone()],
        expected,
        relay: None,
        judge: report.judge,
    };
    let alone = verdict::judge(&evidence);
    // Which codecs the sound had in common is known to the verdict alone.
    if alone.code == Cause::NoMedia && report.verdict.code == Cause::NoCommonCodec {
        return Some(report.verdict.clone());
    }
    // Too short to tell is no fault.
    (!alone.ok && alone.code != Cause::Interrupted).then_some(alone)
}

/// A peer whose part went well, as it does where media is what is wrong.
fn peer(peer: &PeerReport) -> PeerEvidence {
    PeerEvidence {
        name: peer.name.clone(),
        end: End::Call(EndReason::HungUp),
        connected: true,
        pair: peer.pair.clone(),
        no_common_codec: peer.sent.video.is_some() && peer.sent.video_codec.is_none(),
        no_common_audio_codec: false,
        candidates: Vec::new(),
        pairs: Vec::new(),
        probes: Vec::new(),
        turn_configured: false,
        stun_configured: false,
        relay_only: false,
        signaling_lost: false,
        media_duration_ms: media_ms(peer),
        interruptions: peer.interruptions.clone(),
    }
}

/// From the moment when media could flow to the peer's last milestone.
fn media_ms(peer: &PeerReport) -> f64 {
    let connected = peer.phases.iter().find(|stamp| stamp.phase == "connected");
    let length = connected.zip(peer.phases.last()).map(|(from, to)| to.at_ms - from.at_ms);
    length.unwrap_or_default().max(0.0)
}

/// What was asked of the pictures and of the sound, as far as a report tells: what one of our peers sent had to come, our
/// own test signal as such, and what somebody else sends need not.
fn wanted(report: &Report, direction: &Direction) -> (Wanted, Wanted) {
    let Some(sender) = report.peer(&direction.from) else {
        return (Wanted::IfAny, Wanted::IfAny);
    };
    let video = match sender.sent.video.as_deref() {
        None => Wanted::Nothing,
        Some(source) if source.starts_with("pattern ") || source.starts_with("live ") => Wanted::Ours,
        Some(_) => Wanted::Present,
    };
    let tone = direction.audio.as_ref().and_then(|audio| audio.expected_tone_hz);
    let audio = match (&sender.sent.audio, tone) {
        (None, _) => Wanted::Nothing,
        (Some(_), Some(_)) => Wanted::Ours,
        (Some(_), None) => Wanted::Present,
    };
    (video, audio)
}
