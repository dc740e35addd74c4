//! The command line: what a person types, turned into typed settings before anything is started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};
use dialtone_wire::{DisplayName, RoomId};

use crate::media::VideoCodec;
use crate::rtc::IceServer;
use crate::signaling::ServerUrl;

#[cfg(test)]
mod tests;

const EXIT_CODES: &str = "\
Exit codes:
   0  the call works
  10  signaling unreachable, refused, or lost before media flowed
  11  the room is full
  12  nobody came, or the other side left before media flowed
  13  no description came, or one could not be used
  14  ICE or DTLS failed, or the path was lost for good
  15  no media came, or it stopped before the end
  16  media came and is not as expected (not decodable, black, silent, wrong peer, not relayed)
  17  timed out
130  stopped before there was anything to judge
  64  usage: an option, a URL or a file that cannot be used
   1  anything else

Examples:
  peer-cli call                                  a whole call inside this process, nothing else needed
  peer-cli call --relay-only                     the same, with every byte through the TURN relay
  peer-cli call --video clip.webm --audio speech.ogg --duration 5s
  peer-cli call --server ws://localhost:8080/ws --room r1 --json=report.json
  peer-cli join r1 --server ws://localhost:8080/ws      one peer; run it in two terminals for a call";

/// Places real WebRTC calls from a terminal, judges what arrives, and says what broke.
#[derive(Debug, Parser)]
#[command(name = "peer-cli", version, about, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What to log on standard error: error, warn, info, debug, trace, or a filter such as dialtone_peer=debug.
    #[arg(long, global = true, env = "PEER_CLI_LOG", default_value = "error", value_name = "FILTER")]
    pub log: String,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Place one whole call between two peers, alice and bob, and say whether it works.
    ///
    /// Without --server, a signaling server and a TURN relay are started inside this process on free loopback ports.
    #[command(after_help = EXIT_CODES)]
    Call(CallArgs),
    /// Join a room with one peer and stay until Ctrl-C, --duration, or the other side leaves.
    #[command(after_help = EXIT_CODES)]
    Join(JoinArgs),
    /// Load a server and say what it carries.
    #[cfg(all(feature = "embedded", target_os = "linux"))]
    #[command(subcommand)]
    Load(LoadCommand),
}

/// What to load.
#[derive(Debug, Subcommand)]
pub enum LoadCommand {
    /// Drive traffic through a TURN relay over UDP: loss, latency, throughput.
    Turn(LoadTurnArgs),
}

/// `peer-cli load turn`
#[derive(Debug, ClapArgs)]
pub struct LoadTurnArgs {
    /// The relay, such as relay.example:3478.
    pub server: String,
    /// The user name of a fixed login; with --secret the name inside the time-limited one.
    #[arg(long, env = "PEER_CLI_ICE_USER", value_name = "NAME")]
    pub user: Option<String>,
    /// Its password.
    #[arg(long, env = "PEER_CLI_ICE_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// A file whose first line is the password.
    #[arg(long, env = "PEER_CLI_ICE_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The secret from which time-limited logins are made.
    #[arg(long, env = "PEER_CLI_TURN_SECRET", hide_env_values = true)]
    pub secret: Option<String>,
    /// A file whose first line is the secret.
    #[arg(long, env = "PEER_CLI_TURN_SECRET_FILE", value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Allocations that carry traffic.
    #[arg(long, default_value_t = 10)]
    pub allocations: usize,
    /// Payload bytes of a packet, 24 to 8000.
    #[arg(long, default_value_t = 1200)]
    pub payload: usize,
    /// Packets per second over all allocations and both ways; without it as many as the relay takes.
    #[arg(long)]
    pub rate: Option<u64>,
    /// Packets sent to an allocation in a row, 1 to 64.
    #[arg(long, default_value_t = 1)]
    pub burst: usize,
    /// Which way the traffic goes.
    #[arg(long, default_value = "both")]
    pub direction: LoadDirection,
    /// How long.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Write the report as one JSON document, to FILE or to standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub json: Option<PathBuf>,
}

/// Which way load goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LoadDirection {
    /// From clients to peers.
    Up,
    /// From peers to clients.
    Down,
    /// Both.
    Both,
}

