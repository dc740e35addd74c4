//! The addresses of this machine, which of them is used for whom, and when they change: a laptop that leaves its Wi-Fi, a phone that goes mobile.
//!
//! A socket does not notice that its address has left: what it sends goes nowhere. So the addresses are looked at from
//! time to time.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;
use tokio::net::UdpSocket;

/// How often to look: soon enough for media to be back within seconds, seldom enough to cost nothing.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What changed between two looks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Change {
    /// Addresses that are not there any more.
    pub(crate) gone: BTreeSet<IpAddr>,
    /// Addresses that were not there before.
    pub(crate) come: BTreeSet<IpAddr>,
}

/// The addresses at the last look.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    known: BTreeSet<IpAddr>,
}

impl Addresses {
    /// Begins with these.
    pub(crate) fn new(known: BTreeSet<IpAddr>) -> Self {
        Self { known }
    }

    /// Compares with the last look; `None`: nothing changed.
    pub(crate) fn look(&mut self, now: BTreeSet<IpAddr>) -> Option<Change> {
        let change = Change {
            gone: self.known.difference(&now).copied().collect(),
            come: now.difference(&self.known).copied().collect(),
        };
        self.known = now;
        (change != Change::default()).then_some(change)
    }
}

/// The addresses that a call could use: of interfaces that are up, without loopback and link-local ones. Empty where
/// the system does not tell.
pub(crate) fn of_this_machine() -> BTreeSet<IpAddr> {
    let interfaces = match getifaddrs() {
        Ok(interfaces) => interfaces,
        Err(error) => {
            tracing::debug!(%error, "the system does not tell its addresses");
            return BTreeSet::new();
        }
    };
    interfaces
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|interface| address(&interface.address?))
        .filter(|address| !address.is_loopback() && !is_link_local(*address))
        .collect()
}

/// A UDP socket for datagrams to `remote` alone. Nothing is sent.
///
/// # Errors
/// Those of the system, where there is no route.
pub(crate) async fn datagrams(remote: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(any(remote)).await?;
    socket.connect(remote).await?;
    Ok(socket)
}

/// The address, without a port, that this machine sends from to `remote`. Nothing is sent.
///
/// # Errors
/// Those of the system, where there is no route.
pub(crate) fn local_towards(remote: SocketAddr) -> io::Result<SocketAddr> {
    let socket = std::net::UdpSocket::bind(any(remote))?;
    socket.connect(remote)?;
    let mut local = socket.local_addr()?;
    local.set_port(0);
    Ok(local)
}

/// Any free port, of the family that reaches `remote`.
fn any(remote: SocketAddr) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

fn address(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(addresses: &[&str]) -> BTreeSet<IpAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn a_change_of_network_is_told_once_with_what_went_and_what_came() {
        let mut addresses = Addresses::new(set(&["192.168.1.2", "2001:db8::2"]));
        assert_eq!(addresses.look(set(&["192.168.1.2", "2001:db8::2"])), None);
        let change = addresses.look(set(&["10.0.0.7", "2001:db8::2"]));
        assert_eq!(change, Some(Change { gone: set(&["192.168.1.2"]), come: set(&["10.0.0.7"]) }));
        assert_eq!(addresses.look(set(&["10.0.0.7", "2001:db8::2"])), None);
    }

    #[test]
    fn loopback_is_no_network() {
        assert!(of_this_machine().iter().all(|address| !address.is_loopback()));
    }
}
