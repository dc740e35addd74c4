//! What is done about each server and each family of addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::words::{nat_words, sends_from};
use super::{Found, Target};
use crate::clock::now;
use crate::doctor::mtu::{self, PathMtu};
use crate::doctor::verdict::Relay;
use crate::doctor::{Check, Clock};
use crate::nat::{Udp, discover};
use crate::probe::probe;
use crate::probe::rehearsal::{Rehearsed, rehearse};
use crate::report::{ProbeOutcome, ProbeReport};
use crate::rtc::{IceServer, Over};

/// A path that carries less than this is told as one that does not do: media packets are up to some 1200 bytes long
/// before what SRTP, TURN, UDP and IP put around them.
const ENOUGH_MTU: u16 = 1280;

/// Asks for our address.
pub(super) async fn stun(target: Target, limit: Duration) -> (Check, Found) {
    let server = IceServer { urls: vec![target.given], ..IceServer::default() };
    let Some(report) = probe(&[server], &[], limit, None).await.pop() else {
        return (Check::left_out("stun udp", "it could not be asked"), Found::Nothing);
    };
    let works = report.outcome == ProbeOutcome::Works;
    (check("stun udp", works, &report), Found::Stun(works))
}

/// Asks for an allocation; where there is one, sends data through two of them.
pub(super) async fn relay(target: Target, tls: Arc<ClientConfig>, limit: Duration) -> (Check, Found) {
    let Target { given, url, server } = target;
    let name = match url.over {
        Over::Udp => "turn udp",
        Over::Tcp => "turn tcp",
        Over::Tls => "turn tls",
    };
    let clock = Clock::start();
    let asked = IceServer { urls: vec![given.clone()], ..server.clone() };
    let Some(report) = probe(&[asked], &[], limit, Some(&tls)).await.pop() else {
        return (Check::left_out(name, "it could not be asked"), Found::Nothing);
    };
    let ProbeReport { outcome, message, .. } = report.clone();
    if outcome != ProbeOutcome::Works {
        return (check(name, false, &report), Found::Relay(Relay { url: given, over: url.over, outcome, message }));
    }
    match rehearse(&given, &server, limit, Some(&tls)).await {
        Ok(Rehearsed { allocation, permission, round_trip }) => {
            let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
            let words = format!(
                "{message}; allocated in {}, open for a peer in {}, data there and back in {}",
                ms(allocation),
                ms(permission),
                ms(round_trip)
            );
            (clock.passed(name, words), Found::Relay(Relay { url: given, over: url.over, outcome, message }))
        }
        Err(why) => {
            let message = format!("{url} allocates, and data did not come back through it: it {why}");
            let outcome = ProbeOutcome::Refused;
            (clock.failed(name, message.clone()), Found::Relay(Relay { url: given, over: url.over, outcome, message }))
        }
    }
}

/// In the words of the probe.
fn check(name: &str, ok: bool, report: &ProbeReport) -> Check {
    Check { name: name.to_owned(), ok: Some(ok), ms: Some(report.took_ms), detail: report.message.clone() }
}

/// What the NAT does over IPv4.
pub(super) async fn ipv4(places: Vec<SocketAddr>, limit: Duration) -> (Check, Found) {
    let clock = Clock::start();
    let nat = discover(&places, now() + limit).await;
    (clock.ended("nat", Some(nat.udp == Udp::Ok), nat_words(&nat)), Found::Ipv4(nat))
}

/// The same over IPv6, and what this machine has of it.
pub(super) async fn ipv6(local: IpAddr, places: Vec<SocketAddr>, limit: Duration) -> (Check, Found) {
    let clock = Clock::start();
    let nat = discover(&places, now() + limit).await;
    let words = format!("{}; {}", sends_from(local), nat_words(&nat));
    (clock.ended("ipv6", Some(nat.udp == Udp::Ok), words), Found::Ipv6(nat))
}

/// How long a packet may be.
pub(super) async fn path_mtu(server: SocketAddr, limit: Duration) -> (Check, Found) {
    const NAME: &str = "path mtu";
    let clock = Clock::start();
    let PathMtu { bytes, exact, both_ways } = match mtu::measure(server, now() + limit).await {
        Ok(found) => found,
        Err(why) => return (Check::left_out(NAME, &format!("not measured: {why}")), Found::Nothing),
    };
    if bytes == 0 {
        let why = format!("not measured: {server} did not answer a padded request (RFC 5780)");
        return (Check::left_out(NAME, &why), Found::Nothing);
    }
    let at_least = if exact { "" } else { "at least " };
    let ways = if both_ways { "both ways" } else { "towards the server" };
    let words = format!("{at_least}{bytes} bytes get through whole, {ways}");
    let ok = (exact || bytes >= ENOUGH_MTU).then_some(bytes >= ENOUGH_MTU);
    (clock.ended(NAME, ok, words), Found::PathMtu(bytes))
}
