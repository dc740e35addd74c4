//! What other threads send a worker: connections, packets from other workers' allocations, and the word to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use mio::Waker;
use tracing::debug;

use super::streams::Accepted;

/// Connections that may wait.
const CONNECTIONS: usize = 1024;
/// Packets that may wait.
const PARCELS: usize = 512;
/// Bytes of a parcel's buffer that are kept for the next packet.
const KEPT: usize = 4096;

/// A packet from one allocation to another.
#[derive(Debug)]
pub(super) struct Parcel {
    /// The sender's relayed address.
    pub(super) from: SocketAddr,
    /// The receiver's relayed address.
    pub(super) to: SocketAddr,
    pub(super) payload: Vec<u8>,
}

/// The way to one worker, for any thread.
#[derive(Debug, Clone)]
pub(super) struct Mailbox {
    connections: Sender<Accepted>,
    parcels: Sender<Parcel>,
    /// Empty parcels, to be filled again: a packet on its way costs no memory of its own.
    empty: Receiver<Parcel>,
    bell: Bell,
}

/// The worker's end of it.
#[derive(Debug)]
pub(super) struct Inbox {
    connections: Receiver<Accepted>,
    parcels: Receiver<Parcel>,
    empty: Sender<Parcel>,
    bell: Bell,
}

/// Wakes a worker once for all that came since it last looked, and tells it to stop.
#[derive(Debug, Clone)]
struct Bell {
    waker: Arc<Waker>,
    rung: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

/// A mailbox, and the inbox it leads to. `siblings` tells whether there are workers to send packets.
pub(super) fn mailbox(waker: Waker, siblings: bool) -> (Mailbox, Inbox) {
    let bell = Bell { waker: Arc::new(waker), rung: Arc::default(), stop: Arc::default() };
    let (connections, connections_out) = bounded(CONNECTIONS);
    let (parcels, parcels_out) = bounded(PARCELS);
    let (empty, empty_out) = bounded(PARCELS);
    if siblings {
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        for _ in 0..PARCELS {
            // There is room for exactly these.
            let _ = empty.try_send(Parcel { from: nobody, to: nobody, payload: Vec::new() });
        }
    }
    let inbox = Inbox { connections: connections_out, parcels: parcels_out, empty, bell: bell.clone() };
    (Mailbox { connections, parcels, empty: empty_out, bell }, inbox)
}

impl Mailbox {
    /// Hands over a connection; false when the worker is far behind or gone, and the connection is closed.
    #[must_use]
    pub(super) fn serve(&self, accepted: Accepted) -> bool {
        let sent = self.connections.try_send(accepted).is_ok();
        self.bell.ring();
        sent
    }

    /// Has the worker end every allocation and stop.
    pub(super) fn stop(&self) {
        self.bell.stop.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    /// Sends a packet; false when it was dropped.
    #[must_use]
    pub(super) fn post(&self, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> bool {
        let Ok(mut parcel) = self.empty.try_recv() else {
            return false;
        };
        parcel.from = from;
        parcel.to = to;
        parcel.payload.clear();
        parcel.payload.extend_from_slice(payload);
        let sent = self.parcels.try_send(parcel).is_ok();
        self.bell.ring();
        sent
    }
}

impl Inbox {
    /// Call it before looking for anything: what comes later rings again.
    pub(super) fn hear(&self) {
        self.bell.rung.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.bell.stop.load(Ordering::SeqCst)
    }

    pub(super) fn next_connection(&self) -> Option<Accepted> {
        self.connections.try_recv().ok()
    }

    pub(super) fn next_parcel(&self) -> Option<Parcel> {
        self.parcels.try_recv().ok()
    }

    /// Gives a parcel back, to be filled again.
    pub(super) fn give_back(&self, mut parcel: Parcel) {
        parcel.payload.clear();
        parcel.payload.shrink_to(KEPT);
        // There is room for as many as there are.
        let _ = self.empty.try_send(parcel);
    }
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            debug!(%error, "a worker cannot be woken");
        }
    }
}
