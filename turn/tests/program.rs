//! The relay as a program, where the library alone cannot show it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "helpers of tests may fail loudly")]

#[path = "program/client.rs"]
mod client;
#[path = "program/process.rs"]
mod process;
#[path = "program/signals.rs"]
mod signals;

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use dialtone_turn::stun::attributes::REQUESTED_TRANSPORT;
use dialtone_turn::stun::{Class, MessageBuilder, Method, TransactionId};
use nix::sys::signal::Signal;

use crate::client::Client;
use crate::process::{Folder, LIMIT, Program, command, get, run};

/// Wrong usage or configuration (sysexits.h).
const USAGE: Option<i32> = Some(64);

#[test]
fn relay_goes_on_when_nobody_reads_its_log() {
    // No rate limit: every request is to leave its line.
    let args = ["--listen", "127.0.0.1:0", "--user", "alice:pw", "--log", "debug", "--unauthenticated-rate", "0"];
    let mut program = command(&args).spawn().map(Unread).unwrap();
    let mut ready = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let address = ready.split_whitespace().find_map(|word| word.strip_prefix("udp://")).unwrap();
    let address: SocketAddr = address.parse().unwrap();

    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.connect(address).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    // Each refusal is a line at DEBUG; together they are many times what a pipe holds.
    let request = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([1; 12]))
        .number(REQUESTED_TRANSPORT, 17 << 24)
        .finish();
    for _ in 0..4000 {
        client.send(&request).unwrap();
        client.recv(&mut [0; 2048]).expect("an answer in time");
    }
}

#[test]
fn good_configuration_is_summed_up_without_its_secrets() {
    let folder = Folder::new("good");
    let file =
        folder.write("turn.toml", "user = ['alice:hush', 'bob:hush']\nsecret = 'quiet'\nallow-peer = '10.0.0.0/8'");
    let ended = run(&mut command(&["--config", &file, "--check-config"]));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for line in ["udp://127.0.0.1:3478", "2 users, 1 shared secret", "10.0.0.0/8"] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains("hush") && !text.contains("quiet"), "{text}");
    }
}

