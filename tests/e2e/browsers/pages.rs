//! Two pages.

use dialtone_tests::Ground;

use super::{House, Stage, cable, is_missing, receives};

/// Long enough to judge pictures and sound by, and told in the statistics of each second too.
const FLOWS: &str = "d.far.stamped>60 && d.far.toneHz>0 && d.stats?.received.frames>30 && d.stats.received.audioCodec";

/// A call of two open pages, judged at both ends; `first` is there before the other. `a` is peer 6, `b` is peer 7.
#[track_caller]
fn talk(stage: &mut Stage, first: &str, codec: &str) {
    let second = if first == "a" { "b" } else { "a" };
    stage.does(&format!("{first} join"));
    stage.does(&format!("{first} wait waiting"));
    stage.does(&format!("{second} join"));
    for page in ["a", "b"] {
        stage.does(&format!("{page} wait connected"));
    }
    for (page, far, tone) in [("a", 7, 1012.0), ("b", 6, 412.0)] {
        let seen = stage.does(&format!("{page} until {FLOWS}"))["snapshot"].take();
        receives(&seen, far, tone);
        let codecs = ["videoCodec", "audioCodec"].map(|kind| seen["stats"]["received"][kind].as_str());
        assert_eq!(codecs, [Some(codec), Some("opus")], "{page}: {seen:#}");
    }
}

#[test]
fn two_pages_see_and_hear_each_other() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &[]);
    let mut stage = house.stage(&[]);
    stage.all(&["a open /r/pair?media=pattern&peer=6", "b open /r/pair?media=pattern&peer=7"]);
    talk(&mut stage, "a", "VP8");
    stage.all(&["a axe", "a press leave", "b wait waiting"]);
}

#[test]
fn two_pages_speak_h264_where_they_are_asked_to() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &[]);
    let mut stage = house.stage(&[]);
    for (page, peer) in [("a", 6), ("b", 7)] {
        stage.does(&format!("{page} open /r/h264?media=pattern&peer={peer}&codec=H264"));
    }
    talk(&mut stage, "a", "H264");
}

#[test]
fn firefox_and_chromium_call_each_other() {
    if is_missing(&["chromium", "firefox-esr"]) {
        return;
    }
    let Some(ground) = cable() else { return };
    let house = House::open(&ground, &[]);
    let mut stage = house.stage(&[]);
    stage.does("a browser firefox");
    // Each as the first one in the room and as the caller.
    for (first, caller) in [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")] {
        for (page, peer) in [("a", 6), ("b", 7)] {
            let rule = if page == caller { "always" } else { "never" };
            let room = format!("{first}-first-{caller}-calls");
            stage.does(&format!("{page} open /r/{room}?media=pattern&peer={peer}&offer={rule}"));
        }
        talk(&mut stage, first, "VP8");
        stage.all(&["a press leave", "b wait waiting"]);
    }
}

#[test]
fn two_firefoxes_call_each_other() {
    if is_missing(&["firefox-esr"]) {
        return;
    }
    let Some(ground) = cable() else { return };
    let house = House::open(&ground, &[]);
    let mut stage = house.stage(&[]);
    stage.all(&["a browser firefox", "b browser firefox"]);
    stage.all(&["a open /r/foxes?media=pattern&peer=6", "b open /r/foxes?media=pattern&peer=7"]);
    talk(&mut stage, "b", "VP8");
    stage.all(&["a press leave", "b wait waiting"]);
}

#[test]
fn a_third_tab_is_told_that_the_room_is_full() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &[]);
    house.stage(&["--one-browser"]).all(&[
        "a open /r/full?media=pattern&peer=6",
        "a join",
        "b open /r/full?media=pattern&peer=7",
        "b join",
        "a wait connected",
        "c open /r/full?media=pattern&peer=8",
        "c join",
        "c wait full",
        "c axe",
    ]);
}
