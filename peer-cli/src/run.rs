//! A whole run: settings in, peers started, hung up at the right moment, report out.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use dialtone_wire::{DisplayName, RoomId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::args::{AudioChoice, CallArgs, CommonArgs, JoinArgs, SettingsError, VideoChoice};
use crate::call::{EndReason, Patience, Phase};
use crate::media::{self, MediaError, PatternConfig, VideoCodec};
use crate::peer::{self, Milestone, News, Outcome, Playable, Setup, round};
use crate::report::{Direction, PeerReport, RelayReport, Report, SCHEMA};
use crate::rtc::{IceServer, RtcConfig};
use crate::signaling::{self, ServerUrl, TlsConfigError, tls_config};
use crate::verdict::{self, End, Evidence, Expected, PeerEvidence, Wanted};

/// News that may wait to be shown.
const NEWS: usize = 1024;
/// How long the second peer may take to notice that the first one's call is over.
const AFTERGLOW: Duration = Duration::from_secs(2);
/// The peers of `call`, the tone each one sounds, and the number it draws into its pattern.
const ALICE: Voice = Voice { name: "alice", tone_hz: 440.0, stamp: 1 };
const BOB: Voice = Voice { name: "bob", tone_hz: 700.0, stamp: 2 };

/// When a run began, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// For durations.
    pub mono: Instant,
    /// For the report.
    pub unix: SystemTime,
}

