//! A load generator for any TURN server over UDP: many allocations, each with one channel to a peer of its own.
//!
//! ```text
//! sender thread --up: channel data--> server --plain--> peer sockets   \
//!               --down: plain-------> relayed address --channel data--> client sockets   > receiver thread
//! ```
//!
//! Both ends are in this process, so one clock measures the way. Every payload starts with a stamp (which run, which
//! flow, which packet, when). Sockets block and threads are our own: no runtime stands between the figures and the
//! server. [`run`] does everything; [`Session`] lets the caller measure the server between the steps.

mod dialogue;
mod error;
mod histogram;
mod receiver;
mod sender;
mod session;
mod stamp;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use error::LoadError;
pub use session::Session;

use stamp::STAMP;

/// Longest payload, in bytes.
const MAX_PAYLOAD: usize = 8000;
/// Most packets that go out in one go.
const MAX_GROUP: usize = 64;
/// Most allocations, with traffic and without.
const MAX_ALLOCATIONS: usize = 60_000;
/// Permissions live five minutes (RFC 8656 section 9) and nothing is refreshed here.
const LONGEST: Duration = Duration::from_secs(240);

/// What to do to which server. [`Plan::new`] has the defaults. `Debug` shows neither name nor password.
#[derive(Clone)]
pub struct Plan {
    /// Where the TURN server listens on UDP.
    pub server: SocketAddr,
    /// Name of the user; for a shared secret see [`rest_credentials`](crate::rest_credentials).
    pub username: String,
    /// Password of the user.
    pub password: String,
    /// Allocations with traffic, 1 or more.
    pub allocations: usize,
    /// Further allocations that only exist; with the others at most 60 000.
    pub idle: usize,
    /// Bytes of each payload, 24 to 8000.
    pub payload: usize,
    /// How packets of different flows follow each other.
    pub pattern: Pattern,
    /// Which way packets go.
    pub direction: Direction,
    /// Packets per second in all, both ways together, 1 or more; `None` sends as fast as [`Plan::window`] allows.
    pub rate: Option<u64>,
    /// Most packets under way in all; `None` has no limit, and without a rate this overloads the server.
    pub window: Option<u64>,
    /// How long packets are sent; with the warm-up at most 240 s.
    pub duration: Duration,
    /// How long packets are sent before those that count.
    pub warmup: Duration,
    /// Receives with UDP_GRO where the system has it.
    pub sink_gro: bool,
    /// Sends bursts and trains with UDP_SEGMENT where the system has it.
    pub sender_gso: bool,
}

impl Plan {
    /// 50 flows of single 1200-byte packets up, at most 1024 under way, for five seconds after one of warm-up.
    #[must_use]
    pub fn new(server: SocketAddr, username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            server,
            username: username.into(),
            password: password.into(),
            allocations: 50,
            idle: 0,
            payload: 1200,
            pattern: Pattern::Interleaved,
            direction: Direction::Up,
            rate: None,
            window: Some(1024),
            duration: Duration::from_secs(5),
            warmup: Duration::from_secs(1),
            sink_gro: false,
            sender_gso: false,
        }
    }

    fn check(&self) -> Result<(), LoadError> {
        let total = self.allocations.saturating_add(self.idle);
        if self.allocations == 0 || total > MAX_ALLOCATIONS {
            return Err(LoadError::Allocations { got: total });
        }
        if !(STAMP..=MAX_PAYLOAD).contains(&self.payload) {
            return Err(LoadError::Payload { got: self.payload });
        }
        if !(1..=MAX_GROUP).contains(&self.pattern.group()) {
            return Err(LoadError::Group { got: self.pattern.group() });
        }
        if self.rate == Some(0) {
            return Err(LoadError::Rate);
        }
        check_time(self.duration.saturating_add(self.warmup))
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("server", &self.server)
            .field("allocations", &self.allocations)
            .field("idle", &self.idle)
            .field("payload", &self.payload)
            .field("pattern", &self.pattern)
            .field("direction", &self.direction)
            .field("rate", &self.rate)
            .field("window", &self.window)
            .field("duration", &self.duration)
            .field("warmup", &self.warmup)
            .field("sink_gro", &self.sink_gro)
            .field("sender_gso", &self.sender_gso)
            .finish_non_exhaustive()
    }
}

