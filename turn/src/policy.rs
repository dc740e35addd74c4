//! Which peers a client may reach through the relay.
//!
//! A relay that forwards to anything is a door into its operator's network. What is refused here is refused in every
//! spelling: an IPv4 address hidden inside an IPv6 one is judged as the IPv4 address it stands for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Refuses what the operator closed, and private and special addresses except the networks the operator opened.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

impl Policy {
    /// `allow` lists the networks to open again. `deny` lists those to close, public ones too; it is looked at first,
    /// so that what lies in both stays closed.
    #[must_use]
    pub fn new(allow: Vec<IpNet>, deny: Vec<IpNet>) -> Self {
        Self { allow, deny }
    }

    /// True when datagrams may go to `ip`: the address itself and every IPv4 address inside it have to pass.
    #[must_use]
    pub fn allows(&self, ip: IpAddr) -> bool {
        if spellings(ip).any(|ip| self.denied(ip)) {
            return false;
        }
        match ip {
            IpAddr::V4(v4) => self.allows_v4(v4),
            IpAddr::V6(v6) => self.allows_v6(v6) && embedded(v6).into_iter().flatten().all(|v4| self.allows_v4(v4)),
        }
    }

    fn allows_v4(&self, ip: Ipv4Addr) -> bool {
        !REFUSED_V4.iter().any(|net| net.contains(&ip)) || self.opened(IpAddr::V4(ip))
    }

    fn allows_v6(&self, ip: Ipv6Addr) -> bool {
        !REFUSED_V6.iter().any(|net| net.contains(&ip)) || self.opened(IpAddr::V6(ip))
    }

    /// True when the operator opened a network that `ip` lies in, closed or not.
    pub(crate) fn opened(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&ip))
    }

    fn denied(&self, ip: IpAddr) -> bool {
        self.deny.iter().any(|net| net.contains(&ip))
    }
}

/// An address, and the IPv4 addresses that it stands for.
pub(crate) fn spellings(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let inside = match ip {
        IpAddr::V4(_) => [None, None],
        IpAddr::V6(v6) => embedded(v6),
    };
    std::iter::once(ip).chain(inside.into_iter().flatten().map(IpAddr::V4))
}

/// The special ranges of IANA's IPv4 registry that no public peer has.
static REFUSED_V4: [Ipv4Net; 11] = [
    v4(0, 0, 0, 0, 8),      // this network; 0.0.0.0 reaches the host itself
    v4(10, 0, 0, 0, 8),     // private
    v4(100, 64, 0, 0, 10),  // shared by carriers
    v4(127, 0, 0, 0, 8),    // loopback
    v4(169, 254, 0, 0, 16), // link-local, and the metadata services of clouds
    v4(172, 16, 0, 0, 12),  // private
    v4(192, 0, 0, 0, 24),   // IETF protocol assignments
    v4(192, 168, 0, 0, 16), // private
    v4(198, 18, 0, 0, 15),  // benchmarks
    v4(224, 0, 0, 0, 4),    // multicast
    v4(240, 0, 0, 0, 4),    // reserved, with the broadcast address
];

/// The same for IPv6.
static REFUSED_V6: [Ipv6Net; 7] = [
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128),        // unspecified
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),        // loopback
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), // an operator's own NAT64
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),     // unique local
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),    // link-local
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),    // site-local, of old
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),     // multicast
];

/// The IPv4 addresses that an IPv6 address stands for. Two for Teredo: its server and its client.
fn embedded(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let segments = ip.segments();
    let at = |index: usize| pair(segments[index], segments[index + 1]);
    match segments {
        // `::` and `::1` are addresses of their own and stand in the table above.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        // IPv4-compatible, IPv4-mapped, and NAT64's well-known prefix
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => [Some(at(6)), None],
        // IPv4-translated
        [0, 0, 0, 0, 0xffff, 0, _, _] => [Some(at(6)), None],
        // 6to4
        [0x2002, ..] => [Some(at(1)), None],
        // Teredo keeps its client's address inverted
        [0x2001, 0, ..] => [Some(at(2)), Some(pair(!segments[6], !segments[7]))],
        _ => [None, None],
    }
}

