//! A picture that is lost for good, and the key frame that mends it.

use dialtone_tests::{Fate, Packet, Way};

use super::H264;
use crate::wired::Wired;

/// Which picture of the first client is lost, counted from 0: some one and a half seconds in, between two key frames.
const LOST: u32 = 45;
/// Only the first picture of the pattern's loop is a key frame by itself: the next one would be 5 s after it.
const KEY_INTERVAL: &str = "150";
/// What pictures and sound of the same moment may be apart, in milliseconds.
const MOST_APART_MS: f64 = 100.0;

#[test]
fn a_lost_picture_is_mended_by_a_key_frame_that_was_asked_for() {
    let mut picture = 0;
    let wired = Wired::new(move |packet| judge(packet, &mut picture));
    let call = wired.call(&["--codec", "h264", "--key-frame-interval", KEY_INTERVAL, "--duration", "8s"]);
    call.assert_verdict("OK", 0);

    let asked = |peer: usize| call.number(&format!("/peers/{peer}/sent/key_frames_asked"));
    let sender = if asked(0) > asked(1) { 0 } else { 1 };
    assert!(asked(sender) >= 1.0, "nobody asked for a key frame: {}", call.report);
    let name = call.text(&format!("/peers/{sender}/name"));
    let mended = (0..2).find(|direction| call.text(&format!("/directions/{direction}/from")) == name).unwrap();
    let number = |field: &str| call.number(&format!("/directions/{mended}/{field}"));
    assert!(number("video/key_frames_requested") >= 1.0, "{}", call.report);
    // Without it the picture would have stood still until the next key frame, for more than three seconds.
    assert!(number("video/longest_gap_ms") < 1500.0, "{}", call.report);
    let missed = number("video/frames_lost");
    assert!((1.0..45.0).contains(&missed), "{missed} pictures were missed: {}", call.report);
    // The pictures went on where they were, and did not jump to another place of their loop.
    for direction in 0..2 {
        for end in ["min", "max"] {
            let apart = call.number(&format!("/directions/{direction}/av_offset_ms/{end}"));
            assert!(apart.abs() <= MOST_APART_MS, "pictures and sound are {apart} ms apart: {}", call.report);
        }
    }
}

/// Drops every packet of one picture, and whatever the sender sends again: nothing but a key frame can mend it.
/// `picture` counts those of the first client, by the marker that ends each.
fn judge(packet: &Packet, picture: &mut u32) -> Fate {
    let Some(rtp) = packet.rtp.filter(|_| packet.way == Way::Up && packet.client == 0) else { return Fate::Pass };
    if rtp.payload_type == H264 + 1 {
        return Fate::Drop;
    }
    if rtp.payload_type != H264 {
        return Fate::Pass;
    }
    let fate = if *picture == LOST { Fate::Drop } else { Fate::Pass };
    *picture += u32::from(rtp.marker);
    fate
}
