//! Asks STUN and TURN servers directly, to find out why ICE found nothing through them, or lost what it had.
//!
//! ICE keeps to itself what a server said: a wrong password, a full relay and a closed port all end as "no candidate".
//! Here each server is asked once more, alone, and its own words are kept.
//!
//! * `request`: the messages (RFC 8489, RFC 8656);
//! * `dialogue`: the brain of one conversation;
//! * `addresses`: which addresses of a name are asked, and what they come to together;
//! * `link`: datagrams and streams, which decide nothing; this file: who talks to whom, and for how long.

mod addresses;
mod dialogue;
mod link;
pub(crate) mod rehearsal;
mod request;
#[cfg(test)]
#[cfg(feature = "embedded")]
mod tests;

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::lookup_host, task::JoinSet, time::timeout_at};

use self::{
    addresses::Asked,
    dialogue::{Dialogue, Finding, Goal},
    link::{Broken, Fault, Link},
};
use crate::{
    clock,
    report::{ProbeOutcome, ProbeReport},
    rtc::{IceServer, Over, ServerUrl},
    signaling::tls_config,
};

/// More servers than this are not asked; a browser complains about more than four.
const MAX_SERVERS: usize = 16;

/// More addresses of the other side than this are not asked about.
const MAX_PEERS: usize = 16;

/// What may be left of a conversation when its time is over: giving an allocation back.
const GRACE: Duration = Duration::from_secs(1);

