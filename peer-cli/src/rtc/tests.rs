//! Two peers in one process over 127.0.0.1, with the smallest signaling between them that keeps the rules of the
//! call: candidates after their description, and the polite side gives way when both offer at once.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::*;
use crate::call::{Candidate, CommandKind, DescriptionKind, RtcCommand};

const LIMIT: Duration = Duration::from_secs(30);
const FRAME: Duration = Duration::from_millis(20);

struct Side {
    peer: Peer,
    events: mpsc::Receiver<PeerEvent>,
    polite: bool,
    /// A local offer is out and unanswered.
    offering: bool,
    /// Whether candidates may be added yet; until then they wait.
    has_remote: bool,
    waiting: Vec<Candidate>,
    connected: bool,
    /// Local descriptions, in order.
    descriptions: Vec<(DescriptionKind, String)>,
    answers_accepted: usize,
    offers_accepted: usize,
    rollbacks: usize,
    failures: Vec<(CommandKind, String)>,
    /// DTLS alerts: whether we sent it, and its name.
    alerts: Vec<(bool, String)>,
    video: Vec<(ReceivedCodec, u32, RtpPacket)>,
    audio: usize,
    key_frames_asked: usize,
    /// Sender reports of the far end: kind, NTP time, timestamp, arrival.
    reports: Vec<(MediaKind, u64, u32, Instant)>,
    closed: usize,
}

impl Side {
    async fn new(config: RtcConfig, polite: bool) -> Self {
        let (sender, events) = mpsc::channel(256);
        Self {
            peer: Peer::new(config, sender).await.unwrap(),
            events,
            polite,
            offering: false,
            has_remote: false,
            waiting: Vec::new(),
            connected: false,
            descriptions: Vec::new(),
            answers_accepted: 0,
            offers_accepted: 0,
            rollbacks: 0,
            failures: Vec::new(),
            alerts: Vec::new(),
            video: Vec::new(),
            audio: 0,
            key_frames_asked: 0,
            reports: Vec::new(),
            closed: 0,
        }
    }

    async fn offer(&mut self, ice_restart: bool) {
        self.offering = true;
        self.peer.command(RtcCommand::CreateOffer { ice_restart }).await;
    }

    /// What the far end sent over the signaling.
    async fn hear(&mut self, message: Message) {
        match message {
            Message::Description(DescriptionKind::Offer, sdp) => {
                if self.offering {
                    if !self.polite {
                        return;
                    }
                    self.offering = false;
                    self.rollbacks += 1;
                    self.peer.command(RtcCommand::Rollback).await;
                }
                self.peer.command(RtcCommand::AcceptOffer { sdp }).await;
            }
            Message::Description(DescriptionKind::Answer, sdp) => {
                self.offering = false;
                self.peer.command(RtcCommand::AcceptAnswer { sdp }).await;
            }
            Message::Candidate(candidate) if self.has_remote => {
                self.peer.command(RtcCommand::AddCandidate(candidate)).await;
            }
            Message::Candidate(candidate) => self.waiting.push(candidate),
        }
    }

    /// One event of this side's peer; returns what goes over the signaling.
    async fn note(&mut self, event: PeerEvent) -> Option<Message> {
        match event {
            PeerEvent::Call(event) => match event {
                RtcEvent::LocalDescription { kind, sdp } => {
                    self.descriptions.push((kind, sdp.clone()));
                    return Some(Message::Description(kind, sdp));
                }
                RtcEvent::LocalCandidate(candidate) => {
                    assert!(!self.descriptions.is_empty(), "a candidate overtook its description");
                    return Some(Message::Candidate(candidate));
                }
                RtcEvent::RemoteAccepted { kind } => {
                    match kind {
                        DescriptionKind::Offer => self.offers_accepted += 1,
                        DescriptionKind::Answer => self.answers_accepted += 1,
                    }
                    self.has_remote = true;
                    for candidate in std::mem::take(&mut self.waiting) {
                        self.peer.command(RtcCommand::AddCandidate(candidate)).await;
                    }
                }
                RtcEvent::CommandFailed { command, reason } => {
                    self.failures.push((command, reason));
                }
                RtcEvent::Connected => self.connected = true,
                RtcEvent::Closed => self.closed += 1,
                RtcEvent::GatheringComplete
                | RtcEvent::IceState(_)
                | RtcEvent::RelayLost
                | RtcEvent::Disconnected
                | RtcEvent::Failed => {}
                RtcEvent::DtlsAlert { by_us, alert } => self.alerts.push((by_us, alert)),
            },
            PeerEvent::Rtp { kind: MediaKind::Video, codec, clock_rate, packet, .. } => {
                self.video.push((codec, clock_rate, packet))
            }
            PeerEvent::Rtp { kind: MediaKind::Audio, codec, .. } => {
                assert_eq!(codec, ReceivedCodec::Opus);
                self.audio += 1;
            }
            PeerEvent::KeyFrameRequested => self.key_frames_asked += 1,
            PeerEvent::Repaired { .. } => {}
            PeerEvent::SenderReport { kind, ntp, rtp_timestamp, at, .. } => {
                self.reports.push((kind, ntp, rtp_timestamp, at));
            }
        }
        None
    }

