//! The stack's sockets, with a look at the connectivity checks and the DTLS alerts that pass through them.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll},
};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::{
    alerts::Alert,
    checks::{Checks, Frame},
    events::{Shared, lock},
    hasty::Hasty,
    layer::Layer,
};
use crate::clock;

/// A look at every UDP socket.
#[derive(Debug)]
pub(super) struct Watching {
    checks: Arc<Mutex<Checks>>,
    hasty: Option<Arc<Mutex<Hasty>>>,
    shared: Weak<Shared>,
}

impl Watching {
    /// `relay_only`: no path can be better than a relay, so that there is nothing to wait for.
    pub(super) fn new(shared: &Arc<Shared>, relay_only: bool) -> Self {
        let hasty = (!relay_only).then(|| Arc::clone(shared.hasty()));
        Self { checks: Arc::clone(shared.checks()), hasty, shared: Arc::downgrade(shared) }
    }
}

impl Layer for Watching {
    fn socket(&self, inner: Arc<dyn AsyncUdpSocket>, local: SocketAddr) -> Arc<dyn AsyncUdpSocket> {
        let (checks, shared) = (Arc::clone(&self.checks), Weak::clone(&self.shared));
        Arc::new(WatchedSocket { inner, local, checks, hasty: self.hasty.clone(), shared })
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
