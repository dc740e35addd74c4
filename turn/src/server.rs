//! A running relay: listeners bound, tasks started, and all of it stopped together.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::info;

use crate::config::Config;
use crate::io::tls::TlsError;
use crate::io::udp::{self, Listener};
use crate::io::{self as hands, Shared, stream, tls};
use crate::metrics::{Counters, Totals};
use crate::relay::{Core, Family};

/// A relay that serves until it is shut down or dropped.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    tasks: JoinSet<()>,
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
}

impl Relay {
    /// Binds every listener and starts serving. When it returns, clients can connect.
    ///
    /// # Errors
    /// A configuration that cannot work ([`SpawnError::is_usage`]), or an address that cannot be bound.
    pub async fn spawn(config: Config) -> Result<Self, SpawnError> {
        check(&config)?;
        let acceptor = load_tls(&config).await?;
        let bound = Bound::bind(&config)?;
        let mut seed = [0; 32];
        udp::fill_random(&mut seed).map_err(SpawnError::System)?;

        let counters = Arc::new(Counters::default());
        let listen = bound.udp.iter().map(Listener::local);
        let tls_listen = bound.tls.iter().map(|(local, _)| *local);
        let core = Core::new(
            config.clone(),
            listen.chain(tls_listen).collect(),
            seed,
            hands::clock().mono,
            Arc::clone(&counters),
        );
        let listeners: BTreeMap<_, _> =
            bound.udp.into_iter().map(|listener| (listener.local(), Arc::new(listener))).collect();
        let shared = Shared::new(core, &config, listeners.clone(), Arc::clone(&counters));

        let mut relay = Self {
            udp: listeners.keys().copied().collect(),
            tcp: bound.tcp.iter().map(|(local, _)| *local).collect(),
            tls: bound.tls.iter().map(|(local, _)| *local).collect(),
            tasks: JoinSet::new(),
            counters,
            shared,
        };
        for listener in listeners.into_values() {
            let shared = Arc::clone(&relay.shared);
            relay.tasks.spawn(shared.serve_udp(listener));
        }
        for (_, listener) in bound.tcp {
            let shared = Arc::clone(&relay.shared);
            relay.tasks.spawn(stream::serve(shared, listener, None));
        }
        for (_, listener) in bound.tls {
            let shared = Arc::clone(&relay.shared);
            let tls = acceptor.clone();
            relay.tasks.spawn(stream::serve(shared, listener, tls));
        }
        let shared = Arc::clone(&relay.shared);
        relay.tasks.spawn(shared.serve_timers());
        Ok(relay)
    }

    /// Where UDP clients come to, in ascending order.
    #[must_use]
    pub fn udp_addrs(&self) -> &[SocketAddr] {
        &self.udp
    }

    /// Where TCP clients come to: the same addresses.
    #[must_use]
    pub fn tcp_addrs(&self) -> &[SocketAddr] {
        &self.tcp
    }

    /// Where TLS clients come to, in the order of the configuration.
    #[must_use]
    pub fn tls_addrs(&self) -> &[SocketAddr] {
        &self.tls
    }

    /// What has been relayed so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.counters.totals()
    }

    /// Stops serving, ends every allocation, and returns once all sockets are closed.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        self.shared.close().shutdown().await;
        info!(totals = ?self.counters.totals(), "relay stopped");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Tasks and shared state hold each other: cut them apart.
        self.tasks.abort_all();
        drop(self.shared.close());
    }
}

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Nobody could use it, and an open relay is not on offer.
    #[error("no credentials: give at least one user with a password, or one shared secret")]
    NoCredentials,
    /// Nobody could reach it.
    #[error("no listening address: give at least one, for example 0.0.0.0:3478")]
    NoListener,
    /// TLS addresses without a certificate.
    #[error("TLS addresses need a certificate file and a key file")]
    NoTlsFiles,
    /// The range has no port in it.
    #[error("relay ports {first}-{last} are no range: the first is at least 1 and not above the last")]
    RelayPorts {
        /// Its first port.
        first: u16,
        /// Its last port.
        last: u16,
    },
    /// A client is told one relayed address, so the world sees one of each family.
    #[error("{first} and {second} are two public addresses of one family: give at most one IPv4 and one IPv6 address")]
    TwoPublicIps {
        /// The one given first.
        first: IpAddr,
        /// The one that is too many.
        second: IpAddr,
    },
    /// Certificate or key are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be had.
    #[error("cannot listen on {protocol}://{address}: {source}{}", hint(.source))]
    Bind {
        /// `udp`, `tcp` or `tls`.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gave no random numbers, or no thread to read files on.
    #[error("cannot start: {0}")]
    System(#[source] io::Error),
}

impl SpawnError {
    /// True when the configuration is at fault, false when the machine is.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoCredentials
            | Self::NoListener
            | Self::NoTlsFiles
            | Self::RelayPorts { .. }
            | Self::TwoPublicIps { .. }
            | Self::Tls(_) => true,
            Self::Bind { .. } | Self::System(_) => false,
        }
    }
}

