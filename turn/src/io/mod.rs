//! The hands: threads that own sockets, move bytes, and decide nothing.
//!
//! ```text
//! poll -> inlet (many datagrams at once) -> relay::Core -> egress (trains of one flow) -> system
//!      -> streams (TCP, TLS)             -> relay::Core -> streams
//! ```
//!
//! Each worker is one thread with a brain, listeners and relay sockets of its own. The system deals clients out to the
//! workers by their addresses, so an allocation and its packets stay on one thread, and no lock stands between two.

mod acceptor;
mod egress;
mod flows;
mod inlet;
pub(crate) mod interfaces;
mod mailbox;
#[cfg_attr(not(target_os = "linux"), path = "other_options.rs")]
mod options;
mod outlets;
mod ports;
pub(crate) mod sockets;
mod sources;
mod streams;
pub(crate) mod tls;
mod worker;

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;

use self::acceptor::Acceptor;
use self::inlet::Inlet;
use self::mailbox::{Inbox, Mailbox, mailbox};
use self::ports::Ports;
use self::tls::Identity;
use self::worker::{Parts, Worker};
use crate::config::Config;
use crate::metrics::Counters;
use crate::relay::{Ledger, Now, Setup};

/// Every socket of a relay, bound.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// For each listening address, one socket for each worker.
    pub(crate) udp: Vec<Vec<UdpSocket>>,
    pub(crate) tcp: Vec<TcpListener>,
    pub(crate) tls: Vec<TcpListener>,
}

/// Running workers. Dropped, it stops them and waits until they have closed everything.
#[derive(Debug)]
pub(crate) struct Crew {
    workers: Vec<(Mailbox, Option<JoinHandle<()>>)>,
}

/// What all workers of one relay have in common.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) seed: [u8; 32],
    /// Rung when a worker has failed.
    pub(crate) alarm: Arc<Alarm>,
}

/// Tells that a worker has failed. The clients it had are lost, and the system now deals those of the others out anew:
/// nothing that is left can be relied on.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    rung: AtomicBool,
    heard: Notify,
}

impl Alarm {
    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::SeqCst)
    }

    /// Returns once it is rung.
    pub(crate) async fn wait(&self) {
        let heard = self.heard.notified();
        if !self.is_rung() {
            heard.await;
        }
    }

    fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
        self.heard.notify_waiters();
    }
}

/// Rings the alarm when its thread panics, and stops the other workers.
struct Guard {
    alarm: Arc<Alarm>,
    mailboxes: Vec<Mailbox>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.alarm.ring();
            self.mailboxes.iter().for_each(Mailbox::stop);
        }
    }
}

impl Crew {
    /// Starts one worker for each of `counters`.
    pub(crate) fn start(shared: &Shared, bound: Bound, counters: &[Arc<Counters>]) -> io::Result<Self> {
        let config = &shared.config;
        let mut listen = Vec::new();
        for sockets in &bound.udp {
            if let Some(socket) = sockets.first() {
                listen.push(socket.local_addr()?);
            }
        }
        for listener in &bound.tls {
            listen.push(listener.local_addr()?);
        }
        let ports = Arc::new(Mutex::new(Ports::new(config)));
        let mut acceptor = Some(Acceptor::new(config, bound.tcp, bound.tls, counters.len()));
        let mut udp: Vec<_> = bound.udp.into_iter().map(Vec::into_iter).collect();
        let mut ready = Vec::new();
        let mut mailboxes = Vec::new();
        let now = clock().mono;
        let has_siblings = counters.len() > 1;
        for (index, counters) in (0_u8..).zip(counters) {
            let setup = Setup {
                config: Arc::clone(config),
                listen: listen.clone(),
                seed: shared.seed,
                now,
                counters: Arc::clone(counters),
                ledger: Arc::clone(&shared.ledger),
                worker: index,
            };
            let parts = Parts {
                setup,
                listeners: udp.iter_mut().filter_map(Iterator::next).collect(),
                acceptor: acceptor.take(),
                identity: shared.identity.clone(),
                ports: Arc::clone(&ports),
            };
            let (worker, waker) = Worker::new(config, parts)?;
            let (mailbox, inbox) = mailbox(waker, has_siblings);
            mailboxes.push(mailbox);
            ready.push((worker, inbox));
        }
        let mut crew = Self { workers: Vec::new() };
        for ((worker, inbox), mailbox) in ready.into_iter().zip(&mailboxes) {
            let guard = Guard { alarm: Arc::clone(&shared.alarm), mailboxes: mailboxes.clone() };
            let thread = spawn(crew.workers.len(), worker, inbox, guard)?;
            crew.workers.push((mailbox.clone(), Some(thread)));
        }
        Ok(crew)
    }

    /// Ends every allocation, closes every socket and returns when that is done. Blocks, for a moment.
    pub(crate) fn stop(&mut self) {
        for (mailbox, _) in &self.workers {
            mailbox.stop();
        }
        for (_, thread) in &mut self.workers {
            if let Some(Err(_)) = thread.take().map(JoinHandle::join) {
                tracing::error!("a worker had failed");
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(index: usize, worker: Worker, inbox: Inbox, guard: Guard) -> io::Result<JoinHandle<()>> {
    let mut inlet = Inlet::new(options::state()?);
    std::thread::Builder::new()
        .name(format!("relay-{index}"))
        .spawn(move || worker.run(guard.mailboxes.clone(), &inbox, &mut inlet))
}

#[expect(clippy::disallowed_methods, reason = "the hands' one look at the clocks, to tell the brain")]
pub(crate) fn clock() -> Now {
    Now { mono: Instant::now(), unix: SystemTime::now() }
}

/// Fills `bytes` from the system's random source.
pub(crate) fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| io::Error::other("the system gives no random numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn thread_that_panics_is_told_of() {
        let alarm = Arc::new(Alarm::default());
        let guard = Guard { alarm: Arc::clone(&alarm), mailboxes: Vec::new() };
        let well = Guard { alarm: Arc::clone(&alarm), mailboxes: Vec::new() };
        drop(well);
        assert!(!alarm.is_rung(), "a thread that ends well is no reason");
        let thread = std::thread::spawn(move || {
            let _guard = guard;
            std::panic::resume_unwind(Box::new("a fault"));
        });
        alarm.wait().await;
        assert!(thread.join().is_err());
        // For whoever asks later, too.
        alarm.wait().await;
    }
}
