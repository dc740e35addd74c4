//! The set-up of a call on one axis of time: a lane for each peer, its stages as bars, signaling messages as arrows from
//! lane to lane.

use maud::{Markup, html};

use super::arrows::{Arrow, arrows};
use super::axis::place as px;
use super::labels;
use super::stages::{Group, Lane, lane};
use super::text::{length, shortened};
use super::timeline::Timeline;
use super::wires;
use crate::report::metrics::plausible;
use crate::report::{PeerReport, Report};

const WIDTH: f64 = 1120.0;
const LEFT: f64 = 104.0;
const RIGHT: f64 = 968.0;
/// Labels may stand in the margin too.
const EDGE: f64 = WIDTH - 4.0;
/// From one row of labels to the next.
pub(super) const ROW: f64 = 16.0;
const BAR: f64 = 18.0;
/// From the top to the labels of the first lane; the labels of the axis are in it.
const HEAD: f64 = 34.0;
/// Candidates so near to each other on the paper become one arrow.
const NEAR: f64 = 28.0;

/// The picture and its legend; nothing when no peer has reached anything.
pub(super) fn draw(report: &Report) -> Markup {
    let run_ms = if plausible(report.duration_ms) { report.duration_ms } else { 0.0 };
    let lanes: Vec<Lane> = report.peers.iter().map(|peer| lane(peer, run_ms)).collect();
    let end_ms = lanes.iter().map(Lane::end_ms).fold(0.0, f64::max) * 1.03;
    html! {
        // More than two peers are more than one conversation.
        @for (peers, lanes) in report.peers.chunks(2).zip(lanes.chunks(2)) {
            @if lanes.iter().any(|lane| !lane.stages.is_empty()) {
                (figure(peers, lanes, end_ms, run_ms))
            }
        }
    }
}

