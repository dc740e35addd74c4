//! The hands of the discovery: names and sockets.

use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::discovery::{Discovery, Leg, Transmit};
use super::wire::random_ids;
use super::{Family, NatReport};
use crate::clock::{now, until};
use crate::network::local_towards;
use crate::rtc::{IceServer, ServerUrl};

/// More addresses than this are not asked, over all servers.
const MAX_ADDRESSES: usize = 4;
/// Of one server.
const MAX_OF_ONE: usize = 2;
/// The largest datagram that is read, in bytes.
const MAX_DATAGRAM: usize = 2048;
/// Datagrams that may wait to be judged.
const QUEUE: usize = 64;
/// A socket that fails so often in a row is not read any more.
const MAX_FAILURES: u32 = 16;

/// A STUN server as a person names it: `host`, `host:port`, an IPv6 address with brackets where a port follows; `stun:`
/// in front is taken too. The port is 3478 where none is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StunServer {
    host: String,
    port: u16,
}

/// What is no STUN server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a STUN server; write something like stun.example.org, 203.0.113.10:3478 or [2001:db8::10]:3478"
)]
pub struct StunServerError {
    /// What was given.
    pub text: String,
}

impl FromStr for StunServer {
    type Err = StunServerError;

    fn from_str(text: &str) -> Result<Self, StunServerError> {
        let trimmed = text.trim();
        let url = if trimmed.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("stun:")) {
            trimmed.to_owned()
        } else if trimmed.parse::<Ipv6Addr>().is_ok() {
            format!("stun:[{trimmed}]")
        } else {
            format!("stun:{trimmed}")
        };
        let url = ServerUrl::parse(&url, &IceServer::default());
        let ServerUrl { host, port, .. } = url.map_err(|_| StunServerError { text: text.to_owned() })?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for StunServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Why nothing could be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatError {
    /// None of the names has an address.
    #[error("the STUN server {server} has a name that cannot be resolved ({reason}); check its spelling and the DNS")]
    UnknownHost {
        /// The first server.
        server: String,
        /// The resolver's words.
        reason: String,
    },
}

/// Asks `servers` over UDP, all within `limit`. The family of addresses is that of the first address to which this
/// machine has a route; where there is a route to none, UDP counts as blocked.
///
/// # Errors
/// [`NatError::UnknownHost`] where no server has an address.
pub async fn probe(servers: &[StunServer], limit: Duration) -> Result<NatReport, NatError> {
    let end = now() + limit;
    let mut found = Vec::new();
    let mut unknown = None;
    for server in servers {
        match resolve(server, end).await {
            Ok(addresses) => found.push(addresses),
            Err(reason) => {
                tracing::debug!(%server, reason, "not resolved");
                unknown.get_or_insert((server, reason));
            }
        }
    }
    let routed = found.iter().flatten().copied().find(|address| local_towards(*address).is_ok());
    let Some(first) = routed.or_else(|| found.iter().flatten().copied().next()) else {
        let (server, reason) = unknown.map_or_else(Default::default, |(server, why)| (server.to_string(), why));
        return Err(NatError::UnknownHost { server, reason });
    };
    let family = Family::of(first);
    let mut asked: Vec<SocketAddr> = Vec::new();
    for addresses in found {
        let of_family = addresses.into_iter().filter(|address| Family::of(*address) == family);
        asked.extend(of_family.take(MAX_OF_ONE));
    }
    Ok(discover(&asked, end).await)
}

/// Asks these addresses, which are of one family and not empty; the answers that have not come at `end` are missing.
pub(crate) async fn discover(servers: &[SocketAddr], end: Instant) -> NatReport {
    let mut asked: Vec<SocketAddr> = Vec::new();
    for server in servers {
        if !asked.contains(server) && asked.len() < MAX_ADDRESSES {
            asked.push(*server);
        }
    }
    let Some(first) = asked.first() else {
        return NatReport::blocked(Family::Ipv4, Vec::new(), "There is no STUN server to ask.".to_owned());
    };
    let legs = match local_towards(*first) {
        Ok(local) => Legs::bind(local).await,
        Err(error) => Err(error),
    };
    match legs {
        Ok(legs) => {
            let discovery = Discovery::start(now(), legs.local, &asked, end, random_ids());
            legs.drive(discovery).await
        }
        Err(error) => {
            let note = format!("Nothing can be sent from here to {first}: {error}.");
            NatReport::blocked(Family::of(*first), Vec::new(), note)
        }
    }
}

async fn resolve(server: &StunServer, end: Instant) -> Result<Vec<SocketAddr>, String> {
    let addresses = match timeout_at(end.into(), lookup_host((server.host.as_str(), server.port))).await {
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("no name server answered in time".to_owned()),
    };
    if addresses.is_empty() { Err("the name has no address".to_owned()) } else { Ok(addresses) }
}

/// The sockets, and the tasks that read them.
struct Legs {
    /// Where the mapping socket is bound.
    local: SocketAddr,
    sockets: Vec<(Leg, Arc<UdpSocket>)>,
    inbox: mpsc::Receiver<Datagram>,
    /// Ends the tasks when it is dropped.
    _readers: JoinSet<()>,
}

/// What came, to which socket and from where.
type Datagram = (Leg, SocketAddr, Vec<u8>);

impl Legs {
    async fn bind(local: SocketAddr) -> io::Result<Self> {
        let (inlet, inbox) = mpsc::channel(QUEUE);
        let mut readers = JoinSet::new();
        let mut sockets = Vec::new();
        for leg in Leg::ALL {
            let socket = Arc::new(UdpSocket::bind(local).await?);
            readers.spawn(read(leg, Arc::clone(&socket), inlet.clone()));
            sockets.push((leg, socket));
        }
        let mapping = sockets.iter().find(|(leg, _)| *leg == Leg::Mapping);
        let local = match mapping {
            Some((_, socket)) => socket.local_addr()?,
            None => local,
        };
        Ok(Self { local, sockets, inbox, _readers: readers })
    }

    async fn drive(mut self, mut discovery: Discovery) -> NatReport {
        loop {
            while let Some(transmit) = discovery.poll_transmit() {
                send(&self.sockets, &transmit).await;
            }
            if let Some(report) = discovery.report() {
                return report.clone();
            }
            tokio::select! {
                Some((leg, from, datagram)) = self.inbox.recv() => discovery.received(now(), leg, from, &datagram),
                () = until(discovery.poll_timeout()) => discovery.handle_timeout(now()),
            }
        }
    }
}

/// What cannot be sent is missed like anything else that does not arrive.
async fn send(sockets: &[(Leg, Arc<UdpSocket>)], transmit: &Transmit) {
    for (_, socket) in sockets.iter().filter(|(leg, _)| *leg == transmit.leg) {
        if let Err(error) = socket.send_to(&transmit.bytes, transmit.to).await {
            tracing::debug!(%error, leg = ?transmit.leg, "a request was not sent");
        }
    }
}

async fn read(leg: Leg, socket: Arc<UdpSocket>, inlet: mpsc::Sender<Datagram>) {
    let mut buffer = [0; MAX_DATAGRAM];
    let mut failures = 0;
    while failures < MAX_FAILURES {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                failures = 0;
                if inlet.send((leg, from, buffer[..length].to_vec())).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                failures += 1;
                tracing::debug!(%error, ?leg, "nothing could be received");
            }
        }
    }
}

#[cfg(test)]
mod tests;
