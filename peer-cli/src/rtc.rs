//! The WebRTC stack of the peer, behind one small face: [`RtcCommand`](crate::call::RtcCommand)s in, [`PeerEvent`]s out.
//!
//! Nothing outside this module names a type of the `webrtc` or `rtc` crates. The hands here decide nothing
//! about a call: *when* to offer, answer, roll back or restart is the business of [`crate::call`].
//!
//! What this module does decide is how the stack is tuned, because that is knowledge about the stack:
//!
//! * `engine`: codecs, ICE timing, the RTCP machinery, and why each differs from the stack's defaults;
//! * `peer`: builds the connection and carries out commands; keeps the DTLS role first negotiated;
//! * `events`, `handler`: takes the stack's callbacks away from its driver at once, through bounded queues;
//! * `media`, `incoming`: the tracks: frames out, RTP packets in arrival order in;
//! * `packets`: frames to RTP packets;
//! * `interceptors`: lets the far end's key frame requests through to us;
//! * `link`: what RTCP tells about the link, counted next to the wire;
//! * `congestion`: how much may be sent, where that is asked for;
//! * `sdp`: the few lines of an SDP this module has to read or rewrite;
//! * `ice_url`: STUN and TURN urls, refused with a reason before the stack would refuse them without one;
//! * `stats`: the path the media takes;
//! * `layer`: what is changed of the runtime that the stack runs on, which `prompt`, `turn_stream` and `watch` do;
//! * `turn_stream`: TURN over TCP and TLS, behind addresses that the stack takes for UDP;
//! * `checks`, `hasty`, `alerts`, `watch`: the paths that are tried, how often and since when, and what became of DTLS, seen
//!   at the sockets.

mod alerts;
mod build;
mod checks;
mod congestion;
mod engine;
mod events;
mod handler;
mod hasty;
mod ice_url;
mod incoming;
mod interceptors;
mod layer;
mod link;
mod media;
mod packets;
mod peer;
mod prompt;
mod sdp;
mod stats;
#[cfg(test)]
mod tests;
mod turn_stream;
mod watch;

use std::{fmt, net::SocketAddr, sync::Arc, time::Instant};

use bytes::Bytes;

pub use self::{
    ice_url::IceUrlError,
    link::LinkStats,
    media::{MediaSender, SendError},
    peer::Peer,
    stats::{CandidateKind, PairStats},
};
pub(crate) use self::{
    ice_url::{Over, ServerUrl},
    turn_stream::{Frames, append},
};
use crate::{call::RtcEvent, media::VideoCodec};

/// How a [`Peer`] is set up. Fixed for its lifetime.
#[derive(Clone, Debug)]
pub struct RtcConfig {
    /// STUN and TURN servers to gather candidates from; may be empty when both ends reach each other directly.
    pub ice_servers: Vec<IceServer>,
    /// Whom to trust for TURN over TLS; without it `turns:` urls are refused.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Use relayed candidates only (`iceTransportPolicy: "relay"`). Needs at least one `turn:` url.
    pub relay_only: bool,
    /// Local UDP addresses; at least one. A wildcard stands for every address of that family except loopback and
    /// link-local, so a call on one machine has to name `127.0.0.1:0`. Port 0 takes a free port.
    pub bind: Vec<SocketAddr>,
    /// Resolve `*.local` candidates by multicast DNS (RFC 6762). Where the multicast socket cannot be opened the peer
    /// goes on without it: a browser behind such a name is still reached through its own checks.
    pub mdns: bool,
    /// The codecs this peer can *send*, the preferred one first. VP8 and H264 are both offered for receiving whatever
    /// stands here, because a browser without H264 rejects an offer of H264 alone.
    pub video: Vec<VideoCodec>,
    /// Send a video track. Video is received either way.
    pub send_video: bool,
    /// Send an Opus track. Audio is received either way.
    pub send_audio: bool,
    /// Start bitrate of a congestion controller for what is sent, in bit/s: [`LinkStats::target_bps`] then follows what
    /// the far end reports of the arrival of our packets (transport-wide congestion control,
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01), and packets are paced. `None`: neither.
    pub congestion_control: Option<u64>,
}

impl Default for RtcConfig {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            tls: None,
            relay_only: false,
            bind: vec![SocketAddr::from(([0, 0, 0, 0], 0)), SocketAddr::from(([0u16; 8], 0))],
            mdns: false,
            video: vec![VideoCodec::Vp8, VideoCodec::H264],
            send_video: true,
            send_audio: true,
            congestion_control: None,
        }
    }
}

