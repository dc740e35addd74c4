//! The path the media takes, as far as the stack's statistics can be trusted.
//!
//! The nominated pair's bytes and round trip time are real. About every other pair the stack's statistics say nothing at
//! all, so those come from the sockets, see `checks`. The stack's figures derived from the far end's RTCP
//! (`remote-inbound-rtp`, NACK and PLI counts) stay zero whatever happens, so they are not offered here: loss and
//! jitter are counted from the packets themselves in [`crate::receive`].

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rtc::peer_connection::transport::{
    RTCIceCandidate, RTCIceCandidatePair, RTCIceCandidateType, RTCIceTransportState,
};
use webrtc::peer_connection::{PeerConnection, RTCStatsReportEntry, StatsSelector, transport::IceTransport};

use super::{
    checks::{Tried, Way},
    engine,
};
use crate::{clock, report::PairTried};

/// The nominated candidate pair (RFC 8445) and what runs over it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PairStats {
    /// Kind of our candidate.
    pub local_kind: CandidateKind,
    /// Kind of the far end's candidate.
    pub remote_kind: CandidateKind,
    /// Our address as `host:port`, the relay's when relayed.
    pub local_addr: String,
    /// The far end's address as `host:port`, its relay's when relayed.
    pub remote_addr: String,
    /// Last round trip of a connectivity check (RFC 7675), `None` before the first.
    pub rtt: Option<Duration>,
    /// Bytes sent over the pair, UDP payload without the connectivity checks.
    pub bytes_sent: u64,
    /// Bytes received over the pair, counted the same way.
    pub bytes_received: u64,
    /// DTLS version and cipher suite in the stack's words, `None` before the handshake.
    pub dtls: Option<String>,
    /// SRTP protection profile in the stack's words, `None` before the handshake.
    pub srtp: Option<String>,
}

/// How a candidate came about (RFC 8445 section 5.1.1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CandidateKind {
    /// An address of the machine itself.
    Host,
    /// The address a NAT showed to a STUN server.
    ServerReflexive,
    /// An address first seen in a connectivity check.
    PeerReflexive,
    /// An address of a TURN relay.
    Relay,
}

impl fmt::Display for CandidateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relay => "relay",
        })
    }
}

/// Reads the nominated pair, `None` before there is one.
pub(super) async fn read(pc: &dyn PeerConnection) -> Option<PairStats> {
    let ice = ice_transport(pc).await?;
    let pair = ice.get_selected_candidate_pair().await.ok()??;
    let (local, remote) = (pair.local(), pair.remote());
    let mut stats = PairStats {
        local_kind: kind(local)?,
        remote_kind: kind(remote)?,
        local_addr: address(local),
        remote_addr: address(remote),
        rtt: None,
        bytes_sent: 0,
        bytes_received: 0,
        dtls: None,
        srtp: None,
    };

    let now = tokio::time::Instant::now().into_std();
    let report = pc.get_stats(now, StatsSelector::None).await;
    if let Some(transport) = report.transport() {
        if let Some(RTCStatsReportEntry::IceCandidatePair(pair)) = report.get(&transport.selected_candidate_pair_id) {
            stats.bytes_sent = pair.bytes_sent;
            stats.bytes_received = pair.bytes_received;
            stats.rtt = Duration::try_from_secs_f64(pair.current_round_trip_time).ok().filter(|rtt| !rtt.is_zero());
        }
        let dtls = format!("{} {}", transport.tls_version, transport.dtls_cipher);
        stats.dtls = named(dtls.trim());
        stats.srtp = named(&transport.srtp_cipher);
    }
    Some(stats)
}

/// Whether the nominated pair goes through the relay that lends this address.
pub(super) async fn is_selected(pc: &dyn PeerConnection, relayed: SocketAddr) -> bool {
    let Some(ice) = ice_transport(pc).await else { return false };
    let selected = ice.get_selected_candidate_pair().await.ok().flatten();
    selected.is_some_and(|pair| kind(pair.local()) == Some(CandidateKind::Relay) && is_at(pair.local(), relayed))
}

