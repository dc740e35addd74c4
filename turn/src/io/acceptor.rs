//! TCP and TLS connections taken in, counted, and dealt out to the workers in turn.

use std::io;
use std::net::TcpListener as BoundListener;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use tracing::{debug, warn};

use super::sources::{Places, Room, Sources};
use super::streams::Accepted;
use crate::config::Config;
use crate::gate::WarnGate;
use crate::metrics::Counters;

/// Tokens of listening sockets start here, one after the other.
const DOORS: usize = 1 << 12;
/// Connections taken before other sockets get their turn.
const BATCH: usize = 64;
/// Pause after a failed accept, most likely for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Every listening socket for connections.
#[derive(Debug)]
pub(super) struct Acceptor {
    doors: Vec<Door>,
    sources: Sources,
    workers: usize,
    next: usize,
    warnings: WarnGate,
}

#[derive(Debug)]
struct Door {
    listener: TcpListener,
    tls: bool,
    room: Room,
    /// When to look again though no event will come.
    retry: Option<Instant>,
}

impl Acceptor {
    pub(super) fn new(config: &Config, tcp: Vec<BoundListener>, tls: Vec<BoundListener>, workers: usize) -> Self {
        let plain = tcp.into_iter().map(|listener| (listener, false));
        let doors = plain.chain(tls.into_iter().map(|listener| (listener, true)));
        let doors = doors.map(|(listener, tls)| Door {
            listener: TcpListener::from_std(listener),
            tls,
            room: Room::new(config.limits.max_streams),
            retry: None,
        });
        Self {
            doors: doors.collect(),
            sources: Sources::new(config.limits.max_streams_per_ip),
            workers,
            next: 0,
            warnings: WarnGate::default(),
        }
    }

    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        for (place, door) in self.doors.iter_mut().enumerate() {
            registry.register(&mut door.listener, Token(DOORS + place), Interest::READABLE)?;
        }
        Ok(())
    }

    /// Takes the connections that wait at one door; `deal` gets each with the worker whose turn it is.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        token: Token,
        counters: &Counters,
        mut deal: impl FnMut(usize, Accepted),
    ) {
        let Some(door) = token.0.checked_sub(DOORS).and_then(|place| self.doors.get_mut(place)) else {
            return;
        };
        door.retry = None;
        for _ in 0..BATCH {
            let (stream, remote) = match door.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It had gone before it was taken.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    if self.warnings.opens(now) {
                        warn!(%error, "cannot accept a connection");
                    }
                    door.retry = Some(now + PAUSE);
                    return;
                }
            };
            match Places::take(&door.room, &self.sources, remote.ip()) {
                Ok(places) => {
                    let worker = self.next;
                    self.next = (self.next + 1) % self.workers.max(1);
                    deal(worker, Accepted { stream: stream.into(), remote, tls: door.tls, places });
                }
                Err(why) => {
                    counters.stream_refused();
                    if self.warnings.opens(now) {
                        warn!(%why, "connections are refused: see --max-streams and --max-streams-per-ip");
                    } else {
                        debug!(%why, "connection refused");
                    }
                }
            }
        }
        // The others first.
        door.retry = Some(now);
    }

    /// When some door wants to be looked at though no event will come.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.doors.iter().filter_map(|door| door.retry).min()
    }

    /// Doors whose time that is.
    pub(super) fn due(&self, now: Instant) -> Vec<Token> {
        let is_due = |door: &Door| door.retry.is_some_and(|at| at <= now);
        let doors = self.doors.iter().enumerate().filter(|(_, door)| is_due(door));
        doors.map(|(place, _)| Token(DOORS + place)).collect()
    }
}
