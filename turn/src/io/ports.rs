//! Relay sockets: which ports are free, and how one is opened.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::time::Instant;

use tracing::{debug, trace, warn};

use super::sockets;
use crate::config::Config;
use crate::gate::WarnGate;
use crate::relay::{OpenFailure, PortHint};

/// Ports tried for one relay socket; all of them are free as far as we know.
const TRIES: usize = 64;
/// There are no more ports than this.
const ALL_PORTS: usize = 1 << 16;
/// `EAFNOSUPPORT` of Linux.
const NO_FAMILY: i32 = 97;

/// The ports of every open relay socket, and the sockets that wait for their allocation.
///
/// A port is used once, whatever the address: workers find each other's allocations by port alone.
#[derive(Debug)]
pub(super) struct Ports {
    range: Option<RangeInclusive<u16>>,
    taken: Vec<bool>,
    count: usize,
    /// Sockets on the port after an even one, by the token that a client was given for them.
    reserved: HashMap<[u8; 8], RelaySocket>,
    warnings: WarnGate,
}

/// A relay socket, and where it is.
#[derive(Debug)]
pub(super) struct RelaySocket {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
}

impl Ports {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            range: config.relay_ports.clone(),
            taken: vec![false; ALL_PORTS],
            count: 0,
            reserved: HashMap::new(),
            warnings: WarnGate::default(),
        }
    }

    /// Binds a relay socket to `bind`, in the range if there is one. Its port is taken until [`Ports::release`].
    pub(super) fn open(
        &mut self,
        now: Instant,
        bind: IpAddr,
        towards: SocketAddr,
        hint: PortHint,
    ) -> Result<RelaySocket, OpenFailure> {
        let ip = if bind.is_unspecified() {
            local_towards(bind, towards).map_err(|error| self.no_way(now, &error))?
        } else {
            bind
        };
        for port in self.candidates(hint) {
            match try_port(SocketAddr::new(ip, port), hint) {
                Ok(Some((opened, next))) if self.are_free(&opened, next.as_ref()) => {
                    self.take(opened.local.port());
                    if let (PortHint::EvenAndNext { token }, Some(next)) = (hint, next) {
                        self.take(next.local.port());
                        self.reserved.insert(token, next);
                    }
                    return Ok(opened);
                }
                Ok(Some(_) | None) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => return Err(OpenFailure::NoAddress),
                Err(error) if port != 0 && may_be_better_elsewhere(&error) => trace!(%error, port, "port not free"),
                Err(error) => {
                    if self.warnings.opens(now) {
                        warn!(%error, "cannot open a relay socket");
                    }
                    return Err(OpenFailure::NoPort);
                }
            }
        }
        Err(OpenFailure::NoPort)
    }

    /// Why there is no local address towards a client.
    fn no_way(&mut self, now: Instant, error: &io::Error) -> OpenFailure {
        let kind = error.kind();
        let unreachable = kind == io::ErrorKind::NetworkUnreachable || kind == io::ErrorKind::HostUnreachable;
        // `EAFNOSUPPORT` has no kind of its own.
        if unreachable || kind == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_FAMILY) {
            debug!(%error, "no local address of the wanted family");
            return OpenFailure::NoAddress;
        }
        if self.warnings.opens(now) {
            warn!(%error, "cannot find out a local address");
        }
        OpenFailure::NoPort
    }

    /// Hands over the socket that was kept under this token.
    pub(super) fn adopt(&mut self, token: [u8; 8]) -> Option<RelaySocket> {
        self.reserved.remove(&token)
    }

    /// Nobody came for the socket under this token.
    pub(super) fn drop_reserved(&mut self, token: [u8; 8]) {
        if let Some(reserved) = self.reserved.remove(&token) {
            self.release(reserved.local);
        }
    }

    /// The socket at this address is closed.
    pub(super) fn release(&mut self, local: SocketAddr) {
        if std::mem::replace(&mut self.taken[usize::from(local.port())], false) {
            self.count -= 1;
        }
    }

    /// Ports to try; 0 leaves the choice to the system.
    fn candidates(&self, hint: PortHint) -> Vec<u16> {
        let Some(range) = &self.range else {
            return vec![0; TRIES];
        };
        let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
        let count = (last + 1).saturating_sub(first);
        if self.count >= count as usize {
            return Vec::new();
        }
        let fits = |port: u16| match hint {
            PortHint::Any => self.is_free(port),
            PortHint::Even => port.is_multiple_of(2) && self.is_free(port),
            PortHint::EvenAndNext { .. } => {
                port.is_multiple_of(2) && port < *range.end() && self.is_free(port) && self.is_free(port + 1)
            }
        };
        let start = random_u32();
        (0..count)
            .map(|step| first + (start % count + step) % count)
            .filter_map(|port| u16::try_from(port).ok())
            .filter(|port| fits(*port))
            .take(TRIES)
            .collect()
    }

    fn are_free(&self, opened: &RelaySocket, next: Option<&RelaySocket>) -> bool {
        std::iter::once(opened).chain(next).all(|relay| self.is_free(relay.local.port()))
    }

    fn is_free(&self, port: u16) -> bool {
        !self.taken[usize::from(port)]
    }

    fn take(&mut self, port: u16) {
        if !std::mem::replace(&mut self.taken[usize::from(port)], true) {
            self.count += 1;
        }
    }
}

