//! The relay's program as a child process, and what it says.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than anything on loopback takes, even on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The program, with nothing in its environment that would change its options.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone-turn"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("DIALTONE_") {
            command.env_remove(variable);
        }
    }
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a program wrote that ended by itself.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program that is going to end.
pub(crate) fn run(command: &mut Command) -> Ended {
    let mut program = Program::start(command);
    let status = program.wait();
    let stdout = program.stdout.rest();
    let stderr = program.stderr.rest();
    Ended { code: status.code(), stdout, stderr }
}

/// A program that does not outlive its test.
pub(crate) struct Program {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        // A test may have given it another standard output.
        let stdout = child.stdout.take().map_or_else(Lines::none, Lines::of);
        let stderr = child.stderr.take().map_or_else(Lines::none, Lines::of);
        Self { child, stdout, stderr }
    }

    /// Starts a relay on loopback with the user `alice:pw`, and waits until it serves.
    pub(crate) fn relay(args: &[&str]) -> (Self, Addresses) {
        let mut all = vec!["--listen", "127.0.0.1:0", "--user", "alice:pw"];
        all.extend_from_slice(args);
        let mut program = Self::start(&mut command(&all));
        let addresses = program.ready();
        (program, addresses)
    }

    /// Waits until it serves.
    pub(crate) fn ready(&mut self) -> Addresses {
        Addresses(self.stdout.until("dialtone-turn ready on"))
    }

    /// Its log until now; all of it after [`wait`](Self::wait).
    pub(crate) fn log(&self) -> String {
        self.stderr.rest()
    }

    /// Waits for a line of its log with `words` in it.
    pub(crate) fn says(&mut self, words: &str) -> String {
        self.stderr.until(words)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits until it has ended: then nothing more can come from it.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.stdout.read_to_the_end();
        self.stderr.read_to_the_end();
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A ready line.
pub(crate) struct Addresses(String);

impl Addresses {
    /// The first address behind `prefix`, such as `udp://`.
    pub(crate) fn of(&self, prefix: &str) -> SocketAddr {
        let found = self.0.split_whitespace().find_map(|word| word.strip_prefix(prefix));
        found.unwrap_or_else(|| panic!("no {prefix} in {:?}", self.0)).parse().unwrap()
    }
}

/// Status and body of an answer of the operator's port.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// A folder of its own for one test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dialtone-turn-program-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> String {
        let path = self.path(file);
        std::fs::write(Path::new(&path), text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Lines that a thread reads while nobody waits for them.
struct Lines {
    coming: Receiver<String>,
    past: Vec<String>,
}

impl Lines {
    fn of(from: impl Read + Send + 'static) -> Self {
        let (line, coming) = channel();
        std::thread::spawn(move || {
            for text in BufReader::new(from).lines().map_while(Result::ok) {
                if line.send(text).is_err() {
                    return;
                }
            }
        });
        Self { coming, past: Vec::new() }
    }

    fn none() -> Self {
        Self { coming: channel().1, past: Vec::new() }
    }

    /// The next line with `words` in it.
    fn until(&mut self, words: &str) -> String {
        let deadline = now() + LIMIT;
        loop {
            let Some(line) = self.next(deadline) else {
                panic!("no {words:?} in:\n{}", self.past.join("\n"));
            };
            if line.contains(words) {
                return line;
            }
        }
    }

    fn read_to_the_end(&mut self) {
        let deadline = now() + LIMIT;
        while self.next(deadline).is_some() {}
    }

    /// Everything that came, once its end was reached.
    fn rest(&self) -> String {
        self.past.join("\n")
    }

    /// `None` at the end.
    fn next(&mut self, deadline: Instant) -> Option<String> {
        match self.coming.recv_timeout(deadline.saturating_duration_since(now())) {
            Ok(line) => {
                self.past.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing more within {LIMIT:?} after:\n{}", self.past.join("\n")),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the limit of a test is measured in real time")]
fn now() -> Instant {
    Instant::now()
}
