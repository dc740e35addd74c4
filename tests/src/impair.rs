//! A wire between clients and a TURN relay that delays and drops what it is told to, and counts what it did.
//!
//! Each client has an entrance of its own, so whose datagrams are whose is known before the first one comes. The wire
//! sees what a middlebox sees: STUN, the kind of each datagram inside channel data and indications (RFC 7983), and the
//! headers of RTP and RTCP, which SRTP leaves in clear. What it counted is the known value that measurements are
//! compared with.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

mod kind;
mod narrow;

use kind::{Found, classify};

use crate::now;

pub use kind::{Kind, Rtcp, Rtp};
pub use narrow::Narrow;

/// How often a thread that waits looks whether it is time to go.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The largest datagram there is.
const LARGEST: usize = 65_536;

/// The wire. Each socket of a client has one of its own towards the relay, so the relay tells them apart as before.
#[derive(Debug)]
pub struct Impair {
    entrances: Vec<SocketAddr>,
    wire: Arc<Wire>,
    threads: Vec<JoinHandle<()>>,
}

/// Which way a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From a client to the relay.
    Up,
    /// From the relay to a client.
    Down,
}

/// One datagram on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Whose it is: the number of the entrance that the client uses, from 0.
    pub client: usize,
    /// Which way it goes.
    pub way: Way,
    /// When it came to the wire. What one socket sends, or gets, comes in the order of its times.
    pub at: Instant,
    /// Its length in bytes, without the headers of UDP and IP.
    pub length: usize,
    /// What it is.
    pub kind: Kind,
    /// Its RTP header, where it has one.
    pub rtp: Option<Rtp>,
    /// What is to be seen of it where it is RTCP.
    pub rtcp: Option<Rtcp>,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes on at once.
    Pass,
    /// It goes on after this time, and never before what came earlier and was to go at the same time. No time at all is
    /// not the same as [`Fate::Pass`], which may overtake what is still waiting.
    Delay(Duration),
    /// It is lost.
    Drop,
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// Whose datagrams.
    pub client: usize,
    /// Which way.
    pub way: Way,
    /// Of which kind.
    pub kind: Kind,
}

/// How many datagrams there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Those that went on.
    pub forwarded: u64,
    /// Those that were lost here.
    pub dropped: u64,
}

/// All counts.
pub type Counts = BTreeMap<Lane, Count>;

type Rule = Box<dyn FnMut(&Packet) -> Fate + Send>;

impl Impair {
    /// Opens a wire to `target` for so many `clients`; `rule` says what becomes of each datagram.
    pub fn to(target: SocketAddr, clients: usize, rule: impl FnMut(&Packet) -> Fate + Send + 'static) -> Self {
        let fronts: Vec<UdpSocket> = (0..clients).map(|_| bind()).collect();
        let entrances = fronts.iter().map(|front| front.local_addr().expect("a socket has an address")).collect();
        let wire = Arc::new(Wire {
            target,
            fronts,
            rule: Mutex::new(Box::new(rule)),
            sockets: Mutex::default(),
            counts: Mutex::default(),
            delayed: Mutex::default(),
            changed: Condvar::new(),
            numbers: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        });
        let mut threads: Vec<_> = (0..clients)
            .map(|client| {
                let wire = Arc::clone(&wire);
                thread::spawn(move || wire.take_from_client(client))
            })
            .collect();
        let deliverer = Arc::clone(&wire);
        threads.push(thread::spawn(move || deliverer.deliver()));
        Self { entrances, wire, threads }
    }

    /// Where the client with this number sends to.
    pub fn address(&self, client: usize) -> SocketAddr {
        self.entrances[client]
    }

    /// Judges by another rule from now on.
    pub fn set_rule(&self, rule: impl FnMut(&Packet) -> Fate + Send + 'static) {
        *lock(&self.wire.rule) = Box::new(rule);
    }

    /// What went on and what was lost so far.
    pub fn counts(&self) -> Counts {
        lock(&self.wire.counts).clone()
    }

    /// The same for all lanes that `belongs` says.
    pub fn count(&self, belongs: impl Fn(&Lane) -> bool) -> Count {
        let counts = self.counts();
        counts.iter().filter(|(lane, _)| belongs(lane)).fold(Count::default(), |sum, (_, count)| Count {
            forwarded: sum.forwarded + count.forwarded,
            dropped: sum.dropped + count.dropped,
        })
    }
}

impl Drop for Impair {
    fn drop(&mut self) {
        self.wire.closing.store(true, Ordering::Release);
        self.wire.changed.notify_all();
        let readers = lock(&self.wire.sockets).drain(..).map(|socket| socket.reader).collect::<Vec<_>>();
        for thread in self.threads.drain(..).chain(readers) {
            // A panic in it was shown when it happened.
            let _ = thread.join();
        }
    }
}

