//! Two pages.

use dialtone_tests::Ground;

use super::{House, is_missing, receives};

#[test]
fn two_pages_see_and_hear_each_other() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &[]);
    let mut stage = house.stage(&[]);
    stage.all(&[
        "a open /r/pair?media=pattern&peer=6",
        "a join",
        "a wait waiting",
        "b open /r/pair?media=pattern&peer=7",
        "b join",
        "a wait connected",
        "b wait connected",
        "a until d.far.stamped>30 && d.far.toneHz>0",
        "b until d.far.stamped>30 && d.far.toneHz>0",
        "a axe",
    ]);
    receives(&stage.says("a"), 7, 1012.0);
    receives(&stage.says("b"), 6, 412.0);
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
