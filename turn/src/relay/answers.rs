//! How a request is answered: whom, signed how, and which code says no.

use std::net::SocketAddr;
use std::time::Instant;

use tracing::{debug, warn};

use super::Core;
use super::limiter::Kind;
use super::types::{ClientAddr, OpenFailure, Output};
use crate::stun::attributes::{
    ALTERNATE_SERVER, FINGERPRINT, NONCE, REALM, SOFTWARE, UNKNOWN_ATTRIBUTES, encode_address,
};
use crate::stun::{Class, IntegrityKind, Key, Message, MessageBuilder, Method, TransactionId};

/// The one who asked, and what its answer has to look like.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) client: ClientAddr,
    pub(super) transaction: TransactionId,
    pub(super) method: Method,
    /// The answer is signed as the request was, once that signature was found to be right.
    pub(super) seal: Option<Seal>,
    fingerprint: bool,
}

/// How to sign.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    pub(super) key: Key,
    /// The request's own. To requests that name no password algorithm, which our nonces never offer, RFC 8489 section
    /// 9.2.4 would have every answer signed with MESSAGE-INTEGRITY. On purpose it is not so here: who signs with
    /// SHA-256 can check SHA-256, and has no reason to believe an answer that carries something weaker.
    pub(super) kind: IntegrityKind,
}

impl Asker {
    pub(super) fn new(client: ClientAddr, message: &Message<'_>) -> Self {
        Self {
            client,
            transaction: message.transaction(),
            method: message.method(),
            seal: None,
            fingerprint: message.find(FINGERPRINT).is_some(),
        }
    }

    /// Starts a success answer.
    pub(super) fn success(&self) -> MessageBuilder {
        MessageBuilder::new(Class::Success, self.method, self.transaction)
    }
}

/// Why a request is refused; becomes the ERROR-CODE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 300: this relay drains, another one is there.
    TryAlternate(SocketAddr),
    /// 400: what is wrong with the request.
    BadRequest(&'static str),
    /// 401: no credentials, or wrong ones. Comes with a challenge.
    Unauthorized,
    /// 403: the policy protects this peer.
    Forbidden,
    /// 420: attributes we would have to understand.
    UnknownAttributes(Vec<u16>),
    /// 437: there is no allocation, or there is one already.
    AllocationMismatch,
    /// 438: right format, too old. Comes with a challenge.
    StaleNonce,
    /// 440: we have no address of that family.
    FamilyNotSupported,
    /// 441: the allocation belongs to another user.
    WrongCredentials,
    /// 442: only UDP is relayed.
    UnsupportedTransport,
    /// 443: the allocation has no address of that family.
    PeerFamilyMismatch,
    /// 486: this user, this source or the relay has enough.
    QuotaReached,
    /// 508: no port, or no room in a table.
    InsufficientCapacity,
}

impl Refusal {
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::TryAlternate(_) => 300,
            Self::BadRequest(_) => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::UnknownAttributes(_) => 420,
            Self::AllocationMismatch => 437,
            Self::StaleNonce => 438,
            Self::FamilyNotSupported => 440,
            Self::WrongCredentials => 441,
            Self::UnsupportedTransport => 442,
            Self::PeerFamilyMismatch => 443,
            Self::QuotaReached => 486,
            Self::InsufficientCapacity => 508,
        }
    }

    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::TryAlternate(_) => "Try Alternate",
            Self::BadRequest(reason) => reason,
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::UnknownAttributes(_) => "Unknown Attribute",
            Self::AllocationMismatch => "Allocation Mismatch",
            Self::StaleNonce => "Stale Nonce",
            Self::FamilyNotSupported => "Address Family not Supported",
            Self::WrongCredentials => "Wrong Credentials",
            Self::UnsupportedTransport => "Unsupported Transport Protocol",
            Self::PeerFamilyMismatch => "Peer Address Family Mismatch",
            Self::QuotaReached => "Allocation Quota Reached",
            Self::InsufficientCapacity => "Insufficient Capacity",
        }
    }

    /// True where an operator should look: our limits, and clients that reach for protected peers.
    fn is_remarkable(&self) -> bool {
        match self {
            Self::Forbidden | Self::QuotaReached | Self::InsufficientCapacity => true,
            Self::TryAlternate(_)
            | Self::BadRequest(_)
            | Self::Unauthorized
            | Self::UnknownAttributes(_)
            | Self::AllocationMismatch
            | Self::StaleNonce
            | Self::FamilyNotSupported
            | Self::WrongCredentials
            | Self::UnsupportedTransport
            | Self::PeerFamilyMismatch => false,
        }
    }
}

impl From<OpenFailure> for Refusal {
    fn from(failure: OpenFailure) -> Self {
        match failure {
            OpenFailure::NoPort => Self::InsufficientCapacity,
            OpenFailure::NoAddress => Self::FamilyNotSupported,
        }
    }
}

impl Core {
    /// Signs an answer and queues it. Our name goes only to who has proved himself: an answer to a stranger goes to
    /// whatever address he has written on his request, and has nothing in it that the protocol does not demand.
    pub(super) fn reply(&mut self, asker: &Asker, answer: MessageBuilder) {
        let mut answer = answer;
        if let Some(seal) = &asker.seal {
            if !self.config.software.is_empty() {
                answer = answer.attribute(SOFTWARE, self.config.software.as_bytes());
            }
            answer = answer.integrity(&seal.key, seal.kind);
        }
        if asker.fingerprint {
            answer = answer.fingerprint();
        }
        self.outputs.push_back(Output::Send { to: asker.client, bytes: answer.finish() });
    }

    /// True when one more request of somebody who has not proved who he is may be answered. Without an answer it
    /// costs next to nothing, whoever's address it carries.
    pub(super) fn admits_stranger(&self, now: Instant, asker: &Asker) -> bool {
        let kind = if asker.client.transport.is_stream() { Kind::Streams } else { Kind::Datagrams };
        let is_admitted = self.ledger.sources.admits(now, asker.client.remote.ip(), kind);
        if !is_admitted {
            self.counters.unanswered();
        }
        is_admitted
    }

    pub(super) fn refuse(&mut self, now: Instant, asker: &Asker, refusal: &Refusal) {
        let (code, reason) = (refusal.code(), refusal.reason());
        self.counters.refused(code);
        if refusal.is_remarkable() && self.warnings.opens(now) {
            warn!(method = ?asker.method, code, reason, "refused a request");
        } else {
            debug!(method = ?asker.method, client = ?asker.client, code, reason, "refused a request");
        }
        let mut answer = MessageBuilder::new(Class::Error, asker.method, asker.transaction).error(code, reason);
        match refusal {
            Refusal::Unauthorized | Refusal::StaleNonce => {
                answer = answer
                    .attribute(REALM, self.config.realm.as_bytes())
                    .attribute(NONCE, self.nonces.mint(now, asker.client.remote).as_bytes());
            }
            Refusal::UnknownAttributes(kinds) => {
                let value: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_be_bytes()).collect();
                answer = answer.attribute(UNKNOWN_ATTRIBUTES, &value);
            }
            Refusal::TryAlternate(server) => {
                answer = answer.attribute(ALTERNATE_SERVER, encode_address(*server).as_bytes());
            }
            Refusal::BadRequest(_)
            | Refusal::Forbidden
            | Refusal::AllocationMismatch
            | Refusal::FamilyNotSupported
            | Refusal::WrongCredentials
            | Refusal::UnsupportedTransport
            | Refusal::PeerFamilyMismatch
            | Refusal::QuotaReached
            | Refusal::InsufficientCapacity => {}
        }
        self.reply(asker, answer);
    }
}
