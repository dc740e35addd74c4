//! The same between two processes, where the receiver has to be told when something was sent.

use std::time::Duration;

use dialtone_tests::{Call, Fate, Rtcp, Way, alone};

use super::KINDS;
use crate::wired::{ALICE, BOB, Wired};

/// How far a measured delay may be from the added one, in milliseconds, beyond what its basis can tell.
const TOLERANCE_MS: f64 = 2.0;
/// A sender report ties the RTP clock to the wall clock at the last frame before it. Both clocks are finer than
/// 0.03 ms; but frames go at an even pace by the one, and up to a tick of the timer later, 1 ms, by the other.
const SENDER_REPORT_MS: f64 = 1.0;
/// The clock in the picture counts whole milliseconds.
const PICTURE_MS: f64 = 1.0;
/// How often each delay is measured, in turns, so that a busy moment does not fall on one of them alone. An odd number,
/// of which one is in the middle.
const ROUNDS: usize = 3;
/// The delays, the second of which is compared with the first.
const DELAYS_MS: [u64; 2] = [0, 60];
/// Small pictures: the machine shall have time. Sender reports come about once a second.
const OPTIONS: [&str; 4] = ["--size", "320x240", "--duration", "5s"];

/// What a report says after a frame that was sent late makes others seem quick; a busy moment makes them slow. So it
/// is the middle of all frames, and of all rounds, that counts.
#[test]
fn a_delay_added_on_the_way_from_alice_is_what_sender_reports_tell() {
    let _alone = alone();
    let found = in_turns(|delay| {
        let calls = delayed(delay, &[], |_| false);
        calls.map(|call| KINDS.map(|kind| latency(&call, kind, "sender-report", "p50")))
    });
    for (kind, name) in KINDS.into_iter().enumerate() {
        for receiver in [ALICE, BOB] {
            let latencies = found.each_ref().map(|rounds| {
                let mut values: Vec<f64> = rounds.iter().map(|round| round[receiver][kind]).collect();
                values.sort_by(f64::total_cmp);
                values[ROUNDS / 2]
            });
            assert_only_bob_waits_longer(receiver, latencies, SENDER_REPORT_MS, name);
        }
    }
}

/// Without sender reports, all of which are lost. From the clock that is drawn to the picture that is seen it also
/// takes the time of encoding, which a busy moment makes longer and nothing makes shorter: so it is the quickest
/// picture that counts.
#[test]
fn a_delay_added_on_the_way_from_alice_is_what_the_clock_in_the_picture_tells() {
    let _alone = alone();
    let found = in_turns(|delay| {
        let calls = delayed(delay, &["--live"], Rtcp::is_sender_report);
        calls.map(|call| {
            assert!(call.at("/directions/0/audio/latency_ms").is_null(), "sound shows no clock: {}", call.report);
            latency(&call, "video", "picture", "min")
        })
    });
    for receiver in [ALICE, BOB] {
        let latencies =
            found.each_ref().map(|rounds| rounds.iter().map(|round| round[receiver]).fold(f64::INFINITY, f64::min));
        assert_only_bob_waits_longer(receiver, latencies, PICTURE_MS, "video");
    }
}

/// What `measure` finds with each delay in each round.
fn in_turns<T>(measure: impl Fn(Duration) -> T) -> [Vec<T>; DELAYS_MS.len()] {
    let mut found = DELAYS_MS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (delay, found) in DELAYS_MS.into_iter().zip(&mut found) {
            found.push(measure(Duration::from_millis(delay)));
        }
    }
    found
}

/// A call in which alice's datagrams take longer to the relay, and some RTCP of both sides is lost.
fn delayed(delay: Duration, options: &[&str], is_lost: fn(Rtcp) -> bool) -> [Call; 2] {
    let wired = Wired::new(move |packet| {
        if packet.way == Way::Up && packet.rtcp.is_some_and(is_lost) {
            return Fate::Drop;
        }
        let is_delayed = packet.client == ALICE && packet.way == Way::Up && !delay.is_zero();
        if is_delayed { Fate::Delay(delay) } else { Fate::Pass }
    });
    let calls = wired.join(&[&OPTIONS[..], options].concat());
    for call in &calls {
        call.assert_verdict("OK", 0);
    }
    calls
}

/// A latency as a receiver tells it, in milliseconds.
fn latency(call: &Call, kind: &str, basis: &str, value: &str) -> f64 {
    assert_eq!(call.text(&format!("/directions/0/{kind}/latency_basis")), basis, "{}", call.report);
    let latency = call.number(&format!("/directions/0/{kind}/latency_ms/{value}"));
    assert!(latency.is_finite(), "{kind} has no latency: {}", call.report);
    latency
}

/// What bob receives is what alice sends: that alone takes longer.
fn assert_only_bob_waits_longer(receiver: usize, latencies: [f64; 2], resolution_ms: f64, name: &str) {
    let added = if receiver == BOB { DELAYS_MS[1] as f64 } else { 0.0 };
    let difference = latencies[1] - latencies[0];
    assert!(
        (difference - added).abs() <= TOLERANCE_MS + resolution_ms,
        "{name}: {added} ms were added on the way and {difference:.3} ms more were measured: {latencies:?}"
    );
}
