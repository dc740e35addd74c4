//! The options that `call` and `join` share.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args as ClapArgs;

use super::values::{
    is_stdout, parse_bitrate, parse_duration, parse_expectation, parse_origin, parse_size, parse_warning,
};
use crate::media::VideoCodec;
use crate::report::JudgeLevel;
use crate::report::expect::{ExpectError, Expectation, parse_file};
use crate::rtc::IceServer;

/// What `call` and `join` have in common.
#[derive(Debug, ClapArgs)]
pub struct CommonArgs {
    /// What to show: pattern, black, frozen (one picture of the pattern again and again), none, or a file (IVF, WebM,
    /// MKV, MP4 with VP8 or H264; raw H264).
    #[arg(long, env = "PEER_CLI_VIDEO", default_value = "pattern", value_name = "SOURCE", help_heading = "Media")]
    pub video: String,
    /// What to say: beep (a tone with a click each second, which goes with a flash in the pattern), tone, silence, none,
    /// or a file (Ogg Opus, WebM or MKV with Opus, WAV).
    #[arg(long, env = "PEER_CLI_AUDIO", default_value = "beep", value_name = "SOURCE", help_heading = "Media")]
    pub audio: String,
    /// The codec of the pattern: vp8 or h264.
    #[arg(long, env = "PEER_CLI_CODEC", default_value = "vp8", help_heading = "Media")]
    pub codec: VideoCodec,
    /// The size of the pattern.
    #[arg(long, env = "PEER_CLI_SIZE", default_value = "640x480", value_name = "WxH", value_parser = parse_size, help_heading = "Media")]
    pub size: (u32, u32),
    /// The bitrate of the pattern, such as 800k [default: what its size and the codec make of it].
    #[arg(long, env = "PEER_CLI_BITRATE", value_name = "BITS", value_parser = parse_bitrate, help_heading = "Media")]
    pub bitrate: Option<u32>,
    /// Frames from one key frame of the pattern to the next; H264 only, VP8 sends nothing else [default: one second].
    #[arg(long, env = "PEER_CLI_KEY_FRAME_INTERVAL", value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..=3600), help_heading = "Media")]
    pub key_frame_interval: Option<u32>,
    /// Encode the pattern as it is sent, with the clock in the picture, at the bitrate that the congestion controller
    /// allows. Without it five seconds are encoded once and repeated, which costs next to nothing.
    #[arg(long, env = "PEER_CLI_LIVE", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new(), help_heading = "Media")]
    pub live: bool,
    /// Pictures per second of the pattern.
    #[arg(long, env = "PEER_CLI_FPS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=60), help_heading = "Media")]
    pub fps: u32,

    /// How closely to look at what arrives: packets, frames, or full (decode everything).
    #[arg(long, env = "PEER_CLI_JUDGE", default_value = "full", value_enum, help_heading = "Judging")]
    pub judge: JudgeLevel,
    /// What must hold, such as 'setup_ms.p95<500' or 'video.freeze_ms<200'; may be given several times. `peer-cli
    /// metrics` lists what can be asked for.
    #[arg(long, env = "PEER_CLI_EXPECT", value_name = "EXPR", value_delimiter = ';', value_parser = parse_expectation, help_heading = "Judging")]
    pub expect: Vec<Expectation>,
    /// The same, and missing it is only a warning.
    #[arg(long, env = "PEER_CLI_WARN", value_name = "EXPR", value_delimiter = ';', value_parser = parse_warning, help_heading = "Judging")]
    pub warn: Vec<Expectation>,
    /// List what --expect and --warn can ask for, as `peer-cli metrics` does, and place no call.
    #[arg(long, action = clap::ArgAction::SetTrue, help_heading = "Judging")]
    pub list_metrics: bool,
    /// A file of expectations, one a line; `warn` in front of one makes it a warning, # begins a comment.
    #[arg(long, env = "PEER_CLI_EXPECT_FILE", value_name = "FILE", help_heading = "Judging")]
    pub expect_file: Option<PathBuf>,
    /// The number of this call, drawn into the pattern and heard in the tones, so that another call's media is told from
    /// this one's [default: a random one].
    #[arg(long, env = "PEER_CLI_CALL_NUMBER", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=126), help_heading = "Judging")]
    pub call_number: Option<u8>,

    /// A STUN or TURN server, such as stun:host:3478, turn:host:3478, turn:host:3478?transport=tcp or
    /// turns:host:443; may be given several times. Those that the signaling server names are used beside it.
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
    /// The Origin header for the signaling server, scheme and host of a page: to see whom it lets in.
    #[arg(long, env = "PEER_CLI_ORIGIN", value_name = "URL", value_parser = parse_origin, help_heading = "Network")]
    pub origin: Option<String>,
    /// Trust these certificates (PEM) for wss:// and turns: beside the system's.
    #[arg(long, env = "PEER_CLI_TLS_CA", value_name = "FILE", help_heading = "Network")]
    pub tls_ca: Option<PathBuf>,

