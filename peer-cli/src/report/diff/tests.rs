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

/// The healthy call one day later, whose first picture came to alice so much later.
fn slower_by(ms: f64) -> Report {
    let mut report = next_day();
    for stamp in &mut report.peers[0].phases {
        if stamp.phase == "first-picture" {
            stamp.at_ms += ms;
        }
    }
    report
}

#[test]
fn the_first_line_says_since_when_it_is_slower() {
    let compared = diff(&sample::healthy(), &slower_by(299.6));
    // Both are 2.996 times their noise of 100 ms.
    assert_eq!(
        compared.headline,
        "Slower since 2026-11-24 08:46:40 UTC at the latest (not yet on 2026-11-23 08:46:40 UTC): \
         setup_ms (alice) 45.4 -> 345 ms, +660 %, and 1 more figure is worse"
    );
    let setup = found(&compared, "setup_ms", "alice");
    assert_eq!((setup.change, setup.percent, setup.noise), (Some(299.6), Some(659.912), 100.0));
    assert_eq!(found(&compared, "setup_ms", "bob").trend, Trend::Same);
}

/// A call in which bob is as slow as alice, again and again.
fn four_times(mut call: Report) -> Report {
    let phases = call.peers[0].phases.clone();
    call.peers[1].phases = phases;
    repeat::combine(vec![call; 4])
}

#[test]
fn what_happens_once_in_a_call_may_take_its_time_and_not_in_the_median_of_many_calls() {
    let one = diff(&sample::healthy(), &slower_by(40.0));
    assert_eq!(found(&one, "setup_ms", "alice").trend, Trend::Same);
    let many = diff(&four_times(next_day()), &four_times(slower_by(40.0)));
    let setup = found(&many, "setup_ms", "");
    assert_eq!((setup.trend, setup.change, setup.noise), (Trend::Worse, Some(40.0), 5.0));
}

#[test]
fn totals_tones_and_the_last_packet_are_not_compared() {
    let mut after = next_day();
    after.process.as_mut().unwrap().cpu_seconds *= 3.0;
    after.directions.iter_mut().for_each(|direction| {
        let (video, audio) = (direction.video.as_mut().unwrap(), direction.audio.as_mut().unwrap());
        (video.stream.bytes, video.stream.packets, video.decoded, video.stream.quiet_ms) = (9_999_999, 3620, 900, 33.0);
        (audio.tone_hz, audio.expected_tone_hz, audio.seconds, audio.clicks) = (Some(788.0), Some(788.0), 9.0, 9);
    });
    let compared = diff(&sample::healthy(), &after);
    assert!(compared.changes.iter().all(|change| change.trend == Trend::Same), "{:?}", compared.changes.first());
    for gone in ["video.bytes", "video.decoded", "audio.tone_hz", "video.quiet_ms", "process.cpu_seconds", "calls"] {
        assert!(compared.changes.iter().all(|change| change.metric != gone), "{gone}");
    }
}

#[test]
fn faults_are_counted_only_between_calls_of_a_length() {
    let mut after = next_day();
    after.duration_ms *= 10.0;
    after.directions[0].video.as_mut().unwrap().freezes = 12;
    let compared = diff(&sample::healthy(), &after);
    assert!(compared.changes.iter().all(|change| change.metric != "video.freezes"));
    let note = "A took 3.1 s and B 31.1 s: counts of faults, which grow with the length of a call, are left out.";
    assert_eq!(compared.notes, [note]);
    after.duration_ms /= 10.0;
    assert_eq!(found(&diff(&sample::healthy(), &after), "video.freezes", "alice -> bob").trend, Trend::Worse);
}

#[test]
fn a_lost_packet_is_chance_in_a_short_call_and_a_share_of_many_is_not() {
    let with_loss = |packets: u64, percent: f64| {
        let mut report = next_day();
        let stream = &mut report.directions[0].video.as_mut().unwrap().stream;
        (stream.packets, stream.loss_percent) = (packets, percent);
        report
    };
    let trend = |packets, percent| {
        let compared = diff(&with_loss(packets, 0.0), &with_loss(packets, percent));
        found(&compared, "video.loss_percent", "alice -> bob").trend
    };
    // Twice what chance makes of 362 packets with one of them lost is 0.55 points; of 2 % lost of them 1.47 points.
    assert_eq!((trend(362, 0.28), trend(362, 2.0)), (Trend::Same, Trend::Worse));
    assert_eq!((trend(100_000, 0.15), trend(100_000, 0.28)), (Trend::Same, Trend::Worse));
}

#[test]
fn a_round_trip_that_was_measured_in_one_of_them_only_is_not_told() {
    let mut before = sample::healthy();
    before.peers[0].sent.rtcp_rtt_ms = None;
    let compared = diff(&before, &next_day());
    assert!(!compared.changes.iter().any(|change| change.metric == "rtcp_rtt_ms" && change.place == "alice"));
}

#[test]
fn the_rules_fit_into_a_terminal() {
    assert!(RULES.lines().all(|line| line.chars().count() <= 100));
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
    video.freezes = 5;
    let compared = diff(&sample::healthy(), &after);
    let expected = "\
Worse since 2026-11-24 08:46:40 UTC at the latest (not yet on 2026-11-23 08:46:40 UTC): \
video.freeze_ms (alice -> bob) 0 -> 400 ms, and 2 more figures are worse

A  2026-11-23 08:46:40 UTC  peer-cli 0.1.0  PASS The call works: decodable video and audible audio in both directions.
B  2026-11-24 08:46:40 UTC  peer-cli 0.1.0  PASS The call works: decodable video and audible audio in both directions.

         metric           where            A    B   change  percent
worse    video.freeze_ms  alice -> bob     0  400  +400 ms
worse    video.fps        alice -> bob    30   20  -10 fps    -33 %
worse    video.freezes    alice -> bob     0    5       +5
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
