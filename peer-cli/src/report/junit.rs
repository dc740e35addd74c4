//! The report as JUnit XML, for what shows test results: a suite for the run, with a case for every phase of setting the
//! call up, every kind of media in every direction, the verdict, every expectation, and every call of `--repeat`.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::metrics::{self, Reading};
use super::terminal::direction::{absence, heard, picture_quality, seen, sound_quality};
use super::terminal::words::{Standing, iso8601};
use super::{Checked, Direction, JudgeLevel, PeerReport, Report, RunReport};

/// The phases of setting a call up, and the metric that is the length of each.
const PHASES: [(&str, &str); 10] = [
    ("signaling", "signaling_ms"),
    ("join", "join_ms"),
    ("second member", "ready_ms"),
    ("offer and answer", "negotiate_ms"),
    ("ICE", "ice_ms"),
    ("DTLS", "dtls_ms"),
    ("first packet", "first_packet_ms"),
    ("first key frame", "first_key_frame_ms"),
    ("first picture", "first_picture_ms"),
    ("first sound", "first_sound_ms"),
];

/// How many of the phases every call goes through before media can come.
const WITHOUT_MEDIA: usize = 6;

/// The JUnit XML document.
pub fn render(report: &Report) -> String {
    let mut suite = TestSuite::new(clean(&format!("call {}", report.room)));
    suite.set_time(length(report.duration_ms));
    suite.extra.insert("timestamp".into(), iso8601(report.started_unix_ms).into());
    for (name, value) in [("server", &report.server), ("room", &report.room), ("version", &report.version)] {
        suite.add_property(Property::new(name, clean(value)));
    }
    suite.add_test_case(verdict(report));
    for peer in &report.peers {
        suite.add_test_cases(phases(report, peer));
    }
    for direction in &report.directions {
        suite.add_test_cases(media(report, direction));
    }
    suite.add_test_cases(report.expectations.iter().map(expectation));
    if let Some(repeat) = &report.repeat {
        suite.add_test_cases(repeat.runs.iter().zip(1..).map(|(run, number)| call(run, number)));
    }
    let mut document = quick_junit::Report::new("peer-cli");
    document.set_time(length(report.duration_ms));
    document.add_test_suite(suite);
    // Into memory, from text that is valid XML: it cannot fail.
    document.to_string().unwrap_or_default()
}

fn verdict(report: &Report) -> TestCase {
    let status = if report.verdict.ok { TestCaseStatus::success() } else { failure(report) };
    let mut case = case("verdict", "verdict", status);
    if report.verdict.ok {
        let facts = report.verdict.facts.iter().map(|fact| format!("\n{fact}"));
        let text = format!("{} {}{}", Standing::of(report).word(), report.verdict.sentence, facts.collect::<String>());
        case.set_system_out(clean(&text));
    }
    case
}

/// A phase that was reached has taken its time. The first one that was not reached is where a call broke that never got
/// as far as media; everything after it was never tried. A call that works has no phase for media nobody sent.
fn phases(report: &Report, peer: &PeerReport) -> Vec<TestCase> {
    let mut cases = Vec::new();
    let mut broken = false;
    for (index, (name, metric)) in PHASES.into_iter().enumerate() {
        let status = match phase_length(report, peer, metric) {
            Some(_) => TestCaseStatus::success(),
            None if report.verdict.ok => continue,
            None if !broken && index < WITHOUT_MEDIA => {
                broken = true;
                failure(report)
            }
            None => {
                let mut skipped = TestCaseStatus::skipped();
                skipped.set_message("not reached");
                skipped
            }
        };
        let mut case = case(&format!("{name} of {}", peer.name), "setup", status);
        if let Some(ms) = phase_length(report, peer, metric) {
            case.set_time(length(ms));
        }
        cases.push(case);
    }
    cases
}

fn phase_length(report: &Report, peer: &PeerReport, metric: &str) -> Option<f64> {
    let samples = metrics::find(metric)?.values(report);
    samples.into_iter().find(|sample| sample.place == peer.name).and_then(|sample| match sample.reading {
        Reading::Value(ms) => Some(ms),
        Reading::Spread(_) => None,
    })
}

