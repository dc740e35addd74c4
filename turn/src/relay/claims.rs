//! What belongs to this relay: its own IP addresses, and the ports of its relayed addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// The exact books of all cores, for requests. Packets make do with [`Ledger::worker_at`](super::Ledger::worker_at).
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// There are no more of them than this machine has addresses.
    own: BTreeSet<IpAddr>,
    by_port: BTreeMap<u16, Claim>,
}

/// One port, on all IP addresses of the relay.
#[derive(Debug, Clone, Copy)]
struct Claim {
    local: IpAddr,
    seen: IpAddr,
    /// An allocation answers there; otherwise the port is reserved, or its allocation is still being made.
    is_live: bool,
}

impl Claims {
    /// Adds addresses of this machine; wildcards stand for none in particular and do not count.
    pub(super) fn learn(&mut self, ips: impl IntoIterator<Item = IpAddr>) {
        self.own.extend(ips.into_iter().filter(|ip| !ip.is_unspecified()));
    }

    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        self.own.contains(&ip)
    }

    /// Takes the port of `local`, which peers see at the IP address `seen`; false when it is taken.
    #[must_use]
    pub(super) fn take(&mut self, local: SocketAddr, seen: IpAddr) -> bool {
        if self.by_port.contains_key(&local.port()) {
            return false;
        }
        self.by_port.insert(local.port(), Claim { local: local.ip(), seen, is_live: false });
        self.learn([local.ip(), seen]);
        true
    }

    /// From now on an allocation answers at a port that is taken.
    pub(super) fn enliven(&mut self, port: u16) {
        if let Some(claim) = self.by_port.get_mut(&port) {
            claim.is_live = true;
        }
    }

    pub(super) fn release(&mut self, port: u16) {
        self.by_port.remove(&port);
    }

    /// True for the relayed address of an allocation, by either of its IP addresses.
    pub(super) fn is_live(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        self.by_port.get(&address.port()).is_some_and(|claim| claim.is_live && (claim.local == ip || claim.seen == ip))
    }

    #[cfg(test)]
    pub(super) fn has_no_ports(&self) -> bool {
        self.by_port.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_taken_once_on_all_addresses() {
        let mut claims = Claims::default();
        assert!(claims.take(local("10.0.0.1:50001"), ip("203.0.113.9")));
        assert!(!claims.take(local("10.0.0.2:50001"), ip("203.0.113.9")));
        assert!(!claims.take(local("[2001:db8::1]:50001"), ip("2001:db8::1")));
        claims.release(50_001);
        assert!(claims.take(local("10.0.0.2:50001"), ip("203.0.113.9")));
    }

    #[test]
    fn address_is_live_when_its_allocation_is() {
        let mut claims = Claims::default();
        assert!(claims.take(local("10.0.0.1:50001"), ip("203.0.113.9")));
        assert!(!claims.is_live(local("10.0.0.1:50001")));
        claims.enliven(50_001);
        assert!(claims.is_live(local("10.0.0.1:50001")) && claims.is_live(local("203.0.113.9:50001")));
        assert!(!claims.is_live(local("10.0.0.2:50001")) && !claims.is_live(local("10.0.0.1:50002")));
    }

    #[test]
    fn own_address_stays_own_after_its_port_is_given_back() {
        let mut claims = Claims::default();
        claims.learn([ip("0.0.0.0"), ip("::"), ip("192.0.2.1")]);
        assert!(claims.is_own(ip("192.0.2.1")) && !claims.is_own(ip("0.0.0.0")) && !claims.is_own(ip("::")));
        assert!(claims.take(local("10.0.0.1:50001"), ip("203.0.113.9")));
        claims.release(50_001);
        assert!(claims.is_own(ip("10.0.0.1")) && claims.is_own(ip("203.0.113.9")));
    }

    fn local(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
