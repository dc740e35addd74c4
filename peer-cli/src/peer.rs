//! One peer of a call, whole: signaling, the call brain, the WebRTC engine, what it sends and what it makes of what comes.
//!
//! [`run`] is the hand that moves things between these parts and decides nothing: [`Call`] says what to do, the receive
//! brains say what is lost, the judges say what was seen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::call::{self, Call, EndReason, FromServer, Patience, RtcCommand, RtcEvent};
use crate::clock::{now, until};
use crate::report::{AudioReport, PairReport, VideoReport};
use crate::rtc::{self, IceServer, PairStats, PeerEvent, RtcConfig};
use crate::signaling::{self, Signaling};
use crate::verdict::End;

mod diary;
mod intake;
mod judging;
mod milestone;
mod outcome;
mod sending;

use diary::Diary;
use intake::Intake;
pub use milestone::Milestone;
pub use outcome::Outcome;
pub use sending::Playable;
use sending::Sending;

/// Engine events that may wait: two seconds of a busy call.
const ENGINE_QUEUE: usize = 1024;

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
    /// When the run began; milestones are told relative to it.
    pub start: Instant,
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
        /// Since the start of the run.
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
pub async fn run(mut setup: Setup, news: mpsc::Sender<News>, mut hang_up: watch::Receiver<bool>) -> Outcome {
    let mut diary = Diary { name: setup.name.clone(), start: setup.start, news, phases: Vec::new() };
    let sending = Sending::prepare(setup.video.take(), setup.audio.take());
    let opened = tokio::select! {
        opened = Signaling::open(setup.signaling.clone()) => opened,
        () = told(&mut hang_up) => return Outcome::ended(diary, &sending, End::Call(EndReason::HungUp)),
    };
    let (signaling, server_events) = match opened {
        Ok(opened) => opened,
        Err(error) => return Outcome::ended(diary, &sending, End::Unreachable { reason: error.to_string() }),
    };
    diary.reached(Milestone::SocketOpen, now());
    let (engine_events, engine_queue) = mpsc::channel(ENGINE_QUEUE);
    let running = Running {
        call: Call::new(now(), setup.patience),
        intake: Intake::start(setup.expected_peer),
        setup,
        diary,
        signaling: Some(signaling),
        server: None,
        served_ice: Vec::new(),
        engine: None,
        engine_events,
        sending,
        connected_at: None,
        pair: None,
        closed_overrun: 0,
        end: None,
        ended_at: None,
    };
    running.run(server_events, engine_queue, hang_up).await
}

struct Running {
    setup: Setup,
    diary: Diary,
    call: Call,
    signaling: Option<Signaling>,
    server: Option<String>,
    served_ice: Vec<IceServer>,
    engine: Option<rtc::Peer>,
    engine_events: mpsc::Sender<PeerEvent>,
    sending: Sending,
    intake: Intake,
    connected_at: Option<Instant>,
    pair: Option<PairReport>,
    closed_overrun: u64,
    end: Option<EndReason>,
    ended_at: Option<Instant>,
}

impl Running {
    async fn run(
        mut self,
        mut server_events: mpsc::Receiver<signaling::Event>,
        mut engine_queue: mpsc::Receiver<PeerEvent>,
        mut hang_up: watch::Receiver<bool>,
    ) -> Outcome {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut signaling_open = true;
        loop {
            self.carry_out().await;
            if let Some(reason) = self.end.take() {
                return self.outcome(End::Call(reason)).await;
            }
            let due = [self.call.poll_timeout(), self.intake.poll_timeout()].into_iter().flatten().min();
            tokio::select! {
                event = server_events.recv(), if signaling_open => match event {
                    Some(event) => self.server_event(event).await,
                    None => signaling_open = false,
                },
                Some(event) = engine_queue.recv() => self.engine_event(event).await,
                Some(milestone) = self.intake.milestone() => self.diary.reached(milestone, now()),
                () = told(&mut hang_up) => {
                    self.diary.reached(Milestone::HungUp, now());
                    self.call.hang_up();
                }
                () = until(due) => {
                    self.call.handle_timeout(now());
                    self.intake.handle_timeout(now());
                    self.ask_for_key_frame().await;
                }
                _ = tick.tick() => self.tell_status(),
            }
        }
    }

