//! Where relay sockets are bound, and how their addresses look from outside.

use std::net::{IpAddr, SocketAddr};

use super::super::Core;
use super::super::types::{ClientAddr, Family, OpenFailure};
use super::wish::Addresses;

/// The IP address to bind, and what a wildcard has to be good for.
pub(super) type Place = (IpAddr, SocketAddr);

impl Core {
    /// Where to open the sockets that a client wishes for. What is missing of two goes to `failed`.
    pub(super) fn places(
        &self,
        client: ClientAddr,
        addresses: Addresses,
        failed: &mut Vec<(Family, OpenFailure)>,
    ) -> Vec<Place> {
        let find = |family| self.place(client, family);
        match addresses {
            Addresses::Any => find(Family::V4).or_else(|| find(Family::V6)).into_iter().collect(),
            Addresses::One(family) => find(family).into_iter().collect(),
            Addresses::Both => {
                let mut found = Vec::with_capacity(2);
                for family in [Family::V4, Family::V6] {
                    match find(family) {
                        Some(place) => found.push(place),
                        None => failed.push((family, OpenFailure::NoAddress)),
                    }
                }
                found
            }
        }
    }

    /// The address that peers see for a socket at `local`.
    pub(super) fn advertised(&self, local: IpAddr) -> IpAddr {
        self.public_ip(Family::of(local)).unwrap_or(local)
    }

    /// The address of the listener the client came to, or of the first one of the wanted family; and what it has to
    /// be good for, should it be a wildcard.
    ///
    /// What peers send to a public address never arrives at loopback: there, another address has to do.
    fn place(&self, client: ClientAddr, family: Family) -> Option<Place> {
        let listen = || {
            let all = std::iter::once(&client.local).chain(&self.listen).map(SocketAddr::ip);
            all.filter(move |ip| Family::of(*ip) == family)
        };
        let first = listen().next()?;
        match self.public_ip(family) {
            Some(public) if first.is_loopback() && !public.is_loopback() => {
                let bind = listen().find(|ip| !ip.is_loopback()).unwrap_or_else(|| family.wildcard());
                Some((bind, SocketAddr::new(public, client.remote.port())))
            }
            // Peers answer to where a packet comes from: a machine with several addresses sends from the one it tells.
            Some(public) if listen().any(|ip| ip == public) => Some((public, client.remote)),
            Some(_) | None => Some((first, client.remote)),
        }
    }

    fn public_ip(&self, family: Family) -> Option<IpAddr> {
        self.config.public_ip.iter().copied().find(|ip| Family::of(*ip) == family)
    }
}
