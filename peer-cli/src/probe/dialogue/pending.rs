//! A request without an answer, and when it is sent again.

use std::time::{Duration, Instant};

use crate::{probe::request::Request, rtc::Over};

/// First retransmission timeout; each one is twice the one before (RFC 8489 section 6.2.1).
const RTO: Duration = Duration::from_millis(500);

/// Transmissions of one request (Rc).
const MAX_SENT: u32 = 7;

/// How many RTOs to wait after the last transmission (Rm).
const LAST_WAIT: u32 = 16;

/// Transmissions of the request that gives an allocation back: it has expired soon without that.
const MAX_SENT_RELEASE: u32 = 2;

/// See the module.
pub(super) struct Pending {
    /// What is asked.
    pub(super) request: Request,
    /// The transaction.
    pub(super) id: [u8; 12],
    /// Whether it is signed.
    pub(super) signed: bool,
    /// How many times it was sent.
    pub(super) sent: u32,
    /// When to do something about it.
    pub(super) due: Instant,
    bytes: Vec<u8>,
    wait: Duration,
}

impl Pending {
    /// A request that was just sent; `end` is when the whole conversation has to be over.
    pub(super) fn new(
        now: Instant,
        request: Request,
        id: [u8; 12],
        signed: bool,
        bytes: Vec<u8>,
        over: Over,
        end: Instant,
    ) -> Self {
        // What a stream took it delivers, or it breaks.
        let waits = over != Over::Udp && request != Request::Release;
        let due = if waits { end } else { now + RTO };
        Self { request, id, signed, sent: 1, due, bytes, wait: RTO }
    }

    /// The bytes to send once more, now that it is due; `None` when nothing more is to be hoped for. `refused`: ICMP
    /// said that nobody listens.
    pub(super) fn again(&mut self, now: Instant, over: Over, refused: bool) -> Option<Vec<u8>> {
        let most = if self.request == Request::Release { MAX_SENT_RELEASE } else { MAX_SENT };
        if over != Over::Udp || self.sent >= most || (refused && self.sent >= 2) {
            return None;
        }
        self.sent += 1;
        self.wait = if self.sent == MAX_SENT { RTO * LAST_WAIT } else { self.wait * 2 };
        self.due = now + self.wait;
        Some(self.bytes.clone())
    }
}
