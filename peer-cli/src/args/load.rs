//! `peer-cli load`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use super::values::parse_length;

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
    #[arg(long, default_value = "5s", value_parser = parse_length)]
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