/// One entry of `iceServers` (W3C WebRTC, `RTCIceServer`): urls that share one set of credentials.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct IceServer {
    /// `stun:host[:port]` (RFC 7064), `turn:host[:port][?transport=udp|tcp]` and `turns:host[:port]` for TLS
    /// (RFC 7065); port 3478 when left out, over TLS 5349; an IPv6 host in brackets.
    pub urls: Vec<String>,
    /// User name, needed by `turn:` urls.
    pub username: Option<String>,
    /// Password, needed by `turn:` urls.
    pub credential: Option<String>,
}

// By hand, so that a credential cannot reach a log through `{:?}`.
impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .field("username", &self.username.as_ref().map(|_| "..."))
            .field("credential", &self.credential.as_ref().map(|_| "..."))
            .finish()
    }
}

/// Why a [`Peer`] could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RtcError {
    /// A STUN or TURN url cannot be used.
    #[error(transparent)]
    IceServer(#[from] IceUrlError),
    /// Relayed candidates only, but nothing to relay through.
    #[error("only relayed candidates are allowed, but no turn: server was given; add one or allow direct candidates")]
    RelayWithoutTurn,
    /// A `turns:` url without [`RtcConfig::tls`].
    #[error("{url:?} asks for TLS, but nothing says whom to trust; give the roots with the configuration")]
    NoRoots {
        /// The url as given.
        url: String,
    },
    /// [`RtcConfig::bind`] is empty.
    #[error("no local address to bind was given; expected at least one, such as 0.0.0.0:0")]
    NoBindAddress,
    /// The stack refused to start: mostly because none of the addresses could be bound.
    #[error("the WebRTC stack did not start while {step}: {reason}")]
    Setup {
        /// What was being done.
        step: &'static str,
        /// The stack's own words.
        reason: String,
    },
}

/// What a [`Peer`] tells.
#[derive(Debug)]
pub enum PeerEvent {
    /// Something the call brain has to know; never dropped while the reader keeps reading.
    Call(RtcEvent),
    /// One RTP packet of the far end, in arrival order: late, duplicate and empty (padding) packets included, since
    /// browsers probe the bandwidth with copies of old packets. Dropped, and counted by [`Peer::dropped_media`], while
    /// the event channel is full.
    Rtp {
        /// What the packet carries.
        kind: MediaKind,
        /// How it is coded, according to its payload type.
        codec: ReceivedCodec,
        /// RTP clock in Hz: 48000 for Opus, 90000 for video.
        clock_rate: u32,
        /// The packet itself.
        packet: RtpPacket,
        /// When it was taken from the stack.
        at: Instant,
    },
    /// The far end asks for a key frame of our video (PLI, RFC 4585 section 6.3.1, or FIR, RFC 5104 section 4.3.1).
    KeyFrameRequested,
    /// The far end says which instant of its clock belongs to a timestamp of a stream (sender report, RFC 3550
    /// section 6.4.1). Dropped and counted like a packet while the event channel is full.
    SenderReport {
        /// Kind of the stream.
        kind: MediaKind,
        /// The stream.
        ssrc: u32,
        /// Its wall clock: NTP format, seconds since 1900 in the upper 32 bits and their fraction in the lower.
        ntp: u64,
        /// The same instant in units of the stream's RTP clock.
        rtp_timestamp: u32,
        /// When the report came.
        at: Instant,
    },
    /// The far end has sent a packet again, in the stream that repairs its own (RFC 4588); told before the packet itself.
    /// Dropped and counted like a packet while the event channel is full.
    Repaired {
        /// The stream that it belongs to.
        ssrc: u32,
        /// Its sequence number there.
        sequence: u16,
    },
}

/// Audio or video.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Video => "video",
        })
    }
}

/// The codec of a received packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReceivedCodec {
    /// Opus (RFC 7587).
    Opus,
    /// VP8 (RFC 7741).
    Vp8,
    /// H.264 (RFC 6184).
    H264,
    /// Anything else: the name from `a=rtpmap`, or `PT n` for a payload type nobody negotiated.
    Other(String),
}

/// A received RTP packet without its header extensions (RFC 3550 section 5.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RtpPacket {
    /// Sequence number; wraps.
    pub sequence: u16,
    /// Timestamp in units of the RTP clock; wraps.
    pub timestamp: u32,
    /// Marker bit: for video the last packet of a frame.
    pub marker: bool,
    /// Source of the stream.
    pub ssrc: u32,
    /// Payload type, 0 to 127; for a packet that came as a retransmission (RFC 4588) the one of its original.
    pub payload_type: u8,
    /// Payload without padding; may be empty.
    pub payload: Bytes,
}
