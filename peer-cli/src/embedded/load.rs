//! `peer-cli load turn`: the relay crate's own load generator, against any TURN server.

use std::fmt::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, SystemTime};

use dialtone_turn::load::{Direction, LoadError, Outcome, Pattern, Plan, Traffic, run};
use dialtone_turn::rest_credentials;
use serde::Serialize;

use crate::args::{LoadDirection, LoadTurnArgs, first_line};

/// How long a time-limited login is good for; a run is at most four minutes.
const LOGIN_TTL: Duration = Duration::from_secs(600);

/// Why no load could be driven.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TurnLoadError {
    /// The server's name.
    #[error("{0:?} is not the address of a TURN server; expected something like relay.example:3478")]
    Server(String),
    /// No login.
    #[error("a TURN server wants a login: give --user with --password, or --secret")]
    NoLogin,
    /// A secret's or password's file.
    #[error(transparent)]
    File(#[from] crate::args::SettingsError),
    /// The load itself.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl TurnLoadError {
    /// Whether the user can mend it on the command line.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Server(_) | Self::NoLogin | Self::File(_) => true,
            Self::Load(_) => false,
        }
    }
}

/// What came of it; the JSON document of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TurnLoadReport {
    /// `dialtone.load-turn/1`
    pub schema: &'static str,
    /// The relay.
    pub server: String,
    /// Allocations that carried traffic.
    pub allocations: usize,
    /// Seconds until all of them stood.
    pub setup_seconds: f64,
    /// Seconds of traffic.
    pub seconds: f64,
    /// From clients to peers.
    pub up: Flow,
    /// From peers to clients.
    pub down: Flow,
    /// Delivered packets per second, both ways.
    pub packets_per_second: f64,
    /// Delivered payload bits per second, both ways.
    pub bits_per_second: f64,
}

/// One direction of the traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flow {
    /// Packets sent.
    pub sent: u64,
    /// Packets that arrived.
    pub delivered: u64,
    /// Packets that did not, as a part of those sent.
    pub loss: f64,
    /// Median one-way latency in microseconds.
    pub latency_p50_us: Option<f64>,
    /// 99th percentile of it.
    pub latency_p99_us: Option<f64>,
}

/// Drives the load; takes as long as `--duration` and a second more.
pub fn load_turn(args: &LoadTurnArgs, now: SystemTime) -> Result<TurnLoadReport, TurnLoadError> {
    let server = resolve(&args.server)?;
    let (username, password) = login(args, now)?;
    let plan = Plan {
        allocations: args.allocations,
        payload: args.payload,
        rate: args.rate,
        duration: args.duration,
        direction: match args.direction {
            LoadDirection::Up => Direction::Up,
            LoadDirection::Down => Direction::Down,
            LoadDirection::Both => Direction::Both,
        },
        pattern: match args.burst {
            1 => Pattern::Interleaved,
            burst => Pattern::Bursts(burst),
        },
        ..Plan::new(server, username, password)
    };
    let outcome = run(plan)?;
    Ok(report(args, &outcome))
}

fn resolve(text: &str) -> Result<SocketAddr, TurnLoadError> {
    let mut found = text.to_socket_addrs().map_err(|_| TurnLoadError::Server(text.to_owned()))?;
    found.next().ok_or_else(|| TurnLoadError::Server(text.to_owned()))
}

fn login(args: &LoadTurnArgs, now: SystemTime) -> Result<(String, String), TurnLoadError> {
    let from_file = |path: &Option<std::path::PathBuf>| path.as_deref().map(first_line).transpose();
    if let Some(secret) = args.secret.clone().or(from_file(&args.secret_file)?) {
        let user = args.user.as_deref().unwrap_or("load");
        return Ok(rest_credentials(&secret, user, LOGIN_TTL, now));
    }
    match (&args.user, args.password.clone().or(from_file(&args.password_file)?)) {
        (Some(user), Some(password)) => Ok((user.clone(), password)),
        _ => Err(TurnLoadError::NoLogin),
    }
}

fn report(args: &LoadTurnArgs, outcome: &Outcome) -> TurnLoadReport {
    TurnLoadReport {
        schema: "dialtone.load-turn/1",
        server: args.server.clone(),
        allocations: args.allocations,
        setup_seconds: outcome.setup_seconds,
        seconds: outcome.seconds,
        up: flow(&outcome.up),
        down: flow(&outcome.down),
        packets_per_second: outcome.packets_per_second(),
        bits_per_second: outcome.bits_per_second(),
    }
}

fn flow(traffic: &Traffic) -> Flow {
    Flow {
        sent: traffic.sent,
        delivered: traffic.delivered,
        loss: if traffic.sent == 0 { 0.0 } else { traffic.lost as f64 / traffic.sent as f64 },
        latency_p50_us: traffic.latency_p50_us,
        latency_p99_us: traffic.latency_p99_us,
    }
}

/// The report for people.
pub fn render(report: &TurnLoadReport) -> String {
    let mut out = format!(
        "{} allocations on {} in {:.2} s; {:.1} s of traffic\n",
        report.allocations, report.server, report.setup_seconds, report.seconds
    );
    let micros = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |us| format!("{us:.0} µs"));
    for (name, flow) in [("client to peer", &report.up), ("peer to client", &report.down)] {
        if flow.sent > 0 {
            // Writing into a string cannot fail.
            let _ = writeln!(
                out,
                "  {name}: {} sent, {} delivered, {:.2} % lost, one way p50 {} p99 {}",
                flow.sent,
                flow.delivered,
                flow.loss * 100.0,
                micros(flow.latency_p50_us),
                micros(flow.latency_p99_us)
            );
        }
    }
    let _ = write!(
        out,
        "  {:.0} packets/s delivered, {:.1} Mbit/s of payload",
        report.packets_per_second,
        report.bits_per_second / 1e6
    );
    out
}
