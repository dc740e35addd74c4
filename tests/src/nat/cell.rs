//! One call of the matrix: what both sides reported, what was counted outside of them, and whether it is as it must be.

use std::time::Duration;

use serde_json::{Value, json};

use super::side::milliseconds;
use super::{Mode, Pair, Path, Side};

/// Media that went over a path weighs at least so much, in bytes of large packets.
const MEDIA: u64 = 20_000;
/// What else is large weighs at most one part in so many of that: certificates, and checks that share a segment of TCP
/// on their way to the relay.
const REST: u64 = 2;

/// What left a site in large packets, which connectivity checks are not: counted at the site and not by the peer, in
/// bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bytes {
    /// To the relay, whatever the transport.
    pub relay: u64,
    /// To anybody else but the signaling server.
    pub direct: u64,
}

impl Bytes {
    /// The way that media went; `None`: there was hardly any, or it went both ways.
    fn path(self) -> Option<Path> {
        let is_media = |way: u64, other: u64| way >= MEDIA && other <= way / REST;
        match (is_media(self.direct, self.relay), is_media(self.relay, self.direct)) {
            (true, _) => Some(Path::Direct),
            (_, true) => Some(Path::Relay),
            (false, false) => None,
        }
    }
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

impl Cell {
    /// Judges a call against what theory says of its pair.
    pub fn judge(pair: Pair, mode: Mode, sides: [Side; 2], bytes: [Bytes; 2]) -> Self {
        let through = sides.iter().all(|side| side.code == "OK");
        let relayed = sides.iter().any(Side::reports_relay);
        let outcome = match (through, relayed) {
            (false, _) => Outcome::Failed,
            (true, true) => Outcome::Through(Path::Relay),
            (true, false) => Outcome::Through(Path::Direct),
        };
        let expected = match (pair.a.path(pair.b), mode) {
            (Path::Direct, Mode::Stun | Mode::Turn | Mode::Browser) => Outcome::Through(Path::Direct),
            (Path::Relay, Mode::Turn | Mode::Browser) => Outcome::Through(Path::Relay),
            (Path::Relay, Mode::Stun) => Outcome::Failed,
        };
        let mut cell = Self { pair, mode, outcome, sides, bytes, wrong: Vec::new(), again: 0 };
        if outcome != expected {
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
        for (n, kind) in [self.pair.a, self.pair.b].into_iter().enumerate() {
            let (side, bytes) = (&self.sides[n], self.bytes[n]);
            if side.stamped == 0 {
                self.wrong.push(format!(
                    "the side in {kind} decoded {} pictures, and none was one of the far end's",
                    side.decoded
                ));
            }
            if bytes.path() != Some(path) {
                self.wrong.push(format!(
                    "the site in {kind} sent {} bytes of media to the relay and {} to others, which is not {}",
                    bytes.relay,
                    bytes.direct,
                    Outcome::Through(path).name()
                ));
            }
        }
    }

    /// What was tried, in a few words.
    pub fn name(&self) -> String {
        format!("{} with {}, {}", self.pair.a.site(), self.pair.b.site(), self.mode.name())
    }

    /// The time that the slower side needed from READY to a connection.
    pub fn connected(&self) -> Option<Duration> {
        self.sides.iter().map(|side| side.connected).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// One line for machines.
    pub fn json(&self) -> Value {
        json!({
            "a": self.pair.a.site(),
            "b": self.pair.b.site(),
            "mode": self.mode.name(),
            "outcome": self.outcome.name(),
            "connected_ms": self.connected().map(milliseconds),
            "sides": self.sides.each_ref().map(Side::json),
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
