//! Sends data through a relay to ourselves and back: what a call does with it, before there is a call.
//!
//! Two clients, each with an allocation of its own, send to each other's relayed address. So the data takes the whole
//! way, through the network between us and the relay twice, and needs nobody else and no open port here.
//!
//! * `brain`: what is asked and sent, and what came of it; `client`: what each of the two has; `data`: what they send;
//! * this file: the two ways to the server, which decide nothing.

mod brain;
mod client;
mod data;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::lookup_host, time::timeout_at};

use self::brain::{Account, Rehearsal, Side};
use super::{
    addresses,
    link::{Broken, Fault, Link},
};
use crate::{
    clock,
    rtc::{IceServer, ServerUrl},
};

/// What may be left when the time is over: giving the allocations back.
const GRACE: Duration = Duration::from_secs(1);

/// How long each step took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rehearsed {
    /// Until there were two allocations.
    pub(crate) allocation: Duration,
    /// Until each was open for the other.
    pub(crate) permission: Duration,
    /// From one client through the relay to the other, and the same way back.
    pub(crate) round_trip: Duration,
}

/// Rehearses with the TURN server of `url`, at its first address where that works, within `limit`; `tls` says whom to
/// trust for TLS.
///
/// # Errors
/// Why no data came back, as the rest of a sentence that begins with the server.
pub(crate) async fn rehearse(
    url: &str,
    server: &IceServer,
    limit: Duration,
    tls: Option<&Arc<rustls::ClientConfig>>,
) -> Result<Rehearsed, String> {
    let end = clock::now() + limit;
    let url = ServerUrl::parse(url, server).map_err(|error| error.to_string())?;
    let account = Account {
        username: server.username.clone().unwrap_or_default(),
        credential: server.credential.clone().unwrap_or_default(),
    };
    let found = match timeout_at(end.into(), lookup_host((url.host.as_str(), url.port))).await {
        Ok(Ok(found)) => addresses::choose(found),
        Ok(Err(error)) => return Err(format!("has a name that cannot be resolved: {error}")),
        Err(_) => return Err("has a name that no name server has resolved in time".to_owned()),
    };
    let mut why = "has a name without an address".to_owned();
    for address in found {
        match at(&url, address, account.clone(), end, tls).await {
            Ok(rehearsed) => return Ok(rehearsed),
            Err(error) => why = error,
        }
        if clock::now() >= end {
            break;
        }
    }
    Err(why)
}

async fn at(
    url: &ServerUrl,
    address: SocketAddr,
    account: Account,
    end: Instant,
    tls: Option<&Arc<rustls::ClientConfig>>,
) -> Result<Rehearsed, String> {
    let both = async { tokio::try_join!(Link::open(url, address, tls), Link::open(url, address, tls)) };
    let (left, right) = match timeout_at(end.into(), both).await {
        Ok(Ok(links)) => links,
        Ok(Err(Broken { why, .. })) => return Err(why),
        Err(_) => return Err("did not answer: no connection came about".to_owned()),
    };
    let rehearsal = Rehearsal::start(clock::now(), account, url.over, end, super::ids());
    let over = tokio::time::Instant::from_std(end + GRACE);
    let stuck = |_| Err("could not be asked: nothing can be sent".to_owned());
    timeout_at(over, carry_out(left, right, rehearsal)).await.unwrap_or_else(stuck)
}

async fn carry_out(mut left: Link, mut right: Link, mut rehearsal: Rehearsal) -> Result<Rehearsed, String> {
    loop {
        while let Some((side, message)) = rehearsal.poll_transmit() {
            let link = match side {
                Side::Left => &mut left,
                Side::Right => &mut right,
            };
            if let Err(fault) = link.send(&message).await {
                failed(&mut rehearsal, fault);
            }
        }
        if let Some(result) = rehearsal.result() {
            return result.clone();
        }
        let (side, received) = tokio::select! {
            received = left.receive() => (Side::Left, received),
            received = right.receive() => (Side::Right, received),
            () = clock::until(rehearsal.poll_timeout()) => {
                rehearsal.handle_timeout(clock::now());
                continue;
            }
        };
        match received {
            Ok(message) => rehearsal.received(clock::now(), side, &message),
            Err(fault) => failed(&mut rehearsal, fault),
        }
    }
}

fn failed(rehearsal: &mut Rehearsal, fault: Fault) {
    match fault {
        // The next message may fare better; if none does, the time will tell.
        Fault::Icmp(error) => tracing::debug!(%error, "the server cannot be reached"),
        Fault::Broken(Broken { why, .. }) => rehearsal.broken(why),
    }
}

#[cfg(test)]
#[cfg(feature = "embedded")]
mod tests {
    use std::net::Ipv4Addr;

    use dialtone_turn::{Config, Relay};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    async fn relay() -> Relay {
        let mut config = Config {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            allow_peer: vec![ipnet::Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 8).into()],
            ..Config::default()
        };
        config.credentials.users.insert("bob".to_owned(), "hunter2".to_owned());
        Relay::spawn(config).await.unwrap()
    }

    fn login(password: &str) -> IceServer {
        IceServer { urls: Vec::new(), username: Some("bob".to_owned()), credential: Some(password.to_owned()) }
    }

    #[tokio::test]
    async fn data_comes_back_through_a_relay_over_udp_and_tcp_and_nothing_is_left() {
        let relay = relay().await;
        for (address, transport) in [(relay.udp_addrs()[0], "udp"), (relay.tcp_addrs()[0], "tcp")] {
            let url = format!("turn:{address}?transport={transport}");
            let rehearsed = rehearse(&url, &login("hunter2"), LIMIT, None).await.unwrap();
            assert!(rehearsed.round_trip > Duration::ZERO, "{rehearsed:?}");
        }
        assert_eq!(relay.totals().allocations, 4);
        relay.shutdown().await;
    }

    #[tokio::test]
    async fn a_wrong_password_is_told_in_the_words_of_the_server() {
        let relay = relay().await;
        let url = format!("turn:{}", relay.udp_addrs()[0]);
        let why = rehearse(&url, &login("hunter3"), LIMIT, None).await.unwrap_err();
        assert_eq!(why, "answered 401 Unauthorized to Allocate");
        relay.shutdown().await;
    }
}
