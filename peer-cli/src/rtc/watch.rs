//! The stack's sockets, with a look at the connectivity checks and the DTLS alerts that pass through them.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, Transmit,
};

use super::{
    alerts::Alert,
    checks::{Checks, Frame},
    events::{Shared, lock},
    hasty::Hasty,
};
use crate::clock;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Any runtime, with its UDP sockets watched.
#[derive(Debug)]
pub(super) struct Watching {
    inner: Arc<dyn Runtime>,
    checks: Arc<Mutex<Checks>>,
    hasty: Option<Arc<Mutex<Hasty>>>,
    shared: Weak<Shared>,
}

impl Watching {
    /// `relay_only`: no path can be better than a relay, so that there is nothing to wait for.
    pub(super) fn around(inner: Arc<dyn Runtime>, shared: &Arc<Shared>, relay_only: bool) -> Arc<dyn Runtime> {
        let hasty = (!relay_only).then(Arc::default);
        Arc::new(Self { inner, checks: Arc::clone(shared.checks()), hasty, shared: Arc::downgrade(shared) })
    }
}

impl Runtime for Watching {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(future)
    }

    fn spawn_reactor(&self, pool_size: usize, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn_reactor(pool_size, future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let local = socket.local_addr()?;
        let inner = self.inner.wrap_udp_socket(socket)?;
        let (checks, shared) = (Arc::clone(&self.checks), Weak::clone(&self.shared));
        Ok(Arc::new(WatchedSocket { inner, local, checks, hasty: self.hasty.clone(), shared }))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp(&self, remote: SocketAddr) -> Boxed<'_, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.inner.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        self.inner.resolve_host(host)
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

#[derive(Debug)]
struct WatchedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    local: SocketAddr,
    checks: Arc<Mutex<Checks>>,
    hasty: Option<Arc<Mutex<Hasty>>>,
    shared: Weak<Shared>,
}

impl WatchedSocket {
    fn may_leave(&self, to: SocketAddr, datagram: &[u8]) -> bool {
        Frame::of(datagram).is_none_or(|frame| lock(&self.checks).may_leave(clock::now(), self.local, to, frame))
    }

    fn is_too_early(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        self.hasty.as_ref().is_some_and(|hasty| lock(hasty).is_too_early(clock::now(), from, datagram))
    }

    fn sent(&self, to: SocketAddr, datagram: &[u8]) {
        if let Some(frame) = Frame::of(datagram) {
            lock(&self.checks).sent(clock::now(), self.local, to, frame);
        }
        self.look_for_alert(to, true, datagram);
    }

    fn received(&self, from: SocketAddr, datagram: &[u8]) {
        if let Some(frame) = Frame::of(datagram) {
            lock(&self.checks).received(clock::now(), self.local, from, frame);
        }
        self.look_for_alert(from, false, datagram);
    }

    fn look_for_alert(&self, far: SocketAddr, by_us: bool, datagram: &[u8]) {
        if let Some(alert) = Alert::of(datagram)
            && let Some(shared) = self.shared.upgrade()
        {
            shared.alert(self.local, far, by_us, alert);
        }
    }
}

impl AsyncUdpSocket for WatchedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        if size >= transmit.contents.len() && !self.may_leave(transmit.destination, transmit.contents) {
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        let polled = self.inner.poll_send(cx, transmit);
        if matches!(polled, Poll::Ready(Ok(_))) {
            for datagram in transmit.contents.chunks(size.max(1)) {
                self.sent(transmit.destination, datagram);
            }
        }
        polled
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let polled = loop {
            let polled = self.inner.poll_recv(cx, bufs, meta);
            // The stack takes one at a time.
            if let (Poll::Ready(Ok(1)), [buf, ..], [meta, ..]) = (&polled, &*bufs, &*meta)
                && self.is_too_early(meta.addr, buf.get(..meta.len).unwrap_or_default())
            {
                continue;
            }
            break polled;
        };
        if let Poll::Ready(Ok(count)) = &polled {
            for (buf, meta) in bufs.iter().zip(meta.iter()).take(*count) {
                let came = buf.get(..meta.len).unwrap_or_default();
                for datagram in came.chunks(meta.stride.max(1)) {
                    self.received(meta.addr, datagram);
                }
            }
        }
        polled
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}
