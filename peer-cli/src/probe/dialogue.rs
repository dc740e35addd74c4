//! Brain: one conversation with one STUN or TURN server, from the first request to what came of it.
//!
//! ```text
//! Binding -------------------------------------------------------------------> finding
//! Allocate -> 401 -> signed Allocate -> CreatePermission, one for each peer -> Refresh to 0 -> finding
//! ```
//!
//! Over UDP requests are repeated as RFC 8489 section 6.2.1 has it, within the time given; a stream does that by
//! itself. Whatever was allocated is given back, on every way out.

mod pending;
mod words;

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use self::pending::Pending;
use super::request::{Answer, Challenge, Login, Request};
use crate::{report::ProbeOutcome, rtc::Over};

/// A source of transaction ids.
pub(super) type Ids = Box<dyn FnMut() -> [u8; 12] + Send>;

/// What a server is asked for.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum Goal {
    /// Our address as it sees it.
    Binding,
    /// An address of its own, and permission for these peers.
    Relay {
        /// The user's name.
        username: String,
        /// The password; goes into a key and nowhere else.
        credential: String,
        /// The other side's addresses; those of another family than the relayed address are left out.
        peers: Vec<SocketAddr>,
    },
}

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Finding {
    /// The kind.
    pub(super) outcome: ProbeOutcome,
    /// One sentence.
    pub(super) message: String,
    /// Our address as the server sees it.
    pub(super) mapped: Option<SocketAddr>,
    /// The address that it lent.
    pub(super) relayed: Option<SocketAddr>,
}

/// See the module.
pub(super) struct Dialogue {
    /// The server, as the sentences name it.
    server: String,
    goal: Goal,
    /// What carries the messages.
    over: Over,
    /// When there has to be a finding.
    end: Instant,
    ids: Ids,
    login: Option<Login>,
    /// Stale nonces met so far.
    stale: u32,
    pending: Option<Pending>,
    transmits: VecDeque<Vec<u8>>,
    /// Peers yet to be permitted, behind the one asked for now.
    peers: VecDeque<SocketAddr>,
    permitted: usize,
    /// What was said about the first peer that was refused, and how many were.
    forbidden: Option<(String, usize)>,
    /// ICMP errors since the last answer.
    refusals: u32,
    answered: bool,
    mapped: Option<SocketAddr>,
    relayed: Option<SocketAddr>,
    /// What will be found once the allocation is given back.
    verdict: Option<(ProbeOutcome, String)>,
    finding: Option<Finding>,
}

impl Dialogue {
    /// Sends the first request. `server` is how sentences name it, such as `turn:example.org:3478`.
    pub(super) fn start(now: Instant, server: String, goal: Goal, over: Over, end: Instant, ids: Ids) -> Self {
        let first = match &goal {
            Goal::Binding => Request::Binding,
            Goal::Relay { .. } => Request::Allocate,
        };
        let mut dialogue = Self {
            server,
            goal,
            over,
            end,
            ids,
            login: None,
            stale: 0,
            pending: None,
            transmits: VecDeque::new(),
            peers: VecDeque::new(),
            permitted: 0,
            forbidden: None,
            refusals: 0,
            answered: false,
            mapped: None,
            relayed: None,
            verdict: None,
            finding: None,
        };
        dialogue.ask(now, first);
        dialogue
    }

    /// A message of the server.
    pub(super) fn received(&mut self, now: Instant, message: &[u8]) {
        let Some(pending) = &self.pending else { return };
        let login = self.login.as_ref().filter(|_| pending.signed);
        let (request, signed) = (pending.request, pending.signed);
        let Some(answer) = Answer::decode(message, request, pending.id, login) else {
            return;
        };
        self.pending = None;
        self.answered = true;
        self.refusals = 0;
        match answer {
            Answer::Success { mapped, relayed } => self.succeeded(now, request, mapped, relayed),
            // It may have taken the allocation back or not; asking again would not make it sign.
            Answer::Unsigned if request == Request::Release => self.finish(),
            Answer::Unsigned => {
                let text =
                    format!("answered {} without the signature that proves it knows the password", request.name());
                self.conclude(now, ProbeOutcome::Refused, &text);
            }
            Answer::Error { code, reason, challenge } => {
                let challenge = challenge.filter(|_| matches!(self.goal, Goal::Relay { .. }));
                match (code, challenge) {
                    (401, Some(challenge)) if !signed => self.log_in(now, challenge, request),
                    (438, Some(challenge)) if signed && self.stale == 0 => {
                        self.stale += 1;
                        if let Some(login) = &mut self.login {
                            login.renew(challenge.nonce);
                        }
                        self.ask(now, request);
                    }
                    (code, _) => self.refused_by_server(now, request, signed, code, &reason),
                }
            }
        }
    }

    /// The machine or the network said that nothing listens there (ICMP). One such word may be about a server that is
    /// just starting, or not even be true, so the next transmission is waited for.
    pub(super) fn unreachable(&mut self, now: Instant) {
        self.refusals += 1;
        if self.refusals >= 2 && self.pending.is_some() {
            self.give_up(now);
        }
    }

    /// The stream is at its end, or nothing can be made of what it brings. `why` goes on from the server's name. An
    /// allocation goes with its connection (RFC 8656 section 3.1).
    pub(super) fn broken(&mut self, outcome: ProbeOutcome, why: String) {
        if self.finding.is_none() {
            self.verdict.get_or_insert((outcome, why));
            self.transmits.clear();
            self.finish();
        }
    }

