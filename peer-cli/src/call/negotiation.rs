//! Offer, answer, candidates: perfect negotiation with the fallbacks that other peers' rules make necessary.

use std::collections::VecDeque;
use std::time::Instant;

use dialtone_wire::SessionId;

use super::timers::Timer;
use super::{Call, Candidate, CommandKind, DescriptionKind, EndReason, Output, Phase, RtcCommand, Signal, Stage};

/// Candidates kept until there is a description to add them to; a peer with more has something else wrong.
const MOST_EARLY_CANDIDATES: usize = 256;

/// Where offer and answer stand.
#[derive(Debug, Default)]
pub(super) struct Negotiation {
    /// Our own offer.
    local: LocalOffer,
    /// Offers that the engine was told to roll back before it reported them.
    stale_offers: u32,
    /// The other side's offer that came while ours was out, when we are the impolite one.
    ignored: Option<String>,
    /// Remote descriptions handed to the engine and not yet accepted.
    pending_remote: u32,
    /// Whether the engine has ever accepted a remote description.
    has_remote: bool,
    /// Candidates that wait for a description.
    early: VecDeque<Candidate>,
    /// Whether an offer of ours has ever gone out.
    pub(super) offered: bool,
    /// Whether offer and answer have both been exchanged.
    pub(super) described: bool,
    /// Whether an offer of the other side lies with the engine, which has not answered it yet.
    pub(super) answering: bool,
    /// Whether the engine has told any candidate of ours.
    pub(super) own_candidate: bool,
    /// Whether any candidate of the other side has come.
    pub(super) heard_candidate: bool,
    /// The server was lost before media flowed: the next READY starts anew.
    pub(super) signaling_lost: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum LocalOffer {
    #[default]
    None,
    /// The engine makes it.
    Making,
    /// It is out and unanswered.
    Sent,
}

impl Call {
    pub(super) fn create_offer(&mut self, ice_restart: bool) {
        if self.negotiation.local != LocalOffer::None {
            return;
        }
        self.timers.stop(Timer::Offer);
        self.negotiation.local = LocalOffer::Making;
        self.outputs.push_back(Output::Rtc(RtcCommand::CreateOffer { ice_restart }));
    }

    pub(super) fn local_candidate(&mut self, candidate: Candidate) {
        self.negotiation.own_candidate = true;
        self.outputs.push_back(Output::Send(Signal::Candidate(Some(candidate))));
    }

    pub(super) fn local_description(&mut self, kind: DescriptionKind, sdp: String) {
        self.negotiation.own_candidate |= names_candidates(&sdp);
        let phase = match kind {
            DescriptionKind::Offer if self.negotiation.stale_offers > 0 => {
                self.negotiation.stale_offers -= 1;
                return;
            }
            DescriptionKind::Offer => {
                self.negotiation.local = LocalOffer::Sent;
                self.negotiation.offered = true;
                Phase::OfferSent
            }
            DescriptionKind::Answer => {
                self.negotiation.described = true;
                self.negotiation.answering = false;
                Phase::AnswerSent
            }
        };
        self.outputs.push_back(Output::Send(Signal::Description { kind, sdp }));
        self.outputs.push_back(Output::Progress(phase));
    }

    /// A signal from the room. The topic brings our own signals back to us; they are not for us.
    pub(super) fn signal(&mut self, now: Instant, from: Option<SessionId>, signal: Signal) {
        if from.is_some() && from == self.me {
            return;
        }
        if matches!(self.stage, Stage::Joining | Stage::Waiting) {
            // An offer is as good a sign of the second member as READY is.
            if from.is_some() {
                self.other = from;
            }
            if !matches!(signal, Signal::Description { kind: DescriptionKind::Offer, .. }) {
                return self.keep_early(signal);
            }
            self.start_connecting(now);
        }
        if let Signal::Description { sdp, .. } = &signal {
            self.negotiation.heard_candidate |= names_candidates(sdp);
        }
        match signal {
            Signal::Description { kind: DescriptionKind::Offer, sdp } => self.remote_offer(now, sdp),
            Signal::Description { kind: DescriptionKind::Answer, sdp } => self.remote_answer(sdp),
            Signal::Candidate(Some(candidate)) => self.remote_candidate(candidate),
            Signal::Candidate(None) => {}
        }
    }

    fn remote_offer(&mut self, now: Instant, sdp: String) {
        self.timers.stop(Timer::Offer);
        self.offered_in_interruption(now);
        self.outputs.push_back(Output::Progress(Phase::OfferReceived));
        let collision = self.negotiation.local != LocalOffer::None;
        if collision && self.is_impolite() {
            self.negotiation.ignored = Some(sdp);
            self.timers.set(Timer::Glare, now + self.patience.offer);
            return;
        }
        if collision {
            self.roll_back();
        }
        self.accept_offer(sdp);
    }

