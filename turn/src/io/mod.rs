//! The hands: sockets, tasks and timers around the brain. They move bytes and decide nothing.
//!
//! One lock guards the brain and the sockets it named; it is held for one look-up per packet and never across an
//! await. Everything here can be exchanged for a faster way to move packets without the brain noticing.

mod deliver;
#[cfg_attr(not(target_os = "linux"), path = "no_pktinfo.rs")]
mod pktinfo;
mod ports;
mod queue;
mod sources;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod udp;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use self::ports::Ports;
use self::queue::FrameQueue;
use self::sources::Sources;
use self::udp::Listener;
use crate::config::{Config, Lifetimes};
use crate::metrics::Counters;
use crate::relay::{ClientAddr, Core, Decision, Now, RelayId, Transport};

/// What every task of one relay shares.
#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    listeners: BTreeMap<SocketAddr, Arc<Listener>>,
    counters: Arc<Counters>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) max_streams: usize,
    pub(crate) stream_queue: usize,
    pub(crate) sources: Sources,
    /// Rung when the next deadline has changed.
    rearm: Notify,
}

#[derive(Debug)]
struct Inner {
    core: Core,
    relays: HashMap<RelayId, RelaySocket>,
    ports: Ports,
    streams: HashMap<ClientAddr, OpenStream>,
    last_stream: u64,
    /// Owns the task of every relay socket and of every connection.
    tasks: JoinSet<()>,
    deadline: Option<Instant>,
}

/// Names one connection. Never used twice, unlike a client's address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamId(u64);

/// The connection that a client has now.
#[derive(Debug)]
struct OpenStream {
    id: StreamId,
    queue: FrameQueue,
}

/// An open relay socket; its task ends with it.
#[derive(Debug)]
struct RelaySocket {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
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
    pub(crate) fn new(
        core: Core,
        config: &Config,
        listeners: BTreeMap<SocketAddr, Arc<Listener>>,
        counters: Arc<Counters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                core,
                relays: HashMap::new(),
                ports: Ports::new(config),
                streams: HashMap::new(),
                last_stream: 0,
                tasks: JoinSet::new(),
                deadline: None,
            }),
            listeners,
            counters,
            lifetimes: config.lifetimes.clone(),
            max_streams: config.limits.max_streams,
            stream_queue: config.limits.stream_queue,
            sources: Sources::new(config.limits.max_streams_per_ip),
            rearm: Notify::new(),
        })
    }

    /// Receives on one UDP listener until it is stopped.
    pub(crate) async fn serve_udp(self: Arc<Self>, listener: Arc<Listener>) {
        listener
            .receive(|remote, local, bytes| {
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

    /// Where the client's frames shall go from now on. An older connection from the same address and port is dead,
    /// whether its own task has noticed or not: it ends here, with its allocation.
    pub(crate) fn stream_opened(self: &Arc<Self>, client: ClientAddr, queue: FrameQueue) -> StreamId {
        let now = clock();
        let mut inner = self.lock();
        inner.last_stream += 1;
        let id = StreamId(inner.last_stream);
        if inner.streams.insert(client, OpenStream { id, queue }).is_some() {
            inner.core.client_gone(now.mono, client);
            self.carry_out(&mut inner, now);
        }
        id
    }

    /// Ends the client's allocation, unless the client has come back with a newer connection.
    pub(crate) fn stream_closed(self: &Arc<Self>, client: ClientAddr, id: StreamId) {
        let now = clock();
        let mut inner = self.lock();
        if inner.streams.get(&client).is_some_and(|open| open.id == id) {
            inner.streams.remove(&client);
            inner.core.client_gone(now.mono, client);
            self.carry_out(&mut inner, now);
        }
    }

    pub(crate) fn has_allocation(&self, client: ClientAddr) -> bool {
        self.lock().core.has_allocation(client)
    }

    /// Ends every allocation, closes every relay socket and forgets every connection; returns their tasks, for the
    /// caller to end.
    pub(crate) fn close(&self) -> JoinSet<()> {
        let now = clock();
        let mut inner = self.lock();
        inner.core.end_all(now.mono);
        // All that is left to do is what follows.
        while inner.core.poll_output().is_some() {}
        inner.relays.clear();
        inner.streams.clear();
        std::mem::take(&mut inner.tasks)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The brain does not panic; should it ever, the other clients still deserve their packets.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "the hands' one look at the wall clock, to tell it to the brain")]
pub(crate) fn clock() -> Now {
    Now { mono: tokio::time::Instant::now().into_std(), unix: SystemTime::now() }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn end_of_an_old_connection_leaves_the_new_one_alone() {
        let counters = Arc::new(Counters::default());
        let config = Config::default();
        let core = Core::new(config.clone(), Vec::new(), [1; 32], clock().mono, Arc::clone(&counters));
        let shared = Shared::new(core, &config, BTreeMap::new(), counters);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 4000));
        let client = ClientAddr { transport: Transport::Tcp, remote: address, local: address };

        let (queue, mut old) = FrameQueue::new(8);
        let first = shared.stream_opened(client, queue);
        let (queue, mut new) = FrameQueue::new(8);
        let second = shared.stream_opened(client, queue);
        assert!(old.recv().await.is_none(), "nothing goes to the old connection any more");

        shared.stream_closed(client, first);
        let binding = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        shared.from_client(client, &binding);
        assert!(new.try_recv().is_ok(), "the new connection still gets its answers");
        shared.stream_closed(client, second);
        assert!(shared.lock().streams.is_empty());
    }
}
