//! Latency against a delay that the wire adds, by the clock of one process.

use std::time::Duration;

use dialtone_tests::{Call, Fate, Way, alone};

use super::{KINDS, TO_ALICE, TO_BOB, assert_directions};
use crate::wired::{ALICE, Wired};

/// How far a measured delay may be from the added one, in milliseconds.
const TOLERANCE_MS: f64 = 2.0;
/// How often each delay is measured, in turns, so that a busy moment does not fall on one of them alone.
const ROUNDS: usize = 3;
/// The delays, the first of which is what the others are compared with.
const DELAYS_MS: [u64; 3] = [0, 40, 80];

/// Both kinds of media, from alice to bob and back.
type Latencies = [[f64; 2]; 2];

/// The same wire and the same path each time; what the machine does beside can only add to a latency, so the smallest
/// of each delay's rounds is the one that says most.
#[test]
fn a_delay_added_on_the_way_from_alice_is_measured_in_that_direction_alone() {
    let _alone = alone();
    let mut smallest = [[[f64::INFINITY; 2]; 2]; DELAYS_MS.len()];
    for _ in 0..ROUNDS {
        for (delay, best) in DELAYS_MS.into_iter().zip(&mut smallest) {
            let measured = latencies(&delayed(Duration::from_millis(delay)));
            for (best, value) in best.iter_mut().flatten().zip(measured.into_iter().flatten()) {
                *best = best.min(value);
            }
        }
    }
    for (delay, measured) in DELAYS_MS.into_iter().zip(smallest).skip(1) {
        for (direction, added) in [(TO_BOB, delay as f64), (TO_ALICE, 0.0)] {
            for (kind, name) in KINDS.into_iter().enumerate() {
                let difference = measured[direction][kind] - smallest[0][direction][kind];
                assert!(
                    (difference - added).abs() <= TOLERANCE_MS,
                    "{name}: {added} ms were added on the way, {difference:.3} ms more were measured; all: {smallest:?}"
                );
            }
        }
    }
}

/// A call in which alice's datagrams take longer to the relay. Small pictures: the machine shall have time.
fn delayed(delay: Duration) -> Call {
    let wired = Wired::new(move |packet| {
        let is_delayed = packet.client == ALICE && packet.way == Way::Up && !delay.is_zero();
        if is_delayed { Fate::Delay(delay) } else { Fate::Pass }
    });
    let call = wired.call(&["--size", "320x240", "--duration", "4s"]);
    call.assert_verdict("OK", 0);
    call
}

fn latencies(call: &Call) -> Latencies {
    assert_directions(call);
    [TO_BOB, TO_ALICE].map(|direction| {
        assert_eq!(call.text(&format!("/directions/{direction}/latency_basis")), "shared-clock");
        KINDS.map(|kind| {
            let value = call.number(&format!("/directions/{direction}/{kind}/latency_ms/p50"));
            assert!(value >= 0.0, "{kind} has no latency: {}", call.report);
            value
        })
    })
}
