//! Latency against a delay that the wire adds.

use std::time::Duration;

use dialtone_tests::{Call, Fate, Way};

use crate::wired::Wired;

/// How far a measured delay may be from the added one, in milliseconds.
const TOLERANCE_MS: f64 = 2.0;
/// How often each delay is measured, in turns, so that a busy moment does not fall on one of them alone.
const ROUNDS: usize = 3;
/// The delays, the first of which is what the others are compared with.
const DELAYS_MS: [u64; 3] = [0, 40, 80];
const KINDS: [&str; 2] = ["video", "audio"];

/// Both kinds of media in the direction with the delay, then in the other one.
type Latencies = [[f64; 2]; 2];

/// The same wire and the same path each time; what the machine does beside can only add to a latency, so the smallest
/// of each delay's rounds is the one that says most.
#[test]
fn a_delay_added_on_one_way_is_measured_in_that_direction_alone() {
    let _alone = super::alone();
    let mut smallest = [[[f64::INFINITY; 2]; 2]; DELAYS_MS.len()];
    for _ in 0..ROUNDS {
        for (delay, best) in DELAYS_MS.into_iter().zip(&mut smallest) {
            let measured = latencies(&delayed(Duration::from_millis(delay)), delay);
            for (best, value) in best.iter_mut().flatten().zip(measured.into_iter().flatten()) {
                *best = best.min(value);
            }
        }
    }
    for (delay, measured) in DELAYS_MS.into_iter().zip(smallest).skip(1) {
        for (way, added) in [delay as f64, 0.0].into_iter().enumerate() {
            for (kind, name) in KINDS.into_iter().enumerate() {
                let difference = measured[way][kind] - smallest[0][way][kind];
                assert!(
                    (difference - added).abs() <= TOLERANCE_MS,
                    "{name}: {added} ms were added on one way and {difference:.3} ms more were measured; all: {smallest:?}"
                );
            }
        }
    }
}

/// A call whose one side's datagrams to the relay take longer. Small pictures: the machine shall have time.
fn delayed(delay: Duration) -> Call {
    let wired = Wired::new(move |packet| {
        if packet.client == 0 && packet.way == Way::Up && !delay.is_zero() { Fate::Delay(delay) } else { Fate::Pass }
    });
    let call = wired.call(&["--size", "320x240", "--duration", "4s"]);
    call.assert_verdict("OK", 0);
    for direction in 0..2 {
        assert_eq!(call.text(&format!("/directions/{direction}/latency_basis")), "shared-clock");
    }
    call
}

/// Which direction has the delay is not known beforehand: it is the slower one, where there is any.
fn latencies(call: &Call, delay: u64) -> Latencies {
    let median = |direction: usize, kind: &str| {
        let value = call.number(&format!("/directions/{direction}/{kind}/latency_ms/p50"));
        assert!(value >= 0.0, "{kind} has no latency: {}", call.report);
        value
    };
    let all = [0, 1].map(|direction| KINDS.map(|kind| median(direction, kind)));
    if delay == 0 {
        // Neither has one, so both have to stand for both.
        let least = [0, 1].map(|kind| all[0][kind].min(all[1][kind]));
        return [least, least];
    }
    if all[0][1] > all[1][1] { all } else { [all[1], all[0]] }
}
