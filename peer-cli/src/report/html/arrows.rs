//! Signaling messages between two peers as arrows: who sent when, who received when.

use crate::report::PeerReport;
use crate::report::metrics::plausible;

/// The kinds that go from peer to peer.
const KINDS: [&str; 3] = ["OFFER", "ANSWER", "CANDIDATE"];

/// From the first to the last of a group, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) first_ms: f64,
    pub(super) last_ms: f64,
}

/// A message, or several of a kind in quick succession.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arrow {
    pub(super) kind: &'static str,
    /// How many messages it stands for.
    pub(super) count: u64,
    /// Whether it goes from the first peer to the second one.
    pub(super) forth: bool,
    /// Absent when nobody is known to have sent it.
    pub(super) sent: Option<Span>,
    /// Absent when it is not known to have arrived.
    pub(super) received: Option<Span>,
}

impl Arrow {
    /// When it is first heard of.
    pub(super) fn begin_ms(&self) -> f64 {
        self.sent.or(self.received).map_or(0.0, |span| span.first_ms)
    }

    /// When it is last heard of.
    pub(super) fn end_ms(&self) -> f64 {
        let last = |span: Option<Span>| span.map_or(0.0, |span| span.last_ms);
        last(self.sent).max(last(self.received))
    }

    /// The kind, and how many where there are several.
    pub(super) fn label(&self) -> String {
        let count = if self.count > 1 { format!(" ×{}", self.count) } else { String::new() };
        let lost = match (self.sent, self.received) {
            (Some(_), None) => ", did not arrive",
            (None, Some(_)) => ", sent by nobody here",
            (Some(_), Some(_)) | (None, None) => "",
        };
        format!("{}{count}{lost}", self.kind)
    }
}

/// All messages between the first two peers, in the order in which they are first heard of. The n-th of a kind that one
/// side sent is the n-th of the kind that the other one received. Candidates within `window_ms` become one arrow.
///
/// Of one peer alone only one end of each message is known, which then stands for both.
pub(super) fn arrows(peers: &[PeerReport], window_ms: f64) -> Vec<Arrow> {
    let mut all = Vec::new();
    for kind in KINDS {
        for forth in [true, false] {
            let (sender, receiver) = if forth { (0, 1) } else { (1, 0) };
            let sent = peers.get(sender).map(|peer| stamps(peer, kind, true));
            let received = peers.get(receiver).map(|peer| stamps(peer, kind, false));
            let (sent, received) = match (sent, received) {
                (Some(sent), Some(received)) => (sent, received),
                (Some(only), None) | (None, Some(only)) => (only.clone(), only),
                (None, None) => continue,
            };
            let window_ms = if kind == "CANDIDATE" { window_ms } else { 0.0 };
            all.extend(grouped(kind, forth, &sent, &received, window_ms));
        }
    }
    all.sort_by(|a, b| a.begin_ms().total_cmp(&b.begin_ms()));
    all
}

fn stamps(peer: &PeerReport, kind: &str, sent: bool) -> Vec<f64> {
    let of_kind = peer.messages.iter().filter(|message| message.sent == sent && message.kind == kind);
    of_kind.map(|message| message.at_ms).filter(|ms| plausible(*ms)).collect()
}

fn grouped(kind: &'static str, forth: bool, sent: &[f64], received: &[f64], window_ms: f64) -> Vec<Arrow> {
    let mut groups: Vec<Arrow> = Vec::new();
    for n in 0..sent.len().max(received.len()) {
        let at = |list: &[f64]| list.get(n).map(|ms| Span { first_ms: *ms, last_ms: *ms });
        let one = Arrow { kind, count: 1, forth, sent: at(sent), received: at(received) };
        match groups.last_mut() {
            Some(group) if joins(group, &one, window_ms) => {
                group.count += 1;
                group.sent = stretched(group.sent, one.sent);
                group.received = stretched(group.received, one.received);
            }
            Some(_) | None => groups.push(one),
        }
    }
    groups
}

