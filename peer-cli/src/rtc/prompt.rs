//! A runtime whose driver looks again before it sleeps.
//!
//! The stack's driver hands packets for the TURN relay to its TURN client *after* it has emptied that client's queue, and
//! then sleeps until something else wakes it: every relayed packet leaves one pass late, every answer to one two passes.
//! On a quiet connection that is tens of milliseconds, and more than a second for the DTLS handshake. So in the driver's
//! own task the first two sleeps after a real wake return at once. Its timers compare with the clock, so an early look
//! does nothing but look.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, default_runtime,
};

tokio::task_local! {
    /// Set in the driver's task alone: sleeps elsewhere are time limits and must last.
    static DRIVER: ();
}

/// Looks after each real wake.
const LOOKS: u8 = 2;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[derive(Debug)]
pub(super) struct Prompt {
    inner: Arc<dyn Runtime>,
    looks: Arc<AtomicU8>,
}

impl Prompt {
    /// Around the runtime that the stack would take by itself, where there is one.
    pub(super) fn around_default() -> Option<Arc<dyn Runtime>> {
        Some(Arc::new(Self { inner: default_runtime()?, looks: Arc::default() }))
    }
}

impl Runtime for Prompt {
    fn spawn(&self, future: Boxed<()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(Box::pin(DRIVER.scope((), future)))
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.inner.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        self.inner.connect_tcp(remote)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.inner.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        if DRIVER.try_with(|()| ()).is_err() {
            return self.inner.sleep(duration);
        }
        let look = self.looks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let timer: Boxed<()> = if look { Box::pin(ready(())) } else { self.inner.sleep(duration) };
        Box::pin(Nap { timer, look, over: false, looks: Arc::clone(&self.looks) })
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.inner.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.inner.block_on(future);
    }
}

/// One sleep of the driver.
struct Nap {
    timer: Boxed<()>,
    look: bool,
    over: bool,
    looks: Arc<AtomicU8>,
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.timer.as_mut().poll(cx);
        self.over |= polled.is_ready();
        polled
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        // Anything but a look that went its way was a real wake: a packet, an event, a timer.
        if !(self.look && self.over) {
            self.looks.store(LOOKS, Ordering::Relaxed);
        }
    }
}
