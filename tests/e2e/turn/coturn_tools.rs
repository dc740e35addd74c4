//! Our relay as coturn's own client tools see it. Debian's package `coturn` has them; the flags are those of 4.6.1.
//!
//! Without the tools these tests say so and pass; `DIALTONE_REQUIRE=coturn` makes them fail instead.

mod discovery;
mod features;
mod refusals;
mod transports;

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use dialtone_tests::{Finished, Program, is_required};

use super::client::{LOGIN, udp_from};
use super::relay::{Relay, free_ports};

const UCLIENT: &str = "turnutils_uclient";
const STUNCLIENT: &str = "turnutils_stunclient";
const NATDISCOVERY: &str = "turnutils_natdiscovery";
const PEER: &str = "turnutils_peer";

/// The longest run. The tools begin to send after a pause of one to six seconds that they choose themselves.
const RUN_LIMIT: Duration = Duration::from_secs(60);

/// Who runs `turnutils_uclient`, and how much is sent: two clients, ten messages each.
const ALICE: &str = "-u alice -w wonder -n 10 -m 2";
/// How many messages that makes towards a peer, or (`-y`) between the two where they want no RTCP (`-c`, `-Z`).
const BOTH: u32 = 20;
/// With RTCP, `-y` makes four clients of the two.
const ALL_FOUR: u32 = 40;

/// A relay with two workers that lets its clients reach loopback.
fn open_relay() -> Relay {
    Relay::start(&["--workers", "2", "--user", LOGIN, "--allow-peer", "127.0.0.0/8"])
}

/// A relay with two workers that is as closed as it comes.
fn closed_relay() -> Relay {
    Relay::start(&["--workers", "2", "--user", LOGIN])
}

/// The same as [`open_relay`] for both families.
fn open_relay_of_both_families() -> Relay {
    let listen = ["--listen", "[::1]:0", "--workers", "2", "--user", LOGIN];
    let open = ["--allow-peer", "127.0.0.0/8", "--allow-peer", "::1/128"];
    Relay::start(&[&listen[..], &open].concat())
}

/// True when the tools are here.
fn is_installed() -> bool {
    static SAID: Once = Once::new();
    let missing = [UCLIENT, STUNCLIENT, NATDISCOVERY, PEER].into_iter().find(|tool| !is_in_path(tool));
    if let Some(tool) = missing {
        assert!(!is_required("coturn"), "coturn is required, and {tool} is not installed");
        SAID.call_once(|| skip(&format!("{tool} is not installed (Debian's package coturn has it)")));
    }
    missing.is_none()
}

/// True when the tools are here, and `::1` too.
fn is_installed_and_has_ipv6() -> bool {
    static SAID: Once = Once::new();
    let has_ipv6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has_ipv6 {
        SAID.call_once(|| skip("this machine has no IPv6 loopback, so nothing is tried over IPv6"));
    }
    has_ipv6 && is_installed()
}

/// Says so past libtest, which would keep it.
fn skip(reason: &str) {
    // Where nobody can read it, nobody can be told.
    let _ = writeln!(std::io::stderr(), "SKIPPED coturn: {reason}");
}

fn is_in_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(tool)).any(|file: PathBuf| file.is_file())
}

/// A tool that runs.
#[derive(Debug)]
struct Tool {
    program: Program,
    line: String,
}

/// A tool that has ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    /// The command line and all that it wrote.
    all: String,
}

impl Tool {
    /// `flags` are separated by white space; the server comes last.
    fn start(name: &str, flags: &str, server: SocketAddr) -> Self {
        Self::with_files(name, flags, &[], server)
    }

    /// The same with flags that name files.
    fn with_files(name: &str, flags: &str, files: &[(&str, &Path)], server: SocketAddr) -> Self {
        let mut command = Command::new(name);
        command.args(flags.split_whitespace());
        for (flag, file) in files {
            command.arg(flag).arg(file);
        }
        command.arg("-p").arg(server.port().to_string()).arg(server.ip().to_string());
        Self { line: format!("{command:?}"), program: Program::spawn(name, &mut command) }
    }

    fn wait(self) -> Said {
        let Finished { code, stdout, stderr } = self.program.wait(RUN_LIMIT);
        Said { code, all: format!("{}\n{stdout}\n{stderr}", self.line) }
    }

    /// Waits for the end of a `turnutils_uclient` that sends `messages`, and gets each of them back.
    fn delivers(self, messages: u32) {
        let said = self.wait();
        assert_eq!(said.code, Some(0), "{}", said.all);
        // It ends with 0 also when everything is lost.
        said.has(&format!("tot_send_msgs={messages}, tot_recv_msgs={messages}"));
        said.has("Total lost packets 0 (0.000000%), total send dropped 0 (0.000000%)");
    }

    /// Waits for the end of a `turnutils_uclient` that gives up and says `words`.
    fn gives_up(self, words: &str) {
        let said = self.wait();
        assert_eq!(said.code, Some(255), "{}", said.all);
        said.has(words);
        said.has_not("tot_send_msgs=");
    }
}

impl Said {
    fn has(&self, words: &str) {
        assert!(self.all.contains(words), "no {words:?} in\n{}", self.all);
    }

    fn has_not(&self, words: &str) {
        assert!(!self.all.contains(words), "{words:?} in\n{}", self.all);
    }

    fn count(&self, words: &str) -> usize {
        self.all.matches(words).count()
    }
}

/// `turnutils_uclient` as user alice, against `server`.
fn alice(flags: &str, server: SocketAddr) -> Tool {
    Tool::start(UCLIENT, &format!("{ALICE} {flags}"), server)
}

/// `turnutils_peer`: sends back what it gets, at two ports in a row (RTP and RTCP).
#[derive(Debug)]
struct Peer {
    _program: Program,
    /// How `turnutils_uclient` is told of it.
    flags: String,
}

impl Peer {
    fn v4() -> Self {
        Self::start(Ipv4Addr::LOCALHOST.into())
    }

    fn v6() -> Self {
        Self::start(Ipv6Addr::LOCALHOST.into())
    }

    fn start(ip: IpAddr) -> Self {
        let port = free_ports(2);
        let mut command = Command::new(PEER);
        command.args(["-L", &ip.to_string(), "-p", &port.to_string()]);
        let program = Program::spawn(PEER, &mut command);
        for port in [port, port + 1] {
            wait_for_echo(SocketAddr::new(ip, port));
        }
        Self { _program: program, flags: format!("-e {ip} -r {port}") }
    }
}

/// It does not say when it is ready.
fn wait_for_echo(peer: SocketAddr) {
    let socket = udp_from(peer.ip(), peer);
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    super::until(&format!("{PEER} answers at {peer}"), || {
        // Refused, as long as nobody is there.
        socket.send(b"anybody there?").is_ok() && socket.recv(&mut [0; 64]).is_ok()
    });
}