#[test]
fn unusable_certificate_is_found_before_anything_is_served() {
    let folder = Folder::new("unusable");
    let (cert, key) = (folder.write("cert.pem", "nothing"), folder.write("key.pem", "nothing"));
    let tls = ["--tls-listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let ended = run(command(&["--user", "a:b", "--check-config"]).args(tls));
    assert_eq!(ended.code, USAGE);
    assert!(ended.stderr.contains(&cert), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn addresses_that_clash_are_found_before_anything_is_served() {
    let addresses = ["--listen", "127.0.0.1:3478", "--tls-listen", "0.0.0.0:3478", "--tls-cert", "c", "--tls-key", "k"];
    let ended = run(command(&["--user", "a:b", "--check-config"]).args(addresses));
    assert_eq!(ended.code, USAGE);
    assert!(ended.stderr.contains("tcp://127.0.0.1:3478 and tls://0.0.0.0:3478"), "{}", ended.stderr);
}

#[test]
fn summary_that_nobody_can_read_is_a_failure() {
    let ended = run(command(&["--user", "a:b", "--check-config"]).stdout(unread()));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("nobody can be told"), "{}", ended.stderr);
}

#[test]
fn relay_serves_though_nobody_reads_its_ready_line() {
    let args = ["--listen", "127.0.0.1:0", "--user", "a:b", "--admin", "0.0.0.0:0"];
    let mut relay = Program::start(command(&args).stdout(unread()));
    // It listens for signals by then, and all its addresses are free.
    relay.says("--admin is no loopback address");
    relay.signal(Signal::SIGTERM);
    relay.says("relay stopped");
    assert_eq!(relay.wait().code(), Some(0));
}

#[test]
fn admin_port_on_loopback_is_not_warned_of() {
    let (mut relay, _) = Program::relay(&["--admin", "127.0.0.1:0"]);
    relay.signal(Signal::SIGTERM);
    assert_eq!(relay.wait().code(), Some(0));
    assert!(!relay.log().contains("no loopback address"), "{}", relay.log());
}

#[test]
fn empty_variables_and_spaces_between_elements_do_not_count() {
    let mut command = command(&["--check-config"]);
    command.env("DIALTONE_TURN_LISTEN", "").env("DIALTONE_TURN_REALM", "").env("DIALTONE_TURN_CONFIG", "");
    command.env("DIALTONE_TURN_ALLOW_PEER", "10.0.0.1, fd00::/8 ").env("DIALTONE_TURN_SECRET", "one\ntwo\n");
    let ended = run(&mut command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for line in ["udp://127.0.0.1:3478", "10.0.0.1/32, fd00::/8", "0 users, 2 shared secrets"] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
}

#[test]
fn misspelt_log_level_is_told_with_the_levels() {
    let ended = run(&mut command(&["--user", "a:b", "--log", "inof"]));
    assert_eq!(ended.code, USAGE);
    assert!(ended.stderr.contains("'inof'") && ended.stderr.contains("off, error, warn, info"), "{}", ended.stderr);
}

#[test]
fn configuration_without_credentials_is_not_good() {
    let ended = run(&mut command(&["--check-config"]));
    assert_eq!(ended.code, USAGE);
    assert!(ended.stderr.contains("--user NAME:PASSWORD"), "{}", ended.stderr);
}

#[test]
fn unknown_key_is_told_with_its_line_and_the_nearest_one() {
    let folder = Folder::new("unknown");
    let file = folder.write("turn.toml", "user = 'a:b'\n\nmax-alocations = 5\n");
    let ended = run(&mut command(&["--config", &file]));
    assert_eq!(ended.code, USAGE);
    let said = format!("{file}:3: unknown key `max-alocations`; the nearest known one is `max-allocations`");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
}

#[test]
fn missing_file_is_told() {
    let ended = run(command(&["--check-config"]).env("DIALTONE_TURN_CONFIG", "nowhere.toml"));
    assert_eq!(ended.code, USAGE);
    assert!(ended.stderr.contains("--config nowhere.toml"), "{}", ended.stderr);
}

#[test]
fn line_wins_over_environment_and_environment_over_file() {
    let folder = Folder::new("order");
    let file = folder.write("turn.toml", "realm = 'file.example'\nuser = 'a:b'\nallow-peer = ['10.0.0.0/8']");
    let realm = |line: &[&str], variable: Option<&str>| {
        let mut command = command(&["--config", &file, "--check-config"]);
        command.args(line).envs(variable.map(|realm| ("DIALTONE_TURN_REALM", realm)));
        // A variable's list is cut at commas, whatever the file says.
        command.env("DIALTONE_TURN_ALLOW_PEER", "172.16.0.0/12,192.168.0.0/16");
        let ended = run(&mut command);
        assert!(ended.stdout.contains("172.16.0.0/12, 192.168.0.0/16"), "{} {}", ended.stdout, ended.stderr);
        let line = ended.stdout.lines().find_map(|line| line.trim().strip_prefix("realm "));
        line.unwrap().trim().to_owned()
    };
    assert_eq!(realm(&["--realm", "line.example"], Some("variable.example")), "line.example");
    assert_eq!(realm(&[], Some("variable.example")), "variable.example");
    assert_eq!(realm(&[], None), "file.example");
}

#[test]
fn file_with_secrets_that_others_can_read_is_warned_of() {
    let folder = Folder::new("readable");
    let file = folder.write("turn.toml", "secret = 'quiet'");
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let ended = run(&mut command(&["--config", &file, "--check-config"]));
        assert_eq!(ended.code, Some(0));
        assert_eq!(ended.stderr.contains("others may read it"), warned, "{}", ended.stderr);
    }
}

#[test]
fn help_shows_no_secret_of_the_environment() {
    for help in ["-h", "--help"] {
        let ended = run(command(&[help]).env("DIALTONE_TURN_SECRET", "quiet").env("DIALTONE_TURN_USER", "a:hush"));
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("--check-config"), "{}", ended.stdout);
        assert!(!ended.stdout.contains("quiet") && !ended.stdout.contains("hush"), "{}", ended.stdout);
    }
}

#[test]
fn second_program_on_the_same_port_is_told_that_it_is_taken() {
    let (_first, addresses) = Program::relay(&["--workers", "2"]);
    let taken = addresses.of("udp://").to_string();
    let ended = run(&mut command(&["--user", "a:b", "--listen", &taken, "--workers", "2"]));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&taken) && ended.stderr.contains("another program"), "{}", ended.stderr);
}

#[test]
fn metrics_count_an_allocation() {
    let (_relay, addresses) = Program::relay(&["--admin", "127.0.0.1:0", "--workers", "2"]);
    let admin = addresses.of("http://");
    let number = |name: &str| {
        let (status, page) = get(admin, "/metrics");
        assert_eq!(status, 200);
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in:\n{page}"))
    };
    assert_eq!(number("dialtone_turn_workers"), "2");
    assert_eq!(number("dialtone_turn_live_allocations"), "0");
    let mut client = Client::new(addresses.of("udp://"));
    assert_eq!(client.allocate(), Ok(()));
    assert_eq!(number("dialtone_turn_live_allocations"), "1");
    assert_eq!(number("dialtone_turn_refused_requests_total{code=\"401\"}"), "1");
    assert_eq!(client.refresh(0), Ok(()));
    assert_eq!(number("dialtone_turn_live_allocations"), "0");
    assert_eq!(number("dialtone_turn_allocations_total"), "1");
}

/// A standard output whose reader has gone.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A program whose log stays in the pipe.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
