//! The words the brain and its hands exchange.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Instant, SystemTime};

use crate::stun::attributes::{FAMILY_V4, FAMILY_V6};

/// The time, twice: deadlines run on the monotonic clock, expiry dates in user names on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For deadlines.
    pub mono: Instant,
    /// For dates.
    pub unix: SystemTime,
}

/// How a client reaches the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A plain stream.
    Tcp,
    /// An encrypted stream.
    Tls,
}

impl Transport {
    /// True where frames follow each other without borders and are padded to 4 bytes.
    #[must_use]
    pub fn is_stream(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }
}

/// The five-tuple that identifies a client and its allocation (RFC 8656 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientAddr {
    /// The protocol between client and relay.
    pub transport: Transport,
    /// The client's side.
    pub remote: SocketAddr,
    /// Our side: for datagrams the listener's address, for streams the connection's.
    pub local: SocketAddr,
}

/// Names one relay socket of one [`Core`](super::Core), and leads to the allocation it belongs to. Both numbers
/// together are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId {
    /// A place in a table, counted from 0. The lowest ones are used, again and again: there are never many more than
    /// sockets at one time.
    pub slot: u32,
    /// How many sockets had this place before.
    pub generation: u32,
}

/// The two kinds of IP address; IPv4 comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The address that stands for all of this family's.
    #[must_use]
    pub fn wildcard(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }

    /// Reads a REQUESTED-ADDRESS-FAMILY value; `None` for any other family.
    #[must_use]
    pub fn from_value(value: &[u8]) -> Option<Self> {
        match value.first() {
            Some(&FAMILY_V4) => Some(Self::V4),
            Some(&FAMILY_V6) => Some(Self::V6),
            Some(_) | None => None,
        }
    }

    /// The byte that names the family in attributes.
    #[must_use]
    pub fn value(self) -> u8 {
        match self {
            Self::V4 => FAMILY_V4,
            Self::V6 => FAMILY_V6,
        }
    }
}

/// Which port a relay socket shall get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortHint {
    /// Any free one.
    Any,
    /// An even one.
    Even,
    /// An even one, and a second socket on the port after it, kept open for later.
    EvenAndNext {
        /// The name the second socket is kept under, until [`Output::AdoptRelaySocket`] or [`Output::DropReserved`].
        token: [u8; 8],
    },
}

/// What the hands shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message to a client.
    Send {
        /// The client; `local` is the address the message has to leave from.
        to: ClientAddr,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// Bind a socket, then call [`allocation_opened`](super::Core::allocation_opened) or
    /// [`allocation_failed`](super::Core::allocation_failed).
    OpenRelaySocket {
        /// The id it is known by from now on.
        relay: RelayId,
        /// The address to bind; a wildcard stands for the one the system would use towards `towards`.
        bind: IpAddr,
        /// The client it is for, or another address that the socket has to be good for.
        towards: SocketAddr,
        /// Which port.
        port: PortHint,
    },
    /// Take the socket that was kept under this token, maybe by another worker, then call
    /// [`allocation_opened`](super::Core::allocation_opened) or [`allocation_failed`](super::Core::allocation_failed).
    AdoptRelaySocket {
        /// The id it is known by from now on.
        relay: RelayId,
        /// The name it was kept under.
        token: [u8; 8],
    },
    /// Close the socket that was kept under this token, if there is one.
    DropReserved {
        /// The name it was kept under.
        token: [u8; 8],
    },
    /// Close a socket, if it is open.
    CloseRelaySocket {
        /// The id it is known by.
        relay: RelayId,
    },
}

/// Why a relay socket cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenFailure {
    /// No port is free.
    NoPort,
    /// This machine has no address of that family.
    NoAddress,
}

/// Who counts as one source of requests: an IPv4 address, in whatever spelling, or an IPv6 network of 64 bits, which
/// is what one customer has.
pub(crate) fn source_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_an_ipv4_address_or_an_ipv6_network() {
        for (ip, source) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
        ] {
            assert_eq!(source_of(ip.parse().unwrap()), source.parse::<IpAddr>().unwrap(), "{ip}");
        }
    }

    #[test]
    fn family_and_its_value_belong_together() {
        for family in [Family::V4, Family::V6] {
            assert_eq!(Family::from_value(&[family.value(), 0, 0, 0]), Some(family));
            assert_eq!(Family::of(family.wildcard()), family);
        }
        assert_eq!(Family::from_value(&[3]), None);
        assert_eq!(Family::from_value(&[]), None);
    }
}
