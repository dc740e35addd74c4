use super::super::{JudgeLevel, repeat, sample};
use super::*;

fn said(text: &str) -> String {
    Expectation::parse(text, false).unwrap_err().to_string()
}

fn checked(text: &str, report: &Report) -> Checked {
    let expectation = Expectation::parse(text, false).unwrap();
    check(&[expectation], report).remove(0)
}

fn holds(text: &str) -> bool {
    checked(text, &sample::healthy()).ok
}

#[test]
fn every_operator_compares_as_it_looks() {
    // There are 90 frames in both directions.
    let expected = [
        ("video.decoded<90", false),
        ("video.decoded<91", true),
        ("video.decoded<=90", true),
        ("video.decoded<=89.9", false),
        ("video.decoded>90", false),
        ("video.decoded>89", true),
        ("video.decoded>=90", true),
        ("video.decoded>=91", false),
        ("video.decoded=90", true),
        ("video.decoded==91", false),
        ("video.decoded!=91", true),
        ("video.decoded!=90", false),
        ("  video.decoded  >=  90  ", true),
    ];
    for (text, ok) in expected {
        assert_eq!(holds(text), ok, "{text}");
    }
}

#[test]
fn units_are_converted_into_that_of_the_metric() {
    let limit = |text: &str| Expectation::parse(text, false).unwrap().limit;
    assert_eq!((limit("setup_ms<0.5s"), limit("setup_ms<500"), limit("setup_ms<500 ms")), (500.0, 500.0, 500.0));
    assert_eq!((limit("video.bitrate_kbps>1.5Mbps"), limit("audio.bytes>2kB")), (1500.0, 2000.0));
    assert_eq!((limit("audio.level_dbfs>-20dBFS"), limit("video.loss_percent<1%")), (-20.0, 1.0));
    assert!((limit("rtt_ms<250us") - 0.25).abs() < 1e-9);
}

#[test]
fn units_may_be_spelled_as_people_spell_them() {
    let limit = |text: &str| Expectation::parse(text, false).unwrap().limit;
    for text in ["video.bitrate_kbps>1500kbit/s", "video.bitrate_kbps>1.5 Mbit/s", "video.bitrate_kbps>1.5mbps"] {
        assert_eq!(limit(text), 1500.0, "{text}");
    }
    // Bits and bytes differ in one letter's size, and in a factor of eight.
    assert_eq!((limit("video.bitrate_kbps>100kB/s"), limit("video.bitrate_kbps>100kb/s")), (800.0, 100.0));
    assert_eq!(limit("video.bitrate_kbps>1MBps"), 8000.0);
    assert!(said("video.bitrate_kbps>1mb/s").contains("is no unit of video.bitrate_kbps (did you mean \"Mb/s\"?)"));
    assert_eq!(
        (limit("setup_ms<1 SEC"), limit("setup_ms<0.5min"), limit("setup_ms<2 seconds")),
        (1000.0, 30_000.0, 2000.0)
    );
    assert_eq!(
        (limit("audio.loss_percent<2 percent"), limit("video.psnr_db>30db"), limit("video.fps>25FPS")),
        (2.0, 30.0, 25.0)
    );
    assert_eq!((limit("process.peak_memory_mb<64mb"), limit("audio.tone_hz>1khz")), (64.0, 1000.0));
    assert!((limit("rtt_ms<250\u{b5}s") - 0.25).abs() < 1e-9);
}

#[test]
fn a_median_is_the_half_and_an_average_the_mean() {
    let value = |text: &str| checked(text, &sample::healthy()).value;
    assert_eq!(value("video.latency_ms.median<20"), value("video.latency_ms.p50<20"));
    assert_eq!(value("video.latency_ms.avg<20"), value("video.latency_ms.mean<20"));
    assert_eq!(value("video.latency_ms.P95<20"), Some(15.0));
}

