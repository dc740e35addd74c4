//! Asks STUN and TURN servers directly, to find out why ICE found nothing through them.
//!
//! ICE keeps to itself what a server said: a wrong password, a full relay and a closed port all end as "no candidate".
//! Here each server is asked once more, alone, and its own words are kept.
//!
//! * `request`: the messages (RFC 8489, RFC 8656);
//! * `dialogue`: the brain of one conversation;
//! * this file: name resolution and sockets, which decide nothing.

mod dialogue;
mod request;
#[cfg(test)]
#[cfg(feature = "embedded")]
mod tests;

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    net::{UdpSocket, lookup_host},
    task::JoinSet,
    time::timeout_at,
};

use self::dialogue::{Dialogue, Finding, Goal};
use crate::{
    clock,
    report::{ProbeOutcome, ProbeReport},
    rtc::{IceServer, ServerUrl},
};

/// More servers than this are not asked; a browser complains about more than four.
const MAX_SERVERS: usize = 16;

/// More addresses of the other side than this are not asked about.
const MAX_PEERS: usize = 16;

/// What may be left of a conversation when its time is over: giving an allocation back.
const GRACE: Duration = Duration::from_secs(1);

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 2048;

/// Asks every `stun:` and `turn:` url of `servers` over UDP, all at the same time, each for at most `limit` (and a
/// second more to give an allocation back). A TURN server is also asked whether it relays to `peers`, the addresses of
/// the other side; those of another family than the relayed address do not count, and it is refused only when it takes
/// none of them. The answers are in the order of the
/// urls.
///
/// Urls that a [`Peer`](crate::rtc::Peer) cannot use (over TCP or TLS, malformed, TURN without a login) are left out,
/// and so is what goes beyond 16 urls or 16 peers.
pub async fn probe(servers: &[IceServer], peers: &[SocketAddr], limit: Duration) -> Vec<ProbeReport> {
    let mut peers: Vec<_> = peers.to_vec();
    peers.dedup();
    peers.truncate(MAX_PEERS);
    let targets = servers.iter().flat_map(|server| server.urls.iter().map(move |url| (server, url)));
    let targets = targets.filter_map(|(server, url)| Target::new(url, server, &peers));

    let mut conversations = JoinSet::new();
    for (index, target) in targets.take(MAX_SERVERS).enumerate() {
        conversations.spawn(async move { (index, target.ask(limit).await) });
    }
    let mut reports = Vec::new();
    while let Some(ended) = conversations.join_next().await {
        match ended {
            Ok(report) => reports.push(report),
            Err(error) => tracing::error!(%error, "a probe ended without a report"),
        }
    }
    reports.sort_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// One server.
struct Target {
    /// As it was given.
    given: String,
    url: ServerUrl,
    goal: Goal,
}

impl Target {
    fn new(given: &str, server: &IceServer, peers: &[SocketAddr]) -> Option<Self> {
        let url = match ServerUrl::parse(given, server) {
            Ok(url) => url,
            Err(reason) => {
                tracing::debug!(%reason, "not probed");
                return None;
            }
        };
        let goal = if url.relay {
            Goal::Relay {
                username: server.username.clone()?,
                credential: server.credential.clone()?,
                peers: peers.to_vec(),
            }
        } else {
            Goal::Binding
        };
        Some(Self { given: given.trim().to_owned(), url, goal })
    }

    async fn ask(self, limit: Duration) -> ProbeReport {
        let begun = clock::now();
        let end = begun + limit;
        let Self { given, url, goal } = self;
        let server = url.to_string();
        let finding = match connect(&url, end).await {
            Ok(socket) => {
                let dialogue = Dialogue::start(clock::now(), server.clone(), goal, end, ids());
                let over = tokio::time::Instant::from_std(end + GRACE);
                timeout_at(over, converse(&socket, dialogue)).await.unwrap_or_else(|_| {
                    without(ProbeOutcome::Unreachable, format!("{server} could not be asked: nothing can be sent"))
                })
            }
            Err(NoSocket { outcome, why }) => without(outcome, format!("{server} {why}")),
        };
        let Finding { outcome, message, mapped, relayed } = finding;
        tracing::debug!(?outcome, said = message, "probed");
        ProbeReport {
            url: given,
            outcome,
            message,
            took_ms: clock::millis(clock::now().saturating_duration_since(begun)),
            mapped: mapped.map(|address| address.to_string()),
            relayed: relayed.map(|address| address.to_string()),
        }
    }
}

/// Why there is nothing to talk through.
struct NoSocket {
    outcome: ProbeOutcome,
    why: String,
}

/// A socket that hears this server alone, and what ICMP says about it.
async fn connect(url: &ServerUrl, end: Instant) -> Result<UdpSocket, NoSocket> {
    let unknown = |why| NoSocket { outcome: ProbeOutcome::UnknownHost, why };
    let ServerUrl { host, port, .. } = url;
    let addresses = match timeout_at(end.into(), lookup_host((host.as_str(), *port))).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(unknown(format!("has a name that cannot be resolved: {error}"))),
        Err(_) => return Err(unknown("has a name that no name server has resolved in time".to_owned())),
    };
    let mut last = None;
    for address in addresses {
        match socket(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => NoSocket {
            outcome: ProbeOutcome::Unreachable,
            why: format!("cannot be reached from this machine: {error}"),
        },
        None => unknown("has a name without an address".to_owned()),
    })
}

async fn socket(server: SocketAddr) -> io::Result<UdpSocket> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    Ok(socket)
}

async fn converse(socket: &UdpSocket, mut dialogue: Dialogue) -> Finding {
    let mut answer = [0; MAX_ANSWER];
    loop {
        while let Some(datagram) = dialogue.poll_transmit() {
            // A connected socket reports here what ICMP said about an earlier datagram.
            if let Err(error) = socket.send(&datagram).await {
                tracing::debug!(%error, "a request was not sent");
                dialogue.unreachable(clock::now());
            }
        }
        if let Some(finding) = dialogue.finding() {
            return finding.clone();
        }
        tokio::select! {
            received = socket.recv(&mut answer) => match received {
                Ok(len) => dialogue.received(clock::now(), &answer[..len]),
                Err(error) => {
                    tracing::debug!(%error, "the server cannot be reached");
                    dialogue.unreachable(clock::now());
                }
            },
            () = clock::until(dialogue.poll_timeout()) => dialogue.handle_timeout(clock::now()),
        }
    }
}

fn without(outcome: ProbeOutcome, message: String) -> Finding {
    Finding { outcome, message, mapped: None, relayed: None }
}

/// Transaction ids from the standard library's hash keys, which come from the operating system.
fn ids() -> dialogue::Ids {
    let state = RandomState::new();
    let mut count = 0_u64;
    Box::new(move || {
        let mut id = [0; 12];
        for chunk in id.chunks_mut(4) {
            count += 1;
            let mut hasher = state.build_hasher();
            hasher.write_u64(count);
            chunk.copy_from_slice(&(hasher.finish() as u32).to_be_bytes());
        }
        id
    })
}
