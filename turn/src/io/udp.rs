//! Datagrams: how sockets are bound, drained and written to.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};

use ring::rand::{SecureRandom, SystemRandom};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tracing::{debug, error, trace};

use super::pktinfo;

/// Datagrams taken from one socket before the others get their turn.
const BATCH: usize = 64;
/// Longest datagram there is.
const DATAGRAM: usize = 65_536;
/// What the system is asked to buffer for a listener; every client goes through it.
const LISTENER_BUFFER: usize = 4 << 20;
/// The same for a relay socket.
const RELAY_BUFFER: usize = 1 << 20;

thread_local! {
    // One buffer for each thread instead of one for each socket: nothing stays in it across an await.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A socket that clients come to.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UdpSocket,
    local: SocketAddr,
}

impl Listener {
    /// Binds it. A wildcard IPv6 address takes IPv6 only.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = bound(address, LISTENER_BUFFER)?;
        if address.ip().is_unspecified() {
            pktinfo::enable(&socket, address.ip())?;
        }
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local })
    }

    /// Where it is bound.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Hands every datagram to `each`, with the sender's address and ours; ends only when the socket does.
    pub(crate) async fn receive(&self, mut each: impl FnMut(SocketAddr, SocketAddr, &[u8])) {
        if !self.local.ip().is_unspecified() {
            receive(&self.socket, |from, bytes| each(from, self.local, bytes)).await;
            return;
        }
        let mut control = pktinfo::control_space();
        let take = |buffer: &mut [u8]| pktinfo::receive(&self.socket, buffer, &mut control);
        let pass = |(from, local): pktinfo::Way, bytes: &[u8]| {
            let local = local.map_or(self.local, |ip| SocketAddr::new(ip, self.local.port()));
            each(from, local, bytes);
        };
        receive_by(&self.socket, take, pass).await;
    }

    /// Sends at once or not at all, from that one of our addresses; false when it was not sent.
    #[must_use]
    pub(crate) fn send(&self, from: IpAddr, to: SocketAddr, parts: &[IoSlice<'_>]) -> bool {
        if !self.local.ip().is_unspecified() || from.is_unspecified() {
            return send(&self.socket, to, parts);
        }
        pktinfo::send(&self.socket, from, to, parts)
            .inspect_err(|error| trace!(%error, "a datagram was not sent"))
            .is_ok()
    }
}

/// Hands every datagram to `each`; ends only when the socket does.
pub(crate) async fn receive(socket: &UdpSocket, each: impl FnMut(SocketAddr, &[u8])) {
    receive_by(socket, |buffer: &mut [u8]| socket.try_recv_from(buffer), each).await;
}

/// Sends at once or not at all; false when it was not sent. The system call is made directly: tokio would first wait
/// to be told that the socket is writable, which a new socket always is.
#[must_use]
pub(crate) fn send(socket: &UdpSocket, to: SocketAddr, parts: &[IoSlice<'_>]) -> bool {
    SockRef::from(socket)
        .send_to_vectored(parts, &SockAddr::from(to))
        .inspect_err(|error| trace!(%error, "a datagram was not sent"))
        .is_ok()
}

/// A relay socket.
pub(super) fn bind_relay(address: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::from_std(bound(address, RELAY_BUFFER)?.into())
}

/// Fills `bytes` from the system's random source.
pub(crate) fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| io::Error::other("the system gives no random numbers"))
}

async fn receive_by<W>(
    socket: &UdpSocket,
    mut take: impl FnMut(&mut [u8]) -> io::Result<(usize, W)>,
    mut each: impl FnMut(W, &[u8]),
) {
    loop {
        if let Err(error) = socket.readable().await {
            error!(%error, "a socket cannot be read any more");
            return;
        }
        let more = BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(DATAGRAM, 0);
            drain(buffer, &mut take, &mut each)
        });
        if more {
            tokio::task::yield_now().await;
        }
    }
}

/// True when the batch was used up and more may be waiting.
fn drain<W>(
    buffer: &mut [u8],
    take: &mut impl FnMut(&mut [u8]) -> io::Result<(usize, W)>,
    each: &mut impl FnMut(W, &[u8]),
) -> bool {
    for _ in 0..BATCH {
        match take(buffer) {
            Ok((length, way)) => each(way, &buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // An earlier datagram came back: no reason to stop listening.
            Err(error) => trace!(%error, "receiving failed"),
        }
    }
    true
}

fn bound(address: SocketAddr, buffer: usize) -> io::Result<Socket> {
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
    Ok(socket)
}
