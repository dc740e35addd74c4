//! Ports where nobody answers, and nobody else will: what was free a moment ago is soon another test's.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use tokio::net::TcpSocket;

/// A TCP port that refuses connections for as long as this lives: it is taken, and nobody listens there.
pub(crate) struct ClosedTcp(TcpSocket);

impl ClosedTcp {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

/// A UDP port that is told to be unreachable for as long as this lives: who has taken it hears only himself.
pub(crate) struct ClosedUdp(UdpSocket);

impl ClosedUdp {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(socket.local_addr().unwrap()).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

#[test]
fn closed_ports_refuse_at_once() {
    let (tcp, udp) = (ClosedTcp::new(), ClosedUdp::new());
    let refused = std::net::TcpStream::connect(tcp.address()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(dialtone_tests::LIMIT)).unwrap();
    socket.connect(udp.address()).unwrap();
    socket.send(b"anybody there?").unwrap();
    let refused = socket.recv(&mut [0; 16]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}
