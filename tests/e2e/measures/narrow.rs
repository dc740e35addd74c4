//! A sender that follows its congestion controller, on a line that carries less than it would like to send.

use std::time::{Duration, Instant};

use dialtone_tests::{Call, Fate, Kind, Narrow, Way, alone, now};

use super::{TO_BOB, assert_directions};
use crate::wired::{ALICE, Wired};

/// What the line carries. A sender starts with 500 kbit/s and would go on from there.
const LIMIT_KBPS: f64 = 400.0;
/// What fits into the line at once, and what may wait for it: 300 ms.
const BUCKET: usize = 3000;
const QUEUE: usize = 15_000;
/// How long it is narrow, from the first packet of media on; it is wide for as long again.
const NARROW_FOR: Duration = Duration::from_secs(20);
/// An estimate is searched for, and so it is sometimes a little above the line.
const NEAR: f64 = 1.2;

#[test]
fn a_live_picture_follows_a_line_that_becomes_wide_again() {
    let _alone = alone();
    let mut line = Narrow::new((LIMIT_KBPS * 1000.0) as u32, BUCKET, QUEUE);
    let mut narrow_until: Option<Instant> = None;
    let wired = Wired::new(move |packet| {
        let is_hers = packet.client == ALICE && packet.way == Way::Up;
        if !is_hers || (narrow_until.is_none() && packet.rtp.is_none()) {
            return Fate::Pass;
        }
        if packet.at >= *narrow_until.get_or_insert(packet.at + NARROW_FOR) {
            line.widen();
        }
        line.fate(packet)
    });
    // The smallest picture that stamp and clock fit into: at its worst it needs less than the line carries.
    let call = wired.call(&["--live", "--size", "160x120", "--duration", "40s"]);
    call.assert_verdict("OK", 0);
    assert_directions(&call);
    let media =
        wired.wire.count(|lane| lane.client == ALICE && lane.way == Way::Up && matches!(lane.kind, Kind::Rtp(_)));
    assert!(media.dropped > 0, "the line was never full: {media:?}");

    let begin = phase_ms(&call, "first-packet");
    let wide = begin + NARROW_FOR.as_secs_f64() * 1000.0;
    let target = |from: f64, to: f64| values(&call, "target_kbps", from, to);

    // The target falls below what the line carries, and mostly stays there.
    let searched = target(begin, wide);
    let fell = searched.iter().position(|kbps| *kbps <= LIMIT_KBPS * NEAR && *kbps < searched[0]);
    let since = &searched[fell.unwrap_or_else(|| panic!("it never falls: {searched:?}"))..];
    let near = since.iter().filter(|kbps| **kbps <= LIMIT_KBPS * NEAR).count();
    assert!(near * 2 > since.len(), "it does not stay: {searched:?}");

    // The picture goes on: there are pictures in every two seconds once half of the time is over, ten a second in all.
    let half = f64::midpoint(begin, wide);
    let fps = values(&call, "fps", half, wide);
    assert!(mean(&fps) * fps.len() as f64 >= 10.0 * entries(&call, half, wide), "too few pictures: {fps:?}");
    for from in [0.0, 2000.0, 4000.0, 6000.0, 8000.0].map(|ms| half + ms) {
        let some = values(&call, "fps", from, from + 2000.0).into_iter().any(|fps| fps > 0.0);
        assert!(some, "the picture stood still for two seconds: {}", call.report);
    }

    // On a wide line the target rises again, all pictures come, and what was waiting on the way is gone.
    let end = wide + NARROW_FOR.as_secs_f64() * 1000.0;
    let last = end - 3000.0;
    assert!(mean(&target(last, end)) >= 2.0 * LIMIT_KBPS, "it does not rise: {:?}", target(wide, end));
    assert!(mean(&values(&call, "fps", last, end - 500.0)) >= 25.0, "pictures are missing: {}", call.report);
    let latency = mean(&values(&call, "video_latency_ms", last, end));
    assert!(latency < 250.0, "pictures are still {latency} ms late: {}", call.report);
}

#[test]
fn a_narrow_line_carries_what_it_says_and_loses_what_it_cannot_keep() {
    // A datagram of 972 bytes has 1000 with its headers: 8000 bits, so 50 of them go over the line in a second.
    const LENGTH: usize = 972;
    let every = Duration::from_millis(20);
    let start = now();
    let mut line = Narrow::new(400_000, 3000, 5000);
    let all_at_once: Vec<Fate> = (0..10).map(|_| line.take(start, LENGTH)).collect();
    let waits = |turns: u32| Fate::Delay(every * turns);
    let at_once = [waits(0); 3];
    let queued = [1, 2, 3, 4, 5].map(waits);
    assert_eq!(all_at_once, [&at_once[..], &queued, &[Fate::Drop; 2]].concat());

    // At the pace of the line everything waits as long as what came before it; with a pause the queue empties first.
    assert_eq!(line.take(start + every, LENGTH), waits(5));
    assert_eq!(line.take(start + every * 6, LENGTH), waits(1));
    assert_eq!(line.take(start + every * 60, LENGTH), waits(0));

    // What waits is not overtaken by what comes when the line is wide.
    let busy = start + every * 1000;
    for _ in 0..5 {
        line.take(busy, LENGTH);
    }
    line.widen();
    assert_eq!(line.take(busy, LENGTH), waits(2));
    assert_eq!(line.take(busy + every * 2, 60_000), waits(0));
}

/// When bob reached a phase, in milliseconds since the peers were started.
fn phase_ms(call: &Call, name: &str) -> f64 {
    let phases = call.at("/peers/1/phases").as_array().map_or(&[][..], Vec::as_slice);
    let stamp = phases.iter().find(|stamp| stamp["phase"] == name);
    stamp.and_then(|stamp| stamp["at_ms"].as_f64()).unwrap_or_else(|| panic!("no {name}: {}", call.report))
}

/// The values in a column of what came to bob, from one time to another; those that are missing are left out.
fn values(call: &Call, column: &str, from: f64, to: f64) -> Vec<f64> {
    let series = |field: &str| call.at(&format!("/directions/{TO_BOB}/series/{field}"));
    let start = series("start_ms").as_f64().expect("a series has a beginning");
    let step = interval_ms(call);
    let entries = series(column).as_array().map_or(&[][..], Vec::as_slice).iter().enumerate();
    let timed = entries.filter_map(|(at, value)| Some((start + at as f64 * step, value.as_f64()?)));
    timed.filter(|(time, _)| (from..to).contains(time)).map(|(_, value)| value).collect()
}

/// How many entries a column has for that time.
fn entries(call: &Call, from: f64, to: f64) -> f64 {
    (to - from) / interval_ms(call)
}

fn interval_ms(call: &Call) -> f64 {
    call.number(&format!("/directions/{TO_BOB}/series/interval_ms"))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
