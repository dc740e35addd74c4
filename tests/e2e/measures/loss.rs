//! Loss against what the wire dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use dialtone_tests::{Fate, Packet, Way};

use super::{OPUS, TO_ALICE, TO_BOB, VP8, assert_directions};
use crate::wired::{ALICE, BOB, Wired};

/// How far a measured loss may be from the wire's own, in points of a percent.
const TOLERANCE: f64 = 0.2;
/// The first packets of a stream pass: the receiver can only count from the first one that it sees.
const SPARED: usize = 20;
const KINDS: [(&str, u8); 2] = [("video", VP8), ("audio", OPUS)];

/// What the wire saw of one stream: numbers that passed, numbers that were dropped.
type Seen = [BTreeSet<u16>; 2];
/// By the number of the client and the payload type.
type Streams = BTreeMap<(usize, u8), Seen>;

#[test]
fn what_is_dropped_on_the_way_from_alice_is_the_loss_of_that_direction_alone() {
    loss_is_what_the_wire_dropped(ALICE, 30);
}

#[test]
fn what_is_dropped_on_the_way_from_bob_is_the_loss_of_that_direction_alone() {
    loss_is_what_the_wire_dropped(BOB, 15);
}

/// The wire drops the packets of one side with certain numbers whenever they come, so many in a thousand; what repairs
/// the loss has other numbers, passes, and must not hide it. Some 1000 packets of sound: one of them is a tenth of a
/// point.
fn loss_is_what_the_wire_dropped(loser: usize, permille: u32) {
    let streams = Arc::new(Mutex::new(Streams::new()));
    let seen = Arc::clone(&streams);
    let wired = Wired::new(move |packet| {
        let permille = if packet.client == loser { permille } else { 0 };
        judge(packet, permille, &mut seen.lock().unwrap())
    });
    let call = wired.call(&["--duration", "20s"]);
    call.assert_verdict("OK", 0);
    assert_directions(&call);
    let streams = streams.lock().unwrap().clone();

    for (sender, direction) in [(ALICE, TO_BOB), (BOB, TO_ALICE)] {
        let number = |field: &str| call.number(&format!("/directions/{direction}/{field}"));
        for (kind, payload_type) in KINDS {
            let [passed, dropped] = &streams[&(sender, payload_type)];
            assert_eq!(dropped.is_empty(), sender != loser, "one side alone loses anything");
            let known = 100.0 * dropped.len() as f64 / (passed.len() + dropped.len()) as f64;
            let measured = number(&format!("{kind}/network_loss_percent"));
            assert!(
                (measured - known).abs() <= TOLERANCE,
                "{kind}: the wire dropped {known:.3} %, and {measured:.3} % were measured: {}",
                call.report
            );
        }
        // Pictures are repaired where some are lost, sound never is.
        assert_eq!(number("video/recovered") > 0.0, sender == loser, "{}", call.report);
        assert_eq!(number("audio/recovered"), 0.0, "{}", call.report);
    }
}

fn judge(packet: &Packet, permille: u32, streams: &mut Streams) -> Fate {
    let is_media = |payload_type: u8| KINDS.iter().any(|(_, kind)| *kind == payload_type);
    let Some(rtp) = packet.rtp.filter(|rtp| packet.way == Way::Up && is_media(rtp.payload_type)) else {
        return Fate::Pass;
    };
    let [passed, dropped] = streams.entry((packet.client, rtp.payload_type)).or_default();
    if passed.len() >= SPARED && scattered(rtp.sequence) < permille {
        dropped.insert(rtp.sequence);
        Fate::Drop
    } else {
        passed.insert(rtp.sequence);
        Fate::Pass
    }
}

/// A number from 0 to 999 for each sequence number, without an order that one could see (the multiplier is that of
/// Knuth's multiplicative hash).
fn scattered(sequence: u16) -> u32 {
    (u32::from(sequence).wrapping_mul(2_654_435_761) >> 12) % 1000
}
