use super::super::{repeat, sample};
use super::*;

#[test]
fn a_call_that_works_has_its_phases_its_media_and_its_expectations_as_cases() {
    let xml = render(&sample::healthy());
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                <testsuites name=\"peer-cli\" tests=\"26\" skipped=\"0\" failures=\"0\" errors=\"0\" time=\"3.110\">\n    \
                <testsuite name=\"call\" tests=\"26\" skipped=\"0\" errors=\"0\" failures=\"0\" time=\"3.110\" \
                timestamp=\"2026-11-23T08:46:40Z\">\n";
    assert!(xml.starts_with(head), "{xml}");
    for line in [
        "<property name=\"room\" value=\"call-1\"/>",
        "<testcase name=\"signaling of alice\" classname=\"peer-cli.setup\" time=\"0.054\"/>",
        "<testcase name=\"ICE of bob\" classname=\"peer-cli.setup\" time=\"0.023\"/>",
        "<testcase name=\"verdict\" classname=\"peer-cli.verdict\" time=\"3.110\">",
        "<testcase name=\"video from alice to bob\" classname=\"peer-cli.media\" time=\"3.002\">",
        "<testcase name=\"setup_ms&lt;500\" classname=\"peer-cli.expectation\" time=\"0.000\">",
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
                   type=\"NO_MEDIA\">The path is up, and not one packet came from bob to alice.\n- ";
    assert_eq!(xml.matches(failure).count(), 3, "the verdict, and bob's pictures and sound: {xml}");
    let verdict = "- 362 video packets came from alice to bob, 0 from bob to alice\nTry: Look at the sender.</failure>";
    assert_eq!(xml.matches(verdict).count(), 1, "{xml}");
    assert_eq!(xml.matches("<skipped message=\"not reached\"/>").count(), 4, "alice never got a packet: {xml}");
    assert!(xml.contains("failures=\"3\""));
    let warning = "<system-out>warning: video.fps was 30 fps (alice -&gt; bob); it should be above 50 fps</system-out>";
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
        xml[begin..]
            .starts_with("second member of alice\" classname=\"peer-cli.setup\" time=\"3.055\">\n            <failure")
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

/// The outcome of each case by its name.
fn outcomes(report: &Report) -> Vec<(String, &'static str)> {
    let xml = render(report);
    // A case without content has no end tag, and nothing in it.
    let case = |text: &str| {
        let outcome = match text.split_once("</testcase>").map_or("", |(inside, _)| inside) {
            inside if inside.contains("<failure") => "failed",
            inside if inside.contains("<skipped") => "skipped",
            _ => "passed",
        };
        (text.split('"').next().unwrap_or_default().to_owned(), outcome)
    };
    xml.split("<testcase name=\"").skip(1).map(case).collect()
}

fn media_outcomes(report: &Report) -> Vec<&'static str> {
    let all = outcomes(report).into_iter();
    all.filter(|(name, _)| name.starts_with("video from") || name.starts_with("audio from")).map(|(_, o)| o).collect()
}

#[test]
fn every_direction_is_red_where_its_own_media_is_wrong() {
    let mut report = sample::healthy();
    (report.verdict.ok, report.verdict.exit_code) = (false, 16);
    report.verdict.code = crate::verdict::Cause::Silence;
    report.verdict.sentence = "Sound came from alice to bob, and there is nothing to hear in it.".to_owned();
    for direction in &mut report.directions {
        direction.audio.as_mut().unwrap().audible = false;
    }
    assert_eq!(media_outcomes(&report), ["passed", "failed", "passed", "failed"], "the verdict names one of them only");
    report.directions[0].audio.as_mut().unwrap().audible = true;
    let video = report.directions[1].video.as_mut().unwrap();
    (video.stamped, video.black) = (0, video.decoded);
    assert_eq!(media_outcomes(&report), ["passed", "passed", "failed", "failed"]);
}

#[test]
fn where_a_call_broke_before_there_was_media_none_is_blamed() {
    let mut report = sample::failed();
    report.verdict.code = crate::verdict::Cause::IceFailed;
    report.verdict.exit_code = 14;
    assert_eq!(media_outcomes(&report), ["passed", "passed", "skipped", "skipped"]);
}

#[test]
fn names_are_the_same_in_every_run() {
    let names = |report: &Report| {
        let xml = render(report);
        let suite = xml.split("<testsuite name=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
        (suite, outcomes(report).into_iter().map(|(name, _)| name).collect::<Vec<_>>())
    };
    let mut other = sample::healthy();
    other.room = "call-8f3a".to_owned();
    other.started_unix_ms += 86_400_000;
    other.duration_ms *= 2.0;
    other.directions.iter_mut().for_each(|direction| direction.audio.as_mut().unwrap().tone_hz = Some(500.0));
    assert_eq!(names(&other), names(&sample::healthy()));
    let mut alone = sample::healthy();
    alone.peers.truncate(1);
    assert_eq!(names(&alone).0.as_deref(), Some("join"));
}

#[test]
fn a_failed_call_is_red_unless_failures_were_allowed_for() {
    let calls = || repeat::combine(vec![sample::healthy(), sample::failed()]);
    let second = |report: &Report| outcomes(report).into_iter().find(|(name, _)| name == "call 2").map(|(_, o)| o);
    assert_eq!(second(&calls()), Some("failed"));
    let tolerated = repeat::tolerate(calls());
    assert_eq!(second(&tolerated), Some("skipped"));
    assert!(outcomes(&tolerated).iter().all(|(_, outcome)| *outcome != "failed"), "as the exit code says");
}
