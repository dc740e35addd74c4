//! Datagrams on their way out: collected while a batch is read, put in order by flow, and sent with one system call
//! for each run of one flow (GSO) where the system can do that.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use quinn_udp::{Transmit, UdpSocketState};
use tracing::{debug, trace};

/// Segments in one call (`UDP_MAX_SEGMENTS` of older kernels).
const SEGMENTS: usize = 64;
/// Bytes in one call: a little less than what the length field of a datagram can say.
const TRAIN: usize = 65_000;
/// Collected bytes beyond which it is time to send them, while they are still in the cache.
const PLENTY: usize = 256 << 10;

/// The socket a datagram leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Via {
    /// One of the worker's listeners, by its place among them.
    Listener(u32),
    /// A relay socket, by its slot.
    Relay(u32),
}

/// Finds a socket; `None` when it is closed by now. The flag asks for the DF bit, which is a property of the socket.
pub(super) trait Sockets {
    fn socket(&mut self, via: Via, dont_fragment: bool) -> Option<&UdpSocket>;
}

/// What waits to be sent by one worker.
#[derive(Debug)]
pub(super) struct Egress {
    state: UdpSocketState,
    /// False once the system has refused to cut a train.
    offload: bool,
    bytes: Vec<u8>,
    items: Vec<Item>,
    order: Vec<(u64, u32)>,
    train: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    flow: Flow,
    start: usize,
    length: usize,
}

/// Datagrams of one flow may follow each other in one train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flow {
    via: Via,
    to: SocketAddr,
    /// The address of ours that it leaves from, where the socket has several.
    from: Option<IpAddr>,
    dont_fragment: bool,
}

impl Egress {
    pub(super) fn new(state: UdpSocketState) -> Self {
        let offload = state.max_gso_segments() > 1;
        debug!(segmentation_offload = offload, "egress");
        Self { state, offload, bytes: Vec::new(), items: Vec::new(), order: Vec::new(), train: Vec::new() }
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

    /// Sends everything, flow by flow, each in its order. Returns how many datagrams the system did not take.
    pub(super) fn flush(&mut self, sockets: &mut impl Sockets) -> u64 {
        let mut lost = 0;
        match self.items.as_slice() {
            [] => return 0,
            [only] => lost += self.send_run(sockets, &[*only]),
            [_, _, ..] => lost += self.flush_in_order(sockets),
        }
        self.items.clear();
        self.bytes.clear();
        lost
    }

    fn flush_in_order(&mut self, sockets: &mut impl Sockets) -> u64 {
        self.order.clear();
        for (place, item) in (0_u32..).zip(&self.items) {
            self.order.push((item.flow.key(), place));
        }
        if self.offload {
            // By key, and within one key as they came.
            self.order.sort_unstable();
        }
        let items = std::mem::take(&mut self.items);
        let order = std::mem::take(&mut self.order);
        let mut sorted = order.iter().filter_map(|(_, place)| items.get(*place as usize)).peekable();
        let mut run = [Item::NONE; SEGMENTS];
        let mut lost = 0;
        while let Some(first) = sorted.next() {
            run[0] = *first;
            let (mut count, mut total) = (1, first.length);
            while self.offload && count < SEGMENTS && run[count - 1].length == first.length {
                let fits = |next: &&Item| {
                    next.flow == first.flow
                        && next.length <= first.length
                        && 0 < next.length
                        && total + next.length <= TRAIN
                };
                let Some(next) = sorted.next_if(|next| fits(next)) else {
                    break;
                };
                run[count] = *next;
                count += 1;
                total += next.length;
            }
            lost += self.send_run(sockets, &run[..count]);
        }
        self.items = items;
        self.order = order;
        lost
    }

    /// Sends datagrams of one flow, all of one length but for the last, which may be shorter.
    fn send_run(&mut self, sockets: &mut impl Sockets, run: &[Item]) -> u64 {
        let Some(first) = run.first() else {
            return 0;
        };
        let flow = first.flow;
        let count = run.len() as u64;
        let Some(socket) = sockets.socket(flow.via, flow.dont_fragment) else {
            return count;
        };
        if count > 1 {
            let train = train(&self.bytes, &mut self.train, run);
            match send(&self.state, socket, &flow, train, Some(first.length)) {
                Ok(()) => return 0,
                Err(error) if !may_work_one_by_one(&error) => {
                    trace!(%error, count, "datagrams were not sent");
                    return count;
                }
                Err(error) => {
                    if error.raw_os_error() == Some(NO_OFFLOAD) {
                        debug!(%error, "no segmentation offload from here on");
                        self.offload = false;
                    }
                }
            }
        }
        let mut lost = 0;
        for item in run {
            let bytes = self.bytes.get(item.start..item.start + item.length).unwrap_or_default();
            if let Err(error) = send(&self.state, socket, &flow, bytes, None) {
                trace!(%error, "a datagram was not sent");
                lost += 1;
            }
        }
        lost
    }
}

impl Flow {
    /// Different for different flows, nearly always: where it is not, a train is shorter than it could be.
    fn key(&self) -> u64 {
        let via = match self.via {
            Via::Listener(place) => u64::from(place) << 1,
            Via::Relay(slot) => (u64::from(slot) << 1) | 1,
        };
        let ip = match self.to.ip() {
            IpAddr::V4(ip) => u64::from(u32::from(ip)),
            IpAddr::V6(ip) => {
                let bits = u128::from(ip);
                // The upper half is turned, so that it does not cancel out the lower one.
                ((bits >> 64) as u64).rotate_left(29) ^ (bits as u64)
            }
        };
        let port = u64::from(self.to.port());
        (ip ^ (port << 44) ^ via.rotate_left(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Item {
    const NONE: Self = Self {
        flow: Flow {
            via: Via::Listener(0),
            to: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
            from: None,
            dont_fragment: false,
        },
        start: 0,
        length: 0,
    };
}

/// `EIO`: the interface cannot cut trains.
const NO_OFFLOAD: i32 = 5;
/// `EINVAL`: a segment is longer than this way's MTU.
const TOO_LONG: i32 = 22;
/// `EMSGSIZE`: so is the train, for an interface that cannot cut it.
const TRAIN_TOO_LONG: i32 = 90;

/// True when the fault may lie with the train and not with its datagrams.
fn may_work_one_by_one(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(NO_OFFLOAD | TOO_LONG | TRAIN_TOO_LONG))
}

/// The run's bytes in one piece: as they lie, where they follow each other, or else copied.
fn train<'a>(bytes: &'a [u8], copy: &'a mut Vec<u8>, run: &[Item]) -> &'a [u8] {
    let follow = run.windows(2).all(|pair| pair[0].start + pair[0].length == pair[1].start);
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return &[];
    };
    if follow {
        return bytes.get(first.start..last.start + last.length).unwrap_or_default();
    }
    copy.clear();
    for item in run {
        copy.extend_from_slice(bytes.get(item.start..item.start + item.length).unwrap_or_default());
    }
    copy
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
