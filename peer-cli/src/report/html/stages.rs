//! The way of a peer to its first picture, as stages from one milestone to the next.

use std::collections::BTreeSet;

use crate::report::PeerReport;
use crate::report::metrics::plausible;

/// What a stage is about; its colour in the waterfall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Signaling,
    Waiting,
    Negotiation,
    Ice,
    Dtls,
    Media,
    /// It did not come to an end.
    Open,
}

impl Group {
    /// The class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        self.both().0
    }

    /// For the legend.
    pub(super) fn words(self) -> &'static str {
        self.both().1
    }

    fn both(self) -> (&'static str, &'static str) {
        match self {
            Self::Signaling => ("g-signaling", "signaling"),
            Self::Waiting => ("g-waiting", "waiting for the other side"),
            Self::Negotiation => ("g-negotiation", "offer and answer"),
            Self::Ice => ("g-ice", "ICE"),
            Self::Dtls => ("g-dtls", "DTLS"),
            Self::Media => ("g-media", "first media"),
            Self::Open => ("g-open", "not finished"),
        }
    }
}

/// What went on between two milestones.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stage {
    pub(super) label: &'static str,
    pub(super) group: Group,
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
}

impl Stage {
    pub(super) fn length_ms(&self) -> f64 {
        self.to_ms - self.from_ms
    }
}

/// Something that happened at a moment and ends no stage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    pub(super) label: String,
    pub(super) at_ms: f64,
}

/// One peer on the time axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lane {
    /// The peer.
    pub(super) name: String,
    /// `offers` or `answers`, where it did.
    pub(super) role: Option<&'static str>,
    /// In order, without holes.
    pub(super) stages: Vec<Stage>,
    /// In order.
    pub(super) marks: Vec<Mark>,
}

impl Lane {
    /// Where its set-up ended, or stopped.
    pub(super) fn end_ms(&self) -> f64 {
        self.stages.last().map_or(0.0, |stage| stage.to_ms)
    }
}

/// The way of a peer in a run of this length.
pub(super) fn lane(peer: &PeerReport, run_ms: f64) -> Lane {
    let (mut stages, mut marks) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let mut last_ms = 0.0_f64;
    for stamp in peer.phases.iter().filter(|stamp| plausible(stamp.at_ms)) {
        match before(&stamp.phase) {
            // A stage that comes again belongs to a restart: long after the set-up, and in the tables.
            Some((label, group)) if seen.insert(stamp.phase.as_str()) => {
                let to_ms = stamp.at_ms.max(last_ms);
                stages.push(Stage { label, group, from_ms: last_ms, to_ms });
                last_ms = to_ms;
            }
            Some(_) => {}
            None if stamp.phase == "waiting" => {}
            None => marks.push(Mark { label: words(&stamp.phase).to_owned(), at_ms: stamp.at_ms }),
        }
    }
    if !seen.iter().any(|phase| phase.starts_with("first-")) {
        let end_ms = marks.iter().find(|mark| mark.label == words("hung-up")).map_or(run_ms, |mark| mark.at_ms);
        if end_ms > last_ms {
            let label = unfinished(&seen);
            stages.push(Stage { label, group: Group::Open, from_ms: last_ms, to_ms: end_ms });
        }
    }
    let role = if seen.contains("offer-sent") && !seen.contains("rolled-back") {
        Some("offers")
    } else {
        seen.contains("answer-sent").then_some("answers")
    };
    Lane { name: peer.name.clone(), role, stages, marks }
}

/// What goes on until a milestone; `None` for those that end nothing.
fn before(phase: &str) -> Option<(&'static str, Group)> {
    Some(match phase {
        "socket-open" => ("socket", Group::Signaling),
        "stomp-connected" => ("STOMP", Group::Signaling),
        "joined" => ("join", Group::Signaling),
        "ready" => ("wait for READY", Group::Waiting),
        "offer-sent" => ("make the offer", Group::Negotiation),
        "offer-received" => ("wait for the offer", Group::Negotiation),
        "answer-sent" => ("make the answer", Group::Negotiation),
        "answer-received" => ("wait for the answer", Group::Negotiation),
        "rolled-back" => ("roll back", Group::Negotiation),
        "ice-checking" => ("start ICE", Group::Ice),
        "ice-connected" => ("ICE checks", Group::Ice),
        "connected" => ("DTLS", Group::Dtls),
        "first-packet" => ("first packet", Group::Media),
        "first-key-frame" => ("first key frame", Group::Media),
        "first-picture" => ("first picture", Group::Media),
        "first-sound" => ("first sound", Group::Media),
        _ => return None,
    })
}

