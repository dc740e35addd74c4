use super::super::{repeat, sample};
use super::*;
use crate::report::terminal::Style;

const DAY: u64 = 86_400_000;

/// The healthy call one day later.
fn next_day() -> Report {
    let mut report = sample::healthy();
    report.started_unix_ms += DAY;
    report
}

fn found<'a>(diff: &'a Diff, metric: &str, place: &str) -> &'a Change {
    diff.changes.iter().find(|change| change.metric == metric && change.place == place).unwrap()
}

#[test]
fn two_equal_reports_have_only_figures_that_are_the_same() {
    let compared = diff(&sample::healthy(), &next_day());
    assert!(compared.changes.iter().all(|change| change.trend == Trend::Same), "{compared:?}");
    assert_eq!(compared.headline, "Nothing is slower or worse: 0 figures are better, the others are as they were");
}

#[test]
fn the_first_line_says_since_when_it_is_slower() {
    let mut after = next_day();
    for stamp in &mut after.peers[0].phases {
        if stamp.phase == "first-picture" {
            stamp.at_ms = 180.3;
        }
    }
    let compared = diff(&sample::healthy(), &after);
    // 18 ms to 97.6 ms is 15.9 times its noise of 5 ms; setup_ms has grown by the same.
    assert_eq!(
        compared.headline,
        "Slower since 2026-11-24 08:46:40 UTC at the latest (not yet on 2026-11-23 08:46:40 UTC): \
         setup_ms (alice) 45.4 -> 125 ms, +175 %, and 1 more figure is worse"
    );
    let setup = found(&compared, "setup_ms", "alice");
    assert_eq!((setup.change, setup.percent, setup.noise), (Some(79.6), Some(175.33), 5.0));
    assert_eq!(found(&compared, "setup_ms", "bob").trend, Trend::Same);
}

#[test]
fn a_median_that_moves_within_the_spread_is_noise() {
    let with_latency = |p50: f64| {
        let mut report = next_day();
        let latency = report.directions[0].video.as_mut().and_then(|video| video.latency_ms.as_mut());
        latency.unwrap().p50 = p50;
        report
    };
    let trend = |p50| {
        let compared = diff(&sample::healthy(), &with_latency(p50));
        found(&compared, "video.latency_ms", "alice -> bob").trend
    };
    // From 12.1 ms; the noise is 5 ms.
    assert_eq!((trend(17.0), trend(17.2), trend(7.0)), (Trend::Same, Trend::Worse, Trend::Same));
}

#[test]
fn a_call_that_broke_says_so_first() {
    let mut after = sample::failed();
    after.started_unix_ms += DAY;
    let compared = diff(&sample::healthy(), &after);
    assert!(
        compared.headline.starts_with("Broken since 2026-11-24 08:46:40 UTC at the latest"),
        "{}",
        compared.headline
    );
    assert!(compared.headline.ends_with("[NO_MEDIA]"));
    assert_eq!(found(&compared, "video.fps", "bob -> alice").trend, Trend::Gone);
    let back = diff(&after, &sample::healthy());
    assert_eq!(back.headline, "Works in B: NO_MEDIA is gone");
}

#[test]
fn the_table_puts_the_worst_first_and_keeps_to_the_width() {
    let mut after = next_day();
    let video = after.directions[0].video.as_mut().unwrap();
    video.fps = 20.0;
    video.freeze_ms = 400.0;
    video.freezes = 3;
    let compared = diff(&sample::healthy(), &after);
    let expected = "\
Slower since 2026-11-24 08:46:40 UTC at the latest (not yet on 2026-11-23 08:46:40 UTC): \
video.freeze_ms (alice -> bob) 0 -> 400 ms, and 2 more figures are worse

A  2026-11-23 08:46:40 UTC  peer-cli 0.1.0  PASS The call works: decodable video and audible audio in both directions.
B  2026-11-24 08:46:40 UTC  peer-cli 0.1.0  PASS The call works: decodable video and audible audio in both directions.

         metric           where            A    B   change  percent
worse    video.freeze_ms  alice -> bob     0  400  +400 ms
worse    video.fps        alice -> bob    30   20  -10 fps    -33 %
worse    video.freezes    alice -> bob     0    3       +3
";
    let text = render(&compared, Style { color: false, width: 100 });
    assert!(text.starts_with(expected), "{text}");
    let narrow = render(&compared, Style { color: false, width: 50 });
    assert!(narrow.contains("\nworse    video.freeze_ms    400  +400 ms\n"), "{narrow}");
}

#[test]
fn repetitions_are_compared_over_all_their_calls() {
    let before = repeat::combine(vec![sample::healthy(), sample::healthy()]);
    let mut slow = next_day();
    slow.peers.iter_mut().for_each(|peer| {
        peer.phases.iter_mut().for_each(|stamp| {
            if stamp.phase == "stomp-connected" {
                stamp.at_ms = 200.0;
            }
        })
    });
    let after = repeat::combine(vec![slow.clone(), slow]);
    let compared = diff(&before, &after);
    let signaling = found(&compared, "signaling_ms", "");
    assert_eq!((signaling.before, signaling.after, signaling.trend), (Some(53.1), Some(200.0), Trend::Worse));
}
