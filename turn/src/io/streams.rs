//! The TCP and TLS connections of one worker: frames out of streams of bytes, and back into them.
//!
//! The worker's poll tells which connection has an event; [`Streams::read`] does all that the event is for. What is
//! pushed waits in the connection's queue until the next [`Streams::flush`], so that many frames cost one write.
//! Nothing here waits for a client, and no client costs more than its queue, one unfinished frame and its TLS session.

mod connection;
mod frames;
mod queue;
mod session;
mod table;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use mio::{Interest, Registry, Token};
use tracing::debug;

use self::connection::Connection;
pub(super) use self::frames::next_frame;
use self::queue::{Pool, Queue};
use self::session::Session;
use self::table::Table;
use super::options;
use super::sources::Places;
use super::tls::Identity;
use crate::config::{Config, Lifetimes};
use crate::metrics::Counters;
use crate::relay::{ClientAddr, Transport};

/// Bytes that the system may hold of a connection besides those under way.
const UNSENT: u32 = 32 << 10;
/// Bytes taken from a socket with one system call.
const SCRATCH: usize = 64 << 10;

/// A connection on its way to the worker that will serve it.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    /// The client's side.
    pub(super) remote: SocketAddr,
    /// Whether TLS comes first.
    pub(super) tls: bool,
    /// Given back when the connection ends.
    pub(super) places: Places,
}

/// What a call to [`Streams::read`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Readiness {
    /// Whom the bytes are from. None where nobody has to be told anything: no such connection, or one in its TLS
    /// handshake.
    pub(super) client: Option<ClientAddr>,
    /// How it goes on.
    pub(super) state: State,
}

/// How a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is open; where there is `more`, it has to be read again although the poll will not tell.
    Open {
        /// The turn was over before everything was read.
        more: bool,
    },
    /// It is closed already, and why. What came before it ended has been read.
    Closed(&'static str),
}

/// Every connection of one worker.
#[derive(Debug)]
pub(super) struct Streams {
    table: Table,
    /// Those that something was pushed to since the last flush.
    unsent: Vec<usize>,
    pool: Pool,
    scratch: Box<[u8]>,
    identity: Option<Arc<Identity>>,
    lifetimes: Lifetimes,
    stream_queue: usize,
    first_token: usize,
    counters: Arc<Counters>,
}

impl Streams {
    /// None yet. Tokens from `first_token` on are theirs, as many as there are connections at once.
    pub(super) fn new(
        config: &Config,
        identity: Option<Arc<Identity>>,
        first_token: usize,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            table: Table::default(),
            unsent: Vec::new(),
            pool: Pool::default(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            identity,
            lifetimes: config.lifetimes.clone(),
            stream_queue: config.limits.stream_queue,
            first_token,
            counters,
        }
    }

    /// True when there is no connection.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Serves a connection from now on; the poll will tell at once what it has already sent.
    ///
    /// An older connection from the same address and port is dead, whether that has been noticed or not: it is closed
    /// first, and its client returned for the brain to be told.
    pub(super) fn add(&mut self, registry: &Registry, now: Instant, accepted: Accepted) -> Option<ClientAddr> {
        let local = match accepted.stream.local_addr() {
            Ok(local) => local,
            Err(error) => {
                debug!(%error, "connection gone before it was served");
                return None;
            }
        };
        let transport = if accepted.tls { Transport::Tls } else { Transport::Tcp };
        let client = ClientAddr { transport, remote: accepted.remote, local };
        let gone = self.table.find(client).and_then(|key| self.remove(key, "replaced by a newer one"));
        match self.open(registry, now, client, accepted) {
            Ok(connection) => {
                self.table.insert(connection);
                self.counters.stream_opened();
            }
            Err(error) => debug!(%error, "connection cannot be served"),
        }
        gone
    }

    /// True for the token of any connection there is or was.
    pub(super) fn owns(&self, token: Token) -> bool {
        self.key(token).is_some()
    }

    /// Does what an event is for: goes on with a handshake, writes what waits, and reads what is there.
    ///
    /// `input` is cleared, then gets the beginning of a frame that was [kept](Self::keep) and all that has come since,
    /// decrypted, up to about 256 KiB at a time. A token of a connection that is gone reads nothing.
    pub(super) fn read(&mut self, now: Instant, token: Token, input: &mut Vec<u8>) -> Readiness {
        input.clear();
        let nothing = Readiness { client: None, state: State::Open { more: false } };
        let Some(key) = self.key(token) else {
            return nothing;
        };
        let Some(connection) = self.table.get_mut(key) else {
            return nothing;
        };
        let state = connection.serve(now, &self.lifetimes, &mut self.scratch, input);
        connection.queue.settle(&mut self.pool);
        let client = connection.known();
        match state {
            State::Open { .. } => self.table.rearm(key),
            State::Closed(why) => {
                self.remove(key, why);
            }
        }
        Readiness { client, state }
    }

    /// Keeps what is left of `input` after all whole frames were taken out of it, for the next read.
    pub(super) fn keep(&mut self, token: Token, rest: &[u8]) {
        if rest.is_empty() {
            return;
        }
        if let Some(key) = self.key(token)
            && let Some(connection) = self.table.get_mut(key)
        {
            connection.rest = rest.to_vec();
        }
    }

