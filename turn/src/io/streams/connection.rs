//! One connection: its socket, what waits to be read and written, and the limits on its time.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use tracing::debug;

use super::State;
use super::queue::{Pool, Queue};
use super::session::Session;
use crate::config::Lifetimes;
use crate::io::sources::Places;
use crate::relay::ClientAddr;

/// Bytes read from one connection before others have their turn.
pub(super) const READ_AT_ONCE: usize = 256 << 10;

/// A connection that is being served.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: ClientAddr,
    pub(super) queue: Queue,
    /// The beginning of a frame whose end has not come.
    pub(super) rest: Vec<u8>,
    /// Set while it stands in the list of those to be flushed.
    pub(super) unsent: bool,
    /// The time that the table has noted for it.
    pub(super) armed: Instant,
    socket: TcpStream,
    session: Option<Box<Session>>,
    /// True until the TLS handshake is done: the brain has not heard of the client.
    greeting: bool,
    opened: Instant,
    /// When the handshake must be done, and after it, when an allocation must be there.
    limit: Instant,
    /// When a client must have read something. None while nothing waits for the socket.
    stuck: Option<Instant>,
    /// The socket takes no more until it tells.
    blocked: bool,
    /// Why it is over, found where nobody could be told.
    failed: Option<&'static str>,
    /// Given back with the connection.
    pub(super) places: Places,
}

impl Connection {
    pub(super) fn new(
        now: Instant,
        client: ClientAddr,
        socket: TcpStream,
        session: Option<Session>,
        queue: Queue,
        lifetimes: &Lifetimes,
        places: Places,
    ) -> Self {
        let greeting = session.is_some();
        // However a stranger spends it, this is all the time it has.
        let limit = now + if greeting { lifetimes.handshake } else { lifetimes.idle_stream };
        Self {
            client,
            queue,
            rest: Vec::new(),
            unsent: false,
            armed: limit,
            socket,
            session: session.map(Box::new),
            greeting,
            opened: now,
            limit,
            stuck: None,
            blocked: false,
            failed: None,
            places,
        }
    }

    /// The client, if the brain can have heard of it.
    pub(super) fn known(&self) -> Option<ClientAddr> {
        (!self.greeting).then_some(self.client)
    }

    /// When to look at its limits again.
    pub(super) fn due(&self) -> Instant {
        self.stuck.map_or(self.limit, |stuck| stuck.min(self.limit))
    }

    /// Does what an event is for: writes what can be written and appends what can be read to `input`.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        lifetimes: &Lifetimes,
        scratch: &mut [u8],
        input: &mut Vec<u8>,
    ) -> State {
        // Whichever way the event was for, the socket may take bytes again.
        self.blocked = false;
        match self.exchange(now, lifetimes, scratch, input) {
            Ok(more) => State::Open { more },
            Err(why) => State::Closed(why),
        }
    }

    /// Writes what waits. A connection that breaks over it is due at once.
    pub(super) fn flush(&mut self, now: Instant, lifetimes: &Lifetimes, pool: &mut Pool) {
        self.unsent = false;
        if self.failed.is_none()
            && let Err(why) = self.send(now, lifetimes.stream_write)
        {
            self.failed = Some(why);
            self.limit = now;
        }
        self.queue.settle(pool);
    }

    /// Why it has to be closed now, if it has. `has_allocation` is asked when its time without one is over.
    pub(super) fn verdict(
        &mut self,
        now: Instant,
        idle: Duration,
        has_allocation: impl FnOnce(ClientAddr) -> bool,
    ) -> Option<&'static str> {
        if self.failed.is_some() {
            return self.failed;
        }
        if self.stuck.is_some_and(|stuck| stuck <= now) {
            return Some("the client does not read");
        }
        if self.limit > now {
            return None;
        }
        if self.greeting {
            return Some("a TLS handshake that took too long");
        }
        if !has_allocation(self.client) {
            return Some("too long without an allocation");
        }
        self.limit = now + idle;
        None
    }

    /// Tells a TLS client that nothing follows, where that costs no waiting.
    pub(super) fn say_goodbye(&mut self) {
        if let Some(session) = &mut self.session
            && !self.blocked
            && self.failed.is_none()
        {
            session.say_goodbye(&self.socket);
        }
    }

    /// True when there is more to read although the poll will not tell.
    fn exchange(
        &mut self,
        now: Instant,
        lifetimes: &Lifetimes,
        scratch: &mut [u8],
        input: &mut Vec<u8>,
    ) -> Result<bool, &'static str> {
        if let Some(why) = self.failed {
            return Err(why);
        }
        input.extend_from_slice(&std::mem::take(&mut self.rest));
        self.send(now, lifetimes.stream_write)?;
        let more = self.receive(now, lifetimes, scratch, input)?;
        // TLS may have something to say to what came.
        self.send(now, lifetimes.stream_write)?;
        Ok(more)
    }

    fn receive(
        &mut self,
        now: Instant,
        lifetimes: &Lifetimes,
        scratch: &mut [u8],
        input: &mut Vec<u8>,
    ) -> Result<bool, &'static str> {
        let mut budget = READ_AT_ONCE;
        while budget > 0 {
            if self.greeting {
                self.send(now, lifetimes.stream_write)?;
                if self.blocked {
                    // One word after the other: who does not hear ours is not asked for more.
                    return Ok(false);
                }
            }
            let room = scratch.len().min(budget);
            match self.socket.read(scratch.get_mut(..room).unwrap_or_default()) {
                Ok(0) => return Err("closed by the client"),
                Ok(length) => {
                    budget -= length;
                    self.take_in(scratch.get(..length).unwrap_or_default(), lifetimes, input)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(&error)),
            }
        }
        // Nobody would come back for it, and no handshake is that long.
        if self.greeting { Err("a TLS handshake without end") } else { Ok(true) }
    }

    fn take_in(&mut self, bytes: &[u8], lifetimes: &Lifetimes, input: &mut Vec<u8>) -> Result<(), &'static str> {
        let Some(session) = &mut self.session else {
            input.extend_from_slice(bytes);
            return Ok(());
        };
        let outcome = session.receive(&self.socket, bytes, input);
        if self.greeting && !session.is_handshaking() {
            self.greeting = false;
            self.limit = self.opened + lifetimes.idle_stream;
        }
        outcome
    }

    /// Writes until nothing waits or the socket takes no more.
    fn send(&mut self, now: Instant, write_limit: Duration) -> Result<(), &'static str> {
        if self.blocked {
            return Ok(());
        }
        let mut moved = false;
        let written = match &mut self.session {
            None => self.queue.write_to(&self.socket, &mut moved),
            Some(session) => session.send(&self.socket, &mut self.queue, &mut moved),
        };
        match written {
            Ok(()) => self.stuck = None,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.blocked = true;
                if moved || self.stuck.is_none() {
                    self.stuck = Some(now + write_limit);
                }
            }
            Err(error) => return Err(broken(&error)),
        }
        Ok(())
    }
}

fn broken(error: &std::io::Error) -> &'static str {
    debug!(%error, "connection fails");
    "broken"
}
