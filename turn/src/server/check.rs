//! What makes a configuration impossible, and what to do about it.

mod clash;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use self::clash::clash;
use crate::config::Config;
use crate::io::tls::{Identity, TlsError};
use crate::relay::Family;

/// Most workers there can be: a packet's way from one to another is told by one byte.
const MAX_WORKERS: usize = 250;

/// What the operator's port speaks.
const ADMIN: &str = "http";

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
    /// Nobody could be sent there.
    #[error(
        "{ip} cannot be the public address of a relay: give the one address that others reach it at, such as \
         203.0.113.7"
    )]
    PublicIp {
        /// The one that is no address of one machine.
        ip: IpAddr,
    },
    /// The system gives an address and a port away once.
    #[error("{first} and {second} cannot both be listened on: give one of them another port")]
    Clash {
        /// The one given first with its protocol (`udp`, `tcp`, `tls` or `http`), such as `tcp://127.0.0.1:3478`.
        first: String,
        /// The one that does not fit beside it.
        second: String,
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
    /// Discovery tells clients the addresses that are bound, which nobody outside could reach here.
    #[error(
        "NAT behaviour discovery does not work behind a NAT: it would tell clients {first}, which the world sees as \
         {public}; leave out --discovery, or bind the public addresses themselves"
    )]
    DiscoveryBehindNat {
        /// The first listening address.
        first: SocketAddr,
        /// What the world sees.
        public: IpAddr,
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
    #[error("cannot listen on {protocol}://{address}: {source}{}", hint(.protocol, .source))]
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
            | Self::PublicIp { .. }
            | Self::Clash { .. }
            | Self::Discovery { .. }
            | Self::DiscoveryBehindNat { .. }
            | Self::TwoAlternates { .. }
            | Self::Workers { .. }
            | Self::Tls(_) => true,
            Self::Bind { .. } | Self::System(_) => false,
        }
    }
}

/// What may help, after what the system says.
fn hint(protocol: &str, error: &io::Error) -> &'static str {
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        "; is another program there? Stop it, or give another address (port 0 picks a free one)"
    } else if kind == io::ErrorKind::AddrNotAvailable && protocol == ADMIN {
        // It is for the operator alone: no advice to open it to the world.
        "; this machine has no such address. Give one that it has, such as 127.0.0.1:9641"
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
    if let Some(&ip) = config.public_ip.iter().find(|ip| !is_one_machine(**ip)) {
        return Err(SpawnError::PublicIp { ip });
    }
    if let Some((first, second)) = same_family(&config.public_ip, |ip| *ip) {
        return Err(SpawnError::TwoPublicIps { first, second });
    }
    for servers in [&config.alternate_server, &config.alternate_tls_server] {
        if let Some((first, second)) = same_family(servers, SocketAddr::ip) {
            return Err(SpawnError::TwoAlternates { first, second });
        }
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
        let public = config.public_ip.iter().find(|public| Family::of(**public) == Family::of(first.ip()));
        if let Some(&public) = public.filter(|public| **public != first.ip()) {
            return Err(SpawnError::DiscoveryBehindNat { first, public });
        }
    }
    if let Some((first, second)) = clash(config) {
        return Err(SpawnError::Clash { first: first.to_string(), second: second.to_string() });
    }
    workers(config)?;
    let files = config.tls.as_ref().filter(|_| !config.tls_listen.is_empty());
    Ok(files.map(Identity::load).transpose()?)
}

/// False for addresses that stand for all machines, for many, or for none in particular, in either spelling.
fn is_one_machine(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_address_is_that_of_one_machine() {
        for text in ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "::ffff:0.0.0.0"] {
            let public_ip = vec![text.parse().unwrap()];
            let error = prepare(&Config { public_ip, ..usable() }).unwrap_err();
            assert!(matches!(error, SpawnError::PublicIp { .. }) && error.is_usage(), "{text}: {error}");
            assert!(error.to_string().starts_with(text), "{error}");
        }
        let public_ip = vec!["203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        assert!(prepare(&Config { public_ip, ..usable() }).is_ok());
    }

    #[test]
    fn clash_is_told_with_both_addresses_and_protocols() {
        let admin = usable().listen.first().copied();
        let error = prepare(&Config { admin, ..usable() }).unwrap_err();
        assert!(error.is_usage());
        let error = error.to_string();
        assert!(error.starts_with("tcp://127.0.0.1:3478 and http://127.0.0.1:3478 "), "{error}");
    }

    #[test]
    fn nobody_is_advised_to_open_the_admin_port_to_the_world() {
        let text = |protocol| {
            let source = io::ErrorKind::AddrNotAvailable.into();
            SpawnError::Bind { protocol, address: SocketAddr::from(([203, 0, 113, 7], 9641)), source }.to_string()
        };
        assert!(text("udp").contains("0.0.0.0") && text("udp").contains("--public-ip"), "{}", text("udp"));
        let admin = text(ADMIN);
        assert!(!admin.contains("0.0.0.0") && !admin.contains("--public-ip"), "{admin}");
        assert!(admin.contains("127.0.0.1"), "{admin}");
    }

    fn usable() -> Config {
        let mut config = Config::default();
        config.credentials.users.insert("alice".to_owned(), "pw".to_owned());
        config
    }
}
