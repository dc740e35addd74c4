//! Socket options where the system is not Linux: what `quinn-udp` sets is all there is. The DF bit stays as the system
//! has it, and one worker serves.

use std::io;
use std::net::{SocketAddr, TcpStream};

use quinn_udp::UdpSocketState;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// What the system can do to receive and to send; the same for every socket.
pub(super) fn state() -> io::Result<UdpSocketState> {
    let probe = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    UdpSocketState::new((&probe).into())
}

/// Has the system buffer so many bytes each way, as far as it likes.
pub(super) fn buffers(socket: &Socket, bytes: usize) -> io::Result<()> {
    socket.set_recv_buffer_size(bytes)?;
    socket.set_send_buffer_size(bytes)
}

/// Has the system buffer little, so that what a slow client cannot take is dropped and not delayed.
pub(super) fn keep_little_unsent(stream: &TcpStream, bytes: u32) -> io::Result<()> {
    SockRef::from(stream).set_send_buffer_size(bytes as usize * 2)
}

/// Before a listener is bound.
pub(super) fn listener(socket: &Socket, _address: SocketAddr) -> io::Result<()> {
    UdpSocketState::new(socket.into()).map(drop)
}

/// Before a relay socket is bound.
pub(super) fn relay(_socket: &Socket, _address: SocketAddr) -> io::Result<()> {
    Ok(())
}

/// Several sockets on one address are not shared out evenly everywhere.
pub(super) fn share<S>(_socket: &S) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "several workers need Linux: give --workers 1"))
}

/// Not in our hands here.
pub(super) fn dont_fragment(_socket: &mio::net::UdpSocket, _local: SocketAddr, _on: bool) -> io::Result<()> {
    Ok(())
}
