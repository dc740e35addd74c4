use std::collections::BTreeSet;

use super::super::sample;
use super::*;

fn values(name: &str, report: &Report) -> Vec<(String, f64)> {
    let metric = find(name).unwrap();
    let of = |reading| match reading {
        Reading::Value(value) => value,
        Reading::Spread(spread) => metric.telling().of(&spread),
    };
    metric.values(report).into_iter().map(|sample| (sample.place, of(sample.reading))).collect()
}

fn both(alice: f64, bob: f64) -> Vec<(String, f64)> {
    vec![("alice".to_owned(), alice), ("bob".to_owned(), bob)]
}

#[test]
fn every_name_is_there_once_and_found_again() {
    let names: BTreeSet<_> = all().iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), all().len());
    assert!(names.iter().all(|name| find(name).is_some_and(|metric| metric.name == *name)));
    assert_eq!(find("video.fsp"), None);
}

#[test]
fn every_number_of_the_media_reports_can_be_reached() {
    let renamed = [("nacks_sent", "nacks"), ("key_frames_requested", "plis")];
    let direction = &sample::healthy().directions[0];
    let kinds = [
        ("video", serde_json::to_value(direction.video.as_ref().unwrap()).unwrap()),
        ("audio", serde_json::to_value(direction.audio.as_ref().unwrap()).unwrap()),
    ];
    for (kind, report) in kinds {
        for (field, value) in report.as_object().unwrap() {
            if value.is_number() || value.is_object() {
                let field = renamed.iter().find(|(from, _)| from == field).map_or(field.as_str(), |(_, to)| to);
                assert!(find(&format!("{kind}.{field}")).is_some(), "{kind}.{field} is not in the registry");
            }
        }
    }
}

#[test]
fn phases_are_told_as_lengths() {
    let report = sample::healthy();
    let expected = [
        ("setup_ms", 45.4, 45.0),
        ("signaling_ms", 54.5, 53.1),
        ("join_ms", 0.7, 3.6),
        ("negotiate_ms", 3.0, 0.9),
        ("ice_ms", 22.6, 22.8),
        ("dtls_ms", 1.6, 1.3),
        ("connect_ms", 27.4, 25.5),
        ("first_picture_ms", 18.0, 19.5),
        ("interrupted_ms", 0.0, 0.0),
    ];
    for (name, alice, bob) in expected {
        assert_eq!(values(name, &report), both(alice, bob), "{name}");
    }
}

#[test]
fn setup_ends_with_the_first_sound_where_no_video_was_sent() {
    let mut report = sample::failed();
    report.peers[0].phases.push(crate::report::PhaseStamp { phase: "first-sound".to_owned(), at_ms: 3100.0 });
    assert_eq!(values("setup_ms", &report), [("bob".to_owned(), 45.0)], "a picture was to come and did not");
    report.peers[1].sent.video = None;
    assert_eq!(values("setup_ms", &report), both(3044.7, 45.0));
}

#[test]
fn interruptions_add_up_and_the_last_one_lasts_to_the_end() {
    let mut report = sample::healthy();
    let phases = [
        ("connected", 100.0),
        ("interrupted", 500.0),
        ("ice-restart", 510.0),
        ("connected", 750.0),
        ("interrupted", 900.0),
        ("hung-up", 1000.0),
    ];
    report.peers[0].phases =
        phases.map(|(phase, at_ms)| crate::report::PhaseStamp { phase: phase.to_owned(), at_ms }).to_vec();
    assert_eq!(values("interrupted_ms", &report), both(350.0, 0.0));
    report.peers[0].phases.pop();
    assert_eq!(values("interrupted_ms", &report), both(250.0, 0.0));
}

#[test]
fn spreads_are_told_by_their_bad_end_or_their_median() {
    let report = sample::healthy();
    let ways = |value: f64| vec![("alice -> bob".to_owned(), value), ("bob -> alice".to_owned(), value)];
    assert_eq!(values("video.latency_ms", &report), ways(15.0));
    assert_eq!(values("video.psnr_db", &report), ways(38.2));
    assert_eq!(values("av_offset_ms", &report), ways(2.0));
}

#[test]
fn what_was_not_looked_at_has_no_value() {
    let mut report = sample::healthy();
    report.judge = JudgeLevel::Frames;
    assert!(values("video.psnr_db", &report).is_empty() && values("audio.gaps", &report).is_empty());
    assert_eq!(values("video.freezes", &report).len(), 2);
    report.judge = JudgeLevel::Packets;
    assert!(values("video.freezes", &report).is_empty());
    assert_eq!(values("video.loss_percent", &report).len(), 2);
}

#[test]
fn calls_are_counted_with_and_without_a_repetition() {
    let ok = |report: &Report| values("ok_percent", report)[0].1;
    assert_eq!((ok(&sample::healthy()), ok(&sample::failed())), (100.0, 0.0));
    let report = crate::report::repeat::combine(vec![sample::healthy(), sample::failed()]);
    assert_eq!((ok(&report), values("failed_calls", &report)[0].1), (50.0, 1.0));
}