    /// The next message for the server; asked for until there is none, also after there is a finding.
    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.due.min(self.end))
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let Some(pending) = &mut self.pending else { return };
        if now >= self.end {
            return self.give_up(now);
        }
        if now < pending.due {
            return;
        }
        match pending.again(now, self.over, self.refusals > 0) {
            Some(bytes) => self.transmits.push_back(bytes),
            None => self.give_up(now),
        }
    }

    /// What came of it, once it is over.
    pub(super) fn finding(&self) -> Option<&Finding> {
        self.finding.as_ref()
    }

    fn ask(&mut self, now: Instant, request: Request) {
        let id = (self.ids)();
        match request.encode(id, self.login.as_ref()) {
            Ok(bytes) => {
                self.transmits.push_back(bytes.clone());
                let signed = self.login.is_some();
                self.pending = Some(Pending::new(now, request, id, signed, bytes, self.over, self.end));
            }
            Err(error) => {
                let text = format!("was not asked, because the request cannot be written: {error}");
                self.verdict.get_or_insert((ProbeOutcome::Refused, text));
                self.finish();
            }
        }
    }

    fn succeeded(&mut self, now: Instant, request: Request, mapped: Option<SocketAddr>, relayed: Option<SocketAddr>) {
        match request {
            Request::Binding => {
                self.mapped = mapped;
                match mapped {
                    Some(mapped) => {
                        self.conclude(now, ProbeOutcome::Works, &format!("answered and sees us as {mapped}"))
                    }
                    None => self.conclude(now, ProbeOutcome::Refused, "answered Binding without our address"),
                }
            }
            Request::Allocate => {
                (self.mapped, self.relayed) = (mapped, relayed);
                let Some(relayed) = relayed else {
                    return self.conclude(now, ProbeOutcome::Refused, "answered Allocate without an address");
                };
                if let Goal::Relay { peers, .. } = &self.goal {
                    self.peers = peers.iter().filter(|peer| peer.is_ipv4() == relayed.is_ipv4()).copied().collect();
                }
                self.permit(now);
            }
            Request::CreatePermission(_) => {
                self.permitted += 1;
                self.permit(now);
            }
            Request::Release => self.finish(),
        }
    }

    /// Asks for the next peer, or is content.
    fn permit(&mut self, now: Instant) {
        if let Some(peer) = self.peers.pop_front() {
            return self.ask(now, Request::CreatePermission(peer));
        }
        let (outcome, text) = words::permitted(self.relayed, self.permitted, self.forbidden.take());
        self.conclude(now, outcome, &text);
    }

    fn log_in(&mut self, now: Instant, challenge: Challenge, request: Request) {
        let Goal::Relay { username, credential, .. } = &self.goal else { return };
        match Login::new(username, credential, challenge) {
            Ok(login) => {
                self.login = Some(login);
                self.ask(now, request);
            }
            Err(error) => {
                let text = format!("asked for a login, and the key for it cannot be made: {error}");
                self.conclude(now, ProbeOutcome::Refused, &text);
            }
        }
    }

    fn refused_by_server(&mut self, now: Instant, request: Request, signed: bool, code: u16, reason: &str) {
        // Not even the attempt to give it back counts for anything.
        if request == Request::Release {
            return self.finish();
        }
        let said = words::said(code, reason);
        if let (403, Request::CreatePermission(peer)) = (code, request) {
            let text = format!("answered {said} to the other side's address {peer}");
            self.forbidden.get_or_insert((text, 0)).1 += 1;
            return self.permit(now);
        }
        let user = match &self.goal {
            Goal::Relay { username, .. } => format!(" to user {username}"),
            Goal::Binding => String::new(),
        };
        let (outcome, text) = match code {
            401 | 441 if signed => (ProbeOutcome::LoginRefused, format!("answered {said}{user}")),
            438 if signed => (ProbeOutcome::LoginRefused, format!("answered {said} again and again{user}")),
            486 | 508 => (ProbeOutcome::Quota, format!("answered {said}{user}")),
            _ => (ProbeOutcome::Refused, format!("answered {said} to {}", request.name())),
        };
        self.conclude(now, outcome, &text);
    }

    /// Nothing more will come.
    fn give_up(&mut self, now: Instant) {
        let Some(pending) = self.pending.take() else { return };
        if pending.request == Request::Release {
            return self.finish();
        }
        let text = if self.refusals > 0 {
            "is not there: nothing listens at its address (ICMP)".to_owned()
        } else {
            words::silent(pending.request, pending.sent, self.over, self.answered)
        };
        self.conclude(now, ProbeOutcome::Unreachable, &text);
    }

    /// Knows what to say, and says it once an allocation is given back.
    fn conclude(&mut self, now: Instant, outcome: ProbeOutcome, text: &str) {
        self.verdict.get_or_insert_with(|| (outcome, text.to_owned()));
        self.pending = None;
        if self.relayed.is_none() {
            return self.finish();
        }
        self.ask(now, Request::Release);
        // Out of time, or nobody there: the request goes out, and its answer is not waited for.
        if now >= self.end || outcome == ProbeOutcome::Unreachable {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.pending = None;
        if let Some((outcome, text)) = self.verdict.take() {
            let message = format!("{} {text}", self.server);
            self.finding = Some(Finding { outcome, message, mapped: self.mapped, relayed: self.relayed });
        }
    }
}

#[cfg(test)]
mod tests;
