//! Runs of `peer-cli`, and what they reported.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::{Finished, Ground, Program, busy};

/// How many runs may go on at once: they draw, encode, decode and listen in real time.
const AT_ONCE: usize = 2;
/// The longest a run may take.
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// A run of `peer-cli` that goes on.
#[derive(Debug)]
pub struct Running {
    program: Program,
    /// Held, and given back when it is dropped.
    _place: Option<Place>,
}

/// A run of `peer-cli` that is over.
#[derive(Debug, Clone)]
pub struct Call {
    /// The exit code.
    pub code: i32,
    /// The JSON report; null where none was written.
    pub report: Value,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error, which has the course of the run when the report goes to standard output.
    pub stderr: String,
}

/// Runs `peer-cli` to its end, after other runs where too many go on. With `--json` among `args`, its report is read.
pub fn peer_cli<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Call {
    Running::start(args).wait()
}

impl Running {
    /// Starts a run that counts against the number of runs at once.
    pub fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Self {
        // First of all: who waits for others to end must not hold what they need for it.
        busy();
        let place = Some(Place::take());
        Self { program: Program::start("peer-cli", args), _place: place }
    }

    /// Starts the second side of a call whose first side has its place already: both need each other to end.
    pub fn partner<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Self {
        Self::partner_on(&Ground::loopback(), args)
    }

    /// The same in the network of `ground`.
    pub fn partner_on<A: AsRef<OsStr>>(ground: &Ground, args: impl IntoIterator<Item = A>) -> Self {
        Self { program: Program::start_on(ground, "peer-cli", args), _place: None }
    }

    /// The process.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Waits until it ends.
    pub fn wait(self) -> Call {
        let Finished { code, stdout, stderr } = self.program.wait(RUN_LIMIT);
        let code = code.unwrap_or_else(|| panic!("a signal ended peer-cli\n{stderr}"));
        let report = serde_json::from_str(&stdout).unwrap_or(Value::Null);
        Call { code, report, stdout, stderr }
    }

    /// The same for a run whose report goes to a file: `--json=FILE`.
    pub fn wait_for_file(self, report: &Path) -> Call {
        let mut call = self.wait();
        let json = std::fs::read(report).unwrap_or_else(|error| {
            panic!("there is no report in {}: {error}\n{}\n{}", report.display(), call.stdout, call.stderr)
        });
        call.report = serde_json::from_slice(&json).expect("a report is JSON");
        call
    }
}

impl Call {
    /// The value at a JSON pointer (RFC 6901) of the report, such as `/verdict/code`.
    pub fn at(&self, pointer: &str) -> &Value {
        self.report.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// A text of the report; empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// A number of the report; not a number where there is none, so that no comparison holds.
    pub fn number(&self, pointer: &str) -> f64 {
        self.at(pointer).as_f64().unwrap_or(f64::NAN)
    }

    /// The names of the phases that a peer reached, in order.
    pub fn phases(&self, peer: usize) -> Vec<&str> {
        let phases = self.at(&format!("/peers/{peer}/phases")).as_array().map_or(&[][..], Vec::as_slice);
        phases.iter().filter_map(|stamp| stamp.get("phase")?.as_str()).collect()
    }

    /// Checks exit code and verdict together; on a difference the whole report is shown.
    pub fn assert_verdict(&self, verdict: &str, code: i32) {
        let found = (self.text("/verdict/code"), self.code);
        assert_eq!(found, (verdict, code), "\n{}\n{}", self.stdout, self.stderr);
        assert_eq!(self.number("/verdict/exit_code"), f64::from(code), "the report tells the exit code too");
    }
}

/// A right to run.
#[derive(Debug)]
struct Place;

static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

impl Place {
    fn take() -> Self {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = GIVEN_BACK.wait_while(taken, |taken| *taken >= AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        GIVEN_BACK.notify_one();
    }
}
