//! A peer from the first word of the server to its outcome: moves things between the parts.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::chronicle::Chronicle;
use super::diary::Diary;
use super::intake::{Intake, IntakeConfig};
use super::path::{Path, is_about_servers};
use super::recording::Recording;
use super::sending::Sending;
use super::{Milestone, News, Outcome, Setup, Status, told};
use crate::call::{self, Call, EndReason, RtcCommand};
use crate::clock::{now, until};
use crate::measure::Column;
use crate::network::{self, Addresses, Change};
use crate::rtc::{self, IceServer, PeerEvent};
use crate::signaling::{self, Signaling, Traffic};
use crate::verdict::End;

mod events;

/// Engine events that may wait: two seconds of a busy call.
const ENGINE_QUEUE: usize = 1024;
/// How often the path is looked at: the resolution of the series.
const TICK: Duration = Duration::from_millis(100);
/// How many of those lie between two status lines, and between two looks at the engine's statistics.
const STATUS_EVERY: u32 = 10;

/// See the module.
pub(super) struct Running {
    setup: Setup,
    diary: Diary,
    chronicle: Chronicle,
    call: Call,
    signaling: Option<Signaling>,
    server: Option<String>,
    served_ice: Vec<IceServer>,
    engine: Option<rtc::Peer>,
    engine_events: mpsc::Sender<PeerEvent>,
    engine_queue: mpsc::Receiver<PeerEvent>,
    sending: Sending,
    intake: Intake,
    path: Path,
    recording: Option<Recording>,
    connected_at: Option<Instant>,
    /// The server is gone at the moment, or for good.
    signaling_lost: bool,
    addresses: Addresses,
    end: Option<EndReason>,
    ended_at: Option<Instant>,
}

impl Running {
    /// A peer whose connection to the server is open.
    pub(super) fn new(
        mut setup: Setup,
        diary: Diary,
        signaling: Signaling,
        sending: Sending,
        recording: Option<Recording>,
    ) -> Self {
        let (engine_events, engine_queue) = mpsc::channel(ENGINE_QUEUE);
        let intake = Intake::start(IntakeConfig {
            judge: setup.judge,
            expected_peer: setup.expected_peer,
            started: setup.started,
            ledger: setup.heard.take(),
            recording: recording.clone(),
        });
        Self {
            call: Call::new(now(), setup.patience),
            intake,
            chronicle: Chronicle::new(setup.started.mono),
            setup,
            diary,
            signaling: Some(signaling),
            server: None,
            served_ice: Vec::new(),
            engine: None,
            engine_events,
            engine_queue,
            sending,
            path: Path::default(),
            recording,
            connected_at: None,
            signaling_lost: false,
            addresses: Addresses::new(network::of_this_machine()),
            end: None,
            ended_at: None,
        }
    }

    /// Runs it until its call ends.
    pub(super) async fn run(
        mut self,
        mut server_events: mpsc::Receiver<signaling::Event>,
        traffic: &mut mpsc::Receiver<Traffic>,
        mut hang_up: watch::Receiver<bool>,
    ) -> Outcome {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(network::LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut ticks, mut signaling_open) = (0_u32, true);
        loop {
            self.carry_out().await;
            while let Some((milestone, at)) = self.intake.reached() {
                self.diary.reached(milestone, at);
            }
            if let Some(reason) = self.end.take() {
                return self.outcome(End::Call(reason), traffic).await;
            }
            let due = [self.call.poll_timeout(), self.intake.poll_timeout()].into_iter().flatten().min();
            tokio::select! {
                event = server_events.recv(), if signaling_open => match event {
                    Some(event) => self.server_event(event).await,
                    None => signaling_open = false,
                },
                Some(event) = self.engine_queue.recv() => self.engine_event(event),
                Some(told) = self.intake.told() => self.intake.handle_told(now(), told),
                Some(one) = traffic.recv() => self.record(one),
                () = told(&mut hang_up) => {
                    self.diary.reached(Milestone::HungUp, now());
                    self.call.hang_up();
                }
                () = until(due) => {
                    self.call.handle_timeout(now());
                    self.intake.handle_timeout(now());
                }
                _ = look.tick() => self.look_at_network().await,
                _ = tick.tick() => {
                    self.tick(ticks.is_multiple_of(STATUS_EVERY)).await;
                    ticks = ticks.wrapping_add(1);
                }
            }
            self.ask_for_key_frame().await;
        }
    }

    async fn ask_for_key_frame(&mut self) {
        if self.intake.wants_key_frame()
            && let Some(engine) = &self.engine
        {
            engine.request_key_frame().await;
        }
    }

