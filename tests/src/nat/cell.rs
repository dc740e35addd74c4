//! One call of the matrix: what both sides reported, what was counted outside of them, and whether it is as it must be.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Pair, Path};

/// Media that went over a path weighs at least so much, in bytes of large packets.
const MEDIA: u64 = 20_000;
/// What else is large weighs at most one part in so many of that: certificates, and checks that share a segment of TCP
/// on their way to the relay.
const REST: u64 = 2;

/// What the peers have beside each other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Mode {
    /// A STUN server.
    Stun,
    /// STUN, and TURN over UDP, TCP and TLS.
    Turn,
}

impl Mode {
    /// For people and machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Turn => "turn",
        }
    }
}

/// What one side reported.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Side {
    /// The code of its verdict; `none` where there was no report.
    pub code: String,
    /// Kinds of the candidates of its pair, local and remote.
    pub pair: Option<(String, String)>,
    /// From READY to its first connected pair.
    pub connected: Option<Duration>,
    /// Pictures it decoded.
    pub decoded: u64,
}

/// What left a site in large packets, which connectivity checks are not: counted at the site and not by the peer, in
/// bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bytes {
    /// To the relay, whatever the transport.
    pub relay: u64,
    /// To anybody else but the signaling server.
    pub direct: u64,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Media went this way.
    Through(Path),
    /// It did not get through.
    Failed,
}

/// A call and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Who called whom.
    pub pair: Pair,
    /// What they had.
    pub mode: Mode,
    /// What became of it.
    pub outcome: Outcome,
    /// Both reports.
    pub sides: [Side; 2],
    /// What was counted at both sites.
    pub bytes: [Bytes; 2],
    /// Everything that is not as it must be; empty for a right cell.
    pub wrong: Vec<String>,
    /// How many calls of the pair before this one went wrong.
    pub again: usize,
}

impl Side {
    /// Reads a report of `peer-cli join --json`.
    pub fn read(report: &Value) -> Self {
        let text = |pointer: &str| report.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let phases = report.pointer("/peers/0/phases").and_then(Value::as_array);
        let at = |name: &str| {
            let phase = phases?.iter().find(|phase| phase["phase"] == name)?;
            phase["at_ms"].as_f64()
        };
        let connected = at("ready").zip(at("connected")).map(|(ready, connected)| (connected - ready).max(0.0) / 1e3);
        Self {
            code: text("/verdict/code").unwrap_or_else(|| "none".to_owned()),
            pair: text("/peers/0/pair/local").zip(text("/peers/0/pair/remote")),
            connected: connected.map(Duration::from_secs_f64),
            decoded: report.pointer("/directions/0/video/decoded").and_then(Value::as_u64).unwrap_or_default(),
        }
    }

    fn reports_relay(&self) -> bool {
        self.pair.as_ref().is_some_and(|(local, remote)| local == "relay" || remote == "relay")
    }
}

impl Cell {
    /// Judges a call against what theory says of its pair. `any_path`: a call that could go direct may go over the relay.
    pub fn judge(pair: Pair, mode: Mode, any_path: bool, sides: [Side; 2], bytes: [Bytes; 2]) -> Self {
        let through = sides.iter().all(|side| side.code == "OK");
        let relayed = sides.iter().any(Side::reports_relay);
        let outcome = match (through, relayed) {
            (false, _) => Outcome::Failed,
            (true, true) => Outcome::Through(Path::Relay),
            (true, false) => Outcome::Through(Path::Direct),
        };
        let expected = match (pair.a.path(pair.b), mode) {
            (Path::Direct, Mode::Stun | Mode::Turn) => Outcome::Through(Path::Direct),
            (Path::Relay, Mode::Turn) => Outcome::Through(Path::Relay),
            (Path::Relay, Mode::Stun) => Outcome::Failed,
        };
        let mut cell = Self { pair, mode, outcome, sides, bytes, wrong: Vec::new(), again: 0 };
        let detour = any_path && mode == Mode::Turn && outcome == Outcome::Through(Path::Relay);
        if outcome != expected && !detour {
            cell.wrong.push(format!("{} instead of {}", outcome.name(), expected.name()));
        }
        match outcome {
            Outcome::Failed => cell.check_causes(),
            Outcome::Through(path) => cell.check_media(path),
        }
        cell
    }

    /// Each side can know of itself whether STUN answered, and of the other nothing but that no check came through. The
    /// one that gives up first says so and leaves; the other one may then know no more than that.
    fn check_causes(&mut self) {
        let left = |side: &Side| side.code == "PEER_LEFT";
        if self.sides.iter().all(left) {
            self.wrong.push("each side says that the other one left".to_owned());
        }
        for (side, kind) in self.sides.iter().zip([self.pair.a, self.pair.b]) {
            let expected = if kind.has_udp() { "ICE_FAILED" } else { "STUN_UNREACHABLE" };
            if side.code != expected && !left(side) {
                self.wrong.push(format!("the side in {kind} says {} instead of {expected}", side.code));
            }
        }
    }

    /// What the sites sent has to agree with what the peers say of their path.
    fn check_media(&mut self, path: Path) {
        for ((side, bytes), kind) in self.sides.iter().zip(self.bytes).zip([self.pair.a, self.pair.b]) {
            if side.decoded == 0 {
                self.wrong.push(format!("the side in {kind} decoded no picture"));
            }
            let (way, other) = match path {
                Path::Direct => (bytes.direct, bytes.relay),
                Path::Relay => (bytes.relay, bytes.direct),
            };
            if way < MEDIA || other > way / REST {
                self.wrong.push(format!(
                    "the site in {kind} sent {} bytes of media to the relay and {} to others, which is not {}",
                    bytes.relay,
                    bytes.direct,
                    self.outcome.name()
                ));
            }
        }
    }

    /// The time that the slower side needed from READY to a connection.
    pub fn connected(&self) -> Option<Duration> {
        self.sides.iter().map(|side| side.connected).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// One line for machines.
    pub fn json(&self) -> Value {
        let side = |side: &Side| {
            json!({
                "code": side.code,
                "pair": side.pair.as_ref().map(|(local, remote)| format!("{local}/{remote}")),
                "connected_ms": side.connected.map(|time| time.as_secs_f64() * 1e3),
                "decoded": side.decoded,
            })
        };
        json!({
            "a": self.pair.a.site(),
            "b": self.pair.b.site(),
            "mode": self.mode.name(),
            "outcome": self.outcome.name(),
            "connected_ms": self.connected().map(|time| time.as_secs_f64() * 1e3),
            "sides": self.sides.each_ref().map(side),
            "bytes": self.bytes.map(|bytes| json!({ "relay": bytes.relay, "direct": bytes.direct })),
            "wrong": self.wrong,
            "again": self.again,
        })
    }
}

impl Outcome {
    /// `direct`, `relay` or `failed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Through(Path::Direct) => "direct",
            Self::Through(Path::Relay) => "relay",
            Self::Failed => "failed",
        }
    }
}
