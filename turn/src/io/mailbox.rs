//! What other threads send a worker: connections, packets from other workers' allocations, and the word to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use mio::Waker;
use tracing::debug;

use super::streams::Accepted;

/// Connections that may wait.
const CONNECTIONS: usize = 1024;
/// Packets that may wait.
const PARCELS: usize = 4096;
/// Once half of them do, no allocation may have more than this many waiting.
const SHARE: u16 = 256;
/// Bytes that may wait in all.
const BYTES: usize = 8 << 20;
/// Bytes of a parcel's buffer that are kept for the next packet.
const KEPT: usize = 2048;
/// There are no more ports than this.
const ALL_PORTS: usize = 1 << 16;

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
    waiting: Waiting,
    bell: Bell,
}

/// The worker's end of it.
#[derive(Debug)]
pub(super) struct Inbox {
    connections: Receiver<Accepted>,
    parcels: Receiver<Parcel>,
    empty: Sender<Parcel>,
    waiting: Waiting,
    bell: Bell,
}

/// What waits, in all and for each allocation, so that one that is flooded does not take the room of the others.
#[derive(Debug, Clone)]
struct Waiting {
    bytes: Arc<AtomicUsize>,
    /// Packets by the port of the relayed address they go to. Empty where there is nobody to send any.
    by_port: Arc<[AtomicU16]>,
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
    let mut waiting = Vec::new();
    if siblings {
        waiting.resize_with(ALL_PORTS, AtomicU16::default);
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        for _ in 0..PARCELS {
            // There is room for exactly these.
            let _ = empty.try_send(Parcel { from: nobody, to: nobody, payload: Vec::new() });
        }
    }
    let waiting = Waiting { bytes: Arc::default(), by_port: waiting.into() };
    let inbox = Inbox {
        connections: connections_out,
        parcels: parcels_out,
        empty,
        waiting: waiting.clone(),
        bell: bell.clone(),
    };
    (Mailbox { connections, parcels, empty: empty_out, waiting, bell }, inbox)
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
        let Some(waiting) = self.waiting.by_port.get(usize::from(to.port())) else {
            return false;
        };
        let bytes = self.waiting.bytes.load(Ordering::Relaxed);
        let is_crowded = self.empty.len() < PARCELS / 2 || bytes >= BYTES / 2;
        if is_crowded && waiting.load(Ordering::Relaxed) >= SHARE || bytes.saturating_add(payload.len()) > BYTES {
            return false;
        }
        let Ok(mut parcel) = self.empty.try_recv() else {
            return false;
        };
        waiting.fetch_add(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_add(payload.len(), Ordering::Relaxed);
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
        if let Some(waiting) = self.waiting.by_port.get(usize::from(parcel.to.port())) {
            waiting.fetch_sub(1, Ordering::Relaxed);
            self.waiting.bytes.fetch_sub(parcel.payload.len(), Ordering::Relaxed);
        }
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
            // The next one tries again.
            self.rung.store(false, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use mio::{Poll, Token};

    use super::*;

    #[test]
    fn flooded_allocation_leaves_room_for_the_others() {
        let poll = Poll::new().unwrap();
        let (mailbox, inbox) = mailbox(Waker::new(poll.registry(), Token(0)).unwrap(), true);
        let (sender, flooded, other) = (at(1), at(2), at(3));
        let taken = (0..2 * PARCELS).filter(|_| mailbox.post(sender, flooded, b"x")).count();
        assert!((PARCELS / 2..=PARCELS / 2 + 1).contains(&taken), "{taken}");
        assert!(mailbox.post(sender, other, b"y"));
        // Read, it may have more again; and nothing of it is left in the books.
        while let Some(parcel) = inbox.next_parcel() {
            inbox.give_back(parcel);
        }
        assert!(mailbox.post(sender, flooded, b"x"));
        inbox.give_back(inbox.next_parcel().unwrap());
        assert!(mailbox.waiting.by_port.iter().all(|waiting| waiting.load(Ordering::Relaxed) == 0));
        assert_eq!(mailbox.waiting.bytes.load(Ordering::Relaxed), 0);
        assert_eq!(inbox.empty.len(), PARCELS);
    }

    #[test]
    fn large_packets_take_no_more_than_the_bytes_there_are() {
        let poll = Poll::new().unwrap();
        let (mailbox, _inbox) = mailbox(Waker::new(poll.registry(), Token(0)).unwrap(), true);
        let large = vec![0; 64_000];
        let taken = (0..PARCELS).filter(|port| mailbox.post(at(1), at(*port as u16 + 2), &large)).count();
        assert_eq!(taken, BYTES / large.len());
    }

    #[test]
    fn bell_that_was_heard_rings_again() {
        let mut poll = Poll::new().unwrap();
        let (mailbox, inbox) = mailbox(Waker::new(poll.registry(), Token(7)).unwrap(), true);
        let mut events = mio::Events::with_capacity(4);
        for _ in 0..3 {
            assert!(mailbox.post(at(1), at(2), b"x"));
            assert!(mailbox.post(at(1), at(2), b"x"));
            poll.poll(&mut events, None).unwrap();
            assert_eq!(events.iter().map(mio::event::Event::token).collect::<Vec<_>>(), [Token(7)]);
            inbox.hear();
        }
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }
}
