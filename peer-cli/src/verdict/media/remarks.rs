//! What a person should know of media that is no fault.

use super::super::{Evidence, Wanted};
use super::content::{LEAST_PICTURES, is_partly_missing, tones};
use super::{MOST_QUIET_MS, long_lasting, picture_time, since};
use crate::report::{AudioReport, Direction, JudgeLevel, VideoReport};

/// About whatever came from a stranger, which may be meant so, and may be the fault looked for; and about our own tone
/// where it was heard for a part of the call only.
pub(in super::super) fn remarks(evidence: &Evidence) -> Vec<String> {
    let full = evidence.judge == JudgeLevel::Full;
    let mut remarks = Vec::new();
    for direction in &evidence.directions {
        if evidence.expected.video == Wanted::IfAny {
            remarks.extend(picture(direction, full));
            remarks.extend(sound(direction, full));
        }
        let ours = direction.audio.as_ref().filter(|_| full && evidence.expected.audio == Wanted::Ours);
        remarks.extend(ours.filter(|audio| is_partly_missing(audio)).and_then(|_| tones(direction)));
    }
    remarks
}

fn picture(direction: &Direction, full: bool) -> Option<String> {
    let from = &direction.from;
    let Some(video) = &direction.video else { return Some(format!("no video came from {from}")) };
    // What has ended while packets went on is no less gone.
    let quiet_ms = video.stream.quiet_ms.max(video.picture_quiet_ms.unwrap_or_default());
    if full && video.decoded > 0 && video.black == video.decoded {
        return Some(format!("all {} pictures from {from} are black", video.decoded));
    }
    if full && video.decoded >= LEAST_PICTURES && video.repeated >= video.decoded - 1 {
        return Some(format!("all {} pictures from {from} are the same", video.decoded));
    }
    gone("video", from, quiet_ms).or_else(|| turned(video, from))
}

/// Black or still from some time on.
fn turned(video: &VideoReport, from: &str) -> Option<String> {
    let lasting = |at_end| long_lasting(at_end, Wanted::IfAny, picture_time(video));
    let black = lasting(video.black_at_end).map(|end| format!("the picture from {from} was black {}", since(end)));
    black.or_else(|| Some(format!("the picture from {from} stood still {}", since(lasting(video.still_at_end)?))))
}

fn sound(direction: &Direction, full: bool) -> Option<String> {
    let from = &direction.from;
    let Some(audio) = &direction.audio else { return Some(format!("no audio came from {from}")) };
    if full && !audio.audible {
        return Some(format!("there was nothing to hear from {from}"));
    }
    let quiet_ms = audio.stream.quiet_ms.max(audio.sound_quiet_ms.unwrap_or_default());
    gone("audio", from, quiet_ms).or_else(|| fell_silent(audio, from))
}

fn fell_silent(audio: &AudioReport, from: &str) -> Option<String> {
    let silence = long_lasting(audio.silent_at_end, Wanted::IfAny, audio.seconds * 1000.0)?;
    Some(format!("the sound from {from} was silent {}", since(silence)))
}

fn gone(kind: &str, from: &str, quiet_ms: f64) -> Option<String> {
    let seconds = quiet_ms / 1000.0;
    (quiet_ms > MOST_QUIET_MS).then(|| format!("the last {kind} from {from} came {seconds:.1} s before the end"))
}
