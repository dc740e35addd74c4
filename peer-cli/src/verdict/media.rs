//! What is wrong with the media, if anything: all directions at each step, and the steps in the order in which one
//! thing needs the other.

use super::{Cause, Evidence, Finding, Wanted, facts};
use crate::report::{AudioReport, Direction, JudgeLevel, StreamReport, VideoReport};

const MOSTLY: &str = "most pictures could not be decoded";
/// Before this nothing is missing yet: the first packet of a busy machine may take its time.
const LEAST_TO_MISS_MS: f64 = 1000.0;
/// Before this a lost first key frame may not have been sent again yet.
const LEAST_TO_DECODE_MS: f64 = 2000.0;
/// How long before the end of a call the last packet may have come; sound comes fifty times a second.
const MOST_QUIET_MS: f64 = 1500.0;
/// For pictures so many times the time from one to the next, where that is longer: a source may be slow by intent.
const MOST_QUIET_PICTURES: f64 = 3.0;
/// A file may well begin black, and a picture may well stand still for a moment.
const LEAST_PICTURES: u64 = 10;
/// The stamp's check lets one damaged picture in some hundred pass, so one strange stamp among many proves nothing...
const FEW_WRONG: u64 = 3;
/// ...unless there are hardly others: it counts from one in so many on.
const WRONG_SHARE: u64 = 10;
/// Less sound than this has neither a level nor a tone worth the name.
const LEAST_SECONDS: f64 = 0.5;
/// A tone may be off by this share, or by [`TONE_HZ`] where that is more.
const TONE_SHARE: f64 = 0.01;
const TONE_HZ: f64 = 3.0;
/// Sound with more holes than this is broken rather than another call's, when no tone is heard in it.
const MOST_BROKEN_PERCENT: f64 = 5.0;
/// With more holes than this nobody understands a word.
const RUINED_PERCENT: f64 = 40.0;

