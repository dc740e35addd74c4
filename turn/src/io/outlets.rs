//! The UDP sockets of one worker: listeners for its clients, and a relay socket for each of its relayed addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use tracing::{debug, error};

use super::egress::Sockets;
use super::flows::Via;
use super::options;
use super::ports::RelaySocket;
use crate::relay::{Family, RelayId};

/// Tokens of listeners start here, one after the other.
const LISTENERS: usize = 1 << 8;
/// Tokens of relay sockets start here: this plus the slot.
const RELAYS: usize = 1 << 24;

/// Every UDP socket of one worker.
#[derive(Debug)]
pub(super) struct Outlets {
    listeners: Vec<Listener>,
    /// By slot.
    relays: Vec<Option<Relay>>,
}

/// A socket that clients come to.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
}

/// A socket that peers come to.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) id: RelayId,
    pub(super) socket: UdpSocket,
    local: SocketAddr,
    dont_fragment: bool,
}

/// Which socket has something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    Listener(usize),
    Relay(usize),
}

impl Outlets {
    /// Takes over bound sockets.
    pub(super) fn new(registry: &Registry, listeners: Vec<std::net::UdpSocket>) -> io::Result<Self> {
        let mut all = Vec::with_capacity(listeners.len());
        for (place, socket) in listeners.into_iter().enumerate() {
            let local = socket.local_addr()?;
            let mut socket = UdpSocket::from_std(socket);
            registry.register(&mut socket, Token(LISTENERS + place), Interest::READABLE)?;
            all.push(Listener { socket, local });
        }
        Ok(Self { listeners: all, relays: Vec::new() })
    }

    /// Whose token this is.
    pub(super) fn ready(&self, token: Token) -> Option<Ready> {
        if let Some(slot) = token.0.checked_sub(RELAYS) {
            return Some(Ready::Relay(slot));
        }
        let place = token.0.checked_sub(LISTENERS)?;
        (place < self.listeners.len()).then_some(Ready::Listener(place))
    }

    pub(super) fn listener(&self, place: usize) -> Option<&Listener> {
        self.listeners.get(place)
    }

    pub(super) fn relay(&self, slot: usize) -> Option<&Relay> {
        self.relays.get(slot)?.as_ref()
    }

    /// The listener that answers a client which came to `local`, and the address to send from where it has several.
    pub(super) fn towards_client(&self, local: SocketAddr) -> Option<(Via, Option<IpAddr>)> {
        let exact = self.listeners.iter().position(|listener| listener.local == local);
        if let Some(place) = exact.and_then(|place| u32::try_from(place).ok()) {
            return Some((Via::Listener(place), None));
        }
        let wildcard = SocketAddr::new(Family::of(local.ip()).wildcard(), local.port());
        let place = self.listeners.iter().position(|listener| listener.local == wildcard)?;
        Some((Via::Listener(u32::try_from(place).ok()?), Some(local.ip())))
    }

    /// Takes over a relay socket; it is returned where that fails.
    pub(super) fn open(&mut self, registry: &Registry, id: RelayId, opened: RelaySocket) -> Result<(), SocketAddr> {
        let RelaySocket { socket, local } = opened;
        let slot = id.slot as usize;
        let mut socket = UdpSocket::from_std(socket);
        if let Err(error) = registry.register(&mut socket, Token(RELAYS + slot), Interest::READABLE) {
            error!(%error, "a relay socket cannot be watched");
            return Err(local);
        }
        if self.relays.len() <= slot {
            self.relays.resize_with(slot + 1, || None);
        }
        self.relays[slot] = Some(Relay { id, socket, local, dont_fragment: false });
        Ok(())
    }

    /// Closes a relay socket and returns where it was.
    pub(super) fn close(&mut self, id: RelayId) -> Option<SocketAddr> {
        let place = self.relays.get_mut(id.slot as usize)?;
        let relay = place.take_if(|relay| relay.id == id)?;
        Some(relay.local)
    }
}

impl Sockets for Outlets {
    fn socket(&mut self, via: Via, dont_fragment: bool) -> Option<&UdpSocket> {
        match via {
            Via::Listener(place) => self.listeners.get(place as usize).map(|listener| &listener.socket),
            Via::Relay(slot) => {
                let relay = self.relays.get_mut(slot as usize)?.as_mut()?;
                if relay.dont_fragment != dont_fragment {
                    if let Err(error) = options::dont_fragment(&relay.socket, relay.local, dont_fragment) {
                        debug!(%error, "the DF bit stays as it is");
                    }
                    relay.dont_fragment = dont_fragment;
                }
                Some(&relay.socket)
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use mio::Poll;
    use rustix::net::sockopt::{Ipv4PathMtuDiscovery, ip_mtu_discover};

    use super::*;
    use crate::io::sockets;

    #[test]
    fn the_df_bit_follows_what_each_packet_asks_for() {
        let poll = Poll::new().unwrap();
        let mut outlets = Outlets::new(poll.registry(), Vec::new()).unwrap();
        let socket = sockets::relay(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let local = socket.local_addr().unwrap();
        let id = RelayId { slot: 3, generation: 1 };
        outlets.open(poll.registry(), id, RelaySocket { socket, local }).unwrap();
        for (wanted, expected) in [
            (false, Ipv4PathMtuDiscovery::DONT),
            (true, Ipv4PathMtuDiscovery::DO),
            (true, Ipv4PathMtuDiscovery::DO),
            (false, Ipv4PathMtuDiscovery::DONT),
        ] {
            let socket = outlets.socket(Via::Relay(3), wanted).unwrap();
            assert_eq!(ip_mtu_discover(socket).unwrap(), expected);
        }
        assert_eq!(outlets.close(RelayId { generation: 2, ..id }), None, "somebody else's");
        assert_eq!(outlets.close(id), Some(local));
        assert!(outlets.socket(Via::Relay(3), false).is_none());
    }
}