fn media(report: &Report, direction: &Direction) -> [TestCase; 2] {
    let sender = report.peer(&direction.from);
    let video = direction.video.as_ref().map(|video| {
        let words = [seen(video, report.judge), picture_quality(video, report.judge)].concat();
        (words.join("; "), report.judge == JudgeLevel::Full && video.decoded == 0)
    });
    let audio = direction.audio.as_ref().map(|audio| {
        let words = [heard(audio, report.judge), sound_quality(audio, direction, report.judge)].concat();
        (words.join("; "), report.judge == JudgeLevel::Full && audio.seconds <= 0.0)
    });
    let video_sent = sender.map(|peer| peer.sent.video.is_some());
    let audio_sent = sender.map(|peer| peer.sent.audio.is_some());
    [
        kind_of_media(report, direction, "video", video, video_sent),
        kind_of_media(report, direction, "audio", audio, audio_sent),
    ]
}

/// `found`: the figures in words, and whether there was nothing to see or hear in it at all.
fn kind_of_media(
    report: &Report,
    direction: &Direction,
    kind: &str,
    found: Option<(String, bool)>,
    sent: Option<bool>,
) -> TestCase {
    let way = format!("from {} to {}", direction.from, direction.to);
    let blamed = blames(report, kind, &way);
    let status = match &found {
        Some((_, useless)) if blamed || (*useless && !report.verdict.ok) => failure(report),
        Some(_) => TestCaseStatus::success(),
        None if blamed || (sent == Some(true) && is_about_media(report)) => failure(report),
        None => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(absence(sent));
            skipped
        }
    };
    let mut case = case(&format!("{kind} {way}"), "media", status);
    if let Some((words, _)) = found {
        case.set_system_out(clean(&words));
    }
    case
}

/// Whether the verdict is about this kind of media this way.
fn blames(report: &Report, kind: &str, way: &str) -> bool {
    let pictures = ["BLACK_PICTURE", "FROZEN_PICTURE", "WRONG_PICTURE", "NO_COMMON_CODEC"];
    let sounds = ["SILENCE", "WRONG_TONE"];
    let (code, sentence) = (report.verdict.code.code(), &report.verdict.sentence);
    let of_kind = match kind {
        "video" => pictures.contains(&code) || (!sounds.contains(&code) && sentence.contains("video")),
        _ => sounds.contains(&code) || (!pictures.contains(&code) && sentence.contains("audio")),
    };
    is_about_media(report) && of_kind && sentence.contains(way)
}

/// The exit codes for media that did not come, or not as expected.
fn is_about_media(report: &Report) -> bool {
    matches!(report.verdict.exit_code, 15 | 16)
}

fn expectation(checked: &Checked) -> TestCase {
    let failed = !checked.ok && !checked.warning;
    let mut status = if failed { failed_status() } else { TestCaseStatus::success() };
    status
        .set_message(clean(&checked.message))
        .set_type("QUALITY_BELOW_EXPECTED")
        .set_description(clean(&checked.message));
    let mut case = case(&checked.text, "expectation", status);
    if !failed {
        let word = if checked.ok { "" } else { "warning: " };
        case.set_system_out(clean(&format!("{word}{}", checked.message)));
    }
    case
}

fn call(run: &RunReport, number: u32) -> TestCase {
    let mut status = if run.code == "OK" || run.code == "SIGNALING_LOST_IN_CALL" {
        TestCaseStatus::success()
    } else {
        failed_status()
    };
    status.set_message(clean(&run.sentence)).set_type(clean(&run.code)).set_description(clean(&run.sentence));
    let mut case = case(&format!("call {number}"), "calls", status);
    case.set_time(length(run.duration_ms));
    case
}

/// The verdict's code as the type, its sentence as the message, and what it rests on as the text.
fn failure(report: &Report) -> TestCaseStatus {
    let verdict = &report.verdict;
    let mut text = verdict.sentence.clone();
    for fact in &verdict.facts {
        text.push_str(&format!("\n- {fact}"));
    }
    if let Some(remedy) = &verdict.remedy {
        text.push_str(&format!("\nTry: {remedy}"));
    }
    let mut status = failed_status();
    status.set_message(clean(&verdict.sentence)).set_type(verdict.code.code()).set_description(clean(&text));
    status
}