    fn accept_offer(&mut self, sdp: String) {
        self.negotiation.pending_remote += 1;
        self.negotiation.answering = true;
        self.outputs.push_back(Output::Rtc(RtcCommand::AcceptOffer { sdp }));
    }

    /// Takes an offer back that nobody has answered, if there is one.
    pub(super) fn take_back_offer(&mut self) {
        if self.negotiation.local != LocalOffer::None {
            self.roll_back();
        }
    }

    fn roll_back(&mut self) {
        if self.negotiation.local == LocalOffer::Making {
            self.negotiation.stale_offers += 1;
        }
        self.negotiation.local = LocalOffer::None;
        self.outputs.push_back(Output::Rtc(RtcCommand::Rollback));
        self.outputs.push_back(Output::Progress(Phase::RolledBack));
    }

    /// Our offer stayed unanswered and one of theirs lies here: give way after all.
    pub(super) fn answer_ignored_offer(&mut self) {
        let Some(sdp) = self.negotiation.ignored.take() else { return };
        self.take_back_offer();
        self.accept_offer(sdp);
    }

    fn remote_answer(&mut self, sdp: String) {
        if self.negotiation.local != LocalOffer::Sent {
            tracing::debug!("an answer came without an offer of ours; it is left aside");
            return;
        }
        self.timers.stop(Timer::Glare);
        self.negotiation.ignored = None;
        self.negotiation.local = LocalOffer::None;
        self.negotiation.described = true;
        self.negotiation.pending_remote += 1;
        self.outputs.push_back(Output::Progress(Phase::AnswerReceived));
        self.outputs.push_back(Output::Rtc(RtcCommand::AcceptAnswer { sdp }));
    }

    fn remote_candidate(&mut self, candidate: Candidate) {
        if candidate.candidate.is_empty() {
            return;
        }
        self.negotiation.heard_candidate = true;
        if self.negotiation.has_remote && self.negotiation.pending_remote == 0 {
            self.outputs.push_back(Output::Rtc(RtcCommand::AddCandidate(candidate)));
        } else if self.negotiation.early.len() < MOST_EARLY_CANDIDATES {
            self.negotiation.early.push_back(candidate);
        }
    }

    fn keep_early(&mut self, signal: Signal) {
        if let Signal::Candidate(Some(candidate)) = signal {
            self.remote_candidate(candidate);
        }
    }

    pub(super) fn remote_accepted(&mut self) {
        self.negotiation.has_remote = true;
        self.negotiation.pending_remote = self.negotiation.pending_remote.saturating_sub(1);
        if self.negotiation.pending_remote == 0 {
            let early = self.negotiation.early.drain(..);
            self.outputs.extend(early.map(|candidate| Output::Rtc(RtcCommand::AddCandidate(candidate))));
        }
    }

    pub(super) fn command_failed(&mut self, command: CommandKind, reason: String) {
        match command {
            CommandKind::AddCandidate | CommandKind::Rollback => {
                tracing::warn!(?command, %reason, "the engine could not do it; the call goes on");
            }
            CommandKind::AcceptOffer => {
                self.end(EndReason::DescriptionRefused { kind: DescriptionKind::Offer, reason });
            }
            CommandKind::AcceptAnswer => {
                self.end(EndReason::DescriptionRefused { kind: DescriptionKind::Answer, reason });
            }
            CommandKind::CreateOffer => self.end(EndReason::EngineFailed { reason }),
        }
    }

    /// The description that is the other side's to send and has not come; `None` where nothing is waited for. Where it
    /// did not offer and ours went out in its place, it is still its offer that is missing.
    pub(super) fn missing(&self) -> Option<DescriptionKind> {
        let Negotiation { offered, described, answering, .. } = self.negotiation;
        if described || answering {
            None
        } else if self.is_impolite() {
            offered.then_some(DescriptionKind::Answer)
        } else {
            Some(DescriptionKind::Offer)
        }
    }

    /// The server forgot the room before media flowed, and both are in it again: whatever was out is void.
    pub(super) fn begin_again(&mut self, now: Instant) {
        self.negotiation.signaling_lost = false;
        self.negotiation.ignored = None;
        self.timers.stop(Timer::Glare);
        self.timers.stop(Timer::Ready);
        self.take_back_offer();
        self.offer_or_wait(now);
    }
}

/// Peers that do not trickle (RFC 8838) write their candidates into the description.
fn names_candidates(sdp: &str) -> bool {
    sdp.lines().any(|line| line.starts_with("a=candidate:"))
}