/// The first thing that is wrong.
pub(super) fn find(evidence: &Evidence) -> Option<Finding> {
    let steps: [fn(&Look<'_>) -> Option<Finding>; 4] = [undecodable, stopped, wrong_picture, wrong_sound];
    let looks: Vec<_> = evidence.directions.iter().map(|direction| Look::new(evidence, direction)).collect();
    missing(evidence, &looks).or_else(|| steps.iter().find_map(|step| looks.iter().find_map(step)))
}

/// That the call works, and what that means here; without the full stop.
pub(super) fn works(evidence: &Evidence) -> String {
    let relayed = if evidence.expected.relay { ", through the relay" } else { "" };
    let (video, audio) = match evidence.judge {
        JudgeLevel::Packets => ("video packets", "audio packets"),
        JudgeLevel::Frames => ("whole video frames", "audio packets"),
        JudgeLevel::Full => ("decodable video", "audible audio"),
    };
    if evidence.expected.video == Wanted::IfAny {
        let came = evidence.directions.first();
        let heard = |heard: &AudioReport| heard.audible || evidence.judge != JudgeLevel::Full;
        let kinds = match came.map(|d| (d.video.is_some(), d.audio.as_ref().map(heard))) {
            Some((true, Some(true))) => format!("{video} and {audio} arrived"),
            Some((true, Some(false))) => format!("{video} and silence arrived"),
            Some((true, None)) => format!("{video} arrived, and no audio"),
            Some((false, Some(true))) => format!("{audio} arrived, and no video"),
            Some((false, Some(false))) => "silence arrived, and no video".to_owned(),
            Some((false, None)) | None => "the path was up, and the other side sent nothing".to_owned(),
        };
        return format!("The call works: {kinds}{relayed}");
    }
    let kinds = match (evidence.expected.video, evidence.expected.audio) {
        (Wanted::Nothing, Wanted::Nothing) => "the path is up".to_owned(),
        (Wanted::Nothing, _) => audio.to_owned(),
        (_, Wanted::Nothing) => video.to_owned(),
        _ => format!("{video} and {audio}"),
    };
    format!("The call works: {kinds} in both directions{relayed}")
}

/// What a person should know of media that was not asked for: it may be meant so, and it may be the fault looked for.
pub(super) fn remarks(evidence: &Evidence) -> Vec<String> {
    let mut remarks = Vec::new();
    if evidence.expected.video != Wanted::IfAny {
        return remarks;
    }
    let full = evidence.judge == JudgeLevel::Full;
    for direction in &evidence.directions {
        let from = &direction.from;
        match &direction.video {
            None => remarks.push(format!("no video came from {from}")),
            Some(video) if full && video.decoded > 0 && video.black == video.decoded => {
                remarks.push(format!("all {} pictures from {from} are black", video.decoded));
            }
            Some(video) if full && video.decoded >= LEAST_PICTURES && video.repeated >= video.decoded - 1 => {
                remarks.push(format!("all {} pictures from {from} are the same", video.decoded));
            }
            Some(video) => remarks.extend(
                quiet(&video.stream, MOST_QUIET_MS)
                    .map(|seconds| format!("the last video from {from} came {seconds:.1} s before the end")),
            ),
        }
        match &direction.audio {
            None => remarks.push(format!("no audio came from {from}")),
            Some(audio) if full && !audio.audible => remarks.push(format!("there was nothing to hear from {from}")),
            Some(audio) => remarks.extend(
                quiet(&audio.stream, MOST_QUIET_MS)
                    .map(|seconds| format!("the last audio from {from} came {seconds:.1} s before the end")),
            ),
        }
    }
    remarks
}

/// One direction, with what is needed to judge it.
struct Look<'a> {
    evidence: &'a Evidence,
    direction: &'a Direction,
    way: String,
    /// How long both ends had a path, in milliseconds.
    time_ms: f64,
}

impl<'a> Look<'a> {
    fn new(evidence: &'a Evidence, direction: &'a Direction) -> Self {
        let at_end = |name: &str| evidence.peers.iter().find(|p| p.name == name).map(|p| p.media_duration_ms);
        let times = [at_end(&direction.from), at_end(&direction.to)];
        let time_ms = times.into_iter().flatten().fold(f64::INFINITY, f64::min);
        let way = format!("from {} to {}", direction.from, direction.to);
        Self { evidence, direction, way, time_ms }
    }

    fn lacks_video(&self) -> bool {
        self.evidence.expected.video.must_come() && self.direction.video.is_none()
    }

    fn lacks_audio(&self) -> bool {
        self.evidence.expected.audio.must_come() && self.direction.audio.is_none()
    }

    /// Whether something was to come, and nothing at all did.
    fn lacks_all(&self) -> bool {
        (self.lacks_video() || self.lacks_audio()) && !has_any(self.direction)
    }

    fn video(&self) -> Option<&'a VideoReport> {
        self.direction.video.as_ref().filter(|_| self.evidence.expected.video != Wanted::Nothing)
    }

    fn audio(&self) -> Option<&'a AudioReport> {
        self.direction.audio.as_ref().filter(|_| self.evidence.expected.audio.must_come())
    }

    fn finding(&self, cause: Cause, sentence: String, fact: String) -> Option<Finding> {
        Some(Finding::new(cause, sentence).with([fact].into_iter().chain(counts(self.evidence))))
    }

    /// Nothing can be told of a call that was over so soon.
    fn too_short(&self, what: &str) -> Option<Finding> {
        let seconds = self.time_ms / 1000.0;
        let sentence = format!(
            "Stopped {seconds:.1} s after media could flow, before anything could be judged: {what} {} yet.",
            self.way
        );
        self.finding(Cause::Interrupted, sentence, format!("there was a path {} for {seconds:.1} s", self.way))
    }
}

