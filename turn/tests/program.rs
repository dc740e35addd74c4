//! The relay as a program, where the library alone cannot show it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "helpers of tests may fail loudly")]

#[path = "program/client.rs"]
mod client;
#[path = "program/process.rs"]
mod process;

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Child;

use dialtone_turn::stun::attributes::REQUESTED_TRANSPORT;
use dialtone_turn::stun::{Class, MessageBuilder, Method, TransactionId};
use nix::sys::signal::Signal;
use rustls::pki_types::CertificateDer;

use crate::client::{Client, shows};
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

#[test]
fn stop_without_drain_is_at_once() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut relay, addresses) = Program::relay(&[]);
        assert_eq!(Client::new(addresses.of("udp://")).allocate(), Ok(()));
        relay.signal(signal);
        assert_eq!(relay.wait().code(), Some(0));
    }
}

#[test]
fn stop_with_drain_waits_for_the_last_allocation() {
    let (relay, addresses) = Program::relay(&["--drain", "1h", "--admin", "127.0.0.1:0"]);
    drains(relay, addresses.of("udp://"), addresses.of("http://"), Signal::SIGTERM);
}

#[test]
fn first_user_signal_drains_without_a_limit() {
    let (relay, addresses) = Program::relay(&["--admin", "127.0.0.1:0"]);
    drains(relay, addresses.of("udp://"), addresses.of("http://"), Signal::SIGUSR1);
}

fn drains(mut relay: Program, udp: SocketAddr, admin: SocketAddr, signal: Signal) {
    let mut early = Client::new(udp);
    assert_eq!(early.allocate(), Ok(()));
    assert_eq!(get(admin, "/health"), (200, "ok\n".to_owned()));
    relay.signal(signal);
    let line = relay.says("draining: no new allocations");
    assert!(line.contains("allocations=1"), "{line}");
    assert_eq!(get(admin, "/health"), (503, "draining\n".to_owned()));
    assert_eq!(Client::new(udp).allocate(), Err(508));
    // The one that exists goes on until it is ended.
    assert_eq!(early.refresh(600), Ok(()));
    assert_eq!(early.refresh(0), Ok(()));
    relay.says("drained");
    assert_eq!(relay.wait().code(), Some(0));
}

#[test]
fn drain_is_over_after_its_time() {
    let (mut relay, addresses) = Program::relay(&["--drain", "1s"]);
    assert_eq!(Client::new(addresses.of("udp://")).allocate(), Ok(()));
    relay.signal(Signal::SIGTERM);
    relay.says("the time to drain is over");
    assert_eq!(relay.wait().code(), Some(0));
}

#[test]
fn second_signal_ends_a_drain_at_once() {
    for first in [Signal::SIGTERM, Signal::SIGUSR1] {
        let (mut relay, addresses) = Program::relay(&["--drain", "1h"]);
        assert_eq!(Client::new(addresses.of("udp://")).allocate(), Ok(()));
        relay.signal(first);
        relay.says("draining: no new allocations");
        relay.signal(Signal::SIGTERM);
        relay.says("stopped while draining");
        assert_eq!(relay.wait().code(), Some(0));
    }
}

#[test]
fn draining_relay_sends_clients_to_the_alternate_server() {
    let (mut relay, addresses) = Program::relay(&["--alternate-server", "192.0.2.7:3478"]);
    let mut early = Client::new(addresses.of("udp://"));
    assert_eq!(early.allocate(), Ok(()));
    relay.signal(Signal::SIGUSR1);
    relay.says("draining: no new allocations");
    assert_eq!(Client::new(addresses.of("udp://")).allocate(), Err(300));
}

#[test]
fn certificate_is_exchanged_at_sighup_and_a_bad_one_is_not() {
    let folder = Folder::new("sighup");
    let old = certificate(&folder);
    let (cert, key) = (folder.path("cert.pem"), folder.path("key.pem"));
    let (mut relay, addresses) =
        Program::relay(&["--tls-listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key]);
    let tls = addresses.of("tls://");
    assert!(shows(tls, &old));

    let new = certificate(&folder);
    relay.signal(Signal::SIGHUP);
    // Where the relay has seen for itself that the files changed, there is nothing new for the signal.
    relay.says("SIGHUP");
    assert!(shows(tls, &new));
    assert!(!shows(tls, &old));

    folder.write("cert.pem", "nothing");
    relay.signal(Signal::SIGHUP);
    let line = relay.says("SIGHUP");
    assert!(line.contains("the old one stays"), "{line}");
    assert!(shows(tls, &new));
}

/// A fresh certificate for `localhost` in `cert.pem`, with its key in `key.pem`.
fn certificate(folder: &Folder) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    folder.write("cert.pem", &made.cert.pem());
    folder.write("key.pem", &made.signing_key.serialize_pem());
    made.cert.der().clone()
}

/// A program whose log stays in the pipe.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