fn figure(peers: &[PeerReport], lanes: &[Lane], end_ms: f64, run_ms: f64) -> Markup {
    let line = Timeline::new(&moments(peers, lanes), end_ms, LEFT, RIGHT);
    let window_ms = NEAR / line.per_ms().max(f64::MIN_POSITIVE);
    let mut messages = arrows(peers, window_ms);
    messages.retain(|arrow| arrow.end_ms() <= end_ms);
    let plan = Plan::new(lanes, &messages, &line);
    let mut groups: Vec<Group> = lanes.iter().flat_map(|lane| &lane.stages).map(|stage| stage.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let view = format!("0 0 {} {}", px(WIDTH), px(plan.height));
    html! {
        figure {
            div.scroll tabindex="0" role="region" aria-label="Waterfall of the set-up; scrolls sideways" {
                svg.waterfall viewBox=(view) role="img" aria-labelledby="waterfall-title waterfall-desc" {
                    title #waterfall-title { "How the call was set up, over time" }
                    desc #waterfall-desc { (words(lanes)) " The tables below hold every milestone and message." }
                    (grid(&line, plan.height))
                    @for (index, lane) in lanes.iter().enumerate() { (track(lane, index, &plan, &line, run_ms)) }
                    @if lanes.len() == 1 && !messages.is_empty() { (far_side(&plan)) }
                    (wires::draw(&messages, &plan.wires, (plan.track(0) + BAR + 2.0, plan.track(1) - 2.0), &line))
                    (left_out(&line, &plan))
                }
            }
            figcaption {
                ul.legend aria-label="Colours of the bars" {
                    @for group in &groups { li { span.swatch.(group.class()) {} (group.words()) } }
                }
                p { (words(lanes)) }
            }
        }
    }
}

/// Every moment that the axis has to show.
fn moments(peers: &[PeerReport], lanes: &[Lane]) -> Vec<f64> {
    let stages = lanes.iter().flat_map(|lane| &lane.stages).flat_map(|stage| [stage.from_ms, stage.to_ms]);
    let messages = peers.iter().flat_map(|peer| &peer.messages).map(|message| message.at_ms);
    stages.chain(messages).collect()
}

/// What the picture says, for those who do not see it and as its caption.
fn words(lanes: &[Lane]) -> String {
    let sentences: Vec<String> = lanes.iter().filter_map(sentence).collect();
    sentences.join(" ")
}

fn sentence(lane: &Lane) -> Option<String> {
    let last = lane.stages.last()?;
    let longest = lane.stages.iter().max_by(|a, b| a.length_ms().total_cmp(&b.length_ms()))?;
    let name = &lane.name;
    let end = match last.group {
        Group::Open => format!("{name} got no media: {} after {}.", last.label, length(last.from_ms)),
        Group::Signaling | Group::Waiting | Group::Negotiation | Group::Ice | Group::Dtls | Group::Media => {
            format!("{name} had its {} after {}.", last.label, length(last.to_ms))
        }
    };
    Some(format!("{end} Its longest stage was “{}” with {}.", longest.label, length(longest.length_ms())))
}

/// Where everything stands from top to bottom.
#[derive(Debug)]
struct Plan {
    /// Label rows of the bars, per lane.
    bars: Vec<Vec<(f64, usize)>>,
    /// Label rows of the arrows.
    wires: Vec<(f64, usize)>,
    /// The top of the bars of each lane; the second one is there even for one peer with messages.
    tracks: [f64; 2],
    height: f64,
}

impl Plan {
    fn new(lanes: &[Lane], messages: &[Arrow], line: &Timeline) -> Self {
        let bars: Vec<Vec<(f64, usize)>> =
            lanes.iter().map(|lane| labels::place(&bar_labels(lane, line), EDGE)).collect();
        let middle = |arrow: &Arrow| {
            let ends = [arrow.sent, arrow.received].into_iter().flatten();
            ends.map(|span| line.at(span.first_ms)).fold(0.0, f64::max)
        };
        let wanted: Vec<(f64, f64)> =
            messages.iter().map(|arrow| (middle(arrow) + 5.0, labels::width(&arrow.label()))).collect();
        let wires = labels::place(&wanted, EDGE);
        let rows = |index: usize| bars.get(index).map_or(0, |placed| labels::rows(placed)) as f64;
        let first = HEAD + rows(0) * ROW + 6.0;
        let between = if messages.is_empty() { 26.0 } else { 30.0 + labels::rows(&wires) as f64 * ROW };
        let second = first + BAR + between;
        let bottom = if lanes.len() > 1 || !messages.is_empty() { second + BAR } else { first + BAR };
        let height = bottom + rows(1) * ROW + 14.0;
        Self { bars, wires, tracks: [first, second], height }
    }

    fn track(&self, index: usize) -> f64 {
        self.tracks[index.min(1)]
    }
}

/// Where the label of each stage would like to begin, and how wide it is.
fn bar_labels(lane: &Lane, line: &Timeline) -> Vec<(f64, f64)> {
    let stages = lane.stages.iter().map(|stage| (line.at(stage.from_ms) + 4.0, labels::width(&bar_label(stage))));
    stages.collect()
}

fn bar_label(stage: &super::stages::Stage) -> String {
    format!("{} {}", stage.label, length(stage.length_ms()))
}

fn grid(line: &Timeline, height: f64) -> Markup {
    html! {
        g.grid {
            @for (x, label) in line.ticks() {
                line x1=(px(x)) x2=(px(x)) y1="22" y2=(px(height - 4.0)) {}
                text x=(px(x)) y="14" text-anchor="middle" { (label) }
            }
        }
    }
}

/// The name, the bars and their labels: above the first lane, below the second one.
fn track(lane: &Lane, index: usize, plan: &Plan, line: &Timeline, run_ms: f64) -> Markup {
    let top = plan.track(index);
    let above = index == 0;
    let placed = plan.bars.get(index).map_or(&[][..], Vec::as_slice);
    let rest_ms = run_ms - lane.end_ms();
    let end = line.at(lane.end_ms());
    html! {
        g.lane {
            text.name x=(px(LEFT - 12.0)) y=(px(top + 9.0)) text-anchor="end" {
                (shortened(&lane.name, 13)) title { (lane.name) }
            }
            @if let Some(role) = lane.role {
                text.role x=(px(LEFT - 12.0)) y=(px(top + 23.0)) text-anchor="end" { (role) }
            }
            rect.track x=(px(LEFT)) y=(px(top + BAR / 2.0 - 1.0)) width=(px(RIGHT - LEFT)) height="2" {}
            @for (stage, (x, row)) in lane.stages.iter().zip(placed) {
                @let from = line.at(stage.from_ms);
                // An instant has a bar too; else it could not be seen.
                @let width = (line.at(stage.to_ms) - from).max(2.0);
                @let (near, y) = label_line(top, above, *row);
                @let far = if above { y - 9.0 } else { y };
                line.leader x1=(px(from + 0.5)) x2=(px(from + 0.5)) y1=(px(near)) y2=(px(far)) {}
                rect.bar.(stage.group.class()) x=(px(from)) y=(px(top)) width=(px(width)) height=(px(BAR)) {
                    title { (bar_label(stage)) ", from " (length(stage.from_ms)) " to " (length(stage.to_ms)) }
                }
                text.label x=(px(*x)) y=(px(y)) { (bar_label(stage)) }
            }
            @for mark in lane.marks.iter().filter(|mark| mark.at_ms <= lane.end_ms()) {
                circle.mark cx=(px(line.at(mark.at_ms))) cy=(px(top + BAR / 2.0)) r="4" {
                    title { (mark.label) " at " (length(mark.at_ms)) }
                }
            }
            @if rest_ms > 1.0 && !lane.stages.iter().any(|stage| stage.group == Group::Open) {
                text.rest x=(px(end + 8.0)) y=(px(top + 13.0)) { "then " (length(rest_ms)) " of call" }
            }
        }
    }
}

/// Where the leader of a label begins at the bar, and the base line of the label.
fn label_line(top: f64, above: bool, row: usize) -> (f64, f64) {
    let row = row as f64;
    if above { (top, top - 6.0 - row * ROW) } else { (top + BAR, top + BAR + 14.0 + row * ROW) }
}

/// What stands for the other side where only one peer is ours.
fn far_side(plan: &Plan) -> Markup {
    let y = plan.track(1) + BAR / 2.0;
    html! {
        g.lane {
            text.role x=(px(LEFT - 12.0)) y=(px(y + 4.0)) text-anchor="end" { "the other side" }
            line.far x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(y)) y2=(px(y)) {}
        }
    }
}

