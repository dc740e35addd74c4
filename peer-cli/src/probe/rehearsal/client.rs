//! One of the two clients: what it has, and what it waits for.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::probe::request::{Login, Request};

/// How long each transmission of a request waits over UDP, in the spirit of RFC 8489 section 6.2.1.
pub(super) const WAITS: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(1)];

/// See the module.
#[derive(Default)]
pub(super) struct Client {
    /// What its requests are signed with, once the server has asked for that.
    pub(super) login: Option<Login>,
    /// Whether a stale nonce was replaced once.
    pub(super) renewed: bool,
    pub(super) pending: Option<Pending>,
    /// The address that the server lends it.
    pub(super) relayed: Option<SocketAddr>,
    /// Whether that is open for the other client.
    pub(super) permitted: bool,
}

/// A request without an answer.
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) id: [u8; 12],
    /// Whether it is signed.
    pub(super) signed: bool,
    pub(super) bytes: Vec<u8>,
    /// How many times it was sent.
    pub(super) sent: usize,
    /// When to do something about it.
    pub(super) due: Instant,
}
