//! A STUN/TURN relay (RFC 8489, RFC 8656): clients behind NATs borrow an address that their peers can reach.
//!
//! ```text
//! client --UDP, TCP or TLS--> io --route()--> relay::Core --Decision--> io --UDP--> peer      (one thread of several)
//! ```
//!
//! [`relay::Core`] is the whole protocol as a state machine without sockets, clock or randomness. The sockets around
//! it move bytes and decide nothing. [`Relay`] is both together:
//!
//! ```no_run
//! use dialtone_turn::{Config, Relay};
//!
//! # async fn run() -> Result<(), dialtone_turn::SpawnError> {
//! let mut config = Config::default();
//! config.credentials.users.insert("alice".into(), "secret".into());
//! let relay = Relay::spawn(config).await?;
//! println!("listening on {:?}", relay.udp_addrs());
//! relay.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! What it serves: Binding, and NAT behaviour discovery (RFC 5780) given two addresses; Allocate with lifetimes, one or
//! two address families, EVEN-PORT and reservations; Refresh; CreatePermission; ChannelBind; Send and Data indications;
//! channel data. It has no user of its own and refuses
//! private and special peer addresses until told otherwise ([`Config::allow_peer`]).

mod admin;
mod auth;
mod config;
mod gate;
mod io;
#[cfg(target_os = "linux")]
pub mod load;
mod metrics;
mod policy;
pub mod relay;
mod server;
pub mod stun;

#[doc(hidden)]
pub mod fuzz;

pub use auth::{Credentials, Secret, rest_credentials};
pub use config::{Config, Lifetimes, Limits, TlsFiles};
pub use io::tls::TlsError;
pub use metrics::{Counters, REFUSAL_CODES, Totals};
pub use policy::Policy;
pub use server::{Relay, SpawnError, check};
