//! The page as people see it, and what their keys and buttons do.

use std::path::PathBuf;
use std::time::Duration;

use dialtone_tests::{Ground, Program};

use super::{House, cable, is_missing, scripts};

/// Thirty states, each in both themes at three widths.
const LOOKS: Duration = Duration::from_secs(900);

/// No finding of axe-core, nothing cut off, covered or out of the window, and everything within reach of the keyboard.
#[test]
fn every_state_of_the_page_is_fit_to_be_seen() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &[]);
    // Kept, whatever comes of it: pictures are there to be looked at.
    let pictures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/look");
    let mut command = ground.command("node");
    command.arg(scripts().join("call-page-look.mjs")).arg(&house.http).arg("--shots").arg(pictures);
    let looked = Program::spawn("node", &mut command).wait(LOOKS);
    assert_eq!(looked.code, Some(0), "{}\n{}", looked.stdout, looked.stderr);
}

#[test]
fn keys_and_buttons_do_what_they_say() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &[]);
    let mut stage = house.stage(&["--one-browser"]);
    stage.all(&["a open /", "a until d.mic&&d.camera&&d.state==='lobby'"]);
    // While a name is typed, the letters are its letters; a name that was typed is the room.
    stage.all(&["a press #room", "a key End", "a key m", "a key v"]);
    let typed = stage.says("a");
    assert!(typed["mic"] == true && typed["camera"] == true, "{typed:#}");
    stage.all(&["a key Enter", "a wait waiting"]);
    let room = stage.says("a")["room"].as_str().unwrap_or_default().to_owned();
    assert!(room.ends_with("mv"), "{room}");
    stage.all(&[
        "a key m",
        "a until !d.mic&&d.camera",
        "a key V",
        "a until !d.mic&&!d.camera",
        "a press mic",
        "a press camera",
        "a until d.mic&&d.camera",
    ]);
}

#[test]
fn a_screen_is_shared_and_who_hung_up_comes_back() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &[]);
    let mut stage = house.stage(&["--one-browser"]);
    for (page, peer) in [("a", 6), ("b", 7)] {
        stage.all(&[&format!("{page} open /r/screen?media=pattern&peer={peer}"), &format!("{page} join")]);
    }
    let seen = "b until d.state==='connected'&&d.stats?.received.fps>0&&d.stats.received.width";
    // The pattern is 640 wide, and no screen is.
    stage.all(&[&format!("{seen}===640"), "a press screen", "a until d.screen", &format!("{seen}!==640")]);
    stage.all(&["a press screen", "a until !d.screen&&d.camera", &format!("{seen}===640")]);
    stage.all(&["a press leave", "a wait ended", "b wait waiting"]);
    stage.all(&["a press again", "a wait connected", &format!("{seen}===640")]);
}

#[test]
fn another_camera_and_another_microphone_are_taken_in_mid_call() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &[]);
    let mut stage = house.stage(&["--one-browser", "--three-cameras"]);
    for page in ["a", "b"] {
        stage.all(&[
            &format!("{page} open /r/devices"),
            &format!("{page} until d.mic&&d.camera"),
            &format!("{page} join"),
        ]);
    }
    let sees = "d.state==='connected'&&d.stats?.received.fps>0&&d.stats.received.audioKbps>0";
    stage.does(&format!("b until {sees}"));
    let before = stage.says("a")["devices"].take();
    stage.all(&["a press settings", "a axe"]);
    // The second camera gives pictures of depth, which Chromium does not encode.
    for (kind, field, name) in [("videoinput", "video", "fake_device_2"), ("audioinput", "audio", "Fake Audio Input 2")]
    {
        assert_ne!(before[field], name, "{before}");
        stage.does(&format!("a choose {kind} {name}"));
        stage.does(&format!("a until d.devices.{field}==={name:?}&&d.mic&&d.camera"));
        // What it sends from now on comes from there.
        let frames = stage.says("b")["stats"]["received"]["frames"].as_u64().expect("pictures are counted");
        stage.does(&format!("b until {sees}&&d.stats.received.frames>{}", frames + 30));
    }
    stage.does("a choose audiooutput Fake Audio Output 2");
    stage.does("a key Escape");
}

#[test]
fn the_link_is_copied_on_a_page_of_any_origin() {
    if is_missing(&["chromium"]) {
        return;
    }
    // Loopback counts as secure, another address over plain HTTP does not: no clipboard of the new kind there.
    for ground in [Some(Ground::loopback()), cable()].into_iter().flatten() {
        let house = House::open(&ground, &[]);
        let mut stage = house.stage(&[]);
        for room in ["one", "other"] {
            stage.all(&[&format!("a open /r/{room}"), "a press #room-name [data-copy]"]);
            assert_eq!(stage.does("a clipboard")["text"], format!("{}/r/{room}", house.http));
        }
    }
}
