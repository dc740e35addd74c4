//! What is wrong with the media, if anything: all directions at each step, and the steps in the order in which one
//! thing needs the other.

use super::{Cause, Evidence, Finding, Wanted, facts};
use crate::report::{AudioReport, Direction, JudgeLevel, UntilEnd, VideoReport};

mod content;
mod remarks;

use content::{wrong_picture, wrong_sound};
pub(super) use remarks::remarks;

const MOSTLY: &str = "most pictures could not be decoded";
/// Before this nothing is missing yet: the first packet of a busy machine may take its time.
const LEAST_TO_MISS_MS: f64 = 1000.0;
/// Before this a lost first key frame may not have been sent again yet.
const LEAST_TO_DECODE_MS: f64 = 2000.0;
/// How long before the end of a call the last packet may have come; sound comes fifty times a second.
const MOST_QUIET_MS: f64 = 1500.0;
/// How long before the end of a call the last picture or sound may have come while packets did: a key frame that is lost
/// has to be asked for and may be lost again.
const MOST_USELESS_MS: f64 = 3000.0;
/// For pictures so many times the time from one to the next, where that is longer: a source may be slow by intent.
const MOST_QUIET_PICTURES: f64 = 3.0;
/// The longest time from one picture to the next that our pattern has, and that a file has.
const SLOWEST_PATTERN_MS: f64 = 1000.0;
const SLOWEST_FILE_MS: f64 = 10_000.0;
/// Until the end of a call our own test signal never is black, still or silent for so long.
const LEAST_LASTING_MS: f64 = 2000.0;
/// Other content may be for a while: it counts from so long on, where that is at least half of all...
const LEAST_LASTING_FILE_MS: f64 = 5000.0;
/// ...or where this is it: all but the moments in which an encoder still refines a picture.
const NEARLY_ALL: f64 = 0.9;

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

/// Media that came at first and then no more; a camera or a network that went away in mid-call. Packets of which nothing
/// comes any more, such as mere padding, are no media.
fn stopped(look: &Look<'_>) -> Option<Finding> {
    let (kind, unit, (packets, useful)) = stopped_pictures(look)
        .map(|found| ("video", "picture", found))
        .or_else(|| Some(("audio", "sound that could be decoded", stopped_sound(look)?)))?;
    let seconds = packets.max(useful.unwrap_or_default()) / 1000.0;
    let sentence = format!("The {kind} {} stopped {seconds:.1} s before the end of the call.", look.way);
    let came = |what: &str, ms: f64| format!("the last {what} {} came {:.1} s before the end", look.way, ms / 1000.0);
    let mut finding = look.finding(Cause::MediaStopped, sentence, came(&format!("{kind} packet"), packets))?;
    finding.facts.extend(useful.map(|ms| came(unit, ms)));
    Some(finding)
}

/// Milliseconds from the last packet to the end, and from the last picture, where one of them is too long.
fn stopped_pictures(look: &Look<'_>) -> Option<(f64, Option<f64>)> {
    let wanted = look.evidence.expected.video;
    let video = look.video().filter(|_| wanted.must_come())?;
    let judged = look.evidence.judge != JudgeLevel::Packets;
    let pace = match video.fps {
        fps if fps > 0.0 => 1000.0 / fps,
        // A single picture has no pace: the next one of a slow source may be still to come.
        _ if judged && video.decoded.max(video.frames) == 1 => match wanted {
            Wanted::Ours => SLOWEST_PATTERN_MS,
            Wanted::Present | Wanted::IfAny | Wanted::Nothing => SLOWEST_FILE_MS,
        },
        _ => 0.0,
    };
    too_quiet(video.stream.quiet_ms, video.picture_quiet_ms, pace * MOST_QUIET_PICTURES)
}

/// The same of sound.
fn stopped_sound(look: &Look<'_>) -> Option<(f64, Option<f64>)> {
    let audio = look.audio()?;
    too_quiet(audio.stream.quiet_ms, audio.sound_quiet_ms, 0.0)
}

/// `least`: so much quiet is usual here.
fn too_quiet(packets: f64, useful: Option<f64>, least: f64) -> Option<(f64, Option<f64>)> {
    let without_packets = packets > MOST_QUIET_MS.max(least);
    let useless = useful.is_some_and(|ms| ms > MOST_USELESS_MS.max(least));
    (without_packets || useless).then_some((packets, useful))
}

/// Keeps what went on until the end when it was long enough to be no accident, out of `whole_ms`.
fn long_lasting(at_end: Option<UntilEnd>, wanted: Wanted, whole_ms: f64) -> Option<UntilEnd> {
    let least = match wanted {
        Wanted::Ours => LEAST_LASTING_MS,
        Wanted::Present | Wanted::IfAny | Wanted::Nothing => {
            LEAST_LASTING_FILE_MS.max(whole_ms / 2.0).min(whole_ms * NEARLY_ALL).max(LEAST_LASTING_MS)
        }
    };
    at_end.filter(|at_end| at_end.for_ms >= least)
}

/// When it began and for how long it lasted, as the end of a sentence.
fn since(at_end: UntilEnd) -> String {
    let [from, length] = [at_end.from_ms, at_end.for_ms].map(|ms| ms / 1000.0);
    format!("from {from:.1} s after the start until the end, for {length:.1} s")
}

/// How long pictures came, in milliseconds.
fn picture_time(video: &VideoReport) -> f64 {
    if video.fps > 0.0 { video.decoded.saturating_sub(1) as f64 * 1000.0 / video.fps } else { 0.0 }
}
