//! The project's programs as child processes.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Ground, LIMIT, busy, now};

/// How long a program may take to stop after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How often to look whether a child has ended: the system tells its parent by a signal only.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running program. It is stopped when this is dropped, and when the test is failing then, it shows what it said.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    stdout: Arc<Lines>,
    stderr: Arc<Lines>,
    readers: Vec<JoinHandle<()>>,
    ended: bool,
}

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    /// All that it wrote to standard output.
    pub stdout: String,
    /// All that it wrote to standard error.
    pub stderr: String,
}

/// Where a program of this project was built: beside the folder of the running test.
///
/// # Panics
/// When it was not built; the message says how to.
pub fn program_path(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program knows its own path");
    let profile = test.ancestors().nth(2).expect("a test lies in target/<profile>/deps");
    let path = profile.join(name);
    let release = if profile.ends_with("release") { "--release " } else { "" };
    assert!(
        path.is_file(),
        "{} is missing. Build the programs first, with the profile of the tests:\n    \
         cargo build {release}--bin peer-cli --bin dialtone-server --bin dialtone-turn",
        path.display()
    );
    path
}

impl Program {
    /// Starts a program of this project. Variables that would change its settings are taken out of its environment.
    pub fn start<A: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = A>) -> Self {
        Self::start_on(&Ground::loopback(), name, args)
    }

    /// The same in the network of `ground`.
    pub fn start_on<A: AsRef<OsStr>>(ground: &Ground, name: &str, args: impl IntoIterator<Item = A>) -> Self {
        let mut command = ground.command(program_path(name));
        for (variable, _) in std::env::vars_os() {
            if ["PEER_CLI_", "DIALTONE_"].iter().any(|prefix| variable.to_string_lossy().starts_with(prefix)) {
                command.env_remove(variable);
            }
        }
        command.args(args);
        Self::spawn(name, &mut command)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts any command, with nothing on its standard input.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        Self::spawn_child(name, command.stdin(Stdio::null())).0
    }

    /// Starts any command that is told what to do on its standard input.
    pub fn spawn_to_tell(name: &str, command: &mut Command) -> (Self, ChildStdin) {
        let (program, input) = Self::spawn_child(name, command.stdin(Stdio::piped()));
        (program, input.expect("standard input is a pipe"))
    }

    fn spawn_child(name: &str, command: &mut Command) -> (Self, Option<ChildStdin>) {
        busy();
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let input = child.stdin.take();
        let stdout = Arc::new(Lines::default());
        let stderr = Arc::new(Lines::default());
        let readers = vec![
            read(child.stdout.take().expect("standard output is a pipe"), &stdout),
            read(child.stderr.take().expect("standard error is a pipe"), &stderr),
        ];
        (Self { name: name.to_owned(), child, stdout, stderr, readers, ended: false }, input)
    }

    /// `dialtone-server` on a free port of this machine, and the URL where it is ready.
    pub fn server<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> (Self, String) {
        Self::server_on(&Ground::loopback(), args)
    }

    /// The same in the network of `ground`.
    pub fn server_on<A: AsRef<OsStr>>(ground: &Ground, args: impl IntoIterator<Item = A>) -> (Self, String) {
        let listen = ["--listen".to_owned(), format!("{}:0", ground.address())].map(OsString::from);
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        let server = Self::start_on(ground, "dialtone-server", listen.into_iter().chain(args));
        let url = server.ready("dialtone-server ready on ");
        (server, url)
    }

    /// `dialtone-turn` on a free port of this machine, and its address, such as `127.0.0.1:3478`.
    pub fn turn<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> (Self, String) {
        Self::turn_on(&Ground::loopback(), args)
    }

    /// The same in the network of `ground`.
    pub fn turn_on<A: AsRef<OsStr>>(ground: &Ground, args: impl IntoIterator<Item = A>) -> (Self, String) {
        let listen = ["--listen".to_owned(), format!("{}:0", ground.address())].map(OsString::from);
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        let relay = Self::start_on(ground, "dialtone-turn", listen.into_iter().chain(args));
        let ready = relay.ready("dialtone-turn ready on ");
        let address = ready.split_whitespace().find_map(|at| at.strip_prefix("udp://"));
        let address = address.unwrap_or_else(|| panic!("no UDP address in {ready:?}")).to_owned();
        (relay, address)
    }

    /// Waits for the line on standard output that begins with `prefix`; gives the rest of it.
    pub fn ready(&self, prefix: &str) -> String {
        let line = self.line(&format!("a line that begins with {prefix:?}"), |line| line.starts_with(prefix));
        line[prefix.len()..].to_owned()
    }

    /// Waits for a line on standard output that begins with `prefix`, longer than others wait; all of it.
    pub fn answers(&self, prefix: &str, limit: Duration) -> String {
        self.line_within(limit, &format!("a line that begins with {prefix:?}"), |line| line.starts_with(prefix))
    }

    /// Waits for a line on standard output that contains all of `words`.
    pub fn says(&self, words: &[&str]) -> String {
        self.line(&format!("a line with {words:?}"), |line| words.iter().all(|word| line.contains(word)))
    }

    /// Waits until it ends.
    pub fn wait(mut self, limit: Duration) -> Finished {
        let deadline = now() + limit;
        let Some(code) = self.ended_by(deadline) else {
            panic!("{} did not end within {limit:?}", self.name);
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader of lines does not panic");
        }
        Finished { code, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// Sends a signal, such as [`Signal::SIGINT`] for Ctrl-C or [`Signal::SIGKILL`] for a crash.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids are small");
        if let Err(error) = kill(Pid::from_raw(id), signal) {
            panic!("{} did not get {signal}: {error}", self.name);
        }
    }

    /// Ends it as a crash would, and waits until it is gone.
    pub fn crash(self) -> Finished {
        self.signal(Signal::SIGKILL);
        self.wait(LIMIT)
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    fn line(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.line_within(LIMIT, what, is_it)
    }

    fn line_within(&self, limit: Duration, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        match self.stdout.wait_for(now() + limit, is_it) {
            Some(line) => line,
            None => panic!(
                "{} did not say {what}\nstandard output:\n{}\nstandard error:\n{}",
                self.name,
                self.stdout.text(),
                self.stderr.text()
            ),
        }
    }

    /// The exit code, once it has ended; `None`: it runs on.
    fn ended_by(&mut self, deadline: Instant) -> Option<Option<i32>> {
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                self.ended = true;
                return Some(status.code());
            }
            if now() >= deadline {
                return None;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.ended {
            self.signal(Signal::SIGTERM);
            if self.ended_by(now() + STOP_WITHIN).is_none() {
                // The last resort; there is nothing to do about its failing.
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        if std::thread::panicking() {
            self.show();
        }
    }
}

impl Program {
    #[expect(clippy::print_stderr, reason = "libtest keeps this and shows it with the failure")]
    fn show(&self) {
        eprintln!("--- {} wrote to standard output:\n{}", self.name, self.stdout.text());
        eprintln!("--- {} wrote to standard error:\n{}", self.name, self.stderr.text());
    }
}

/// Lines that one thread reads and others wait for.
#[derive(Debug, Default)]
struct Lines {
    state: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Lines {
    fn push(&self, line: String) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.push(line);
        self.changed.notify_all();
    }

    fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }

    fn text(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.join("\n")
    }

    /// The first line that `is_it`; `None` when the deadline passes or nothing more will come.
    fn wait_for(&self, deadline: Instant, is_it: impl Fn(&str) -> bool) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = state.0.iter().find(|line| is_it(line)) {
                return Some(line.clone());
            }
            let left = deadline.saturating_duration_since(now());
            if state.1 || left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn read(from: impl Read + Send + 'static, lines: &Arc<Lines>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        // A pipe that breaks says no more; that is its end.
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            lines.push(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            line.clear();
        }
        lines.close();
    })
}
