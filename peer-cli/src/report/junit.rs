//! The report as JUnit XML, for what shows test results: a suite for the run, with a case for every phase of setting the
//! call up, every kind of media in every direction, the verdict, every expectation, and every call of `--repeat`.
//!
//! Names of suites and cases are the same in every run, so that a history can be made of them; what differs (rooms, times)
//! stands in properties and texts.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::metrics::{self, Reading};
use super::terminal::visible;
use super::terminal::words::{Standing, iso8601};
use super::{Checked, PeerReport, Report, RunReport, repeat};
use crate::verdict::Verdict;

mod media;
#[cfg(test)]
mod tests;

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

/// The JUnit XML document. The time of a case is how long that took which it is about: a phase, the media, a call; for the
/// verdict the whole run.
pub fn render(report: &Report) -> String {
    let mut suite = TestSuite::new(if report.peers.len() == 1 { "join" } else { "call" });
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
        suite.add_test_cases(media::cases(report, direction));
    }
    suite.add_test_cases(report.expectations.iter().map(expectation));
    if let Some(repeat) = &report.repeat {
        suite.add_test_cases(repeat.runs.iter().zip(1..).map(|(run, number)| call(run, number, report.verdict.ok)));
    }
    let mut document = quick_junit::Report::new("peer-cli");
    document.set_time(length(report.duration_ms));
    document.add_test_suite(suite);
    // Into memory, from text that is valid XML: it cannot fail.
    document.to_string().unwrap_or_default()
}

fn verdict(report: &Report) -> TestCase {
    let status = if report.verdict.ok { TestCaseStatus::success() } else { failure(&report.verdict) };
    let mut case = case("verdict", "verdict", status, report.duration_ms);
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
        let (status, took_ms) = match phase_length(report, peer, metric) {
            Some(ms) => (TestCaseStatus::success(), ms),
            None if report.verdict.ok => continue,
            None if !broken && index < WITHOUT_MEDIA => {
                broken = true;
                (failure(&report.verdict), waited_ms(report, peer))
            }
            None => (skipped("not reached"), 0.0),
        };
        cases.push(case(&format!("{name} of {}", peer.name), "setup", status, took_ms));
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

/// From the last milestone that a peer reached to its end.
fn waited_ms(report: &Report, peer: &PeerReport) -> f64 {
    let (ended, reached): (Vec<_>, Vec<_>) = peer.phases.iter().partition(|stamp| stamp.phase == "hung-up");
    let end_ms = ended.first().map_or(report.duration_ms, |stamp| stamp.at_ms);
    end_ms - reached.last().map_or(0.0, |stamp| stamp.at_ms)
}

fn expectation(checked: &Checked) -> TestCase {
    let failed = !checked.ok && !checked.warning;
    let mut status = if failed { failed_status() } else { TestCaseStatus::success() };
    status
        .set_message(clean(&checked.message))
        .set_type("QUALITY_BELOW_EXPECTED")
        .set_description(clean(&checked.message));
    let mut case = case(&checked.text, "expectation", status, 0.0);
    if !failed {
        let word = if checked.ok { "" } else { "warning: " };
        case.set_system_out(clean(&format!("{word}{}", checked.message)));
    }
    case
}

/// `tolerated`: whether the run as a whole is good nevertheless.
fn call(run: &RunReport, number: u32, tolerated: bool) -> TestCase {
    let status = match (repeat::works(&run.code), tolerated) {
        (true, _) => TestCaseStatus::success(),
        (false, true) => skipped(&format!("failed, which was allowed for: {}", run.sentence)),
        (false, false) => {
            let mut status = failed_status();
            status.set_message(clean(&run.sentence)).set_type(clean(&run.code)).set_description(clean(&run.sentence));
            status
        }
    };
    case(&format!("call {number}"), "calls", status, run.duration_ms)
}

/// The verdict's code as the type, its sentence as the message, and what it rests on as the text.
fn failure(verdict: &Verdict) -> TestCaseStatus {
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

fn skipped(why: &str) -> TestCaseStatus {
    let mut skipped = TestCaseStatus::skipped();
    skipped.set_message(clean(why));
    skipped
}

fn case(name: &str, class: &str, status: TestCaseStatus, took_ms: f64) -> TestCase {
    let mut case = TestCase::new(clean(name), status);
    case.set_classname(format!("peer-cli.{class}")).set_time(length(took_ms));
    case
}

fn length(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

/// What only shows, in its lines; XML 1.0 knows none of the last two of a plane's first sixteen bits either, not even
/// escaped.
fn clean(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(visible).collect();
    lines.join("\n").replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
