//! Where the system is not asked which address a datagram came to: answers leave from the one it prefers. On a
//! machine with several addresses, listen on each of them instead of on a wildcard.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};

use socket2::{SockAddr, SockRef, Socket};
use tokio::net::UdpSocket;

/// Who sent a datagram, and to which of our addresses.
pub(super) type Way = (SocketAddr, Option<IpAddr>);

/// Nothing to prepare.
pub(super) fn enable(_socket: &Socket, _wildcard: IpAddr) -> io::Result<()> {
    Ok(())
}

/// No room needed.
pub(super) fn control_space() -> Vec<u8> {
    Vec::new()
}

/// Receives one datagram, if there is one.
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8], _control: &mut [u8]) -> io::Result<(usize, Way)> {
    socket.try_recv_from(buffer).map(|(length, from)| (length, (from, None)))
}

/// Sends one datagram from the address that the system prefers. Does not wait.
pub(super) fn send(socket: &UdpSocket, _local: IpAddr, to: SocketAddr, parts: &[IoSlice<'_>]) -> io::Result<()> {
    SockRef::from(socket).send_to_vectored(parts, &SockAddr::from(to)).map(drop)
}
