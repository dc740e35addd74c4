//! Loss against what the wire dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use dialtone_tests::{Call, Fate, Packet, Way};

use super::{OPUS, VP8};
use crate::wired::Wired;

/// How far a measured loss may be from the wire's own, in points of a percent.
const TOLERANCE: f64 = 0.2;
/// How many packets in a thousand are dropped from the first client, and from the second one.
const LOSSES: [u32; 2] = [30, 15];
/// The first packets of a stream pass: the receiver can only count from the first one that it sees.
const SPARED: usize = 20;
const KINDS: [(&str, u8); 2] = [("video", VP8), ("audio", OPUS)];

/// What the wire saw of one stream: numbers that passed, numbers that were dropped.
type Seen = [BTreeSet<u16>; 2];
type Streams = BTreeMap<(usize, u8), Seen>;

/// The wire drops the packets with certain numbers whenever they come; what repairs the loss has other numbers, passes,
/// and must not hide it. Some 1000 packets of sound: one of them is a tenth of a point.
#[test]
fn loss_is_what_the_wire_dropped_whatever_was_sent_again() {
    let streams = Arc::new(Mutex::new(Streams::new()));
    let seen = Arc::clone(&streams);
    let wired = Wired::new(move |packet| judge(packet, &mut seen.lock().unwrap()));
    let call = wired.call(&["--duration", "20s"]);
    call.assert_verdict("OK", 0);
    let streams = streams.lock().unwrap().clone();

    // The first client loses twice as much, which tells whose direction is whose.
    let sound = [0, 1].map(|direction| loss(&call, direction, "audio"));
    let directions = if sound[0] > sound[1] { [0, 1] } else { [1, 0] };
    for (client, direction) in directions.into_iter().enumerate() {
        for (kind, payload_type) in KINDS {
            let [passed, dropped] = &streams[&(client, payload_type)];
            let known = 100.0 * dropped.len() as f64 / (passed.len() + dropped.len()) as f64;
            let measured = loss(&call, direction, kind);
            assert!(
                (measured - known).abs() <= TOLERANCE,
                "{kind}: the wire dropped {known:.3} %, and {measured:.3} % were measured: {}",
                call.report
            );
        }
        // Pictures are repaired, sound is not.
        let recovered = |kind: &str| call.number(&format!("/directions/{direction}/{kind}/recovered"));
        assert!(recovered("video") > 0.0, "{}", call.report);
        assert_eq!(recovered("audio"), 0.0, "{}", call.report);
    }
}

fn loss(call: &Call, direction: usize, kind: &str) -> f64 {
    call.number(&format!("/directions/{direction}/{kind}/network_loss_percent"))
}

fn judge(packet: &Packet, streams: &mut Streams) -> Fate {
    let Some(rtp) = packet.rtp.filter(|_| packet.way == Way::Up) else { return Fate::Pass };
    let Some(permille) = LOSSES.get(packet.client).filter(|_| KINDS.iter().any(|(_, kind)| *kind == rtp.payload_type))
    else {
        return Fate::Pass;
    };
    let [passed, dropped] = streams.entry((packet.client, rtp.payload_type)).or_default();
    if passed.len() >= SPARED && scattered(rtp.sequence) < *permille {
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
