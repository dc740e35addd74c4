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
//! `room` is who is there, `negotiation` offer, answer and candidates, `path` what ICE and DTLS make of them.
//!
//! As with every brain of the house: one input, then drain [`Call::poll_output`] to `None`.

use std::collections::VecDeque;
use std::time::Instant;

use dialtone_wire::SessionId;

mod ending;
mod negotiation;
mod path;
mod room;
#[cfg(test)]
mod tests;
mod timers;
mod vocabulary;

use negotiation::Negotiation;
use timers::{Timer, Timers};

pub use ending::EndReason;
pub use vocabulary::{
    Candidate, CommandKind, DescriptionKind, FromServer, IceState, LossKind, Output, Patience, Phase, RtcCommand,
    RtcEvent, Signal,
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
            RtcEvent::RelayLost => self.relay_lost(now),
            RtcEvent::Failed => self.failed(now),
            RtcEvent::DtlsAlert { by_us, alert } => self.dtls_alert(by_us, alert),
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
