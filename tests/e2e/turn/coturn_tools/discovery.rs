//! Which address am I seen at, and what does my NAT do (RFC 5780)?

use std::net::SocketAddr;

use super::{LOGIN, NATDISCOVERY, Relay, STUNCLIENT, Said, Tool, free_ports, is_installed, is_installed_and_has_ipv6};

const TIMEOUT: &str = "STUN receive timeout";

/// A relay at 127.0.0.1 whose second address is 127.0.0.2, and both addresses.
fn relay_with_two_addresses() -> (Relay, [SocketAddr; 2]) {
    let port = free_ports(2);
    let first = SocketAddr::from(([127, 0, 0, 1], port));
    let second = SocketAddr::from(([127, 0, 0, 2], port + 1));
    let (listen, discovery) = (first.to_string(), second.to_string());
    let relay = Relay::exactly(&["--workers", "2", "--user", LOGIN, "--listen", &listen, "--discovery", &discovery]);
    (relay, [first, second])
}

fn answered(said: &Said, responses: u32) {
    assert_eq!(said.code, Some(0), "{}", said.all);
    said.has(&format!("RFC 5780 response {responses}\n"));
    said.has_not(&format!("RFC 5780 response {}\n", responses + 1));
    said.has_not(TIMEOUT);
    said.has_not("error");
    said.has_not("ALG detected");
    said.has_not("Not received mapped address");
}

#[test]
fn stunclient_learns_its_address() {
    if !is_installed() {
        return;
    }
    let relay = super::closed_relay();
    let said = Tool::start(STUNCLIENT, "", relay.udp()).wait();
    assert_eq!(said.code, Some(0), "{}", said.all);
    said.has("UDP reflexive addr: 127.0.0.1:");
    said.has_not("RFC 5780");
}

#[test]
fn stunclient_learns_its_address_over_ipv6() {
    if !is_installed_and_has_ipv6() {
        return;
    }
    let relay = super::open_relay_of_both_families();
    let said = Tool::start(STUNCLIENT, "", relay.at("udp", "[::1]")).wait();
    assert_eq!(said.code, Some(0), "{}", said.all);
    said.has("UDP reflexive addr: ::1:");
}

#[test]
fn stunclient_is_answered_from_the_address_that_it_asks_for() {
    if !is_installed() {
        return;
    }
    let (_relay, [first, second]) = relay_with_two_addresses();
    // -f: asks plainly; then for the other address and another port of the client; then for the other address and with
    // padding.
    let said = Tool::start(STUNCLIENT, "-f", first).wait();
    answered(&said, 3);
    said.has(&format!("Response origin: : {first}"));
    said.has(&format!("Response origin: : {second}"));
    assert_eq!(said.count(&format!("Other addr: : {second}")), 3, "{}", said.all);
}

#[test]
fn natdiscovery_finds_mapping_and_filtering_without_a_nat() {
    if !is_installed() {
        return;
    }
    let (_relay, [first, second]) = relay_with_two_addresses();
    // -m mapping, -f filtering; only with -L it can see that there is no NAT.
    let said = Tool::start(NATDISCOVERY, "-m -f -L 127.0.0.1", first).wait();
    answered(&said, 4);
    assert_eq!(said.count("No NAT! (Endpoint Independent Mapping)"), 2, "{}", said.all);
    said.has("NAT with Endpoint Independent Mapping!");
    said.has("NAT with Endpoint Independent Filtering!");
    assert_eq!(said.count("No ALG: Mapped == XOR-Mapped"), 4, "{}", said.all);
    // Asked at the second IP address and the first port; then asked to answer from both the other IP address and port.
    said.has(&format!("Response origin: : 127.0.0.2:{}", first.port()));
    said.has(&format!("Response origin: : {second}"));
}

#[test]
fn natdiscovery_may_pad_its_requests() {
    if !is_installed() {
        return;
    }
    let (_relay, [first, _]) = relay_with_two_addresses();
    // -P: PADDING of 1500 bytes
    let said = Tool::start(NATDISCOVERY, "-m -f -P", first).wait();
    answered(&said, 4);
    said.has("NAT with Endpoint Independent Mapping!");
    said.has("NAT with Endpoint Independent Filtering!");
}

#[test]
fn natdiscovery_gets_an_answer_at_the_port_that_it_names() {
    if !is_installed() {
        return;
    }
    let (_relay, [first, _]) = relay_with_two_addresses();
    // -t -T 1: after a second a new socket asks with RESPONSE-PORT, and the first socket waits for the answer.
    let said = Tool::start(NATDISCOVERY, "-t -T 1", first).wait();
    answered(&said, 2);
}

#[test]
fn natdiscovery_tells_two_addresses_of_one_client_apart() {
    if !is_installed() {
        return;
    }
    let (_relay, [first, _]) = relay_with_two_addresses();
    // -c collisions: the same port at -L and at -A
    let said = Tool::start(NATDISCOVERY, "-c -L 127.0.0.1 -A 127.0.0.3", first).wait();
    answered(&said, 2);
    said.has("UDP reflexive addr: 127.0.0.1:");
    said.has("UDP reflexive addr: 127.0.0.3:");
}
