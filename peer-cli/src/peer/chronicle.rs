//! What went over the signaling and which candidates came of it, for the report.

use std::net::SocketAddr;
use std::time::Instant;

use dialtone_wire::SessionId;

use crate::call::{Candidate, DescriptionKind, FromServer, Signal};
use crate::clock::millis;
use crate::report::{CandidateReport, MessageStamp};

/// Entries kept of each kind: a call has some dozens; more is somebody's flood.
const MOST: usize = 512;

/// Signaling messages and candidates in the order in which they became known.
pub(super) struct Chronicle {
    start: Instant,
    /// Our own session id: a broker sends everybody's signals to everybody, and our own ones back to us.
    me: Option<SessionId>,
    pub(super) messages: Vec<MessageStamp>,
    pub(super) candidates: Vec<CandidateReport>,
}

impl Chronicle {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, me: None, messages: Vec::new(), candidates: Vec::new() }
    }

    /// A message to or from the server, or a signal of ours.
    pub(super) fn message(&mut self, now: Instant, sent: bool, kind: &str, detail: impl Into<String>) {
        if self.messages.len() < MOST {
            let at_ms = millis(now.saturating_duration_since(self.start));
            self.messages.push(MessageStamp { at_ms, sent, kind: kind.to_owned(), detail: detail.into() });
        }
    }

    /// A signal to or from the other peer.
    pub(super) fn signal(&mut self, now: Instant, sent: bool, signal: &Signal) {
        match signal {
            Signal::Description { kind, sdp } => {
                self.message(now, sent, word(*kind), format!("{} bytes", sdp.len()));
                for line in sdp.lines().filter_map(|line| line.strip_prefix("a=")) {
                    self.candidate(now, sent, line);
                }
            }
            Signal::Candidate(Some(candidate)) => {
                let kind = kind_of(&candidate.candidate).unwrap_or("unreadable");
                self.message(now, sent, "CANDIDATE", kind);
                self.candidate(now, sent, &candidate.candidate);
            }
            // Ours is not sent: not every client takes an empty candidate.
            Signal::Candidate(None) if sent => {}
            Signal::Candidate(None) => self.message(now, sent, "CANDIDATE", "no more"),
        }
    }

    /// What the server said.
    pub(super) fn server(&mut self, now: Instant, event: &FromServer) {
        match event {
            FromServer::Me(sid) => {
                self.me = Some(sid.clone());
                self.message(now, false, "ME", sid.as_str());
            }
            FromServer::Members(members) => self.message(now, false, "MEMBERS", members.len().to_string()),
            FromServer::Ready => self.message(now, false, "READY", ""),
            FromServer::Signal { from, .. } if from.is_some() && *from == self.me => {}
            FromServer::Signal { signal, .. } => self.signal(now, false, signal),
            FromServer::Leave(_) => self.message(now, false, "LEFT", ""),
            FromServer::Refused { message, .. } => self.message(now, false, "REFUSED", message.as_str()),
            FromServer::Lost | FromServer::Back | FromServer::GaveUp { .. } => {}
        }
    }

    /// A candidate that was gathered here, whether or not it is sent by itself.
    pub(super) fn gathered(&mut self, now: Instant, candidate: &Candidate) {
        self.candidate(now, true, &candidate.candidate);
    }

    /// The other side's candidates that are addresses, those that a relay most likely reaches first.
    pub(super) fn remote_addresses(&self) -> Vec<SocketAddr> {
        let mut remote: Vec<_> = self.candidates.iter().filter(|c| !c.local).collect();
        remote.sort_by_key(|c| match c.kind.as_str() {
            "relay" => 0,
            "srflx" | "prflx" => 1,
            _ => 2,
        });
        remote.into_iter().filter_map(|c| c.address.parse().ok()).collect()
    }

    fn candidate(&mut self, now: Instant, local: bool, line: &str) {
        let Some(found) = parse(line) else { return };
        let at_ms = millis(now.saturating_duration_since(self.start));
        let found = CandidateReport { local, at_ms, ..found };
        let known = |c: &CandidateReport| c.local == local && c.address == found.address && c.kind == found.kind;
        if self.candidates.len() < MOST && !self.candidates.iter().any(known) {
            self.candidates.push(found);
        }
    }
}

fn word(kind: DescriptionKind) -> &'static str {
    match kind {
        DescriptionKind::Offer => "OFFER",
        DescriptionKind::Answer => "ANSWER",
    }
}

fn kind_of(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace().skip_while(|word| *word != "typ");
    words.nth(1)
}

/// RFC 8839 section 5.1: `candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host …`.
fn parse(line: &str) -> Option<CandidateReport> {
    let mut words = line.strip_prefix("candidate:")?.split_ascii_whitespace().skip(2);
    let protocol = words.next()?.to_ascii_lowercase();
    let (address, port) = (words.nth(1)?, words.next()?);
    let address = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    Some(CandidateReport { local: false, kind: kind_of(line)?.to_owned(), protocol, address, at_ms: 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn now() -> Instant {
        Instant::now()
    }

    const HOST: &str = "candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host ufrag abc";
    const RELAY: &str = "candidate:9 1 udp 41885439 2001:db8::1 50000 typ relay raddr :: rport 9";

    #[test]
    fn candidates_are_read_from_signals_and_descriptions_once_each() {
        let now = now();
        let mut chronicle = Chronicle::new(now);
        let sdp = format!("v=0\r\na={HOST}\r\na={RELAY}\r\n");
        chronicle.signal(now, false, &Signal::Description { kind: DescriptionKind::Offer, sdp });
        let again = Candidate { candidate: HOST.to_owned(), sdp_mid: None, sdp_m_line_index: None };
        chronicle.signal(now, false, &Signal::Candidate(Some(again)));
        let found: Vec<_> = chronicle.candidates.iter().map(|c| (c.kind.as_str(), c.address.as_str())).collect();
        assert_eq!(found, [("host", "192.0.2.1:5000"), ("relay", "[2001:db8::1]:50000")]);
        assert_eq!(chronicle.remote_addresses().len(), 2);
        let said: Vec<_> = chronicle.messages.iter().map(|m| (m.kind.as_str(), m.detail.as_str())).collect();
        assert_eq!(said.len(), 2);
        assert_eq!(said[1], ("CANDIDATE", "host"));
    }

    #[test]
    fn our_own_signals_that_come_back_are_not_the_other_sides() {
        let (now, me) = (now(), SessionId::parse("me").unwrap());
        let mut chronicle = Chronicle::new(now);
        chronicle.server(now, &FromServer::Me(me.clone()));
        let candidate = Candidate { candidate: HOST.to_owned(), sdp_mid: None, sdp_m_line_index: None };
        let signal = Signal::Candidate(Some(candidate));
        chronicle.server(now, &FromServer::Signal { from: Some(me), signal: signal.clone() });
        assert!(chronicle.candidates.is_empty());
        chronicle.server(now, &FromServer::Signal { from: None, signal });
        assert_eq!(chronicle.remote_addresses().len(), 1);
    }

    #[test]
    fn nonsense_is_no_candidate_and_a_flood_is_bounded() {
        let now = now();
        let mut chronicle = Chronicle::new(now);
        for number in 0..MOST + 10 {
            let candidate = format!("nonsense {number} typ");
            let candidate = Candidate { candidate, sdp_mid: None, sdp_m_line_index: None };
            chronicle.signal(now, false, &Signal::Candidate(Some(candidate)));
        }
        assert_eq!((chronicle.candidates.len(), chronicle.messages.len()), (0, MOST));
    }
}
