//! Tables: one way to draw them, and those with every milestone and message.

use maud::{Markup, html};

use super::stages;
use super::text::{count, length};
use crate::report::{MessageStamp, PeerReport, Report};

/// More rows than this nobody reads; the JSON report has them all.
const MOST_ROWS: usize = 400;

/// A table in a box of its own that scrolls sideways; the columns of numbers come last.
pub(super) fn table(caption: &str, words: &[&str], numbers: &[&str], rows: &Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label={ (caption) "; scrolls sideways" } {
            table {
                caption { (caption) }
                thead {
                    tr {
                        @for column in words { th scope="col" { (column) } }
                        @for column in numbers { th.n scope="col" { (column) } }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}

/// The milestones of each peer and all messages in order; nothing where there are none.
pub(super) fn setup(report: &Report) -> Markup {
    html! {
        @for peer in report.peers.iter().filter(|peer| !peer.phases.is_empty()) { (milestones(peer)) }
        (messages(&report.peers))
    }
}

fn milestones(peer: &PeerReport) -> Markup {
    let name = &peer.name;
    let caption = format!("Milestones of {name}, since the run began");
    let mut last_ms = 0.0;
    let rows = html! {
        @for stamp in peer.phases.iter().take(MOST_ROWS) {
            @let step_ms = stamp.at_ms - std::mem::replace(&mut last_ms, stamp.at_ms);
            tr {
                th scope="row" { (stages::words(&stamp.phase)) }
                td { code { (stamp.phase) } }
                td.n { (length(stamp.at_ms)) }
                td.n { "+" (length(step_ms)) }
            }
        }
        (cut_off(peer.phases.len(), 4))
    };
    html! {
        details {
            summary { "Milestones of " span.name { (name) } }
            (table(&caption, &["Milestone", "Name"], &["At", "After the one before"], &rows))
            @if !peer.end_message.is_empty() {
                p { span.name { (name) } " ended: " (peer.end_message) " " code { (peer.end) } }
            }
        }
    }
}

fn messages(peers: &[PeerReport]) -> Markup {
    let mut all: Vec<(&str, &MessageStamp)> =
        peers.iter().flat_map(|peer| peer.messages.iter().map(|message| (peer.name.as_str(), message))).collect();
    if all.is_empty() {
        return Markup::default();
    }
    all.sort_by(|a, b| a.1.at_ms.total_cmp(&b.1.at_ms));
    let rows = html! {
        @for (name, message) in all.iter().take(MOST_ROWS) {
            tr {
                td.n { (length(message.at_ms)) }
                td.name { (name) }
                td { (if message.sent { "→ sent" } else { "← received" }) }
                th scope="row" { code { (message.kind) } }
                td.prose { (message.detail) }
            }
        }
        (cut_off(all.len(), 5))
    };
    html! {
        details {
            summary { "Signaling messages (" (count(all.len() as u64)) ")" }
            (table("Signaling messages in order of time", &["At", "Peer", "Direction", "Kind", "More"], &[], &rows))
        }
    }
}

fn cut_off(rows: usize, columns: usize) -> Markup {
    let more = rows.saturating_sub(MOST_ROWS);
    html! {
        @if more > 0 { tr { td colspan=(columns) { "and " (count(more as u64)) " more, which the JSON report has" } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn messages_of_both_peers_stand_in_order_of_time() {
        let page = messages(&sample::healthy().peers).into_string();
        let places: Vec<usize> = ["OFFER", "CANDIDATE", "ANSWER"].iter().filter_map(|kind| page.find(kind)).collect();
        assert!(places.len() == 3 && places.is_sorted(), "{places:?}");
        assert_eq!(page.matches("<tr>").count(), 11);
    }

    #[test]
    fn endless_messages_are_cut_off_and_counted() {
        let mut peer = sample::healthy().peers.remove(0);
        let one = peer.messages[0].clone();
        peer.messages = vec![one; 1000];
        let page = messages(&[peer]).into_string();
        assert!(page.contains("and 600 more"));
    }

    #[test]
    fn a_milestone_tells_how_long_after_the_one_before() {
        let page = setup(&sample::healthy()).into_string();
        assert!(page.contains("+4.50\u{a0}ms") && page.contains("stomp-connected"), "{page}");
    }
}
