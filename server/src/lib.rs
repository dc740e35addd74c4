//! The signaling server of Dialtone: STOMP over WebSocket and SockJS, rooms for calls, TURN credentials.
//!
//! ```no_run
//! # async fn example() -> Result<(), dialtone_server::SpawnError> {
//! let server = dialtone_server::Server::spawn(dialtone_server::Config::embedded()).await?;
//! println!("clients connect to {}", server.ws_url());
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! What happens to a signal on its way from one member to another:
//! `socket` reads bytes, `session` makes a request of the frame, `hub` takes it to the shard of its room, the
//! [`backplane`] puts it in order, `topics` knows who listens, an `outbox` carries it to each of them, and there a
//! `session` makes a frame of it that a `socket` writes. All but `socket`, `hub`, `http` and `server` are without I/O.

pub mod backplane;
mod buffers;
mod config;
mod counted;
mod events;
mod framing;
mod guests;
mod http;
mod hub;
mod ice;
mod limits;
mod origin;
mod outbox;
mod page;
mod resume;
mod rooms;
mod server;
mod session;
#[doc(hidden)]
pub mod simulation;
mod socket;
mod sockjs;
mod tls;
mod topics;

pub use config::{Config, IceConfig, Limits, Secret, Tls};
pub use dialtone_wire::bodies::MembersFormat;
pub use dialtone_wire::stomp::HeartBeat;
pub use origin::{InvalidOrigin, Origin, Origins};
pub use rustls::pki_types::CertificateDer;
pub use server::{Server, SpawnError};
pub use tls::TlsError;

#[cfg(test)]
mod conversation;
#[cfg(test)]
mod testing;
