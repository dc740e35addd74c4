//! Relay sockets: which ports are free, and how one is opened.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Instant;

use tokio::net::UdpSocket;
use tracing::{debug, trace, warn};

use super::udp;
use crate::config::Config;
use crate::gate::WarnGate;
use crate::relay::{Family, OpenFailure, PortHint};

/// Ports tried for one relay socket; all of them are free as far as we know.
const TRIES: usize = 64;
/// There are no more ports than this.
const ALL_PORTS: usize = 1 << 16;

/// The ports of every open relay socket.
///
/// They are kept by the address that peers see: behind one public address, two local ones cannot use the same port.
#[derive(Debug)]
pub(super) struct Ports {
    range: Option<RangeInclusive<u16>>,
    public: Vec<IpAddr>,
    taken: HashMap<IpAddr, Taken>,
    warnings: WarnGate,
}

/// The taken ports of one address.
#[derive(Debug)]
struct Taken {
    ports: Vec<bool>,
    count: usize,
}

/// A relay socket, and where it is.
#[derive(Debug)]
pub(super) struct OpenedRelay {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
    /// The socket on the next port, when that was asked for, and where it is.
    pub(super) next: Option<(UdpSocket, SocketAddr)>,
}

impl Ports {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            range: config.relay_ports.clone(),
            public: config.public_ip.clone(),
            taken: HashMap::new(),
            warnings: WarnGate::default(),
        }
    }

    /// Binds a relay socket to `bind`, in the range if there is one. Its ports are taken until [`Ports::release`].
    pub(super) fn open(
        &mut self,
        now: Instant,
        bind: IpAddr,
        towards: SocketAddr,
        hint: PortHint,
    ) -> Result<OpenedRelay, OpenFailure> {
        let ip = if bind.is_unspecified() {
            local_towards(bind, towards).map_err(|error| {
                debug!(%error, "no local address of the wanted family");
                OpenFailure::NoAddress
            })?
        } else {
            bind
        };
        for port in self.candidates(ip, hint) {
            match try_port(SocketAddr::new(ip, port), hint) {
                Ok(Some(opened)) if self.is_free(&opened) => {
                    self.take(opened.local);
                    if let Some((_, next)) = &opened.next {
                        self.take(*next);
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

    /// The socket at this address is closed.
    pub(super) fn release(&mut self, local: SocketAddr) {
        let seen = self.seen(local.ip());
        let Some(taken) = self.taken.get_mut(&seen) else {
            return;
        };
        if std::mem::replace(&mut taken.ports[usize::from(local.port())], false) {
            taken.count -= 1;
        }
        if taken.count == 0 {
            self.taken.remove(&seen);
        }
    }

    /// Ports to try at `ip`; 0 leaves the choice to the system.
    fn candidates(&self, ip: IpAddr, hint: PortHint) -> Vec<u16> {
        let Some(range) = &self.range else {
            return vec![0; TRIES];
        };
        let taken = self.taken.get(&self.seen(ip));
        let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
        let count = (last + 1).saturating_sub(first);
        if taken.is_some_and(|taken| taken.count >= count as usize) {
            return Vec::new();
        }
        let is_free = |port: u16| taken.is_none_or(|taken| !taken.ports[usize::from(port)]);
        let fits = |port: u16| match hint {
            PortHint::Any => is_free(port),
            PortHint::Even => port.is_multiple_of(2) && is_free(port),
            PortHint::EvenAndNext { .. } => {
                port.is_multiple_of(2) && port < *range.end() && is_free(port) && is_free(port + 1)
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

    fn is_free(&self, opened: &OpenedRelay) -> bool {
        let next = opened.next.as_ref().map(|(_, next)| *next);
        [Some(opened.local), next].into_iter().flatten().all(|local| {
            let taken = self.taken.get(&self.seen(local.ip()));
            taken.is_none_or(|taken| !taken.ports[usize::from(local.port())])
        })
    }

    fn take(&mut self, local: SocketAddr) {
        let seen = self.seen(local.ip());
        let taken = self.taken.entry(seen).or_insert_with(|| Taken { ports: vec![false; ALL_PORTS], count: 0 });
        if !std::mem::replace(&mut taken.ports[usize::from(local.port())], true) {
            taken.count += 1;
        }
    }

    /// The address that peers see for a socket at `ip`.
    fn seen(&self, ip: IpAddr) -> IpAddr {
        self.public.iter().copied().find(|public| Family::of(*public) == Family::of(ip)).unwrap_or(ip)
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
    let probe = std::net::UdpSocket::bind((wildcard, 0))?;
    probe.connect(target)?;
    Ok(probe.local_addr()?.ip())
}

/// `None` when the system's choice does not fit the hint, or the port after it is not free.
fn try_port(address: SocketAddr, hint: PortHint) -> io::Result<Option<OpenedRelay>> {
    let socket = udp::bind_relay(address)?;
    let local = socket.local_addr()?;
    let is_even = local.port() % 2 == 0;
    let next = match hint {
        PortHint::Any => None,
        PortHint::Even if is_even => None,
        PortHint::EvenAndNext { .. } if is_even => {
            let next = SocketAddr::new(local.ip(), local.port() + 1);
            match udp::bind_relay(next) {
                Ok(socket) => Some((socket, next)),
                Err(error) if may_be_better_elsewhere(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        PortHint::Even | PortHint::EvenAndNext { .. } => return Ok(None),
    };
    Ok(Some(OpenedRelay { socket, local, next }))
}

/// Where to start in a range, so that the next port cannot be foretold (RFC 8656 section 7.2). Without random
/// numbers the relay would not have started; should they fail later, the first port will do.
fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    match udp::fill_random(&mut bytes) {
        Ok(()) => u32::from_be_bytes(bytes),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::RelayId;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const PAIR: PortHint = PortHint::EvenAndNext { next: RelayId(2) };

    #[test]
    fn every_free_port_of_a_range_is_tried_once() {
        let mut ports = ports(Some(65_530..=65_535), &[]);
        assert_eq!(sorted(&ports, PortHint::Any), (65_530..=65_535).collect::<Vec<u16>>());
        ports.take(SocketAddr::new(LOCAL, 65_533));
        assert_eq!(sorted(&ports, PortHint::Any), vec![65_530, 65_531, 65_532, 65_534, 65_535]);
        assert_eq!(sorted(&ports, PortHint::Even), vec![65_530, 65_532, 65_534]);
        assert_eq!(sorted(&ports, PAIR), vec![65_530, 65_534]);
        ports.release(SocketAddr::new(LOCAL, 65_533));
        assert!(ports.taken.is_empty());
    }

    #[test]
    fn pair_lies_inside_the_range() {
        assert_eq!(sorted(&ports(Some(7..=11), &[]), PAIR), vec![8, 10]);
        assert_eq!(sorted(&ports(Some(7..=10), &[]), PAIR), vec![8]);
        assert_eq!(sorted(&ports(Some(10..=10), &[]), PAIR), Vec::<u16>::new());
    }

    #[tokio::test]
    async fn full_range_is_refused_without_a_try() {
        let mut ports = ports(Some(50_000..=50_001), &[]);
        for port in 50_000..=50_001 {
            ports.take(SocketAddr::new(LOCAL, port));
        }
        assert_eq!(sorted(&ports, PortHint::Any), Vec::<u16>::new());
        let refused = ports.open(base(), LOCAL, SocketAddr::new(LOCAL, 9), PortHint::Any);
        assert_eq!(refused.map(|opened| opened.local), Err(OpenFailure::NoPort));
        // Another address has its own ports.
        assert_eq!(ports.candidates(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), PortHint::Any).len(), 2);
    }

    #[test]
    fn addresses_behind_one_public_address_share_its_ports() {
        let mut ports = ports(Some(50_000..=50_001), &["203.0.113.7"]);
        ports.take(SocketAddr::from(([10, 0, 0, 1], 50_000)));
        assert_eq!(ports.candidates(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), PortHint::Any), vec![50_001]);
    }

    #[tokio::test]
    async fn even_port_comes_with_the_next_one() {
        let mut ports = ports(None, &[]);
        let opened = ports.open(base(), LOCAL, SocketAddr::new(LOCAL, 1), PAIR).unwrap();
        assert_eq!(opened.local.port() % 2, 0);
        let (socket, next) = opened.next.unwrap();
        assert_eq!(socket.local_addr().unwrap(), next);
        assert_eq!(next.port(), opened.local.port() + 1);
    }

    #[tokio::test]
    async fn wildcard_becomes_the_address_towards_the_client() {
        let wildcard = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let opened = ports(None, &[]).open(base(), wildcard, SocketAddr::new(LOCAL, 9), PortHint::Any).unwrap();
        assert_eq!(opened.local.ip(), LOCAL);
    }

    fn ports(range: Option<RangeInclusive<u16>>, public: &[&str]) -> Ports {
        let public_ip = public.iter().map(|ip| ip.parse().unwrap()).collect();
        Ports::new(&Config { relay_ports: range, public_ip, ..Config::default() })
    }

    fn sorted(ports: &Ports, hint: PortHint) -> Vec<u16> {
        let mut found = ports.candidates(LOCAL, hint);
        found.sort_unstable();
        found
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