struct Wire {
    target: SocketAddr,
    /// Where each client sends to.
    fronts: Vec<UdpSocket>,
    rule: Mutex<Rule>,
    sockets: Mutex<Vec<Socket>>,
    counts: Mutex<Counts>,
    /// What waits for its time, the earliest first.
    delayed: Mutex<BinaryHeap<Reverse<Delayed>>>,
    changed: Condvar,
    /// How many were delayed so far.
    numbers: AtomicU64,
    closing: AtomicBool,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("target", &self.target).field("fronts", &self.fronts).finish_non_exhaustive()
    }
}

/// A socket of a client.
struct Socket {
    client: usize,
    address: SocketAddr,
    /// What it sends leaves from here, and what is for it comes here.
    back: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

/// Whose datagram it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    client: usize,
    /// The place of its socket among all.
    socket: usize,
}

/// Ordered by its time; equal times keep the order in which they came.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Delayed {
    due: Instant,
    number: u64,
    way: Way,
    owner: Owner,
    bytes: Vec<u8>,
}

impl Wire {
    fn take_from_client(self: &Arc<Self>, client: usize) {
        self.take_from(&self.fronts[client], |from, bytes| {
            let owner = self.owner(client, from);
            self.judge(owner, Way::Up, bytes);
        });
    }

    /// Whose address it is; a new one gets its socket here.
    fn owner(self: &Arc<Self>, client: usize, address: SocketAddr) -> Owner {
        let mut sockets = lock(&self.sockets);
        if let Some(socket) = sockets.iter().position(|known| (known.client, known.address) == (client, address)) {
            return Owner { client, socket };
        }
        let owner = Owner { client, socket: sockets.len() };
        let back = bind();
        back.connect(self.target).expect("a relay on this machine has a route");
        let back = Arc::new(back);
        let (wire, socket) = (Arc::clone(self), Arc::clone(&back));
        let reader = thread::spawn(move || wire.take_from(&socket, |_, bytes| wire.judge(owner, Way::Down, bytes)));
        sockets.push(Socket { client, address, back, reader });
        owner
    }

    /// Reads until the end.
    fn take_from(&self, socket: &UdpSocket, mut take: impl FnMut(SocketAddr, &[u8])) {
        let mut buffer = vec![0; LARGEST];
        while !self.is_closing() {
            // A limit that is over, or word that nobody listens at the other end: neither is a datagram.
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                take(from, &buffer[..length]);
            }
        }
    }

    fn judge(&self, owner: Owner, way: Way, bytes: &[u8]) {
        let (at, client) = (now(), owner.client);
        let Found { kind, rtp, rtcp } = classify(bytes);
        let fate = (*lock(&self.rule))(&Packet { client, way, at, length: bytes.len(), kind, rtp, rtcp });
        {
            let mut counts = lock(&self.counts);
            let count = counts.entry(Lane { client, way, kind }).or_default();
            match fate {
                Fate::Pass | Fate::Delay(_) => count.forwarded += 1,
                Fate::Drop => count.dropped += 1,
            }
        }
        match fate {
            Fate::Pass => self.send(owner, way, bytes),
            Fate::Delay(time) => {
                let number = self.numbers.fetch_add(1, Ordering::Relaxed);
                let delayed = Delayed { due: at + time, number, way, owner, bytes: bytes.to_vec() };
                lock(&self.delayed).push(Reverse(delayed));
                self.changed.notify_all();
            }
            Fate::Drop => {}
        }
    }

    /// Sends what was delayed, each at its time.
    fn deliver(self: &Arc<Self>) {
        let mut delayed = lock(&self.delayed);
        while !self.is_closing() {
            let wait = delayed.peek().map_or(LOOK_EVERY, |Reverse(next)| next.due.saturating_duration_since(now()));
            if wait.is_zero() {
                let next = delayed.pop();
                drop(delayed);
                if let Some(Reverse(Delayed { owner, way, bytes, .. })) = next {
                    self.send(owner, way, &bytes);
                }
                delayed = lock(&self.delayed);
            } else {
                let waited = self.changed.wait_timeout(delayed, wait.min(LOOK_EVERY));
                delayed = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn send(&self, Owner { client, socket }: Owner, way: Way, bytes: &[u8]) {
        let (address, back) = match lock(&self.sockets).get(socket) {
            Some(socket) => (socket.address, Arc::clone(&socket.back)),
            None => return,
        };
        // What the system does not take is lost, as on any wire; the tests that count have room enough.
        let _ = match way {
            Way::Up => back.send(bytes),
            Way::Down => self.fronts[client].send_to(bytes, address),
        };
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

fn bind() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    socket.set_read_timeout(Some(LOOK_EVERY)).expect("a limit is set");
    socket
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
