//! The command line: what a person types, turned into typed settings before anything is started.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use dialtone_wire::{DisplayName, RoomId};

use crate::signaling::ServerUrl;
use crate::{nat, report};

mod common;
mod doctor;
mod line;
#[cfg(all(feature = "embedded", target_os = "linux"))]
mod load;
#[cfg(test)]
mod tests;
mod values;

#[cfg(all(feature = "embedded", target_os = "linux"))]
pub(crate) use common::first_line;
pub use common::{AudioChoice, CommonArgs, SettingsError, VideoChoice};
use doctor::{DOCTOR_HELP, NAT_HELP};
pub use doctor::{DoctorArgs, NatArgs};
#[cfg(all(feature = "embedded", target_os = "linux"))]
pub use load::{LoadCommand, LoadDirection, LoadTurnArgs};
pub(crate) use values::is_stdout;
use values::{parse_length, parse_name, parse_room, parse_server};

const EXIT_CODES: &str = "\
Exit codes:
   0  the call works
  10  signaling unreachable, refused, or lost before media flowed
  11  the room is full
  12  nobody came, or the other side left before media flowed
  13  no description came, or one could not be used
  14  ICE or DTLS failed, or the path was lost for good
  15  no media came, or it stopped before the end
  16  media came and is not as expected (not decodable, black, frozen, silent, wrong peer, not relayed)
  17  timed out
  18  it works, and what --expect asks for does not hold
130  stopped before there was anything to judge, or before all calls of --repeat were over
  64  usage: an option, a URL or a file that cannot be used
   1  anything else

Examples:
  peer-cli call                                  a whole call inside this process, nothing else needed
  peer-cli call --relay-only                     the same, with every byte through the TURN relay
  peer-cli call --video clip.webm --audio speech.ogg --duration 5s
  peer-cli call --expect 'setup_ms<500' --expect 'video.freeze_ms<200' --html call.html
  peer-cli call --repeat 20 --expect 'setup_ms.p95<300' --junit calls.xml
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
    /// List what --expect and --warn can ask for, with units and definitions.
    Metrics,
    /// Print the JSON Schema of a document that --json writes.
    Schema(SchemaArgs),
    /// Show a report that was written with --json, in any form.
    Report(ReportArgs),
    /// Compare two reports: what got slower, what got worse.
    #[command(after_help = crate::report::diff::RULES)]
    Diff(DiffArgs),
    /// Say whether calls will work from here, and if not, what is in the way.
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Find out what the NAT and the firewall here do to UDP (RFC 5780).
    #[command(after_help = NAT_HELP)]
    Nat(NatArgs),
    /// Load a server and say what it carries.
    #[cfg(all(feature = "embedded", target_os = "linux"))]
    #[command(subcommand)]
    Load(LoadCommand),
}

/// `peer-cli call`
#[derive(Debug, ClapArgs)]
pub struct CallArgs {
    /// Use this signaling server instead of an embedded one, such as ws://localhost:8080/ws.
    #[arg(long, env = "PEER_CLI_SERVER", value_name = "URL", value_parser = parse_server)]
    pub server: Option<ServerUrl>,
    /// Start the embedded relay beside TURN servers given with --ice, which otherwise take its place, and hold
    /// --relay-only against its counters.
    #[arg(long, env = "PEER_CLI_EMBEDDED_RELAY", action = clap::ArgAction::SetTrue, value_parser = clap::builder::BoolishValueParser::new(), conflicts_with = "server")]
    pub embedded_relay: bool,
    /// The room to call in [default: a new name for each call].
    #[arg(long, env = "PEER_CLI_ROOM", value_parser = parse_room)]
    pub room: Option<RoomId>,
    /// How long media flows, such as 5s, 500ms or 2m.
    #[arg(long, env = "PEER_CLI_DURATION", default_value = "3s", value_parser = parse_length)]
    pub duration: Duration,
    /// Place this many calls one after the other and judge them together. One that fails fails the run, unless
    /// --expect says how many may: 'ok_percent>=95', 'failed_calls<=1'. When stopped, those that are over are reported.
    #[arg(long, env = "PEER_CLI_REPEAT", default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeat: u32,
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
    #[arg(long, env = "PEER_CLI_DURATION", value_parser = parse_length)]
    pub duration: Option<Duration>,
    /// Shared options.
    #[command(flatten)]
    pub common: CommonArgs,
}

impl CallArgs {
    /// Whether a relay is started beside an embedded server: one that the call is to use, unless it brings its own.
    pub fn has_embedded_relay(&self) -> bool {
        self.embedded_relay || !self.common.brings_turn()
    }

    /// What is about to be done, in one line.
    pub fn headline(&self) -> String {
        let relay = if self.has_embedded_relay() { " and relay" } else { "" };
        let server = self.server.as_ref().map_or_else(|| format!("an embedded server{relay}"), ToString::to_string);
        let calls = if self.repeat > 1 { format!("{} calls", self.repeat) } else { "one call".to_owned() };
        format!("{calls} between alice and bob through {server}")
    }
}

impl JoinArgs {
    /// What is about to be done, in one line.
    pub fn headline(&self) -> String {
        format!("joining room {} on {}; Ctrl-C hangs up", self.room, self.server)
    }
}

/// `peer-cli schema`
#[derive(Debug, ClapArgs)]
pub struct SchemaArgs {
    /// Whose document.
    #[arg(value_enum, default_value_t)]
    pub of: Document,
}

/// A document that --json writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// The report of `call` and `join`, dialtone.report.
    #[default]
    Report,
    /// The findings of `doctor`, dialtone.doctor.
    Doctor,
    /// What `nat` found out.
    Nat,
}

impl Document {
    /// Its JSON Schema (draft 2020-12).
    pub fn json_schema(self) -> String {
        match self {
            Self::Report => report::json_schema(),
            Self::Doctor => crate::doctor::json_schema(),
            Self::Nat => nat::json_schema(),
        }
    }
}

/// `peer-cli report`
#[derive(Debug, ClapArgs)]
pub struct ReportArgs {
    /// The report, as written by `peer-cli call --json=FILE`.
    pub file: PathBuf,
    /// Write it as one HTML file that needs no network; one of the forms may go to standard output (-).
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write it as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write it as Markdown.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// `peer-cli diff`
#[derive(Debug, ClapArgs)]
pub struct DiffArgs {
    /// The earlier report.
    pub before: PathBuf,
    /// The later one.
    pub after: PathBuf,
    /// Write the comparison as one JSON document, to FILE or to standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub json: Option<PathBuf>,
}
