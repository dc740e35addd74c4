//! Socket options of Linux: trains of datagrams received in one piece, the address each datagram was sent to, and the
//! DF bit.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::UdpSocketState;
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tracing::debug;

/// What the system can do to receive and to send; the same for every socket.
pub(super) fn state() -> io::Result<UdpSocketState> {
    // It prepares the socket it is given for QUIC, which none of ours shall be.
    let probe = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    UdpSocketState::new((&probe).into())
}

/// Has the system buffer so many bytes each way: beyond its own limit where this process may ask for that.
pub(super) fn buffers(socket: &Socket, bytes: usize) -> io::Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        socket.set_recv_buffer_size(bytes)?;
    }
    if setsockopt(socket, sockopt::SndBufForce, &bytes).is_err() {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

/// Has the system take no more bytes than so many beyond those under way: what waits longer waits with us, where what
/// is too much is dropped. Otherwise a slow client would get everything, seconds late.
pub(super) fn keep_little_unsent(stream: &TcpStream, bytes: u32) -> io::Result<()> {
    SockRef::from(stream).set_tcp_notsent_lowat(bytes)
}

/// Before a listener is bound to `address`.
pub(super) fn listener(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    receive_trains(socket);
    if address.ip().is_unspecified() {
        if address.is_ipv4() {
            setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
        } else {
            setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
    }
    dont_fragment(socket, address, false)
}

/// Before a relay socket is bound to `address`.
pub(super) fn relay(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    receive_trains(socket);
    dont_fragment(socket, address, false)
}

/// Lets several sockets of ours be bound to one address.
pub(super) fn share(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(&socket.as_fd(), sockopt::ReusePort, &true)?)
}

/// Sets or clears the DF bit of what the socket sends from now on. Cleared, a router with a small MTU may cut it
/// (RFC 8656 section 15).
pub(super) fn dont_fragment(socket: &impl AsFd, local: SocketAddr, on: bool) -> io::Result<()> {
    if local.is_ipv4() {
        set_ip_mtu_discover(socket, if on { Ipv4PathMtuDiscovery::DO } else { Ipv4PathMtuDiscovery::DONT })?;
    } else {
        set_ipv6_mtu_discover(socket, if on { Ipv6PathMtuDiscovery::DO } else { Ipv6PathMtuDiscovery::DONT })?;
    }
    Ok(())
}

fn receive_trains(socket: &Socket) {
    if let Err(error) = setsockopt(socket, sockopt::UdpGroSegment, &true) {
        debug!(%error, "datagrams are received one by one");
    }
}
