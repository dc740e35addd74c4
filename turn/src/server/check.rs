//! What makes a configuration impossible, and what to do about it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::config::Config;
use crate::io::tls::{Identity, TlsError};
use crate::relay::Family;

/// Most workers there can be: a packet's way from one to another is told by one byte.
const MAX_WORKERS: usize = 250;

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
    /// Discovery needs two addresses that differ in everything but their family.
    #[error(
        "{second} cannot be the second address for NAT behaviour discovery beside {first}: give another IP address of \
         the same family and another port, none of them a wildcard"
    )]
    Discovery {
        /// The first listening address.
        first: SocketAddr,
        /// The one that does not fit.
        second: SocketAddr,
    },
    /// A client is sent to one address of its own family.
    #[error("{first} and {second} are two alternate servers of one family: give at most one IPv4 and one IPv6 address")]
    TwoAlternates {
        /// The one given first.
        first: SocketAddr,
        /// The one that is too many.
        second: SocketAddr,
    },
    /// More threads than can be told apart.
    #[error("{got} workers are too many: give at most {MAX_WORKERS}")]
    Workers {
        /// The number given.
        got: usize,
    },
    /// Certificate or key are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be had.
    #[error("cannot listen on {protocol}://{address}: {source}{}", hint(.source))]
    Bind {
        /// `udp`, `tcp`, `tls` or `http`.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gave no random numbers, no thread, or no way to wait for sockets.
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
            | Self::Discovery { .. }
            | Self::TwoAlternates { .. }
            | Self::Workers { .. }
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

/// Everything that can be found out about a configuration before its sockets are bound.
pub(super) fn prepare(config: &Config) -> Result<Option<Arc<Identity>>, SpawnError> {
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
    if let Some((first, second)) = same_family(&config.public_ip, |ip| *ip) {
        return Err(SpawnError::TwoPublicIps { first, second });
    }
    if let Some((first, second)) = same_family(&config.alternate_server, SocketAddr::ip) {
        return Err(SpawnError::TwoAlternates { first, second });
    }
    if let Some(second) = config.discovery {
        let first = config.listen.first().copied().ok_or(SpawnError::NoListener)?;
        let fits = Family::of(first.ip()) == Family::of(second.ip())
            && first.ip() != second.ip()
            && (first.port() != second.port() || first.port() == 0)
            && !first.ip().is_unspecified()
            && !second.ip().is_unspecified();
        if !fits {
            return Err(SpawnError::Discovery { first, second });
        }
    }
    workers(config)?;
    let files = config.tls.as_ref().filter(|_| !config.tls_listen.is_empty());
    Ok(files.map(Identity::load).transpose()?)
}

/// Two entries of one family.
fn same_family<T: Copy>(all: &[T], ip: impl Fn(&T) -> IpAddr) -> Option<(T, T)> {
    all.iter().enumerate().find_map(|(index, second)| {
        let mut before = all.iter().take(index);
        let first = before.find(|first| Family::of(ip(first)) == Family::of(ip(second)))?;
        Some((*first, *second))
    })
}

/// How many threads relay.
pub(super) fn workers(config: &Config) -> Result<usize, SpawnError> {
    match config.workers {
        0 if cfg!(target_os = "linux") => {
            Ok(std::thread::available_parallelism().map_or(1, |cpus| cpus.get().min(MAX_WORKERS)))
        }
        // Elsewhere the system does not share clients out.
        0 => Ok(1),
        got if got > MAX_WORKERS => Err(SpawnError::Workers { got }),
        some => Ok(some),
    }
}
