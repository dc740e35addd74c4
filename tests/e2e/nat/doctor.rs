//! `peer-cli nat` and `peer-cli doctor` in every kind of network.

use serde_json::Value;

use super::lab_shell;

/// What a kind looks like from the inside: mapping, filtering, whether the port is kept, hairpin, and the class of the
/// doctor's verdict with a relay at hand. Kinds that nothing can tell apart from the inside, such as a home router and a
/// carrier-grade NAT, look alike.
const KINDS: [(&str, [&str; 4], &str); 14] = [
    ("public", ["none", "endpoint-independent", "true", "null"], "direct"),
    ("firewalled", ["none", "address-and-port-dependent", "true", "null"], "direct"),
    ("full-cone", ["endpoint-independent", "endpoint-independent", "true", "false"], "direct"),
    ("full-cone-hairpin", ["endpoint-independent", "endpoint-independent", "true", "true"], "direct"),
    ("address-restricted", ["endpoint-independent", "address-dependent", "true", "false"], "direct"),
    ("port-restricted", ["endpoint-independent", "address-and-port-dependent", "true", "false"], "direct"),
    ("cgnat", ["endpoint-independent", "address-and-port-dependent", "true", "false"], "direct"),
    ("no-port-preservation", ["endpoint-independent", "address-and-port-dependent", "false", "false"], "direct"),
    ("address-dependent-mapping", ["address-dependent", "address-and-port-dependent", "false", "false"], "relay-udp"),
    ("symmetric", ["address-and-port-dependent", "address-and-port-dependent", "false", "false"], "relay-udp"),
    ("cgnat-symmetric", ["address-and-port-dependent", "address-and-port-dependent", "false", "false"], "relay-udp"),
    ("udp-blocked", ["unknown", "unknown", "null", "null"], "relay-tcp"),
    ("udp-rejected", ["unknown", "unknown", "null", "null"], "relay-tcp"),
    ("tcp443", ["unknown", "unknown", "null", "null"], "relay-tls"),
];

#[test]
fn the_doctor_knows_every_network_it_sits_in_and_how_calls_will_get_out_of_it() {
    let sites: Vec<_> = KINDS.iter().enumerate().map(|(n, (kind, ..))| format!("s{n}={kind}")).collect();
    let line = r#"
        export PEER_CLI_ICE_USER=$LAB_TURN_USER PEER_CLI_ICE_PASSWORD=$LAB_TURN_PASSWORD PEER_CLI_TLS_CA=$LAB_CA
        site() {
            "@$1" peer-cli doctor --server "$LAB_SERVER" --ice "$LAB_STUN" --ice "$LAB_TURN" --ice "$LAB_TURN_TCP" \
                --ice "$LAB_TURNS" --json > "$LAB/$1.json" 2> "$LAB/$1.err" || echo "$1: exit code $?" >&2
        }
        n=0
        for pair in $LAB_SITES; do
            site "${pair%%=*}" & n=$((n + 1))
            # Each places a call through the relay.
            [ $((n % 4)) != 0 ] || wait
        done
        wait
        for pair in $LAB_SITES; do cat "$LAB/${pair%%=*}.json"; done
    "#;
    let Some(ran) = lab_shell(&[], &sites.join(","), line) else { return };
    let said = ran.stderr.clone();
    let out = ran.well();
    let reports: Vec<Value> = serde_json::Deserializer::from_str(&out)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}: {out}\n{said}"));
    assert_eq!(reports.len(), KINDS.len(), "{said}");
    let mut wrong = Vec::new();
    for (report, (kind, nat, class)) in reports.iter().zip(KINDS) {
        let found = ["mapping", "filtering", "port_preserved", "hairpin"].map(|name| {
            let value = &report["nat"][name];
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        });
        if found != nat {
            wrong.push(format!("{kind}: {found:?} instead of {nat:?}"));
        }
        if report["verdict"]["class"] != class {
            wrong.push(format!("{kind}: {} instead of {class}", report["verdict"]));
        }
    }
    assert!(wrong.is_empty(), "{}\n{said}\n{out}", wrong.join("\n"));
}