/// How packets of different flows follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Every packet belongs to another flow than the one before it.
    Interleaved,
    /// This many packets of one flow, 1 to 64, then as many of the next.
    Bursts(usize),
    /// The same; named apart because trains are meant to be sent with [`Plan::sender_gso`], as one long datagram.
    Trains(usize),
}

impl Pattern {
    fn group(self) -> usize {
        match self {
            Self::Interleaved => 1,
            Self::Bursts(packets) | Self::Trains(packets) => packets,
        }
    }
}

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client through the relay to the peer.
    Up,
    /// From the peer through the relay to the client.
    Down,
    /// Both ways at once, in equal parts.
    Both,
}

impl Direction {
    fn ways(self) -> &'static [Way] {
        match self {
            Self::Up => &[Way::Up],
            Self::Down => &[Way::Down],
            Self::Both => &[Way::Up, Way::Down],
        }
    }
}

/// One of the two ways; its number is the place in arrays of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up = 0,
    Down = 1,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Both ways together.
    pub total: Traffic,
    /// Client to peer.
    pub up: Traffic,
    /// Peer to client.
    pub down: Traffic,
    /// From the first packet sent to the end of sending, or to the last one received when that was later.
    pub seconds: f64,
    /// How long all allocations with their channels took to make.
    pub setup_seconds: f64,
    /// True when packets were sent with UDP_SEGMENT.
    pub sender_gso: bool,
    /// True when packets were received with UDP_GRO.
    pub sink_gro: bool,
}

impl Outcome {
    /// Packets per second that arrived.
    #[must_use]
    pub fn packets_per_second(&self) -> f64 {
        self.total.delivered as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// Bits of payload per second that arrived.
    #[must_use]
    pub fn bits_per_second(&self) -> f64 {
        self.total.bytes as f64 * 8.0 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// Packets one way, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// Packets the system took from us.
    pub sent: u64,
    /// Packets that arrived.
    pub delivered: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Packets that arrived after a later one of their flow.
    pub reordered: u64,
    /// Bytes of payload that arrived.
    pub bytes: u64,
    /// Half of the packets took at most this long one way, in microseconds (within 4 %); `None` when none arrived.
    pub latency_p50_us: Option<f64>,
    /// The same for 99 of 100 packets.
    pub latency_p99_us: Option<f64>,
}

/// Makes the allocations, warms up, and drives the traffic for as long as planned. Blocks; uses one more thread.
///
/// # Errors
/// The plan is out of range, a socket cannot be had, or the server is silent or refuses; see [`LoadError`]. Lost
/// packets are no error.
pub fn run(plan: Plan) -> Result<Outcome, LoadError> {
    let (warmup, duration) = (plan.warmup, plan.duration);
    let mut session = Session::open(plan)?;
    if !warmup.is_zero() {
        session.drive(warmup)?;
    }
    session.drive(duration)
}

fn check_time(got: Duration) -> Result<(), LoadError> {
    if got > LONGEST { Err(LoadError::TooLong { got }) } else { Ok(()) }
}

#[expect(clippy::disallowed_methods, reason = "a generator measures the clock: nobody could tell it the time")]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_out_of_range_is_refused_before_anything_is_sent() {
        let plan = || Plan::new(SocketAddr::from(([127, 0, 0, 1], 9)), "u", "p");
        assert!(plan().check().is_ok());
        for wrong in [
            Plan { allocations: 0, ..plan() },
            Plan { idle: MAX_ALLOCATIONS, ..plan() },
            Plan { payload: STAMP - 1, ..plan() },
            Plan { payload: MAX_PAYLOAD + 1, ..plan() },
            Plan { pattern: Pattern::Bursts(0), ..plan() },
            Plan { pattern: Pattern::Trains(MAX_GROUP + 1), ..plan() },
            Plan { rate: Some(0), ..plan() },
            Plan { duration: LONGEST, ..plan() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn plan_hides_its_credentials() {
        let plan = Plan::new(SocketAddr::from(([127, 0, 0, 1], 9)), "hush-name", "hush-word");
        assert!(!format!("{plan:?}").contains("hush"));
    }
}
