//! What else a client may ask for, and more of everything.

use dialtone_tests::{LIMIT, Signal};

use super::{
    ALL_FOUR, BOTH, LOGIN, Peer, Relay, Tool, UCLIENT, alice, closed_relay, is_installed, is_installed_and_has_ipv6,
    open_relay, open_relay_of_both_families,
};
use crate::turn::client::Client;
use crate::turn::until;

#[test]
fn clients_that_want_one_port_each_are_served() {
    if !is_installed() {
        return;
    }
    let (relay, peer) = (open_relay(), Peer::v4());
    // -c: no RTCP. At random it still asks for an even port, without the next one.
    let to_peer = alice(&format!("-c {}", peer.flags), relay.udp());
    let each_other = alice("-c -y", relay.udp());
    to_peer.delivers(BOTH);
    each_other.delivers(BOTH);
}

#[test]
fn dont_fragment_is_taken_on_allocations_and_on_indications() {
    if !is_installed() {
        return;
    }
    let (relay, peer) = (open_relay(), Peer::v4());
    // -g: DONT-FRAGMENT
    let by_channels = alice(&format!("-g {}", peer.flags), relay.udp());
    let by_indications = alice(&format!("-g -s {}", peer.flags), relay.udp());
    let each_other = alice("-g -s -y", relay.udp());
    by_channels.delivers(BOTH);
    by_indications.delivers(BOTH);
    each_other.delivers(ALL_FOUR);
}

#[test]
fn dual_allocations_reach_peers_of_both_families() {
    if !is_installed_and_has_ipv6() {
        return;
    }
    let relay = open_relay_of_both_families();
    let (v4, v6) = (Peer::v4(), Peer::v6());
    // -Z: ADDITIONAL-ADDRESS-FAMILY, and refreshes of one family or of both at random. Implies -c.
    let to_v4 = alice(&format!("-Z {}", v4.flags), relay.udp());
    let to_v6 = alice(&format!("-Z {}", v6.flags), relay.udp());
    let to_v6_by_indications = alice(&format!("-Z -s {}", v6.flags), relay.udp());
    let each_other = alice("-Z -y", relay.udp());
    let each_other_over_v6 = alice("-Z -x -y", relay.udp());
    to_v4.delivers(BOTH);
    to_v6.delivers(BOTH);
    to_v6_by_indications.delivers(BOTH);
    each_other.delivers(BOTH);
    each_other_over_v6.delivers(BOTH);
}

#[test]
fn channel_data_may_be_padded() {
    if !is_installed() {
        return;
    }
    let (relay, peer) = (open_relay(), Peer::v4());
    // -D: padding also over UDP; -l: a length that needs some
    let over_udp = alice(&format!("-D -l 101 {}", peer.flags), relay.udp());
    let over_tcp = alice(&format!("-D -l 101 -t {}", peer.flags), relay.at("tcp", "127.0.0.1"));
    over_udp.delivers(BOTH);
    over_tcp.delivers(BOTH);
}

#[test]
fn many_large_messages_arrive_without_loss() {
    if !is_installed() {
        return;
    }
    let (relay, peer) = (open_relay(), Peer::v4());
    // -z: milliseconds between two messages of one client
    let flags = "-u alice -w wonder -n 200 -m 8 -z 10 -l 1200";
    let to_peer = Tool::start(UCLIENT, &format!("{flags} {}", peer.flags), relay.udp());
    to_peer.delivers(1600);
    let each_other = Tool::start(UCLIENT, &format!("{flags} -y"), relay.udp());
    each_other.delivers(1600);
    let over_tcp = Tool::start(UCLIENT, &format!("{flags} -y -t"), relay.at("tcp", "127.0.0.1"));
    over_tcp.delivers(1600);
}

#[test]
fn many_permissions_and_channels_for_others_do_no_harm() {
    if !is_installed() {
        return;
    }
    let (relay, peer) = (open_relay(), Peer::v4());
    // -G: up to 25 channels and permissions for made-up peers besides, some of the wrong family; refusals are expected.
    let by_channels = alice(&format!("-G {}", peer.flags), relay.udp());
    let by_indications = alice(&format!("-G -s {}", peer.flags), relay.udp());
    by_channels.delivers(BOTH);
    by_indications.delivers(BOTH);
}

#[test]
fn clients_that_leave_in_the_middle_do_not_disturb_others() {
    if !is_installed() {
        return;
    }
    let (relay, peer) = (open_relay(), Peer::v4());
    let staying = alice(&peer.flags, relay.udp());
    for _ in 0..20 {
        // -O: ends somewhere between connecting and sending, and waits for few of its answers. How it ends says nothing.
        alice(&format!("-O {}", peer.flags), relay.udp()).wait();
    }
    staying.delivers(BOTH);
    alice("-y", relay.udp()).delivers(ALL_FOUR);
}

#[test]
fn clients_of_a_draining_relay_go_to_its_alternate() {
    if !is_installed() {
        return;
    }
    let alternate = closed_relay();
    let there = alternate.udp().to_string();
    let draining = Relay::start(&["--user", LOGIN, "--alternate-server", &there]);
    let mut last = Client::udp(draining.udp());
    last.allocate();
    draining.program.signal(Signal::SIGUSR1);
    until("the relay drains", || draining.page("/health").contains("503"));
    let run = alice("-y", draining.udp()).wait();
    assert_eq!(run.code, Some(0), "{}", run.all);
    run.has("error 300");
    run.has("tot_send_msgs=40, tot_recv_msgs=40");
    assert_eq!(draining.counter("dialtone_turn_allocations_total"), 1);
    assert!(alternate.counter("dialtone_turn_allocations_total") >= 4);
    last.refresh(0);
    let end = draining.program.wait(LIMIT);
    assert_eq!(end.code, Some(0), "it ends with its last allocation\n{}", end.stderr);
}
