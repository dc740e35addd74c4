//! UDP, TCP and TLS; IPv4 and IPv6; channels and indications; to a peer and among clients.
//!
//! Flags of `turnutils_uclient`: `-t` TCP, `-S` TLS (with `-t`), `-s` Send and Data indications instead of channels, `-y`
//! clients talk to each other, `-x` and `-X` ask for an IPv6 or IPv4 relayed address, `-e` and `-r` name the peer. Without
//! `-c` each client takes a pair of ports, by EVEN-PORT and RESERVATION-TOKEN, perhaps from two workers.

use std::path::Path;

use dialtone_tests::Scratch;

use super::{
    ALICE, ALL_FOUR, BOTH, LOGIN, Peer, Relay, Tool, UCLIENT, alice, closed_relay, is_installed,
    is_installed_and_has_ipv6, open_relay, open_relay_of_both_families,
};
use crate::turn::certificates::Authority;

#[test]
fn udp_clients_reach_a_peer_by_channels_and_by_indications() {
    if !is_installed() {
        return;
    }
    let (relay, peer) = (open_relay(), Peer::v4());
    let by_channels = alice(&peer.flags, relay.udp());
    let by_indications = alice(&format!("-s {}", peer.flags), relay.udp());
    by_channels.delivers(BOTH);
    by_indications.delivers(BOTH);
}

#[test]
fn tcp_clients_reach_a_peer_by_channels_and_by_indications() {
    if !is_installed() {
        return;
    }
    let (relay, peer) = (open_relay(), Peer::v4());
    let tcp = relay.at("tcp", "127.0.0.1");
    let by_channels = alice(&format!("-t {}", peer.flags), tcp);
    let by_indications = alice(&format!("-t -s {}", peer.flags), tcp);
    by_channels.delivers(BOTH);
    by_indications.delivers(BOTH);
}

#[test]
fn tls_clients_reach_a_peer_and_each_other() {
    if !is_installed() {
        return;
    }
    let scratch = Scratch::new("coturn-tls");
    let relay = tls_relay(&scratch, &Authority::new("authority"));
    let (tls, peer) = (relay.at("tls", "127.0.0.1"), Peer::v4());
    // It tries old versions of TLS as well, until it hits one that both know. Nothing is verified.
    let by_channels = alice(&format!("-t -S {}", peer.flags), tls);
    let by_indications = alice(&format!("-t -S -s {}", peer.flags), tls);
    let each_other = alice("-t -S -y", tls);
    by_channels.delivers(BOTH);
    by_indications.delivers(BOTH);
    each_other.delivers(ALL_FOUR);
}

#[test]
fn tls_clients_that_verify_take_our_certificate_and_only_ours() {
    if !is_installed() {
        return;
    }
    let scratch = Scratch::new("coturn-verify");
    let authority = Authority::new("authority");
    let relay = tls_relay(&scratch, &authority);
    let trusted = scratch.write("authority.pem", authority.pem());
    let foreign = scratch.write("foreign.pem", Authority::new("somebody else").pem());
    let (cert, key) = (scratch.file("cert.pem"), scratch.file("key.pem"));
    // -E alone verifies nothing: it only counts where the client has a certificate of its own (-i, -k). Nobody asks to
    // see that one, so the relay's will do.
    let flags = format!("{ALICE} -t -S -c -y");
    let tls = relay.at("tls", "127.0.0.1");
    let run = |authority: &Path| {
        let files = [("-i", cert.as_path()), ("-k", key.as_path()), ("-E", authority)];
        Tool::with_files(UCLIENT, &flags, &files, tls)
    };
    let (trusting, distrusting) = (run(&trusted), run(&foreign));
    trusting.delivers(BOTH);
    distrusting.gives_up("certificate verify failed");
}

#[test]
fn ipv6_clients_reach_an_ipv6_peer_over_udp_and_tcp() {
    if !is_installed_and_has_ipv6() {
        return;
    }
    let (relay, peer) = (open_relay_of_both_families(), Peer::v6());
    let (udp, tcp) = (relay.at("udp", "[::1]"), relay.at("tcp", "[::1]"));
    let by_channels = alice(&peer.flags, udp);
    let by_indications = alice(&format!("-s {}", peer.flags), udp);
    let over_tcp = alice(&format!("-t {}", peer.flags), tcp);
    by_channels.delivers(BOTH);
    by_indications.delivers(BOTH);
    over_tcp.delivers(BOTH);
}

#[test]
fn ipv6_clients_reach_each_other_over_udp_tcp_and_tls() {
    if !is_installed_and_has_ipv6() {
        return;
    }
    let scratch = Scratch::new("coturn-tls-v6");
    let relay = tls_relay_at(&scratch, &Authority::new("authority"), "[::1]:0", &["--listen", "[::1]:0"]);
    let over_udp = alice("-x -y", relay.at("udp", "[::1]"));
    let over_tcp = alice("-t -x -y", relay.at("tcp", "[::1]"));
    let over_tls = alice("-t -S -x -y", relay.at("tls", "[::1]"));
    over_udp.delivers(ALL_FOUR);
    over_tcp.delivers(ALL_FOUR);
    over_tls.delivers(ALL_FOUR);
}

#[test]
fn clients_of_one_family_reach_peers_of_the_other() {
    if !is_installed_and_has_ipv6() {
        return;
    }
    let relay = open_relay_of_both_families();
    let (v4, v6) = (Peer::v4(), Peer::v6());
    let to_v6 = alice(&format!("-x {}", v6.flags), relay.udp());
    let to_v4 = alice(&format!("-X {}", v4.flags), relay.at("udp", "[::1]"));
    to_v6.delivers(BOTH);
    to_v4.delivers(BOTH);
}

#[test]
fn clients_reach_each_other_though_no_network_is_opened() {
    if !is_installed() {
        return;
    }
    let relay = closed_relay();
    let (udp, tcp) = (relay.udp(), relay.at("tcp", "127.0.0.1"));
    let by_channels = alice("-y", udp);
    let by_indications = alice("-y -s", udp);
    let over_tcp = alice("-y -t", tcp);
    by_channels.delivers(ALL_FOUR);
    by_indications.delivers(ALL_FOUR);
    over_tcp.delivers(ALL_FOUR);
}

fn tls_relay(scratch: &Scratch, authority: &Authority) -> Relay {
    tls_relay_at(scratch, authority, "127.0.0.1:0", &["--allow-peer", "127.0.0.0/8"])
}

/// Its certificate lies in `cert.pem`, its key in `key.pem`.
fn tls_relay_at(scratch: &Scratch, authority: &Authority, listen: &str, more: &[&str]) -> Relay {
    let identity = authority.issue("relay");
    let cert = scratch.write("cert.pem", &identity.chain);
    let key = scratch.write("key.pem", &identity.key);
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let mut args = vec!["--workers", "2", "--user", LOGIN, "--tls-listen", listen];
    args.extend(["--tls-cert", cert, "--tls-key", key]);
    args.extend(more);
    Relay::start(&args)
}
