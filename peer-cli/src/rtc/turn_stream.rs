//! TURN over TCP and TLS, which the stack does not speak: it knows UDP sockets alone.
//!
//! Each server that is to be reached over a stream gets an address of its own that no network has, and the stack is told
//! to find it there over UDP. What the stack sends to that address from one of its sockets goes over a TCP or TLS
//! connection instead, opened with the first message from the same local address, so that an interface without a way to
//! the server is found out as it would be over UDP; what comes back appears to come from there.
//!
//! An allocation belongs to its connection (RFC 8656 section 3.1). When that breaks the next message opens a new one,
//! on which the server knows no allocation; the stack makes its next one when ICE restarts. So each break is told, and
//! [`tell_lost`] says whether the call went that way.

mod frames;
mod line;
mod socket;

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use tokio::sync::mpsc;
use webrtc::{peer_connection::PeerConnection, runtime::AsyncUdpSocket};

pub(crate) use self::frames::{Frames, append};
use self::socket::BridgedSocket;
use super::{
    events::{Shared, lock},
    layer::Layer,
    stats,
};
use crate::call::RtcEvent;

/// Broken connections that wait to be looked at; a call has one for each socket and server.
pub(super) const BROKEN_QUEUE: usize = 32;

/// A TURN server to be reached over a stream.
#[derive(Clone)]
pub(super) struct Target {
    /// Name or address, an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// TLS with these roots, else bare TCP.
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", if self.tls.is_some() { "tls" } else { "tcp" }, self.host, self.port)
    }
}

/// The servers of one peer, numbered; the number makes the address.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    targets: Vec<Target>,
}

impl Streams {
    /// The url under which the stack finds the server; the number of servers is bounded by the caller's list.
    pub(super) fn add(&mut self, target: Target) -> String {
        let number = self.targets.iter().position(|known| known.same_place(&target)).unwrap_or_else(|| {
            self.targets.push(target);
            self.targets.len() - 1
        });
        format!("turn:{}?transport=udp", name(number))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    fn addresses(&self, host: &str) -> Option<Vec<SocketAddr>> {
        let number = (0..self.targets.len()).find(|&number| host == name(number))?;
        Some(vec![v4(number), v6(number)])
    }

    fn target(&self, address: SocketAddr) -> Option<&Target> {
        let number = usize::from(address.port()).checked_sub(1)?;
        [v4(number), v6(number)].contains(&address).then(|| self.targets.get(number))?
    }
}

impl Target {
    fn same_place(&self, other: &Self) -> bool {
        (&self.host, self.port, self.tls.is_some()) == (&other.host, other.port, other.tls.is_some())
    }
}

/// `HOST:PORT` for the stack; RFC 6761 section 6.4 keeps `.invalid` out of every network.
fn name(number: usize) -> String {
    format!("turn-stream.invalid:{}", number + 1)
}

/// Of the reserved block 240.0.0.0/4 (RFC 1112 section 4), to which nothing is ever routed.
fn v4(number: usize) -> SocketAddr {
    (Ipv4Addr::new(240, 0, 0, 1), port(number)).into()
}

/// Of the discard-only block 100::/64 (RFC 6666).
fn v6(number: usize) -> SocketAddr {
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1), port(number)).into()
}

fn port(number: usize) -> u16 {
    u16::try_from(number + 1).unwrap_or(u16::MAX)
}

/// A connection to a TURN server that was open is so no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Broken {
    /// The socket that it stood behind.
    local: SocketAddr,
    /// Where the stack takes the server to be.
    server: SocketAddr,
}

/// Tells [`RtcEvent::RelayLost`] when the media went over a connection that broke.
pub(super) async fn tell_lost(pc: Arc<dyn PeerConnection>, shared: Arc<Shared>, mut broken: mpsc::Receiver<Broken>) {
    while let Some(Broken { local, server }) = broken.recv().await {
        let relayed = lock(shared.checks()).relayed(local, server);
        if let Some(relayed) = relayed
            && stats::is_selected(&*pc, relayed).await
        {
            shared.tell(RtcEvent::RelayLost);
        }
    }
}

/// The layer in which those addresses are streams.
#[derive(Debug)]
pub(super) struct Bridge {
    streams: Arc<Streams>,
    broken: mpsc::Sender<Broken>,
}

impl Bridge {
    /// Each connection that breaks is told to `broken`.
    pub(super) fn new(streams: Arc<Streams>, broken: mpsc::Sender<Broken>) -> Self {
        Self { streams, broken }
    }
}

impl Layer for Bridge {
    fn socket(&self, inner: Arc<dyn AsyncUdpSocket>, local: SocketAddr) -> Arc<dyn AsyncUdpSocket> {
        Arc::new(BridgedSocket::new(inner, local, Arc::clone(&self.streams), self.broken.clone()))
    }

    fn addresses(&self, host: &str) -> Option<Vec<SocketAddr>> {
        self.streams.addresses(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str) -> Target {
        Target { host: host.to_owned(), port: 3478, tls: None }
    }

    #[test]
    fn each_server_has_its_own_address_in_both_families_and_a_server_named_twice_only_one() {
        let mut streams = Streams::default();
        assert_eq!(streams.add(target("a")), "turn:turn-stream.invalid:1?transport=udp");
        assert_eq!(streams.add(target("b")), "turn:turn-stream.invalid:2?transport=udp");
        assert_eq!(streams.add(target("a")), "turn:turn-stream.invalid:1?transport=udp");
        for (number, host) in ["a", "b"].into_iter().enumerate() {
            let addresses = streams.addresses(&format!("turn-stream.invalid:{}", number + 1)).unwrap();
            assert_eq!(addresses.len(), 2);
            for address in addresses {
                assert_eq!(streams.target(address).map(|target| target.host.as_str()), Some(host));
            }
        }
        assert_eq!(streams.addresses("turn-stream.invalid:3"), None);
        assert!(streams.target("240.0.0.1:3".parse().unwrap()).is_none());
        assert!(streams.target("203.0.113.1:1".parse().unwrap()).is_none());
    }
}
