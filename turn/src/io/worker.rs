//! One thread of the relay: it waits for its sockets, asks the brain about every packet, and does what the brain says.

mod errands;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use tracing::{debug, error};

use super::acceptor::Acceptor;
use super::egress::Egress;
use super::inlet::{Inlet, Level};
use super::mailbox::{Inbox, Mailbox};
use super::outlets::{Outlets, Ready};
use super::ports::Ports;
use super::streams::{Accepted, State, Streams, next_frame};
use super::tls::Identity;
use super::{clock, options};
use crate::config::Config;
use crate::metrics::Counters;
use crate::relay::{ClientAddr, Core, Now, Setup, Transport};

/// The token of the bell.
pub(super) const BELL: Token = Token(0);
/// Tokens of connections start here; those of relay sockets far above.
const STREAMS: usize = 1 << 16;
/// Sockets that one look at the poll can name.
const EVENTS: usize = 256;
/// Datagrams of one socket, and batches, after which the others get their turn.
const TURN: usize = 1024;
const ROUNDS: usize = 16;
/// TLS handshakes that go on after each look at the poll, and after how many packets one more does: a signature takes
/// as long as several hundred.
const GREETINGS: usize = 2;
const PACKETS_PER_GREETING: usize = 1000;
/// Packets from other workers that are one turn.
const PARCELS: usize = 512;
/// Pause after a failure of the poll itself, which nothing but a lack of memory explains.
const POLL_PAUSE: Duration = Duration::from_millis(100);

/// What a worker is made of.
pub(super) struct Parts {
    pub(super) setup: Setup,
    pub(super) listeners: Vec<UdpSocket>,
    /// One worker accepts connections for all.
    pub(super) acceptor: Option<Acceptor>,
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) ports: Arc<Mutex<Ports>>,
}

/// A worker before and while it runs.
pub(super) struct Worker {
    poll: Poll,
    core: Core,
    outlets: Outlets,
    acceptor: Option<Acceptor>,
    streams: Streams,
    egress: Egress,
    ports: Arc<Mutex<Ports>>,
    counters: Arc<Counters>,
    index: usize,
    /// Every worker's mailbox, by worker; this one's own too.
    mailboxes: Vec<Mailbox>,
    /// Sockets with more to read than their turn allowed.
    backlog: Vec<Token>,
    /// Whose turn it is. Kept for its memory alone.
    due: Vec<Token>,
    /// Connections that wait for their TLS handshake to go on.
    greetings: VecDeque<Token>,
    /// Packets since the last look at the poll.
    handled: usize,
}

