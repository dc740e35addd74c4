//! Measured values against known ones, and that nothing is said about calls that are fine.
//!
//! The known value is always what the wire itself did: [`dialtone_tests::Impair`] delays by a given time, or drops and
//! counts, and whose packets that happens to is fixed before the call. Where both peers are in one process, sending and
//! receiving times come from one clock; where each is a process, from RTCP or from the picture, which on one machine
//! tell the time of one clock too.

mod capture;
mod clocks;
mod delay;
mod loss;
mod narrow;
mod repair;
mod stress;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dialtone_tests::{Call, alone, busy};

/// Opus, and VP8 and H264, as our engine numbers them; what is sent again has the next number.
const OPUS: u8 = 111;
const VP8: u8 = 96;
const H264: u8 = 102;

const KINDS: [&str; 2] = ["video", "audio"];

/// The directions of a `call`, as reports of it name them: from alice to bob, and back.
const TO_BOB: usize = 0;
const TO_ALICE: usize = 1;

/// Checks that the directions of a `call` are what we take them for.
fn assert_directions(call: &Call) {
    for (direction, ends) in [(TO_BOB, ["alice", "bob"]), (TO_ALICE, ["bob", "alice"])] {
        let told = ["from", "to"].map(|end| call.text(&format!("/directions/{direction}/{end}")));
        assert_eq!(told, ends, "{}", call.report);
    }
}

/// It begins later: when this test and all others that wait to be alone are over.
#[test]
fn nobody_begins_while_one_is_alone() {
    let alone = alone();
    let (begun, begins) = mpsc::channel();
    let another = thread::Builder::new().name("another::test".to_owned());
    another
        .spawn(move || {
            busy();
            begun.send(())
        })
        .unwrap();
    assert_eq!(begins.recv_timeout(Duration::from_millis(200)), Err(mpsc::RecvTimeoutError::Timeout));
    drop(alone);
}
