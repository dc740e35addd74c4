//! Datagrams on their way out: collected while a batch is read, and sent with one system call for each run of one
//! flow (GSO) where the system can do that.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use quinn_udp::{Transmit, UdpSocketState};
use tracing::{debug, trace};

use super::flows::{Flow, Item, Runs, Via};

/// Collected bytes beyond which it is time to send them, while they are still in the cache.
const PLENTY: usize = 256 << 10;
/// How long to go without trains after one was refused.
const PAUSE: Duration = Duration::from_secs(60);

/// Finds a socket; `None` when it is closed by now. The flag asks for the DF bit, which is a property of the socket.
pub(super) trait Sockets {
    fn socket(&mut self, via: Via, dont_fragment: bool) -> Option<&UdpSocket>;
}

/// What waits to be sent by one worker.
#[derive(Debug)]
pub(super) struct Egress {
    state: UdpSocketState,
    trains: Trains,
    bytes: Vec<u8>,
    items: Vec<Item>,
    runs: Runs,
    /// Where a run's bytes are put together.
    train: Vec<u8>,
}

impl Egress {
    pub(super) fn new(state: UdpSocketState) -> Self {
        let trains = if state.max_gso_segments() > 1 { Trains::Cut } else { Trains::Never };
        debug!(?trains, "egress");
        Self { state, trains, bytes: Vec::new(), items: Vec::new(), runs: Runs::default(), train: Vec::new() }
    }

    /// Adds one datagram made of `parts`.
    pub(super) fn push(
        &mut self,
        via: Via,
        from: Option<IpAddr>,
        to: SocketAddr,
        dont_fragment: bool,
        parts: &[&[u8]],
    ) {
        let start = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        let flow = Flow { via, to, from, dont_fragment };
        self.items.push(Item { flow, start, length: self.bytes.len() - start });
    }

    /// True when it is time to flush before anything is added.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= PLENTY
    }

    /// Sends everything, each flow in its order. Returns how many datagrams the system did not take.
    pub(super) fn flush(&mut self, now: Instant, sockets: &mut impl Sockets) -> u64 {
        if self.items.is_empty() {
            return 0;
        }
        let Self { state, trains, bytes, items, runs, train } = self;
        let cut = trains.are_cut(now);
        let mut refused = false;
        let mut lost = 0;
        runs.begin(items, cut);
        while let Some(run) = runs.next(items, cut) {
            // Once one is refused, those already put together are not tried.
            let parts = if refused { 1 } else { run.len() };
            for part in run.chunks(parts.max(1)) {
                let sent = send_run(state, bytes, train, sockets, part);
                lost += sent.lost;
                refused |= sent.refused;
            }
        }
        if refused {
            trains.pause(now);
        }
        items.clear();
        bytes.clear();
        lost
    }
}

/// Whether the system cuts trains into datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trains {
    /// It does.
    Cut,
    /// It does, but it refused to on some way: one peer behind a tunnel shall not cost the others their trains for ever.
    Paused {
        /// When to try again.
        until: Instant,
    },
    /// It cannot.
    Never,
}

impl Trains {
    fn are_cut(&mut self, now: Instant) -> bool {
        if let Self::Paused { until } = *self
            && until <= now
        {
            *self = Self::Cut;
        }
        *self == Self::Cut
    }

    fn pause(&mut self, now: Instant) {
        if *self == Self::Cut {
            debug!("segmentation offload was refused: without it for a while");
            *self = Self::Paused { until: now + PAUSE };
        }
    }
}

/// What became of a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sent {
    lost: u64,
    /// The interface cannot cut trains.
    refused: bool,
}

/// Sends datagrams of one flow, all of one length but for the last, which may be shorter.
fn send_run(
    state: &UdpSocketState,
    bytes: &[u8],
    train: &mut Vec<u8>,
    sockets: &mut impl Sockets,
    run: &[Item],
) -> Sent {
    let Some(first) = run.first() else {
        return Sent::default();
    };
    let flow = first.flow;
    let Some(socket) = sockets.socket(flow.via, flow.dont_fragment) else {
        return Sent { lost: run.len() as u64, refused: false };
    };
    one_call_or_many(run, |part, segment| {
        let contents = in_one_piece(bytes, train, part);
        let transmit = Transmit { destination: flow.to, ecn: None, contents, segment_size: segment, src_ip: flow.from };
        socket.try_io(|| state.try_send(socket.into(), &transmit))
    })
}

