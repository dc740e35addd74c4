//! Networks that are not in the matrix: two hosts of one LAN, IPv6, mappings that move.

use serde_json::Value;

use super::{documents, lab_shell};

/// Two peers, one at each of two sites, with options that each site's own shell reads: what is an address there may be
/// another one elsewhere. Prints both reports.
const CALL: &str = r#"
export PEER_CLI_DURATION=2s PEER_CLI_SIZE=320x240 PEER_CLI_FPS=15 PEER_CLI_WAIT=30s PEER_CLI_CONNECT_TIMEOUT=15s
call() { # ROOM SITE SITE OPTIONS
    "@$2" sh -c "exec peer-cli join $1 $4 --json=$LAB/$1-a.json" > /dev/null 2>&1 & first=$!
    "@$3" sh -c "exec peer-cli join $1 $4 --json=$LAB/$1-b.json" > /dev/null 2>&1 & second=$!
    wait $first || true; wait $second || true
    cat "$LAB/$1-a.json" "$LAB/$1-b.json"
}
stun() { call "$1" "$2" "$3" '--ice $LAB_STUN'; }
turn() { call "$1" "$2" "$3" '--ice $LAB_STUN --ice $LAB_TURN --ice-user $LAB_TURN_USER --ice-password $LAB_TURN_PASSWORD'; }
"#;

/// Places one call in a lab and gives both reports.
fn call(sites: &str, line: &str) -> Option<[Value; 2]> {
    Some(documents(&lab_shell(&[], sites, &format!("{CALL}\n{line}"))?.well()))
}

/// (code, kind of the local candidate, kind of the remote one) of each side.
fn told(reports: &[Value; 2]) -> [(String, String, String); 2] {
    reports.each_ref().map(|report| {
        let text = |pointer: &str| report.pointer(pointer).and_then(Value::as_str).unwrap_or("none").to_owned();
        (text("/verdict/code"), text("/peers/0/pair/local"), text("/peers/0/pair/remote"))
    })
}

/// What both sides say of it, and what they had to choose from.
fn facts(reports: &[Value; 2]) -> String {
    let of = |report: &Value| {
        let parts = ["/verdict", "/peers/0/candidates", "/peers/0/pairs"]
            .map(|at| report.pointer(at).unwrap_or(&Value::Null).to_string());
        parts.join("\n")
    };
    reports.each_ref().map(of).join("\n\n")
}

fn is_direct(side: &(String, String, String)) -> bool {
    side.0 == "OK" && side.1 != "relay" && side.2 != "relay"
}

#[test]
fn two_hosts_of_one_lan_call_each_other_there() {
    let Some(reports) = call("home=lan", "stun r home home2") else { return };
    assert!(told(&reports).iter().all(is_direct), "{:?}", told(&reports));
    let pair = reports[0]["peers"][0]["pair"]["remote_address"].as_str().unwrap_or_default();
    assert!(pair.starts_with("192.168."), "the call left the LAN: {pair}");
}

#[test]
fn hosts_that_a_lan_keeps_apart_need_a_router_that_hairpins_or_a_relay() {
    let Some(reports) = call("h=lan-isolated-hairpin", "stun r h h2") else { return };
    assert!(told(&reports).iter().all(is_direct), "{:?}", told(&reports));
    let Some(reports) = call("h=lan-isolated", "stun r h h2") else { return };
    assert!(told(&reports).iter().any(|side| side.0 == "ICE_FAILED"), "{:?}", told(&reports));
    let Some(reports) = call("h=lan-isolated", "turn r h h2") else { return };
    assert!(told(&reports).iter().all(|side| side.0 == "OK" && (side.1 == "relay" || side.2 == "relay")));
}

#[test]
fn ipv6_behind_firewalls_needs_no_relay_and_ipv6_behind_a_symmetric_nat_does() {
    let Some(reports) = call("a=ipv6,b=ipv6", "stun r a b") else { return };
    assert!(told(&reports).iter().all(is_direct), "{:?}", told(&reports));
    let Some(reports) = call("a=nat66,b=nat66", "stun r a b") else { return };
    assert!(told(&reports).iter().any(|side| side.0 == "ICE_FAILED"), "{:?}", told(&reports));
    let Some(reports) = call("a=nat66,b=nat66", "turn r a b") else { return };
    assert!(told(&reports).iter().all(|side| side.0 == "OK"), "{:?}", told(&reports));
}

#[test]
fn a_mapping_that_does_not_keep_the_port_is_no_hindrance_and_one_by_address_meets_a_home_router_through_a_relay() {
    let Some(reports) = call("a=no-port-preservation,b=home", "stun r a b") else { return };
    assert!(told(&reports).iter().all(is_direct), "{}", facts(&reports));
    let Some(reports) = call("a=address-dependent-mapping,b=home", "turn r a b") else { return };
    let told = told(&reports);
    assert!(told.iter().all(|side| side.0 == "OK"), "{told:?}");
    assert!(told.iter().any(|side| side.1 == "relay" || side.2 == "relay"), "{told:?}");
}

/// Multicast DNS has nobody to ask there; the call does without it.
#[test]
fn an_interface_without_multicast_is_no_hindrance() {
    for options in ["", "--mdns"] {
        let line = format!("@a ip link set eth0 multicast off; call r a b '--ice $LAB_STUN {options}'");
        let Some(reports) = call("a=home,b=home", &line) else { return };
        assert!(told(&reports).iter().all(is_direct), "{options}: {:?}", told(&reports));
    }
}
