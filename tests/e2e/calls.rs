//! Two-peer calls as real processes.

mod between;
mod exit_codes;
mod media;
mod networks;
mod servers;
mod strangers;

use dialtone_tests::Call;

/// How far a tone may be from the expected one and still be taken for it, in Hz; neighbouring calls are 4 apart.
const TONE_HZ: f64 = 1.9;

/// Both peers of a `call` saw and heard each other, as their own test signals show.
pub(crate) fn assert_test_signals_both_ways(call: &Call) {
    call.assert_verdict("OK", 0);
    assert_test_signals_arrived(call);
}

/// The same whatever the verdict is. The tones depend on the number of the call; the report tells them.
fn assert_test_signals_arrived(call: &Call) {
    let tones = [0, 1].map(|direction| call.number(&format!("/directions/{direction}/audio/expected_tone_hz")));
    assert!(tones[1] - tones[0] > 100.0, "bob's tone lies above alice's: {}", call.report);
    for (direction, tone) in tones.into_iter().enumerate() {
        let number = |field: &str| call.number(&format!("/directions/{direction}/{field}"));
        assert!(number("video/decoded") > 0.0, "{}", call.report);
        assert!(number("video/stamped") > 0.0, "{}", call.report);
        assert_eq!(number("video/wrong_peer"), 0.0);
        assert!((number("audio/tone_hz") - tone).abs() <= TONE_HZ, "{}", call.report);
        assert_eq!(call.at(&format!("/directions/{direction}/audio/audible")), true);
    }
}

/// Pictures and sound arrived in every direction of the report, whatever they show.
pub(crate) fn assert_media_arrived(call: &Call) {
    call.assert_verdict("OK", 0);
    let directions = call.at("/directions").as_array().map_or(0, Vec::len);
    assert!(directions > 0, "{}", call.report);
    for direction in 0..directions {
        let number = |field: &str| call.number(&format!("/directions/{direction}/{field}"));
        assert!(number("video/decoded") > 0.0, "{}", call.report);
        assert!(number("audio/seconds") > 0.0, "{}", call.report);
        assert_eq!(call.at(&format!("/directions/{direction}/audio/audible")), true, "{}", call.report);
    }
}

/// The path of every peer goes through a relay at both ends.
pub(crate) fn assert_relayed(call: &Call) {
    for peer in 0..call.at("/peers").as_array().map_or(0, Vec::len) {
        let pair = (call.text(&format!("/peers/{peer}/pair/local")), call.text(&format!("/peers/{peer}/pair/remote")));
        assert_eq!(pair, ("relay", "relay"), "{}", call.report);
    }
}

/// Payload bytes that arrived in all directions.
pub(crate) fn received_bytes(call: &Call) -> f64 {
    let directions = call.at("/directions").as_array().map_or(0, Vec::len);
    let bytes = |at: usize, kind: &str| call.number(&format!("/directions/{at}/{kind}/bytes"));
    (0..directions).map(|at| bytes(at, "video") + bytes(at, "audio")).sum()
}

/// The phases of a peer contain these, in this order.
pub(crate) fn assert_phases(call: &Call, peer: usize, expected: &[&str]) {
    let phases = call.phases(peer);
    let mut rest = phases.iter();
    for phase in expected {
        assert!(rest.any(|p| p == phase), "{phase} is missing, or too early, in {phases:?}");
    }
}
