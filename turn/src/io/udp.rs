//! Datagrams: how sockets are opened, drained and written to.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use ring::rand::{SecureRandom, SystemRandom};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tracing::{debug, error, trace};

use crate::relay::{OpenFailure, PortHint};

/// Datagrams taken from one socket before the others get their turn.
const BATCH: usize = 64;
/// Longest datagram there is.
const DATAGRAM: usize = 65_536;
/// What the system is asked to buffer for a listener; every client goes through it.
const LISTENER_BUFFER: usize = 4 << 20;
/// The same for a relay socket.
const RELAY_BUFFER: usize = 1 << 20;
/// Ports tried for one relay socket.
const TRIES: u32 = 1024;
/// Ports the system is asked for when only an even one will do.
const EVEN_TRIES: usize = 64;

thread_local! {
    // One buffer for each thread instead of one for each socket: nothing stays in it across an await.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Hands every datagram to `each`; ends only when the socket does.
pub(crate) async fn receive(socket: &UdpSocket, mut each: impl FnMut(SocketAddr, &[u8])) {
    loop {
        if let Err(error) = socket.readable().await {
            error!(%error, "a socket cannot be read any more");
            return;
        }
        let more = BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(DATAGRAM, 0);
            drain(socket, buffer, &mut each)
        });
        if more {
            tokio::task::yield_now().await;
        }
    }
}

/// Sends at once or not at all. The system call is made directly: tokio would first wait to be told that the
/// socket is writable, which a new socket always is.
pub(crate) fn send(socket: &UdpSocket, to: SocketAddr, parts: &[IoSlice<'_>]) {
    if let Err(error) = SockRef::from(socket).send_to_vectored(parts, &SockAddr::from(to)) {
        trace!(%error, "a datagram was not sent");
    }
}

/// A listener's socket.
pub(crate) fn bind_listener(address: SocketAddr) -> io::Result<UdpSocket> {
    bind(address, LISTENER_BUFFER)
}

/// A relay socket, and where it is.
#[derive(Debug)]
pub(crate) struct OpenedRelay {
    pub(crate) socket: UdpSocket,
    pub(crate) local: SocketAddr,
    /// The socket on the next port, when that was asked for.
    pub(crate) next: Option<UdpSocket>,
}

/// Binds a relay socket to `bind`, in `range` if there is one.
pub(crate) fn open_relay(
    bind: IpAddr,
    client: SocketAddr,
    hint: PortHint,
    range: Option<&RangeInclusive<u16>>,
) -> Result<OpenedRelay, OpenFailure> {
    let ip = if bind.is_unspecified() {
        local_towards(bind, client).map_err(|error| {
            debug!(%error, "no local address of the wanted family");
            OpenFailure::NoAddress
        })?
    } else {
        bind
    };
    for port in candidates(hint, range) {
        match try_port(SocketAddr::new(ip, port), hint) {
            Ok(Some(opened)) => return Ok(opened),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                return Err(OpenFailure::NoAddress);
            }
            Err(error) => trace!(%error, port, "port not free"),
        }
    }
    Err(OpenFailure::NoPort)
}

/// Fills `bytes` from the system's random source.
pub(crate) fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| io::Error::other("the system gives no random numbers"))
}

/// True when the batch was used up and more may be waiting.
fn drain(socket: &UdpSocket, buffer: &mut [u8], each: &mut impl FnMut(SocketAddr, &[u8])) -> bool {
    for _ in 0..BATCH {
        match socket.try_recv_from(buffer) {
            Ok((length, from)) => each(from, &buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // An earlier datagram came back: no reason to stop listening.
            Err(error) => trace!(%error, "receiving failed"),
        }
    }
    true
}

fn bind(address: SocketAddr, buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    for result in [socket.set_recv_buffer_size(buffer), socket.set_send_buffer_size(buffer)] {
        if let Err(error) = result {
            debug!(%error, "socket keeps its small buffer");
        }
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    UdpSocket::from_std(socket.into())
}

/// Which of our addresses the system would use towards `client`. Nothing is sent.
fn local_towards(wildcard: IpAddr, client: SocketAddr) -> io::Result<IpAddr> {
    let target = if client.is_ipv4() == wildcard.is_ipv4() {
        client
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

/// Ports to try; 0 leaves the choice to the system.
fn candidates(hint: PortHint, range: Option<&RangeInclusive<u16>>) -> Box<dyn Iterator<Item = u16>> {
    let even = hint != PortHint::Any;
    let Some(range) = range else {
        let tries = if even { EVEN_TRIES } else { 1 };
        return Box::new(std::iter::repeat_n(0, tries));
    };
    let first = u32::from(*range.start());
    let count = (u32::from(*range.end()) + 1).saturating_sub(first);
    let start = random_u32();
    let ports = (0..count)
        .map(move |step| first + (start % count + step) % count)
        .filter_map(|port| u16::try_from(port).ok())
        .filter(move |port| !even || port % 2 == 0)
        .take(TRIES as usize);
    Box::new(ports)
}

/// `None` when the system's choice does not fit the hint.
fn try_port(address: SocketAddr, hint: PortHint) -> io::Result<Option<OpenedRelay>> {
    let socket = bind(address, RELAY_BUFFER)?;
    let local = socket.local_addr()?;
    let is_even = local.port() % 2 == 0;
    let next = match hint {
        PortHint::Any => None,
        PortHint::Even if is_even => None,
        PortHint::EvenAndNext { .. } if is_even => {
            let next = SocketAddr::new(local.ip(), local.port() + 1);
            Some(bind(next, RELAY_BUFFER)?)
        }
        PortHint::Even | PortHint::EvenAndNext { .. } => return Ok(None),
    };
    Ok(Some(OpenedRelay { socket, local, next }))
}

/// Where to start in a range, so that the next port cannot be foretold (RFC 8656 section 7.2). Without random
/// numbers the relay would not have started; should they fail later, the first port will do.
fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    match fill_random(&mut bytes) {
        Ok(()) => u32::from_be_bytes(bytes),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_of_a_range_is_tried_once() {
        let mut ports: Vec<u16> = candidates(PortHint::Any, Some(&(65_530..=65_535))).collect();
        ports.sort_unstable();
        assert_eq!(ports, (65_530..=65_535).collect::<Vec<u16>>());
        let mut even: Vec<u16> = candidates(PortHint::Even, Some(&(7..=11))).collect();
        even.sort_unstable();
        assert_eq!(even, vec![8, 10]);
    }

    #[tokio::test]
    async fn even_port_comes_with_the_next_one() {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let client = SocketAddr::new(local, 1);
        let hint = PortHint::EvenAndNext { next: crate::relay::RelayId(2) };
        let opened = open_relay(local, client, hint, None).unwrap();
        assert_eq!(opened.local.port() % 2, 0);
        let next = opened.next.unwrap().local_addr().unwrap();
        assert_eq!(next.port(), opened.local.port() + 1);
    }

    #[tokio::test]
    async fn wildcard_becomes_the_address_towards_the_client() {
        let client = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let wildcard = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let opened = open_relay(wildcard, client, PortHint::Any, None).unwrap();
        assert_eq!(opened.local.ip(), client.ip());
    }
}
