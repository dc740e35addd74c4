//! What the cores of one relay have in common.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use super::claims::{Claims, OwnAddress};
use super::directory::Directory;
use super::limiter::{SharedBudget, SourceLimiter};
use super::quotas::Quotas;
use super::reservations::{Reservation, Reservations};
use crate::auth::{Credentials, User};
use crate::config::Config;

/// The books of all cores of one relay: quotas, reserved ports, its own addresses, who answers at which relay port,
/// bandwidth, and whether it drains.
///
/// Requests take a lock in it, for one look-up each; packets read one atomic number at most.
pub struct Ledger {
    /// The moment that the cores count nonces from, so that each recognises those of the others.
    pub(super) epoch: Instant,
    pub(super) sources: SourceLimiter,
    /// Bytes to peers.
    pub(super) up: SharedBudget,
    /// Bytes to clients.
    pub(super) down: SharedBudget,
    draining: AtomicBool,
    credentials: RwLock<Arc<Credentials>>,
    directory: Directory,
    quotas: Mutex<Quotas>,
    reservations: Mutex<Reservations>,
    claims: Mutex<Claims>,
}

impl Ledger {
    /// `seed` is secret, and the same that the cores are given.
    #[must_use]
    pub fn new(config: &Config, seed: &[u8; 32], now: Instant) -> Self {
        let mut claims = Claims::default();
        claims.learn(config.public_ip.iter().copied());
        let services = config.listen.iter().chain(&config.tls_listen).chain(&config.discovery).chain(&config.admin);
        claims.learn(services.map(SocketAddr::ip));
        let limits = &config.limits;
        Self {
            epoch: now,
            sources: SourceLimiter::new(limits.unauthenticated_per_second, seed, now),
            up: SharedBudget::new(limits.max_total_bitrate, now),
            down: SharedBudget::new(limits.max_total_bitrate, now),
            draining: AtomicBool::new(false),
            credentials: RwLock::new(Arc::new(config.credentials.clone())),
            directory: Directory::new(),
            quotas: Mutex::new(Quotas::new(limits)),
            reservations: Mutex::new(Reservations::default()),
            claims: Mutex::new(claims),
        }
    }

    /// While the relay drains, nobody gets a new allocation; what there is goes on.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Relaxed);
    }

    /// True while the relay drains.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Who may start from now on. What has been started goes on with what it was started with.
    pub fn set_credentials(&self, credentials: Credentials) {
        *self.credentials.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(credentials);
    }

    pub(super) fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The worker whose allocation answers at this port of this address of ours.
    pub(super) fn worker_at(&self, own: OwnAddress, port: u16) -> Option<u8> {
        self.directory.worker_at(own, port)
    }

    /// Takes over which addresses this machine has now. Permissions that were given before stay what they are until
    /// they expire or are renewed.
    pub(crate) fn machine_has(&self, ips: impl IntoIterator<Item = IpAddr>) {
        lock(&self.claims).machine_has(ips);
    }

    /// An allocation is made by a client that came to this address.
    pub(super) fn note(&self, ip: IpAddr) {
        lock(&self.claims).note(ip);
    }

    /// Adds addresses of ours for good; wildcards do not count.
    pub(super) fn learn(&self, ips: impl IntoIterator<Item = IpAddr>) {
        lock(&self.claims).learn(ips);
    }

    /// Which of this machine's addresses it is, if it is one.
    pub(super) fn own(&self, ip: IpAddr) -> Option<OwnAddress> {
        lock(&self.claims).own(ip)
    }

    /// True for the relayed address of an allocation of any core.
    pub(super) fn is_live(&self, address: SocketAddr) -> bool {
        lock(&self.claims).is_live(address)
    }

    /// Takes the port of `local`, which peers see at the IP address `seen`; false when it is taken.
    #[must_use]
    pub(super) fn claim(&self, local: SocketAddr, seen: IpAddr) -> bool {
        lock(&self.claims).take(local, seen)
    }

    /// From now on an allocation of this worker answers at a port that was claimed.
    pub(super) fn enliven(&self, port: u16, worker: u8) {
        let at = lock(&self.claims).enliven(port);
        if let Some(at) = at {
            self.directory.enter(port, worker, at);
        }
    }

    pub(super) fn release_port(&self, port: u16) {
        // In this order: whoever claims the port next must not find his mark wiped out.
        self.directory.strike(port);
        lock(&self.claims).release(port);
    }

    /// Takes the reservation's port and keeps it for whoever brings the token; false when the port is taken. Its
    /// place in the quotas has been taken before.
    #[must_use]
    pub(super) fn reserve(&self, token: [u8; 8], reservation: Reservation, seen: IpAddr) -> bool {
        let is_ours = self.claim(reservation.local, seen);
        if is_ours {
            lock(&self.reservations).keep(token, reservation);
        }
        is_ours
    }

    /// Hands a reservation over, with its port and its place in the quotas.
    pub(super) fn redeem(&self, token: [u8; 8], user: &User, now: Instant) -> Option<Reservation> {
        lock(&self.reservations).redeem(token, user, now)
    }

    /// Ends a reservation, unless somebody has redeemed it: then false.
    #[must_use]
    pub(super) fn end_reservation(&self, token: [u8; 8]) -> bool {
        let Some(reservation) = lock(&self.reservations).take(token) else {
            return false;
        };
        self.release_port(reservation.local.port());
        self.release_quota(&reservation.user, reservation.source, 1);
        true
    }

    /// Takes `count` places in every quota, or none and returns false.
    #[must_use]
    pub(super) fn take_quota(&self, user: &User, source: IpAddr, count: usize) -> bool {
        lock(&self.quotas).take(user, source, count)
    }

    pub(super) fn release_quota(&self, user: &User, source: IpAddr, count: usize) {
        lock(&self.quotas).release(user, source, count);
    }

    /// The worker whose allocation answers at this address.
    #[cfg(test)]
    pub(super) fn worker_of(&self, address: SocketAddr) -> Option<u8> {
        self.worker_at(self.own(address.ip())?, address.port())
    }

    /// At how many ports allocations answer.
    #[cfg(test)]
    pub(super) fn live_ports(&self) -> usize {
        self.directory.count()
    }

    /// True when nothing is held: no port, no reservation, no place in a quota.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.directory.count() == 0
            && lock(&self.quotas).is_empty()
            && lock(&self.reservations).is_empty()
            && lock(&self.claims).has_no_ports()
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("draining", &self.is_draining()).finish_non_exhaustive()
    }
}