/// The packets of each kind and way.
fn counts(evidence: &Evidence) -> [String; 2] {
    [
        facts::packets(evidence, "video", |d| Some(d.video.as_ref()?.stream.packets)),
        facts::packets(evidence, "audio", |d| Some(d.audio.as_ref()?.stream.packets)),
    ]
}

/// Not a packet: of which kind, and which way.
fn missing(evidence: &Evidence, looks: &[Look<'_>]) -> Option<Finding> {
    let first = looks.iter().find(|look| look.lacks_video() || look.lacks_audio())?;
    for look in looks {
        let sender = evidence.peers.iter().find(|peer| peer.name == look.direction.from);
        let video = look.lacks_video() && sender.is_some_and(|peer| peer.no_common_codec);
        let audio = look.lacks_audio() && sender.is_some_and(|peer| peer.no_common_audio_codec);
        if video || audio {
            let kind = if video { "video" } else { "audio" };
            let sentence = format!("No {kind} goes {}: both sides have no {kind} codec in common.", look.way);
            let fact = format!("{} had {kind} to send, and no codec for it that both sides know", look.direction.from);
            return look.finding(Cause::NoCommonCodec, sentence, fact);
        }
    }
    if let Some(look) = looks.iter().find(|look| look.lacks_all()) {
        let dead: Vec<_> = looks.iter().filter(|look| look.lacks_all()).collect();
        let alive = looks.iter().find(|look| !look.lacks_all() && has_any(look.direction));
        return absent(look, "packet", &dead, alive);
    }
    let kind = if first.lacks_video() { "video packet" } else { "audio packet" };
    let lacks = |look: &&Look<'_>| if first.lacks_video() { look.lacks_video() } else { look.lacks_audio() };
    let dead: Vec<_> = looks.iter().filter(lacks).collect();
    absent(first, kind, &dead, None)
}

fn has_any(direction: &Direction) -> bool {
    direction.video.is_some() || direction.audio.is_some()
}

/// `dead`: the directions in which it is missing; `alive`: one in which media came.
fn absent(look: &Look<'_>, what: &str, dead: &[&Look<'_>], alive: Option<&Look<'_>>) -> Option<Finding> {
    // As long as one of the dead directions was not there long enough, nothing is proved of the others either.
    if let Some(short) = dead.iter().find(|look| look.time_ms < LEAST_TO_MISS_MS) {
        return short.too_short(&format!("no {what} came"));
    }
    let ways: Vec<_> = dead.iter().map(|look| look.way.as_str()).collect();
    let mut sentence = match &ways[..] {
        [] | [_] => format!("The path is up, and not one {what} came {}", look.way),
        several => format!("The path is up, and not one {what} came, neither {}", several.join(" nor ")),
    };
    if let Some(alive) = alive {
        sentence.push_str(&format!(", while media came {}", alive.way));
    }
    let seconds = look.time_ms / 1000.0;
    look.finding(Cause::NoMedia, sentence + ".", format!("there was a path {} for {seconds:.1} s", look.way))
}

/// Packets, and nothing to be made of them.
fn undecodable(look: &Look<'_>) -> Option<Finding> {
    let level = look.evidence.judge;
    let pictures = look.video().and_then(|video| {
        let (none, what) = match level {
            JudgeLevel::Packets => return None,
            JudgeLevel::Frames => (video.frames == 0, "no whole frame could be put together"),
            JudgeLevel::Full if video.decoded > 0 => (video.decode_errors > video.decoded, MOSTLY),
            JudgeLevel::Full => (true, "no picture could be decoded"),
        };
        let made = format!("{} frames were put together and {} refused", video.frames, video.decode_errors);
        none.then(|| (format!("{} video packets", video.stream.packets), what, made))
    });
    let sound = || {
        let audio = look.audio().filter(|audio| level == JudgeLevel::Full && audio.seconds <= 0.0)?;
        let made = format!("the decoder refused {} packets", audio.decode_errors);
        Some((format!("{} audio packets", audio.stream.packets), "no sound could be decoded", made))
    };
    let (packets, what, made) = pictures.or_else(sound)?;
    if look.time_ms < LEAST_TO_DECODE_MS {
        return look.too_short(&format!("{packets} came and {what}"));
    }
    let fact = format!("of what came {}, {made}", look.way);
    look.finding(Cause::NotDecodable, format!("{packets} came {}, and {what}.", look.way), fact)
}

