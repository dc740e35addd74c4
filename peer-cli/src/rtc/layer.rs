//! A runtime around another one, of which it changes little: the stack takes a runtime, so what is to happen at its
//! sockets, its names or its timers is a layer of one.

use std::{
    fmt::Debug,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use webrtc::runtime::{AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime};

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is different; everything else is left to the runtime below.
pub(super) trait Layer: Debug + Send + Sync + 'static {
    /// A task of the stack, before it is started.
    fn task(&self, future: Boxed<'static, ()>) -> Boxed<'static, ()> {
        future
    }

    /// A UDP socket of the stack, bound to `local`.
    fn socket(&self, inner: Arc<dyn AsyncUdpSocket>, _local: SocketAddr) -> Arc<dyn AsyncUdpSocket> {
        inner
    }

    /// The addresses of a `HOST:PORT` that only this layer knows.
    fn addresses(&self, _host: &str) -> Option<Vec<SocketAddr>> {
        None
    }

    /// A pause of the stack.
    fn pause(&self, inner: &dyn Runtime, duration: Duration) -> Boxed<'static, ()> {
        inner.sleep(duration)
    }
}

/// A runtime with a layer around it.
pub(super) fn around(inner: Arc<dyn Runtime>, layer: impl Layer) -> Arc<dyn Runtime> {
    Arc::new(Layered { inner, layer })
}

#[derive(Debug)]
struct Layered<L> {
    inner: Arc<dyn Runtime>,
    layer: L,
}

impl<L: Layer> Runtime for Layered<L> {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(self.layer.task(future))
    }

    fn spawn_reactor(&self, pool_size: usize, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn_reactor(pool_size, self.layer.task(future))
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let local = socket.local_addr()?;
        Ok(self.layer.socket(self.inner.wrap_udp_socket(socket)?, local))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp(&self, remote: SocketAddr) -> Boxed<'_, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.inner.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        match self.layer.addresses(host) {
            Some(addresses) => Box::pin(async { Ok(addresses) }),
            None => self.inner.resolve_host(host),
        }
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        self.layer.pause(&*self.inner, duration)
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