fn pair(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(segments: [u16; 8], length: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_refused() {
        let policy = Policy::default();
        for text in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "64:ff9b:1::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!policy.allows(ip(text)), "{text}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        let policy = Policy::default();
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "203.0.113.7",
            "2001:db8::1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(policy.allows(ip(text)), "{text}");
        }
    }

    #[test]
    fn encodings_of_private_addresses_are_refused() {
        let policy = Policy::default();
        for text in [
            "::ffff:127.0.0.1",
            "::ffff:0.0.0.0",
            "::ffff:10.1.2.3",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "::127.0.0.1",
            "::10.0.0.1",
            "::0.0.0.2",
            "64:ff9b::127.0.0.1",
            "64:ff9b::192.168.1.1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2002:c0a8:101::1",
            // Teredo: a private server, then a private client behind a public server
            "2001:0:a00:1:0:0:f5ff:fffe",
            "2001:0:5ef5:79fb:0:0:80ff:fffe",
        ] {
            assert!(!policy.allows(ip(text)), "{text}");
        }
    }

    #[test]
    fn encodings_of_public_addresses_pass() {
        let policy = Policy::default();
        for text in ["::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1", "2001:0:5ef5:79fb:0:0:fefe:fefe"] {
            assert!(policy.allows(ip(text)), "{text}");
        }
    }

    #[test]
    fn opened_network_passes_and_only_it() {
        let policy = Policy::new(nets(&["10.1.0.0/16", "::1/128"]), Vec::new());
        assert!(policy.allows(ip("10.1.2.3")));
        assert!(policy.allows(ip("::ffff:10.1.2.3")));
        assert!(policy.allows(ip("::1")));
        assert!(!policy.allows(ip("10.2.0.1")));
        assert!(!policy.allows(ip("127.0.0.1")));
    }

    #[test]
    fn opening_all_of_ipv6_does_not_open_ipv4_inside_it() {
        let policy = Policy::new(nets(&["::/0"]), Vec::new());
        assert!(policy.allows(ip("fd00::1")));
        assert!(!policy.allows(ip("::ffff:127.0.0.1")));
    }

    #[test]
    fn denied_network_is_closed_in_every_spelling() {
        let policy = Policy::new(Vec::new(), nets(&["198.51.100.0/24", "2001:db8:bad::/48"]));
        for text in [
            "198.51.100.0",
            "198.51.100.255",
            "::ffff:198.51.100.7",
            "::198.51.100.7",
            "64:ff9b::198.51.100.7",
            "2002:c633:6407::1",
            "2001:0:c633:6407:0:0:fefe:fefe",
            "2001:db8:bad::1",
        ] {
            assert!(!policy.allows(ip(text)), "{text}");
        }
        for text in ["198.51.101.0", "::ffff:198.51.101.7", "2001:db8:bae::1", "1.1.1.1"] {
            assert!(policy.allows(ip(text)), "{text}");
        }
    }

    #[test]
    fn denied_network_stays_closed_inside_an_opened_one() {
        let policy = Policy::new(nets(&["10.0.0.0/8", "::/0"]), nets(&["10.1.0.0/16"]));
        assert!(policy.allows(ip("10.2.0.1")));
        assert!(!policy.allows(ip("10.1.0.1")));
        assert!(!policy.allows(ip("::ffff:10.1.0.1")));

        let policy = Policy::new(nets(&["10.1.2.3/32"]), nets(&["0.0.0.0/0", "::/0"]));
        for text in ["10.1.2.3", "1.1.1.1", "2606:4700::1111"] {
            assert!(!policy.allows(ip(text)), "{text}");
        }
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
