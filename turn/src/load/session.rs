//! The allocations and their sockets, and one drive after another over them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use tracing::debug;

use super::dialogue::Dialogue;
use super::histogram::Histogram;
use super::receiver::{Received, Receiver};
use super::sender::Sender;
use super::{LoadError, Outcome, Plan, Traffic, Way, check_time, clock};

/// What the system is asked to buffer for each socket with traffic.
const BUFFER: usize = 4 << 20;
/// How often an allocation is tried from another port when the server still knows the first one.
const PORTS: usize = 3;
const MISMATCH: u16 = 437;
/// Length of a channel data header (RFC 8656 section 12.4).
pub(super) const HEADER: usize = 4;

/// Open allocations, ready for traffic. Dropping it ends them.
pub struct Session {
    plan: Plan,
    dialogue: Dialogue,
    flows: Vec<Flow>,
    idle: Vec<UdpSocket>,
    // The idle channels lead here, and nothing ever comes.
    idle_peer: UdpSocket,
    base: Instant,
    setup: Duration,
    runs: u32,
    sender_gso: bool,
    sink_gro: bool,
}

/// An allocation with traffic: both sockets are connected.
pub(super) struct Flow {
    pub(super) client: UdpSocket,
    pub(super) peer: UdpSocket,
}

impl Flow {
    /// Where packets of this way come in.
    pub(super) fn sink(&self, way: Way) -> &UdpSocket {
        match way {
            Way::Up => &self.peer,
            Way::Down => &self.client,
        }
    }

    /// Where packets of this way go out.
    pub(super) fn source(&self, way: Way) -> &UdpSocket {
        match way {
            Way::Up => &self.client,
            Way::Down => &self.peer,
        }
    }
}

/// What sender and receiver tell each other.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Packets that arrived or were overtaken: no longer under way.
    pub(super) settled: AtomicU64,
    /// The sender has ended.
    pub(super) stopped: AtomicBool,
}

impl Session {
    /// Makes the allocations of `plan`, each with one channel to a peer socket of ours.
    ///
    /// # Errors
    /// The plan is out of range, a socket cannot be had, or the server is silent or refuses; see [`LoadError`].
    pub fn open(plan: Plan) -> Result<Self, LoadError> {
        plan.check()?;
        let begin = clock();
        let dialogue = Dialogue::new(plan.server, plan.username.clone(), plan.password.clone())?;
        let idle_peer = unconnected(client(plan.server)?)?;
        // Whatever fails from here on, dropping it ends the allocations made so far.
        let mut session = Self {
            dialogue,
            flows: Vec::with_capacity(plan.allocations),
            idle: Vec::with_capacity(plan.idle),
            idle_peer,
            base: begin,
            setup: Duration::ZERO,
            runs: 0,
            sender_gso: false,
            sink_gro: false,
            plan,
        };
        for _ in 0..session.plan.allocations {
            let flow = session.open_flow()?;
            session.flows.push(flow);
        }
        let nobody = local(&session.idle_peer)?;
        for _ in 0..session.plan.idle {
            let (client, _) = session.allocate()?;
            session.idle.push(client);
            if let Some(client) = session.idle.last() {
                session.dialogue.bind_channel(client, nobody)?;
            }
        }
        session.setup = clock().saturating_duration_since(begin);
        session.tune();
        Ok(session)
    }

    /// Drives the plan's traffic for `duration` (at most 240 s), then waits for what is still under way: at least
    /// 0.1 s, at most 3 s. May be called again; packets of an earlier drive do not count.
    ///
    /// # Errors
    /// Sending keeps failing, or a thread or what it waits with cannot be had.
    pub fn drive(&mut self, duration: Duration) -> Result<Outcome, LoadError> {
        check_time(duration)?;
        self.runs = self.runs.wrapping_add(1);
        let progress = Progress::default();
        let begin = clock();
        let until = begin + duration;
        let receiver = Receiver::new(&self.plan, &self.flows, &progress, (self.runs, self.base), until);
        let receiver = receiver.with_gro(self.sink_gro);
        let sender = Sender::new(&self.plan, &self.flows, &progress, (self.runs, self.base), until, self.sender_gso);
        let (sent, received) = thread::scope(|scope| {
            let receiving = thread::Builder::new()
                .name("load-receiver".into())
                .spawn_scoped(scope, || receiver.run())
                .map_err(LoadError::socket("a thread"))?;
            let sent = sender.run();
            let ended = clock();
            progress.stopped.store(true, Ordering::Release);
            let received = receiving.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            Ok::<_, LoadError>(((sent?, ended), received))
        })?;
        let (sent, ended) = sent;
        let last = received.last.map_or(ended, |last| last.max(ended));
        Ok(self.outcome(sent, &received, last.saturating_duration_since(begin)))
    }

