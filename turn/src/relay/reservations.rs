//! Ports kept for a second allocation: EVEN-PORT with its R bit, then RESERVATION-TOKEN (RFC 8656 section 7).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use super::types::RelayId;
use crate::auth::User;

/// Every open reservation. Each counts towards its user's quota, so there are never many.
#[derive(Debug, Default)]
pub(super) struct Reservations {
    by_token: BTreeMap<[u8; 8], Reservation>,
    deadlines: BTreeSet<(Instant, [u8; 8])>,
}

/// A socket that waits for its allocation.
#[derive(Debug, Clone)]
pub(super) struct Reservation {
    pub(super) relay: RelayId,
    pub(super) local: SocketAddr,
    pub(super) user: User,
    pub(super) expires: Instant,
}

impl Reservations {
    pub(super) fn keep(&mut self, token: [u8; 8], reservation: Reservation) {
        self.deadlines.insert((reservation.expires, token));
        self.by_token.insert(token, reservation);
    }

    /// Hands a reservation over, to the user who made it and to nobody else.
    pub(super) fn redeem(&mut self, token: &[u8], user: &User, now: Instant) -> Option<Reservation> {
        let token: [u8; 8] = token.try_into().ok()?;
        let reservation = self.by_token.get(&token)?;
        if reservation.user != *user || reservation.expires <= now {
            return None;
        }
        self.deadlines.remove(&(reservation.expires, token));
        self.by_token.remove(&token)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// One reservation whose time is over by `now`.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<Reservation> {
        self.deadlines.first().filter(|(at, _)| *at <= now)?;
        self.take_first()
    }

    /// The reservation that would end first.
    pub(super) fn take_first(&mut self) -> Option<Reservation> {
        let (_, token) = self.deadlines.pop_first()?;
        self.by_token.remove(&token)
    }
}
