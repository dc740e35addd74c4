//! What a server is told before it starts. The defaults are the safe ones.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use dialtone_wire::bodies::MembersFormat;
use dialtone_wire::stomp::HeartBeat;

use crate::origin::Origins;

/// Everything a server can be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes any free port. Default `127.0.0.1:8080`: this machine only.
    pub listen: SocketAddr,
    /// TLS; `None`, the default: plain HTTP and WebSocket.
    pub tls: Option<Tls>,
    /// Which web pages may connect. Default: those that come from the same host and port.
    pub origins: Origins,
    /// STUN and TURN servers to tell clients about. Default: none.
    pub ice: IceConfig,
    /// How many members a room takes, at least 1. Default 2.
    pub capacity: usize,
    /// How member lists are written. Default: ids.
    pub members: MembersFormat,
    /// Whether sessions that are not members hear `/members` and `/signal`. Default: no.
    pub open_topics: bool,
    /// How long a session that asked for it keeps its seats without a socket; zero: not at all. Default 30 s.
    pub resume_grace: Duration,
    /// Whether the call page is served at `/` and `/r/{room}`. Default: yes.
    pub page: bool,
    /// Behave as an old Spring application: silent refusals, "Room is full" as text, no heart-beats. Default: no.
    pub spring: bool,
    /// The heart-beats offered in CONNECTED, unless [`spring`](Self::spring). Default 10 s each way.
    pub heart_beat: HeartBeat,
    /// Bounds of everything that a stranger can make the server do or remember.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            tls: None,
            origins: Origins::SameOrigin,
            ice: IceConfig::default(),
            capacity: 2,
            members: MembersFormat::Ids,
            open_topics: false,
            resume_grace: Duration::from_secs(30),
            page: true,
            spring: false,
            heart_beat: HeartBeat { can_send: 10_000, wants: 10_000 },
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// The defaults on a free port of this machine, for a server inside another process.
    pub fn embedded() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..Self::default() }
    }
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// PEM files.
    Files {
        /// The certificate and the chain above it.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// A fresh self-signed certificate for localhost and the address listened on; for development.
    SelfSigned,
}

/// STUN and TURN servers for `iceServers`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IceConfig {
    /// `stun:` URLs; given to everybody.
    pub stun_urls: Vec<String>,
    /// `turn:` and `turns:` URLs; given out only together with a login.
    pub turn_urls: Vec<String>,
    /// The secret shared with the TURN server (coturn's `static-auth-secret`).
    pub turn_secret: Option<Secret>,
    /// How long a TURN login is good for; zero stands for the default of 12 hours.
    pub turn_ttl: Duration,
    /// Whether clients that did not log in get a TURN login. Default: no, or the relay would be open to all.
    pub without_login: bool,
}

/// A secret; it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` without the white space around it; `None` when nothing is left.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Bounds, each with the default that its comment names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A connection without CONNECT is closed after this time. 5 s.
    pub connect_within: Duration,
    /// A connection from which nothing at all came for this time is gone. 25 s.
    pub silence: Duration,
    /// How often a WebSocket ping is sent; SockJS' own heart-beat goes with every second one. 10 s.
    pub ping_every: Duration,
    /// How long the reader may take for what is written at once. 10 s.
    pub write_within: Duration,
    /// How many bytes may wait for a reader. 512 KiB.
    pub outbox: usize,
    /// The largest STOMP frame in bytes. 64 KiB.
    pub frame: usize,
    /// The most headers of a STOMP frame. 64.
    pub headers: usize,
    /// The largest WebSocket message in bytes. 256 KiB.
    pub message: usize,
    /// Subscriptions of a session. 128.
    pub subscriptions: usize,
    /// Rooms of a session. 32.
    pub rooms: usize,
    /// Frames of a session per second in the long run; 0: no limit. 200.
    pub frame_rate: u32,
    /// Frames of a session at once. 1000.
    pub frame_burst: u32,
    /// WebSocket connections. 20 000.
    pub connections: usize,
    /// Connections that are still in a TLS handshake or speak plain HTTP. 1024.
    pub half_open: usize,
    /// Sessions without a socket that wait to be resumed. 10 000.
    pub parked: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_within: Duration::from_secs(5),
            silence: Duration::from_secs(25),
            ping_every: Duration::from_secs(10),
            write_within: Duration::from_secs(10),
            outbox: 512 * 1024,
            frame: 64 * 1024,
            headers: 64,
            message: 256 * 1024,
            subscriptions: 128,
            rooms: 32,
            frame_rate: 200,
            frame_burst: 1000,
            connections: 20_000,
            half_open: 1024,
            parked: 10_000,
        }
    }
}
