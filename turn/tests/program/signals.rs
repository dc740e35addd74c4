//! What signals do to a relay that serves.

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use rustls::pki_types::CertificateDer;

use crate::client::{Client, shows};
use crate::process::{Folder, Program, command, get};

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
    let line = relay.says("SIGHUP: the new certificate is of no use");
    assert!(line.contains("cert.pem") && line.contains("the old one stays"), "{line}");
    assert!(shows(tls, &new));
}

#[test]
fn sighup_without_tls_says_so() {
    let (mut relay, _) = Program::relay(&[]);
    relay.signal(Signal::SIGHUP);
    relay.says("SIGHUP: there is no TLS");
}

#[test]
fn secret_is_exchanged_at_sighup_and_allocations_go_on() {
    let folder = Folder::new("secret");
    let secret = folder.write("secret", "old\n");
    let (mut relay, addresses) = Program::relay(&["--secret-file", &secret]);
    let udp = addresses.of("udp://");
    let mut early = Client::with_secret(udp, "old");
    assert_eq!(early.allocate(), Ok(()));

    folder.write("secret", "new\n");
    assert_eq!(Client::with_secret(udp, "new").allocate(), Err(401));
    relay.signal(Signal::SIGHUP);
    relay.says("SIGHUP: users and secrets were read again");
    assert_eq!(Client::with_secret(udp, "new").allocate(), Ok(()));
    assert_eq!(Client::with_secret(udp, "old").allocate(), Err(401));
    assert_eq!(early.refresh(600), Ok(()));

    // What cannot be used changes nothing.
    folder.write("secret", "newer\nnewest\n");
    relay.signal(Signal::SIGHUP);
    let line = relay.says("SIGHUP: users and secrets cannot be read again, the old ones stay");
    assert!(line.contains("one secret for each file") && !line.contains("newer"), "{line}");
    assert_eq!(Client::with_secret(udp, "new").allocate(), Ok(()));
    assert_eq!(early.refresh(0), Ok(()));
}

#[test]
fn users_of_the_file_are_exchanged_at_sighup() {
    let folder = Folder::new("users");
    let file = folder.write("turn.toml", "user = 'alice:before'\nlisten = '127.0.0.1:0'");
    let mut relay = Program::start(&mut command(&["--config", &file]));
    let addresses = relay.ready();
    assert_eq!(Client::new(addresses.of("udp://")).allocate(), Err(401));
    folder.write("turn.toml", "user = 'alice:pw'\nlisten = '127.0.0.1:0'");
    relay.signal(Signal::SIGHUP);
    relay.says("SIGHUP: users and secrets were read again");
    assert_eq!(Client::new(addresses.of("udp://")).allocate(), Ok(()));
}

/// A fresh certificate for `localhost` in `cert.pem`, with its key in `key.pem`.
fn certificate(folder: &Folder) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    folder.write("cert.pem", &made.cert.pem());
    folder.write("key.pem", &made.signing_key.serialize_pem());
    made.cert.der().clone()
}