fn failed_status() -> TestCaseStatus {
    TestCaseStatus::non_success(NonSuccessKind::Failure)
}

fn case(name: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(clean(name), status);
    case.set_classname(format!("peer-cli.{class}"));
    case
}

fn length(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

/// XML 1.0 knows no control characters and none of the last two of a plane's first sixteen bits, not even escaped.
fn clean(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\t' | '\n') || (!c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    text.chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{repeat, sample};
    use super::*;

    #[test]
    fn a_call_that_works_has_its_phases_its_media_and_its_expectations_as_cases() {
        let xml = render(&sample::healthy());
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                    <testsuites name=\"peer-cli\" tests=\"26\" skipped=\"0\" failures=\"0\" errors=\"0\" time=\"3.110\">\n    \
                    <testsuite name=\"call call-1\" tests=\"26\" skipped=\"0\" errors=\"0\" failures=\"0\" time=\"3.110\" \
                    timestamp=\"2026-11-23T08:46:40Z\">\n";
        assert!(xml.starts_with(head), "{xml}");
        for line in [
            "<property name=\"room\" value=\"call-1\"/>",
            "<testcase name=\"signaling of alice\" classname=\"peer-cli.setup\" time=\"0.054\"/>",
            "<testcase name=\"ICE of bob\" classname=\"peer-cli.setup\" time=\"0.023\"/>",
            "<testcase name=\"video from alice to bob\" classname=\"peer-cli.media\">",
            "<system-out>640x480 at 30 fps; the sender&apos;s pattern; latency p50 12.1, p95 15, p99 18.2 ms; no freeze; \
             PSNR 38.2 dB; SSIM 0.981</system-out>",
        ] {
            assert!(xml.contains(line), "{line} in {xml}");
        }
    }

    #[test]
    fn a_failure_carries_code_sentence_facts_and_remedy() {
        let xml = render(&sample::failed());
        let failure = "<failure message=\"The path is up, and not one packet came from bob to alice.\" \
                       type=\"NO_MEDIA\">The path is up, and not one packet came from bob to alice.\n\
                       - 362 video packets came from alice to bob, 0 from bob to alice\n\
                       Try: Look at the sender.</failure>";
        assert_eq!(xml.matches(failure).count(), 3, "the verdict, and bob's pictures and sound: {xml}");
        assert_eq!(xml.matches("<skipped message=\"not reached\"/>").count(), 4, "alice never got a packet: {xml}");
        assert!(xml.contains("failures=\"3\""));
        let warning =
            "<system-out>warning: video.fps was 30 fps (alice -&gt; bob); it should be above 50 fps</system-out>";
        assert!(xml.contains(warning), "{xml}");
    }

    #[test]
    fn a_call_that_never_met_anybody_fails_in_that_phase() {
        let mut report = sample::failed();
        report.verdict.exit_code = 12;
        report.peers.truncate(1);
        report.directions.clear();
        report.expectations.clear();
        report.peers[0].phases.truncate(3);
        let xml = render(&report);
        let begin = xml.find("second member of alice").unwrap();
        assert!(
            xml[begin..].starts_with("second member of alice\" classname=\"peer-cli.setup\">\n            <failure")
        );
        assert_eq!((xml.matches("<failure").count(), xml.matches("<skipped").count()), (2, 7));
    }

    #[test]
    fn each_call_of_a_repetition_is_a_case() {
        let xml = render(&repeat::combine(vec![sample::healthy(), sample::failed()]));
        assert!(xml.contains("<testcase name=\"call 1\" classname=\"peer-cli.calls\" time=\"3.110\"/>"), "{xml}");
        let second = "<testcase name=\"call 2\" classname=\"peer-cli.calls\" time=\"3.110\">\n            <failure";
        assert!(xml.contains(second), "{xml}");
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        let mut report = sample::healthy();
        report.room = "a\u{0}\u{1b}[1m<b>&\u{ffff}".to_owned();
        let xml = render(&report);
        assert!(xml.contains("value=\"a\u{fffd}\u{fffd}[1m&lt;b&gt;&amp;\u{fffd}\""), "{xml}");
    }
}
