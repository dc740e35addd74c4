//! Who is refused, and with which words.

use super::{LOGIN, Peer, Relay, Tool, UCLIENT, alice, closed_relay, is_installed};

/// What `turnutils_uclient` says of answers 401 without end.
const UNAUTHORIZED: &str = "Cannot complete Allocation";

#[test]
fn time_limited_credentials_are_taken_and_a_wrong_secret_is_refused() {
    if !is_installed() {
        return;
    }
    // Two secrets are good while one replaces the other.
    let secrets = ["--secret", "north", "--secret", "south"];
    let relay = Relay::start(&secrets);
    let tcp = relay.at("tcp", "127.0.0.1");
    // -W: makes a name that ends tomorrow, and its password, from the secret
    let run = |secret: &str, flags: &str, at| {
        Tool::start(UCLIENT, &format!("-u alice -W {secret} -n 10 -m 2 -c -y {flags}"), at)
    };
    let (first, second) = (run("north", "", relay.udp()), run("south", "-t", tcp));
    run("west", "", relay.udp()).gives_up(UNAUTHORIZED);
    run("west", "-t", tcp).gives_up(UNAUTHORIZED);
    first.delivers(super::BOTH);
    second.delivers(super::BOTH);
    let refused = relay.counter("dialtone_turn_refused_requests_total");
    assert!(refused > 0, "{refused}");
}

#[test]
fn wrong_passwords_and_unknown_users_are_refused() {
    if !is_installed() {
        return;
    }
    let relay = closed_relay();
    for login in ["-u alice -w wander", "-u bob -w wonder", "-u alice -W wonder"] {
        Tool::start(UCLIENT, &format!("{login} -y"), relay.udp()).gives_up(UNAUTHORIZED);
        Tool::start(UCLIENT, &format!("{login} -y -t"), relay.at("tcp", "127.0.0.1")).gives_up(UNAUTHORIZED);
    }
    assert_eq!(relay.counter("dialtone_turn_allocations_total"), 0);
}

#[test]
fn a_user_with_enough_allocations_gets_no_more() {
    if !is_installed() {
        return;
    }
    let relay = Relay::start(&["--user", LOGIN, "--max-allocations-per-user", "2"]);
    // One allocation more than it talks through: it makes one first to see whether it is sent elsewhere.
    alice("-c -y", relay.udp()).gives_up("error 486 (Allocation Quota Reached)");
}

#[test]
fn a_peer_on_loopback_is_forbidden_until_it_is_opened() {
    if !is_installed() {
        return;
    }
    let (relay, peer) = (closed_relay(), Peer::v4());
    let forbidden = "error 403 (Forbidden)";
    alice(&peer.flags, relay.udp()).gives_up(forbidden);
    // By permission alone, the relay's own address is open for its other clients; this is another one.
    alice("-s -e 127.0.0.2 -r 9", relay.udp()).gives_up(forbidden);
    alice(&format!("-t {}", peer.flags), relay.at("tcp", "127.0.0.1")).gives_up(forbidden);
}

#[test]
fn tcp_to_the_peer_is_refused_by_its_own_code() {
    if !is_installed() {
        return;
    }
    let relay = closed_relay();
    // -T: RFC 6062, which this relay does not offer
    alice("-T", relay.at("tcp", "127.0.0.1")).gives_up("error 442 (Unsupported Transport Protocol)");
}
