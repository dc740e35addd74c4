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

/// Names one relay socket, and the allocation it belongs to. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId(pub u64);

/// The two kinds of IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// Which port a relay socket shall get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortHint {
    /// Any free one.
    Any,
    /// An even one.
    Even,
    /// An even one, and `next` opened on the port after it and kept for later.
    EvenAndNext {
        /// The id of the second socket.
        next: RelayId,
    },
}

/// What the hands shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message to a client.
    Send {
        /// The client.
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
