//! Two-peer calls as real processes.

mod between;
mod exit_codes;
mod media;
mod networks;
mod servers;
mod strangers;

use dialtone_tests::Call;

/// Both peers of a `call` saw and heard each other, as their own test signals show.
fn assert_test_signals_both_ways(call: &Call) {
    call.assert_verdict("OK", 0);
    for (direction, tone) in [(0, 440.0), (1, 700.0)] {
        let number = |field: &str| call.number(&format!("/directions/{direction}/{field}"));
        assert!(number("video/decoded") > 0.0, "{}", call.report);
        assert!(number("video/stamped") > 0.0, "{}", call.report);
        assert_eq!(number("video/wrong_peer"), 0.0);
        assert_eq!(number("audio/expected_tone_hz"), tone);
        assert!((number("audio/tone_hz") - tone).abs() <= tone * 0.03, "{}", call.report);
        assert_eq!(call.at(&format!("/directions/{direction}/audio/audible")), true);
    }
}

/// Pictures and sound arrived in every direction of the report, whatever they show.
fn assert_media_arrived(call: &Call) {
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
fn assert_relayed(call: &Call) {
    for peer in 0..call.at("/peers").as_array().map_or(0, Vec::len) {
        let pair = (call.text(&format!("/peers/{peer}/pair/local")), call.text(&format!("/peers/{peer}/pair/remote")));
        assert_eq!(pair, ("relay", "relay"), "{}", call.report);
    }
}

/// Payload bytes that arrived in all directions.
fn received_bytes(call: &Call) -> f64 {
    let directions = call.at("/directions").as_array().map_or(0, Vec::len);
    let bytes = |at: usize, kind: &str| call.number(&format!("/directions/{at}/{kind}/bytes"));
    (0..directions).map(|at| bytes(at, "video") + bytes(at, "audio")).sum()
}

/// The phases of a peer contain these, in this order.
fn assert_phases(call: &Call, peer: usize, expected: &[&str]) {
    let phases = call.phases(peer);
    let mut rest = phases.iter();
    for phase in expected {
        assert!(rest.any(|p| p == phase), "{phase} is missing, or too early, in {phases:?}");
    }
}
