//! Brain: one conversation with one STUN or TURN server, from the first request to what came of it.
//!
//! ```text
//! Binding -------------------------------------------------------------------> finding
//! Allocate -> 401 -> signed Allocate -> CreatePermission, one for each peer -> Refresh to 0 -> finding
//! ```
//!
//! Requests are repeated as RFC 8489 section 6.2.1 has it, within the time given. Whatever was allocated is given back,
//! on every way out.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::request::{Answer, Challenge, Login, Request};
use crate::report::ProbeOutcome;

/// First retransmission timeout; each one is twice the one before (RFC 8489 section 6.2.1).
const RTO: Duration = Duration::from_millis(500);

/// Transmissions of one request (Rc).
const MAX_SENT: u32 = 7;

/// How many RTOs to wait after the last transmission (Rm).
const LAST_WAIT: u32 = 16;

/// Transmissions of the request that gives an allocation back: it has expired soon without that.
const MAX_SENT_RELEASE: u32 = 2;

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

/// A request without an answer.
struct Pending {
    request: Request,
    id: [u8; 12],
    signed: bool,
    bytes: Vec<u8>,
    sent: u32,
    wait: Duration,
    due: Instant,
}

impl Dialogue {
    /// Sends the first request. `server` is how sentences name it, such as `turn:example.org:3478`.
    pub(super) fn start(now: Instant, server: String, goal: Goal, end: Instant, ids: Ids) -> Self {
        let first = match &goal {
            Goal::Binding => Request::Binding,
            Goal::Relay { .. } => Request::Allocate,
        };
        let mut dialogue = Self {
            server,
            goal,
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

    /// A datagram of the server.
    pub(super) fn received(&mut self, now: Instant, datagram: &[u8]) {
        let Some(pending) = &self.pending else { return };
        let login = self.login.as_ref().filter(|_| pending.signed);
        let (request, signed) = (pending.request, pending.signed);
        let Some(answer) = Answer::decode(datagram, request, pending.id, login) else {
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

    /// The next datagram for the server; asked for until there is none, also after there is a finding.
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
        let most = if pending.request == Request::Release { MAX_SENT_RELEASE } else { MAX_SENT };
        if pending.sent >= most || (self.refusals > 0 && pending.sent >= 2) {
            return self.give_up(now);
        }
        pending.sent += 1;
        pending.wait = if pending.sent == MAX_SENT { RTO * LAST_WAIT } else { pending.wait * 2 };
        pending.due = now + pending.wait;
        self.transmits.push_back(pending.bytes.clone());
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
                self.pending = Some(Pending { request, id, signed, bytes, sent: 1, wait: RTO, due: now + RTO });
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
        let from = self.relayed.map_or_else(String::new, |relayed| format!(" from {relayed}"));
        let (outcome, text) = match (self.permitted, self.forbidden.take()) {
            (0, Some((said, _))) => (ProbeOutcome::PeerRefused, said),
            // A side behind a NAT tells its private addresses too, and every relay worth its name protects those.
            (n, Some((said, refused))) => {
                let all = n + refused;
                let text = format!("relays{from} and takes {n} of {all} addresses of the other side; it {said}");
                (ProbeOutcome::Works, text)
            }
            (0, None) => (ProbeOutcome::Works, format!("relays{from}")),
            (1, None) => (ProbeOutcome::Works, format!("relays{from} and takes the other side's address")),
            (n, None) => (ProbeOutcome::Works, format!("relays{from} and takes all {n} addresses of the other side")),
        };
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
        let said = match (code, reason) {
            (0, _) => "an error without a code".to_owned(),
            (code, "") => code.to_string(),
            (code, reason) => format!("{code} {reason}"),
        };
        let user = match &self.goal {
            Goal::Relay { username, .. } => format!(" to user {username}"),
            Goal::Binding => String::new(),
        };
        let (outcome, text) = match (code, request) {
            (401 | 441, _) if signed => (ProbeOutcome::LoginRefused, format!("answered {said}{user}")),
            (438, _) if signed => (ProbeOutcome::LoginRefused, format!("answered {said} again and again{user}")),
            (486 | 508, _) => (ProbeOutcome::Quota, format!("answered {said}{user}")),
            (403, Request::CreatePermission(peer)) => {
                let text = format!("answered {said} to the other side's address {peer}");
                self.forbidden.get_or_insert((text, 0)).1 += 1;
                return self.permit(now);
            }
            (_, request) => (ProbeOutcome::Refused, format!("answered {said} to {}", request.name())),
        };
        self.conclude(now, outcome, &text);
    }

    /// Nothing more will come.
    fn give_up(&mut self, now: Instant) {
        let Some(pending) = self.pending.take() else { return };
        if pending.request == Request::Release {
            return self.finish();
        }
        let name = pending.request.name();
        let text = if self.refusals > 0 {
            "is not there: nothing listens at its address (ICMP)".to_owned()
        } else if self.answered {
            format!("fell silent: no answer to {name}, sent {} times", pending.sent)
        } else {
            format!("did not answer: {name} was sent {} times", pending.sent)
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
