//! The peers an allocation lets through (RFC 8656 section 9): by IP address, ports do not count.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

/// The open addresses of one allocation. Expired ones stay until the table is full, but count as absent.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    by_ip: HashMap<IpAddr, Permission>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Permission {
    expires: Instant,
    /// The policy refuses this address; it is open only where it leads back to one of our own allocations.
    pub(super) inside_only: bool,
}

impl Permissions {
    pub(super) fn get(&self, ip: IpAddr, now: Instant) -> Option<Permission> {
        self.by_ip.get(&ip).copied().filter(|permission| permission.expires > now)
    }

    /// True when all of these addresses can be installed without going over `max`.
    pub(super) fn have_room(&mut self, ips: impl Iterator<Item = IpAddr>, max: usize, now: Instant) -> bool {
        let mut new: Vec<IpAddr> = ips.filter(|ip| !self.by_ip.contains_key(ip)).collect();
        new.sort_unstable();
        new.dedup();
        if self.by_ip.len() + new.len() > max {
            self.by_ip.retain(|_, permission| permission.expires > now);
        }
        self.by_ip.len() + new.len() <= max
    }

    pub(super) fn install(&mut self, ip: IpAddr, expires: Instant, inside_only: bool) {
        self.by_ip.insert(ip, Permission { expires, inside_only });
    }
}