/// The stretch of silence that the axis leaves out.
fn left_out(line: &Timeline, plan: &Plan) -> Markup {
    let Some((from, to)) = line.cut() else { return Markup::default() };
    let (x, width) = (line.at(from), line.at(to) - line.at(from));
    html! {
        g.cut {
            rect x=(px(x + 4.0)) y="20" width=(px(width - 8.0)) height=(px(plan.height - 24.0)) {}
            line x1=(px(x + 4.0)) x2=(px(x + 4.0)) y1="20" y2=(px(plan.height - 4.0)) {}
            line x1=(px(x + width - 4.0)) x2=(px(x + width - 4.0)) y1="20" y2=(px(plan.height - 4.0)) {}
            text x=(px(x + width / 2.0)) y="14" text-anchor="middle" { "⋯ " (length(to - from)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn both_lanes_and_their_messages_are_drawn() {
        let page = draw(&sample::healthy()).into_string();
        for text in ["alice", "bob", "OFFER", "ANSWER", "CANDIDATE ×3", "ICE checks", "first picture", "then "] {
            assert!(page.contains(text), "{text} is missing in {page}");
        }
        assert_eq!(page.matches("<svg").count(), 1);
    }

    #[test]
    fn one_peer_has_arrows_to_the_other_side() {
        let mut report = sample::healthy();
        report.peers.truncate(1);
        let page = draw(&report).into_string();
        assert!(page.contains("the other side") && page.contains("OFFER"), "{page}");
    }

    #[test]
    fn without_milestones_there_is_no_picture() {
        let mut report = sample::healthy();
        report.duration_ms = 0.0;
        report.peers.iter_mut().for_each(|peer| peer.phases.clear());
        assert_eq!(draw(&report).into_string(), "");
    }

    #[test]
    fn labels_of_the_first_lane_are_above_and_those_of_the_second_one_below() {
        assert_eq!(label_line(100.0, true, 1), (100.0, 78.0));
        assert_eq!(label_line(100.0, false, 0), (118.0, 132.0));
    }
}
