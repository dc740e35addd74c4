//! The call page in real browsers, with each other and with `peer-cli`. The pages are driven by `tests/js/call-page.mjs`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use dialtone_tests::{Program, Running, is_required};
use serde_json::Value;

/// The longest that a play may take; a browser on a busy machine takes its time.
const PLAY: Duration = Duration::from_secs(180);

/// Whether the page may be played with; says why not.
fn is_missing(browser: &str) -> bool {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("js");
    let found = Command::new(browser).arg("--version").stdin(Stdio::null()).output();
    let reason = if !found.is_ok_and(|version| version.status.success()) {
        format!("{browser} is not installed")
    } else if !scripts.join("node_modules/playwright-core").is_dir() {
        "its packages are not installed: npm ci --prefix tests/js".to_owned()
    } else {
        return false;
    };
    assert!(!is_required("browsers"), "browsers is required, and {reason}");
    let _ = writeln!(std::io::stderr(), "SKIPPED browsers: {reason}");
    true
}

/// Plays steps on pages of a server; every line that was told.
fn play(server: &str, options: &[&str], steps: &[&str]) -> Vec<Value> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("js/call-page.mjs");
    let mut command = Command::new("node");
    command.arg(script).args(["--server", server, "--loopback"]).args(options).args(steps);
    let end = Program::spawn("node", &mut command).wait(PLAY);
    assert_eq!(end.code, Some(0), "{}\n{}", end.stdout, end.stderr);
    end.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A server with the page: its HTTP address and that of its signaling.
fn server() -> (Program, String, String) {
    let (program, signaling) = Program::server(["--origin", "any"]);
    let http = signaling.trim_end_matches("/ws").replacen("ws://", "http://", 1);
    (program, http, signaling)
}

/// What the pages said of themselves with `say`, in order.
fn snapshots(told: &[Value]) -> Vec<&Value> {
    let said = told.iter().filter(|line| line["step"].as_str().is_some_and(|step| step.ends_with(" say")));
    said.filter_map(|line| line.get("snapshot")).collect()
}

#[test]
fn two_pages_see_and_hear_each_other() {
    if is_missing("chromium") {
        return;
    }
    let (_server, http, _) = server();
    let told = play(
        &http,
        &[],
        &[
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
            "a say",
            "b say",
            "a press leave",
            "b wait waiting",
        ],
    );
    let [a, b] = snapshots(&told)[..] else { panic!("two pages, {told:?}") };
    assert_eq!((&a["far"]["peer"], &b["far"]["peer"]), (&Value::from(7), &Value::from(6)));
    for (page, tone) in [(a, 1012.0), (b, 412.0)] {
        let heard = page["far"]["toneHz"].as_f64().unwrap();
        assert!((heard - tone).abs() < 10.0, "{heard} Hz instead of {tone}");
    }
}

#[test]
fn a_third_tab_is_told_that_the_room_is_full() {
    if is_missing("chromium") {
        return;
    }
    let (_server, http, _) = server();
    play(
        &http,
        &["--one-browser"],
        &[
            "a open /r/full?media=pattern&peer=6",
            "a join",
            "b open /r/full?media=pattern&peer=7",
            "b join",
            "a wait connected",
            "c open /r/full?media=pattern&peer=8",
            "c join",
            "c wait full",
            "c axe",
        ],
    );
}

#[test]
fn a_page_and_peer_cli_judge_each_other_whoever_comes_first() {
    if is_missing("chromium") {
        return;
    }
    for page_first in [true, false] {
        let (_server, http, ws) = server();
        let join = || {
            let fixed = ["join", "mixed", "--server", ws.as_str(), "--bind", "127.0.0.1:0", "--call-number", "3"];
            Running::partner(fixed.into_iter().chain(["--duration", "8s", "--wait", "60s", "--json"]))
        };
        let page = ["a open /r/mixed?media=pattern&peer=7", "a join"];
        let look = ["a wait connected", "a until d.far.stamped>60 && d.far.toneHz>0", "a say", "a wait waiting"];
        let (told, call) = if page_first {
            std::thread::scope(|scope| {
                let told = scope.spawn(|| play(&http, &[], &[&page[..], &look].concat()));
                let call = join().wait();
                (told.join().expect("the play ends"), call)
            })
        } else {
            let peer = join();
            let told = play(&http, &[], &[&page[..], &look].concat());
            (told, peer.wait())
        };
        call.assert_verdict("OK", 0);
        assert!(call.number("/directions/0/video/stamped") > 100.0, "{}", call.report);
        assert!((call.number("/directions/0/audio/tone_hz") - 1012.0).abs() < 1.9, "{}", call.report);
        let [page] = snapshots(&told)[..] else { panic!("one page, {told:?}") };
        assert_eq!(page["far"]["peer"], 6, "{page}");
        assert!((page["far"]["toneHz"].as_f64().unwrap() - 412.0).abs() < 10.0, "{page}");
    }
}

#[test]
fn firefox_and_peer_cli_call_each_other() {
    if is_missing("chromium") || is_missing("firefox-esr") {
        return;
    }
    let (_server, http, ws) = server();
    // Firefox gathers nothing on loopback.
    let Some(address) = own_address() else {
        let _ = writeln!(std::io::stderr(), "SKIPPED browsers: Firefox needs an address that is not loopback");
        return;
    };
    let bind = format!("{address}:0");
    let fixed = ["join", "fox", "--server", ws.as_str(), "--bind", bind.as_str(), "--call-number", "3"];
    let peer = Running::partner(fixed.into_iter().chain(["--duration", "8s", "--wait", "120s", "--json"]));
    let steps = [
        "a browser firefox",
        "a open /r/fox?media=pattern&peer=7",
        "a join",
        "a wait connected",
        "a until d.far.stamped>30",
        "a say",
        "a wait waiting",
    ];
    let told = play(&http, &["--limit", "90"], &steps);
    let call = peer.wait();
    assert!(call.number("/directions/0/video/stamped") > 30.0, "{}", call.report);
    let [page] = snapshots(&told)[..] else { panic!("one page, {told:?}") };
    assert_eq!(page["far"]["peer"], 6, "{page}");
}

/// An IPv4 address of this machine that is not loopback. Nothing is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    probe.connect("203.0.113.1:9").ok()?;
    let address = probe.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn the_modules_of_the_page_do_what_they_say() {
    if is_missing("node") {
        return;
    }
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("js/page-modules.mjs");
    let end = Program::spawn("node", Command::new("node").arg(script)).wait(PLAY);
    assert_eq!(end.code, Some(0), "{}\n{}", end.stdout, end.stderr);
}
