//! The signaling side of a peer: a STOMP conversation as a brain, a WebSocket with backoff as its hands.
//!
//! [`Signaling::open`] dials once and tells precisely what is wrong when that fails. From then on the connection heals
//! itself: it dials again with growing pauses, resumes its session where the server can, and joins the room again, until
//! [`Options::give_up`] has passed without success.

mod connection;
mod conversation;
mod dial;
mod tap;
#[cfg(test)]
mod tests;

pub use connection::{Event, Options, Signaling};
pub use conversation::{Conversation, ConversationError, Output};
pub use dial::{DialError, DialStep, ServerUrl, TlsConfigError, UrlError, tls_config};
pub use tap::Traffic;
