//! Everything behind the STUN and TURN servers, all at the same time: what they answer, what the NAT does, IPv6, and
//! how long a packet may be.
//!
//! * `checks`: what is done about each; `words`: what it comes to in one line;
//! * this file: which checks there are.

mod checks;
mod words;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use self::checks::{ipv4, ipv6, path_mtu, relay, stun};
use self::words::{is_public, sends_from};
use super::Check;
use super::verdict::{Evidence, Relay};
use crate::clock::now;
use crate::nat::NatReport;
use crate::network::local_towards;
use crate::rtc::{IceServer, Over, ServerUrl};

/// More urls than this are not looked at.
const MAX_URLS: usize = 16;

/// Somewhere in each family of addresses, to see from which address this machine would send there; nothing is sent.
const SOMEWHERE_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), 9);
const SOMEWHERE_V6: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888)), 9);

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Network {
    public: bool,
    ipv4: Option<NatReport>,
    ipv6: Option<NatReport>,
    stun: Vec<bool>,
    relays: Vec<Relay>,
    /// In bytes; `None` where it was not measured.
    pub(super) path_mtu: Option<u16>,
}

impl Network {
    /// Says what decides how calls will go.
    pub(super) fn testify(self, evidence: &mut Evidence) {
        let Self { public, ipv4, ipv6, stun, relays, path_mtu: _ } = self;
        (evidence.public, evidence.ipv4, evidence.ipv6) = (public, ipv4, ipv6);
        (evidence.stun, evidence.relays) = (stun, relays);
    }
}

/// One url of a server.
#[derive(Clone)]
struct Target {
    given: String,
    url: ServerUrl,
    server: IceServer,
}

/// What one of the tasks has found.
enum Found {
    Stun(bool),
    Relay(Relay),
    Ipv4(NatReport),
    Ipv6(NatReport),
    PathMtu(u16),
    Nothing,
}

/// Looks at all of it, each for at most `limit`; every check is told as it ends.
pub(super) async fn examine(
    servers: &[IceServer],
    tls: &Arc<ClientConfig>,
    limit: Duration,
    mut tell: impl FnMut(Check),
) -> Network {
    let targets = targets(servers, &mut tell);
    let places = resolve(&targets, limit).await;
    let (v4, v6): (Vec<_>, Vec<_>) = places.into_iter().partition(SocketAddr::is_ipv4);

    let mut network = Network { public: is_public_here(), ..Network::default() };
    let mut tasks: JoinSet<(Check, Found)> = JoinSet::new();
    for target in targets {
        if target.url.relay {
            tasks.spawn(relay(target, Arc::clone(tls), limit));
        } else {
            tasks.spawn(stun(target, limit));
        }
    }
    let v4_here = local_towards(v4.first().copied().unwrap_or(SOMEWHERE_V4));
    let v6_here = local_towards(v6.first().copied().unwrap_or(SOMEWHERE_V6));
    let routed = [v4.first().filter(|_| v4_here.is_ok()), v6.first().filter(|_| v6_here.is_ok())];
    if let Some(server) = routed.into_iter().flatten().next() {
        tasks.spawn(path_mtu(*server, limit));
    }
    match v4_here {
        Err(error) => tell(Check::left_out("nat", &format!("this machine has no way to IPv4 hosts: {error}"))),
        Ok(_) if v4.is_empty() => {
            tell(Check::left_out("nat", "no STUN or TURN server has an IPv4 address to ask over UDP"));
        }
        Ok(_) => {
            tasks.spawn(ipv4(v4, limit));
        }
    }
    match v6_here {
        Err(error) => tell(Check::left_out("ipv6", &format!("this machine has no way to IPv6 hosts: {error}"))),
        Ok(local) if v6.is_empty() => {
            let words = format!("{}; no STUN or TURN server has an IPv6 address", sends_from(local.ip()));
            tell(Check::left_out("ipv6", &words));
        }
        Ok(local) => {
            tasks.spawn(ipv6(local.ip(), v6, limit));
        }
    }

    while let Some(ended) = tasks.join_next().await {
        let (check, found) = match ended {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a check broke");
                continue;
            }
        };
        tell(check);
        match found {
            Found::Stun(answered) => network.stun.push(answered),
            Found::Relay(relay) => network.relays.push(relay),
            Found::Ipv4(nat) => network.ipv4 = Some(nat),
            Found::Ipv6(nat) => network.ipv6 = Some(nat),
            Found::PathMtu(bytes) => network.path_mtu = Some(bytes),
            Found::Nothing => {}
        }
    }
    // The tasks end in no order of their own; what is told of them should.
    network.relays.sort_by_key(|relay| (rank(relay.over), relay.url.clone()));
    network
}

/// Every url once, and those that cannot be used left out with the reason.
fn targets(servers: &[IceServer], tell: &mut impl FnMut(Check)) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for (server, given) in servers.iter().flat_map(|server| server.urls.iter().map(move |url| (server, url))) {
        match ServerUrl::parse(given, server) {
            Ok(url) => {
                let is_known = targets.iter().any(|target| target.url == url);
                if !is_known && targets.len() < MAX_URLS {
                    targets.push(Target { given: given.trim().to_owned(), url, server: server.clone() });
                }
            }
            Err(error) => tell(Check::left_out("ice url", &error.to_string())),
        }
    }
    targets
}

/// The places that are asked over UDP, those of STUN servers first.
async fn resolve(targets: &[Target], limit: Duration) -> Vec<SocketAddr> {
    let end = tokio::time::Instant::from_std(now() + limit);
    let mut places: Vec<SocketAddr> = Vec::new();
    for relay in [false, true] {
        for target in targets.iter().filter(|target| target.url.over == Over::Udp && target.url.relay == relay) {
            // What cannot be resolved is told by the check of the server itself.
            let found = timeout_at(end, lookup_host((target.url.host.as_str(), target.url.port))).await;
            let Ok(Ok(found)) = found else { continue };
            for place in found {
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
    }
    places
}

/// Whether this machine sends from a public address, in either family.
fn is_public_here() -> bool {
    [SOMEWHERE_V4, SOMEWHERE_V6].into_iter().any(|far| local_towards(far).is_ok_and(|local| is_public(local.ip())))
}

fn rank(over: Over) -> u8 {
    match over {
        Over::Udp => 0,
        Over::Tcp => 1,
        Over::Tls => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_is_looked_at_once_and_what_cannot_be_used_is_told() {
        let server = |urls: &[&str]| IceServer {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            username: Some("bob".to_owned()),
            credential: Some("hunter2".to_owned()),
        };
        let mut told = Vec::new();
        let servers = [server(&["stun:a", "turn:a"]), server(&["turn:a:3478?transport=udp", "stuns:a", "turns:a:443"])];
        let targets = targets(&servers, &mut |check| told.push(check));
        let given: Vec<_> = targets.iter().map(|target| target.given.as_str()).collect();
        assert_eq!(given, ["stun:a", "turn:a", "turns:a:443"]);
        assert_eq!(told.len(), 1);
        assert!(told[0].detail.contains("stuns:a") && told[0].ok.is_none(), "{told:?}");
    }
}
