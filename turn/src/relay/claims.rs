//! What belongs to this relay: its own IP addresses, and the ports of its relayed addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

/// The exact books of all cores, for requests. Packets make do with [`Ledger::worker_at`](super::Ledger::worker_at).
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Every address that has been one of ours.
    numbers: BTreeMap<IpAddr, OwnAddress>,
    /// Ours because the configuration says so.
    configured: BTreeSet<IpAddr>,
    /// Those that the machine had when somebody last looked.
    machine: BTreeSet<IpAddr>,
    /// Those of allocations made since.
    used: BTreeSet<IpAddr>,
    by_port: BTreeMap<u16, Claim>,
}

/// One of the relay's own IP addresses, by the order in which they became known. An address keeps its number as long
/// as the relay lives, so that packets need not look it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnAddress(NonZeroU16);

impl OwnAddress {
    /// All addresses from this one on have one number. At worst a packet to one of them then goes to the worker of
    /// another one, who drops it.
    pub(super) const LAST: u16 = 0x0fff;

    /// The one that becomes known after so many others.
    pub(super) fn after(others: usize) -> Self {
        let others = u16::try_from(others).unwrap_or(u16::MAX).min(Self::LAST - 1);
        Self(NonZeroU16::MIN.saturating_add(others))
    }

    /// 1 to [`OwnAddress::LAST`].
    pub(super) fn number(self) -> u32 {
        u32::from(self.0.get())
    }
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
    /// Adds addresses that are ours for good; wildcards stand for none in particular and do not count.
    pub(super) fn learn(&mut self, ips: impl IntoIterator<Item = IpAddr>) {
        for ip in ips.into_iter().filter(|ip| !ip.is_unspecified()) {
            self.number(ip);
            self.configured.insert(ip);
        }
    }

    /// All addresses that this machine has now. What it has lost may be somebody else's by now.
    pub(super) fn machine_has(&mut self, ips: impl IntoIterator<Item = IpAddr>) {
        self.machine = ips.into_iter().filter(|ip| !ip.is_unspecified()).collect();
        self.used.clear();
        for ip in self.machine.clone() {
            self.number(ip);
        }
    }

    /// An allocation has been made on this address.
    pub(super) fn note(&mut self, ip: IpAddr) {
        if !ip.is_unspecified() {
            self.number(ip);
            self.used.insert(ip);
        }
    }

    pub(super) fn own(&self, ip: IpAddr) -> Option<OwnAddress> {
        let is_ours = [&self.configured, &self.machine, &self.used].into_iter().any(|ours| ours.contains(&ip));
        self.numbers.get(&ip).filter(|_| is_ours).copied()
    }

    fn number(&mut self, ip: IpAddr) {
        let next = OwnAddress::after(self.numbers.len());
        self.numbers.entry(ip).or_insert(next);
    }

    /// Takes the port of `local`, which peers see at the IP address `seen`; false when it is taken.
    #[must_use]
    pub(super) fn take(&mut self, local: SocketAddr, seen: IpAddr) -> bool {
        if self.by_port.contains_key(&local.port()) {
            return false;
        }
        self.by_port.insert(local.port(), Claim { local: local.ip(), seen, is_live: false });
        self.note(local.ip());
        self.note(seen);
        true
    }

    /// From now on an allocation answers at a port that is taken. Returns at which two of our addresses; they may be
    /// the same.
    pub(super) fn enliven(&mut self, port: u16) -> Option<[OwnAddress; 2]> {
        let claim = self.by_port.get_mut(&port)?;
        claim.is_live = true;
        let (local, seen) = (claim.local, claim.seen);
        Some([*self.numbers.get(&local)?, *self.numbers.get(&seen)?])
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
    fn address_that_the_machine_has_lost_is_ours_no_more() {
        let mut claims = Claims::default();
        claims.learn([ip("203.0.113.9")]);
        claims.machine_has([ip("192.0.2.1"), ip("192.0.2.2")]);
        let number = claims.own(ip("192.0.2.2"));
        assert!(number.is_some() && claims.own(ip("203.0.113.9")).is_some());
        claims.machine_has([ip("192.0.2.1")]);
        assert_eq!(claims.own(ip("192.0.2.2")), None);
        assert!(claims.own(ip("203.0.113.9")).is_some(), "configured");
        claims.note(ip("192.0.2.2"));
        assert_eq!(claims.own(ip("192.0.2.2")), number, "it keeps its number");
    }

    #[test]
    fn address_is_live_when_its_allocation_is() {
        let mut claims = Claims::default();
        assert!(claims.take(local("10.0.0.1:50001"), ip("203.0.113.9")));
        assert!(!claims.is_live(local("10.0.0.1:50001")));
        let at = ["10.0.0.1", "203.0.113.9"].map(|own| claims.own(ip(own)).unwrap());
        assert_ne!(at[0], at[1]);
        assert_eq!(claims.enliven(50_001), Some(at));
        assert_eq!(claims.enliven(50_002), None);
        assert!(claims.is_live(local("10.0.0.1:50001")) && claims.is_live(local("203.0.113.9:50001")));
        assert!(!claims.is_live(local("10.0.0.2:50001")) && !claims.is_live(local("10.0.0.1:50002")));
    }

    #[test]
    fn own_address_stays_own_after_its_port_is_given_back() {
        let mut claims = Claims::default();
        claims.learn([ip("0.0.0.0"), ip("::"), ip("192.0.2.1")]);
        let first = claims.own(ip("192.0.2.1"));
        assert_eq!(first, Some(OwnAddress::after(0)));
        assert_eq!((claims.own(ip("0.0.0.0")), claims.own(ip("::"))), (None, None));
        assert!(claims.take(local("10.0.0.1:50001"), ip("203.0.113.9")));
        claims.release(50_001);
        assert_eq!(claims.own(ip("10.0.0.1")), Some(OwnAddress::after(1)));
        assert_eq!(claims.own(ip("203.0.113.9")), Some(OwnAddress::after(2)));
        claims.learn([ip("203.0.113.9"), ip("192.0.2.1"), ip("2001:db8::1")]);
        assert_eq!(claims.own(ip("192.0.2.1")), first, "its number stays");
        assert_eq!(claims.own(ip("2001:db8::1")), Some(OwnAddress::after(3)));
    }

    #[test]
    fn numbers_of_addresses_end_somewhere() {
        assert_eq!((OwnAddress::after(0).number(), OwnAddress::after(4094).number()), (1, 4095));
        assert_eq!(OwnAddress::after(4095), OwnAddress::after(4094));
        assert_eq!(OwnAddress::after(usize::MAX).number(), u32::from(OwnAddress::LAST));
    }

    fn local(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
