//! The client library that real pages use, `@stomp/stompjs`, run by node against our server.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use dialtone_server::HeartBeat;
use dialtone_tests::{Program, is_required};

use crate::inside::Inside;

#[test]
fn pages_that_use_stompjs_meet_talk_and_part() {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("js");
    let node = Command::new("node").arg("--version").stdin(Stdio::null()).output();
    if !node.is_ok_and(|version| version.status.success()) {
        return skip("node is not installed");
    }
    if !scripts.join("node_modules/@stomp/stompjs").is_dir() {
        return skip("its packages are not installed: npm ci --prefix tests/js");
    }
    // No option sets heart-beats, and a test should not wait ten seconds for one.
    let server = Inside::spawn(|config| config.heart_beat = HeartBeat { can_send: 1000, wants: 1000 });
    let mut command = Command::new("node");
    command.arg(scripts.join("client.mjs")).arg(server.url());
    let end = Program::spawn("node", &mut command).wait(Duration::from_secs(120));
    assert_eq!(end.code, Some(0), "{}\n{}", end.stdout, end.stderr);
    assert!(end.stdout.lines().any(|line| line.starts_with("1..")), "{}", end.stdout);
}

/// Says so past libtest, which would keep it; an environment that requires the group fails instead.
fn skip(reason: &str) {
    assert!(!is_required("stompjs"), "stompjs is required, and {reason}");
    // Where nobody can read it, nobody can be told.
    let _ = writeln!(std::io::stderr(), "SKIPPED stompjs: {reason}");
}