    /// Allocations that are open, with traffic and without.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.flows.len() + self.idle.len()
    }

    fn open_flow(&mut self) -> Result<Flow, LoadError> {
        let (client, relayed) = self.allocate()?;
        let flow = self.connect_peer(&client, relayed);
        if flow.is_err() {
            self.dialogue.release(&client);
        }
        Ok(Flow { client, peer: flow? })
    }

    fn connect_peer(&mut self, client: &UdpSocket, relayed: SocketAddr) -> Result<UdpSocket, LoadError> {
        let ip = local(client)?.ip();
        let peer = UdpSocket::bind((ip, 0)).map_err(LoadError::socket("a peer socket"))?;
        self.dialogue.bind_channel(client, local(&peer)?)?;
        peer.connect(relayed).map_err(LoadError::socket("the relayed address"))?;
        Ok(peer)
    }

    fn allocate(&mut self) -> Result<(UdpSocket, SocketAddr), LoadError> {
        let mut tries = 1;
        loop {
            let socket = client(self.plan.server)?;
            match self.dialogue.allocate(&socket) {
                // An earlier allocation from this port has not ended yet.
                Err(LoadError::Refused { code: MISMATCH, .. }) if tries < PORTS => tries += 1,
                Err(error) => return Err(error),
                Ok(relayed) => return Ok((socket, relayed)),
            }
        }
    }

    /// Large buffers, and the offloads that were asked for where the system has them.
    fn tune(&mut self) {
        for flow in &self.flows {
            for socket in [&flow.client, &flow.peer] {
                let forced = setsockopt(socket, sockopt::RcvBufForce, &BUFFER);
                if let Err(error) = forced.or_else(|_| setsockopt(socket, sockopt::RcvBuf, &BUFFER)) {
                    debug!(%error, "a socket keeps its small buffer");
                }
            }
        }
        let ways = self.plan.direction.ways();
        if self.plan.sender_gso && self.plan.pattern.group() > 1 {
            self.sender_gso = true;
            for way in ways {
                let segment = i32::try_from(frame(self.plan.payload, *way)).unwrap_or(i32::MAX);
                let set = |flow: &Flow| setsockopt(flow.source(*way), sockopt::UdpGsoSegment, &segment).is_ok();
                self.sender_gso &= self.flows.iter().all(set);
            }
            if !self.sender_gso {
                self.stop_segmenting();
            }
        }
        if self.plan.sink_gro {
            let set = |way: &Way, flow: &Flow| setsockopt(flow.sink(*way), sockopt::UdpGroSegment, &true).is_ok();
            self.sink_gro = ways.iter().all(|way| self.flows.iter().all(|flow| set(way, flow)));
        }
    }

    fn stop_segmenting(&self) {
        for flow in &self.flows {
            for socket in [&flow.client, &flow.peer] {
                if let Err(error) = setsockopt(socket, sockopt::UdpGsoSegment, &0) {
                    debug!(%error, "a socket still segments");
                }
            }
        }
    }

    fn outcome(&self, sent: [u64; 2], received: &Received, took: Duration) -> Outcome {
        let [up, down] = [Way::Up, Way::Down].map(|way| {
            let got = &received.ways[way as usize];
            traffic((sent[way as usize], got.delivered, got.reordered), got.bytes, &got.latency)
        });
        let mut latency = Histogram::new();
        received.ways.iter().for_each(|way| latency.merge(&way.latency));
        let counts = (up.sent + down.sent, up.delivered + down.delivered, up.reordered + down.reordered);
        Outcome {
            total: traffic(counts, up.bytes + down.bytes, &latency),
            up,
            down,
            seconds: took.as_secs_f64(),
            setup_seconds: self.setup.as_secs_f64(),
            sender_gso: self.sender_gso,
            sink_gro: self.sink_gro,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.sender_gso {
            // A Refresh longer than a frame would be cut in two.
            self.stop_segmenting();
        }
        for client in self.flows.iter().map(|flow| &flow.client).chain(&self.idle) {
            self.dialogue.release(client);
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("plan", &self.plan).field("setup", &self.setup).finish_non_exhaustive()
    }
}

/// Bytes of a datagram with this payload on its way to the relay.
pub(super) fn frame(payload: usize, way: Way) -> usize {
    match way {
        Way::Up => HEADER + payload,
        Way::Down => payload,
    }
}

fn traffic((sent, delivered, reordered): (u64, u64, u64), bytes: u64, latency: &Histogram) -> Traffic {
    Traffic {
        sent,
        delivered,
        lost: sent.saturating_sub(delivered),
        reordered,
        bytes,
        latency_p50_us: latency.quantile_us(0.5),
        latency_p99_us: latency.quantile_us(0.99),
    }
}

fn client(server: SocketAddr) -> Result<UdpSocket, LoadError> {
    let any = if server.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).map_err(LoadError::socket("a client socket"))?;
    socket.connect(server).map_err(LoadError::socket("the server's address"))?;
    Ok(socket)
}

/// A socket on the address that `reaching` the server goes out from, which others may send to.
fn unconnected(reaching: UdpSocket) -> Result<UdpSocket, LoadError> {
    let ip = local(&reaching)?.ip();
    drop(reaching);
    UdpSocket::bind((ip, 0)).map_err(LoadError::socket("a peer socket"))
}

fn local(socket: &UdpSocket) -> Result<SocketAddr, LoadError> {
    socket.local_addr().map_err(LoadError::socket("a socket's address"))
}
