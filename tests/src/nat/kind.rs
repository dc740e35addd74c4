//! Kinds of networks, by what their router does with UDP (RFC 4787), and what follows for two of them.

use std::fmt;
use std::str::FromStr;

/// A kind of network that a person may sit in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A public address.
    Public,
    /// A public address behind a firewall that lets in answers only.
    Firewalled,
    /// Mapping and filtering endpoint-independent.
    FullCone,
    /// Mapping endpoint-independent, filtering address-dependent.
    AddressRestricted,
    /// Mapping endpoint-independent, filtering address- and port-dependent: the Linux home router.
    PortRestricted,
    /// A home router behind a provider's full cone.
    Cgnat,
    /// Mapping and filtering address- and port-dependent.
    Symmetric,
    /// No UDP.
    UdpBlocked,
    /// Nothing but TCP to port 443.
    Tcp443,
}

/// How media gets from one end to the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Path {
    /// Without a relay.
    Direct,
    /// Through a relay only.
    Relay,
}

/// What a router does for whom: RFC 4787 sections 4.1 and 5.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd, Ord)]
enum Dependence {
    /// Endpoint-independent, or no router at all.
    None,
    /// On the address at the far end.
    Address,
    /// On address and port at the far end.
    AddressAndPort,
}

impl Kind {
    /// All of them, the most open first.
    pub const ALL: [Self; 9] = [
        Self::Public,
        Self::Firewalled,
        Self::FullCone,
        Self::AddressRestricted,
        Self::PortRestricted,
        Self::Cgnat,
        Self::Symmetric,
        Self::UdpBlocked,
        Self::Tcp443,
    ];

    /// The name of the kind for `scripts/nat-lab`.
    pub fn site(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Firewalled => "firewalled",
            Self::FullCone => "full-cone",
            Self::AddressRestricted => "address-restricted",
            Self::PortRestricted => "port-restricted",
            Self::Cgnat => "cgnat",
            Self::Symmetric => "symmetric",
            Self::UdpBlocked => "udp-blocked",
            Self::Tcp443 => "tcp443",
        }
    }

    /// The beginning of the names of its sites: two or three letters.
    pub fn short(self) -> &'static str {
        match self {
            Self::Public => "pub",
            Self::Firewalled => "fw",
            Self::FullCone => "fc",
            Self::AddressRestricted => "ar",
            Self::PortRestricted => "pr",
            Self::Cgnat => "cg",
            Self::Symmetric => "sym",
            Self::UdpBlocked => "ub",
            Self::Tcp443 => "tls",
        }
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Public => "public address",
            Self::Firewalled => "public, firewalled",
            Self::FullCone => "full cone",
            Self::AddressRestricted => "address-restricted",
            Self::PortRestricted => "home router",
            Self::Cgnat => "carrier-grade NAT",
            Self::Symmetric => "symmetric NAT",
            Self::UdpBlocked => "UDP blocked",
            Self::Tcp443 => "TCP 443 only",
        }
    }

    /// Whether UDP gets out at all.
    pub fn has_udp(self) -> bool {
        !matches!(self, Self::UdpBlocked | Self::Tcp443)
    }

    /// How media gets from one kind to the other, whoever calls.
    ///
    /// Both ends send to the address that STUN has shown them of the other. A mapping that depends on the far end makes
    /// that address wrong, so the other end has to let packets in from another port of it: its filter may depend on the
    /// address at most.
    pub fn path(self, other: Self) -> Path {
        if !self.has_udp() || !other.has_udp() {
            return Path::Relay;
        }
        let closed = |moving: Self, waiting: Self| {
            moving.mapping() != Dependence::None && waiting.filtering() == Dependence::AddressAndPort
        };
        if closed(self, other) || closed(other, self) { Path::Relay } else { Path::Direct }
    }

    fn mapping(self) -> Dependence {
        match self {
            Self::Public
            | Self::Firewalled
            | Self::FullCone
            | Self::AddressRestricted
            | Self::PortRestricted
            | Self::Cgnat
            | Self::UdpBlocked
            | Self::Tcp443 => Dependence::None,
            Self::Symmetric => Dependence::AddressAndPort,
        }
    }

    fn filtering(self) -> Dependence {
        match self {
            Self::Public | Self::FullCone => Dependence::None,
            Self::AddressRestricted => Dependence::Address,
            Self::Firewalled
            | Self::PortRestricted
            | Self::Cgnat
            | Self::Symmetric
            | Self::UdpBlocked
            | Self::Tcp443 => Dependence::AddressAndPort,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.site())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| [kind.site(), kind.short()].contains(&text)).ok_or_else(|| {
            format!(
                "there is no network {text:?} in the matrix; the networks are {}",
                Self::ALL.map(Self::site).join(", ")
            )
        })
    }
}
