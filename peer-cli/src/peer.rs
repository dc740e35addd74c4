//! One peer of a call, whole: signaling, the call brain, the WebRTC engine, what it sends and what it makes of what comes.
//!
//! [`run`] is the hand that moves things between these parts and decides nothing: [`Call`] says what to do, the receive
//! brains say what is lost, the judges say what was seen.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::call::{self, Call, EndReason, FromServer, Patience, RtcCommand, RtcEvent};
use crate::clock::{Started, now, until};
use crate::measure::{Column, SendLedger};
use crate::record::RecordError;
use crate::report::{AudioReport, JudgeLevel, VideoReport};
use crate::rtc::{self, IceServer, PeerEvent, RtcConfig};
use crate::signaling::{self, Signaling, Traffic};
use crate::verdict::End;

mod chronicle;
mod diary;
mod intake;
mod judging;
mod milestone;
mod outcome;
mod path;
mod recording;
mod sending;
mod stream;

use chronicle::Chronicle;
use diary::Diary;
use intake::{Intake, IntakeConfig};
pub use milestone::Milestone;
pub use outcome::Outcome;
use path::Path;
use recording::Recording;
pub use sending::Playable;
use sending::Sending;

/// Engine events that may wait: two seconds of a busy call.
const ENGINE_QUEUE: usize = 1024;
/// Signaling frames that may wait to be written down.
const TRAFFIC_QUEUE: usize = 1024;
/// How often the path is looked at: the resolution of the series.
const TICK: Duration = Duration::from_millis(100);
/// How many of those lie between two status lines, and between two looks at the engine's statistics.
const STATUS_EVERY: u32 = 10;

/// What one peer is to do.
pub struct Setup {
    /// What to call it in this run.
    pub name: String,
    /// How to reach the server and the room.
    pub signaling: signaling::Options,
    /// How to set the engine up; servers named by the signaling server are added.
    pub rtc: RtcConfig,
    /// What to show.
    pub video: Option<Playable>,
    /// What to say.
    pub audio: Option<Playable>,
    /// How long to wait for what.
    pub patience: Patience,
    /// Whose pattern to expect; `None` takes any.
    pub expected_peer: Option<u8>,
    /// How closely to look at what comes.
    pub judge: JudgeLevel,
    /// Where to note when something was sent, for a peer in the same process.
    pub sent: SendLedger,
    /// Where that peer notes the same; `None` when it is somewhere else.
    pub heard: Option<SendLedger>,
    /// The folder to record into.
    pub record: Option<PathBuf>,
    /// When the peers were started; milestones are told relative to it.
    pub started: Started,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("name", &self.name).field("rtc", &self.rtc).finish_non_exhaustive()
    }
}

/// What a running peer tells as it happens.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A milestone.
    Reached {
        /// Which peer.
        peer: String,
        /// What it has reached.
        milestone: Milestone,
        /// Since the peers were started.
        at: Duration,
    },
    /// How media flows, about once a second.
    Status {
        /// Which peer.
        peer: String,
        /// The figures.
        status: Box<Status>,
    },
}

/// How media flows at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// Since media could flow.
    pub elapsed: Duration,
    /// The pictures so far.
    pub video: Option<VideoReport>,
    /// The sound so far.
    pub audio: Option<AudioReport>,
}

/// Runs one peer until its call ends, or until `hang_up` turns true.
///
/// # Errors
/// [`RecordError`] when the recording cannot be begun; nothing has happened then.
pub async fn run(
    mut setup: Setup,
    news: mpsc::Sender<News>,
    mut hang_up: watch::Receiver<bool>,
) -> Result<Outcome, RecordError> {
    let recorded = setup.record.as_ref().map(|folder| Recording::start(folder, &setup.name, setup.started));
    let (recording, finish) = recorded.transpose()?.unzip();
    let start = setup.started.mono;
    let mut diary = Diary { name: setup.name.clone(), start, news, phases: Vec::new() };
    let sending = Sending::prepare(setup.video.take(), setup.audio.take(), setup.sent.clone(), setup.started);
    let (tap, mut traffic) = mpsc::channel(TRAFFIC_QUEUE);
    setup.signaling.tap = recording.is_some().then_some(tap);
    let opened = tokio::select! {
        opened = Signaling::open(setup.signaling.clone()) => opened.map_err(|error| {
            End::Unreachable { step: error.step(), reason: error.to_string() }
        }),
        () = told(&mut hang_up) => Err(End::Call(EndReason::HungUp)),
    };
    let outcome = match opened {
        Ok((signaling, server_events)) => {
            diary.reached(Milestone::SocketOpen, now());
            let (engine_events, engine_queue) = mpsc::channel(ENGINE_QUEUE);
            let intake = Intake::start(IntakeConfig {
                judge: setup.judge,
                expected_peer: setup.expected_peer,
                started: setup.started,
                ledger: setup.heard.take(),
                recording: recording.clone(),
            });
            let running = Running {
                call: Call::new(now(), setup.patience),
                intake,
                chronicle: Chronicle::new(start),
                setup,
                diary,
                signaling: Some(signaling),
                server: None,
                served_ice: Vec::new(),
                engine: None,
                engine_events,
                sending,
                path: Path::default(),
                recording,
                connected_at: None,
                signaling_lost: false,
                end: None,
                ended_at: None,
            };
            running.run(server_events, engine_queue, &mut traffic, hang_up).await
        }
        Err(end) => {
            drop(recording);
            Outcome::ended(diary, &sending, end)
        }
    };
    if let Some(finish) = finish {
        finish.wait().await;
    }
    Ok(outcome)
}

