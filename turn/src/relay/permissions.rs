//! The peers an allocation lets through (RFC 8656 section 9): by IP address, ports do not count.

use std::net::IpAddr;
use std::time::Instant;

use super::claims::OwnAddress;
use super::small::make_room;
use super::types::Family;

/// The open addresses of one allocation, ordered. Expired ones stay until the list is full, but count as absent.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    by_ip: Vec<Permission>,
}

#[derive(Debug, Clone, Copy)]
struct Permission {
    ip: IpAddr,
    expires: Instant,
    rights: Rights,
}

/// What a permission is good for, found out when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    /// Which of this machine's own addresses it is, if it is one: behind that may be another allocation.
    pub(super) own: Option<OwnAddress>,
    /// The policy refuses this address; it is open only where it leads back to one of our own allocations.
    pub(super) inside_only: bool,
}

impl Permissions {
    pub(super) fn get(&self, ip: IpAddr, now: Instant) -> Option<Rights> {
        let permission = self.by_ip.get(self.find(ip).ok()?)?;
        (permission.expires > now).then_some(permission.rights)
    }

    /// True when all of these addresses can be installed without going over `max`.
    pub(super) fn have_room(&mut self, ips: impl Iterator<Item = IpAddr>, max: usize, now: Instant) -> bool {
        let mut wanted: Vec<IpAddr> = ips.collect();
        wanted.sort_unstable();
        wanted.dedup();
        if self.by_ip.len() + self.count_new(&wanted) > max {
            self.by_ip.retain(|permission| permission.expires > now);
        }
        self.by_ip.len() + self.count_new(&wanted) <= max
    }

    pub(super) fn install(&mut self, ip: IpAddr, expires: Instant, rights: Rights) {
        let permission = Permission { ip, expires, rights };
        match self.find(ip) {
            Ok(place) => self.by_ip[place] = permission,
            Err(place) => {
                make_room(&mut self.by_ip);
                self.by_ip.insert(place, permission);
            }
        }
    }

    /// The allocation has no address of this family any more.
    pub(super) fn forget(&mut self, family: Family) {
        self.by_ip.retain(|permission| Family::of(permission.ip) != family);
    }

    fn count_new(&self, wanted: &[IpAddr]) -> usize {
        wanted.iter().filter(|ip| self.find(**ip).is_err()).count()
    }

    fn find(&self, ip: IpAddr) -> Result<usize, usize> {
        self.by_ip.binary_search_by(|permission| permission.ip.cmp(&ip))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const OUTSIDE: Rights = Rights { own: None, inside_only: false };

    #[test]
    fn permission_lasts_until_it_expires_and_a_newer_one_replaces_it() {
        let now = base();
        let later = now + Duration::from_secs(300);
        let mut permissions = Permissions::default();
        for last in [5, 1, 3] {
            permissions.install(ip(last), later, OUTSIDE);
        }
        assert_eq!(permissions.get(ip(3), now), Some(OUTSIDE));
        assert_eq!(permissions.get(ip(2), now), None);
        let inside = Rights { own: Some(OwnAddress::after(0)), inside_only: true };
        permissions.install(ip(3), later + Duration::from_secs(1), inside);
        assert_eq!(permissions.get(ip(3), later), Some(inside));
        assert_eq!(permissions.get(ip(1), later), None);
    }

    #[test]
    fn permission_stays_small() {
        assert!(size_of::<Permission>() <= 40, "{} bytes", size_of::<Permission>());
    }

    #[test]
    fn full_list_makes_room_only_from_expired_permissions() {
        let now = base();
        let soon = now + Duration::from_secs(1);
        let mut permissions = Permissions::default();
        permissions.install(ip(1), soon, OUTSIDE);
        assert!(permissions.have_room([ip(1), ip(1)].into_iter(), 1, now), "renewal");
        assert!(!permissions.have_room([ip(1), ip(2)].into_iter(), 1, now));
        assert!(!permissions.have_room([ip(1), ip(2)].into_iter(), 1, soon), "the expired one counts as new");
        assert!(permissions.have_room([ip(2), ip(2)].into_iter(), 1, soon));
    }

    #[test]
    fn family_is_forgotten_as_a_whole() {
        let now = base();
        let later = now + Duration::from_secs(300);
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        let mut permissions = Permissions::default();
        permissions.install(six, later, OUTSIDE);
        permissions.install(ip(1), later, OUTSIDE);
        permissions.forget(Family::V4);
        assert_eq!(permissions.get(ip(1), now), None);
        assert_eq!(permissions.get(six, now), Some(OUTSIDE));
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