/// What never came, by what was reached.
fn unfinished(seen: &BTreeSet<&str>) -> &'static str {
    const STEPS: [(&str, &str); 6] = [
        ("connected", "no packet came"),
        ("ice-connected", "DTLS without an end"),
        ("ice-checking", "ICE without an end"),
        ("ready", "no agreement on media"),
        ("joined", "nobody came"),
        ("stomp-connected", "not in the room"),
    ];
    STEPS.iter().find(|(phase, _)| seen.contains(phase)).map_or("no signaling", |step| step.1)
}

/// A milestone in words; one that this version does not know keeps its name.
pub(super) fn words(phase: &str) -> &str {
    match phase {
        "socket-open" => "WebSocket open",
        "stomp-connected" => "STOMP connected",
        "joined" => "joined the room",
        "waiting" => "waiting for the other side",
        "ready" => "READY: two members",
        "offer-sent" => "OFFER sent",
        "offer-received" => "OFFER received",
        "answer-sent" => "ANSWER sent",
        "answer-received" => "ANSWER received",
        "rolled-back" => "own OFFER taken back",
        "ice-checking" => "ICE checking",
        "ice-connected" => "ICE connected",
        "connected" => "connected (DTLS)",
        "interrupted" => "nothing comes any more",
        "ice-restart" => "ICE restart",
        "signaling-lost" => "signaling lost",
        "signaling-back" => "signaling is back",
        "first-packet" => "first packet",
        "first-key-frame" => "first key frame",
        "first-picture" => "first picture decoded",
        "first-sound" => "first sound decoded",
        "hung-up" => "hung up",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::PhaseStamp;

    fn peer(phases: &[(&str, f64)]) -> PeerReport {
        let phases = phases.iter().map(|(phase, at_ms)| PhaseStamp { phase: (*phase).to_owned(), at_ms: *at_ms });
        PeerReport { name: "alice".to_owned(), phases: phases.collect(), ..PeerReport::default() }
    }

    #[test]
    fn each_stage_begins_where_the_one_before_ended() {
        let found = lane(
            &peer(&[("socket-open", 3.0), ("stomp-connected", 5.0), ("waiting", 6.0), ("first-packet", 9.0)]),
            100.0,
        );
        let spans: Vec<_> = found.stages.iter().map(|stage| (stage.label, stage.from_ms, stage.to_ms)).collect();
        assert_eq!(spans, [("socket", 0.0, 3.0), ("STOMP", 3.0, 5.0), ("first packet", 5.0, 9.0)]);
        assert_eq!(found.end_ms(), 9.0);
    }

    #[test]
    fn what_never_ended_is_a_stage_until_the_peer_hung_up() {
        let found = lane(&peer(&[("ice-checking", 40.0), ("hung-up", 900.0)]), 1000.0);
        let last = found.stages.last().unwrap();
        assert_eq!((last.label, last.group, last.to_ms), ("ICE without an end", Group::Open, 900.0));
        assert_eq!(found.marks, [Mark { label: "hung up".to_owned(), at_ms: 900.0 }]);
    }

    #[test]
    fn a_time_that_cannot_be_is_no_milestone() {
        let found = lane(&peer(&[("socket-open", 3.0), ("joined", 1e308), ("first-picture", 9.0)]), 100.0);
        assert_eq!((found.stages.len(), found.end_ms()), (2, 9.0));
    }

    #[test]
    fn milestones_of_a_restart_are_no_second_set_up() {
        let found = lane(
            &peer(&[("connected", 10.0), ("first-picture", 20.0), ("interrupted", 5000.0), ("connected", 6000.0)]),
            9000.0,
        );
        assert_eq!((found.stages.len(), found.end_ms(), found.marks.len()), (2, 20.0, 1));
    }

    #[test]
    fn who_offered_and_took_it_back_answers() {
        let found = lane(&peer(&[("offer-sent", 1.0), ("rolled-back", 2.0), ("answer-sent", 3.0)]), 4.0);
        assert_eq!(found.role, Some("answers"));
        assert_eq!(lane(&peer(&[]), 0.0).role, None);
    }
}
