//! The signaling server and the relay inside this process, so that a call needs nothing else running.
//!
//! Both listen on free loopback ports. They share a secret made for this run, and the relay reaches loopback addresses,
//! which it refuses everywhere else.

#[cfg(target_os = "linux")]
pub mod load;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dialtone_server::{IceConfig, Server};
use dialtone_turn::{Relay, Secret as TurnSecret};

use crate::report::RelayReport;

/// A running server and relay.
#[derive(Debug)]
pub struct Embedded {
    server: Server,
    relay: Option<(Relay, String)>,
}

/// Why they could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The signaling server.
    #[error("the embedded signaling server could not be started: {0}")]
    Server(#[from] dialtone_server::SpawnError),
    /// The relay.
    #[error("the embedded relay could not be started: {0}")]
    Relay(#[from] dialtone_turn::SpawnError),
    /// The relay has no address.
    #[error("the embedded relay listens nowhere")]
    NoAddress,
}

impl Embedded {
    /// Starts both. `dice` are 128 random bits for the secret they share. Without `relay` the server alone: a call that
    /// brings TURN servers of its own is to be carried by these.
    pub async fn spawn(dice: u128, relay: bool) -> Result<Self, EmbeddedError> {
        let secret = format!("{dice:032x}");
        let relay = if relay { Some(spawn_relay(&secret).await?) } else { None };
        let config = dialtone_server::Config {
            ice: IceConfig {
                turn_urls: relay.iter().map(|(_, url)| url.clone()).collect(),
                turn_secret: relay.as_ref().and_then(|_| dialtone_server::Secret::parse(&secret)),
                turn_ttl: Duration::from_secs(24 * 3600),
                // The relay is on loopback, and its secret lives as long as this process.
                without_login: true,
                ..IceConfig::default()
            },
            ..dialtone_server::Config::embedded()
        };
        let server = Server::spawn(config).await?;
        Ok(Self { server, relay })
    }

    /// Where peers connect to.
    pub fn ws_url(&self) -> String {
        self.server.ws_url()
    }

    /// What the relay has counted, where there is one.
    pub fn relay_report(&self) -> Option<RelayReport> {
        let (relay, url) = self.relay.as_ref()?;
        let totals = relay.totals();
        Some(RelayReport {
            url: url.clone(),
            allocations: totals.allocations,
            bytes_to_peers: totals.bytes_to_peers,
            bytes_to_clients: totals.bytes_to_clients,
        })
    }

    /// Stops both.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
        if let Some((relay, _)) = self.relay {
            relay.shutdown().await;
        }
    }
}

/// The relay and its url.
async fn spawn_relay(secret: &str) -> Result<(Relay, String), EmbeddedError> {
    let mut config = dialtone_turn::Config {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        allow_peer: vec![ipnet::Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 8).into()],
        ..dialtone_turn::Config::default()
    };
    config.credentials.secrets.extend(TurnSecret::new(secret.to_owned()));
    let relay = Relay::spawn(config).await?;
    let address = *relay.udp_addrs().first().ok_or(EmbeddedError::NoAddress)?;
    Ok((relay, format!("turn:{address}?transport=udp")))
}
