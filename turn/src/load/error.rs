//! What keeps the generator from measuring.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::stamp::STAMP;
use super::{LONGEST, MAX_ALLOCATIONS, MAX_GROUP, MAX_PAYLOAD};

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No allocation with traffic, or more than sockets can be had for.
    #[error("expected 1 to {} allocations, at least one of them with traffic, got {got}", MAX_ALLOCATIONS)]
    Allocations {
        /// Allocations asked for.
        got: usize,
    },
    /// The payload has no room for the stamp, or is too long for a datagram.
    #[error("a payload has {} to {} bytes, got {got}", STAMP, MAX_PAYLOAD)]
    Payload {
        /// Bytes asked for.
        got: usize,
    },
    /// A burst or train of no packets or too many.
    #[error("a burst or train has 1 to {} packets, got {got}", MAX_GROUP)]
    Group {
        /// Packets asked for.
        got: usize,
    },
    /// No packets at all.
    #[error("the rate is at least 1 packet per second, got 0")]
    Rate,
    /// Longer than permissions live.
    #[error("allocations are not refreshed, so traffic lasts at most {} s, got {} s", LONGEST.as_secs(), .got.as_secs())]
    TooLong {
        /// Warm-up and duration together.
        got: Duration,
    },
    /// A socket could not be made or used.
    #[error("{what}: {source}")]
    Socket {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The server is silent.
    #[error("no answer to {what} from {server} over UDP, sent 5 times")]
    NoAnswer {
        /// The request.
        what: &'static str,
        /// Where it went.
        server: SocketAddr,
    },
    /// The server said no.
    #[error("{what} was refused: {code} {reason}")]
    Refused {
        /// The request.
        what: &'static str,
        /// The code of RFC 8489 section 14.8 or RFC 8656 section 19; 0 when there was none.
        code: u16,
        /// The server's own words.
        reason: String,
    },
    /// An answer lacks what its request asked for.
    #[error("the answer to {what} has no {missing}")]
    Answer {
        /// The request.
        what: &'static str,
        /// The attribute that is missing or malformed.
        missing: &'static str,
    },
}

impl LoadError {
    /// For `map_err`: what was tried when the system said no.
    pub(super) fn socket(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Socket { what, source }
    }
}
