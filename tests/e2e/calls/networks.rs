//! Servers, relays and peers as processes of their own, plain and over TLS.

use dialtone_tests::{LIMIT, Program, Running, Scratch, Signal, peer_cli};

use super::{assert_media_arrived, assert_phases, assert_relayed, assert_test_signals_both_ways};
use crate::PLAIN;

/// How long to wait for media where none will come: so long that a busy machine does not run out of it first.
const PATIENCE: [&str; 2] = ["--connect-timeout", "10s"];

#[test]
fn two_terminals_make_a_call() {
    let (_server, url) = Program::server(PLAIN);
    let join = ["join", "r1", "--server", url.as_str(), "--duration", "1s", "--json"];
    let first = Running::start(join);
    let second = Running::partner(join.into_iter().chain(["--name", "Bea"]));
    let (first, second) = (first.wait(), second.wait());
    for side in [&first, &second] {
        assert_media_arrived(side);
        assert_phases(side, 0, &["joined", "ready", "connected", "first-picture"]);
    }
    assert_eq!(second.text("/peers/0/name"), "Bea");
    assert_eq!(first.text("/room"), "r1");
    assert_eq!(first.at("/embedded"), false);
}

#[test]
fn who_hangs_up_is_done_and_the_other_side_sees_it_leave() {
    let (_server, url) = Program::server(PLAIN);
    let scratch = Scratch::new("hang-up");
    let reports = ["first.json", "second.json"].map(|name| scratch.file(name));
    let json = reports.each_ref().map(|path| format!("--json={}", path.display()));
    let first = Running::start(["join", "r", "--server", &url, &json[0]]);
    let second = Running::partner(["join", "r", "--server", &url, &json[1]]);
    for side in [&first, &second] {
        side.program().says(&["first picture decoded"]);
        side.program().says(&["first sound decoded"]);
    }
    first.program().signal(Signal::SIGINT);
    let (first, second) = (first.wait_for_file(&reports[0]), second.wait_for_file(&reports[1]));
    first.assert_verdict("OK", 0);
    second.assert_verdict("OK", 0);
    assert_eq!((first.text("/peers/0/end"), second.text("/peers/0/end")), ("hung-up", "peer-left"));
    assert!(first.stdout.contains("PASS") && second.stdout.contains("PASS"));
}

#[test]
fn a_call_goes_through_a_relay_of_its_own_with_logins_from_the_server() {
    // Both peers meet inside the relay, so no private network has to be opened.
    let (relay, address) = Program::turn(["--secret", "north"]);
    let turn = format!("turn:{address}?transport=udp");
    let (_server, url) = Program::server(["--turn-url", &turn, "--turn-secret", "north", "--ice-without-login"]);
    let call = peer_cli(["call", "--server", &url, "--relay-only", "--duration", "1s", "--json"]);
    assert_test_signals_both_ways(&call);
    assert_relayed(&call);
    relay.signal(Signal::SIGTERM);
    let end = relay.wait(LIMIT);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

#[test]
fn a_relay_login_may_come_from_the_command_line_too() {
    let (_relay, address) = Program::turn(["--user", "alice:wonder"]);
    let (_server, url) = Program::server(PLAIN);
    let turn = format!("turn:{address}");
    let call = |password: &str, patience: &[&str]| {
        let login = ["--ice", &turn, "--ice-user", "alice", "--ice-password", password];
        let path = ["call", "--server", &url, "--relay-only", "--duration", "500ms", "--json"];
        peer_cli(path.iter().chain(&login).chain(patience))
    };
    let right = call("wonder", &[]);
    assert_test_signals_both_ways(&right);
    assert_relayed(&right);
    call("wrong", &PATIENCE).assert_verdict("TURN_LOGIN_REFUSED", 14);
}

#[test]
fn a_server_whose_secret_is_another_one_than_the_relays_gives_no_path() {
    let (_relay, address) = Program::turn(["--secret", "north"]);
    let turn = format!("turn:{address}");
    let (_server, url) = Program::server(["--turn-url", &turn, "--turn-secret", "south", "--ice-without-login"]);
    let call = peer_cli(["call", "--server", &url, "--relay-only", "--json"].iter().chain(&PATIENCE));
    call.assert_verdict("TURN_LOGIN_REFUSED", 14);
}

#[test]
fn signaling_over_tls_needs_a_certificate_that_is_trusted() {
    let scratch = Scratch::new("tls");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let cert = scratch.write("cert.pem", made.cert.pem());
    let key = scratch.write("key.pem", made.signing_key.serialize_pem());
    let cert = cert.to_str().unwrap();
    let (_server, url) = Program::server(["--tls-cert", cert, "--tls-key", key.to_str().unwrap()]);
    assert!(url.starts_with("wss://127.0.0.1:"), "{url}");
    let call = peer_cli(["call", "--server", &url, "--tls-ca", cert, "--duration", "500ms", "--json"]);
    assert_test_signals_both_ways(&call);
    let by_name = url.replace("127.0.0.1", "localhost");
    peer_cli(["call", "--server", &by_name, "--tls-ca", cert, "--duration", "500ms", "--json"]).assert_verdict("OK", 0);

    let untrusting = peer_cli(["call", "--server", &url, "--duration", "500ms", "--json"]);
    untrusting.assert_verdict("SIGNALING_TLS", 10);
    assert!(untrusting.text("/verdict/sentence").contains("TLS"), "{}", untrusting.report);
}

#[test]
fn a_self_signed_certificate_is_for_those_who_look_away() {
    let (_server, url) = Program::server(["--tls-self-signed"]);
    assert!(url.starts_with("wss://"), "{url}");
    peer_cli(["join", "r", "--server", &url, "--json"]).assert_verdict("SIGNALING_TLS", 10);
}
