//! The call page in real browsers, with each other and with `peer-cli`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use dialtone_tests::{Ground, Program, Running, browser_lack, is_required};
use serde_json::Value;

mod cli;
mod course;
mod look;
mod pages;
mod paths;
mod tutorial;

/// The longest that one step may take; a browser on a busy machine takes its time.
const STEP: Duration = Duration::from_secs(150);
/// The same for what a step waits for, in seconds: what it waited for in vain is told then.
const STEP_WAITS: &str = "90";

/// Whether a play cannot be given, because this is not there; says so.
fn is_missing(browsers: &[&str]) -> bool {
    let lack = browser_lack(browsers);
    lack.iter().for_each(|reason| skip(reason));
    lack.is_some()
}

/// A network with an address beside loopback; says so where this machine refuses it.
fn cable() -> Option<Ground> {
    Ground::cable().map_err(|reason| skip(&format!("no network of their own: {reason}"))).ok()
}

/// Says so past libtest, which would keep it; an environment that requires the group fails instead.
fn skip(reason: &str) {
    assert!(!is_required("browsers"), "browsers is required, and {reason}");
    // Where nobody can read it, nobody can be told.
    let _ = writeln!(std::io::stderr(), "SKIPPED browsers: {reason}");
}

fn scripts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("js")
}

/// A server with the call page, in a network.
struct House<'a> {
    ground: &'a Ground,
    server: Program,
    /// Where the page is, such as `http://127.0.0.1:40000`.
    http: String,
    /// Where signaling is, such as `ws://127.0.0.1:40000/ws`.
    ws: String,
}

impl<'a> House<'a> {
    fn open(ground: &'a Ground, options: &[&str]) -> Self {
        Self::of_origin(ground, Some("any"), options)
    }

    /// The same for pages of that origin and no others; without one, for its own only.
    fn of_origin(ground: &'a Ground, origin: Option<&str>, options: &[&str]) -> Self {
        let origin = origin.iter().flat_map(|origin| ["--origin", origin]);
        let (server, ws) = Program::server_on(ground, origin.chain(options.iter().copied()));
        let http = ws.trim_end_matches("/ws").replacen("ws", "http", 1);
        Self { ground, server, http, ws }
    }

    /// Browsers of this network; `options` are those of `tests/js/call-page.mjs`.
    fn stage(&self, options: &[&str]) -> Stage {
        Stage::begin(self.ground, &self.http, options)
    }

    /// `peer-cli join ROOM` as peer 6, whose tone is one of 412 Hz; its report comes when it has ended.
    fn peer(&self, room: &str, options: &[&str]) -> Running {
        let bind = format!("{}:0", self.ground.address());
        let fixed = ["join", room, "--server", &self.ws, "--bind", &bind, "--call-number", "3"];
        let wait = ["--wait", "120s", "--json"];
        Running::partner_on(self.ground, fixed.iter().chain(&wait).chain(options))
    }
}

/// Pages in browsers that do one step after the other, as `tests/js/call-page.mjs` says at its top.
struct Stage {
    program: Program,
    input: ChildStdin,
    number: u32,
}

impl Stage {
    fn begin(ground: &Ground, server: &str, options: &[&str]) -> Self {
        let mut command = ground.command("node");
        command.arg(scripts().join("call-page.mjs")).args(["--server", server, "--limit", STEP_WAITS]).args(options);
        if ground.address().is_loopback() {
            command.arg("--loopback");
        }
        let (program, input) = Program::spawn_to_tell("node", &mut command);
        Self { program, input, number: 0 }
    }

    /// Does a step; what it told. One that fails is a panic with what the page said of itself.
    #[track_caller]
    fn does(&mut self, step: &str) -> Value {
        writeln!(self.input, "{step}").expect("the script of the pages reads on");
        self.number += 1;
        let answer = self.program.answers(&format!("{{\"number\":{},", self.number), STEP);
        let told: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        assert!(told.get("error").is_none(), "{step}: {told:#}");
        told
    }

    /// Does several.
    #[track_caller]
    fn all(&mut self, steps: &[&str]) {
        for step in steps {
            self.does(step);
        }
    }

    /// What a page says of itself: `window.dialtone`.
    #[track_caller]
    fn says(&mut self, page: &str) -> Value {
        self.does(&format!("{page} say"))["snapshot"].take()
    }
}

/// Fails unless the page sees the stamped picture of that peer and hears its tone.
#[track_caller]
fn receives(page: &Value, peer: u32, tone: f64) {
    assert_eq!(page["far"]["peer"], peer, "{page:#}");
    let heard = page["far"]["toneHz"].as_f64().unwrap_or(f64::NAN);
    assert!((heard - tone).abs() < 10.0, "{heard} Hz instead of {tone}: {page:#}");
}

#[test]
fn the_modules_of_the_page_do_what_they_say() {
    if is_missing(&[]) {
        return;
    }
    let end = Program::spawn("node", Command::new("node").arg(scripts().join("page-modules.mjs"))).wait(STEP);
    assert_eq!(end.code, Some(0), "{}\n{}", end.stdout, end.stderr);
}