struct Running {
    setup: Setup,
    diary: Diary,
    chronicle: Chronicle,
    call: Call,
    signaling: Option<Signaling>,
    server: Option<String>,
    served_ice: Vec<IceServer>,
    engine: Option<rtc::Peer>,
    engine_events: mpsc::Sender<PeerEvent>,
    sending: Sending,
    intake: Intake,
    path: Path,
    recording: Option<Recording>,
    connected_at: Option<Instant>,
    /// The server is gone at the moment, or for good.
    signaling_lost: bool,
    end: Option<EndReason>,
    ended_at: Option<Instant>,
}

impl Running {
    async fn run(
        mut self,
        mut server_events: mpsc::Receiver<signaling::Event>,
        mut engine_queue: mpsc::Receiver<PeerEvent>,
        traffic: &mut mpsc::Receiver<Traffic>,
        mut hang_up: watch::Receiver<bool>,
    ) -> Outcome {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
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
                Some(event) = engine_queue.recv() => self.engine_event(event),
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
                _ = tick.tick() => {
                    self.tick(ticks.is_multiple_of(STATUS_EVERY)).await;
                    ticks = ticks.wrapping_add(1);
                }
            }
            self.ask_for_key_frame().await;
        }
    }

    async fn server_event(&mut self, event: signaling::Event) {
        let at = now();
        match event {
            signaling::Event::Connected { version, server } => {
                self.server = server;
                self.diary.reached(Milestone::StompConnected, at);
                self.chronicle.message(at, false, "CONNECTED", format!("STOMP {version}"));
                // The conversation joins in the same breath.
                self.chronicle.message(at, true, "JOIN", self.setup.signaling.room.as_str());
            }
            signaling::Event::IceServers(servers) => {
                self.served_ice = servers
                    .into_iter()
                    .map(|s| IceServer { urls: s.urls, username: s.username, credential: s.credential })
                    .collect();
            }
            signaling::Event::Call(event) => {
                self.chronicle.server(at, &event);
                match &event {
                    FromServer::Lost | FromServer::GaveUp { .. } => self.signaling_lost = true,
                    FromServer::Back => self.signaling_lost = false,
                    FromServer::Me(_) if self.engine.is_none() => self.start_engine().await,
                    FromServer::Me(_)
                    | FromServer::Members(_)
                    | FromServer::Ready
                    | FromServer::Signal { .. }
                    | FromServer::Leave(_)
                    | FromServer::Refused { .. } => {}
                }
                self.call.handle_server(now(), event);
            }
        }
    }

    async fn start_engine(&mut self) {
        let mut config = self.setup.rtc.clone();
        let (served, unusable) = IceServer::keep_usable(&self.served_ice);
        self.path.unusable_turn =
            IceServer::any_named(&self.served_ice, "turn") && !IceServer::any_named(&served, "turn");
        for error in unusable {
            tracing::warn!(%error, "a server that signaling named is left aside");
        }
        config.ice_servers.extend(served);
        self.path.ice_servers.clone_from(&config.ice_servers);
        match rtc::Peer::new(config, self.engine_events.clone()).await {
            Ok(engine) => self.engine = Some(engine),
            Err(error) => {
                let failed =
                    RtcEvent::CommandFailed { command: call::CommandKind::CreateOffer, reason: error.to_string() };
                self.call.handle_rtc(now(), failed);
            }
        }
    }

    fn engine_event(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Call(event) => {
                if event == RtcEvent::Connected {
                    self.connected();
                }
                if let RtcEvent::LocalCandidate(candidate) = &event {
                    self.chronicle.gathered(now(), candidate);
                }
                if matches!(event, RtcEvent::Disconnected | RtcEvent::Failed | RtcEvent::Closed) {
                    self.setup.signaling.in_call.store(false, Ordering::Relaxed);
                }
                self.call.handle_rtc(now(), event);
            }
            PeerEvent::Rtp { kind, codec, clock_rate, packet, at } => {
                self.intake.packet(at, kind, (&codec, clock_rate), packet);
            }
            PeerEvent::SenderReport { kind, ntp, rtp_timestamp, at } => {
                self.intake.sender_report(kind, at, ntp, rtp_timestamp);
            }
            PeerEvent::KeyFrameRequested => self.sending.key_frame_requested(),
        }
    }

    fn connected(&mut self) {
        self.setup.signaling.in_call.store(true, Ordering::Relaxed);
        if self.connected_at.is_none() {
            self.connected_at = Some(now());
            if let Some(engine) = &self.engine {
                self.sending.start(engine.video_sender(), engine.audio_sender());
            }
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
        if matches!(end, End::Call(EndReason::IceFailed { .. })) {
            self.path.ask_servers(&self.chronicle.remote_addresses()).await;
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
            end,
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
            overrun: dropped + received.overrun,
        }
    }
}

/// Waits until `flag` turns true; forever, where nobody is left to say so.
pub(crate) async fn told(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|wanted| *wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A flag that another task sets and one takes.
type Flag = Arc<std::sync::atomic::AtomicBool>;
