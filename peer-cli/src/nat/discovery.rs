//! Brain: which Binding requests are sent from which socket, and when there is nothing left to wait for.
//!
//! ```text
//! mapping socket    -> each server ---- the first that names a second address, or else the first that answers:
//! mapping socket    -> its three other places (RFC 5780 section 4.3)
//! filter sockets    -> it, for an answer from elsewhere (section 4.4)
//! hairpin sockets   -> it, then each to the other one's public address (section 4.5)
//! ```
//!
//! A filter opens towards whom a socket has sent to, so the filter is asked from sockets that never send to the places
//! whose answers are to be kept out. For the hairpin both sockets send, as two peers do: a filter that lets in only
//! whom was sent to must not look like a missing hairpin.

mod conclusion;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    NatReport,
    judge::same,
    wire::{self, Came, Extra, Id, Ids, What},
};

/// How long each transmission of a request waits, in the spirit of RFC 8489 section 6.2.1 and shorter: what does not
/// come within 2.75 s does not come.
const WAITS: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(1)];

/// Transmissions after which silence counts as an answer, should the time be over.
const ENOUGH: usize = 3;

/// The sockets, each bound to a port of its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Leg {
    /// Sends to all places of the server.
    Mapping,
    /// Wants an answer from another address and port.
    FilterBoth,
    /// Wants an answer from another port.
    FilterPort,
    /// One end of the hairpin.
    HairpinLeft,
    /// Its other end.
    HairpinRight,
}

impl Leg {
    /// All, in order.
    pub(super) const ALL: [Self; 5] =
        [Self::Mapping, Self::FilterBoth, Self::FilterPort, Self::HairpinLeft, Self::HairpinRight];
}

/// A datagram to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Transmit {
    /// From which socket.
    pub(super) leg: Leg,
    /// Where to.
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// See the module.
pub(super) struct Discovery {
    /// Where the mapping socket is bound.
    local: SocketAddr,
    ids: Ids,
    end: Instant,
    asks: Vec<Ask>,
    transmits: VecDeque<Transmit>,
    /// The server that the rest is asked of.
    main: Option<Main>,
    /// Whether a datagram has come back in at the other end of the hairpin.
    hairpin: bool,
    report: Option<NatReport>,
}