/// What may help, after what the system says.
fn hint(error: &io::Error) -> &'static str {
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        "; is another program there? Stop it, or give another address (port 0 picks a free one)"
    } else if kind == io::ErrorKind::AddrNotAvailable {
        "; this machine has no such address. Where others reach it at an address that is not its own, listen on \
         0.0.0.0 and give that address as --public-ip"
    } else if kind == io::ErrorKind::PermissionDenied {
        "; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE on Linux): give a higher port"
    } else {
        ""
    }
}

fn check(config: &Config) -> Result<(), SpawnError> {
    if config.credentials.is_empty() {
        return Err(SpawnError::NoCredentials);
    }
    if config.listen.is_empty() && config.tls_listen.is_empty() {
        return Err(SpawnError::NoListener);
    }
    if !config.tls_listen.is_empty() && config.tls.is_none() {
        return Err(SpawnError::NoTlsFiles);
    }
    if let Some(range) = &config.relay_ports
        && (range.is_empty() || *range.start() == 0)
    {
        return Err(SpawnError::RelayPorts { first: *range.start(), last: *range.end() });
    }
    for (index, &second) in config.public_ip.iter().enumerate() {
        let same = config.public_ip.iter().take(index).find(|first| Family::of(**first) == Family::of(second));
        if let Some(&first) = same {
            return Err(SpawnError::TwoPublicIps { first, second });
        }
    }
    Ok(())
}

async fn load_tls(config: &Config) -> Result<Option<TlsAcceptor>, SpawnError> {
    let Some(files) = config.tls.clone() else {
        return Ok(None);
    };
    let loaded = tokio::task::spawn_blocking(move || tls::load(&files)).await;
    match loaded {
        Ok(acceptor) => Ok(Some(acceptor?)),
        Err(error) => Err(SpawnError::System(io::Error::other(error))),
    }
}

/// Listeners with the addresses they really got.
struct Bound {
    udp: Vec<Listener>,
    tcp: Vec<(SocketAddr, TcpListener)>,
    tls: Vec<(SocketAddr, TcpListener)>,
}

impl Bound {
    fn bind(config: &Config) -> Result<Self, SpawnError> {
        let mut bound = Self { udp: Vec::new(), tcp: Vec::new(), tls: Vec::new() };
        for &address in &config.listen {
            let (udp, tcp) = bind_both(address)?;
            bound.udp.push(udp);
            bound.tcp.push(tcp);
        }
        for &address in &config.tls_listen {
            bound.tls.push(bind_stream("tls", address)?);
        }
        Ok(bound)
    }
}

type BoundPair = (Listener, (SocketAddr, TcpListener));

/// UDP and TCP on the same port. A port the system picked for one may be taken for the other: ask again.
fn bind_both(address: SocketAddr) -> Result<BoundPair, SpawnError> {
    let mut tries = if address.port() == 0 { 32 } else { 1 };
    loop {
        tries -= 1;
        let udp = bind_udp(address)?;
        match bind_stream("tcp", udp.local()) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

fn bind_udp(address: SocketAddr) -> Result<Listener, SpawnError> {
    Listener::bind(address).map_err(|source| SpawnError::Bind { protocol: "udp", address, source })
}

fn bind_stream(protocol: &'static str, address: SocketAddr) -> Result<(SocketAddr, TcpListener), SpawnError> {
    stream::bind(address)
        .and_then(|listener| Ok((listener.local_addr()?, listener)))
        .map_err(|source| SpawnError::Bind { protocol, address, source })
}
