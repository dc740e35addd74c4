//! What was found out, in one line each.

use std::net::IpAddr;

use crate::nat::{Filtering, Mapping, NatReport, Udp};

/// What the NAT does, in one line.
pub(super) fn nat_words(nat: &NatReport) -> String {
    if nat.udp == Udp::Blocked {
        return nat.notes.join(" ");
    }
    let mapping = match nat.mapping {
        Mapping::None => "no NAT",
        Mapping::EndpointIndependent => "mapping endpoint-independent",
        Mapping::AddressDependent => "mapping address-dependent",
        Mapping::AddressAndPortDependent => "mapping address-and-port-dependent",
        Mapping::Unknown => "mapping unknown",
    };
    let filtering = match nat.filtering {
        Filtering::EndpointIndependent => "filtering endpoint-independent",
        Filtering::AddressDependent => "filtering address-dependent",
        Filtering::AddressAndPortDependent => "filtering address-and-port-dependent",
        Filtering::Unknown => "filtering unknown",
    };
    let port = match nat.port_preserved {
        Some(true) => "port kept",
        Some(false) => "port changed",
        None => "port unknown",
    };
    let hairpin = match nat.hairpin {
        Some(true) => ", hairpin",
        Some(false) => ", no hairpin",
        None => "",
    };
    let seen: Vec<_> = nat.public.iter().map(ToString::to_string).collect();
    let seen =
        if seen.is_empty() { "no public address was told".to_owned() } else { format!("seen as {}", seen.join(", ")) };
    let notes = nat.notes.iter().map(|note| format!(" {note}")).collect::<String>();
    format!("{mapping}, {filtering}, {port}{hairpin}; {seen}.{notes}")
}

/// From where, and whether others can answer to that.
pub(super) fn sends_from(ip: IpAddr) -> String {
    let kind = if is_public(ip) { "the public address" } else { "an address of its own network," };
    format!("this machine sends from {kind} {ip}")
}

/// Not for private use, nor shared by a carrier's customers, nor for one link or one machine alone.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared)
        }
        // Global unicast, as it is given out so far (RFC 4291 section 2.4).
        IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nat::Family;

    #[test]
    fn private_and_shared_addresses_are_not_public() {
        for ip in [
            "192.168.1.2",
            "10.0.0.1",
            "172.16.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["198.51.101.2", "100.63.0.1", "100.128.0.1", "2001:db8::2", "2a00::1"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn the_nat_is_told_in_one_line() {
        let nat = NatReport {
            family: Family::Ipv4,
            udp: Udp::Ok,
            public: vec!["203.0.113.101:40000".parse().unwrap()],
            local: vec!["192.168.1.2:40000".parse().unwrap()],
            mapping: Mapping::EndpointIndependent,
            filtering: Filtering::Unknown,
            port_preserved: Some(true),
            hairpin: Some(false),
            notes: vec!["Filtering: no.".to_owned()],
        };
        assert_eq!(
            nat_words(&nat),
            "mapping endpoint-independent, filtering unknown, port kept, no hairpin; seen as 203.0.113.101:40000. \
             Filtering: no."
        );
    }
}