/// Sends the run as one train, or its datagrams one by one where that is refused.
fn one_call_or_many(run: &[Item], mut send: impl FnMut(&[Item], Option<usize>) -> io::Result<()>) -> Sent {
    let mut sent = Sent::default();
    if let [first, _, ..] = run {
        match send(run, Some(first.length)) {
            Ok(()) => return sent,
            Err(error) if may_work_one_by_one(&error) => sent.refused = error.raw_os_error() == Some(NO_OFFLOAD),
            Err(error) => {
                trace!(%error, count = run.len(), "datagrams were not sent");
                return Sent { lost: run.len() as u64, refused: false };
            }
        }
    }
    for item in run.chunks(1) {
        if let Err(error) = send(item, None) {
            trace!(%error, "a datagram was not sent");
            sent.lost += 1;
        }
    }
    sent
}

/// `EIO`: the interface cannot cut trains.
const NO_OFFLOAD: i32 = 5;
/// `EINVAL`: a segment is longer than this way's MTU.
const TOO_LONG: i32 = 22;
/// `EMSGSIZE` of Linux: so is the train, for an interface that cannot cut it.
const TRAIN_TOO_LONG: i32 = 90;

/// True when the fault may lie with the train and not with its datagrams.
fn may_work_one_by_one(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(NO_OFFLOAD | TOO_LONG | TRAIN_TOO_LONG))
}

/// The run's bytes: as they lie, where they follow each other, or else copied.
fn in_one_piece<'a>(bytes: &'a [u8], copy: &'a mut Vec<u8>, run: &[Item]) -> &'a [u8] {
    let follow = run.windows(2).all(|pair| pair[0].start + pair[0].length == pair[1].start);
    if let (true, Some(first), Some(last)) = (follow, run.first(), run.last()) {
        return bytes.get(first.start..last.start + last.length).unwrap_or_default();
    }
    copy.clear();
    for item in run {
        copy.extend_from_slice(bytes_of(bytes, item));
    }
    copy
}

fn bytes_of<'a>(bytes: &'a [u8], item: &Item) -> &'a [u8] {
    bytes.get(item.start..item.start + item.length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn refused_train_goes_out_one_by_one() {
        for (refusal, refused) in [(NO_OFFLOAD, true), (TOO_LONG, false), (TRAIN_TOO_LONG, false)] {
            let mut calls = Vec::new();
            let sent = one_call_or_many(&run(3), |part, segment| {
                calls.push((part.len(), segment));
                if segment.is_some() { Err(io::Error::from_raw_os_error(refusal)) } else { Ok(()) }
            });
            assert_eq!(calls, [(3, Some(100)), (1, None), (1, None), (1, None)]);
            assert_eq!(sent, Sent { lost: 0, refused });
        }
    }

    #[test]
    fn full_socket_costs_the_whole_train_and_no_further_call() {
        let mut calls = 0;
        let sent = one_call_or_many(&run(3), |_, _| {
            calls += 1;
            Err(io::ErrorKind::WouldBlock.into())
        });
        assert_eq!((calls, sent), (1, Sent { lost: 3, refused: false }));
    }

    #[test]
    fn single_datagram_is_no_train() {
        let mut segments = Vec::new();
        let sent = one_call_or_many(&run(1), |_, segment| {
            segments.push(segment);
            Ok(())
        });
        assert_eq!((segments, sent), (vec![None], Sent::default()));
    }

    #[test]
    fn trains_are_tried_again_after_a_while() {
        let now = base();
        let mut trains = Trains::Cut;
        assert!(trains.are_cut(now));
        trains.pause(now);
        assert!(!trains.are_cut(now + PAUSE - Duration::from_millis(1)));
        assert!(trains.are_cut(now + PAUSE));
        let mut never = Trains::Never;
        never.pause(now);
        assert!(!never.are_cut(now + PAUSE));
    }

    fn run(count: usize) -> Vec<Item> {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let flow = Flow { via: Via::Relay(1), to, from: None, dont_fragment: false };
        (0..count).map(|index| Item { flow, start: index * 100, length: 100 }).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