    /// Does what the call brain wants.
    async fn carry_out(&mut self) {
        while let Some(output) = self.call.poll_output() {
            match output {
                call::Output::Send(signal) => {
                    self.chronicle.signal(now(), true, &signal);
                    if let Some(signaling) = &self.signaling {
                        signaling.send(signal).await;
                    }
                }
                call::Output::Rtc(RtcCommand::Close) => self.close_engine().await,
                call::Output::Rtc(command) => {
                    if let Some(engine) = &self.engine {
                        engine.command(command).await;
                    }
                }
                call::Output::Progress(phase) => self.diary.reached(Milestone::Call(phase), now()),
                call::Output::Leave => {
                    self.ended_at = Some(now());
                    self.sending.stop();
                    self.chronicle.message(now(), true, "LEAVE", "");
                }
                call::Output::Ended(reason) => self.end = Some(reason),
            }
        }
    }

    /// Tells everybody who has sockets when the addresses of this machine are not those of a moment ago.
    async fn look_at_network(&mut self) {
        let Some(Change { gone, come }) = self.addresses.look(network::of_this_machine()) else { return };
        tracing::info!(gone = gone.len(), come = come.len(), "the addresses of this machine changed");
        if !gone.is_empty() {
            self.diary.reached(Milestone::NetworkChanged, now());
        }
        self.call.handle_network_change(now(), !gone.is_empty());
        if let Some(signaling) = &self.signaling {
            signaling.network_changed(gone).await;
        }
    }

    async fn close_engine(&mut self) {
        if let Some(engine) = self.engine.take() {
            self.path.close(&engine).await;
            self.sending.negotiated(engine.video_codec());
            engine.close().await;
        }
    }

    /// Ten times a second: what the path and the congestion controller say; once a second a line for people.
    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "its sources are not Sync: it cannot be shared across an await"
    )]
    async fn tick(&mut self, status: bool) {
        let Some(connected_at) = self.connected_at else { return };
        if let Some(engine) = &self.engine {
            let target = engine.link().target_bps;
            self.sending.set_target(target);
            if let Some(bps) = target {
                self.intake.note(now(), Column::Target, bps as f64 / 1000.0);
            }
            if status && let Some(rtt) = engine.stats().await.and_then(|pair| pair.rtt) {
                self.intake.note(now(), Column::Rtt, rtt.as_secs_f64() * 1000.0);
            }
        }
        if status {
            let (video, audio) = self.intake.status(now());
            let status = Status { elapsed: now().saturating_duration_since(connected_at), video, audio };
            self.diary.tell(News::Status { peer: self.diary.name.clone(), status: Box::new(status) });
        }
    }

    fn record(&self, traffic: Traffic) {
        if let Some(recording) = &self.recording {
            recording.signaling(traffic.at, traffic.sent, traffic.text);
        }
    }

    async fn outcome(mut self, end: End, traffic: &mut mpsc::Receiver<Traffic>) -> Outcome {
        let ended_at = self.ended_at.unwrap_or_else(now);
        if let Some(signaling) = self.signaling.take() {
            signaling.leave().await;
        }
        while let Ok(one) = traffic.try_recv() {
            self.record(one);
        }
        if is_about_servers(&end) {
            self.path.ask_servers(&self.chronicle.remote_addresses(), &self.setup.signaling.tls).await;
        }
        let Path { ice_servers, unusable_turn, pair, pairs, link, probes, dropped } = self.path;
        let rtt = pair.as_ref().and_then(|pair| pair.rtt_ms).map(|ms| Duration::from_secs_f64(ms / 1000.0));
        let received = self.intake.finish(ended_at, &link, rtt).await;
        Outcome {
            name: self.diary.name,
            sid: self.call.me().cloned(),
            server: self.server,
            phases: self.diary.phases,
            messages: self.chronicle.messages,
            candidates: self.chronicle.candidates,
            end: match received.failure.filter(|_| self.connected_at.is_some()) {
                Some(reason) => End::Call(EndReason::EngineFailed { reason }),
                None => end,
            },
            connected_for: self.connected_at.map(|at| ended_at.saturating_duration_since(at)),
            no_common_codec: self.sending.no_common_codec(),
            no_common_audio_codec: self.sending.no_common_audio_codec(),
            ended_at: Some(ended_at),
            signaling_lost: self.signaling_lost && self.connected_at.is_some(),
            stun_configured: IceServer::any_named(&ice_servers, "stun"),
            turn_configured: IceServer::any_named(&ice_servers, "turn") || unusable_turn,
            relay_only: self.setup.rtc.relay_only,
            pair,
            pairs,
            probes,
            sent: self.sending.report(&link),
            received: received.direction,
            overrun: dropped,
            recording: None,
        }
    }
}
