//! Everything a relay can be told, typed, with its defaults in one place.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::auth::Credentials;

/// What [`crate::Relay::spawn`] needs to know. The default listens on loopback and knows no user.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients come to; each address is served on UDP and on TCP, port 0 picks one free for both.
    /// A wildcard IPv6 address takes IPv6 only. Default `127.0.0.1:3478`.
    pub listen: Vec<SocketAddr>,
    /// Where clients come to over TLS; needs `tls`. Default none.
    pub tls_listen: Vec<SocketAddr>,
    /// Certificate and key for `tls_listen`.
    pub tls: Option<TlsFiles>,
    /// The domain of the credentials; goes into every password's key. Default `dialtone`.
    pub realm: String,
    /// Who may allocate.
    pub credentials: Credentials,
    /// The addresses the world sees the relay at, at most one of each family. Default: the address it is bound to.
    pub public_ip: Vec<IpAddr>,
    /// Private or special networks that clients may reach all the same. Default none.
    pub allow_peer: Vec<IpNet>,
    /// Networks that clients may never reach, whatever `allow_peer` opens. Default none.
    pub deny_peer: Vec<IpNet>,
    /// Ports for relayed addresses. Default: the system picks.
    pub relay_ports: Option<RangeInclusive<u16>>,
    /// The second address for NAT behaviour discovery (RFC 5780): it differs from the first entry of `listen` in IP
    /// address and in port, and together they make the four addresses that answers come from. UDP only.
    /// Default: no discovery.
    pub discovery: Option<SocketAddr>,
    /// Where clients over UDP and TCP are sent while the relay drains (ALTERNATE-SERVER, RFC 8489 section 14.15), at
    /// most one address of each family. Default none: they are told that there is no capacity.
    pub alternate_server: Vec<SocketAddr>,
    /// The same for clients over TLS, which go on with TLS there.
    pub alternate_tls_server: Vec<SocketAddr>,
    /// Where metrics and health are served over plain HTTP, for the operator alone. Default: nowhere.
    pub admin: Option<SocketAddr>,
    /// Threads that relay, each with its own sockets and allocations; 0 is one for each CPU this process may use.
    /// Default 1.
    pub workers: usize,
    /// Name in the SOFTWARE attribute of answers; empty leaves it out.
    pub software: String,
    /// How much the relay will remember.
    pub limits: Limits,
    /// How long it will remember it.
    pub lifetimes: Lifetimes,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 3478))],
            tls_listen: Vec::new(),
            tls: None,
            realm: "dialtone".to_owned(),
            credentials: Credentials::default(),
            public_ip: Vec::new(),
            allow_peer: Vec::new(),
            deny_peer: Vec::new(),
            relay_ports: None,
            discovery: None,
            alternate_server: Vec::new(),
            alternate_tls_server: Vec::new(),
            admin: None,
            workers: 1,
            software: "dialtone".to_owned(),
            limits: Limits::default(),
            lifetimes: Lifetimes::default(),
        }
    }
}

/// PEM files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub cert: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
}

/// Upper bounds on what clients can make the relay keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Allocations and reserved ports together. Default 10 000.
    pub max_allocations: usize,
    /// The same for one user. Default 1000: many calls share one user where credentials are fixed.
    pub max_allocations_per_user: usize,
    /// The same for one source, an IPv4 address or an IPv6 network of 64 bits. Default 1000: many people share one
    /// address behind a carrier's NAT.
    pub max_allocations_per_ip: usize,
    /// Peer addresses one allocation may open. Default 128.
    pub permissions_per_allocation: usize,
    /// Channels one allocation may bind. Default 64.
    pub channels_per_allocation: usize,
    /// TCP and TLS connections per listener. Default 4096.
    pub max_streams: usize,
    /// TCP and TLS connections without an allocation from one IPv4 address, or from one IPv6 network of 64 bits.
    /// Default 64.
    pub max_streams_per_ip: usize,
    /// Bytes waiting for one slow TCP or TLS client before further data is dropped, at least 64 KiB; data leaves
    /// 16 KiB of them to answers. Default 128 KiB: a second of a call at 1 Mbit/s.
    pub stream_queue: usize,
    /// Answers per second to one source (see `max_allocations_per_ip`) that has not proved who it is, with twice as
    /// many at once; 0 is no limit. Further requests get no answer. Default 500: a carrier's NAT has thousands of
    /// people behind it, and a call takes two or three such answers.
    pub unauthenticated_per_second: u32,
    /// Bits per second that one allocation may carry, each way, with 28 bytes of headers for each packet; 0 is no
    /// limit. What goes beyond is dropped. Default 0.
    pub max_bitrate: u64,
    /// The same for all allocations together. Default 0.
    pub max_total_bitrate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_allocations: 10_000,
            max_allocations_per_user: 1000,
            max_allocations_per_ip: 1000,
            permissions_per_allocation: 128,
            channels_per_allocation: 64,
            max_streams: 4096,
            max_streams_per_ip: 64,
            stream_queue: 128 << 10,
            unauthenticated_per_second: 500,
            max_bitrate: 0,
            max_total_bitrate: 0,
        }
    }
}

/// How long things last when nobody renews them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetimes {
    /// An allocation whose client asks for no or a shorter time. Default 600 s (RFC 8656 section 3.2).
    pub allocation: Duration,
    /// The longest time a client is given. Default 3600 s.
    pub max_allocation: Duration,
    /// A permission. Default 300 s (RFC 8656 section 9).
    pub permission: Duration,
    /// A channel. Default 600 s (RFC 8656 section 12).
    pub channel: Duration,
    /// A nonce. Default 3600 s.
    pub nonce: Duration,
    /// A reserved port. Default 30 s (RFC 8656 section 7.2).
    pub reservation: Duration,
    /// A TLS handshake, from the connection to its end. Default 10 s.
    pub handshake: Duration,
    /// A connection without an allocation, from its beginning, whatever it sends. Default 60 s.
    pub idle_stream: Duration,
    /// One write to a connection. Default 10 s.
    pub stream_write: Duration,
    /// How often the certificate's files are looked at; changed ones serve every later handshake. Default 10 s.
    pub certificate_check: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            allocation: Duration::from_secs(600),
            max_allocation: Duration::from_secs(3600),
            permission: Duration::from_secs(300),
            channel: Duration::from_secs(600),
            nonce: Duration::from_secs(3600),
            reservation: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            idle_stream: Duration::from_secs(60),
            stream_write: Duration::from_secs(10),
            certificate_check: Duration::from_secs(10),
        }
    }
}