/// A request.
struct Ask {
    question: Question,
    leg: Leg,
    to: SocketAddr,
    id: Id,
    bytes: Vec<u8>,
    sent: usize,
    due: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Question {
    /// Our public address, of a server that was named.
    Server,
    /// The same, of another place of the main server.
    Place,
    /// An answer from elsewhere.
    Elsewhere,
    /// The public address of an end of the hairpin.
    End,
    /// To the other end: nobody answers, the question itself is to arrive.
    Across,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum State {
    Waiting,
    Answered { from: SocketAddr, what: What },
    Silent,
}

/// The server that the rest is asked of.
#[derive(Clone, Copy, Debug)]
struct Main {
    server: SocketAddr,
    mapped: SocketAddr,
    /// The opposite of the address it was asked at: another address and another port.
    other: Option<SocketAddr>,
}

impl Discovery {
    /// Asks the first questions. `local` is where the mapping socket is bound, `servers` are of the same family;
    /// whatever has not come at `end` counts as not found out.
    pub(super) fn start(now: Instant, local: SocketAddr, servers: &[SocketAddr], end: Instant, ids: Ids) -> Self {
        let mut discovery = Self {
            local,
            ids,
            end,
            asks: Vec::new(),
            transmits: VecDeque::new(),
            main: None,
            hairpin: false,
            report: None,
        };
        for server in servers {
            discovery.ask(now, Question::Server, Leg::Mapping, *server, Extra::Nothing);
        }
        discovery.advance(now);
        discovery
    }

    /// A datagram came to a socket.
    pub(super) fn received(&mut self, now: Instant, leg: Leg, from: SocketAddr, datagram: &[u8]) {
        let Some(Came { id, what }) = wire::read(datagram) else { return };
        if what == What::Request {
            let came_back = |ask: &Ask| ask.question == Question::Across && ask.id == id && ask.leg != leg;
            self.hairpin |= self.asks.iter().any(came_back);
        } else if let Some(ask) = self.asks.iter_mut().find(|ask| ask.leg == leg && ask.id == id && ask.is_open()) {
            ask.state = State::Answered { from, what };
        }
        self.advance(now);
    }

    /// The next datagram to send; asked for until there is none.
    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.report.is_some() {
            return None;
        }
        self.asks.iter().filter(|ask| ask.is_open()).map(|ask| ask.due.min(self.end)).min()
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for ask in self.asks.iter_mut().filter(|ask| ask.is_open()) {
            if now >= self.end {
                ask.state = State::Silent;
            } else if now >= ask.due {
                match WAITS.get(ask.sent) {
                    Some(wait) => {
                        ask.sent += 1;
                        ask.due = now + *wait;
                        self.transmits.push_back(Transmit { leg: ask.leg, to: ask.to, bytes: ask.bytes.clone() });
                    }
                    None => ask.state = State::Silent,
                }
            }
        }
        self.advance(now);
    }

    /// What was found out, once it is over.
    pub(super) fn report(&self) -> Option<&NatReport> {
        self.report.as_ref()
    }

    fn ask(&mut self, now: Instant, question: Question, leg: Leg, to: SocketAddr, extra: Extra) {
        let id = (self.ids)();
        let bytes = wire::request(id, extra);
        self.transmits.push_back(Transmit { leg, to, bytes: bytes.clone() });
        let due = now + WAITS[0];
        self.asks.push(Ask { question, leg, to, id, bytes, sent: 1, due, state: State::Waiting });
    }

    /// Goes on with what the answers so far allow.
    fn advance(&mut self, now: Instant) {
        if self.report.is_some() {
            return;
        }
        if now < self.end {
            if self.main.is_none() {
                self.choose(now);
            }
            self.cross(now);
        }
        let is_over = |ask: &Ask| !ask.is_open() || (self.hairpin && ask.question == Question::Across);
        if self.asks.iter().all(is_over) {
            self.report = Some(self.conclude());
            self.transmits.clear();
        }
    }

    /// Chooses the main server and asks it the rest.
    fn choose(&mut self, now: Instant) {
        let servers = || self.asks.iter().filter(|ask| ask.question == Question::Server);
        let complete = servers().filter_map(Main::of).find(|main| main.other.is_some());
        let main = match complete {
            Some(main) => main,
            None if servers().any(Ask::is_open) => return,
            None => match servers().find_map(Main::of) {
                Some(main) => main,
                None => return,
            },
        };
        self.main = Some(main);
        let Main { server, mapped, other } = main;
        if let Some(other) = other {
            for place in [other, SocketAddr::new(server.ip(), other.port()), SocketAddr::new(other.ip(), server.port())]
            {
                self.ask(now, Question::Place, Leg::Mapping, place, Extra::Nothing);
            }
            self.ask(now, Question::Elsewhere, Leg::FilterBoth, server, Extra::ChangeBoth);
            self.ask(now, Question::Elsewhere, Leg::FilterPort, server, Extra::ChangePort);
        }
        // Without a NAT there is nothing that could turn a packet round.
        if !same(mapped, self.local) {
            self.ask(now, Question::End, Leg::HairpinLeft, server, Extra::Nothing);
            self.ask(now, Question::End, Leg::HairpinRight, server, Extra::Nothing);
        }
    }

    /// Once the public addresses of both ends of the hairpin are known, each sends to the other one's.
    fn cross(&mut self, now: Instant) {
        if self.asks.iter().any(|ask| ask.question == Question::Across) {
            return;
        }
        let end = |leg| self.asks.iter().find(|ask| ask.leg == leg).and_then(Ask::mapped);
        let (Some(left), Some(right)) = (end(Leg::HairpinLeft), end(Leg::HairpinRight)) else { return };
        self.ask(now, Question::Across, Leg::HairpinLeft, right, Extra::Nothing);
        self.ask(now, Question::Across, Leg::HairpinRight, left, Extra::Nothing);
    }
}

impl Ask {
    fn is_open(&self) -> bool {
        self.state == State::Waiting
    }

    /// The public address that the answer tells.
    fn mapped(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Answered { what: What::Success { mapped, .. }, .. } => *mapped,
            State::Answered { what: What::Error { .. } | What::Request, .. } | State::Waiting | State::Silent => None,
        }
    }
}

impl Main {
    fn of(ask: &Ask) -> Option<Self> {
        let State::Answered { what: What::Success { mapped: Some(mapped), other }, .. } = &ask.state else {
            return None;
        };
        let server = ask.to;
        // Anything else cannot be asked: a server that names itself, or an address of its own network.
        let is_opposite = |other: &SocketAddr| {
            other.is_ipv4() == server.is_ipv4()
                && other.ip() != server.ip()
                && other.port() != server.port()
                && !other.ip().is_unspecified()
                && other.port() != 0
        };
        Some(Self { server, mapped: *mapped, other: other.filter(is_opposite) })
    }
}

#[cfg(test)]
mod tests;
