//! The path: which candidate pair carried the media, what else was tried, and what the servers said.

use maud::{Markup, html};

use super::tables::table;
use super::text::{NONE, bytes, count, counted, length, quantity};
use crate::report::{
    CandidateReport, PairReport, PairTried, PeerReport, ProbeOutcome, ProbeReport, RelayReport, Report,
};

/// Everything about ICE, by peer; nothing when nothing is known.
pub(super) fn section(report: &Report) -> Markup {
    let peers: Vec<&PeerReport> = report
        .peers
        .iter()
        .filter(|peer| {
            peer.pair.is_some() || !(peer.candidates.is_empty() && peer.pairs.is_empty() && peer.probes.is_empty())
        })
        .collect();
    let relay = report.relay.as_ref().filter(|relay| relay.allocations > 0);
    html! {
        @for peer in &peers { (of_peer(peer)) }
        @if let Some(relay) = relay { (relayed(relay)) }
    }
}

fn of_peer(peer: &PeerReport) -> Markup {
    html! {
        h3.name { (peer.name) }
        @if let Some(pair) = &peer.pair { (path(pair)) } @else { p { "No candidate pair carried media." } }
        @if !peer.pairs.is_empty() { (pairs(&peer.name, &peer.pairs)) }
        @if !peer.candidates.is_empty() { (candidates(&peer.name, &peer.candidates)) }
        @if !peer.probes.is_empty() { (probes(&peer.name, &peer.probes)) }
    }
}

fn path(pair: &PairReport) -> Markup {
    html! {
        p.path {
            strong { (pair.local) } " " code { (pair.local_address) } " → "
            strong { (pair.remote) } " " code { (pair.remote_address) }
            @if let Some(rtt) = pair.rtt_ms { " · round trip " (quantity(rtt, "ms")) }
            " · sent " (bytes(pair.bytes_sent)) " · received " (bytes(pair.bytes_received))
        }
    }
}

fn pairs(name: &str, pairs: &[PairTried]) -> Markup {
    let caption = format!("Candidate pairs that {name} tried");
    html! {
        (table(&caption, &["Local", "Remote", "State", "Nominated"], &["Round trip", "Checks sent", "Answered"], &html! {
            @for pair in pairs {
                tr.chosen[pair.nominated] {
                    th scope="row" { code { (pair.local) } }
                    td { code { (pair.remote) } }
                    td { (pair.state) }
                    td { (if pair.nominated { "● nominated" } else { NONE }) }
                    td.n { (pair.rtt_ms.map_or_else(|| NONE.to_owned(), |rtt| quantity(rtt, "ms"))) }
                    td.n { (count(pair.requests_sent)) }
                    td.n { (count(pair.responses_received)) }
                }
            }
        }))
    }
}

fn candidates(name: &str, candidates: &[CandidateReport]) -> Markup {
    let caption = format!("Candidates that {name} knew");
    let all = candidates.len() as u64;
    let ours = candidates.iter().filter(|candidate| candidate.local).count() as u64;
    html! {
        details {
            summary {
                (counted(ours, "candidate", "candidates")) " of " span.name { (name) } ", "
                (count(all - ours)) " of the other side"
            }
            (table(&caption, &["Side", "Kind", "Address", "Protocol"], &["Known at"], &html! {
                @for candidate in candidates {
                    tr {
                        td { (if candidate.local { "own" } else { "other side" }) }
                        td { (candidate.kind) }
                        th scope="row" { code { (candidate.address) } }
                        td { (candidate.protocol) }
                        td.n { (length(candidate.at_ms)) }
                    }
                }
            }))
        }
    }
}

fn probes(name: &str, probes: &[ProbeReport]) -> Markup {
    let caption = format!("What the STUN and TURN servers told {name} when asked directly");
    html! {
        (table(&caption, &["Server", "Outcome", "In words", "Seen from", "Relayed"], &["Took"], &html! {
            @for probe in probes {
                @let (class, words) = outcome(probe.outcome);
                tr {
                    th scope="row" { code { (probe.url) } }
                    td { span.state.(class) { (words) } }
                    td.prose { (probe.message) }
                    td { code { (probe.mapped.as_deref().unwrap_or(NONE)) } }
                    td { code { (probe.relayed.as_deref().unwrap_or(NONE)) } }
                    td.n { (length(probe.took_ms)) }
                }
            }
        }))
    }
}

fn outcome(outcome: ProbeOutcome) -> (&'static str, &'static str) {
    match outcome {
        ProbeOutcome::Works => ("ok", "✓ works"),
        ProbeOutcome::UnknownHost => ("fail", "✕ unknown host"),
        ProbeOutcome::Unreachable => ("fail", "✕ unreachable"),
        ProbeOutcome::LoginRefused => ("fail", "✕ login refused"),
        ProbeOutcome::Quota => ("fail", "✕ no room"),
        ProbeOutcome::PeerRefused => ("fail", "✕ peer refused"),
        ProbeOutcome::Refused => ("fail", "✕ refused"),
    }
}

fn relayed(relay: &RelayReport) -> Markup {
    html! {
        h3 { "The relay" }
        p {
            code { (relay.url) } " counted " (count(relay.allocations)) " allocations, "
            (bytes(relay.bytes_to_peers)) " to peers and " (bytes(relay.bytes_to_clients)) " to clients."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_nominated_pair_is_marked_in_words() {
        let page = section(&sample::healthy()).into_string();
        assert_eq!(page.matches("● nominated").count(), 2);
        assert!(page.contains("1\u{a0}candidate of") && page.contains("round trip 0.10"), "{page}");
    }

    #[test]
    fn without_ice_there_is_nothing() {
        assert_eq!(section(&sample::empty()).into_string(), "");
    }
}