#[test]
fn without_an_aggregate_the_worst_sample_decides() {
    // 45.4 ms for alice, 45 ms for bob.
    let report = sample::healthy();
    let missed = checked("setup_ms<45.2", &report);
    assert_eq!((missed.ok, missed.value, missed.unit.as_str()), (false, Some(45.4), "ms"));
    assert_eq!(missed.message, "setup_ms was 45.4 ms (alice); it should be below 45.2 ms");
    let met = checked("setup_ms>44", &report);
    assert_eq!((met.ok, met.value), (true, Some(45.0)));
    assert_eq!(met.message, "setup_ms was 45 ms (bob), above 44 ms as it should be");
}

#[test]
fn a_spread_is_judged_by_its_bad_end_or_its_median_or_as_asked() {
    let report = sample::healthy();
    let value = |text: &str| checked(text, &report).value;
    assert_eq!(value("video.latency_ms<20"), Some(15.0));
    assert_eq!(value("video.psnr_db>30"), Some(38.2));
    assert_eq!(value("video.latency_ms.p50<20"), Some(12.1));
    assert_eq!(value("video.latency_ms.max<20"), Some(21.0));
    let message = checked("video.latency_ms<20", &report).message;
    assert_eq!(message, "video.latency_ms was 15 ms (p95 of alice -> bob), below 20 ms as it should be");
}

#[test]
fn an_aggregate_is_over_all_peers_or_directions() {
    let report = sample::healthy();
    let mean = checked("setup_ms.mean<45.3", &report);
    assert_eq!((mean.ok, mean.value), (true, Some(45.2)));
    assert_eq!(mean.message, "setup_ms.mean was 45.2 ms (over 2 samples), below 45.3 ms as it should be");
    assert_eq!(checked("setup_ms.max<45.3", &report).value, Some(45.4));
}

#[test]
fn what_was_not_measured_does_not_hold() {
    let mut report = sample::healthy();
    let absent = checked("sent.target_kbps>100", &report);
    assert_eq!((absent.ok, absent.value), (false, None));
    assert_eq!(absent.message, "sent.target_kbps was not measured in this run");
    report.judge = JudgeLevel::Packets;
    assert_eq!(checked("video.ssim>0.9", &report).message, "video.ssim was not measured: it needs --judge full");
}

#[test]
fn a_limit_missed_by_a_hair_shows_the_hair() {
    let mut report = sample::healthy();
    report.peers[0].sent.rtcp_rtt_ms = Some(500.04);
    let message = checked("rtcp_rtt_ms<=500", &report).message;
    assert_eq!(message, "rtcp_rtt_ms was 500.04 ms (alice); it should be at most 500 ms");
}

#[test]
fn a_repetition_is_judged_over_all_its_calls() {
    let mut slow = sample::healthy();
    for stamp in &mut slow.peers[0].phases {
        if stamp.phase == "first-picture" {
            stamp.at_ms = 555.3;
        }
    }
    if let Some(latency) = slow.directions[0].video.as_mut().and_then(|video| video.latency_ms.as_mut()) {
        (latency.p95, latency.p99, latency.max) = (80.0, 90.0, 95.0);
    }
    let report = repeat::combine(vec![sample::healthy(), slow]);
    let setup = checked("setup_ms<500", &report);
    assert_eq!((setup.ok, setup.value), (false, Some(500.0)));
    assert_eq!(setup.message, "setup_ms was 500 ms (one of 2 calls); it should be below 500 ms");
    let median = checked("setup_ms.p50<50", &report);
    assert_eq!(median.message, "setup_ms.p50 was 45 ms (over 4 values of 2 calls), below 50 ms as it should be");
    let latency = checked("video.latency_ms<50", &report);
    assert_eq!((latency.ok, latency.value), (false, Some(80.0)), "one direction of one call is enough");
    assert!(checked("failed_calls=0", &report).ok && checked("ok_percent>=100%", &report).ok);
}

