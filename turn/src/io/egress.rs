//! Datagrams on their way out: collected while a batch is read, and sent with one system call for each run of one
//! flow (GSO) where the system can do that.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use quinn_udp::{Transmit, UdpSocketState};
use tracing::{debug, trace};

use super::flows::{Flow, Item, Runs, Via};

/// Collected bytes beyond which it is time to send them, while they are still in the cache.
const PLENTY: usize = 256 << 10;

/// Finds a socket; `None` when it is closed by now. The flag asks for the DF bit, which is a property of the socket.
pub(super) trait Sockets {
    fn socket(&mut self, via: Via, dont_fragment: bool) -> Option<&UdpSocket>;
}

/// What waits to be sent by one worker.
#[derive(Debug)]
pub(super) struct Egress {
    state: UdpSocketState,
    /// False once the system has refused to cut a train.
    trains: bool,
    bytes: Vec<u8>,
    items: Vec<Item>,
    runs: Runs,
    /// Where a run's bytes are put together.
    train: Vec<u8>,
}

impl Egress {
    pub(super) fn new(state: UdpSocketState) -> Self {
        let trains = state.max_gso_segments() > 1;
        debug!(segmentation_offload = trains, "egress");
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
    pub(super) fn flush(&mut self, sockets: &mut impl Sockets) -> u64 {
        if self.items.is_empty() {
            return 0;
        }
        let Self { state, trains, bytes, items, runs, train } = self;
        let cut = *trains;
        let mut lost = 0;
        runs.begin(items, cut);
        while let Some(run) = runs.next(items, cut) {
            lost += send_run(state, trains, bytes, train, sockets, run);
        }
        items.clear();
        bytes.clear();
        lost
    }
}

/// Sends datagrams of one flow, all of one length but for the last, which may be shorter. Returns how many were lost.
fn send_run(
    state: &UdpSocketState,
    trains: &mut bool,
    bytes: &[u8],
    train: &mut Vec<u8>,
    sockets: &mut impl Sockets,
    run: &[Item],
) -> u64 {
    let Some(first) = run.first() else {
        return 0;
    };
    let flow = first.flow;
    let count = run.len() as u64;
    let Some(socket) = sockets.socket(flow.via, flow.dont_fragment) else {
        return count;
    };
    if count > 1 && *trains {
        match send(state, socket, &flow, in_one_piece(bytes, train, run), Some(first.length)) {
            Ok(()) => return 0,
            Err(error) if !may_work_one_by_one(&error) => {
                trace!(%error, count, "datagrams were not sent");
                return count;
            }
            Err(error) => {
                if error.raw_os_error() == Some(NO_OFFLOAD) {
                    debug!(%error, "no segmentation offload from here on");
                    *trains = false;
                }
            }
        }
    }
    let mut lost = 0;
    for item in run {
        if let Err(error) = send(state, socket, &flow, bytes_of(bytes, item), None) {
            trace!(%error, "a datagram was not sent");
            lost += 1;
        }
    }
    lost
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

fn send(
    state: &UdpSocketState,
    socket: &UdpSocket,
    flow: &Flow,
    contents: &[u8],
    segment_size: Option<usize>,
) -> io::Result<()> {
    let transmit = Transmit { destination: flow.to, ecn: None, contents, segment_size, src_ip: flow.from };
    state.try_send(socket.into(), &transmit)
}
