//! One call between two peers, as a brain: join, role, offer and answer, candidates, restart, end.
//!
//! It knows neither STOMP nor WebRTC. It is told what the signaling server says ([`FromServer`]) and what the WebRTC
//! engine reports ([`RtcEvent`]), and answers with signals to send, commands for the engine, progress, and one end.
//!
//! The rules are those of perfect negotiation (RFC 9429 and the W3C's pattern) on top of one agreement about who calls:
//! the member whose session id is smaller in byte order offers, the other one answers, and the larger one is *polite*: it
//! rolls back when both offer at once. Two fallbacks keep calls alive against peers with other rules: no offer within
//! 2 s, and the answerer offers; an offer of ours that stays unanswered for 2 s while one of theirs lies here is rolled
//! back and theirs is answered.
//!
//! As with every brain of the house: one input, then drain [`Call::poll_output`] to `None`.

use std::collections::VecDeque;
use std::time::Instant;

use dialtone_wire::SessionId;

mod negotiation;
#[cfg(test)]
mod tests;
mod timers;
mod vocabulary;

use negotiation::Negotiation;
use timers::{Timer, Timers};

pub use vocabulary::{
    Candidate, CommandKind, DescriptionKind, EndReason, FromServer, IceState, LossKind, Output, Patience, Phase,
    RtcCommand, RtcEvent, Signal,
};

/// One call.
#[derive(Debug)]
pub struct Call {
    patience: Patience,
    me: Option<SessionId>,
    other: Option<SessionId>,
    /// Whether the last member list, on this connection to the server, had the other one in it.
    saw_other: bool,
    /// Whether there is no connection to the server at the moment.
    is_lost: bool,
    stage: Stage,
    negotiation: Negotiation,
    timers: Timers,
    outputs: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server has not let us in yet.
    Joining,
    /// Alone.
    Waiting,
    /// Two members, no media yet. `ice`: a pair works, DTLS is not up.
    Connecting { ice: bool },
    /// Media can flow.
    Connected,
    /// Media could flow and is cut at the moment.
    Interrupted,
    /// Over.
    Ended,
}

impl Call {
    /// A call that has just asked to join its room.
    pub fn new(now: Instant, patience: Patience) -> Self {
        let mut timers = Timers::default();
        timers.set(Timer::Join, now + patience.join);
        Self {
            patience,
            me: None,
            other: None,
            saw_other: false,
            is_lost: false,
            stage: Stage::Joining,
            negotiation: Negotiation::default(),
            timers,
            outputs: VecDeque::new(),
        }
    }

    /// Our own session id, once the server has told it.
    pub fn me(&self) -> Option<&SessionId> {
        self.me.as_ref()
    }

    /// Whether media could flow at some time and the call is not over.
    pub fn is_connected(&self) -> bool {
        matches!(self.stage, Stage::Connected | Stage::Interrupted)
    }

    /// Takes what the signaling server says.
    pub fn handle_server(&mut self, now: Instant, event: FromServer) {
        if self.stage == Stage::Ended {
            return;
        }
        match event {
            FromServer::Me(me) => self.joined(now, me),
            FromServer::Members(members) => self.members(now, &members),
            FromServer::Ready => self.ready(now),
            FromServer::Signal { from, signal } => self.signal(now, from, signal),
            FromServer::Leave(who) => self.left(who),
            FromServer::Refused { room_full, message } => self.refused(room_full, message),
            FromServer::Lost => {
                self.saw_other = false;
                self.is_lost = true;
                self.negotiation.signaling_lost = matches!(self.stage, Stage::Connecting { .. });
                self.outputs.push_back(Output::Progress(Phase::SignalingLost));
            }
            FromServer::Back => {
                self.is_lost = false;
                if self.stage == Stage::Interrupted {
                    // What was offered meanwhile went nowhere.
                    self.timers.set(Timer::Restart, now);
                }
                self.outputs.push_back(Output::Progress(Phase::SignalingBack));
            }
            FromServer::GaveUp { why, reason } if !self.is_connected() => {
                self.end(EndReason::SignalingLost { why, reason });
            }
            FromServer::GaveUp { .. } => {}
        }
    }