/// `peer-cli call`
#[derive(Debug, ClapArgs)]
pub struct CallArgs {
    /// Use this signaling server instead of an embedded one, such as ws://localhost:8080/ws.
    #[arg(long, env = "PEER_CLI_SERVER", value_name = "URL", value_parser = parse_server)]
    pub server: Option<ServerUrl>,
    /// The room to call in [default: a new name for each call].
    #[arg(long, env = "PEER_CLI_ROOM", value_parser = parse_room)]
    pub room: Option<RoomId>,
    /// How long media flows, such as 5s, 500ms or 2m.
    #[arg(long, env = "PEER_CLI_DURATION", default_value = "3s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Shared options.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `peer-cli join`
#[derive(Debug, ClapArgs)]
pub struct JoinArgs {
    /// The room to join.
    #[arg(value_parser = parse_room)]
    pub room: RoomId,
    /// The signaling server.
    #[arg(long, env = "PEER_CLI_SERVER", value_name = "URL", default_value = "ws://localhost:8080/ws", value_parser = parse_server)]
    pub server: ServerUrl,
    /// What to be called in the room.
    #[arg(long, env = "PEER_CLI_NAME", value_parser = parse_name)]
    pub name: Option<DisplayName>,
    /// Hang up after media has flowed this long, such as 30s [default: stay].
    #[arg(long, env = "PEER_CLI_DURATION", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Shared options.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What `call` and `join` have in common.
#[derive(Debug, ClapArgs)]
pub struct CommonArgs {
    /// What to show: pattern, none, or a file (IVF, WebM, MKV, MP4 with VP8 or H264; raw H264).
    #[arg(long, env = "PEER_CLI_VIDEO", default_value = "pattern", value_name = "SOURCE", help_heading = "Media")]
    pub video: String,
    /// What to say: tone, none, or a file (Ogg Opus, WebM or MKV with Opus, WAV).
    #[arg(long, env = "PEER_CLI_AUDIO", default_value = "tone", value_name = "SOURCE", help_heading = "Media")]
    pub audio: String,
    /// The codec of the pattern: vp8 or h264.
    #[arg(long, env = "PEER_CLI_CODEC", default_value = "vp8", help_heading = "Media")]
    pub codec: VideoCodec,
    /// The size of the pattern.
    #[arg(long, env = "PEER_CLI_SIZE", default_value = "640x480", value_name = "WxH", value_parser = parse_size, help_heading = "Media")]
    pub size: (u32, u32),
    /// Pictures per second of the pattern.
    #[arg(long, env = "PEER_CLI_FPS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=60), help_heading = "Media")]
    pub fps: u32,

    /// A STUN or TURN server, such as stun:host:3478 or turn:host:3478; may be given several times. Those that the
    /// signaling server names are used beside it.
    #[arg(long, env = "PEER_CLI_ICE", value_name = "URL", value_delimiter = ',', help_heading = "Network")]
    pub ice: Vec<String>,
    /// The user name for the TURN servers given with --ice.
    #[arg(long, env = "PEER_CLI_ICE_USER", value_name = "NAME", help_heading = "Network")]
    pub ice_user: Option<String>,
    /// The password for them.
    #[arg(
        long,
        env = "PEER_CLI_ICE_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true,
        conflicts_with = "ice_password_file",
        help_heading = "Network"
    )]
    pub ice_password: Option<String>,
    /// A file whose first line is that password.
    #[arg(long, env = "PEER_CLI_ICE_PASSWORD_FILE", value_name = "FILE", help_heading = "Network")]
    pub ice_password_file: Option<PathBuf>,
    /// Use relayed candidates only, and prove that the relay carried the media.
    #[arg(long, env = "PEER_CLI_RELAY_ONLY", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new(), help_heading = "Network")]
    pub relay_only: bool,
    /// A local address and port to use for media, such as 0.0.0.0:0; may be given several times [default: every
    /// interface; loopback alone where the signaling server is embedded].
    #[arg(long, env = "PEER_CLI_BIND", value_name = "ADDR", value_delimiter = ',', help_heading = "Network")]
    pub bind: Vec<SocketAddr>,
    /// Resolve the .local names in which browsers hide their addresses.
    #[arg(long, env = "PEER_CLI_MDNS", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new(), help_heading = "Network")]
    pub mdns: bool,
    /// Trust these certificates (PEM) for wss:// beside the system's.
    #[arg(long, env = "PEER_CLI_TLS_CA", value_name = "FILE", help_heading = "Network")]
    pub tls_ca: Option<PathBuf>,