/// Whether a message came soon after the last one of a group, and both of its ends are as well known.
fn joins(group: &Arrow, one: &Arrow, window_ms: f64) -> bool {
    let alike = group.sent.is_some() == one.sent.is_some() && group.received.is_some() == one.received.is_some();
    let last = group.sent.or(group.received).map_or(0.0, |span| span.last_ms);
    alike && window_ms > 0.0 && one.begin_ms() - last <= window_ms
}

fn stretched(group: Option<Span>, one: Option<Span>) -> Option<Span> {
    let (group, one) = (group?, one?);
    Some(Span { first_ms: group.first_ms.min(one.first_ms), last_ms: group.last_ms.max(one.last_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::MessageStamp;

    fn peer(messages: &[(f64, bool, &str)]) -> PeerReport {
        let messages = messages.iter().map(|(at_ms, sent, kind)| MessageStamp {
            at_ms: *at_ms,
            sent: *sent,
            kind: (*kind).to_owned(),
            detail: String::new(),
        });
        PeerReport { messages: messages.collect(), ..PeerReport::default() }
    }

    fn span(first_ms: f64, last_ms: f64) -> Option<Span> {
        Some(Span { first_ms, last_ms })
    }

    #[test]
    fn the_nth_sent_is_the_nth_received() {
        let alice = peer(&[(10.0, true, "OFFER"), (15.0, false, "ANSWER"), (40.0, true, "OFFER")]);
        let bob = peer(&[(11.0, false, "OFFER"), (14.0, true, "ANSWER"), (42.0, false, "OFFER")]);
        let found = arrows(&[alice, bob], 5.0);
        let ends: Vec<_> = found.iter().map(|arrow| (arrow.label(), arrow.forth, arrow.sent, arrow.received)).collect();
        let expected = [
            ("OFFER".to_owned(), true, span(10.0, 10.0), span(11.0, 11.0)),
            ("ANSWER".to_owned(), false, span(14.0, 14.0), span(15.0, 15.0)),
            ("OFFER".to_owned(), true, span(40.0, 40.0), span(42.0, 42.0)),
        ];
        assert_eq!(ends, expected);
    }

    #[test]
    fn candidates_in_quick_succession_are_one_arrow() {
        let alice = peer(&[1.0, 2.0, 3.0, 50.0].map(|ms| (ms, true, "CANDIDATE")));
        let bob = peer(&[2.0, 3.0, 5.0, 51.0].map(|ms| (ms, false, "CANDIDATE")));
        let found = arrows(&[alice, bob], 10.0);
        let groups: Vec<_> = found.iter().map(|arrow| (arrow.label(), arrow.sent, arrow.received)).collect();
        let expected = [
            ("CANDIDATE ×3".to_owned(), span(1.0, 3.0), span(2.0, 5.0)),
            ("CANDIDATE".to_owned(), span(50.0, 50.0), span(51.0, 51.0)),
        ];
        assert_eq!(groups, expected);
    }

    #[test]
    fn a_message_that_did_not_arrive_says_so() {
        let found = arrows(&[peer(&[(10.0, true, "ANSWER")]), peer(&[])], 5.0);
        assert_eq!(found.iter().map(Arrow::label).collect::<Vec<_>>(), ["ANSWER, did not arrive"]);
    }

    #[test]
    fn of_one_peer_alone_each_message_has_its_only_time_at_both_ends() {
        let found = arrows(&[peer(&[(10.0, false, "OFFER"), (12.0, true, "ANSWER")])], 5.0);
        let ends: Vec<_> = found.iter().map(|arrow| (arrow.forth, arrow.sent, arrow.received)).collect();
        assert_eq!(ends, [(false, span(10.0, 10.0), span(10.0, 10.0)), (true, span(12.0, 12.0), span(12.0, 12.0))]);
    }
}
