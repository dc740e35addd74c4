//! What pictures show and what sound holds.

use super::{Cause, Finding, LEAST_LASTING_MS, Look, Wanted, long_lasting, picture_time, since};
use crate::report::{AudioReport, Direction, JudgeLevel, ToneStretch};

/// A file may well begin black, and a picture may well stand still for a moment.
pub(super) const LEAST_PICTURES: u64 = 10;
/// The stamp's check lets one damaged picture in some hundred pass, so one strange stamp among many proves nothing...
const FEW_WRONG: u64 = 3;
/// ...unless there are hardly others: it counts from one in so many on.
const WRONG_SHARE: u64 = 10;
/// Less sound than this has neither a level nor a tone worth the name.
const LEAST_SECONDS: f64 = 0.5;
/// A tone may be off by this: the tones of neighbouring calls are 4 Hz apart, and one is measured to a tenth of a hertz.
const TONE_HZ: f64 = 1.9;
/// Stretches that are told; nobody reads more.
const MOST_TONES: usize = 6;
/// Sound with more holes than this is broken rather than another call's, when no tone is heard in it.
const MOST_BROKEN_PERCENT: f64 = 5.0;
/// With more holes than this nobody understands a word.
const RUINED_PERCENT: f64 = 40.0;

/// Pictures with nothing on them, always the same, or not the ones that were sent.
pub(super) fn wrong_picture(look: &Look<'_>) -> Option<Finding> {
    let wanted = look.evidence.expected.video;
    let video = look.video().filter(|_| wanted.must_come() && look.evidence.judge == JudgeLevel::Full)?;
    let (pictures, way) = (video.decoded, &look.way);
    let fact = format!(
        "of {pictures} pictures {way}, {} were black, {} the same as the one before, {} stamped, {} of these by \
         another peer",
        video.black, video.repeated, video.stamped, video.wrong_peer
    );
    let enough = pictures >= LEAST_PICTURES;
    if video.black == pictures && (enough || wanted == Wanted::Ours) {
        return look.finding(Cause::BlackPicture, format!("All {pictures} pictures {way} are black."), fact);
    }
    if let Some(black) = long_lasting(video.black_at_end, wanted, picture_time(video)) {
        let sentence = format!("The picture {way} was black {}.", since(black));
        return look.finding(Cause::BlackPicture, sentence, fact);
    }
    if enough && video.repeated >= pictures - 1 {
        let sentence = format!("All {pictures} pictures {way} are the same.");
        return look.finding(Cause::FrozenPicture, sentence, fact);
    }
    if let Some(still) = long_lasting(video.still_at_end, wanted, picture_time(video)) {
        let sentence = format!("The picture {way} stood still {}.", since(still));
        return look.finding(Cause::FrozenPicture, sentence, fact);
    }
    if wanted != Wanted::Ours {
        return None;
    }
    let strange = video.wrong_peer >= FEW_WRONG
        || (video.wrong_peer > 0 && video.wrong_peer.saturating_mul(WRONG_SHARE) >= video.stamped);
    let what = match (video.stamped, strange) {
        (0, _) => "do not carry the sender's stamp",
        (_, true) => "carry another peer's stamp",
        (_, false) => return None,
    };
    look.finding(Cause::WrongPicture, format!("Pictures came {way}, and they {what}."), fact)
}

/// Nothing to hear, or not what was sent.
pub(super) fn wrong_sound(look: &Look<'_>) -> Option<Finding> {
    let full = look.evidence.judge == JudgeLevel::Full;
    let audio = look.audio().filter(|audio| full && audio.seconds >= LEAST_SECONDS)?;
    let level = audio.level_dbfs.map_or_else(|| "no level at all".to_owned(), |l| format!("{l:.0} dBFS"));
    let fact = format!("{:.1} s of sound came {}, at {level}", audio.seconds, look.way);
    if !audio.audible {
        let sentence = format!("Sound came {}, and there is nothing to hear in it ({level}).", look.way);
        return look.finding(Cause::Silence, sentence, fact);
    }
    let wanted = look.evidence.expected.audio;
    if let Some(silence) = long_lasting(audio.silent_at_end, wanted, audio.seconds * 1000.0) {
        let sentence = format!("The sound {} was silent {}.", look.way, since(silence));
        return look.finding(Cause::Silence, sentence, fact);
    }
    let expected = audio.expected_tone_hz.filter(|_| wanted == Wanted::Ours)?;
    let is_right = |hz: f64| (expected - hz).abs() <= TONE_HZ;
    let other = audio.tones.iter().find(|tone| tone.hz.is_some_and(|hz| !is_right(hz)) && is_long(tone));
    let heard = match (audio.tone_hz, other.and_then(|tone| tone.hz)) {
        (Some(heard), None) if is_right(heard) => return None,
        (Some(heard), Some(other)) if is_right(heard) => format!("{other:.0} Hz was heard for a part of it"),
        (Some(heard), _) => format!("{heard:.0} Hz was heard"),
        (None, Some(other)) => format!("{other:.0} Hz was heard for a part of it"),
        (None, None) if is_broken(audio, RUINED_PERCENT) => {
            let loss = audio.stream.loss_percent;
            let sentence = format!(
                "So much of the sound {} is missing that its tone cannot be made out ({loss:.0} % lost).",
                look.way
            );
            return look.finding(Cause::NotDecodable, sentence, fact);
        }
        (None, None) if is_broken(audio, MOST_BROKEN_PERCENT) => return None,
        (None, None) => "no clear tone was heard".to_owned(),
    };
    let sentence = format!("The tone {} should be {expected:.0} Hz, and {heard}.", look.way);
    let mut finding = look.finding(Cause::WrongTone, sentence, fact)?;
    finding.facts.extend(tones(look.direction));
    Some(finding)
}

/// Which tone was heard when.
pub(super) fn tones(direction: &Direction) -> Option<String> {
    let all = &direction.audio.as_ref()?.tones;
    let mut words: Vec<_> = all.iter().take(MOST_TONES).map(stretch).collect();
    match all.len().saturating_sub(MOST_TONES) {
        0 => {}
        more => words.push(format!("and {more} stretches more")),
    }
    let Direction { from, to, .. } = direction;
    (!words.is_empty()).then(|| format!("heard from {from} to {to}, in seconds after the start: {}", words.join(", ")))
}

fn stretch(tone: &ToneStretch) -> String {
    let heard = tone.hz.map_or_else(|| "no clear tone".to_owned(), |hz| format!("{hz:.1} Hz"));
    format!("{heard} from {:.1} to {:.1}", tone.from_ms / 1000.0, tone.until_ms / 1000.0)
}

/// Our own tone as a listener heard it: whether it was missing for long enough to be worth a remark.
pub(super) fn is_partly_missing(audio: &AudioReport) -> bool {
    let Some(expected) = audio.expected_tone_hz else { return false };
    let is_missing = |tone: &&ToneStretch| tone.hz.is_none_or(|hz| (expected - hz).abs() > TONE_HZ);
    audio.tones.iter().filter(is_missing).any(is_long)
}

fn is_long(tone: &ToneStretch) -> bool {
    tone.until_ms - tone.from_ms >= LEAST_LASTING_MS
}

fn is_broken(audio: &AudioReport, percent: f64) -> bool {
    audio.stream.loss_percent > percent || audio.gap_ms > audio.seconds * 10.0 * percent
}