/// Names the pairs that were tried by the candidates they are made of.
pub(super) async fn pairs(pc: &dyn PeerConnection, tried: Vec<(Way, Tried, Option<SocketAddr>)>) -> Vec<PairTried> {
    let (mut locals, mut remotes, mut selected, mut over) = (Vec::new(), Vec::new(), None, false);
    if let Some(ice) = ice_transport(pc).await {
        locals = ice.get_local_candidates().await.unwrap_or_default();
        remotes = ice.get_remote_candidates().await.unwrap_or_default();
        selected = ice.get_selected_candidate_pair().await.ok().flatten();
        over = ice.state().await.is_ok_and(|state| state == RTCIceTransportState::Failed);
    }
    tried
        .into_iter()
        .map(|(way, tried, relayed)| {
            let state = match tried {
                Tried { answered: 1.., .. } => "succeeded",
                Tried { sent, .. } if over || sent >= u64::from(engine::CHECKS_PER_PAIR) => "failed",
                Tried { .. } => "in-progress",
            };
            PairTried {
                local: match (way.server, relayed) {
                    (None, _) => labelled(&locals, way.local, CandidateKind::Host),
                    (Some(_), Some(relayed)) => format!("{} {relayed}", CandidateKind::Relay),
                    (Some(server), None) => format!("{} of {server}", CandidateKind::Relay),
                },
                remote: labelled(&remotes, way.remote, CandidateKind::PeerReflexive),
                state: state.to_owned(),
                nominated: selected.as_ref().is_some_and(|pair| is_way(pair, way, relayed)),
                rtt_ms: tried.rtt.map(clock::millis),
                requests_sent: tried.sent,
                responses_received: tried.answered,
            }
        })
        .collect()
}

/// A candidate's kind and address; `otherwise` for one that was never told.
fn labelled(candidates: &[RTCIceCandidate], at: SocketAddr, otherwise: CandidateKind) -> String {
    let told = candidates.iter().find(|candidate| is_at(candidate, at)).and_then(kind);
    format!("{} {at}", told.unwrap_or(otherwise))
}

/// Whether the nominated pair goes this way. A server reflexive candidate sends from the socket of its host candidate.
fn is_way(pair: &RTCIceCandidatePair, way: Way, relayed: Option<SocketAddr>) -> bool {
    let local = match kind(pair.local()) {
        Some(CandidateKind::Relay) => relayed.is_some_and(|relayed| is_at(pair.local(), relayed)),
        Some(CandidateKind::Host) => way.server.is_none() && is_at(pair.local(), way.local),
        Some(CandidateKind::ServerReflexive | CandidateKind::PeerReflexive) | None => way.server.is_none(),
    };
    local && is_at(pair.remote(), way.remote)
}

fn is_at(candidate: &RTCIceCandidate, at: SocketAddr) -> bool {
    candidate.port == at.port() && candidate.address.parse::<IpAddr>().is_ok_and(|ip| ip == at.ip())
}

/// There is one transport under everything; it is reached through any sender or receiver.
async fn ice_transport(pc: &dyn PeerConnection) -> Option<Arc<dyn IceTransport>> {
    for sender in pc.get_senders().await {
        if let Ok(Some(transport)) = sender.transport().await {
            return Some(transport.ice_transport());
        }
    }
    for receiver in pc.get_receivers().await {
        if let Ok(Some(transport)) = receiver.transport().await {
            return Some(transport.ice_transport());
        }
    }
    None
}

fn kind(candidate: &RTCIceCandidate) -> Option<CandidateKind> {
    match candidate.typ {
        RTCIceCandidateType::Host => Some(CandidateKind::Host),
        RTCIceCandidateType::Srflx => Some(CandidateKind::ServerReflexive),
        RTCIceCandidateType::Prflx => Some(CandidateKind::PeerReflexive),
        RTCIceCandidateType::Relay => Some(CandidateKind::Relay),
        RTCIceCandidateType::Unspecified => None,
        _ => None,
    }
}

fn address(candidate: &RTCIceCandidate) -> String {
    let RTCIceCandidate { address, port, .. } = candidate;
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

fn named(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
