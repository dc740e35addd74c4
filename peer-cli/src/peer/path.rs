//! The path that the media took or did not find, as it stood at the end.

use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::millis;
use crate::probe::probe;
use crate::report::{PairReport, PairTried, ProbeReport};
use crate::rtc::{self, IceServer, LinkStats, PairStats};

/// How long STUN and TURN servers may take to say why nothing came of them.
const PROBE_LIMIT: Duration = Duration::from_secs(3);

/// What is known about the path.
#[derive(Default)]
pub(super) struct Path {
    /// The servers that the engine was given.
    pub(super) ice_servers: Vec<IceServer>,
    /// The signaling server named TURN servers, and all of them over TCP or TLS, which this peer cannot use.
    pub(super) unusable_turn: bool,
    pub(super) pair: Option<PairReport>,
    pub(super) pairs: Vec<PairTried>,
    pub(super) link: LinkStats,
    pub(super) probes: Vec<ProbeReport>,
    /// Media events that this process was too slow to take.
    pub(super) dropped: u64,
}

impl Path {
    /// Takes what the engine knows before it is closed.
    pub(super) async fn close(&mut self, engine: &rtc::Peer) {
        self.pair = engine.stats().await.map(pair_report);
        self.pairs = engine.pairs().await;
        self.link = engine.link();
        self.dropped = engine.dropped_media();
    }

    /// ICE has failed: asks the servers themselves why they were of no help.
    pub(super) async fn ask_servers(&mut self, remote: &[SocketAddr]) {
        if !self.ice_servers.is_empty() {
            self.probes = probe(&self.ice_servers, remote, PROBE_LIMIT).await;
        }
    }
}

fn pair_report(pair: PairStats) -> PairReport {
    PairReport {
        local: pair.local_kind.to_string(),
        remote: pair.remote_kind.to_string(),
        local_address: pair.local_addr,
        remote_address: pair.remote_addr,
        rtt_ms: pair.rtt.map(millis),
        bytes_sent: pair.bytes_sent,
        bytes_received: pair.bytes_received,
    }
}
