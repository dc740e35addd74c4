//! A whole run: settings in, peers started, hung up at the right moment, report out.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use dialtone_wire::{DisplayName, RoomId};
use tokio::sync::watch;

use crate::args::{AudioChoice, CallArgs, CommonArgs, JoinArgs, SettingsError, VideoChoice};
use crate::call::Patience;
use crate::media::{self, MediaError, PatternConfig, VideoCodec};
use crate::peer::{News, Playable, Setup};
use crate::report::{Direction, Report};
use crate::rtc::{IceServer, RtcConfig};
use crate::signaling::{self, ServerUrl, TlsConfigError, tls_config};
use crate::verdict::{Expected, Wanted};

mod assemble;
mod conduct;
mod host;

use assemble::{direction, expected, report};
use conduct::conduct;
use host::Host;

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
    let (embedded, url) = Host::choose(args.server.as_ref()).await?;
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

/// A name that nobody else uses, where others could be on the same server.
fn random_room(shared_server: bool) -> RoomId {
    let dice = if shared_server { RandomState::new().hash_one(0) & 0xffff_ffff } else { 1 };
    #[expect(clippy::expect_used, reason = "letters, a dash and hexadecimal digits are a valid room id")]
    RoomId::parse(&format!("call-{dice:x}")).expect("a valid room id")
}

/// A JSON document goes to this file, or to standard output.
pub fn write_json(mut json: String, to: &Path) -> std::io::Result<()> {
    json.push('\n');
    if to.as_os_str() == "-" {
        use std::io::Write;
        std::io::stdout().write_all(json.as_bytes())
    } else {
        std::fs::write(to, json)
    }
}
