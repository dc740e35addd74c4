//! The path that the media took or did not find, as it stood at the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::call::EndReason;
use crate::clock::millis;
use crate::probe::probe;
use crate::report::{PairReport, PairTried, ProbeReport};
use crate::rtc::{self, IceServer, LinkStats, PairStats};
use crate::verdict::End;

/// How long STUN and TURN servers may take to say why nothing came of them.
const PROBE_LIMIT: Duration = Duration::from_secs(3);

/// What is known about the path.
#[derive(Default)]
pub(super) struct Path {
    /// The servers that the engine was given.
    pub(super) ice_servers: Vec<IceServer>,
    /// The signaling server named TURN servers, and this peer can use none of them.
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
        let unsent = engine.unsent_frames();
        if unsent > 0 {
            tracing::warn!(unsent, "the engine did not take some frames");
        }
    }

    /// There is no path, or none any more: asks the servers themselves why they are of no help. `tls` says whom to
    /// trust.
    pub(super) async fn ask_servers(&mut self, remote: &[SocketAddr], tls: &Arc<rustls::ClientConfig>) {
        if !self.ice_servers.is_empty() {
            self.probes = probe(&self.ice_servers, remote, PROBE_LIMIT, Some(tls)).await;
        }
    }
}

/// Whether the servers may have to do with how it ended.
pub(super) fn is_about_servers(end: &End) -> bool {
    match end {
        End::Call(reason) => matches!(reason, EndReason::IceFailed { .. } | EndReason::IceLost),
        End::Unreachable { .. } | End::TimedOut { .. } => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_are_asked_where_there_was_no_path_and_where_it_was_lost() {
        let failed = EndReason::IceFailed { local_candidates: true, remote_candidates: false };
        for (end, asked) in [(failed, true), (EndReason::IceLost, true), (EndReason::HungUp, false)] {
            assert_eq!(is_about_servers(&End::Call(end.clone())), asked, "{end:?}");
        }
        assert!(!is_about_servers(&End::TimedOut { after: "ready".to_owned() }));
    }
}
