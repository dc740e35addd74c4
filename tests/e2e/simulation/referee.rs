//! Knows the room's rules by heart, and nothing of how the server keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dialtone_wire::SessionId;
use dialtone_wire::bodies::parse_members;
use dialtone_wire::signal::{SignalMessage, SignalType};
use dialtone_wire::stomp::{Command, Frame};

/// How many members a room takes.
const CAPACITY: usize = 2;

/// The room as it should be.
#[derive(Debug)]
pub(crate) struct Referee {
    grace: Duration,
    members: Vec<SessionId>,
    /// Members without a connection, and until when their seats are kept.
    parked: BTreeMap<SessionId, Instant>,
}

/// What a client, or its absence, did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Join(SessionId),
    Leave(SessionId),
    Signal(SessionId),
    Resume(SessionId),
    Lost(SessionId),
    TimePasses,
}

/// What one connection was told in a step.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    /// Whose connection it is, once the server said so.
    pub(crate) sid: Option<&'a SessionId>,
    /// Whether it hears the room's signals.
    pub(crate) listens: bool,
    /// Whether it is open still.
    pub(crate) open: bool,
    pub(crate) frames: Vec<&'a Frame>,
}

impl Referee {
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, members: Vec::new(), parked: BTreeMap::new() }
    }

    pub(crate) fn members(&self) -> &[SessionId] {
        &self.members
    }

    /// Judges one step: what was done, and what everybody was told because of it. Gives whether the count went from one
    /// to two.
    pub(crate) fn judge(&mut self, now: Instant, deeds: &[Deed], told: &[Told<'_>]) -> bool {
        let before = self.members.clone();
        let mut ready = false;
        let mut newcomer = None;
        for deed in deeds {
            if self.follow(now, deed)
                && let Deed::Join(sid) = deed
            {
                newcomer = Some(sid.clone());
                ready = self.members.len() == 2;
            }
        }
        let around: BTreeSet<_> = before.iter().chain(&self.members).collect();
        let speakers: BTreeSet<_> =
            deeds.iter().filter_map(|d| if let Deed::Signal(sid) = d { Some(sid.as_str()) } else { None }).collect();
        for told in told {
            let is_new = newcomer.is_some() && told.sid == newcomer.as_ref();
            self.judge_connection(told, &before, &around, &speakers, ready, is_new);
        }
        ready
    }

    /// Does the deed by the rules; gives whether anything changed for the members.
    fn follow(&mut self, now: Instant, deed: &Deed) -> bool {
        match deed {
            Deed::Join(sid) => {
                let seated = !self.members.contains(sid) && self.members.len() < CAPACITY;
                if seated {
                    self.members.push(sid.clone());
                }
                seated
            }
            Deed::Leave(sid) => self.leave(sid),
            Deed::Resume(sid) => {
                self.parked.remove(sid);
                false
            }
            Deed::Lost(sid) if self.grace.is_zero() => self.leave(sid),
            Deed::Lost(sid) => {
                self.parked.insert(sid.clone(), now + self.grace);
                false
            }
            Deed::TimePasses => {
                let over: Vec<_> =
                    self.parked.iter().filter(|(_, until)| **until <= now).map(|(s, _)| s.clone()).collect();
                over.iter().filter(|sid| self.leave(sid)).count() > 0
            }
            Deed::Signal(_) => false,
        }
    }

    fn leave(&mut self, sid: &SessionId) -> bool {
        self.parked.remove(sid);
        let count = self.members.len();
        self.members.retain(|member| member != sid);
        self.members.len() < count
    }

    fn judge_connection(
        &self,
        told: &Told<'_>,
        before: &[SessionId],
        around: &BTreeSet<&SessionId>,
        speakers: &BTreeSet<&str>,
        ready: bool,
        is_new: bool,
    ) {
        let is_around = told.sid.is_some_and(|sid| around.contains(sid));
        let mut course = Vec::new();
        let mut last_list = None;
        for frame in told.frames.iter().filter(|frame| frame.command == Command::Message) {
            let destination = frame.headers.get("destination").unwrap_or_default();
            if destination.starts_with("/topic/") {
                assert!(is_around, "{:?} is not a member and hears {frame:?}", told.sid);
            }
            if destination.ends_with("/members") {
                let list = parse_members(&frame.body).expect("a list of members can be read");
                assert!(list.len() <= CAPACITY, "more members than seats: {list:?}");
                let distinct: BTreeSet<_> = list.iter().collect();
                assert_eq!(distinct.len(), list.len(), "a member twice: {list:?}");
                course.push("members");
                last_list = Some(list);
            } else if destination.ends_with("/signal") {
                let signal = SignalMessage::parse(&frame.body).expect("a signal can be read");
                let from = frame.headers.get("sid");
                match (signal.kind, from) {
                    (SignalType::Ready, None) => course.push("READY"),
                    (SignalType::Leave, None) => course.push("LEAVE"),
                    (SignalType::Ready, Some(_)) => panic!("a forged READY: {frame:?}"),
                    (_, None) => panic!("a signal of nobody: {frame:?}"),
                    (_, Some(from)) => {
                        assert!(speakers.contains(from), "{from} did not say {frame:?}");
                        let both = [Some(from), told.sid.map(SessionId::as_str)];
                        for sid in both.into_iter().flatten() {
                            assert!(before.iter().any(|m| m.as_str() == sid), "{sid} is no member: {frame:?}");
                        }
                    }
                }
            } else if destination == "/user/queue/me" {
                course.push("me");
            }
        }
        if let Some(list) = last_list {
            assert_eq!(list, self.members, "the last list told is the room as it is");
        }
        let is_member = told.sid.is_some_and(|sid| self.members.contains(sid));
        let readies = course.iter().filter(|word| **word == "READY").count();
        let expected = usize::from(ready && is_member && told.listens && told.open);
        assert_eq!(readies, expected, "READY exactly when the count goes from one to two: {course:?}");
        if ready && expected == 1 {
            let order: &[&str] = if is_new { &["me", "members", "READY"] } else { &["members", "READY"] };
            assert_eq!(course, order, "always in this order");
        } else if is_new {
            assert_eq!(course, ["me", "members"], "what a first member is told");
        }
    }
}
