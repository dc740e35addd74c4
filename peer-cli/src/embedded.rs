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
    relay: Relay,
    turn_url: String,
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
    /// Starts both. `dice` are 128 random bits for the secret they share.
    pub async fn spawn(dice: u128) -> Result<Self, EmbeddedError> {
        let secret = format!("{dice:032x}");
        let mut config = dialtone_turn::Config {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            allow_peer: vec![ipnet::Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 8).into()],
            ..dialtone_turn::Config::default()
        };
        config.credentials.secrets.extend(TurnSecret::new(secret.clone()));
        let relay = Relay::spawn(config).await?;
        let address = *relay.udp_addrs().first().ok_or(EmbeddedError::NoAddress)?;
        let turn_url = format!("turn:{address}?transport=udp");
        let config = dialtone_server::Config {
            ice: IceConfig {
                turn_urls: vec![turn_url.clone()],
                turn_secret: dialtone_server::Secret::parse(&secret),
                turn_ttl: Duration::from_secs(24 * 3600),
                // The relay is on loopback, and its secret lives as long as this process.
                without_login: true,
                ..IceConfig::default()
            },
            ..dialtone_server::Config::embedded()
        };
        let server = Server::spawn(config).await?;
        Ok(Self { server, relay, turn_url })
    }

    /// Where peers connect to.
    pub fn ws_url(&self) -> String {
        self.server.ws_url()
    }

    /// What the relay has counted.
    pub fn relay_report(&self) -> RelayReport {
        let totals = self.relay.totals();
        RelayReport {
            url: self.turn_url.clone(),
            allocations: totals.allocations,
            bytes_to_peers: totals.bytes_to_peers,
            bytes_to_clients: totals.bytes_to_clients,
        }
    }

    /// Stops both.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
        self.relay.shutdown().await;
    }
}
