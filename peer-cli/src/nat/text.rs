//! What was found out, for people: each term with half a sentence on what it means for calls.

use std::fmt::Write;
use std::net::SocketAddr;

use super::{Family, Filtering, Mapping, NatReport, Udp};
use crate::report::terminal::Style;

/// The report in lines.
pub fn render(report: &NatReport, style: Style) -> String {
    let mut out = String::new();
    let family = match report.family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    };
    let udp = match report.udp {
        Udp::Ok => format!("{} over {family}", style.verdict(true, "gets through")),
        Udp::Blocked => {
            format!("{} over {family}: calls from here need a relay over TCP or TLS", style.verdict(false, "blocked"))
        }
    };
    line(&mut out, "UDP", &udp);
    if report.udp == Udp::Ok {
        line(&mut out, "public", &addresses(&report.public, "not told by any server"));
        line(&mut out, "local", &addresses(&report.local, "unknown"));
        line(&mut out, "mapping", mapping(report.mapping));
        line(&mut out, "filtering", filtering(report.filtering));
        line(&mut out, "port", port(report.port_preserved));
        line(&mut out, "hairpin", hairpin(report));
    }
    for note in &report.notes {
        line(&mut out, &style.faint(&format!("{:<9}", "note")), note);
    }
    out
}

/// The mapping in words.
fn mapping(mapping: Mapping) -> &'static str {
    match mapping {
        Mapping::None => "none: there is no NAT, the public address is the one of this machine",
        Mapping::EndpointIndependent => {
            "endpoint-independent: the same public address towards everybody, which others can be told of"
        }
        Mapping::AddressDependent => {
            "address-dependent: another public address towards each host, which nobody can be told of beforehand"
        }
        Mapping::AddressAndPortDependent => {
            "address-and-port-dependent: another public address towards each destination (symmetric NAT), which nobody \
             can be told of beforehand"
        }
        Mapping::Unknown => "unknown: whether others can be told of our public address was not found out",
    }
}

/// The filter in words.
fn filtering(filtering: Filtering) -> &'static str {
    match filtering {
        Filtering::EndpointIndependent => "endpoint-independent: whoever knows the public address gets in",
        Filtering::AddressDependent => "address-dependent: only hosts that were sent to get in",
        Filtering::AddressAndPortDependent => {
            "address-and-port-dependent: only addresses and ports that were sent to get in"
        }
        Filtering::Unknown => "unknown: who gets in was not found out",
    }
}

fn port(preserved: Option<bool>) -> &'static str {
    match preserved {
        Some(true) => "kept: the public port is the local one",
        Some(false) => "changed: the public port is another one",
        None => "unknown",
    }
}

fn hairpin(report: &NatReport) -> &'static str {
    match report.hairpin {
        Some(true) => "yes: two hosts in here reach each other by their public addresses",
        Some(false) => "no: two hosts in here do not reach each other by their public addresses",
        None if report.mapping == Mapping::None => "none: it takes a NAT for that",
        None => "unknown",
    }
}

fn addresses(addresses: &[SocketAddr], none: &str) -> String {
    let all: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    if all.is_empty() { none.to_owned() } else { all.join(", ") }
}

/// Writing into a string cannot fail.
fn line(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "{name:<9}  {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { color: false, width: 100 };

    #[test]
    fn a_home_router_is_told_in_seven_lines() {
        let report = NatReport {
            family: Family::Ipv4,
            udp: Udp::Ok,
            public: vec!["203.0.113.101:40000".parse().unwrap()],
            local: vec!["192.168.1.2:40000".parse().unwrap()],
            mapping: Mapping::EndpointIndependent,
            filtering: Filtering::AddressAndPortDependent,
            port_preserved: Some(true),
            hairpin: Some(false),
            notes: Vec::new(),
        };
        assert_eq!(
            render(&report, PLAIN),
            "UDP        gets through over IPv4\n\
             public     203.0.113.101:40000\n\
             local      192.168.1.2:40000\n\
             mapping    endpoint-independent: the same public address towards everybody, which others can be told of\n\
             filtering  address-and-port-dependent: only addresses and ports that were sent to get in\n\
             port       kept: the public port is the local one\n\
             hairpin    no: two hosts in here do not reach each other by their public addresses\n"
        );
    }

    #[test]
    fn what_is_blocked_is_told_with_what_was_asked() {
        let report = NatReport::blocked(Family::Ipv6, Vec::new(), "Nothing came back.".to_owned());
        assert_eq!(
            render(&report, PLAIN),
            "UDP        blocked over IPv6: calls from here need a relay over TCP or TLS\nnote       Nothing came back.\n"
        );
    }
}
