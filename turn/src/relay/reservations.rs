//! Ports kept for a second allocation: EVEN-PORT with its R bit, then RESERVATION-TOKEN (RFC 8656 section 7).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::auth::User;

/// A socket that waits for its allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reservation {
    /// Where the socket is bound.
    pub(super) local: SocketAddr,
    pub(super) user: User,
    /// Where its place in the quotas is counted.
    pub(super) source: IpAddr,
    pub(super) expires: Instant,
}

/// Every open reservation. Each counts towards its user's quota, so there are never many.
#[derive(Debug, Default)]
pub(super) struct Reservations {
    by_token: BTreeMap<[u8; 8], Reservation>,
}

impl Reservations {
    pub(super) fn keep(&mut self, token: [u8; 8], reservation: Reservation) {
        self.by_token.insert(token, reservation);
    }

    /// Hands a reservation over, to the user who made it and to nobody else.
    pub(super) fn redeem(&mut self, token: [u8; 8], user: &User, now: Instant) -> Option<Reservation> {
        let reservation = self.by_token.get(&token)?;
        if reservation.user != *user || reservation.expires <= now {
            return None;
        }
        self.by_token.remove(&token)
    }

    /// Ends a reservation that nobody came for.
    pub(super) fn take(&mut self, token: [u8; 8]) -> Option<Reservation> {
        self.by_token.remove(&token)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_token.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn reservation_is_redeemed_once_in_time_and_by_its_user() {
        let now = base();
        let expires = now + Duration::from_secs(30);
        let (alice, bob) = (User::new("alice"), User::new("bob"));
        let reservation = Reservation {
            local: SocketAddr::from(([192, 0, 2, 1], 50_001)),
            user: alice.clone(),
            source: IpAddr::from([198, 51, 100, 1]),
            expires,
        };
        let mut reservations = Reservations::default();
        reservations.keep([1; 8], reservation.clone());
        assert_eq!(reservations.redeem([1; 8], &bob, now), None);
        assert_eq!(reservations.redeem([2; 8], &alice, now), None);
        assert_eq!(reservations.redeem([1; 8], &alice, expires), None);
        assert_eq!(reservations.redeem([1; 8], &alice, now), Some(reservation));
        assert_eq!(reservations.take([1; 8]), None);
        assert!(reservations.is_empty());
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
