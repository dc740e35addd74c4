//! Which of our addresses a datagram came to, and answers that leave from the same one.
//!
//! A socket bound to a wildcard hears every address of the machine, but what it sends leaves from the one that the
//! routes prefer. A client behind a NAT, or with a connected socket, never sees such an answer.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd as _;

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Who sent a datagram, and to which of our addresses.
pub(super) type Way = (SocketAddr, Option<IpAddr>);

/// Has the system tell where each datagram was sent to.
pub(super) fn enable(socket: &Socket, wildcard: IpAddr) -> io::Result<()> {
    match wildcard {
        IpAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        IpAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

/// Room for what comes with each datagram.
pub(super) fn control_space() -> Vec<u8> {
    nix::cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo)
}

/// Receives one datagram, if there is one.
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8], control: &mut [u8]) -> io::Result<(usize, Way)> {
    socket.try_io(Interest::READABLE, || {
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(control), MsgFlags::empty())?;
        let from = message
            .address
            .as_ref()
            .and_then(to_std)
            .ok_or_else(|| io::Error::other("a datagram without a sender's address"))?;
        let local = match message.cmsgs() {
            Ok(mut notes) => notes.find_map(|note| destination(&note)),
            // Cut short: the system will choose the address of the answer.
            Err(_) => None,
        };
        Ok((message.bytes, (from, local)))
    })
}

/// Sends one datagram from `local`, one of our addresses. Does not wait.
pub(super) fn send(socket: &UdpSocket, local: IpAddr, to: SocketAddr, parts: &[IoSlice<'_>]) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    let to = SockaddrStorage::from(to);
    let sent = match local {
        IpAddr::V4(ip) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(ip).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            sendmsg(fd, parts, &[ControlMessage::Ipv4PacketInfo(&info)], MsgFlags::empty(), Some(&to))
        }
        IpAddr::V6(ip) => {
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            sendmsg(fd, parts, &[ControlMessage::Ipv6PacketInfo(&info)], MsgFlags::empty(), Some(&to))
        }
    };
    sent?;
    Ok(())
}

fn destination(note: &ControlMessageOwned) -> Option<IpAddr> {
    if let ControlMessageOwned::Ipv4PacketInfo(info) = note {
        return Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr))));
    }
    if let ControlMessageOwned::Ipv6PacketInfo(info) = note {
        return Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
    }
    None
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from(*v4));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from(*v6)))
}