/// Why a run could not even begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A setting.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A media file, or a pattern that cannot be drawn.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// A file of certificates.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// A STUN or TURN url.
    #[error(transparent)]
    Ice(#[from] crate::rtc::IceUrlError),
    /// The embedded server or relay.
    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Embedded(#[from] crate::embedded::EmbeddedError),
    /// A build without the embedded server was asked for a call without `--server`.
    #[error("this build has no embedded server; give one with --server ws://host:port/ws")]
    NoServer,
    /// The URL of the embedded server is none; that would be our own fault.
    #[error(transparent)]
    Url(#[from] signaling::UrlError),
}

impl RunError {
    /// Whether the user can mend it on the command line.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Settings(_) | Self::Media(_) | Self::Tls(_) | Self::Ice(_) | Self::NoServer => true,
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => false,
            Self::Url(_) => false,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Voice {
    name: &'static str,
    tone_hz: f64,
    stamp: u8,
}

/// Places one call between alice and bob. `show` gets everything that happens, `stop` hangs up early.
pub async fn call(
    args: &CallArgs,
    started: Started,
    stop: watch::Receiver<bool>,
    show: impl FnMut(&News),
) -> Result<Report, RunError> {
    let voices = [ALICE, BOB].map(|voice| Ok((voice, Media::open(&args.common, voice)?)));
    let [alice, bob]: [Result<_, RunError>; 2] = voices;
    let (mut embedded, url) = Host::choose(args.server.as_ref()).await?;
    let room = match &args.room {
        Some(room) => room.clone(),
        None => random_room(args.server.is_some()),
    };
    let common = Common::new(&args.common, started, url, room, args.server.is_none())?;
    let setups = vec![
        common.setup(alice?, DisplayName::parse(ALICE.name).ok().flatten(), Some(BOB.stamp)),
        common.setup(bob?, DisplayName::parse(BOB.name).ok().flatten(), Some(ALICE.stamp)),
    ];
    let limit = args.common.timeout.map(|limit| limit + args.duration);
    let outcomes = conduct(setups, Some(args.duration), limit, stop, show).await;
    let relay = embedded.relay_report();
    embedded.shutdown().await;
    let expected = expected(&args.common);
    let directions = vec![
        direction(&outcomes[0], &outcomes[1], expected, ALICE),
        direction(&outcomes[1], &outcomes[0], expected, BOB),
    ];
    Ok(report(&common, args.server.is_none(), outcomes, directions, expected, relay))
}

/// Joins a room with one peer.
pub async fn join(
    args: &JoinArgs,
    started: Started,
    stop: watch::Receiver<bool>,
    show: impl FnMut(&News),
) -> Result<Report, RunError> {
    let me = Voice { name: "peer", tone_hz: ALICE.tone_hz, stamp: 0 };
    let media = Media::open(&args.common, me)?;
    let common = Common::new(&args.common, started, args.server.clone(), args.room.clone(), false)?;
    let setup = common.setup((me, media), args.name.clone(), None);
    let limit = args.common.timeout.map(|limit| limit + args.duration.unwrap_or_default());
    let outcomes = conduct(vec![setup], args.duration, limit, stop, show).await;
    let expected = Expected { video: Wanted::IfAny, audio: Wanted::IfAny, relay: args.common.relay_only };
    let directions = vec![Direction {
        from: "other".to_owned(),
        to: outcomes[0].name.clone(),
        video: outcomes[0].video.clone(),
        audio: outcomes[0].audio.clone(),
    }];
    Ok(report(&common, false, outcomes, directions, expected, None))
}

/// Runs the peers; hangs up when media has flowed for `duration` on all of them, when the time limit is over, when
/// somebody says stop, or soon after one of them has ended by itself.
async fn conduct(
    setups: Vec<Setup>,
    duration: Option<Duration>,
    limit: Option<Duration>,
    mut stop: watch::Receiver<bool>,
    mut show: impl FnMut(&News),
) -> Vec<Outcome> {
    let (hang_up, hung_up) = watch::channel(false);
    let (news_sender, mut news) = mpsc::channel(NEWS);
    let names: Vec<_> = setups.iter().map(|setup| setup.name.clone()).collect();
    let count = setups.len();
    let mut tasks = JoinSet::new();
    for (place, setup) in setups.into_iter().enumerate() {
        let (news, hang_up) = (news_sender.clone(), hung_up.clone());
        tasks.spawn(async move { (place, peer::run(setup, news, hang_up).await) });
    }
    drop(news_sender);
    let far = Duration::from_secs(365 * 24 * 3600);
    let end = tokio::time::sleep(far);
    let limit = tokio::time::sleep(limit.unwrap_or(far));
    tokio::pin!(end, limit);
    let (mut connected, mut timed_out, mut stoppable) = (0, false, true);
    let mut outcomes: Vec<Option<Outcome>> = (0..count).map(|_| None).collect();
    loop {
        tokio::select! {
            Some(item) = news.recv() => {
                show(&item);
                connected += usize::from(is_first_connection(&item, &outcomes));
                if let Some(duration) = duration.filter(|_| connected == count) {
                    connected += count;
                    end.as_mut().reset(tokio::time::Instant::now() + duration);
                }
            }
            Some(done) = tasks.join_next() => {
                match done {
                    Ok((place, outcome)) => outcomes[place] = Some(outcome),
                    Err(error) => tracing::error!(%error, "a peer's task broke"),
                }
                if tasks.is_empty() {
                    break;
                }
                end.as_mut().reset(tokio::time::Instant::now() + AFTERGLOW);
            }
            () = &mut end, if !*hang_up.borrow() => { hang_up.send_replace(true); }
            () = &mut limit, if !*hang_up.borrow() => {
                timed_out = true;
                hang_up.send_replace(true);
            }
            () = peer::told(&mut stop), if stoppable => {
                stoppable = false;
                hang_up.send_replace(true);
            }
        }
    }
    while let Ok(item) = news.try_recv() {
        show(&item);
    }
    let broken = |name| Outcome::broken(name, "its task broke; this is a fault of peer-cli");
    let outcomes = outcomes.into_iter().zip(names).map(|(outcome, name)| outcome.unwrap_or_else(|| broken(name)));
    outcomes.map(|outcome| if timed_out { mark_timed_out(outcome) } else { outcome }).collect()
}

/// A connection that heals in mid-call is told again; only the first one of each peer counts.
fn is_first_connection(news: &News, outcomes: &[Option<Outcome>]) -> bool {
    let connected = matches!(news, News::Reached { milestone: Milestone::Call(Phase::Connected), .. });
    connected && outcomes.iter().all(Option::is_none)
}

fn mark_timed_out(mut outcome: Outcome) -> Outcome {
    let after = outcome.phases.iter().rev().map(|stamp| stamp.phase).find(|name| *name != "hung-up");
    // Who had an end of its own before the time was over keeps it.
    if outcome.end == End::Call(EndReason::HungUp) {
        outcome.end = End::TimedOut { after: after.unwrap_or("nothing") };
    }
    outcome
}

/// What all peers of a run share.
struct Common {
    started: Started,
    url: ServerUrl,
    room: RoomId,
    tls: Arc<rustls::ClientConfig>,
    rtc: RtcConfig,
    patience: Patience,
}

impl Common {
    fn new(
        args: &CommonArgs,
        started: Started,
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
        let rtc = RtcConfig { ice_servers, relay_only: args.relay_only, bind, mdns: args.mdns, ..RtcConfig::default() };
        let patience = Patience { wait: args.wait, connect: args.connect_timeout, ..Patience::default() };
        Ok(Self { started, url, room, tls: tls_config(args.tls_ca.as_deref())?, rtc, patience })
    }

    fn setup(&self, (voice, media): (Voice, Media), name: Option<DisplayName>, expected_peer: Option<u8>) -> Setup {
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
            },
            rtc,
            video: media.video,
            audio: media.audio,
            patience: self.patience,
            expected_peer,
            start: self.started.mono,
        }
    }
}

/// What one peer sends.
struct Media {
    video: Option<Playable>,
    audio: Option<Playable>,
    codec: VideoCodec,
}

impl Media {
    fn open(args: &CommonArgs, voice: Voice) -> Result<Self, RunError> {
        let (width, height) = args.size;
        let pattern = || PatternConfig { codec: args.codec, width, height, fps: args.fps, peer: voice.stamp };
        let (video, codec) = match args.video_choice() {
            VideoChoice::Pattern => (Some(media::pattern(pattern())), args.codec),
            VideoChoice::File(path) => {
                let file = media::open_video(&path)?;
                (Some(file.source), file.codec)
            }
            VideoChoice::None => (None, args.codec),
        };
        let audio = match args.audio_choice() {
            AudioChoice::Tone => Some(media::tone(voice.tone_hz)),
            AudioChoice::File(path) => Some(media::open_audio(&path)?),
            AudioChoice::None => None,
        };
        // The first frame is made here, so that what cannot be encoded is told before anything is started.
        let video = video.map(Playable::prepare).transpose()?;
        let audio = audio.map(Playable::prepare).transpose()?;
        Ok(Self { video, audio, codec })
    }
}

fn expected(args: &CommonArgs) -> Expected {
    Expected {
        video: match args.video_choice() {
            VideoChoice::Pattern => Wanted::Ours,
            VideoChoice::File(_) => Wanted::Present,
            VideoChoice::None => Wanted::Nothing,
        },
        audio: match args.audio_choice() {
            AudioChoice::Tone => Wanted::Ours,
            AudioChoice::File(_) => Wanted::Present,
            AudioChoice::None => Wanted::Nothing,
        },
        relay: args.relay_only,
    }
}

fn direction(from: &Outcome, to: &Outcome, expected: Expected, voice: Voice) -> Direction {
    let mut audio = to.audio.clone();
    if let Some(audio) = audio.as_mut().filter(|_| expected.audio == Wanted::Ours) {
        audio.expected_tone_hz = Some(voice.tone_hz);
    }
    Direction { from: from.name.clone(), to: to.name.clone(), video: to.video.clone(), audio }
}

fn report(
    common: &Common,
    embedded: bool,
    outcomes: Vec<Outcome>,
    directions: Vec<Direction>,
    expected: Expected,
    relay: Option<RelayReport>,
) -> Report {
    let evidence = Evidence {
        peers: outcomes.iter().map(peer_evidence).collect(),
        directions: directions.clone(),
        expected,
        relay: relay.clone(),
    };
    let since_1970 = common.started.unix.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = tokio::time::Instant::now().into_std();
    Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        started_unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        duration_ms: round(now.saturating_duration_since(common.started.mono).as_secs_f64() * 1000.0),
        server: common.url.to_string(),
        embedded,
        room: common.room.to_string(),
        verdict: verdict::judge(&evidence),
        peers: outcomes.into_iter().map(peer_report).collect(),
        directions,
        relay,
    }
}

