//! The options themselves, in the groups that `--help` shows.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use dialtone_turn::{Config, Lifetimes, Limits};
use ipnet::IpNet;

use super::values::{
    BitRate, Span, parse_admin, parse_exact, parse_listen, parse_log, parse_net, parse_ports, parse_realm,
    parse_software,
};

/// Where clients and the operator come to.
#[derive(clap::Args)]
#[command(next_help_heading = "Listening")]
pub(super) struct ListenOptions {
    /// Address to serve on UDP and TCP (repeatable; variable: separated by commas)
    #[arg(
        long,
        env = "DIALTONE_TURN_LISTEN",
        value_name = "ADDR",
        value_delimiter = ',',
        value_parser = parse_listen,
        default_value = "127.0.0.1:3478"
    )]
    pub(super) listen: Vec<SocketAddr>,

    /// Address to serve on TLS; needs --tls-cert and --tls-key (repeatable; variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_TLS_LISTEN", value_name = "ADDR", value_delimiter = ',', value_parser = parse_listen)]
    pub(super) tls_listen: Vec<SocketAddr>,

    /// Certificate chain for TLS, PEM; a changed file is taken over while the relay runs, at SIGHUP at once
    #[arg(long, env = "DIALTONE_TURN_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,

    /// Private key for TLS, PEM
    #[arg(long, env = "DIALTONE_TURN_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,

    /// Address the world sees this relay at, one of each family (repeatable; variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_PUBLIC_IP", value_name = "IP", value_delimiter = ',')]
    pub(super) public_ip: Vec<IpAddr>,

    /// Ports for relayed addresses [default: the system picks]
    #[arg(long, env = "DIALTONE_TURN_RELAY_PORTS", value_name = "FIRST-LAST", value_parser = parse_ports)]
    pub(super) relay_ports: Option<RangeInclusive<u16>>,

    /// Second address for clients that find out what their NAT does (RFC 5780); another IP address and another port
    /// than the first --listen
    #[arg(long, env = "DIALTONE_TURN_DISCOVERY", value_name = "ADDR", value_parser = parse_exact)]
    pub(super) discovery: Option<SocketAddr>,

    /// Address for metrics (/metrics, for Prometheus) and health (/health) over plain HTTP; whoever reaches it can
    /// read them, so keep it local, such as 127.0.0.1:9641
    #[arg(long, env = "DIALTONE_TURN_ADMIN", value_name = "ADDR", value_parser = parse_admin)]
    pub(super) admin: Option<SocketAddr>,
}

/// Who may use the relay.
#[derive(clap::Args)]
#[command(next_help_heading = "Credentials")]
pub(super) struct CredentialOptions {
    /// Domain of the credentials
    #[arg(long, env = "DIALTONE_TURN_REALM", value_name = "NAME", value_parser = parse_realm, default_value = "dialtone")]
    pub(super) realm: String,

    /// A fixed user (repeatable; variable: one per line)
    #[arg(
        long,
        env = "DIALTONE_TURN_USER",
        value_name = "NAME:PASSWORD",
        value_delimiter = '\n',
        hide_env_values = true
    )]
    pub(super) user: Vec<String>,

    /// Secret shared with the application that makes time-limited credentials (repeatable while one replaces
    /// another; variable: one per line)
    #[arg(long, env = "DIALTONE_TURN_SECRET", value_name = "TEXT", value_delimiter = '\n', hide_env_values = true)]
    pub(super) secret: Vec<String>,

    /// File with one such secret; white space around it does not count (repeatable; variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_SECRET_FILE", value_name = "FILE", value_delimiter = ',')]
    pub(super) secret_file: Vec<PathBuf>,

    /// How long a client can go on with one nonce before it is given the next
    #[arg(long, env = "DIALTONE_TURN_NONCE_LIFETIME", value_name = "DURATION", default_value_t = Span(Lifetimes::default().nonce))]
    pub(super) nonce_lifetime: Span,
}

/// Whom clients may reach.
#[derive(clap::Args)]
#[command(next_help_heading = "Peers")]
pub(super) struct PeerOptions {
    /// Private network or address that clients may reach all the same; the relay's own address counts as private
    /// (repeatable; variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_ALLOW_PEER", value_name = "CIDR", value_delimiter = ',', value_parser = parse_net)]
    pub(super) allow_peer: Vec<IpNet>,

    /// Network or address that clients may never reach, whatever --allow-peer opens, such as public addresses of your
    /// own services (repeatable; variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_DENY_PEER", value_name = "CIDR", value_delimiter = ',', value_parser = parse_net)]
    pub(super) deny_peer: Vec<IpNet>,
}

