//! The hands: sockets, tasks and timers around the brain. They move bytes and decide nothing.
//!
//! One lock guards the brain and the sockets it named; it is held for one look-up per packet and never across an
//! await. Everything here can be exchanged for a faster way to move packets without the brain noticing.

pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod udp;

use std::collections::{BTreeMap, HashMap};
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tracing::debug;

use crate::config::{Config, Lifetimes};
use crate::relay::{ClientAddr, Core, Decision, Now, OpenFailure, Output, PortHint, RelayId, Transport};

/// Zero bytes to fill a frame up to four.
static PADDING: [u8; 3] = [0; 3];

/// What every task of one relay shares.
#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    listeners: BTreeMap<SocketAddr, Arc<UdpSocket>>,
    relay_ports: Option<RangeInclusive<u16>>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) max_streams: usize,
    pub(crate) stream_queue: usize,
    /// Rung when the next deadline has changed.
    rearm: Notify,
}

#[derive(Debug)]
struct Inner {
    core: Core,
    relays: HashMap<RelayId, RelaySocket>,
    streams: HashMap<ClientAddr, mpsc::Sender<Vec<u8>>>,
    /// Owns the task of every relay socket and of every connection.
    tasks: JoinSet<()>,
    deadline: Option<Instant>,
}

/// An open relay socket; its task ends with it.
#[derive(Debug)]
struct RelaySocket {
    socket: Arc<UdpSocket>,
    task: AbortHandle,
}

impl Inner {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        // Let go of what is left of earlier tasks.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task)
    }
}

