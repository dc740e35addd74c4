use super::*;
use crate::nat::{Family, Filtering};

const LOGIN: &str = "turn:r:3478 answered 401 Unauthorized to user bob";

fn nat(mapping: Mapping, filtering: Filtering) -> NatReport {
    NatReport {
        family: Family::Ipv4,
        udp: Udp::Ok,
        public: vec!["203.0.113.101:40000".parse().unwrap()],
        local: vec!["192.168.1.2:40000".parse().unwrap()],
        mapping,
        filtering,
        port_preserved: Some(true),
        hairpin: None,
        notes: Vec::new(),
    }
}

fn blocked() -> NatReport {
    NatReport::blocked(Family::Ipv4, Vec::new(), "Nothing came back.".to_owned())
}

fn relay(over: Over, outcome: ProbeOutcome, message: &str) -> Relay {
    let url = match over {
        Over::Udp => "turn:r:3478",
        Over::Tcp => "turn:r:3478?transport=tcp",
        Over::Tls => "turns:r:443?transport=tcp",
    };
    Relay { url: url.to_owned(), over, outcome, message: message.to_owned() }
}

fn working(over: Over) -> Relay {
    relay(over, ProbeOutcome::Works, "relays")
}

fn silent(over: Over) -> Relay {
    relay(over, ProbeOutcome::Unreachable, "r did not answer")
}

fn all_working() -> Vec<Relay> {
    vec![working(Over::Udp), working(Over::Tcp), working(Over::Tls)]
}

fn behind(nat: NatReport, relays: Vec<Relay>) -> Evidence {
    let stun = vec![nat.udp == Udp::Ok];
    Evidence { ipv4: Some(nat), stun, relays, ..Evidence::default() }
}

fn verdict(class: Class, text: &str, remedy: Option<&str>, exit_code: u8) -> Verdict {
    Verdict { class, text: text.to_owned(), remedy: remedy.map(str::to_owned), exit_code }
}

#[test]
fn every_kind_of_network_has_its_class_where_a_relay_speaks_everything() {
    use Filtering::{AddressAndPortDependent as Apd, AddressDependent as Ad, EndpointIndependent as Ei};
    let only_tls = vec![silent(Over::Udp), silent(Over::Tcp), working(Over::Tls)];
    let streams = vec![silent(Over::Udp), working(Over::Tcp), working(Over::Tls)];
    for (name, nat, relays, class) in [
        ("public", nat(Mapping::None, Ei), all_working(), Class::Direct),
        ("public behind a firewall", nat(Mapping::None, Apd), all_working(), Class::Direct),
        ("full cone, with hairpin or without", nat(Mapping::EndpointIndependent, Ei), all_working(), Class::Direct),
        ("address-restricted", nat(Mapping::EndpointIndependent, Ad), all_working(), Class::Direct),
        ("port-restricted", nat(Mapping::EndpointIndependent, Apd), all_working(), Class::Direct),
        ("symmetric", nat(Mapping::AddressAndPortDependent, Apd), all_working(), Class::RelayUdp),
        ("no port preservation", nat(Mapping::EndpointIndependent, Apd), all_working(), Class::Direct),
        ("address-dependent mapping", nat(Mapping::AddressDependent, Apd), all_working(), Class::RelayUdp),
        ("CGNAT before a home router", nat(Mapping::EndpointIndependent, Apd), all_working(), Class::Direct),
        ("symmetric CGNAT", nat(Mapping::AddressAndPortDependent, Apd), all_working(), Class::RelayUdp),
        ("UDP blocked or rejected", blocked(), streams, Class::RelayTcp),
        ("TCP 443 only", blocked(), only_tls, Class::RelayTls),
    ] {
        let verdict = judge(&behind(nat, relays));
        assert_eq!((verdict.class, verdict.exit_code), (class, 0), "{name}: {}", verdict.text);
    }
}

