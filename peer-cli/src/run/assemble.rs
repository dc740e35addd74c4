//! From settings to what one peer is to do, and from what the peers did and saw to the report.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use dialtone_wire::{DisplayName, RoomId};

use super::RunError;
use super::media::{Media, Voice};
use super::usage::Used;
use crate::args::{AudioChoice, CommonArgs, VideoChoice};
use crate::call::Patience;
use crate::clock::{Started, millis, now};
use crate::measure::SendLedger;
use crate::peer::{Outcome, Setup};
use crate::report::expect::{Expectation, check};
use crate::report::{Direction, Interruption, JudgeLevel, PeerReport, RelayReport, Report, SCHEMA};
use crate::rtc::{IceServer, RtcConfig};
use crate::signaling::{self, ServerUrl, tls_config};
use crate::verdict::{self, Evidence, Expected, PeerEvidence, Wanted};

/// Where a `--live` sender starts before the congestion controller has learnt anything, in bit/s.
const LIVE_START: u64 = 500_000;

/// What all peers of a run share.
pub(super) struct Common {
    started: Started,
    /// What this process had used then.
    used: Used,
    /// When the peers are started: what came before was the time of this program, not of the call.
    begun: Started,
    url: ServerUrl,
    room: RoomId,
    tls: Arc<rustls::ClientConfig>,
    origin: Option<String>,
    rtc: RtcConfig,
    patience: Patience,
    judge: JudgeLevel,
    pub(super) record: Option<PathBuf>,
}

impl Common {
    pub(super) fn new(
        args: &CommonArgs,
        (started, used): (Started, Used),
        url: ServerUrl,
        room: RoomId,
        embedded: bool,
    ) -> Result<Self, RunError> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut bind = args.bind.clone();
        if bind.is_empty() {
            bind = if embedded { Vec::new() } else { RtcConfig::default().bind };
            // A server on this machine means, most likely, another peer on this machine.
            bind.extend(url.is_loopback().then_some(loopback));
        }
        let ice_servers = args.ice_servers()?;
        if let Some(error) = IceServer::keep_usable(&ice_servers).1.into_iter().next() {
            return Err(error.into());
        }
        let rtc = RtcConfig {
            ice_servers,
            relay_only: args.relay_only,
            bind,
            mdns: args.mdns,
            congestion_control: args.live.then_some(LIVE_START),
            ..RtcConfig::default()
        };
        let patience = Patience { wait: args.wait, connect: args.connect_timeout, ..Patience::default() };
        let (tls, origin) = (tls_config(args.tls_ca.as_deref())?, args.origin.clone());
        Ok(Self {
            started,
            used,
            begun: started,
            url,
            room,
            tls,
            origin,
            rtc,
            patience,
            judge: args.judge,
            record: args.record.clone(),
        })
    }

    /// Everything is prepared; the time of the call starts now.
    pub(super) fn begin(&mut self) {
        let mono = now();
        self.begun = Started { mono, unix: self.started.unix_at(mono) };
    }

    pub(super) fn setup(
        &self,
        (voice, media): (Voice, Media),
        name: Option<DisplayName>,
        expected_peer: Option<u8>,
    ) -> Setup {
        let mut rtc = self.rtc.clone();
        rtc.send_video = media.video.is_some();
        rtc.send_audio = media.audio.is_some();
        rtc.video = vec![media.codec];
        Setup {
            name: name.as_ref().map_or(voice.name, DisplayName::as_str).to_owned(),
            signaling: signaling::Options {
                url: self.url.clone(),
                room: self.room.clone(),
                display_name: name,
                tls: Arc::clone(&self.tls),
                give_up: self.patience.recover,
                in_call: Arc::default(),
                origin: self.origin.clone(),
                tap: None,
            },
            rtc,
            video: media.video,
            audio: media.audio,
            patience: self.patience,
            expected_peer,
            judge: self.judge,
            sent: SendLedger::default(),
            heard: None,
            record: self.record.clone(),
            started: self.begun,
        }
    }

    /// The report of one call, judged.
    pub(super) fn report(&self, findings: Findings, expectations: &[Expectation]) -> Report {
        let Findings { embedded, outcomes, directions, expected, relay } = findings;
        let evidence = Evidence {
            peers: outcomes.iter().map(peer_evidence).collect(),
            directions,
            expected,
            relay,
            judge: self.judge,
        };
        let ran = now().saturating_duration_since(self.started.mono);
        let mut report = Report {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_unix_ms: u64::try_from(self.started.unix.as_millis()).unwrap_or(u64::MAX),
            duration_ms: millis(ran),
            server: self.url.to_string(),
            embedded,
            room: self.room.to_string(),
            judge: self.judge,
            verdict: verdict::judge(&evidence),
            expectations: Vec::new(),
            peers: outcomes.into_iter().map(peer_report).collect(),
            directions: evidence.directions,
            relay: evidence.relay,
            process: self.used.since(ran),
            repeat: None,
        };
        // Expectations are held against a report, and what came of them is part of it.
        report.expectations = check(expectations, &report);
        // Whoever records wants all of it; the call itself is none the worse.
        let incomplete: Vec<_> = report.peers.iter().filter_map(PeerReport::recording_warning).collect();
        report.expectations.extend(incomplete);
        report.verdict = report.verdict.with_expectations(&report.expectations);
        report
    }
}

