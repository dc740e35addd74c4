//! What the brain decided, carried out: packets sent or queued, relay sockets opened and closed.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use tokio::net::UdpSocket;
use tracing::debug;

use super::{Inner, RelaySocket, Shared, clock, udp};
use crate::relay::{ClientAddr, Decision, Family, Now, OpenFailure, Output, PortHint, RelayId, Transport};

/// Zero bytes to fill a frame up to four.
static PADDING: [u8; 3] = [0; 3];

impl Shared {
    fn deliver_from_peer(&self, relay: RelayId, from: SocketAddr, payload: &[u8]) {
        let now = clock();
        let mut inner = self.lock();
        let decision = inner.core.handle_peer(now.mono, relay, from, payload);
        self.pass_on(inner, decision);
    }

    /// Sends a packet where the brain said; gives the lock back before the system call.
    pub(super) fn pass_on(&self, inner: MutexGuard<'_, Inner>, decision: Decision<'_>) {
        match decision {
            Decision::Done => {}
            Decision::ToPeer { relay, to, payload } => {
                let socket = inner.relays.get(&relay).map(|open| Arc::clone(&open.socket));
                drop(inner);
                self.count(socket.is_some_and(|socket| udp::send(&socket, to, &[IoSlice::new(payload)])));
            }
            Decision::ToClient { to, head, payload, padding } => {
                let padding = &PADDING[..padding.min(PADDING.len())];
                let parts = [head.as_bytes(), payload, padding];
                match to.transport {
                    Transport::Udp => {
                        drop(inner);
                        self.count(self.send(to, &parts.map(IoSlice::new)));
                    }
                    Transport::Tcp | Transport::Tls => {
                        self.count(inner.streams.get(&to).is_some_and(|open| open.queue.push_data(&parts)));
                    }
                }
            }
        }
    }

    /// Counts a packet that the brain passed on and that went no further.
    fn count(&self, sent: bool) {
        if !sent {
            self.counters.dropped();
        }
    }

    /// Sends a datagram to a client, from the address it came to; false when it was not sent.
    fn send(&self, to: ClientAddr, parts: &[IoSlice<'_>]) -> bool {
        let wildcard = Family::of(to.local.ip()).wildcard();
        let listener =
            self.listeners.get(&to.local).or_else(|| self.listeners.get(&SocketAddr::new(wildcard, to.local.port())));
        listener.is_some_and(|listener| listener.send(to.local.ip(), to.remote, parts))
    }

    /// Drains the brain's outputs, and arms the timer again when they moved the next deadline.
    pub(super) fn carry_out(self: &Arc<Self>, inner: &mut Inner, now: Now) {
        while let Some(output) = inner.core.poll_output() {
            match output {
                Output::Send { to, bytes } => {
                    let sent = match to.transport {
                        Transport::Udp => self.send(to, &[IoSlice::new(&bytes)]),
                        Transport::Tcp | Transport::Tls => {
                            inner.streams.get(&to).is_some_and(|open| open.queue.push_answer(bytes))
                        }
                    };
                    if !sent {
                        debug!("an answer was not sent");
                    }
                }
                Output::OpenRelaySocket { relay, bind, towards, port } => {
                    match self.open(inner, now.mono, relay, (bind, towards), port) {
                        Ok(local) => inner.core.allocation_opened(now.mono, relay, local),
                        Err(failure) => inner.core.allocation_failed(now.mono, relay, failure),
                    }
                }
                Output::CloseRelaySocket { relay } => {
                    if let Some(open) = inner.relays.remove(&relay) {
                        inner.ports.release(open.local);
                    }
                }
            }
        }
        let deadline = inner.core.poll_timeout();
        if deadline != inner.deadline {
            inner.deadline = deadline;
            self.rearm.notify_one();
        }
    }

    fn open(
        self: &Arc<Self>,
        inner: &mut Inner,
        now: Instant,
        relay: RelayId,
        (bind, towards): (IpAddr, SocketAddr),
        port: PortHint,
    ) -> Result<SocketAddr, OpenFailure> {
        let opened = inner.ports.open(now, bind, towards, port)?;
        if let (PortHint::EvenAndNext { next }, Some((socket, local))) = (port, opened.next) {
            self.start(inner, next, socket, local);
        }
        self.start(inner, relay, opened.socket, opened.local);
        Ok(opened.local)
    }

    fn start(self: &Arc<Self>, inner: &mut Inner, relay: RelayId, socket: UdpSocket, local: SocketAddr) {
        let socket = Arc::new(socket);
        let (shared, receiver) = (Arc::clone(self), Arc::clone(&socket));
        let task = inner.spawn(async move {
            udp::receive(&receiver, |from, payload| {
                shared.deliver_from_peer(relay, from, payload);
            })
            .await;
        });
        inner.relays.insert(relay, RelaySocket { socket, local, task });
    }
}