#[test]
fn a_home_router_with_a_relay_leaves_nothing_to_do() {
    let home = nat(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    assert_eq!(
        judge(&behind(home.clone(), all_working())),
        verdict(
            Class::Direct,
            "Calls from here go direct to most networks: the NAT gives a socket the same public address towards \
             everybody. For the others there is the relay over UDP.",
            None,
            0
        )
    );
    assert_eq!(
        judge(&behind(home, Vec::new())).remedy.as_deref(),
        Some("Have a TURN relay for calls to symmetric NATs.")
    );
}

#[test]
fn a_symmetric_nat_needs_the_relay_and_says_so() {
    let symmetric = nat(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);
    let why = "the NAT gives each destination another public address (symmetric NAT)";
    assert_eq!(
        judge(&behind(symmetric.clone(), all_working())),
        verdict(
            Class::RelayUdp,
            &format!("Calls from here need a relay towards many networks, and reach it over UDP: {why}."),
            Some("See that every client is given turn:r:3478 and its login."),
            0
        )
    );
    assert_eq!(
        judge(&behind(symmetric.clone(), Vec::new())),
        verdict(
            Class::Cannot,
            &format!("Calls from here cannot work, because {why}, and no TURN server is known."),
            Some("Run a TURN relay and give it to all clients: --ice turn:host:3478 and its login."),
            14
        )
    );
    let refused = judge(&behind(symmetric, vec![relay(Over::Udp, ProbeOutcome::LoginRefused, LOGIN)]));
    assert_eq!((refused.class, refused.exit_code), (Class::Cannot, 14));
    assert!(refused.text.ends_with(&format!("and the relay does not work: {LOGIN}.")), "{}", refused.text);
    assert_eq!(refused.remedy.as_deref(), Cause::TurnLoginRefused.remedy());
}

#[test]
fn where_udp_is_blocked_a_stream_or_nothing_is_left() {
    assert_eq!(
        judge(&behind(blocked(), vec![silent(Over::Udp), working(Over::Tls)])),
        verdict(
            Class::RelayTls,
            "Calls from here work only through a relay over TLS: nothing comes back over UDP.",
            Some("See that every client is given turns:r:443?transport=tcp and its login."),
            0
        )
    );
    assert_eq!(
        judge(&behind(blocked(), vec![silent(Over::Udp), silent(Over::Tcp)])),
        verdict(
            Class::Cannot,
            "Calls from here cannot work, because nothing comes back over UDP, and no relay works: r did not answer; r \
             did not answer.",
            Some(
                "Open UDP in the firewall, or run a TURN relay on TLS port 443 and give it to all clients: --ice \
                 turns:host:443 and its login."
            ),
            14
        )
    );
}

#[test]
fn a_relay_that_takes_udp_proves_that_udp_passes() {
    let evidence = behind(blocked(), vec![working(Over::Udp)]);
    assert_eq!(judge(&evidence).class, Class::RelayUdp);
}

#[test]
fn an_unknown_nat_is_safe_with_a_relay_and_hopeful_without() {
    let unknown = nat(Mapping::Unknown, Filtering::Unknown);
    assert_eq!(judge(&behind(unknown.clone(), all_working())).class, Class::RelayUdp);
    let hopeful = judge(&behind(unknown, Vec::new()));
    assert_eq!((hopeful.class, hopeful.exit_code), (Class::Direct, 0));
    assert!(hopeful.text.contains("may go direct") && hopeful.remedy.is_some(), "{}", hopeful.text);
}

#[test]
fn ipv6_decides_where_there_is_no_ipv4_and_helps_where_ipv4_needs_a_relay() {
    let open = NatReport { family: Family::Ipv6, ..nat(Mapping::None, Filtering::AddressAndPortDependent) };
    let alone = Evidence { ipv6: Some(open.clone()), stun: vec![true], ..Evidence::default() };
    assert_eq!(judge(&alone).class, Class::Direct);
    let both = Evidence {
        ipv6: Some(open),
        ..behind(nat(Mapping::AddressDependent, Filtering::AddressAndPortDependent), Vec::new())
    };
    let verdict = judge(&both);
    assert_eq!((verdict.class, verdict.exit_code), (Class::Direct, 0));
    assert!(verdict.text.contains("direct over IPv6 only"), "{}", verdict.text);
    assert_eq!(judge(&Evidence { relays: all_working(), ..both }).class, Class::RelayUdp);
}

#[test]
fn broken_signaling_is_the_verdict_whatever_the_network_is() {
    let broken = Broken { cause: Cause::SignalingUnreachable, why: "a:1 could not be reached".to_owned() };
    let evidence = Evidence {
        signaling: Some(broken),
        ..behind(nat(Mapping::None, Filtering::EndpointIndependent), all_working())
    };
    assert_eq!(
        judge(&evidence),
        verdict(
            Class::Cannot,
            "Calls from here cannot begin, because signaling does not work: a:1 could not be reached.",
            Cause::SignalingUnreachable.remedy(),
            10
        )
    );
}

#[test]
fn a_call_that_fails_through_the_relay_counts_where_the_relay_is_needed() {
    let call = Some(Err("ICE found no path.".to_owned()));
    let symmetric = nat(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);
    let needed = judge(&Evidence { call: call.clone(), ..behind(symmetric.clone(), all_working()) });
    assert_eq!((needed.class, needed.exit_code), (Class::Cannot, 14));
    assert!(needed.text.ends_with("a call through it does not work: ICE found no path."), "{}", needed.text);

    let home = nat(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    let spare = judge(&Evidence { call, ..behind(home, all_working()) });
    assert_eq!((spare.class, spare.exit_code), (Class::Direct, 0));
    assert!(spare.text.ends_with("did not work, though: ICE found no path."), "{}", spare.text);

    let works = judge(&Evidence { call: Some(Ok(())), ..behind(symmetric, all_working()) });
    assert_eq!((works.class, works.exit_code), (Class::RelayUdp, 0));
}

#[test]
fn without_any_server_only_what_is_near_is_promised() {
    let nothing = Evidence::default();
    let alone = judge(&nothing);
    assert_eq!((alone.class, alone.exit_code), (Class::Cannot, 14));
    assert_eq!(
        alone.text,
        "Calls from here cannot work, because this machine has no public address, and no STUN or TURN server is known."
    );
    for evidence in [Evidence { here: true, ..nothing.clone() }, Evidence { public: true, ..nothing }] {
        let verdict = judge(&evidence);
        assert_eq!((verdict.class, verdict.exit_code), (Class::Direct, 0), "{}", verdict.text);
        assert!(verdict.remedy.is_some());
    }
}