fn peer_evidence(outcome: &Outcome) -> PeerEvidence {
    PeerEvidence {
        name: outcome.name.clone(),
        end: outcome.end.clone(),
        connected: outcome.connected,
        pair: outcome.pair.clone(),
        no_common_codec: outcome.no_common_codec,
    }
}

fn peer_report(outcome: Outcome) -> PeerReport {
    PeerReport {
        name: outcome.name,
        sid: outcome.sid.map(|sid| sid.to_string()),
        server: outcome.server,
        phases: outcome.phases,
        end: outcome.end.code(),
        end_message: outcome.end.words(),
        pair: outcome.pair,
        sent: outcome.sent,
        overrun: outcome.overrun,
    }
}

/// A name that nobody else uses, where others could be on the same server.
fn random_room(shared_server: bool) -> RoomId {
    let dice = if shared_server { RandomState::new().hash_one(0) & 0xffff_ffff } else { 1 };
    #[expect(clippy::expect_used, reason = "letters, a dash and hexadecimal digits are a valid room id")]
    RoomId::parse(&format!("call-{dice:x}")).expect("a valid room id")
}

/// The embedded server and relay, where they are wanted and built in.
#[derive(Default)]
struct Host {
    #[cfg(feature = "embedded")]
    embedded: Option<crate::embedded::Embedded>,
}