/// What a call has brought.
pub(super) struct Findings {
    pub(super) embedded: bool,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) directions: Vec<Direction>,
    pub(super) expected: Expected,
    pub(super) relay: Option<RelayReport>,
}

pub(super) fn expected(args: &CommonArgs) -> Expected {
    Expected {
        video: match args.video_choice() {
            VideoChoice::Pattern => Wanted::Ours,
            VideoChoice::Black | VideoChoice::Frozen | VideoChoice::File(_) => Wanted::Present,
            VideoChoice::None => Wanted::Nothing,
        },
        audio: match args.audio_choice() {
            AudioChoice::Beep | AudioChoice::Tone => Wanted::Ours,
            AudioChoice::Silence | AudioChoice::File(_) => Wanted::Present,
            AudioChoice::None => Wanted::Nothing,
        },
        relay: args.relay_only,
    }
}

pub(super) fn direction(from: &Outcome, to: &Outcome, expected: Expected, voice: Voice) -> Direction {
    let mut direction = Direction { from: from.name.clone(), to: to.name.clone(), ..to.received.clone() };
    if let Some(audio) = direction.audio.as_mut().filter(|_| expected.audio == Wanted::Ours) {
        audio.expected_tone_hz = Some(voice.tone_hz);
    }
    // A sender that is gone cannot be missed: what its stream was quiet for is counted up to its own end.
    if let (Some(sender), Some(receiver)) = (from.ended_at, to.ended_at) {
        let alone = millis(receiver.saturating_duration_since(sender));
        if let Some(video) = &mut direction.video {
            video.sender_ended_before(alone);
        }
        if let Some(audio) = &mut direction.audio {
            audio.sender_ended_before(alone);
        }
    }
    // What held the sender back is known at its end.
    if let (Some(series), Some(sender)) = (&mut direction.series, &from.received.series) {
        series.take_target(sender);
    }
    direction
}

fn peer_evidence(outcome: &Outcome) -> PeerEvidence {
    PeerEvidence {
        name: outcome.name.clone(),
        end: outcome.end.clone(),
        connected: outcome.connected_for.is_some(),
        pair: outcome.pair.clone(),
        no_common_codec: outcome.no_common_codec,
        no_common_audio_codec: outcome.no_common_audio_codec,
        candidates: outcome.candidates.clone(),
        pairs: outcome.pairs.clone(),
        probes: outcome.probes.clone(),
        turn_configured: outcome.turn_configured,
        stun_configured: outcome.stun_configured,
        relay_only: outcome.relay_only,
        signaling_lost: outcome.signaling_lost,
        media_duration_ms: outcome.connected_for.map(millis).unwrap_or_default(),
        interruptions: Interruption::all(&outcome.phases),
    }
}

fn peer_report(outcome: Outcome) -> PeerReport {
    PeerReport {
        name: outcome.name,
        sid: outcome.sid.map(|sid| sid.to_string()),
        server: outcome.server,
        interruptions: Interruption::all(&outcome.phases),
        phases: outcome.phases,
        messages: outcome.messages,
        end: outcome.end.code().to_owned(),
        end_message: outcome.end.words(),
        pair: outcome.pair,
        candidates: outcome.candidates,
        pairs: outcome.pairs,
        probes: outcome.probes,
        sent: outcome.sent,
        overrun: outcome.overrun,
        recording: outcome.recording,
    }
}
