//! Calls through NATs and firewalls, in networks of our own: `scripts/nat-lab`.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dialtone_tests::{browser_lack, is_required, program_path};
use serde_json::Value;

mod controls;
mod doctor;
mod impairments;
mod life;
mod matrix;
mod moves;
mod pages;
mod special;

/// One lab at a time: what runs in it sends and judges media in real time.
static LAB: Mutex<()> = Mutex::new(());

/// What a command in a lab left.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// Fails with everything that was said unless the command succeeded.
    #[track_caller]
    fn well(self) -> String {
        assert_eq!(self.code, Some(0), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// Runs a command in a lab with these sites. `None`, said loudly: this machine allows no lab.
fn lab<A: AsRef<OsStr>>(options: &[&str], sites: &str, command: impl IntoIterator<Item = A>) -> Option<Ran> {
    dialtone_tests::busy();
    let _alone = alone();
    let output = Command::new(script())
        .args(options)
        .args(["--quiet", sites, "--"])
        .args(command)
        .env("NAT_LAB_BIN", programs())
        .stdin(Stdio::null())
        .output()
        .expect("scripts/nat-lab can be started");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    if ran.code == Some(77) {
        skipped(&format!("this machine allows no lab: {}", ran.stderr.trim()));
        return None;
    }
    Some(ran)
}

/// Whether a site can have no browser; it is said loudly.
fn lacks_browser() -> bool {
    let lack = browser_lack(&["chromium"]);
    if let Some(reason) = &lack {
        skipped(reason);
    }
    lack.is_some()
}

fn skipped(reason: &str) {
    assert!(!is_required("nat"), "nat is required, and {reason}");
    // Where nobody can read it, nobody can be told.
    let _ = writeln!(std::io::stderr(), "SKIPPED nat: {reason}");
}

/// The same with a line for the shell.
fn lab_shell(options: &[&str], sites: &str, line: &str) -> Option<Ran> {
    lab(options, sites, ["bash", "-euc", line])
}

/// So many JSON documents, one behind the other: the reports of both sides of a call, for instance.
fn documents<const N: usize>(text: &str) -> [Value; N] {
    let all = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let all: Vec<Value> = all.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}: {text}"));
    all.try_into().unwrap_or_else(|_| panic!("expected {N} documents: {text}"))
}

fn alone() -> MutexGuard<'static, ()> {
    LAB.lock().unwrap_or_else(PoisonError::into_inner)
}

fn script() -> PathBuf {
    repository().join("scripts/nat-lab")
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository")
}

/// Where the programs of this build are.
fn programs() -> PathBuf {
    program_path("peer-cli").parent().expect("a program lies in a folder").to_owned()
}
