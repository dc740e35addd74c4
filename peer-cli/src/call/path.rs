//! The path for media: from the first check to a loss in mid-call, and what to do about that.

use std::time::{Duration, Instant};

use super::timers::Timer;
use super::{Call, DescriptionKind, EndReason, IceState, Output, Phase, Stage};

/// How soon after a change of network, or the loss of a relay, the connection to the server knows whether it is lost, too.
const SIGNALING_NOTICES: Duration = Duration::from_millis(100);

/// What the polite side leaves to the other one's offer where both may have noticed the same loss.
const FIRST_OFFER: Duration = Duration::from_millis(500);

impl Call {
    pub(super) fn ice_state(&mut self, state: IceState) {
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

    pub(super) fn connected(&mut self) {
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

    pub(super) fn interrupted(&mut self, now: Instant) {
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

    /// The machine has other addresses than before; `lost`: one that was used is not there any more. The engine would
    /// notice by the silence, seconds later. Where the connection to the server was lost with it, the restart waits until
    /// that is back.
    pub fn handle_network_change(&mut self, now: Instant, lost: bool) {
        if lost {
            self.interrupted(now);
        }
        if self.stage == Stage::Interrupted {
            self.timers.set(Timer::Restart, now + SIGNALING_NOTICES);
        }
    }

    /// The relay in use is gone. The engine would notice by the silence, seconds later. When the relay itself went down the
    /// other side has lost it as well, so the polite side leaves the first offer to it.
    pub(super) fn relay_lost(&mut self, now: Instant) {
        if self.stage != Stage::Connected {
            return;
        }
        self.interrupted(now);
        let patience = if self.is_impolite() { SIGNALING_NOTICES } else { FIRST_OFFER };
        self.timers.set(Timer::Restart, now + patience);
    }

    /// The other side offers while media is cut: whatever that is, it looks for a path. The polite side waits for what
    /// comes of it.
    pub(super) fn offered_in_interruption(&mut self, now: Instant) {
        if self.stage == Stage::Interrupted && !self.is_impolite() {
            self.timers.set(Timer::Restart, now + self.patience.offer * 4);
        }
    }

    pub(super) fn failed(&mut self, now: Instant) {
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

    /// A fatal alert ends the handshake, whichever side sent it; the engine goes on waiting for what will not come.
    pub(super) fn dtls_alert(&mut self, by_us: bool, alert: String) {
        if matches!(self.stage, Stage::Connecting { .. }) {
            self.end(EndReason::DtlsRefused { by_us, alert });
        }
    }

    /// An offer that was not answered went into a dead network; the pairs of one restart are checked for some two
    /// seconds only. So a restart is repeated until media is back or hope is over.
    pub(super) fn restart_ice(&mut self, now: Instant) {
        if self.stage != Stage::Interrupted || self.is_lost {
            return;
        }
        self.take_back_offer();
        self.outputs.push_back(Output::Progress(Phase::IceRestart));
        self.create_offer(true);
        let patience = self.patience.offer * if self.is_impolite() { 2 } else { 4 };
        self.timers.set(Timer::Restart, now + patience);
    }

    /// The time from READY to media is over: what was the first thing that did not happen?
    pub(super) fn not_connected_in_time(&mut self) {
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
        } else {
            match self.missing() {
                Some(DescriptionKind::Offer) => EndReason::NoOffer { offered: negotiation.offered },
                Some(DescriptionKind::Answer) => EndReason::NoAnswer,
                None => engine("made no offer"),
            }
        };
        self.end(reason);
    }

    fn ice_failed(&self) -> EndReason {
        EndReason::IceFailed {
            local_candidates: self.negotiation.own_candidate,
            remote_candidates: self.negotiation.heard_candidate,
        }
    }
}