    /// Takes what the WebRTC engine reports.
    pub fn handle_rtc(&mut self, now: Instant, event: RtcEvent) {
        if self.stage == Stage::Ended {
            return;
        }
        match event {
            RtcEvent::LocalDescription { kind, sdp } => self.local_description(kind, sdp),
            RtcEvent::LocalCandidate(candidate) => self.local_candidate(candidate),
            RtcEvent::GatheringComplete => self.outputs.push_back(Output::Send(Signal::Candidate(None))),
            RtcEvent::RemoteAccepted { .. } => self.remote_accepted(),
            RtcEvent::IceState(state) => self.ice_state(state),
            RtcEvent::Connected => self.connected(),
            RtcEvent::Disconnected => self.interrupted(now),
            RtcEvent::Failed => self.failed(now),
            RtcEvent::Closed => {}
            RtcEvent::CommandFailed { command, reason } => self.command_failed(command, reason),
        }
    }

    /// Ends the call from our side. Hanging up on media that is cut does not make a working call of it.
    pub fn hang_up(&mut self) {
        match self.stage {
            Stage::Ended => {}
            Stage::Interrupted => self.end(EndReason::IceLost),
            Stage::Joining | Stage::Waiting | Stage::Connecting { .. } | Stage::Connected => {
                self.end(EndReason::HungUp)
            }
        }
    }

