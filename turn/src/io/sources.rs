//! How many connections each listener has, and how many without an allocation each source, so that one stranger cannot
//! hold them all.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::relay::source_of;

/// Counts connections by source: an IPv4 address, or an IPv6 network of 64 bits.
///
/// Asked when a connection comes and told when it goes, from any thread; never on the way of a packet.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    held: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    max: usize,
}

/// Counts the connections of one listener.
#[derive(Debug)]
pub(super) struct Room {
    held: Arc<AtomicUsize>,
    max: usize,
}

/// What one connection takes up: a place of its listener, and one of its source until it has an allocation, which has
/// quotas of its own. Both are given back when dropped.
#[derive(Debug)]
pub(super) struct Places {
    _listener: ListenerPlace,
    source: Option<SourcePlace>,
    sources: Sources,
    ip: IpAddr,
}

/// Why a connection has to go at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPlace {
    /// The listener is full.
    #[error("there are {max} connections, and no more are allowed")]
    Listener {
        /// What the listener may have.
        max: usize,
    },
    /// The source has all it may have.
    #[error("its source has {max} connections without an allocation, and no more are allowed")]
    Source {
        /// What one source may have.
        max: usize,
    },
}

impl Places {
    /// Takes both places, or neither.
    pub(super) fn take(room: &Room, sources: &Sources, ip: IpAddr) -> Result<Self, NoPlace> {
        let listener = room.enter().ok_or(NoPlace::Listener { max: room.max })?;
        let source = sources.enter(ip).ok_or(NoPlace::Source { max: sources.max })?;
        Ok(Self { _listener: listener, source: Some(source), sources: sources.clone(), ip })
    }

    /// True until [`Places::establish`].
    pub(super) fn is_newcomer(&self) -> bool {
        self.source.is_some()
    }

    /// Gives the place of the source back: the connection has an allocation.
    pub(super) fn establish(&mut self) {
        self.source = None;
    }

    /// Takes a place of the source again: the allocation has ended. False when there is none.
    #[must_use]
    pub(super) fn return_to_newcomers(&mut self) -> bool {
        self.source = self.sources.enter(self.ip);
        self.source.is_some()
    }
}

impl Sources {
    /// Every source may have `max` connections without an allocation.
    pub(super) fn new(max: usize) -> Self {
        Self { held: Arc::default(), max }
    }

    /// `None` when this source has all it may have.
    fn enter(&self, ip: IpAddr) -> Option<SourcePlace> {
        let source = source_of(ip);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&source).copied().unwrap_or(0);
        if count >= self.max {
            return None;
        }
        held.insert(source, count + 1);
        Some(SourcePlace { held: Arc::clone(&self.held), source })
    }
}

impl Room {
    /// One listener, which may have `max` connections.
    pub(super) fn new(max: usize) -> Self {
        Self { held: Arc::default(), max }
    }

    /// `None` when the listener is full.
    fn enter(&self) -> Option<ListenerPlace> {
        let others = self.held.fetch_add(1, Ordering::Relaxed);
        // One too many gives its place back at once.
        let place = ListenerPlace { held: Arc::clone(&self.held) };
        (others < self.max).then_some(place)
    }
}

#[derive(Debug)]
struct ListenerPlace {
    held: Arc<AtomicUsize>,
}

impl Drop for ListenerPlace {
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct SourcePlace {
    held: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    source: IpAddr,
}

impl Drop for SourcePlace {
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

    #[test]
    fn refused_connection_takes_no_place_at_all() {
        let (room, sources) = (Room::new(2), Sources::new(1));
        let first = Places::take(&room, &sources, ip("192.0.2.1")).unwrap();
        let again = Places::take(&room, &sources, ip("192.0.2.1"));
        assert_eq!(again.map(|_| ()), Err(NoPlace::Source { max: 1 }));
        let second = Places::take(&room, &sources, ip("192.0.2.2")).unwrap();
        let third = Places::take(&room, &sources, ip("192.0.2.3"));
        assert_eq!(third.map(|_| ()), Err(NoPlace::Listener { max: 2 }));
        assert_eq!(sources.held.lock().unwrap().len(), 2);
        drop((first, second));
        assert_eq!(room.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn established_connection_makes_room_for_the_next_of_its_source() {
        let (room, sources) = (Room::new(9), Sources::new(1));
        let mut first = Places::take(&room, &sources, ip("192.0.2.1")).unwrap();
        assert!(first.is_newcomer());
        assert!(Places::take(&room, &sources, ip("192.0.2.1")).is_err());
        first.establish();
        assert!(!first.is_newcomer());
        let second = Places::take(&room, &sources, ip("192.0.2.1")).unwrap();
        assert_eq!(room.held.load(Ordering::Relaxed), 2, "it still has its place at the listener");
        assert!(!first.return_to_newcomers(), "the second has the only one");
        drop(second);
        assert!(first.return_to_newcomers());
        assert!(Places::take(&room, &sources, ip("192.0.2.1")).is_err());
    }

    #[test]
    fn places_come_back_from_other_threads() {
        let (room, sources) = (Room::new(1), Sources::new(1));
        let places = Places::take(&room, &sources, ip("192.0.2.1")).unwrap();
        std::thread::spawn(move || drop(places)).join().unwrap();
        assert!(Places::take(&room, &sources, ip("192.0.2.1")).is_ok());
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
