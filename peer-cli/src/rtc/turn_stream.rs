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
//!
//! Of two relays the one over UDP is the better, since a lost packet holds nothing up there (RFC 8445 section 5.1.2.2 asks
//! to prefer the path with less delay). The stack gives every relayed candidate the same priority, and of two pairs of one
//! priority it takes the one that it knew first. So the far end is told a lower priority for a relay over a stream, and the
//! stack hears from there a moment later where there is one over UDP, too.

mod frames;
mod line;
mod socket;

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
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

/// What a server over UDP has before one over a stream is heard: two round trips for its allocation, and one request
/// that is lost and repeated after 200 ms.
const HEAD_START: Duration = Duration::from_millis(300);

/// Of a candidate from a relay over a stream, where the stack says 65,535 for each (RFC 8445 section 5.1.2.1): below UDP,
/// and TLS with its second handshake below TCP.
const PREFERENCE_TCP: u32 = 0x7fff;
const PREFERENCE_TLS: u32 = 0x3fff;

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
    beside_udp: bool,
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

    /// There is a TURN server over UDP, too.
    pub(super) fn beside_udp(&mut self) {
        self.beside_udp = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The priority of a candidate from the server at this url; `None` for those that the stack ranks rightly.
    pub(super) fn priority(&self, url: &str, by_stack: u32) -> Option<u32> {
        let host = url.strip_prefix("turn:")?.split('?').next()?;
        let number = (0..self.targets.len()).find(|&number| host == name(number))?;
        let preference = if self.targets.get(number)?.tls.is_some() { PREFERENCE_TLS } else { PREFERENCE_TCP };
        Some((by_stack & 0xff00_00ff) | (preference << 8))
    }

    fn head_start(&self) -> Duration {
        if self.beside_udp { HEAD_START } else { Duration::ZERO }
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

    #[test]
    fn the_far_end_is_told_to_prefer_udp_to_tcp_and_tcp_to_tls() {
        /// As the stack has it for every relayed candidate.
        const RELAYED: u32 = (0xffff << 8) | 0xff;
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let mut streams = Streams::default();
        let tcp = streams.add(target("a"));
        let tls = streams.add(Target { tls: Some(Arc::new(tls)), ..target("a") });
        let [tcp, tls] = [tcp, tls].map(|url| streams.priority(&url, RELAYED).unwrap());
        assert!(RELAYED > tcp && tcp > tls, "{tcp:#x} {tls:#x}");
        for priority in [tcp, tls] {
            assert_eq!((priority >> 24, priority & 0xff), (0, 0xff), "type and component are the stack's");
        }
        for other in ["turn:a:3478?transport=udp", "turn:turn-stream.invalid:3?transport=udp", ""] {
            assert_eq!(streams.priority(other, RELAYED), None, "{other:?}");
        }
    }

    #[test]
    fn a_server_over_udp_has_a_head_start_and_a_stream_alone_waits_for_nobody() {
        let mut streams = Streams::default();
        streams.add(target("a"));
        assert_eq!(streams.head_start(), Duration::ZERO);
        streams.beside_udp();
        assert_eq!(streams.head_start(), HEAD_START);
    }
}
