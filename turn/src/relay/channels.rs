//! Channel numbers of an allocation (RFC 8656 section 12): one peer each, and one for each peer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use crate::stun::ChannelNumber;

/// The channels of one allocation. Expired ones stay until they are in the way, but count as absent.
#[derive(Debug, Default)]
pub(super) struct Channels {
    by_number: HashMap<ChannelNumber, Binding>,
    by_peer: HashMap<SocketAddr, ChannelNumber>,
}

#[derive(Debug, Clone, Copy)]
struct Binding {
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
        let binding = self.by_number.get(&number)?;
        (binding.expires > now).then_some(binding.peer)
    }

    pub(super) fn number(&self, peer: SocketAddr, now: Instant) -> Option<ChannelNumber> {
        let number = *self.by_peer.get(&peer)?;
        self.peer(number, now).map(|_| number)
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
        if self.by_number.len() >= max {
            self.by_number.retain(|_, binding| binding.expires > now);
            let by_number = &self.by_number;
            self.by_peer.retain(|_, number| by_number.contains_key(number));
        }
        if self.by_number.len() >= max && !self.by_number.contains_key(&number) {
            return Err(BindFailure::Full);
        }
        Ok(())
    }

    /// Binds or renews; call [`Channels::check`] first.
    pub(super) fn bind(&mut self, number: ChannelNumber, peer: SocketAddr, expires: Instant) {
        // Either side may still hold an expired partner.
        if let Some(old) = self.by_number.insert(number, Binding { peer, expires })
            && old.peer != peer
        {
            self.by_peer.remove(&old.peer);
        }
        if let Some(old) = self.by_peer.insert(peer, number)
            && old != number
        {
            self.by_number.remove(&old);
        }
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
    fn full_table_makes_room_only_from_expired_channels() {
        let now = base();
        let soon = now + Duration::from_secs(1);
        let mut channels = Channels::default();
        channels.bind(channel(0x4000), peer(1), soon);
        assert_eq!(channels.check(channel(0x4001), peer(2), 1, now), Err(BindFailure::Full));
        assert_eq!(channels.check(channel(0x4001), peer(2), 1, soon), Ok(()));
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
