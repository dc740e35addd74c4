//! Channel numbers of an allocation (RFC 8656 section 12): one peer each, and one for each peer.

use std::net::SocketAddr;
use std::time::Instant;

use super::small::make_room;
use super::types::Family;
use crate::stun::ChannelNumber;

/// The channels of one allocation. Expired ones stay until they are in the way, but count as absent.
#[derive(Debug, Default)]
pub(super) struct Channels {
    /// Ordered by number.
    bindings: Vec<Binding>,
    /// Places in `bindings`, ordered by peer. There are fewer channel numbers than a `u16` can count.
    by_peer: Vec<u16>,
}

#[derive(Debug, Clone, Copy)]
struct Binding {
    number: ChannelNumber,
    peer: SocketAddr,
    expires: Instant,
}

/// Why a channel cannot be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BindFailure {
    /// The number belongs to another peer.
    NumberTaken,
    /// The peer has another number.
    PeerTaken,
    /// Too many channels.
    Full,
}

impl Channels {
    pub(super) fn peer(&self, number: ChannelNumber, now: Instant) -> Option<SocketAddr> {
        let binding = self.bindings.get(self.find(number).ok()?)?;
        (binding.expires > now).then_some(binding.peer)
    }

    pub(super) fn number(&self, peer: SocketAddr, now: Instant) -> Option<ChannelNumber> {
        let place = self.by_peer.binary_search_by(|place| self.bindings[usize::from(*place)].peer.cmp(&peer)).ok()?;
        let binding = self.bindings.get(usize::from(*self.by_peer.get(place)?))?;
        (binding.expires > now).then_some(binding.number)
    }

    /// Checks a binding without making it.
    pub(super) fn check(
        &mut self,
        number: ChannelNumber,
        peer: SocketAddr,
        max: usize,
        now: Instant,
    ) -> Result<(), BindFailure> {
        if self.peer(number, now).is_some_and(|other| other != peer) {
            return Err(BindFailure::NumberTaken);
        }
        if self.number(peer, now).is_some_and(|other| other != number) {
            return Err(BindFailure::PeerTaken);
        }
        if self.bindings.len() >= max {
            self.bindings.retain(|binding| binding.expires > now);
            self.order_peers();
        }
        if self.bindings.len() >= max && self.find(number).is_err() {
            return Err(BindFailure::Full);
        }
        Ok(())
    }

    /// Binds or renews; call [`Channels::check`] first.
    pub(super) fn bind(&mut self, number: ChannelNumber, peer: SocketAddr, expires: Instant) {
        if let Ok(place) = self.find(number)
            && let Some(binding) = self.bindings.get_mut(place)
            && binding.peer == peer
        {
            binding.expires = expires;
            return;
        }
        // Either side may still hold an expired partner.
        self.bindings.retain(|old| old.number != number && old.peer != peer);
        let (Ok(place) | Err(place)) = self.find(number);
        make_room(&mut self.bindings);
        self.bindings.insert(place, Binding { number, peer, expires });
        self.order_peers();
    }

    /// The allocation has no address of this family any more.
    pub(super) fn forget(&mut self, family: Family) {
        self.bindings.retain(|binding| Family::of(binding.peer.ip()) != family);
        self.order_peers();
    }

    fn find(&self, number: ChannelNumber) -> Result<usize, usize> {
        self.bindings.binary_search_by_key(&number, |binding| binding.number)
    }

    fn order_peers(&mut self) {
        let bindings = &self.bindings;
        self.by_peer.clear();
        self.by_peer.extend((0..bindings.len()).filter_map(|place| u16::try_from(place).ok()));
        self.by_peer.sort_unstable_by_key(|place| bindings[usize::from(*place)].peer);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn number_and_peer_belong_together_until_they_expire() {
        let now = base();
        let later = now + Duration::from_secs(600);
        let (one, two) = (channel(0x4000), channel(0x4001));
        let (alice, bob) = (peer(1), peer(2));
        let mut channels = Channels::default();
        assert_eq!(channels.check(one, alice, 2, now), Ok(()));
        channels.bind(one, alice, later);
        assert_eq!(channels.check(one, bob, 2, now), Err(BindFailure::NumberTaken));
        assert_eq!(channels.check(two, alice, 2, now), Err(BindFailure::PeerTaken));
        assert_eq!(channels.check(one, alice, 2, now), Ok(()), "renewal");
        assert_eq!(channels.number(alice, now), Some(one));

        assert_eq!(channels.number(alice, later), None);
        assert_eq!(channels.check(one, bob, 2, later), Ok(()));
        channels.bind(one, bob, later + Duration::from_secs(600));
        assert_eq!(channels.number(alice, later), None);
        assert_eq!(channels.peer(one, later), Some(bob));
    }

    #[test]
    fn peer_may_change_to_another_number_once_the_old_one_has_expired() {
        let now = base();
        let soon = now + Duration::from_secs(1);
        let later = now + Duration::from_secs(600);
        let mut channels = Channels::default();
        channels.bind(channel(0x4001), peer(2), later);
        channels.bind(channel(0x4000), peer(1), soon);
        assert_eq!(channels.check(channel(0x4002), peer(1), 3, soon), Ok(()));
        channels.bind(channel(0x4002), peer(1), later);
        assert_eq!(channels.peer(channel(0x4000), now), None);
        assert_eq!(channels.number(peer(1), soon), Some(channel(0x4002)));
        assert_eq!(channels.number(peer(2), soon), Some(channel(0x4001)));
    }

    #[test]
    fn full_table_makes_room_only_from_expired_channels() {
        let now = base();
        let soon = now + Duration::from_secs(1);
        let mut channels = Channels::default();
        channels.bind(channel(0x4000), peer(1), soon);
        assert_eq!(channels.check(channel(0x4001), peer(2), 1, now), Err(BindFailure::Full));
        assert_eq!(channels.check(channel(0x4001), peer(2), 1, soon), Ok(()));
    }

    #[test]
    fn many_channels_are_found_from_both_sides() {
        let now = base();
        let later = now + Duration::from_secs(600);
        let mut channels = Channels::default();
        let pairs = |last: u8| (channel(0x4000 + u16::from(last ^ 0x15)), peer(last ^ 0x2a));
        for last in 0..64 {
            let (number, peer) = pairs(last);
            channels.bind(number, peer, later);
        }
        for last in 0..64 {
            let (number, peer) = pairs(last);
            assert_eq!((channels.number(peer, now), channels.peer(number, now)), (Some(number), Some(peer)));
        }
        channels.forget(Family::V6);
        assert_eq!(channels.bindings.len(), 64);
        channels.forget(Family::V4);
        assert_eq!(channels.number(peer(1), now), None);
    }

    fn channel(number: u16) -> ChannelNumber {
        ChannelNumber::new(number).unwrap()
    }

    fn peer(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 5000))
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