/// Asks every url of `servers`, over UDP, TCP or TLS as it says, all at the same time, each for at most `limit` (and a
/// second more to give an allocation back). All addresses of a name are asked, up to four; it is enough when one of
/// them answers, and the others are named. A TURN server is also asked whether it relays to `peers`, the addresses of
/// the other side; those of another family than the relayed address do not count, and it is refused only when it takes
/// none of them. The answers are in the order of the urls.
///
/// `tls` says whom to trust for TLS; `None` stands for the certificates of this system.
///
/// Urls that a [`Peer`](crate::rtc::Peer) cannot use (malformed, STUN over TCP or TLS, TURN without a login) are left
/// out, and so is what goes beyond 16 urls or 16 peers.
pub async fn probe(
    servers: &[IceServer],
    peers: &[SocketAddr],
    limit: Duration,
    tls: Option<&Arc<rustls::ClientConfig>>,
) -> Vec<ProbeReport> {
    let mut peers: Vec<_> = peers.to_vec();
    peers.dedup();
    peers.truncate(MAX_PEERS);
    let targets = servers.iter().flat_map(|server| server.urls.iter().map(move |url| (server, url)));
    let targets = targets.filter_map(|(server, url)| Target::new(url, server, &peers));
    let targets: Vec<_> = targets.take(MAX_SERVERS).collect();
    let secure = targets.iter().any(|target| target.url.over == Over::Tls);
    let tls = tls.cloned().or_else(|| secure.then(of_this_system).flatten());

    let mut conversations = JoinSet::new();
    for (index, target) in targets.into_iter().enumerate() {
        let tls = tls.clone();
        conversations.spawn(async move { (index, target.ask(limit, tls).await) });
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

fn of_this_system() -> Option<Arc<rustls::ClientConfig>> {
    tls_config(None).inspect_err(|error| tracing::warn!(%error, "no certificates to trust")).ok()
}

/// One server.
#[derive(Clone)]
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

    async fn ask(self, limit: Duration, tls: Option<Arc<rustls::ClientConfig>>) -> ProbeReport {
        let begun = clock::now();
        let end = begun + limit;
        let given = self.given.clone();
        let (finding, took) = match self.resolve(end).await {
            Ok(addresses) => self.ask_all(addresses, begun, end, tls).await,
            Err(why) => (self.without(ProbeOutcome::UnknownHost, &why), clock::now().saturating_duration_since(begun)),
        };
        let Finding { outcome, message, mapped, relayed } = finding;
        tracing::debug!(?outcome, said = message, "probed");
        ProbeReport {
            url: given,
            outcome,
            message,
            took_ms: clock::millis(took),
            mapped: mapped.map(|address| address.to_string()),
            relayed: relayed.map(|address| address.to_string()),
        }
    }

    /// The addresses to ask, or why there are none, which goes on from the server's name.
    async fn resolve(&self, end: Instant) -> Result<Vec<SocketAddr>, String> {
        let ServerUrl { host, port, .. } = &self.url;
        let found = match timeout_at(end.into(), lookup_host((host.as_str(), *port))).await {
            Ok(Ok(addresses)) => addresses::choose(addresses),
            Ok(Err(error)) => return Err(format!("has a name that cannot be resolved: {error}")),
            Err(_) => return Err("has a name that no name server has resolved in time".to_owned()),
        };
        if found.is_empty() { Err("has a name without an address".to_owned()) } else { Ok(found) }
    }

    async fn ask_all(
        self,
        addresses: Vec<SocketAddr>,
        begun: Instant,
        end: Instant,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> (Finding, Duration) {
        let mut conversations = JoinSet::new();
        for (index, address) in addresses.into_iter().enumerate() {
            let (target, tls) = (self.clone(), tls.clone());
            conversations.spawn(async move {
                let finding = target.ask_one(address, end, tls.as_ref()).await;
                let took = clock::now().saturating_duration_since(begun);
                (index, Asked { address, finding, took })
            });
        }
        let mut asked = conversations.join_all().await;
        asked.sort_by_key(|(index, _)| *index);
        let asked = asked.into_iter().map(|(_, asked)| asked).collect();
        let nobody = || (self.without(ProbeOutcome::Unreachable, "was not asked"), Duration::ZERO);
        addresses::together(asked).unwrap_or_else(nobody)
    }

    async fn ask_one(self, address: SocketAddr, end: Instant, tls: Option<&Arc<rustls::ClientConfig>>) -> Finding {
        let link = match timeout_at(end.into(), Link::open(&self.url, address, tls)).await {
            Ok(Ok(link)) => link,
            Ok(Err(Broken { outcome, why })) => return self.without(outcome, &why),
            Err(_) => return self.without(ProbeOutcome::Unreachable, "did not answer: no connection came about"),
        };
        let stuck = self.without(ProbeOutcome::Unreachable, "could not be asked: nothing can be sent");
        let Self { url, goal, .. } = self;
        let dialogue = Dialogue::start(clock::now(), url.to_string(), goal, url.over, end, ids());
        let over = tokio::time::Instant::from_std(end + GRACE);
        timeout_at(over, converse(link, dialogue)).await.unwrap_or(stuck)
    }

    fn without(&self, outcome: ProbeOutcome, why: &str) -> Finding {
        Finding { outcome, message: format!("{} {why}", self.url), mapped: None, relayed: None }
    }
}

async fn converse(mut link: Link, mut dialogue: Dialogue) -> Finding {
    loop {
        while let Some(message) = dialogue.poll_transmit() {
            if let Err(fault) = link.send(&message).await {
                failed(&mut dialogue, fault);
            }
        }
        if let Some(finding) = dialogue.finding() {
            return finding.clone();
        }
        tokio::select! {
            received = link.receive() => match received {
                Ok(message) => dialogue.received(clock::now(), &message),
                Err(fault) => failed(&mut dialogue, fault),
            },
            () = clock::until(dialogue.poll_timeout()) => dialogue.handle_timeout(clock::now()),
        }
    }
}

fn failed(dialogue: &mut Dialogue, fault: Fault) {
    match fault {
        Fault::Icmp(error) => {
            tracing::debug!(%error, "the server cannot be reached");
            dialogue.unreachable(clock::now());
        }
        Fault::Broken(Broken { outcome, why }) => dialogue.broken(outcome, why),
    }
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
