//! The thread that receives: takes packets from all sinks in batches and counts them.

use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, recvmmsg, recvmsg};

use super::histogram::Histogram;
use super::session::{Flow, HEADER, Progress};
use super::stamp::Stamp;
use super::{LoadError, Plan, Way, clock};
use crate::stun::ChannelData;

/// Datagrams taken with one call.
const BATCH: usize = 32;
/// Calls to one socket before the others get their turn.
const ROUNDS: usize = 4;
/// Longest datagram there is, also one that the system has put together.
const DATAGRAM: usize = 65_536;
/// Sleep when all sockets are empty and the sender is not paced.
const NAP: Duration = Duration::from_micros(100);
/// The same in milliseconds where the system wakes us.
const WAIT_MS: u16 = 10;
/// Nothing for this long after the end means that nothing more will come.
const QUIET: Duration = Duration::from_millis(100);
/// Longest wait for what is under way when the sender has to have ended.
const LATEST: Duration = Duration::from_secs(3);

pub(super) struct Receiver<'a> {
    sinks: Vec<(Way, &'a UdpSocket)>,
    progress: &'a Progress,
    paced: bool,
    gro: bool,
    until: Instant,
    tally: Tally,
}

/// What came in.
pub(super) struct Received {
    /// By [`Way`].
    pub(super) ways: [Counts; 2],
    /// When the last packet came.
    pub(super) last: Option<Instant>,
}

/// What came in one way.
pub(super) struct Counts {
    pub(super) delivered: u64,
    pub(super) bytes: u64,
    pub(super) reordered: u64,
    pub(super) latency: Histogram,
}

struct Tally {
    run: u32,
    payload: usize,
    base: Instant,
    expected: Vec<[u64; 2]>,
    // Packets that arrived or were overtaken.
    settled: u64,
    received: Received,
}

struct Buffers {
    bytes: Vec<u8>,
    slot: usize,
    headers: MultiHeaders<()>,
    control: Vec<u8>,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(
        plan: &Plan,
        flows: &'a [Flow],
        progress: &'a Progress,
        (run, base): (u32, Instant),
        until: Instant,
    ) -> Self {
        let ways = plan.direction.ways().iter();
        let sinks = ways.flat_map(|way| flows.iter().map(move |flow| (*way, flow.sink(*way)))).collect();
        let counts = || Counts { delivered: 0, bytes: 0, reordered: 0, latency: Histogram::new() };
        let tally = Tally {
            run,
            payload: plan.payload,
            base,
            expected: vec![[0; 2]; flows.len()],
            settled: 0,
            received: Received { ways: [counts(), counts()], last: None },
        };
        Self { sinks, progress, paced: plan.rate.is_some(), gro: false, until, tally }
    }

    pub(super) fn with_gro(self, gro: bool) -> Self {
        Self { gro, ..self }
    }

    /// Receives until the sender has stopped and nothing comes any more.
    pub(super) fn run(mut self) -> Result<Received, LoadError> {
        let mut buffers = Buffers::new(self.tally.payload, self.gro);
        // Asking every socket in turn costs the server nothing; being woken does, but keeps latencies true.
        let epoll = if self.paced { Some(self.watch()?) } else { None };
        let mut events = vec![EpollEvent::empty(); self.sinks.len()];
        let mut moved = clock();
        loop {
            let before = self.tally.settled;
            match &epoll {
                None => (0..self.sinks.len()).for_each(|sink| self.drain(sink, &mut buffers)),
                Some(epoll) => {
                    // Interrupted: nothing ready yet.
                    let ready = epoll.wait(&mut events, WAIT_MS).unwrap_or(0);
                    for event in events.iter().take(ready) {
                        self.drain(event.data() as usize, &mut buffers);
                    }
                }
            }
            let now = clock();
            if self.tally.settled != before {
                self.progress.settled.store(self.tally.settled, Ordering::Relaxed);
                moved = now;
                // Coming back at once would find a packet or two; the batch is left to grow.
                if !self.paced && self.tally.settled - before < BATCH as u64 {
                    thread::sleep(NAP);
                }
                if now < self.until + LATEST {
                    continue;
                }
            }
            let quiet = now.saturating_duration_since(moved) >= QUIET;
            if (quiet && self.progress.stopped.load(Ordering::Acquire)) || now >= self.until + LATEST {
                return Ok(self.tally.received);
            }
            if !self.paced {
                thread::sleep(NAP);
            }
        }
    }

    fn watch(&self) -> Result<Epoll, LoadError> {
        let what = "waiting for packets";
        let fail = |error: Errno| LoadError::Socket { what, source: error.into() };
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(fail)?;
        for (index, (_, socket)) in self.sinks.iter().enumerate() {
            epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64)).map_err(fail)?;
        }
        Ok(epoll)
    }

    fn drain(&mut self, sink: usize, buffers: &mut Buffers) {
        let Some((way, socket)) = self.sinks.get(sink) else {
            return;
        };
        for _ in 0..ROUNDS {
            let more = if self.gro {
                take_long(socket, buffers, *way, &mut self.tally)
            } else {
                take_many(socket, buffers, *way, &mut self.tally)
            };
            if !more {
                return;
            }
        }
    }
}

