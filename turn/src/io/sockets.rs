//! How the relay's sockets are made: buffers, and what the system shall do with their packets.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tracing::debug;

use super::options;

/// What the system is asked to buffer for a listener; every client goes through it.
const LISTENER_BUFFER: usize = 4 << 20;
/// The same for a relay socket.
const RELAY_BUFFER: usize = 1 << 20;
/// Connections that may wait to be accepted.
const ACCEPT_QUEUE: i32 = 1024;

/// UDP sockets on one address, one for each of `count` workers; the system deals the clients out to them.
///
/// The first is bound alone, so that an address another program has is refused; only then are they made to share.
/// A wildcard IPv6 address takes IPv6 only.
pub(crate) fn listeners(address: SocketAddr, count: usize) -> io::Result<Vec<UdpSocket>> {
    let first = datagrams(address, LISTENER_BUFFER)?;
    options::listener(&first, address)?;
    first.bind(&SockAddr::from(address))?;
    let mut all = vec![UdpSocket::from(first)];
    let local = all.first().map_or(Ok(address), UdpSocket::local_addr)?;
    if count > 1
        && let Some(first) = all.first()
    {
        options::share(first)?;
    }
    for _ in 1..count {
        let socket = datagrams(local, LISTENER_BUFFER)?;
        options::listener(&socket, local)?;
        options::share(&socket)?;
        socket.bind(&SockAddr::from(local))?;
        all.push(socket.into());
    }
    Ok(all)
}

/// What the system really buffers for a listener, in bytes, when that is less than was asked for.
pub(crate) fn small_buffer(listener: &UdpSocket) -> Option<usize> {
    let bytes = SockRef::from(listener).recv_buffer_size().ok()?;
    // Linux counts its own overhead, and says twice what it was asked for.
    let bytes = if cfg!(target_os = "linux") { bytes / 2 } else { bytes };
    (bytes < LISTENER_BUFFER).then_some(bytes)
}

/// A relay socket.
pub(super) fn relay(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = datagrams(address, RELAY_BUFFER)?;
    options::relay(&socket, address)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

/// A socket for TCP connections.
pub(crate) fn streams(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Unix this lets a restarted relay have its port back; elsewhere it would let two relays share one.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(ACCEPT_QUEUE)?;
    Ok(socket.into())
}

fn datagrams(address: SocketAddr, buffer: usize) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if let Err(error) = options::buffers(&socket, buffer) {
        debug!(%error, "socket keeps its small buffer");
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn taken_address_is_refused_even_where_workers_share_theirs() {
        let ours = listeners(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 2).unwrap();
        let local = ours[0].local_addr().unwrap();
        assert_eq!(ours[1].local_addr().unwrap(), local);
        let theirs = listeners(local, 2);
        assert_eq!(theirs.map(|_| ()).map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
    }
}
