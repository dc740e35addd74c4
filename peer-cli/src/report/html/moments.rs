//! What happened to a peer after it was connected: in words, and as marks in the plots.

use maud::{Markup, html};

use super::axis::Scale;
use super::stages;
use super::text::{count, length};
use crate::report::Report;
use crate::report::metrics::plausible;

/// More lines for a peer than this nobody reads; the JSON report has them all.
const MOST: usize = 50;
/// Moments nearer to each other on the paper than this are one mark.
const NEAR: f64 = 5.0;

/// When, in milliseconds since the run began, and what.
pub(super) type Moment = (f64, String);

/// A mark in a plot: a moment, or a stretch with several.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    /// Where it begins and ends on the paper; the same place for a single moment.
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) words: String,
}

/// All moments of a peer, in order.
pub(super) fn of_peer(report: &Report, name: &str) -> Vec<Moment> {
    let phases = report.peer(name).map(|peer| peer.phases.as_slice()).unwrap_or_default();
    let after = phases.iter().skip_while(|stamp| stamp.phase != "connected").skip(1);
    let told = ["interrupted", "connected", "ice-restart", "signaling-lost", "signaling-back"];
    after
        .filter(|stamp| told.contains(&stamp.phase.as_str()) && plausible(stamp.at_ms))
        .map(|stamp| (stamp.at_ms, format!("{}: {}", length(stamp.at_ms), stages::words(&stamp.phase))))
        .collect()
}

/// The moments of a stretch of time as marks; where there are many they grow together.
pub(super) fn marks(moments: &[Moment], time_ms: (f64, f64), across: &Scale) -> Vec<Mark> {
    let mut shown: Vec<&Moment> = moments.iter().filter(|(ms, _)| (time_ms.0..=time_ms.1).contains(ms)).collect();
    shown.sort_by(|a, b| a.0.total_cmp(&b.0));
    let groups = shown.chunk_by(|a, b| across.at(b.0) - across.at(a.0) < NEAR);
    groups.filter_map(|group| Some(mark(group, group.first()?.0, group.last()?.0, across))).collect()
}

fn mark(group: &[&Moment], from_ms: f64, to_ms: f64, across: &Scale) -> Mark {
    let words = if group.len() <= 3 {
        group.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join("; ")
    } else {
        format!("{} changes from {} to {}", count(group.len() as u64), length(from_ms), length(to_ms))
    };
    Mark { from: across.at(from_ms), to: across.at(to_ms), words }
}

/// All of them in words; nothing where nothing happened.
pub(super) fn happenings(report: &Report) -> Markup {
    let all: Vec<(&str, Vec<Moment>)> =
        report.peers.iter().map(|peer| (peer.name.as_str(), of_peer(report, &peer.name))).collect();
    html! {
        @if all.iter().any(|(_, moments)| !moments.is_empty()) {
            h3 { "What happened meanwhile" }
            p.aside { "Dashed lines and shaded stretches in the plots of who received." }
            ul {
                @for (name, moments) in &all {
                    @for (_, words) in moments.iter().take(MOST) { li { span.name { (name) } " " (words) } }
                    @if moments.len() > MOST {
                        li {
                            span.name { (name) } ": and " (count((moments.len() - MOST) as u64))
                            " more, which the JSON report has"
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{PhaseStamp, sample};

    fn moment(ms: f64) -> Moment {
        (ms, format!("{ms}"))
    }

    #[test]
    fn an_interruption_is_told_and_the_set_up_is_not() {
        let mut report = sample::healthy();
        report.peers[1].phases.push(PhaseStamp { phase: "interrupted".to_owned(), at_ms: 4000.0 });
        assert_eq!(of_peer(&report, "bob"), [(4000.0, "4.00\u{a0}s: nothing comes any more".to_owned())]);
        assert!(happenings(&report).into_string().contains("What happened meanwhile"));
        assert_eq!(happenings(&sample::healthy()).into_string(), "");
    }

    #[test]
    fn however_much_happened_all_of_it_is_marked_and_what_is_not_listed_is_counted() {
        let mut report = sample::healthy();
        let stamps =
            (0..300).map(|n| PhaseStamp { phase: "interrupted".to_owned(), at_ms: 100.0 + f64::from(n) * 10.0 });
        report.peers[0].phases.extend(stamps);
        let moments = of_peer(&report, "alice");
        assert_eq!(moments.len(), 300);
        let marks = marks(&moments, (0.0, 4096.0), &Scale::new((0.0, 4096.0), (0.0, 1024.0)));
        let words = "300 changes from 100\u{a0}ms to 3.09\u{a0}s".to_owned();
        assert_eq!(marks, [Mark { from: 25.0, to: 772.5, words }]);
        let page = happenings(&report).into_string();
        assert_eq!(page.matches("<li>").count(), 51);
        assert!(page.contains("and 250 more"), "{page}");
    }

    #[test]
    fn marks_with_room_stay_apart_and_those_outside_are_left_out() {
        let across = Scale::new((0.0, 1024.0), (0.0, 128.0));
        let found = marks(&[moment(512.0), moment(96.0), moment(120.0), moment(2000.0)], (0.0, 1024.0), &across);
        let expected = [(12.0, 15.0, "96; 120"), (64.0, 64.0, "512")];
        assert_eq!(found.iter().map(|m| (m.from, m.to, m.words.as_str())).collect::<Vec<_>>(), expected);
    }
}
