//! The room: who is let in, who else is there, when calling begins, who goes.

use std::time::Instant;

use dialtone_wire::SessionId;

use super::timers::Timer;
use super::{Call, EndReason, Output, Phase, Stage};

impl Call {
    pub(super) fn joined(&mut self, now: Instant, me: SessionId) {
        self.me = Some(me);
        self.is_lost = false;
        if self.stage == Stage::Joining {
            self.timers.stop(Timer::Join);
            self.timers.set(Timer::Wait, now + self.patience.wait);
            self.stage = Stage::Waiting;
            self.outputs.push_back(Output::Progress(Phase::Joined));
        }
    }

    pub(super) fn members(&mut self, now: Instant, members: &[SessionId]) {
        let Some(me) = &self.me else { return };
        let other = members.iter().find(|sid| *sid != me).cloned();
        let gone = self.saw_other && other.is_none();
        self.saw_other = other.is_some();
        match other {
            Some(other) => {
                self.other = Some(other);
                let resumed = matches!(self.stage, Stage::Connecting { .. }) && self.negotiation.signaling_lost;
                if (self.stage == Stage::Waiting || resumed) && !self.timers.is_set(Timer::Ready) {
                    self.timers.set(Timer::Ready, now + self.patience.ready);
                }
                let waits = matches!(self.stage, Stage::Connecting { .. }) && self.timers.is_set(Timer::Offer);
                if waits && self.is_impolite() {
                    // READY had overtaken the list that says who offers.
                    self.create_offer(false);
                }
            }
            None if gone && self.stage != Stage::Waiting => self.end(self.peer_left()),
            None if gone => self.timers.stop(Timer::Ready),
            None if self.stage == Stage::Waiting => self.outputs.push_back(Output::Progress(Phase::Waiting)),
            None => {}
        }
    }

    pub(super) fn ready(&mut self, now: Instant) {
        match self.stage {
            Stage::Waiting => self.begin(now),
            Stage::Connecting { .. } if self.negotiation.signaling_lost => self.begin_again(now),
            Stage::Joining | Stage::Connecting { .. } | Stage::Connected | Stage::Interrupted | Stage::Ended => {}
        }
    }

    pub(super) fn left(&mut self, who: Option<SessionId>) {
        let known = who.is_none() || who == self.other;
        if known && who != self.me && !matches!(self.stage, Stage::Joining | Stage::Waiting) {
            self.end(self.peer_left());
        }
    }

    pub(super) fn refused(&mut self, room_full: bool, message: String) {
        match (room_full, self.stage) {
            (true, Stage::Joining) => self.end(EndReason::RoomFull { message }),
            (false, Stage::Joining) => self.end(EndReason::Refused { message }),
            (_, Stage::Waiting | Stage::Connecting { .. } | Stage::Connected | Stage::Interrupted | Stage::Ended) => {
                tracing::warn!(%message, "the signaling server refused something in mid-call");
            }
        }
    }

    /// Two members: the clock runs, and one of both offers.
    pub(super) fn begin(&mut self, now: Instant) {
        self.start_connecting(now);
        self.offer_or_wait(now);
    }

    pub(super) fn start_connecting(&mut self, now: Instant) {
        self.negotiation.signaling_lost = false;
        for timer in [Timer::Join, Timer::Wait, Timer::Ready] {
            self.timers.stop(timer);
        }
        self.timers.set(Timer::Connect, now + self.patience.connect);
        self.stage = Stage::Connecting { ice: false };
        self.outputs.push_back(Output::Progress(Phase::Ready));
    }

    /// The smaller session id offers. Where the other one's id is not known, waiting is right: its offer will tell.
    pub(super) fn offer_or_wait(&mut self, now: Instant) {
        if self.is_impolite() {
            self.create_offer(false);
        } else {
            self.timers.set(Timer::Offer, now + self.patience.offer);
        }
    }

    /// The larger session id is polite; unknown ids count as larger.
    pub(super) fn is_impolite(&self) -> bool {
        matches!((&self.me, &self.other), (Some(me), Some(other)) if me < other)
    }

    /// What the other side left without having sent, where it was its turn. Why it left is for its own report to say.
    fn peer_left(&self) -> EndReason {
        match self.stage {
            Stage::Connecting { ice: false } => {
                self.missing().map_or(EndReason::PeerLeft, |missing| EndReason::PeerLeftEarly { missing })
            }
            Stage::Joining
            | Stage::Waiting
            | Stage::Connecting { ice: true }
            | Stage::Connected
            | Stage::Interrupted
            | Stage::Ended => EndReason::PeerLeft,
        }
    }
}
