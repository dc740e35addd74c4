//! A page and `peer-cli`, which judge each other.

use dialtone_tests::Ground;

use super::{House, cable, is_missing, receives};

#[test]
fn a_page_and_peer_cli_judge_each_other_whoever_comes_first() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    for page_first in [true, false] {
        let house = House::open(&ground, &[]);
        let mut stage = house.stage(&[]);
        stage.does("a open /r/mixed?media=pattern&peer=7");
        let join = || house.peer("mixed", &["--duration", "8s"]);
        let peer = if page_first {
            stage.all(&["a join", "a wait waiting"]);
            join()
        } else {
            let peer = join();
            stage.does("a join");
            peer
        };
        stage.all(&["a wait connected", "a until d.far.stamped>60 && d.far.toneHz>0"]);
        receives(&stage.says("a"), 6, 412.0);
        stage.does("a wait waiting");
        let call = peer.wait();
        call.assert_verdict("OK", 0);
        assert!(call.number("/directions/0/video/stamped") > 100.0, "{}", call.report);
        assert!((call.number("/directions/0/audio/tone_hz") - 1012.0).abs() < 1.9, "{}", call.report);
    }
}

#[test]
fn firefox_and_peer_cli_call_each_other() {
    if is_missing(&["firefox-esr"]) {
        return;
    }
    let Some(ground) = cable() else { return };
    let house = House::open(&ground, &[]);
    let peer = house.peer("fox", &["--duration", "8s"]);
    let mut stage = house.stage(&[]);
    stage.all(&[
        "a browser firefox",
        "a open /r/fox?media=pattern&peer=7",
        "a join",
        "a wait connected",
        "a until d.far.stamped>30",
    ]);
    assert_eq!(stage.says("a")["far"]["peer"], 6);
    stage.does("a wait waiting");
    let call = peer.wait();
    assert!(call.number("/directions/0/video/stamped") > 30.0, "{}", call.report);
}
