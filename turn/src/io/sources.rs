//! How many connections each source has, so that one stranger cannot hold them all.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections by IPv4 address and by IPv6 network of 64 bits, which is what one customer has.
#[derive(Debug)]
pub(crate) struct Sources {
    held: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    max: usize,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    held: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    source: IpAddr,
}

impl Sources {
    pub(crate) fn new(max: usize) -> Self {
        Self { held: Arc::default(), max }
    }

    /// `None` when this source has all it may have.
    pub(crate) fn enter(&self, ip: IpAddr) -> Option<Place> {
        let source = source_of(ip);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&source).copied().unwrap_or(0);
        if count >= self.max {
            return None;
        }
        held.insert(source, count + 1);
        Some(Place { held: Arc::clone(&self.held), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.remove(&self.source);
            }
        }
    }
}

fn source_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
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
    fn source_gets_its_places_back_and_no_more() {
        let sources = Sources::new(2);
        let (one, two) = (sources.enter(ip("192.0.2.1")), sources.enter(ip("192.0.2.1")));
        assert!(one.is_some() && two.is_some());
        assert!(sources.enter(ip("192.0.2.1")).is_none());
        let other = sources.enter(ip("192.0.2.2"));
        assert!(other.is_some());
        drop(one);
        assert!(sources.enter(ip("192.0.2.1")).is_some());
        drop((two, other));
        assert!(sources.held.lock().unwrap().is_empty(), "nobody who left is remembered");
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let sources = Sources::new(1);
        let first = sources.enter(ip("2001:db8:0:1::1"));
        assert!(first.is_some());
        assert!(sources.enter(ip("2001:db8:0:1:ffff::2")).is_none());
        assert!(sources.enter(ip("2001:db8:0:2::1")).is_some());
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
