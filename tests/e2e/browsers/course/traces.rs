//! What calls leave behind on the server: nothing.

use dialtone_tests::{Ground, peer_cli, wait_until};

use super::super::{House, is_missing};
use super::PATIENT;

/// How many calls are placed to see what they leave behind, and how many of them a server may take to warm up.
const CALLS: usize = 20;
const WARM: usize = 5;
/// What the calls after those may add to a server's memory, in kB.
const MOST_GROWN: u64 = 3 * 1024;

#[test]
fn twenty_calls_of_two_pages_leave_nothing_on_the_server() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &PATIENT);
    let sockets = sockets(&house);
    let mut stage = house.stage(&["--one-browser"]);
    for (page, peer) in [("a", 6), ("b", 7)] {
        stage.does(&format!("{page} open /r/often?media=pattern&peer={peer}&judge=0"));
        stage.does(&format!("{page} join"));
    }
    let mut warm = 0;
    for number in 1..=CALLS {
        stage.all(&["a wait connected", "b wait connected", "a press leave", "b press leave"]);
        stage.all(&["a wait ended", "b wait ended"]);
        assert!(wait_until(|| has_seen(&house, "left ") == 2 * number), "{}", house.server.stderr());
        if number == WARM {
            warm = resident(&house);
        }
        if number < CALLS {
            stage.all(&["a press again", "b press again"]);
        }
    }
    leaves_nothing(&house, sockets, warm, || drop(stage));
}

#[test]
fn twenty_calls_of_peer_cli_leave_nothing_on_the_server() {
    let ground = Ground::loopback();
    let house = House::open(&ground, &PATIENT);
    let sockets = sockets(&house);
    let calls = |number: usize| {
        let cheap = ["--duration", "100ms", "--judge", "packets", "--video", "black", "--json"];
        let number = number.to_string();
        let fixed = ["call", "--server", &house.ws, "--bind", "127.0.0.1:0", "--repeat", &number];
        peer_cli(fixed.iter().chain(&cheap)).assert_verdict("OK", 0);
    };
    calls(WARM);
    let warm = resident(&house);
    calls(CALLS - WARM);
    leaves_nothing(&house, sockets, warm, || {});
}

/// Fails unless everybody who joined has left, nobody is connected after `parting`, and memory is as it was when warm.
#[track_caller]
fn leaves_nothing(house: &House<'_>, sockets_before: usize, warm: u64, parting: impl FnOnce()) {
    let log = || house.server.stderr();
    assert!(wait_until(|| has_seen(house, "left ") == 2 * CALLS), "{}", log());
    assert_eq!(has_seen(house, "joined "), 2 * CALLS, "{}", log());
    let grown = resident(house).saturating_sub(warm);
    assert!(grown < MOST_GROWN, "{grown} kB more than after {WARM} calls");
    parting();
    assert!(wait_until(|| sockets(house) == sockets_before), "{} sockets, {sockets_before} before", sockets(house));
}

/// How many times the server has told of this.
pub(super) fn has_seen(house: &House<'_>, what: &str) -> usize {
    house.server.stderr().matches(&format!("{what}room=")).count()
}

/// How many sockets the server has open.
fn sockets(house: &House<'_>) -> usize {
    let folder = format!("/proc/{}/fd", house.server.id());
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    // One that is closed meanwhile leads nowhere.
    let leads = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    leads.filter(|lead| lead.to_string_lossy().starts_with("socket:")).count()
}

/// The memory that the server occupies, in kB.
fn resident(house: &House<'_>) -> u64 {
    let path = format!("/proc/{}/status", house.server.id());
    let status = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("no VmRSS in {status}"))
}
