//! The lab itself: what it leaves behind, what it says of itself, and whom it serves.

use std::fs;
use std::process::{Command, Stdio};

use dialtone_tests::{Scratch, Signal, wait_until};
use nix::unistd::Pid;

use super::{alone, lab, lab_shell, programs, script};

#[test]
fn a_command_has_its_own_exit_code_and_sees_where_everything_is() {
    let Some(ran) = lab_shell(&[], "a=home,b=public", "test -n \"$LAB_SERVER$LAB_STUN$LAB_TURNS\"; @a true; exit 7")
    else {
        return;
    };
    assert_eq!(ran.code, Some(7), "{}", ran.stderr);
}

#[test]
fn a_kind_that_does_not_exist_is_told_with_the_nearest_one() {
    let Some(ran) = lab(&[], "a=symetric", ["true"]) else { return };
    assert_eq!(ran.code, Some(64), "{}", ran.stderr);
    assert!(ran.stderr.contains("symmetric"), "{}", ran.stderr);
}

/// Without root: the whole of it in a user namespace. As root the same is asked for by an option.
#[test]
fn a_developer_without_root_has_the_same_networks() {
    let Some(ran) = lab_shell(&["--rootless"], "a=symmetric,b=cgnat,c=full-cone-hairpin", "@b true") else { return };
    ran.well();
}

#[test]
fn nothing_is_left_when_the_lab_is_killed() {
    let folder = Scratch::new("lab");
    let ready = folder.file("ready");
    let _alone = alone();
    let before = namespaces();
    let mut lab = Command::new(script())
        .args(["--quiet", "--no-probe", "a=home,b=symmetric", "--", "sh", "-c"])
        .arg(format!("echo > {} && exec sleep 4711", ready.display()))
        .env("NAT_LAB_BIN", programs())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("scripts/nat-lab can be started");
    let ended = wait_until(|| ready.exists() || lab.try_wait().expect("a child can be asked").is_some());
    if !ready.exists() {
        // The other tests say what this machine lacks.
        assert!(ended, "the lab neither came up nor ended");
        assert_eq!(lab.wait().expect("it has ended").code(), Some(77));
        return;
    }
    nix::sys::signal::kill(Pid::from_raw(lab.id().cast_signed()), Signal::SIGKILL).expect("it runs");
    lab.wait().expect("a killed child ends");
    assert!(wait_until(|| !runs("sleep 4711") && namespaces() == before), "something of the lab is left");
}

/// The private network of every process that shows it, counted once.
fn namespaces() -> usize {
    let all = fs::read_dir("/proc").expect("there is /proc").flatten();
    let networks = all.filter_map(|process| fs::read_link(process.path().join("ns/net")).ok());
    networks.collect::<std::collections::BTreeSet<_>>().len()
}

fn runs(command: &str) -> bool {
    let all = fs::read_dir("/proc").expect("there is /proc").flatten();
    let mut lines = all.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).replace('\0', " ").trim() == command)
}
