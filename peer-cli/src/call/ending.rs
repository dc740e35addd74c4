//! How a call ends.

use super::{DescriptionKind, LossKind};

/// Why a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// We hung up.
    HungUp,
    /// The other member has left the room.
    PeerLeft,
    /// The other member has left the room before a description had come that was its to send.
    PeerLeftEarly {
        /// Its offer, or its answer to ours.
        missing: DescriptionKind,
    },
    /// The room took no further member.
    RoomFull {
        /// The server's sentence.
        message: String,
    },
    /// The server would not let us in for another reason.
    Refused {
        /// The server's sentence.
        message: String,
    },
    /// The server did not answer the join in time.
    NotJoined,
    /// No second member joined in time.
    NobodyCame,
    /// The other side was to offer, and did not in time.
    NoOffer {
        /// Whether an offer of ours went out in its place, and was not answered either.
        offered: bool,
    },
    /// It was ours to offer, and no answer came in time.
    NoAnswer,
    /// A description of the other side could not be used.
    DescriptionRefused {
        /// Offer or answer.
        kind: DescriptionKind,
        /// The engine's words.
        reason: String,
    },
    /// Our own description could not be made.
    EngineFailed {
        /// The engine's words.
        reason: String,
    },
    /// Descriptions were exchanged, and no candidate pair came up.
    IceFailed {
        /// Whether the engine had found any candidate of ours.
        local_candidates: bool,
        /// Whether any candidate of the other side had come.
        remote_candidates: bool,
    },
    /// ICE found a pair, and the DTLS handshake did not end in time.
    DtlsTimedOut,
    /// ICE found a pair, and the engine gave up on the DTLS handshake over it.
    DtlsFailed,
    /// ICE found a pair, and one side ended the DTLS handshake over it with a fatal alert.
    DtlsRefused {
        /// Whether our engine did; else the other side.
        by_us: bool,
        /// What RFC 5246 section 7.2 calls the alert, such as `bad_certificate`.
        alert: String,
    },
    /// Media flowed, was cut, and did not come back.
    IceLost,
    /// The server was lost for good before media flowed.
    SignalingLost {
        /// Which kind of end it was.
        why: LossKind,
        /// Why, in one sentence.
        reason: String,
    },
}