/// Media that came at first and then no more; a camera or a network that went away in mid-call.
fn stopped(look: &Look<'_>) -> Option<Finding> {
    let wanted = look.evidence.expected.video.must_come();
    let pictures = look.video().filter(|_| wanted).and_then(|video| {
        // A single picture has no pace: the next one of a slow source may be still to come.
        let judged = look.evidence.judge != JudgeLevel::Packets;
        let pace = match video.fps {
            fps if fps > 0.0 => MOST_QUIET_PICTURES * 1000.0 / fps,
            _ if judged && video.decoded.max(video.frames) == 1 => return None,
            _ => 0.0,
        };
        quiet(&video.stream, MOST_QUIET_MS.max(pace)).map(|seconds| ("video", seconds))
    });
    let sound = || quiet(&look.audio()?.stream, MOST_QUIET_MS).map(|seconds| ("audio", seconds));
    let (kind, seconds) = pictures.or_else(sound)?;
    let sentence = format!("The {kind} {} stopped {seconds:.1} s before the end of the call.", look.way);
    let fact = format!("the last {kind} packet {} came {seconds:.1} s before the end", look.way);
    look.finding(Cause::MediaStopped, sentence, fact)
}

/// How many seconds of quiet there were before the end, where that is more than `most_ms`.
fn quiet(stream: &StreamReport, most_ms: f64) -> Option<f64> {
    (stream.quiet_ms > most_ms).then_some(stream.quiet_ms / 1000.0)
}

/// Pictures with nothing on them, always the same, or not the ones that were sent.
fn wrong_picture(look: &Look<'_>) -> Option<Finding> {
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
    if enough && video.repeated >= pictures - 1 {
        let sentence = format!("All {pictures} pictures {way} are the same.");
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
fn wrong_sound(look: &Look<'_>) -> Option<Finding> {
    let full = look.evidence.judge == JudgeLevel::Full;
    let audio = look.audio().filter(|audio| full && audio.seconds >= LEAST_SECONDS)?;
    let level = audio.level_dbfs.map_or_else(|| "no level at all".to_owned(), |l| format!("{l:.0} dBFS"));
    let fact = format!("{:.1} s of sound came {}, at {level}", audio.seconds, look.way);
    if !audio.audible {
        let sentence = format!("Sound came {}, and there is nothing to hear in it ({level}).", look.way);
        return look.finding(Cause::Silence, sentence, fact);
    }
    let expected = audio.expected_tone_hz.filter(|_| look.evidence.expected.audio == Wanted::Ours)?;
    let heard = match audio.tone_hz {
        Some(heard) if (expected - heard).abs() <= (expected * TONE_SHARE).max(TONE_HZ) => return None,
        Some(heard) => format!("{heard:.0} Hz"),
        None if is_broken(audio, RUINED_PERCENT) => {
            let loss = audio.stream.loss_percent;
            let sentence = format!(
                "So much of the sound {} is missing that its tone cannot be made out ({loss:.0} % lost).",
                look.way
            );
            return look.finding(Cause::NotDecodable, sentence, fact);
        }
        None if is_broken(audio, MOST_BROKEN_PERCENT) => return None,
        None => "no clear tone".to_owned(),
    };
    let sentence = format!("The tone {} should be {expected:.0} Hz, and {heard} was heard.", look.way);
    look.finding(Cause::WrongTone, sentence, fact)
}

fn is_broken(audio: &AudioReport, percent: f64) -> bool {
    audio.stream.loss_percent > percent || audio.gap_ms > audio.seconds * 10.0 * percent
}
