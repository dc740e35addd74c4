//! A wire between clients and a TURN relay that delays and drops what it is told to, and counts what it did.
//!
//! It sees what a middlebox sees: STUN, the kind of each datagram inside channel data and indications (RFC 7983), and the
//! RTP header, which SRTP leaves in clear. What it counted is the known value that measurements are compared with.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

mod kind;

use kind::classify;

use crate::now;

pub use kind::{Kind, Rtp};

/// How often a thread that waits looks whether it is time to go.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The largest datagram there is.
const LARGEST: usize = 65_536;

/// The wire. Each client has a socket of its own towards the relay, so the relay tells them apart as before.
#[derive(Debug)]
pub struct Impair {
    address: SocketAddr,
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
    /// Whose it is: the place in the order in which clients came, from 0.
    pub client: usize,
    /// Which way it goes.
    pub way: Way,
    /// What it is.
    pub kind: Kind,
    /// Its RTP header, where it has one.
    pub rtp: Option<Rtp>,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes on at once.
    Pass,
    /// It goes on after this time.
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
    /// Opens a wire to `target`; `rule` says what becomes of each datagram.
    pub fn to(target: SocketAddr, rule: impl FnMut(&Packet) -> Fate + Send + 'static) -> Self {
        let front = bind();
        let address = front.local_addr().expect("a socket has an address");
        let wire = Arc::new(Wire {
            target,
            front,
            rule: Mutex::new(Box::new(rule)),
            clients: Mutex::default(),
            counts: Mutex::default(),
            delayed: Mutex::default(),
            changed: Condvar::new(),
            numbers: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        });
        let threads = [Wire::take_from_clients as fn(&Arc<Wire>), Wire::deliver].map(|work| {
            let wire = Arc::clone(&wire);
            thread::spawn(move || work(&wire))
        });
        Self { address, wire, threads: threads.into() }
    }

    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.address
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
        let readers = lock(&self.wire.clients).drain(..).map(|client| client.reader).collect::<Vec<_>>();
        for thread in self.threads.drain(..).chain(readers) {
            // A panic in it was shown when it happened.
            let _ = thread.join();
        }
    }
}

struct Wire {
    target: SocketAddr,
    /// Where clients send to.
    front: UdpSocket,
    rule: Mutex<Rule>,
    clients: Mutex<Vec<Client>>,
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
        f.debug_struct("Wire").field("target", &self.target).field("front", &self.front).finish_non_exhaustive()
    }
}

struct Client {
    address: SocketAddr,
    /// What it sends leaves from here, and what is for it comes here.
    back: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

/// Ordered by its time; equal times keep the order in which they came.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Delayed {
    due: Instant,
    number: u64,
    way: Way,
    client: usize,
    bytes: Vec<u8>,
}

impl Wire {
    fn take_from_clients(self: &Arc<Self>) {
        self.take_from(&self.front, |from, bytes| {
            let client = self.client(from);
            self.judge(client, Way::Up, bytes);
        });
    }

    /// Whose address it is; a new client gets its socket here.
    fn client(self: &Arc<Self>, address: SocketAddr) -> usize {
        let mut clients = lock(&self.clients);
        if let Some(known) = clients.iter().position(|client| client.address == address) {
            return known;
        }
        let number = clients.len();
        let back = bind();
        back.connect(self.target).expect("a relay on this machine has a route");
        let back = Arc::new(back);
        let (wire, socket) = (Arc::clone(self), Arc::clone(&back));
        let reader = thread::spawn(move || wire.take_from(&socket, |_, bytes| wire.judge(number, Way::Down, bytes)));
        clients.push(Client { address, back, reader });
        number
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

    fn judge(&self, client: usize, way: Way, bytes: &[u8]) {
        let came = now();
        let (kind, rtp) = classify(bytes);
        let fate = (*lock(&self.rule))(&Packet { client, way, kind, rtp });
        {
            let mut counts = lock(&self.counts);
            let count = counts.entry(Lane { client, way, kind }).or_default();
            match fate {
                Fate::Pass | Fate::Delay(_) => count.forwarded += 1,
                Fate::Drop => count.dropped += 1,
            }
        }
        match fate {
            Fate::Pass => self.send(client, way, bytes),
            Fate::Delay(time) => {
                let number = self.numbers.fetch_add(1, Ordering::Relaxed);
                let delayed = Delayed { due: came + time, number, way, client, bytes: bytes.to_vec() };
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
                if let Some(Reverse(Delayed { client, way, bytes, .. })) = next {
                    self.send(client, way, &bytes);
                }
                delayed = lock(&self.delayed);
            } else {
                let waited = self.changed.wait_timeout(delayed, wait.min(LOOK_EVERY));
                delayed = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn send(&self, client: usize, way: Way, bytes: &[u8]) {
        let (address, back) = match lock(&self.clients).get(client) {
            Some(client) => (client.address, Arc::clone(&client.back)),
            None => return,
        };
        // What the system does not take is lost, as on any wire; the tests that count have room enough.
        let _ = match way {
            Way::Up => back.send(bytes),
            Way::Down => self.front.send_to(bytes, address),
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