    async fn server_event(&mut self, event: signaling::Event) {
        match event {
            signaling::Event::Connected { version: _, server } => {
                self.server = server;
                self.diary.reached(Milestone::StompConnected, now());
            }
            signaling::Event::IceServers(servers) => {
                self.served_ice = servers
                    .into_iter()
                    .map(|s| IceServer { urls: s.urls, username: s.username, credential: s.credential })
                    .collect();
            }
            signaling::Event::Call(event) => {
                if matches!(event, FromServer::Me(_)) && self.engine.is_none() {
                    self.start_engine().await;
                }
                self.call.handle_server(now(), event);
            }
        }
    }

    async fn start_engine(&mut self) {
        let mut config = self.setup.rtc.clone();
        let (served, unusable) = IceServer::keep_usable(&self.served_ice);
        for error in unusable {
            tracing::warn!(%error, "a server that signaling named is left aside");
        }
        config.ice_servers.extend(served);
        match rtc::Peer::new(config, self.engine_events.clone()).await {
            Ok(engine) => self.engine = Some(engine),
            Err(error) => {
                let failed =
                    RtcEvent::CommandFailed { command: call::CommandKind::CreateOffer, reason: error.to_string() };
                self.call.handle_rtc(now(), failed);
            }
        }
    }

    async fn engine_event(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Call(event) => {
                if event == RtcEvent::Connected {
                    self.connected();
                }
                self.call.handle_rtc(now(), event);
            }
            PeerEvent::Rtp { kind, codec, clock_rate, packet, at } => {
                if let Some(first) = self.intake.packet(at, kind, &codec, clock_rate, packet) {
                    self.diary.reached(first, at);
                }
                self.ask_for_key_frame().await;
            }
            PeerEvent::KeyFrameRequested => self.sending.key_frame_requested(),
        }
    }

    fn connected(&mut self) {
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
                }
                call::Output::Ended(reason) => self.end = Some(reason),
            }
        }
    }

    async fn close_engine(&mut self) {
        if let Some(engine) = self.engine.take() {
            self.pair = engine.stats().await.map(pair_report);
            self.sending.negotiated(engine.video_codec());
            self.closed_overrun = engine.dropped_media();
            engine.close().await;
        }
    }

    fn tell_status(&self) {
        let Some(connected_at) = self.connected_at else { return };
        let (video, audio) = self.intake.status(now());
        let status = Status { elapsed: now().saturating_duration_since(connected_at), video, audio };
        self.diary.tell(News::Status { peer: self.diary.name.clone(), status: Box::new(status) });
    }

    async fn outcome(mut self, end: End) -> Outcome {
        if let Some(signaling) = self.signaling.take() {
            signaling.leave().await;
        }
        let received = self.intake.finish(self.ended_at.unwrap_or_else(now)).await;
        Outcome {
            name: self.diary.name,
            sid: self.call.me().cloned(),
            server: self.server,
            phases: self.diary.phases,
            end,
            connected: self.connected_at.is_some(),
            no_common_codec: self.sending.no_common_codec(),
            pair: self.pair,
            sent: self.sending.report(),
            video: received.video,
            audio: received.audio,
            overrun: self.closed_overrun + received.overrun,
        }
    }
}

fn pair_report(pair: PairStats) -> PairReport {
    PairReport {
        local: pair.local_kind.to_string(),
        remote: pair.remote_kind.to_string(),
        local_address: pair.local_addr,
        remote_address: pair.remote_addr,
        rtt_ms: pair.rtt.map(|rtt| round(rtt.as_secs_f64() * 1000.0)),
        bytes_sent: pair.bytes_sent,
        bytes_received: pair.bytes_received,
    }
}

/// To a thousandth: more digits would only pretend.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Waits until `flag` turns true; forever, where nobody is left to say so.
pub(crate) async fn told(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|wanted| *wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A flag that another task sets and one takes.
type Flag = Arc<std::sync::atomic::AtomicBool>;