/// True when another port may do. Anything else, such as too many open files, is the same for all of them.
fn may_be_better_elsewhere(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse || error.kind() == io::ErrorKind::PermissionDenied
}

/// Which of our addresses the system would use towards `target`. Nothing is sent.
fn local_towards(wildcard: IpAddr, target: SocketAddr) -> io::Result<IpAddr> {
    let target = if target.is_ipv4() == wildcard.is_ipv4() {
        target
    } else if wildcard.is_ipv4() {
        // Documentation addresses: any address far away will do.
        SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9))
    } else {
        SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9))
    };
    let probe = UdpSocket::bind((wildcard, 0))?;
    probe.connect(target)?;
    Ok(probe.local_addr()?.ip())
}

/// `None` when the system's choice does not fit the hint, or the port after it is not free.
fn try_port(address: SocketAddr, hint: PortHint) -> io::Result<Option<(RelaySocket, Option<RelaySocket>)>> {
    let opened = bind(address)?;
    let is_even = opened.local.port() % 2 == 0;
    let next = match hint {
        PortHint::Any => None,
        PortHint::Even if is_even => None,
        PortHint::EvenAndNext { .. } if is_even => {
            match bind(SocketAddr::new(opened.local.ip(), opened.local.port() + 1)) {
                Ok(next) => Some(next),
                Err(error) if may_be_better_elsewhere(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        PortHint::Even | PortHint::EvenAndNext { .. } => return Ok(None),
    };
    Ok(Some((opened, next)))
}

fn bind(address: SocketAddr) -> io::Result<RelaySocket> {
    let socket = sockets::relay(address)?;
    let local = socket.local_addr()?;
    Ok(RelaySocket { socket, local })
}

/// Where to start in a range, so that the next port cannot be foretold (RFC 8656 section 7.2). Without random
/// numbers the relay would not have started; should they fail later, the first port will do.
fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    match super::fill_random(&mut bytes) {
        Ok(()) => u32::from_be_bytes(bytes),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const TOKEN: [u8; 8] = [7; 8];
    const PAIR: PortHint = PortHint::EvenAndNext { token: TOKEN };

    #[test]
    fn every_free_port_of_a_range_is_tried_once() {
        let mut ports = ports(Some(65_530..=65_535));
        assert_eq!(sorted(&ports, PortHint::Any), (65_530..=65_535).collect::<Vec<u16>>());
        ports.take(65_533);
        assert_eq!(sorted(&ports, PortHint::Any), vec![65_530, 65_531, 65_532, 65_534, 65_535]);
        assert_eq!(sorted(&ports, PortHint::Even), vec![65_530, 65_532, 65_534]);
        assert_eq!(sorted(&ports, PAIR), vec![65_530, 65_534]);
        ports.release(SocketAddr::new(LOCAL, 65_533));
        assert_eq!(ports.count, 0);
    }

    #[test]
    fn pair_lies_inside_the_range() {
        assert_eq!(sorted(&ports(Some(7..=11)), PAIR), vec![8, 10]);
        assert_eq!(sorted(&ports(Some(7..=10)), PAIR), vec![8]);
        assert_eq!(sorted(&ports(Some(10..=10)), PAIR), Vec::<u16>::new());
    }

    #[test]
    fn full_range_is_refused_without_a_try() {
        let mut ports = ports(Some(50_000..=50_001));
        ports.take(50_000);
        ports.take(50_001);
        assert_eq!(sorted(&ports, PortHint::Any), Vec::<u16>::new());
        let refused = ports.open(base(), LOCAL, SocketAddr::new(LOCAL, 9), PortHint::Any);
        assert_eq!(refused.map(|opened| opened.local), Err(OpenFailure::NoPort));
    }

    #[test]
    fn even_port_comes_with_the_next_one_which_waits_for_its_token() {
        let mut ports = ports(None);
        let opened = ports.open(base(), LOCAL, SocketAddr::new(LOCAL, 1), PAIR).unwrap();
        assert_eq!(opened.local.port() % 2, 0);
        assert_eq!(ports.count, 2);
        assert!(ports.adopt([9; 8]).is_none());
        let next = ports.adopt(TOKEN).unwrap();
        assert_eq!(next.local.port(), opened.local.port() + 1);
        assert!(ports.adopt(TOKEN).is_none(), "handed over once");
    }

    #[test]
    fn port_nobody_came_for_is_free_again() {
        let mut ports = ports(None);
        let opened = ports.open(base(), LOCAL, SocketAddr::new(LOCAL, 1), PAIR).unwrap();
        ports.drop_reserved(TOKEN);
        assert_eq!(ports.count, 1);
        assert!(ports.is_free(opened.local.port() + 1));
    }

    #[test]
    fn wildcard_becomes_the_address_towards_the_client() {
        let wildcard = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let opened = ports(None).open(base(), wildcard, SocketAddr::new(LOCAL, 9), PortHint::Any).unwrap();
        assert_eq!(opened.local.ip(), LOCAL);
    }

    fn ports(range: Option<RangeInclusive<u16>>) -> Ports {
        Ports::new(&Config { relay_ports: range, ..Config::default() })
    }

    fn sorted(ports: &Ports, hint: PortHint) -> Vec<u16> {
        let mut found = ports.candidates(hint);
        found.sort_unstable();
        found
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