    /// What to do next; drain to `None` after every input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Join if self.is_lost => self.lost_for_good("before it let us into the room"),
                Timer::Join => self.end(EndReason::NotJoined),
                Timer::Wait if self.is_lost => self.lost_for_good("while we waited for the second member"),
                Timer::Wait => self.end(EndReason::NobodyCame),
                Timer::Ready if self.stage == Stage::Waiting => self.begin(now),
                Timer::Ready if self.negotiation.signaling_lost => self.begin_again(now),
                Timer::Ready => {}
                Timer::Offer => self.create_offer(false),
                Timer::Glare => self.answer_ignored_offer(),
                Timer::Connect => self.not_connected_in_time(),
                Timer::Restart => self.restart_ice(now),
                Timer::Recover => self.end(EndReason::IceLost),
            }
        }
    }

    fn joined(&mut self, now: Instant, me: SessionId) {
        self.me = Some(me);
        self.is_lost = false;
        if self.stage == Stage::Joining {
            self.timers.stop(Timer::Join);
            self.timers.set(Timer::Wait, now + self.patience.wait);
            self.stage = Stage::Waiting;
            self.outputs.push_back(Output::Progress(Phase::Joined));
        }
    }

    fn members(&mut self, now: Instant, members: &[SessionId]) {
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
            None if gone && self.stage != Stage::Waiting => self.end(EndReason::PeerLeft),
            None if gone => self.timers.stop(Timer::Ready),
            None if self.stage == Stage::Waiting => self.outputs.push_back(Output::Progress(Phase::Waiting)),
            None => {}
        }
    }

    fn ready(&mut self, now: Instant) {
        match self.stage {
            Stage::Waiting => self.begin(now),
            Stage::Connecting { .. } if self.negotiation.signaling_lost => self.begin_again(now),
            Stage::Joining | Stage::Connecting { .. } | Stage::Connected | Stage::Interrupted | Stage::Ended => {}
        }
    }

    fn left(&mut self, who: Option<SessionId>) {
        let known = who.is_none() || who == self.other;
        if known && who != self.me && !matches!(self.stage, Stage::Joining | Stage::Waiting) {
            self.end(EndReason::PeerLeft);
        }
    }

    fn refused(&mut self, room_full: bool, message: String) {
        match (room_full, self.stage) {
            (true, Stage::Joining) => self.end(EndReason::RoomFull { message }),
            (false, Stage::Joining) => self.end(EndReason::Refused { message }),
            (_, Stage::Waiting | Stage::Connecting { .. } | Stage::Connected | Stage::Interrupted | Stage::Ended) => {
                tracing::warn!(%message, "the signaling server refused something in mid-call");
            }
        }
    }

    /// Two members: the clock runs, and one of both offers.
    fn begin(&mut self, now: Instant) {
        self.start_connecting(now);
        self.offer_or_wait(now);
    }

    fn start_connecting(&mut self, now: Instant) {
        self.negotiation.signaling_lost = false;
        for timer in [Timer::Join, Timer::Wait, Timer::Ready] {
            self.timers.stop(timer);
        }
        self.timers.set(Timer::Connect, now + self.patience.connect);
        self.stage = Stage::Connecting { ice: false };
        self.outputs.push_back(Output::Progress(Phase::Ready));
    }

    /// The smaller session id offers. Where the other one's id is not known, waiting is right: its offer will tell.
    fn offer_or_wait(&mut self, now: Instant) {
        if self.is_impolite() {
            self.create_offer(false);
        } else {
            self.timers.set(Timer::Offer, now + self.patience.offer);
        }
    }

    /// The larger session id is polite; unknown ids count as larger.
    fn is_impolite(&self) -> bool {
        matches!((&self.me, &self.other), (Some(me), Some(other)) if me < other)
    }

    fn ice_state(&mut self, state: IceState) {
        match (state, self.stage) {
            (IceState::Checking, Stage::Connecting { .. }) => {
                self.outputs.push_back(Output::Progress(Phase::IceChecking));
            }
            (IceState::Connected | IceState::Completed, Stage::Connecting { ice: false }) => {
                self.stage = Stage::Connecting { ice: true };
                self.outputs.push_back(Output::Progress(Phase::IceConnected));
            }
            (IceState::Disconnected | IceState::Failed, Stage::Connecting { ice: true }) => {
                // The path went away again under the handshake: what does not come up now is not DTLS' fault.
                self.stage = Stage::Connecting { ice: false };
            }
            (IceState::Connected | IceState::Completed, Stage::Interrupted) => self.connected(),
            _ => {}
        }
    }

    fn connected(&mut self) {
        if self.stage == Stage::Connected {
            return;
        }
        for timer in [Timer::Connect, Timer::Offer, Timer::Restart, Timer::Recover] {
            self.timers.stop(timer);
        }
        self.stage = Stage::Connected;
        self.negotiation.signaling_lost = false;
        self.outputs.push_back(Output::Progress(Phase::Connected));
    }

    fn interrupted(&mut self, now: Instant) {
        if self.stage != Stage::Connected {
            return;
        }
        self.stage = Stage::Interrupted;
        self.timers.set(Timer::Recover, now + self.patience.recover);
        // The impolite side restarts soon; the polite one only when nothing comes of that.
        let patience = self.patience.offer * if self.is_impolite() { 1 } else { 4 };
        self.timers.set(Timer::Restart, now + patience);
        self.outputs.push_back(Output::Progress(Phase::Interrupted));
    }

    fn failed(&mut self, now: Instant) {
        match self.stage {
            Stage::Connecting { ice: true } => self.end(EndReason::DtlsFailed),
            Stage::Connecting { ice: false } => self.end(self.ice_failed()),
            Stage::Connected => self.interrupted(now),
            Stage::Interrupted if !self.timers.is_set(Timer::Restart) => {
                self.timers.set(Timer::Restart, now + self.patience.offer);
            }
            Stage::Joining | Stage::Waiting | Stage::Interrupted | Stage::Ended => {}
        }
    }

    /// An offer that was not answered went into a dead network; the pairs of one restart are checked for some two
    /// seconds only. So a restart is repeated until media is back or hope is over.
    fn restart_ice(&mut self, now: Instant) {
        if self.stage != Stage::Interrupted {
            return;
        }
        self.take_back_offer();
        self.outputs.push_back(Output::Progress(Phase::IceRestart));
        self.create_offer(true);
        let patience = self.patience.offer * if self.is_impolite() { 2 } else { 4 };
        self.timers.set(Timer::Restart, now + patience);
    }

    /// The time from READY to media is over: what was the first thing that did not happen?
    fn not_connected_in_time(&mut self) {
        let negotiation = &self.negotiation;
        let engine = |what: &str| EndReason::EngineFailed { reason: format!("the engine {what} in time") };
        let reason = if self.stage == (Stage::Connecting { ice: true }) {
            EndReason::DtlsTimedOut
        } else if self.is_lost && !(negotiation.described && negotiation.heard_candidate) {
            return self.lost_for_good("while offer, answer and candidates were exchanged");
        } else if negotiation.described {
            self.ice_failed()
        } else if negotiation.answering {
            engine("did not answer the other side's offer")
        } else if !self.is_impolite() {
            EndReason::NoOffer { offered: negotiation.offered }
        } else if negotiation.offered {
            EndReason::NoAnswer
        } else {
            engine("made no offer")
        };
        self.end(reason);
    }

    fn ice_failed(&self) -> EndReason {
        EndReason::IceFailed {
            local_candidates: self.negotiation.own_candidate,
            remote_candidates: self.negotiation.heard_candidate,
        }
    }

    fn lost_for_good(&mut self, when: &str) {
        let reason = format!("it was lost {when}, and did not come back");
        self.end(EndReason::SignalingLost { why: LossKind::Lost, reason });
    }

    fn end(&mut self, reason: EndReason) {
        self.stage = Stage::Ended;
        self.timers = Timers::default();
        self.outputs.push_back(Output::Leave);
        self.outputs.push_back(Output::Rtc(RtcCommand::Close));
        self.outputs.push_back(Output::Ended(reason));
    }
}