    /// True for a connection whose TLS handshake is not done. Going on with it may cost a signature, which takes longer
    /// than a thousand packets.
    pub(super) fn is_greeting(&self, token: Token) -> bool {
        let connection = self.key(token).and_then(|key| self.table.get(key));
        connection.is_some_and(|connection| connection.known().is_none())
    }

    /// Tells whether the client has an allocation now: with one, it takes up no place of its source. False when it had
    /// one, and there is no such place left for it: then it has to go.
    #[must_use]
    pub(super) fn settle(&mut self, token: Token, has_allocation: bool) -> bool {
        let Some(connection) = self.key(token).and_then(|key| self.table.get_mut(key)) else {
            return true;
        };
        match (connection.places.is_newcomer(), has_allocation) {
            (true, true) => {
                connection.places.establish();
                true
            }
            (false, false) => connection.places.return_to_newcomers(),
            (true, false) | (false, true) => true,
        }
    }

    /// Queues data as one frame; false when it was dropped, because the client is gone or too slow.
    #[must_use]
    pub(super) fn push_data(&mut self, to: ClientAddr, parts: &[&[u8]]) -> bool {
        self.push(to, |queue, pool| queue.push_data(parts, pool))
    }

    /// Queues an answer; false when it was dropped, which data alone can never cause.
    #[must_use]
    pub(super) fn push_answer(&mut self, to: ClientAddr, bytes: &[u8]) -> bool {
        self.push(to, |queue, pool| queue.push_answer(bytes, pool))
    }

    /// Writes what was pushed since the last flush, as far as the sockets take it; the rest follows when they tell.
    pub(super) fn flush(&mut self, now: Instant) {
        let mut unsent = std::mem::take(&mut self.unsent);
        for key in unsent.drain(..) {
            if let Some(connection) = self.table.get_mut(key) {
                connection.flush(now, &self.lifetimes, &mut self.pool);
                self.table.rearm(key);
            }
        }
        self.unsent = unsent;
    }

    /// Closes a connection, and returns its client for the brain to be told.
    pub(super) fn close(&mut self, token: Token, why: &'static str) -> Option<ClientAddr> {
        self.key(token).and_then(|key| self.remove(key, why))
    }

    /// Closes every connection whose time is over: a TLS handshake that does not end, a stranger without an
    /// allocation, a client that does not read, and what broke while it was written to. Returns their clients for the
    /// brain to be told.
    pub(super) fn sweep(&mut self, now: Instant, has_allocation: impl Fn(ClientAddr) -> bool) -> Vec<ClientAddr> {
        let mut gone = Vec::new();
        for key in self.table.due(now) {
            let Some(connection) = self.table.get_mut(key) else {
                continue;
            };
            match connection.verdict(now, self.lifetimes.idle_stream, &has_allocation) {
                Some(why) => gone.extend(self.remove(key, why)),
                None => self.table.rearm(key),
            }
        }
        gone
    }

    /// When to [sweep](Self::sweep) next; ask again after each read, flush and sweep.
    pub(super) fn next_sweep(&self) -> Option<Instant> {
        self.table.next_due()
    }

    /// Closes every connection. The brain is not told: it ends, too.
    pub(super) fn close_all(&mut self) {
        for key in self.table.all() {
            self.remove(key, "shutting down");
        }
    }

    fn key(&self, token: Token) -> Option<usize> {
        token.0.checked_sub(self.first_token).filter(|key| self.table.has_given(*key))
    }

    fn open(
        &self,
        registry: &Registry,
        now: Instant,
        client: ClientAddr,
        accepted: Accepted,
    ) -> io::Result<Connection> {
        let session = match (&self.identity, accepted.tls) {
            (Some(identity), true) => Some(Session::new(Arc::clone(identity))),
            (None, true) => return Err(io::Error::other("a TLS connection without a certificate")),
            (_, false) => None,
        };
        accepted.stream.set_nonblocking(true)?;
        if let Err(error) = options::keep_little_unsent(&accepted.stream, UNSENT) {
            debug!(%error, "much may wait in the system");
        }
        if let Err(error) = accepted.stream.set_nodelay(true) {
            debug!(%error, "small frames may be delayed");
        }
        let mut socket = mio::net::TcpStream::from_std(accepted.stream);
        let token = Token(self.first_token + self.table.next_key());
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        let queue = Queue::new(self.stream_queue);
        Ok(Connection::new(now, client, socket, session, queue, &self.lifetimes, accepted.places))
    }

    fn push(&mut self, to: ClientAddr, push: impl FnOnce(&mut Queue, &mut Pool) -> bool) -> bool {
        let Some(key) = self.table.find(to) else {
            return false;
        };
        let Some(connection) = self.table.get_mut(key) else {
            return false;
        };
        if connection.known().is_none() {
            return false;
        }
        let pushed = push(&mut connection.queue, &mut self.pool);
        if pushed && !connection.unsent {
            connection.unsent = true;
            self.unsent.push(key);
        }
        pushed
    }

    fn remove(&mut self, key: usize, why: &'static str) -> Option<ClientAddr> {
        let mut connection = self.table.remove(key)?;
        connection.say_goodbye();
        self.counters.stream_closed();
        debug!(why, "connection closed");
        connection.known()
    }
}