#[test]
fn a_mistyped_name_finds_the_nearest_one() {
    let expected = [
        ("video.fsp", Some("video.fps")),
        ("fps", Some("video.fps")),
        ("setup", Some("setup_ms")),
        ("Setup_MS", Some("setup_ms")),
        ("audio.latncy_ms", Some("audio.latency_ms")),
        ("rtt", Some("rtt_ms")),
        ("zzzzzzzzzz", None),
        ("", None),
    ];
    for (word, found) in expected {
        assert_eq!(nearest(word), found, "{word}");
    }
}

#[test]
fn the_list_is_a_table_with_a_line_for_each_metric() {
    let list = list();
    let (table, _) = list.split_once("\n\n").unwrap();
    assert_eq!(table.lines().count(), all().len() + 1);
    let head = table.lines().next().unwrap();
    let column = head.find("definition").unwrap();
    let starts = |line: &str| {
        line.is_char_boundary(column) && line[..column].ends_with("  ") && !line[column..].starts_with(' ')
    };
    assert!(table.lines().all(starts), "{table}");
    let line = |name: &str| {
        let found = table.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
        found.split_whitespace().take(4).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("video.freeze_ms"), ["video.freeze_ms", "ms", "lower", "frames"]);
    assert_eq!(line("video.psnr_db"), ["video.psnr_db", "dB", "higher", "full"]);
}

#[test]
fn the_list_teaches_how_to_ask() {
    let list = list();
    let (_, grammar) = list.split_once("\n\n").unwrap();
    // What it shows as examples is understood; the first line of them is the form.
    let examples = grammar.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).skip(1);
    let examples: Vec<_> = examples.filter_map(|line| line.trim_start().split("   ").next()).collect();
    assert_eq!(examples.len(), 5, "{grammar}");
    for text in examples {
        assert!(crate::report::expect::Expectation::parse(text, false).is_ok(), "{text}");
    }
    for symbol in all().iter().flat_map(|metric| metric.unit.accepted()).map(|(symbol, _)| symbol) {
        assert!(grammar.contains(symbol), "{symbol} is not told");
    }
    assert!(Aggregate::ALL.iter().all(|aggregate| grammar.contains(aggregate.name())));
    assert!(grammar.contains("video.latency_ms, video.psnr_db, video.ssim, audio.latency_ms, av_offset_ms"));
}

#[test]
fn figures_have_the_digits_that_say_something() {
    let figures = [0.0, 0.1, 0.981, 1.0, 12.5, 45.449, 125.0, 1234.56, -0.0001, -3.25, 98.0];
    let expected = ["0", "0.1", "0.981", "1", "12.5", "45.45", "125", "1235", "0", "-3.25", "98"];
    assert_eq!(figures.map(number), expected);
    assert_eq!((Unit::Kbps.show(1061.0), Unit::Ratio.show(0.5)), ("1061 kbps".to_owned(), "0.5".to_owned()));
}

#[test]
fn what_nobody_can_have_measured_is_no_value_and_never_hundreds_of_digits() {
    let mut report = sample::healthy();
    if let Some(video) = report.directions[0].video.as_mut() {
        (video.fps, video.stream.jitter_ms) = (1e308, f64::NAN);
        video.latency_ms = video.latency_ms.map(|spread| Distribution { max: f64::INFINITY, ..spread });
    }
    for name in ["video.fps", "video.jitter_ms", "video.latency_ms"] {
        assert_eq!(values(name, &report).len(), 1, "{name}");
    }
    assert_eq!(
        (number(1e308), fixed(-1e300, 2), number(1e15)),
        ("1e308".into(), "-1e300".into(), format!("{:.0}", 1e15))
    );
    assert_eq!(spread(&[1e308, 2.0]).map(|spread| spread.max), Some(2.0));
}

#[test]
fn pooled_spreads_lie_between_their_parts() {
    let part = |count, shift: f64| Distribution {
        count,
        min: shift,
        mean: shift + 50.0,
        p50: shift + 50.0,
        p95: shift + 95.0,
        p99: shift + 99.0,
        max: shift + 100.0,
    };
    assert_eq!(pool(&[part(10, 0.0)]), Some(part(10, 0.0)));
    assert_eq!(pool(&[part(10, 0.0), part(30, 0.0)]), Some(part(40, 0.0)));
    // Of 0 to 100 and 200 to 300 the lower half is all of the first.
    let apart = pool(&[part(10, 0.0), part(10, 200.0)]).unwrap();
    assert_eq!((apart.count, apart.min, apart.mean, apart.p50, apart.max), (20, 0.0, 150.0, 100.0, 300.0));
    // 95 of 100 of all are 90 of 100 of the upper one, eight ninths of the way from its 50th to its 95th.
    assert_eq!(apart.p95, 290.0);
    assert_eq!(pool(&[]), None);
}

#[test]
fn a_handful_of_figures_has_percentiles_by_rank() {
    let found = spread(&[3.0, 1.0, 2.0, f64::NAN]).unwrap();
    assert_eq!((found.count, found.min, found.p50, found.p95, found.max, found.mean), (3, 1.0, 2.0, 3.0, 3.0, 2.0));
    assert_eq!(spread(&[f64::INFINITY]), None);
}