impl Worker {
    /// Registers everything; returns the worker and the waker that rings its bell.
    pub(super) fn new(config: &Config, parts: Parts) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), BELL)?;
        let outlets = Outlets::new(poll.registry(), parts.listeners)?;
        let mut acceptor = parts.acceptor;
        if let Some(acceptor) = &mut acceptor {
            acceptor.register(poll.registry())?;
        }
        let counters = Arc::clone(&parts.setup.counters);
        let worker = Self {
            outlets,
            acceptor,
            streams: Streams::new(config, parts.identity, STREAMS, Arc::clone(&counters)),
            egress: Egress::new(options::state()?),
            ports: parts.ports,
            counters,
            index: usize::from(parts.setup.worker),
            core: Core::new(parts.setup),
            mailboxes: Vec::new(),
            backlog: Vec::new(),
            due: Vec::new(),
            greetings: VecDeque::new(),
            handled: 0,
            poll,
        };
        Ok((worker, waker))
    }

    /// Serves until it is told to stop; then every allocation has ended and every socket is closed.
    pub(super) fn run(mut self, mailboxes: Vec<Mailbox>, inbox: &Inbox, inlet: &mut Inlet) {
        self.mailboxes = mailboxes;
        let mut events = Events::with_capacity(EVENTS);
        let mut input = Vec::new();
        while !inbox.is_stopped() {
            let wait = self.wait(clock().mono);
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                error!(%error, "cannot wait for packets");
                std::thread::sleep(POLL_PAUSE);
            }
            let now = clock();
            let mut due = std::mem::take(&mut self.due);
            one_turn_each(&mut due, &mut self.backlog, events.iter().map(Event::token));
            self.handled = 0;
            for &token in &due {
                if self.streams.is_greeting(token) {
                    if !self.greetings.contains(&token) {
                        self.greetings.push_back(token);
                    }
                } else {
                    self.turn(now, token, inbox, inlet, &mut input);
                }
            }
            self.due = due;
            // In the order they came, and more of them after many packets: calls that go on come first, not alone.
            for _ in 0..GREETINGS + self.handled / PACKETS_PER_GREETING {
                let Some(token) = self.greetings.pop_front() else {
                    break;
                };
                self.turn(now, token, inbox, inlet, &mut input);
            }
            self.timers(now);
            self.flush(now.mono);
        }
        self.stop();
    }

    /// One socket's turn, or the bell's.
    fn turn(&mut self, now: Now, token: Token, inbox: &Inbox, inlet: &mut Inlet, input: &mut Vec<u8>) {
        if token == BELL {
            self.open_mail(now, inbox);
        } else if self.streams.owns(token) {
            self.read_stream(now, token, input);
        } else if let Some(ready) = self.outlets.ready(token) {
            self.read_datagrams(now, token, ready, inlet);
        } else if self.acceptor.is_some() {
            self.accept(now, token);
        }
        if self.egress.is_full() {
            self.flush(now.mono);
        }
    }

    /// A turn of one UDP socket: until it is empty, or has had its share.
    fn read_datagrams(&mut self, now: Now, token: Token, ready: Ready, inlet: &mut Inlet) {
        let before = self.handled;
        for round in 0..ROUNDS {
            if self.read_batch(now, ready, round > 0, inlet) == Level::Empty {
                return;
            }
            self.flush(now.mono);
            if self.handled - before >= TURN {
                break;
            }
        }
        self.backlog.push(token);
    }

    /// What one call takes from a socket; one that is closed is empty.
    fn read_batch(&mut self, now: Now, ready: Ready, deep: bool, inlet: &mut Inlet) -> Level {
        match ready {
            Ready::Listener(place) => {
                let Some(listener) = self.outlets.listener(place) else {
                    return Level::Empty;
                };
                let local = listener.local;
                let level = inlet.receive(&listener.socket, deep);
                for datagram in inlet.datagrams() {
                    self.handled += 1;
                    let local = datagram.to.map_or(local, |ip| SocketAddr::new(ip, local.port()));
                    let from = ClientAddr { transport: Transport::Udp, remote: datagram.from, local };
                    self.datagram_or_frame(now, from, datagram.bytes);
                }
                level
            }
            Ready::Relay(slot) => {
                let Some(relay) = self.outlets.relay(slot) else {
                    return Level::Empty;
                };
                let id = relay.id;
                let level = inlet.receive(&relay.socket, deep);
                for datagram in inlet.datagrams() {
                    self.handled += 1;
                    let decision = self.core.handle_peer(now.mono, id, datagram.from, datagram.bytes);
                    self.pass_on(now.mono, decision);
                }
                level
            }
        }
    }

    fn read_stream(&mut self, now: Now, token: Token, input: &mut Vec<u8>) {
        let readiness = self.streams.read(now.mono, token, input);
        let Some(client) = readiness.client else {
            return;
        };
        let mut at = 0;
        let broken = loop {
            match next_frame(input, &mut at, || self.core.has_allocation(client)) {
                Ok(Some(frame)) => self.datagram_or_frame(now, client, frame),
                Ok(None) => break None,
                Err(why) => break Some(why),
            }
        };
        match (readiness.state, broken) {
            (State::Open { more }, None) => {
                self.streams.keep(token, input.get(at..).unwrap_or_default());
                let has_allocation = self.core.has_allocation(client);
                if !self.streams.settle(token, has_allocation) {
                    self.flush(now.mono);
                    self.streams.close(token, "too many of its source have no allocation");
                    self.client_gone(now, client);
                    return;
                }
                if more {
                    self.backlog.push(token);
                }
            }
            (State::Open { .. }, Some(why)) => {
                self.flush(now.mono);
                if self.streams.close(token, why).is_some() {
                    self.client_gone(now, client);
                }
            }
            (State::Closed(why), _) => {
                debug!(why, "connection closed");
                self.client_gone(now, client);
            }
        }
    }

    fn accept(&mut self, now: Now, token: Token) {
        let Some(mut acceptor) = self.acceptor.take() else {
            return;
        };
        let counters = Arc::clone(&self.counters);
        acceptor.accept(now.mono, token, &counters, |worker, accepted| {
            if worker == self.index {
                self.serve(now, accepted);
            } else {
                let taken = self.mailboxes.get(worker).is_some_and(|mailbox| mailbox.serve(accepted));
                if !taken {
                    counters.stream_refused();
                    debug!("connection refused: its worker is far behind");
                }
            }
        });
        self.acceptor = Some(acceptor);
    }

    fn serve(&mut self, now: Now, accepted: Accepted) {
        if let Some(gone) = self.streams.add(self.poll.registry(), now.mono, accepted) {
            self.client_gone(now, gone);
        }
    }

    fn open_mail(&mut self, now: Now, inbox: &Inbox) {
        inbox.hear();
        while let Some(accepted) = inbox.next_connection() {
            self.serve(now, accepted);
        }
        for _ in 0..PARCELS {
            let Some(parcel) = inbox.next_parcel() else {
                return;
            };
            let decision = self.core.handle_sibling(now.mono, parcel.from, parcel.to, &parcel.payload);
            self.pass_on(now.mono, decision);
            inbox.give_back(parcel);
            if self.egress.is_full() {
                self.flush(now.mono);
            }
        }
        // There may be more, and nobody rings again for it.
        self.backlog.push(BELL);
    }

    /// How long nothing needs to be done unless something comes.
    fn wait(&self, now: Instant) -> Option<Duration> {
        if !self.backlog.is_empty() || !self.greetings.is_empty() {
            return Some(Duration::ZERO);
        }
        let retry = self.acceptor.as_ref().and_then(Acceptor::retry_at);
        let deadlines = [self.core.poll_timeout(), self.streams.next_sweep(), retry];
        let next = deadlines.into_iter().flatten().min()?;
        // The poll counts in milliseconds, and would wake too early.
        Some(next.saturating_duration_since(now) + Duration::from_millis(1))
    }

    fn timers(&mut self, now: Now) {
        if self.core.poll_timeout().is_some_and(|due| due <= now.mono) {
            self.core.handle_timeout(now.mono);
            self.carry_out(now.mono);
        }
        if self.streams.next_sweep().is_some_and(|due| due <= now.mono) {
            let gone = self.streams.sweep(now.mono, |client| self.core.has_allocation(client));
            for client in gone {
                self.client_gone(now, client);
            }
        }
        let due = self.acceptor.as_ref().map_or_else(Vec::new, |acceptor| acceptor.due(now.mono));
        for token in due {
            self.accept(now, token);
        }
    }

    fn stop(&mut self) {
        let now = clock();
        self.core.end_all(now.mono);
        self.carry_out(now.mono);
        self.flush(now.mono);
        self.streams.close_all();
    }
}

/// Every socket that has something to do, once: those with a backlog may be named by the poll as well, and two turns
/// would soon be three, four and more.
fn one_turn_each(due: &mut Vec<Token>, backlog: &mut Vec<Token>, events: impl Iterator<Item = Token>) {
    due.clear();
    due.append(backlog);
    due.extend(events);
    due.sort_unstable();
    due.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_with_a_backlog_and_an_event_has_one_turn() {
        let mut due = vec![Token(9)];
        let mut backlog = vec![Token(7), Token(3), Token(7)];
        one_turn_each(&mut due, &mut backlog, [Token(3), Token(5)].into_iter());
        assert_eq!(due, [Token(3), Token(5), Token(7)]);
        assert!(backlog.is_empty());
    }
}