    /// Whole frames seen, judged by the marker.
    fn frames(&self) -> usize {
        self.video.iter().filter(|(_, _, packet)| packet.marker).count()
    }
}

enum Message {
    Description(DescriptionKind, String),
    Candidate(Candidate),
}

struct Pair {
    a: Side,
    b: Side,
    /// What the signaling makes of a description.
    rewrite: fn(String) -> String,
}

impl Pair {
    async fn new() -> Self {
        Self::with(on_loopback(), on_loopback()).await
    }

    async fn with(a: RtcConfig, b: RtcConfig) -> Self {
        Self { a: Side::new(a, true).await, b: Side::new(b, false).await, rewrite: |sdp| sdp }
    }

    /// Carries messages, and dummy frames both ways, until `done`.
    async fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let mut clock = tokio::time::interval(FRAME);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = tokio::time::sleep(LIMIT);
        tokio::pin!(end);
        while !done(self) {
            tokio::select! {
                Some(event) = self.a.events.recv() => {
                    if let Some(message) = self.a.note(event).await {
                        let message = self.carry(message);
                        self.b.hear(message).await;
                    }
                }
                Some(event) = self.b.events.recv() => {
                    if let Some(message) = self.b.note(event).await {
                        let message = self.carry(message);
                        self.a.hear(message).await;
                    }
                }
                _ = clock.tick() => {
                    send_frame(&self.a.peer).await;
                    send_frame(&self.b.peer).await;
                }
                () = &mut end => panic!(
                    "not within {LIMIT:?}: {what}; connected {} {}, frames {} {}, failures {:?} {:?}",
                    self.a.connected, self.b.connected, self.a.frames(), self.b.frames(),
                    self.a.failures, self.b.failures,
                ),
            }
        }
    }

    fn carry(&self, message: Message) -> Message {
        match message {
            Message::Description(kind, sdp) => Message::Description(kind, (self.rewrite)(sdp)),
            Message::Candidate(candidate) => Message::Candidate(candidate),
        }
    }

    async fn connect(&mut self) {
        self.a.offer(false).await;
        self.run_until("both connected", |pair| pair.a.connected && pair.b.connected).await;
    }

    async fn ten_more_frames_each_way(&mut self) {
        let (a, b) = (self.a.frames(), self.b.frames());
        self.run_until("ten more frames each way", |pair| pair.a.frames() >= a + 10 && pair.b.frames() >= b + 10).await;
    }

    async fn close(self) {
        assert!(self.a.failures.is_empty(), "{:?}", self.a.failures);
        assert!(self.b.failures.is_empty(), "{:?}", self.b.failures);
        self.a.peer.close().await;
        self.b.peer.close().await;
    }
}

fn on_loopback() -> RtcConfig {
    RtcConfig { bind: vec![SocketAddr::from(([127, 0, 0, 1], 0))], ..RtcConfig::default() }
}