impl Drop for RelaySocket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    pub(crate) fn new(core: Core, config: &Config, listeners: BTreeMap<SocketAddr, Arc<UdpSocket>>) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                core,
                relays: HashMap::new(),
                streams: HashMap::new(),
                tasks: JoinSet::new(),
                deadline: None,
            }),
            listeners,
            relay_ports: config.relay_ports.clone(),
            lifetimes: config.lifetimes.clone(),
            max_streams: config.limits.max_streams,
            stream_queue: config.limits.stream_queue.max(1),
            rearm: Notify::new(),
        })
    }

    /// Receives on one UDP listener until it is stopped.
    pub(crate) async fn serve_udp(self: Arc<Self>, socket: Arc<UdpSocket>, local: SocketAddr) {
        udp::receive(&socket, |remote, bytes| {
            let from = ClientAddr { transport: Transport::Udp, remote, local };
            self.from_client(from, bytes);
        })
        .await;
    }

    /// Calls the brain whenever its next deadline has come, until it is stopped.
    pub(crate) async fn serve_timers(self: Arc<Self>) {
        loop {
            let deadline = self.lock().deadline;
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {
                    let now = clock();
                    let mut inner = self.lock();
                    inner.core.handle_timeout(now.mono);
                    self.carry_out(&mut inner, now);
                }
                () = self.rearm.notified() => {}
            }
        }
    }

    /// One datagram or frame from a client.
    pub(crate) fn from_client(self: &Arc<Self>, from: ClientAddr, bytes: &[u8]) {
        let now = clock();
        let mut inner = self.lock();
        let decision = inner.core.route(now, from, bytes);
        if decision == Decision::Done {
            self.carry_out(&mut inner, now);
        } else {
            self.pass_on(inner, decision);
        }
    }

    /// Starts the task of one connection.
    pub(crate) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.lock().spawn(connection);
    }

    pub(crate) fn stream_opened(&self, client: ClientAddr, queue: mpsc::Sender<Vec<u8>>) {
        self.lock().streams.insert(client, queue);
    }

    pub(crate) fn stream_closed(self: &Arc<Self>, client: ClientAddr) {
        let now = clock();
        let mut inner = self.lock();
        inner.streams.remove(&client);
        inner.core.client_gone(now.mono, client);
        self.carry_out(&mut inner, now);
    }

    pub(crate) fn has_allocation(&self, client: ClientAddr) -> bool {
        self.lock().core.has_allocation(client)
    }

    /// Closes every relay socket and forgets every connection; returns their tasks, for the caller to end.
    pub(crate) fn close(&self) -> JoinSet<()> {
        let mut inner = self.lock();
        inner.relays.clear();
        inner.streams.clear();
        std::mem::take(&mut inner.tasks)
    }

    fn deliver_from_peer(&self, relay: RelayId, from: SocketAddr, payload: &[u8]) {
        let now = clock();
        let mut inner = self.lock();
        let decision = inner.core.handle_peer(now.mono, relay, from, payload);
        self.pass_on(inner, decision);
    }

    /// Sends a packet where the brain said; gives the lock back before the system call.
    fn pass_on(&self, inner: MutexGuard<'_, Inner>, decision: Decision<'_>) {
        match decision {
            Decision::Done => {}
            Decision::ToPeer { relay, to, payload } => {
                let socket = inner.relays.get(&relay).map(|open| Arc::clone(&open.socket));
                drop(inner);
                if let Some(socket) = socket {
                    udp::send(&socket, to, &[IoSlice::new(payload)]);
                }
            }
            Decision::ToClient { to, head, payload, padding } => {
                let padding = &PADDING[..padding.min(PADDING.len())];
                let parts = [head.as_bytes(), payload, padding];
                match to.transport {
                    Transport::Udp => {
                        drop(inner);
                        if let Some(socket) = self.listeners.get(&to.local) {
                            udp::send(socket, to.remote, &parts.map(IoSlice::new));
                        }
                    }
                    Transport::Tcp | Transport::Tls => queue(&inner, to, parts.concat()),
                }
            }
        }
    }

    /// Drains the brain's outputs, and arms the timer again when they moved the next deadline.
    fn carry_out(self: &Arc<Self>, inner: &mut Inner, now: Now) {
        while let Some(output) = inner.core.poll_output() {
            match output {
                Output::Send { to, bytes } => match to.transport {
                    Transport::Udp => {
                        if let Some(socket) = self.listeners.get(&to.local) {
                            udp::send(socket, to.remote, &[IoSlice::new(&bytes)]);
                        }
                    }
                    Transport::Tcp | Transport::Tls => queue(inner, to, bytes),
                },
                Output::OpenRelaySocket { relay, bind, client, port } => {
                    match self.open(inner, relay, bind, client, port) {
                        Ok(local) => inner.core.allocation_opened(now.mono, relay, local),
                        Err(failure) => inner.core.allocation_failed(now.mono, relay, failure),
                    }
                }
                Output::CloseRelaySocket { relay } => {
                    inner.relays.remove(&relay);
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
        relay: RelayId,
        bind: IpAddr,
        client: SocketAddr,
        port: PortHint,
    ) -> Result<SocketAddr, OpenFailure> {
        let opened = udp::open_relay(bind, client, port, self.relay_ports.as_ref())?;
        if let (PortHint::EvenAndNext { next }, Some(socket)) = (port, opened.next) {
            self.start(inner, next, socket);
        }
        self.start(inner, relay, opened.socket);
        Ok(opened.local)
    }

    fn start(self: &Arc<Self>, inner: &mut Inner, relay: RelayId, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let (shared, receiver) = (Arc::clone(self), Arc::clone(&socket));
        let task = inner.spawn(async move {
            udp::receive(&receiver, |from, payload| {
                shared.deliver_from_peer(relay, from, payload);
            })
            .await;
        });
        inner.relays.insert(relay, RelaySocket { socket, task });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The brain does not panic; should it ever, the other clients still deserve their packets.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slow reader loses its own frames, as it would on UDP, and nobody waits for it.
fn queue(inner: &Inner, to: ClientAddr, frame: Vec<u8>) {
    if let Some(queue) = inner.streams.get(&to)
        && queue.try_send(frame).is_err()
    {
        debug!("dropped a frame: the client's connection is slow or closing");
    }
}

#[expect(clippy::disallowed_methods, reason = "the hands' one look at the wall clock, to tell it to the brain")]
pub(crate) fn clock() -> Now {
    Now { mono: tokio::time::Instant::now().into_std(), unix: SystemTime::now() }
}
