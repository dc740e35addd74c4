//! Addresses that cannot be had together, found before the system refuses the second of them.

use std::fmt;
use std::net::SocketAddr;

use crate::config::Config;
use crate::relay::Family;

/// An address, and what is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// `udp`, `tcp`, `tls` or `http`.
    protocol: &'static str,
    address: SocketAddr,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.protocol, self.address)
    }
}

/// The first two of a configuration's addresses that cannot both be listened on.
pub(super) fn clash(config: &Config) -> Option<(Endpoint, Endpoint)> {
    let datagrams: Vec<_> = config
        .listen
        .iter()
        .copied()
        .chain(discovery(config))
        .map(|address| Endpoint { protocol: "udp", address })
        .collect();
    let plain = config.listen.iter().map(|&address| Endpoint { protocol: "tcp", address });
    let tls = config.tls_listen.iter().map(|&address| Endpoint { protocol: "tls", address });
    let admin = config.admin.map(|address| Endpoint { protocol: "http", address });
    let streams: Vec<_> = plain.chain(tls).chain(admin).collect();
    first_clash(&datagrams).or_else(|| first_clash(&streams))
}

/// What is bound beside the first listening address: another IP address, another port, and both.
fn discovery(config: &Config) -> Vec<SocketAddr> {
    match (config.listen.first(), config.discovery) {
        (Some(first), Some(second)) => {
            vec![second, SocketAddr::new(first.ip(), second.port()), SocketAddr::new(second.ip(), first.port())]
        }
        (None, _) | (_, None) => Vec::new(),
    }
}

fn first_clash(all: &[Endpoint]) -> Option<(Endpoint, Endpoint)> {
    all.iter().enumerate().find_map(|(index, second)| {
        let mut before = all.iter().take(index);
        let first = before.find(|first| overlap(first.address, second.address))?;
        Some((*first, *second))
    })
}

/// A wildcard takes every address of its family. The system never picks the same port twice.
fn overlap(first: SocketAddr, second: SocketAddr) -> bool {
    let same_ip = first.ip() == second.ip() && scope(first) == scope(second);
    first.port() == second.port()
        && first.port() != 0
        && Family::of(first.ip()) == Family::of(second.ip())
        && (same_ip || first.ip().is_unspecified() || second.ip().is_unspecified())
}

/// Link-local addresses are told apart by their interface, too.
fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) => v6.scope_id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_had_together_are_found() {
        for (listen, tls, admin, expected) in [
            (&["127.0.0.1:3478", "127.0.0.1:3478"][..], None, None, ["udp://127.0.0.1:3478", "udp://127.0.0.1:3478"]),
            (&["0.0.0.0:3478", "127.0.0.1:3478"], None, None, ["udp://0.0.0.0:3478", "udp://127.0.0.1:3478"]),
            (&["[::1]:3478", "[::]:3478"], None, None, ["udp://[::1]:3478", "udp://[::]:3478"]),
            (&["192.0.2.1:443"], Some("0.0.0.0:443"), None, ["tcp://192.0.2.1:443", "tls://0.0.0.0:443"]),
            (&["127.0.0.1:3478"], None, Some("127.0.0.1:3478"), ["tcp://127.0.0.1:3478", "http://127.0.0.1:3478"]),
            (&[], Some("127.0.0.1:443"), Some("0.0.0.0:443"), ["tls://127.0.0.1:443", "http://0.0.0.0:443"]),
        ] {
            let (first, second) = clash(&config(listen, tls, admin, None)).unwrap();
            assert_eq!([first.to_string(), second.to_string()], expected);
        }
    }

    #[test]
    fn addresses_that_differ_in_anything_that_counts_do_not_clash() {
        for (listen, tls, admin) in [
            (&["127.0.0.1:3478", "127.0.0.1:3479"][..], None, None),
            (&["127.0.0.1:3478", "127.0.0.2:3478"], None, None),
            (&["0.0.0.0:3478", "[::]:3478"], None, None),
            (&["127.0.0.1:0", "127.0.0.1:0", "0.0.0.0:0"], Some("127.0.0.1:0"), Some("127.0.0.1:0")),
            (&["127.0.0.1:3478"], Some("127.0.0.1:5349"), Some("127.0.0.1:9641")),
            (&["[fe80::1%1]:3478", "[fe80::1%2]:3478"], None, None),
        ] {
            assert_eq!(clash(&config(listen, tls, admin, None)), None, "{listen:?}");
        }
    }

    #[test]
    fn addresses_of_discovery_are_bound_for_datagrams_only() {
        let second = Some("127.0.0.2:3479");
        for (listen, expected) in [
            ("127.0.0.2:3479", "udp://127.0.0.2:3479"),
            ("127.0.0.1:3479", "udp://127.0.0.1:3479"),
            ("127.0.0.2:3478", "udp://127.0.0.2:3478"),
        ] {
            let (first, second) = clash(&config(&["127.0.0.1:3478", listen], None, None, second)).unwrap();
            assert_eq!([first.to_string(), second.to_string()], [expected, expected]);
            assert_eq!(clash(&config(&["127.0.0.1:3478"], Some(listen), None, Some("127.0.0.2:3479"))), None);
        }
        assert_eq!(clash(&config(&["127.0.0.1:0"], None, None, Some("127.0.0.2:0"))), None);
    }

    fn config(listen: &[&str], tls: Option<&str>, admin: Option<&str>, discovery: Option<&str>) -> Config {
        Config {
            listen: listen.iter().map(|text| address(text)).collect(),
            tls_listen: tls.map(address).into_iter().collect(),
            admin: admin.map(address),
            discovery: discovery.map(address),
            ..Config::default()
        }
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }
}
