//! TURN over TCP and TLS, which the stack does not speak: it knows UDP sockets alone.
//!
//! Each server that is to be reached over a stream gets an address of its own that no network has, and the stack is told
//! to find it there over UDP. What the stack sends to that address from one of its sockets goes over a TCP or TLS
//! connection instead, opened with the first message from the same local address, so that an interface without a way to
//! the server is found out as it would be over UDP; what comes back appears to come from there.
//!
//! An allocation belongs to its connection (RFC 8656 section 3.1). When that breaks the next message opens a new one,
//! on which the server knows no allocation; the stack makes its next one when ICE restarts.

mod frames;
mod line;
mod socket;

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use webrtc::runtime::{AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime};

pub(crate) use self::frames::{Frames, append};
use self::socket::BridgedSocket;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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

/// The servers of one connection, numbered; the number makes the address.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams(Vec<Target>);

impl Streams {
    /// The url under which the stack finds the server; the number of servers is bounded by the caller's list.
    pub(super) fn add(&mut self, target: Target) -> String {
        let number = self.0.iter().position(|known| known.same_place(&target)).unwrap_or_else(|| {
            self.0.push(target);
            self.0.len() - 1
        });
        format!("turn:{}?transport=udp", name(number))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn addresses(&self, host: &str) -> Option<Vec<SocketAddr>> {
        let number = (0..self.0.len()).find(|&number| host == name(number))?;
        Some(vec![v4(number), v6(number)])
    }

    fn target(&self, address: SocketAddr) -> Option<&Target> {
        let number = usize::from(address.port()).checked_sub(1)?;
        [v4(number), v6(number)].contains(&address).then(|| self.0.get(number))?
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

/// Any runtime, with the addresses of [`Streams`] behind its sockets.
#[derive(Debug)]
pub(super) struct Bridged {
    inner: Arc<dyn Runtime>,
    streams: Arc<Streams>,
}

impl Bridged {
    pub(super) fn around(inner: Arc<dyn Runtime>, streams: Streams) -> Arc<dyn Runtime> {
        if streams.is_empty() { inner } else { Arc::new(Self { inner, streams: Arc::new(streams) }) }
    }
}

impl Runtime for Bridged {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(future)
    }

    fn spawn_reactor(&self, pool_size: usize, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn_reactor(pool_size, future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let local = socket.local_addr()?;
        let inner = self.inner.wrap_udp_socket(socket)?;
        Ok(Arc::new(BridgedSocket::new(inner, local, Arc::clone(&self.streams))))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp(&self, remote: SocketAddr) -> Boxed<'_, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.inner.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        match self.streams.addresses(host) {
            Some(addresses) => Box::pin(async { Ok(addresses) }),
            None => self.inner.resolve_host(host),
        }
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        self.inner.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.inner.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.inner.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        self.inner.yield_now()
    }

    fn name(&self) -> &'static str {
        self.inner.name()
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