/// How much one client, one source and all together may take.
#[derive(clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitOptions {
    /// Most allocations at a time
    #[arg(long, env = "DIALTONE_TURN_MAX_ALLOCATIONS", value_name = "N", default_value_t = Limits::default().max_allocations)]
    pub(super) max_allocations: usize,

    /// Most allocations at a time for one user
    #[arg(long, env = "DIALTONE_TURN_MAX_ALLOCATIONS_PER_USER", value_name = "N", default_value_t = Limits::default().max_allocations_per_user)]
    pub(super) max_allocations_per_user: usize,

    /// Most allocations at a time for one source, an IPv4 address or an IPv6 network of 64 bits
    #[arg(long, env = "DIALTONE_TURN_MAX_ALLOCATIONS_PER_IP", value_name = "N", default_value_t = Limits::default().max_allocations_per_ip)]
    pub(super) max_allocations_per_ip: usize,

    /// Most peer addresses that one allocation may open
    #[arg(long, env = "DIALTONE_TURN_PERMISSIONS_PER_ALLOCATION", value_name = "N", default_value_t = Limits::default().permissions_per_allocation)]
    pub(super) permissions_per_allocation: usize,

    /// Most channels that one allocation may bind
    #[arg(long, env = "DIALTONE_TURN_CHANNELS_PER_ALLOCATION", value_name = "N", default_value_t = Limits::default().channels_per_allocation)]
    pub(super) channels_per_allocation: usize,

    /// Most TCP and TLS connections at a time, for each address that is listened on; 0: no such connections, only UDP
    #[arg(long, env = "DIALTONE_TURN_MAX_STREAMS", value_name = "N", default_value_t = Limits::default().max_streams)]
    pub(super) max_streams: usize,

    /// Most TCP and TLS connections without an allocation at a time from one source
    #[arg(long, env = "DIALTONE_TURN_MAX_STREAMS_PER_IP", value_name = "N", default_value_t = Limits::default().max_streams_per_ip)]
    pub(super) max_streams_per_ip: usize,

    /// Answers per second to one source that has not proved who it is; what goes beyond gets none. 0: no limit
    #[arg(long, env = "DIALTONE_TURN_UNAUTHENTICATED_RATE", value_name = "N", default_value_t = Limits::default().unauthenticated_per_second)]
    pub(super) unauthenticated_rate: u32,

    /// Most bits per second that one allocation may carry each way, headers included, such as 800k, 1.5M or 2G; 0: no
    /// limit
    #[arg(long, env = "DIALTONE_TURN_MAX_BITRATE", value_name = "RATE", default_value_t = BitRate(Limits::default().max_bitrate))]
    pub(super) max_bitrate: BitRate,

    /// The same for all allocations together
    #[arg(long, env = "DIALTONE_TURN_MAX_TOTAL_BITRATE", value_name = "RATE", default_value_t = BitRate(Limits::default().max_total_bitrate))]
    pub(super) max_total_bitrate: BitRate,

    /// How long an allocation lives when its client asks for no or a shorter time, such as 600s, 10m or 1h
    #[arg(long, env = "DIALTONE_TURN_DEFAULT_LIFETIME", value_name = "DURATION", default_value_t = Span(Lifetimes::default().allocation))]
    pub(super) default_lifetime: Span,

    /// The longest time that a client is given before it has to refresh its allocation
    #[arg(long, env = "DIALTONE_TURN_MAX_LIFETIME", value_name = "DURATION", default_value_t = Span(Lifetimes::default().max_allocation))]
    pub(super) max_lifetime: Span,
}

/// How the program runs.
#[derive(clap::Args)]
#[command(next_help_heading = "Operation")]
pub(super) struct OperationOptions {
    /// File with options, TOML; its keys are the long options without their dashes. The command line and the
    /// environment win over it
    #[arg(long, env = "DIALTONE_TURN_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Read everything, say what it comes to, and exit without serving
    #[arg(long)]
    pub(super) check_config: bool,

    /// Threads that relay; 0: one for each CPU
    #[arg(long, env = "DIALTONE_TURN_WORKERS", value_name = "N", default_value_t = 0)]
    pub(super) workers: u8,

    /// How long SIGINT and SIGTERM wait for allocations to end, while no new ones are made; a second signal stops at
    /// once
    #[arg(long, env = "DIALTONE_TURN_DRAIN", value_name = "DURATION", default_value = "0s")]
    pub(super) drain: Span,

    /// Relay where clients over UDP and TCP are sent while this one drains, one address of each family (repeatable;
    /// variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_ALTERNATE_SERVER", value_name = "ADDR", value_delimiter = ',', value_parser = parse_exact)]
    pub(super) alternate_server: Vec<SocketAddr>,

    /// The same for clients over TLS, which go on with TLS there (repeatable; variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_ALTERNATE_TLS_SERVER", value_name = "ADDR", value_delimiter = ',', value_parser = parse_exact)]
    pub(super) alternate_tls_server: Vec<SocketAddr>,

    /// How the relay calls itself in its answers to clients that have logged in; empty (not as a variable): not at all
    #[arg(long, env = "DIALTONE_TURN_SOFTWARE", value_name = "TEXT", value_parser = parse_software, default_value_t = Config::default().software)]
    pub(super) software: String,

    /// What to log, as `level` or `target=level,...`; goes to standard error
    #[arg(long, env = "DIALTONE_TURN_LOG", value_name = "FILTER", value_parser = parse_log, default_value = "info")]
    pub(super) log: String,
}