impl Host {
    #[cfg(feature = "embedded")]
    async fn choose(server: Option<&ServerUrl>) -> Result<(Self, ServerUrl), RunError> {
        if let Some(url) = server {
            return Ok((Self::default(), url.clone()));
        }
        let dice = RandomState::new();
        let dice = u128::from(dice.hash_one(1)) << 64 | u128::from(dice.hash_one(2));
        let embedded = crate::embedded::Embedded::spawn(dice).await?;
        let url = ServerUrl::parse(&embedded.ws_url())?;
        Ok((Self { embedded: Some(embedded) }, url))
    }

    #[cfg(feature = "embedded")]
    fn relay_report(&self) -> Option<RelayReport> {
        self.embedded.as_ref().map(crate::embedded::Embedded::relay_report)
    }

    #[cfg(feature = "embedded")]
    async fn shutdown(&mut self) {
        if let Some(embedded) = self.embedded.take() {
            embedded.shutdown().await;
        }
    }
}

#[cfg(not(feature = "embedded"))]
impl Host {
    #[expect(clippy::unused_async, reason = "the same face as with the embedded server")]
    async fn choose(server: Option<&ServerUrl>) -> Result<(Self, ServerUrl), RunError> {
        Ok((Self::default(), server.cloned().ok_or(RunError::NoServer)?))
    }

    fn relay_report(&self) -> Option<RelayReport> {
        None
    }

    #[expect(clippy::unused_async, reason = "the same face as with the embedded server")]
    async fn shutdown(&mut self) {}
}

/// The JSON report goes to this file, or to standard output.
pub fn write_json(report: &Report, to: &PathBuf) -> std::io::Result<()> {
    let mut json = report.to_json();
    json.push('\n');
    if to.as_os_str() == "-" {
        use std::io::Write;
        std::io::stdout().write_all(json.as_bytes())
    } else {
        std::fs::write(to, json)
    }
}