    /// How long to wait for the second member.
    #[arg(long, env = "PEER_CLI_WAIT", default_value = "30s", value_parser = parse_duration, help_heading = "Patience")]
    pub wait: Duration,
    /// How long to wait from READY to media.
    #[arg(long, env = "PEER_CLI_CONNECT_TIMEOUT", default_value = "20s", value_parser = parse_duration, help_heading = "Patience")]
    pub connect_timeout: Duration,
    /// How long the run may take, beside --duration; with --repeat, each of its calls [default: no limit of its own].
    #[arg(long, env = "PEER_CLI_TIMEOUT", value_parser = parse_duration, help_heading = "Patience")]
    pub timeout: Option<Duration>,

    /// Write the report as one JSON document, to FILE (--json=FILE) or to standard output (--json).
    #[arg(long, env = "PEER_CLI_JSON", value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Write the report as one HTML file to look at: waterfall, plots, pictures; it needs no network. A form of the
    /// report, only one, may go to standard output (-).
    #[arg(long, env = "PEER_CLI_HTML", value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
    /// Write the report as JUnit XML.
    #[arg(long, env = "PEER_CLI_JUNIT", value_name = "FILE", help_heading = "Output")]
    pub junit: Option<PathBuf>,
    /// Write the report as Markdown [default: appended to $GITHUB_STEP_SUMMARY where that is set].
    #[arg(long, env = "PEER_CLI_MARKDOWN", value_name = "FILE", help_heading = "Output")]
    pub markdown: Option<PathBuf>,
    /// Record into this folder what each peer receives: WebM or Matroska, RTP as pcap, the signaling as JSON lines.
    #[arg(long, env = "PEER_CLI_RECORD", value_name = "DIR", help_heading = "Output")]
    pub record: Option<PathBuf>,
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
    /// A file of expectations that cannot be read.
    #[error("the file of expectations {path:?} cannot be read: {source}")]
    ExpectFile {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A line of it that says nothing we can check.
    #[error("{path:?}: {source}")]
    Expectation {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        source: ExpectError,
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
    /// Black pictures.
    Black,
    /// One picture of the pattern again and again.
    Frozen,
    /// A file.
    File(PathBuf),
    /// Nothing.
    None,
}

/// What to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioChoice {
    /// A tone for each peer, with a click each second.
    Beep,
    /// A tone for each peer.
    Tone,
    /// Digital silence.
    Silence,
    /// A file.
    File(PathBuf),
    /// Nothing.
    None,
}

impl CommonArgs {
    /// Whether a form of the report goes to standard output, so that nothing else may.
    pub fn takes_stdout(&self) -> bool {
        [&self.json, &self.html, &self.junit, &self.markdown].into_iter().flatten().any(|path| is_stdout(path))
    }

    /// What to show.
    pub fn video_choice(&self) -> VideoChoice {
        match self.video.as_str() {
            "pattern" => VideoChoice::Pattern,
            "black" => VideoChoice::Black,
            "frozen" => VideoChoice::Frozen,
            "none" => VideoChoice::None,
            file => VideoChoice::File(file.into()),
        }
    }

    /// What to say.
    pub fn audio_choice(&self) -> AudioChoice {
        match self.audio.as_str() {
            "beep" => AudioChoice::Beep,
            "tone" => AudioChoice::Tone,
            "silence" => AudioChoice::Silence,
            "none" => AudioChoice::None,
            file => AudioChoice::File(file.into()),
        }
    }

    /// All expectations, those of the file last.
    pub fn expectations(&self) -> Result<Vec<Expectation>, SettingsError> {
        let mut all: Vec<_> = self.expect.iter().chain(&self.warn).cloned().collect();
        if let Some(path) = &self.expect_file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| SettingsError::ExpectFile { path: path.clone(), source })?;
            let parsed =
                parse_file(&text).map_err(|source| SettingsError::Expectation { path: path.clone(), source })?;
            all.extend(parsed);
        }
        Ok(all)
    }

    /// Whether the command line names a TURN server.
    pub fn brings_turn(&self) -> bool {
        self.ice.iter().any(|url| url.starts_with("turn"))
    }

    /// The STUN and TURN servers of the command line.
    pub fn ice_servers(&self) -> Result<Vec<IceServer>, SettingsError> {
        let password = match (&self.ice_password, &self.ice_password_file) {
            (Some(password), _) => Some(password.clone()),
            (None, Some(path)) => Some(first_line(path)?),
            (None, None) => None,
        };
        let login = self.ice_user.is_some() || password.is_some();
        if login && !self.brings_turn() {
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
