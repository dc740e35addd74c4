//! Ports kept for a second allocation: EVEN-PORT with its R bit, then RESERVATION-TOKEN (RFC 8656 section 7).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::types::RelayId;
use crate::auth::User;

/// Every open reservation. Each counts towards its user's quota, so there are never many.
#[derive(Debug, Default)]
pub(super) struct Reservations {
    by_token: BTreeMap<[u8; 8], Reservation>,
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
        self.by_token.insert(token, reservation);
    }

    /// Hands a reservation over, to the user who made it and to nobody else.
    pub(super) fn redeem(&mut self, token: &[u8], user: &User, now: Instant) -> Option<Reservation> {
        let token: [u8; 8] = token.try_into().ok()?;
        let reservation = self.by_token.get(&token)?;
        if reservation.user != *user || reservation.expires <= now {
            return None;
        }
        self.by_token.remove(&token)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.by_token.values().map(|reservation| reservation.expires).min()
    }

    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Reservation> {
        type ByToken = BTreeMap<[u8; 8], Reservation>;
        let (expired, kept): (ByToken, ByToken) =
            std::mem::take(&mut self.by_token).into_iter().partition(|(_, reservation)| reservation.expires <= now);
        self.by_token = kept;
        expired.into_values().collect()
    }
}
