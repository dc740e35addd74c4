//! A UDP socket behind which some addresses are streams.

use std::{
    collections::BTreeMap,
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle};
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::{
    Broken, Streams,
    line::{Came, Connection, WAITING},
};
use crate::rtc::events::lock;

#[derive(Debug)]
pub(super) struct BridgedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    local: SocketAddr,
    streams: Arc<Streams>,
    lines: Mutex<BTreeMap<SocketAddr, Line>>,
    came: Mutex<mpsc::Receiver<Came>>,
    to_stack: mpsc::Sender<Came>,
    broken: mpsc::Sender<Broken>,
    /// Which of both is asked first, turn by turn: neither may starve the other.
    stream_first: AtomicBool,
}

/// The way to one server.
#[derive(Debug)]
struct Line {
    messages: mpsc::Sender<Bytes>,
    task: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl BridgedSocket {
    pub(super) fn new(
        inner: Arc<dyn AsyncUdpSocket>,
        local: SocketAddr,
        streams: Arc<Streams>,
        broken: mpsc::Sender<Broken>,
    ) -> Self {
        let (to_stack, came) = mpsc::channel(WAITING);
        Self {
            inner,
            local,
            streams,
            lines: Mutex::default(),
            came: Mutex::new(came),
            to_stack,
            broken,
            stream_first: AtomicBool::new(false),
        }
    }

    /// Hands a datagram to the stream behind an address; false when there is none.
    fn send_over_stream(&self, transmit: &Transmit<'_>) -> bool {
        let Some(target) = self.streams.target(transmit.destination) else { return false };
        let mut lines = lock(&self.lines);
        let line = lines.entry(transmit.destination).or_insert_with(|| {
            let (messages, from_stack) = mpsc::channel(WAITING);
            let connection = Connection {
                target: target.clone(),
                local: self.local,
                appears: transmit.destination,
                held_for: self.streams.head_start(),
                to_stack: self.to_stack.clone(),
                broken: self.broken.clone(),
            };
            Line { messages, task: tokio::spawn(connection.run(from_stack)) }
        });
        let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for datagram in transmit.contents.chunks(size) {
            // Full: dropped, as by the queue of an interface.
            let _ = line.messages.try_send(Bytes::copy_from_slice(datagram));
        }
        true
    }

    fn poll_streams(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buf), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else { return Poll::Ready(Ok(0)) };
        loop {
            match lock(&self.came).poll_recv(cx) {
                Poll::Ready(Some((from, message))) => {
                    let Some(room) = buf.get_mut(..message.len()) else {
                        tracing::debug!(length = message.len(), "a message longer than any datagram was dropped");
                        continue;
                    };
                    room.copy_from_slice(&message);
                    *meta = RecvMeta::default();
                    meta.addr = from;
                    meta.len = message.len();
                    meta.stride = message.len().max(1);
                    return Poll::Ready(Ok(1));
                }
                // We hold a sender ourselves, so it does not end.
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl AsyncUdpSocket for BridgedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if self.send_over_stream(transmit) {
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        self.inner.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.stream_first.fetch_xor(true, Ordering::Relaxed) {
            match self.poll_streams(cx, bufs, meta) {
                Poll::Ready(came) => Poll::Ready(came),
                Poll::Pending => self.inner.poll_recv(cx, bufs, meta),
            }
        } else {
            match self.inner.poll_recv(cx, bufs, meta) {
                Poll::Ready(came) => Poll::Ready(came),
                Poll::Pending => self.poll_streams(cx, bufs, meta),
            }
        }
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}