/// A VP8-like frame of three packets and an Opus-like packet; refused while nothing is negotiated, which is fine here.
async fn send_frame(peer: &Peer) {
    if let Some(video) = peer.video_sender() {
        match video.send(Bytes::from(vec![0x10; 3000]), FRAME).await {
            Ok(_) | Err(SendError::NotConnected(_) | SendError::NoCommonCodec(_)) => {}
            Err(error @ (SendError::Frame { .. } | SendError::Closed(_))) => panic!("{error}"),
        }
    }
    if let Some(audio) = peer.audio_sender() {
        match audio.send(Bytes::from_static(&[0xfc; 60]), FRAME).await {
            Ok(_) | Err(SendError::NotConnected(_) | SendError::NoCommonCodec(_)) => {}
            Err(error @ (SendError::Frame { .. } | SendError::Closed(_))) => panic!("{error}"),
        }
    }
}

fn ice_ufrag(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_one_peer_arrive_at_the_other_as_rtp() {
    let mut pair = Pair::new().await;
    assert_eq!(pair.a.peer.video_codec(), None);
    pair.connect().await;
    assert_eq!(pair.a.peer.video_codec(), Some(VideoCodec::Vp8));
    assert_eq!(pair.b.peer.video_codec(), Some(VideoCodec::Vp8));
    pair.ten_more_frames_each_way().await;

    let video = &pair.b.video;
    let ssrc = video[0].2.ssrc;
    for (codec, clock_rate, packet) in video {
        assert_eq!((codec, *clock_rate), (&ReceivedCodec::Vp8, 90_000));
        assert_eq!((packet.ssrc, packet.payload_type), (ssrc, 96));
        let ticks = packet.timestamp.wrapping_sub(video[0].2.timestamp) as i32;
        assert_eq!(ticks % 1800, 0, "20 ms are 1800 ticks");
    }
    pair.run_until("audio both ways", |pair| pair.a.audio > 0 && pair.b.audio > 0).await;

    let stats = pair.a.peer.stats().await.expect("connected");
    assert_eq!(stats.local_kind, CandidateKind::Host);
    assert!(stats.remote_addr.starts_with("127.0.0.1:"), "{stats:?}");
    assert!(stats.bytes_sent > 0 && stats.bytes_received > 0);
    assert!(stats.srtp.is_some() && stats.dtls.is_some(), "{stats:?}");
    assert_eq!(pair.a.peer.dropped_media(), 0);

    let pairs = pair.a.peer.pairs().await;
    let nominated: Vec<_> = pairs.iter().filter(|pair| pair.nominated).collect();
    let [used] = nominated[..] else { panic!("{pairs:?}") };
    assert_eq!(used.state, "succeeded");
    assert_eq!(used.local, format!("host {}", stats.local_addr));
    assert!(used.remote.ends_with(&format!(" {}", stats.remote_addr)), "{used:?}");
    assert!(used.requests_sent >= used.responses_received && used.responses_received > 0, "{used:?}");
    assert!(used.rtt_ms.is_some());
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_is_known_to_both_sides_by_the_same_timestamp() {
    let mut pair = Pair::new().await;
    pair.connect().await;
    pair.ten_more_frames_each_way().await;
    let video = pair.a.peer.video_sender().unwrap();
    let sent = video.send(Bytes::from(vec![0x10; 500]), FRAME).await.unwrap();
    pair.run_until("that frame", |pair| pair.b.video.iter().any(|(.., packet)| packet.timestamp == sent)).await;
    pair.close().await;
}

/// Seconds from the beginning of NTP's time to that of Unix.
const NTP_TO_UNIX: u64 = 2_208_988_800;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sender_reports_tell_the_clock_of_both_streams_and_their_answers_the_round_trip() {
    let mut pair = Pair::new().await;
    pair.connect().await;
    assert_eq!(pair.a.peer.link().rtcp_rtt, None);
    pair.run_until("two reports of each kind and a round trip each way", |pair| {
        let seen = |kind| pair.b.reports.iter().filter(|report| report.0 == kind).count() >= 2;
        let rtt = |side: &Side| side.peer.link().rtcp_rtt.is_some();
        seen(MediaKind::Audio) && seen(MediaKind::Video) && rtt(&pair.a) && rtt(&pair.b)
    })
    .await;

    #[expect(clippy::disallowed_methods, reason = "the reports carry the wall clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (kind, clock_rate) in [(MediaKind::Audio, 48_000.0), (MediaKind::Video, 90_000.0)] {
        let reports: Vec<_> = pair.b.reports.iter().filter(|report| report.0 == kind).collect();
        for (_, ntp, ..) in &reports {
            assert!((ntp >> 32).abs_diff(now + NTP_TO_UNIX) < 60, "{kind}: {ntp:x}");
        }
        // Both clocks of a report have to run at the same speed.
        let (first, last) = (reports[0], reports[reports.len() - 1]);
        let wall = (last.1 - first.1) as f64 / (1_u64 << 32) as f64;
        let media = f64::from(last.2.wrapping_sub(first.2)) / clock_rate;
        assert!(wall > 0.5 && media > 0.1 * wall && media < 1.5 * wall, "{kind}: {wall} s are {media} s of media");
        assert!(last.3 > first.3);
    }
    for side in [&pair.a, &pair.b] {
        let rtt = side.peer.link().rtcp_rtt.unwrap();
        assert!(rtt < Duration::from_secs(1), "{rtt:?} in one machine");
        assert_eq!(side.peer.link().target_bps, None, "no congestion controller was asked for");
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_congestion_controller_moves_its_target_by_the_far_ends_feedback() {
    const START: u64 = 300_000;
    let controlled = RtcConfig { congestion_control: Some(START), ..on_loopback() };
    let mut pair = Pair::with(controlled, on_loopback()).await;
    assert_eq!(pair.a.peer.link().target_bps, Some(START));
    pair.connect().await;
    pair.run_until("a target other than the first", |pair| {
        pair.a.peer.link().target_bps.is_some_and(|target| target > 0 && target != START)
    })
    .await;
    assert_eq!(pair.b.peer.link().target_bps, None);
    pair.ten_more_frames_each_way().await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_frame_request_reaches_the_sender() {
    let mut pair = Pair::new().await;
    pair.connect().await;
    pair.ten_more_frames_each_way().await;
    pair.b.peer.request_key_frame().await;
    pair.run_until("the request", |pair| pair.a.key_frames_asked > 0).await;
    assert_eq!(pair.b.key_frames_asked, 0);
    let (a, b) = (pair.a.peer.link(), pair.b.peer.link());
    assert_eq!((a.plis_sent, a.plis_received, b.plis_sent, b.plis_received), (0, 1, 1, 0));
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_flows_on_through_an_ice_restart_and_later_offers_of_both_sides() {
    let mut pair = Pair::new().await;
    pair.connect().await;
    pair.ten_more_frames_each_way().await;

    pair.a.offer(true).await;
    pair.run_until("the restart is answered", |pair| pair.a.answers_accepted == 2).await;
    let offers: Vec<_> = pair.a.descriptions.iter().map(|(_, sdp)| ice_ufrag(sdp)).collect();
    assert_ne!(offers[0], offers[1], "a restart has new credentials (RFC 8445)");
    pair.ten_more_frames_each_way().await;

    // The first answerer offers: the first offerer answers now and has to stay the DTLS server it became.
    pair.b.offer(true).await;
    pair.run_until("the other way round", |pair| pair.b.answers_accepted == 1).await;
    let roles: Vec<_> = [&pair.a, &pair.b]
        .into_iter()
        .flat_map(|side| &side.descriptions)
        .filter(|(kind, _)| matches!(kind, DescriptionKind::Answer))
        .map(|(_, sdp)| sdp::setup(sdp))
        .collect();
    assert_eq!(roles, [Some(sdp::Setup::Passive), Some(sdp::Setup::Active), Some(sdp::Setup::Active)]);
    pair.ten_more_frames_each_way().await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_polite_peer_rolls_back_when_both_offer_at_once() {
    let mut pair = Pair::new().await;
    pair.a.offer(false).await;
    pair.b.offer(false).await;
    pair.run_until("both connected", |pair| pair.a.connected && pair.b.connected).await;
    assert_eq!((pair.a.rollbacks, pair.b.rollbacks), (1, 0));
    assert_eq!((pair.a.offers_accepted, pair.b.offers_accepted), (1, 0));
    pair.ten_more_frames_each_way().await;

    // Once more in the middle of the call.
    pair.a.offer(false).await;
    pair.b.offer(false).await;
    pair.run_until("the second offers are settled", |pair| pair.b.answers_accepted == 2).await;
    assert_eq!((pair.a.rollbacks, pair.b.rollbacks), (2, 0));
    pair.ten_more_frames_each_way().await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_codec_only_one_side_prefers_is_sent_by_that_side() {
    let h264 = RtcConfig { video: vec![VideoCodec::H264], ..on_loopback() };
    let mut pair = Pair::with(on_loopback(), h264).await;
    pair.connect().await;
    assert_eq!(pair.a.peer.video_codec(), Some(VideoCodec::Vp8));
    assert_eq!(pair.b.peer.video_codec(), Some(VideoCodec::H264));
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_nothing_still_receives() {
    let quiet = RtcConfig { send_video: false, send_audio: false, ..on_loopback() };
    let mut pair = Pair::with(on_loopback(), quiet).await;
    pair.connect().await;
    assert!(pair.b.peer.video_sender().is_none());
    pair.run_until("ten frames", |pair| pair.b.frames() >= 10).await;
    assert_eq!(pair.a.frames(), 0);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_description_fails_its_command_and_not_the_call() {
    let mut pair = Pair::new().await;
    let sdp = "this is no description".to_owned();
    pair.a.peer.command(RtcCommand::AcceptOffer { sdp }).await;
    pair.run_until("the failure is told", |pair| !pair.a.failures.is_empty()).await;
    assert_eq!(pair.a.failures[0].0, CommandKind::AcceptOffer);
    pair.a.failures.clear();
    pair.connect().await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_somebody_else_is_told_by_its_alert_at_both_ends() {
    let mut pair = Pair::new().await;
    pair.rewrite = |sdp| {
        let fingerprint = format!("a=fingerprint:sha-256 {}\r\n", ["AB"; 32].join(":"));
        let lines = sdp.split_inclusive('\n');
        lines.map(|line| if line.starts_with("a=fingerprint:") { fingerprint.as_str() } else { line }).collect()
    };
    pair.a.offer(false).await;
    pair.run_until("an alert", |pair| !pair.a.alerts.is_empty() && !pair.b.alerts.is_empty()).await;
    let names = [&pair.a, &pair.b].map(|side| side.alerts.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>());
    assert_eq!(names, [["bad_certificate"], ["bad_certificate"]], "one each");
    assert_ne!(pair.a.alerts[0].0, pair.b.alerts[0].0, "one of both sent it");
    assert!(!pair.a.connected && !pair.b.connected);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_candidates_is_no_failure() {
    let mut pair = Pair::new().await;
    pair.connect().await;
    let end = Candidate { candidate: String::new(), sdp_mid: None, sdp_m_line_index: None };
    pair.a.peer.command(RtcCommand::AddCandidate(end)).await;
    pair.ten_more_frames_each_way().await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_twice_is_told_once_and_ends_sending() {
    let mut pair = Pair::new().await;
    pair.connect().await;
    let video = pair.a.peer.video_sender().unwrap();
    pair.a.peer.command(RtcCommand::Close).await;
    pair.a.peer.command(RtcCommand::Close).await;
    assert!(matches!(
        video.send(Bytes::from_static(&[0; 9]), FRAME).await,
        Err(SendError::NotConnected(MediaKind::Video))
    ));
    pair.run_until("closed", |pair| pair.a.closed > 0).await;
    // The peer and its handles go; the pump tells what is left and ends the channel.
    drop(video);
    let Side { peer, mut events, closed, .. } = pair.a;
    drop(peer);
    let mut told = closed;
    while let Some(event) = tokio::time::timeout(LIMIT, events.recv()).await.unwrap() {
        told += usize::from(matches!(event, PeerEvent::Call(RtcEvent::Closed)));
    }
    assert_eq!(told, 1);
    pair.b.peer.close().await;
}

#[tokio::test]
async fn a_config_that_cannot_work_is_refused_with_its_reason() {
    let (sender, _events) = mpsc::channel(1);
    let unbound = RtcConfig { bind: Vec::new(), ..RtcConfig::default() };
    assert!(matches!(Peer::new(unbound, sender.clone()).await, Err(RtcError::NoBindAddress)));
    let over_tls = RtcConfig {
        ice_servers: vec![IceServer { urls: vec!["stuns:a.example:443".to_owned()], ..IceServer::default() }],
        ..on_loopback()
    };
    assert!(matches!(Peer::new(over_tls, sender).await, Err(RtcError::IceServer(IceUrlError::NotOverUdp { .. }))));
}