/// Takes up to a batch of datagrams; true when more may be waiting.
fn take_many(socket: &UdpSocket, buffers: &mut Buffers, way: Way, tally: &mut Tally) -> bool {
    let mut parts: Vec<[IoSliceMut<'_>; 1]> =
        buffers.bytes.chunks_exact_mut(buffers.slot).map(|slot| [IoSliceMut::new(slot)]).collect();
    let flags = MsgFlags::MSG_DONTWAIT;
    // Nothing there, or news of an earlier datagram: either way, not now.
    let Ok(messages) = recvmmsg(socket.as_raw_fd(), &mut buffers.headers, parts.iter_mut(), flags, None) else {
        return false;
    };
    let now = clock();
    let mut taken = 0;
    for message in messages {
        taken += 1;
        if let Some(bytes) = message.iovs().next() {
            tally.count(way, bytes, now);
        }
    }
    taken == BATCH
}

/// Takes one datagram, perhaps put together from several; true when more may be waiting.
fn take_long(socket: &UdpSocket, buffers: &mut Buffers, way: Way, tally: &mut Tally) -> bool {
    let mut parts = [IoSliceMut::new(&mut buffers.bytes)];
    let control = Some(buffers.control.as_mut_slice());
    let (length, segment) = match recvmsg::<()>(socket.as_raw_fd(), &mut parts, control, MsgFlags::MSG_DONTWAIT) {
        Ok(message) => {
            let segment = message.cmsgs().ok().and_then(|mut notes| notes.find_map(|note| segment_size(&note)));
            (message.bytes, segment)
        }
        Err(_) => return false,
    };
    let now = clock();
    let bytes = &buffers.bytes[..length];
    for packet in bytes.chunks(segment.unwrap_or(length).max(1)) {
        tally.count(way, packet, now);
    }
    true
}

fn segment_size(note: &ControlMessageOwned) -> Option<usize> {
    if let ControlMessageOwned::UdpGroSegments(size) = note { usize::try_from(*size).ok() } else { None }
}

impl Tally {
    /// Counts a datagram that is a packet of this run, and forgets any other.
    fn count(&mut self, way: Way, bytes: &[u8], now: Instant) {
        let payload = match way {
            Way::Up => Some(bytes),
            Way::Down => ChannelData::parse(bytes).map(|data| data.payload),
        };
        let Some(payload) = payload.filter(|payload| payload.len() == self.payload) else {
            return;
        };
        let Some(stamp) = Stamp::read(payload).filter(|stamp| stamp.run == self.run) else {
            return;
        };
        let Some(expected) = self.expected.get_mut(stamp.flow as usize) else {
            return;
        };
        let expected = &mut expected[way as usize];
        let counts = &mut self.received.ways[way as usize];
        if stamp.number < *expected {
            counts.reordered += 1;
        } else {
            let next = stamp.number.saturating_add(1);
            self.settled = self.settled.saturating_add(next - *expected);
            *expected = next;
        }
        counts.delivered += 1;
        counts.bytes += payload.len() as u64;
        let at = now.saturating_duration_since(self.base).as_nanos() as u64;
        counts.latency.add(at.saturating_sub(stamp.at));
        self.received.last = Some(now);
    }
}

impl Buffers {
    fn new(payload: usize, gro: bool) -> Self {
        let slot = (HEADER + payload).next_multiple_of(8);
        let length = if gro { DATAGRAM } else { BATCH * slot };
        Self {
            bytes: vec![0; length],
            slot,
            headers: MultiHeaders::preallocate(BATCH, None),
            control: nix::cmsg_space!(i32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_other_runs_and_lengths_do_not_count() {
        let mut tally = tally();
        tally.count(Way::Up, &packet(6, 0, 0), clock());
        tally.count(Way::Up, &packet(7, 9, 0), clock());
        tally.count(Way::Up, &packet(7, 0, 0)[..31], clock());
        tally.count(Way::Down, &packet(7, 0, 0), clock());
        assert_eq!((tally.received.ways[0].delivered, tally.received.ways[1].delivered), (0, 0));
    }

    #[test]
    fn gap_settles_what_was_overtaken_and_late_packets_are_reordered() {
        let mut tally = tally();
        for number in [0, 3, 1] {
            tally.count(Way::Up, &packet(7, 0, number), clock());
        }
        let counts = &tally.received.ways[0];
        assert_eq!((counts.delivered, counts.reordered, counts.bytes), (3, 1, 96));
        assert_eq!(tally.settled, 4);
    }

    #[test]
    fn channel_data_counts_without_its_header() {
        let mut tally = tally();
        let mut bytes = vec![0x40, 0, 0, 32];
        bytes.extend_from_slice(&packet(7, 0, 0));
        tally.count(Way::Down, &bytes, clock());
        assert_eq!(tally.received.ways[1].bytes, 32);
    }

    fn tally() -> Tally {
        let counts = || Counts { delivered: 0, bytes: 0, reordered: 0, latency: Histogram::new() };
        Tally {
            run: 7,
            payload: 32,
            base: clock(),
            expected: vec![[0; 2]],
            settled: 0,
            received: Received { ways: [counts(), counts()], last: None },
        }
    }

    fn packet(run: u32, flow: u32, number: u64) -> Vec<u8> {
        let mut payload = vec![0; 32];
        Stamp { run, flow, number, at: 0 }.write(&mut payload);
        payload
    }
}