/// Nobody panics while holding one of these; should it ever happen, the books are still the best there are.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn directory_follows_a_port_from_claim_to_release() {
        let ledger = ledger(base());
        let local = SocketAddr::from(([203, 0, 113, 1], 65_535));
        assert!(ledger.claim(local, local.ip()));
        assert!(!ledger.claim(local, local.ip()));
        assert!(!ledger.is_live(local));
        assert_eq!(ledger.worker_of(local), None);
        for worker in [0, 254] {
            ledger.enliven(65_535, worker);
            assert_eq!(ledger.worker_of(local), Some(worker));
        }
        assert!(ledger.is_live(local));
        ledger.enliven(65_534, 0);
        assert_eq!(ledger.live_ports(), 1, "nobody has claimed the other one");
        ledger.release_port(65_535);
        assert!(ledger.is_empty() && !ledger.is_live(local));
    }

    #[test]
    fn reservation_ends_once_and_gives_everything_back() {
        let now = base();
        let ledger = ledger(now);
        let (user, source) = (User::new("alice"), IpAddr::from([192, 0, 2, 1]));
        let local = SocketAddr::from(([203, 0, 113, 1], 50_003));
        assert!(ledger.take_quota(&user, source, 1));
        let expires = now + Duration::from_secs(30);
        assert!(ledger.reserve([1; 8], Reservation { local, user: user.clone(), source, expires }, local.ip()));
        assert!(!ledger.is_empty());
        assert!(ledger.end_reservation([1; 8]));
        assert!(ledger.is_empty());
        assert!(!ledger.end_reservation([1; 8]));
        assert_eq!(ledger.redeem([1; 8], &user, now), None);
    }

    #[test]
    fn every_configured_address_is_our_own() {
        let config = Config {
            public_ip: vec![IpAddr::from([203, 0, 113, 9])],
            discovery: Some(SocketAddr::from(([203, 0, 113, 10], 3479))),
            admin: Some(SocketAddr::from(([203, 0, 113, 11], 9090))),
            ..Config::default()
        };
        let ledger = Ledger::new(&config, &[1; 32], base());
        for own in [[203, 0, 113, 9], [203, 0, 113, 10], [203, 0, 113, 11], [127, 0, 0, 1]] {
            assert!(ledger.own(IpAddr::from(own)).is_some(), "{own:?}");
        }
        let late = IpAddr::from([203, 0, 113, 12]);
        assert_eq!(ledger.own(late), None);
        ledger.learn(std::iter::once(late));
        assert!(ledger.own(late).is_some());
    }

    fn ledger(now: Instant) -> Ledger {
        Ledger::new(&Config::default(), &[1; 32], now)
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