    /// How long to wait for the second member.
    #[arg(long, env = "PEER_CLI_WAIT", default_value = "30s", value_parser = parse_duration, help_heading = "Patience")]
    pub wait: Duration,
    /// How long to wait from READY to media.
    #[arg(long, env = "PEER_CLI_CONNECT_TIMEOUT", default_value = "20s", value_parser = parse_duration, help_heading = "Patience")]
    pub connect_timeout: Duration,
    /// How long the whole run may take, beside --duration [default: no limit of its own].
    #[arg(long, env = "PEER_CLI_TIMEOUT", value_parser = parse_duration, help_heading = "Patience")]
    pub timeout: Option<Duration>,

    /// Write the report as one JSON document, to FILE or to standard output.
    #[arg(long, env = "PEER_CLI_JSON", value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Print the verdict alone.
    #[arg(long, short, env = "PEER_CLI_QUIET", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new(), help_heading = "Output")]
    pub quiet: bool,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A file with a password that cannot be read.
    #[error("the password file {path:?} cannot be read: {source}")]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// `--relay-only` with a server that may name no relay, and none given.
    #[error("--ice-user and --ice-password belong to a TURN server; give one with --ice turn:host:3478")]
    LoginWithoutServer,
}

/// What to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoChoice {
    /// The drawn pattern.
    Pattern,
    /// A file.
    File(PathBuf),
    /// Nothing.
    None,
}

/// What to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioChoice {
    /// A tone for each peer.
    Tone,
    /// A file.
    File(PathBuf),
    /// Nothing.
    None,
}

impl CommonArgs {
    /// What to show.
    pub fn video_choice(&self) -> VideoChoice {
        match self.video.as_str() {
            "pattern" => VideoChoice::Pattern,
            "none" => VideoChoice::None,
            file => VideoChoice::File(file.into()),
        }
    }

    /// What to say.
    pub fn audio_choice(&self) -> AudioChoice {
        match self.audio.as_str() {
            "tone" => AudioChoice::Tone,
            "none" => AudioChoice::None,
            file => AudioChoice::File(file.into()),
        }
    }

    /// The STUN and TURN servers of the command line.
    pub fn ice_servers(&self) -> Result<Vec<IceServer>, SettingsError> {
        let password = match (&self.ice_password, &self.ice_password_file) {
            (Some(password), _) => Some(password.clone()),
            (None, Some(path)) => Some(first_line(path)?),
            (None, None) => None,
        };
        let login = self.ice_user.is_some() || password.is_some();
        if login && !self.ice.iter().any(|url| url.starts_with("turn")) {
            return Err(SettingsError::LoginWithoutServer);
        }
        let server = |url: &String| {
            let turn = url.starts_with("turn");
            IceServer {
                urls: vec![url.clone()],
                username: self.ice_user.clone().filter(|_| turn),
                credential: password.clone().filter(|_| turn),
            }
        };
        Ok(self.ice.iter().map(server).collect())
    }
}

/// The first line of a file with a secret.
pub(crate) fn first_line(path: &Path) -> Result<String, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SettingsError::PasswordFile { path: path.to_owned(), source })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn parse_server(text: &str) -> Result<ServerUrl, String> {
    ServerUrl::parse(text).map_err(|e| e.to_string())
}

fn parse_room(text: &str) -> Result<RoomId, String> {
    RoomId::parse(text).map_err(|e| e.to_string())
}

fn parse_name(text: &str) -> Result<DisplayName, String> {
    DisplayName::parse(text).map_err(|e| e.to_string())?.ok_or_else(|| "a name has at least one character".to_owned())
}

/// `5s`, `500ms`, `2m`, or a bare number of seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write something like 5s, 500ms or 2m");
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// `640x480`: even numbers from 96 to 1920, since both codecs work on pairs of pixels.
fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("{text:?} is not a size; write something like 640x480, with even numbers from 96 to 1920");
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    let side = |text: &str| text.parse().ok().filter(|n| (96..=1920).contains(n) && n % 2 == 0);
    side(width).zip(side(height)).ok_or_else(wrong)
}