#[test]
fn mistakes_name_what_was_most_likely_meant() {
    assert_eq!(
        said("video.fsp>25"),
        "\"video.fsp\" is no metric (did you mean \"video.fps\"?); `peer-cli metrics` lists them all"
    );
    assert_eq!(
        said("setup.p95<500"),
        "\"setup\" is no metric (did you mean \"setup_ms\"?); `peer-cli metrics` lists them all"
    );
    assert_eq!(said("zzzzzzzz<1"), "\"zzzzzzzz\" is no metric; `peer-cli metrics` lists them all");
    assert_eq!(
        said("setup_ms.p9<500"),
        "\"p9\" behind setup_ms is no aggregate (did you mean \"p95\"?); allowed are p50 (median), p95, p99, min, \
         max and mean"
    );
    assert_eq!(
        said("setup_ms=<500"),
        "\"=<\" is no operator (did you mean \"<=\"?); allowed are <, <=, >, >=, =, == and !="
    );
    assert_eq!(
        said("setup_ms<500mss"),
        "\"mss\" is no unit of setup_ms (did you mean \"ms\"?); allowed: ms, s, us; none means ms"
    );
    assert_eq!(said("video.freezes<1s"), "\"s\" is no unit of video.freezes; allowed: none, it is a bare number");
    assert_eq!(
        said("setup_ms<fast"),
        "\"fast\" does not begin with a number; write a decimal number and a unit, such as 200 or 0.2s"
    );
    for text in ["", "setup_ms", "setup_ms<", "<5"] {
        assert!(said(text).contains("write METRIC OPERATOR VALUE"), "{text}");
    }
}

#[test]
fn a_file_has_one_expectation_a_line_with_comments_and_warnings() {
    let text =
        "# what we promise\n\nsetup_ms < 500   # half a second\n  warn video.freeze_ms<200\nwarn\tvideo.fps>25\n";
    let found = parse_file(text).unwrap();
    let found: Vec<_> = found.iter().map(|one| (one.text(), one.is_warning(), one.metric().name)).collect();
    let expected = [
        ("setup_ms < 500", false, "setup_ms"),
        ("video.freeze_ms<200", true, "video.freeze_ms"),
        ("video.fps>25", true, "video.fps"),
    ];
    assert_eq!(found, expected);
    let from_windows = "\u{feff}setup_ms<500\r\n# of no weight\r\nWARN video.fps>25\r\nWarn: audio.gaps<1\r\n\r\n";
    let found = parse_file(from_windows).unwrap();
    let found: Vec<_> = found.iter().map(|one| (one.text(), one.is_warning())).collect();
    assert_eq!(found, [("setup_ms<500", false), ("video.fps>25", true), ("audio.gaps<1", true)]);
    let error = parse_file("\u{feff}setup_ms<5\r\nvideo.fps=25\r\nwarning video.fps>25").unwrap_err();
    assert!(matches!(&error, ExpectError::Line { line: 3, .. }), "{error:?}");
    let error = parse_file("setup_ms<5\n\nwarn nothing<5").unwrap_err();
    assert!(matches!(&error, ExpectError::Line { line: 3, .. }), "{error:?}");
    assert!(error.to_string().starts_with("line 3: \"nothing\" is no metric"), "{error}");
}

#[test]
fn who_asks_for_a_share_of_calls_decides_how_many_may_fail() {
    let asked = |text: &str, warning| Expectation::parse(text, warning).unwrap();
    assert!(decides_failures(&[asked("setup_ms<500", false), asked("ok_percent>=95", false)]));
    assert!(decides_failures(&[asked("failed_calls<2", false)]));
    assert!(!decides_failures(&[asked("failed_calls<2", true), asked("calls>3", false), asked("setup_ms<500", false)]));
    assert!(!decides_failures(&[]));
}

#[test]
fn calls_that_failed_are_judged_by_what_was_asked_of_them_alone() {
    let calls = || repeat::tolerate(repeat::combine(vec![sample::healthy(), sample::failed(), sample::healthy()]));
    let verdict = |text: &str| {
        let checked = check(&[Expectation::parse(text, false).unwrap()], &calls());
        calls().verdict.with_expectations(&checked)
    };
    assert_eq!((verdict("failed_calls<2").ok, verdict("ok_percent>60%").exit_code), (true, 0));
    assert_eq!((verdict("failed_calls=0").ok, verdict("ok_percent>=95").exit_code), (false, 18));
}
