//! How one peer's part in a call ended.

use super::Cause;
use crate::call::{DescriptionKind, EndReason};

/// How a peer's part ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The call brain ended it.
    Call(EndReason),
    /// The server was never reached.
    Unreachable {
        /// Which step failed, in one sentence.
        reason: String,
    },
    /// The time for the whole run was over.
    TimedOut {
        /// The last milestone reached.
        after: &'static str,
    },
}

impl End {
    /// A stable code for the report.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed-out",
            Self::Call(reason) => match reason {
                EndReason::HungUp => "hung-up",
                EndReason::PeerLeft => "peer-left",
                EndReason::RoomFull { .. } => "room-full",
                EndReason::Refused { .. } => "refused",
                EndReason::NotJoined => "not-joined",
                EndReason::NobodyCame => "nobody-came",
                EndReason::NoDescription { .. } => "no-description",
                EndReason::DescriptionRefused { .. } => "description-refused",
                EndReason::EngineFailed { .. } => "engine-failed",
                EndReason::IceFailed { .. } => "ice-failed",
                EndReason::DtlsTimedOut => "dtls-timed-out",
                EndReason::IceLost => "ice-lost",
                EndReason::SignalingLost { .. } => "signaling-lost",
            },
        }
    }

    /// The same in words, as the end of a sentence that begins with the peer's name.
    pub fn words(&self) -> String {
        match self {
            Self::Unreachable { reason } => format!("could not reach the signaling server: {reason}"),
            Self::TimedOut { after } => format!("was not done in time; the last thing it reached was {after}"),
            Self::Call(reason) => match reason {
                EndReason::HungUp => "hung up".to_owned(),
                EndReason::PeerLeft => "saw the other side leave".to_owned(),
                EndReason::RoomFull { message } => format!("was not let in: {message}"),
                EndReason::Refused { message } => format!("was refused by the server: {message}"),
                EndReason::NotJoined => "asked to join, and the server never answered".to_owned(),
                EndReason::NobodyCame => "waited in the room, and nobody came".to_owned(),
                EndReason::NoDescription { offered: true } => "offered, and no answer came".to_owned(),
                EndReason::NoDescription { offered: false } => "waited for an offer, and none came".to_owned(),
                EndReason::DescriptionRefused { kind, reason } => {
                    let kind = match kind {
                        DescriptionKind::Offer => "offer",
                        DescriptionKind::Answer => "answer",
                    };
                    format!("could not use the other side's {kind}: {reason}")
                }
                EndReason::EngineFailed { reason } => format!("could not make its own description: {reason}"),
                EndReason::IceFailed { remote_candidates: true } => {
                    "tried every candidate pair, and none worked".to_owned()
                }
                EndReason::IceFailed { remote_candidates: false } => {
                    "never got a candidate of the other side, and no pair worked".to_owned()
                }
                EndReason::DtlsTimedOut => "found a path, and the DTLS handshake over it did not end".to_owned(),
                EndReason::IceLost => "lost the path in mid-call, and it did not come back".to_owned(),
                EndReason::SignalingLost { reason } => format!("lost the signaling server: {reason}"),
            },
        }
    }

    /// The cause it is, for a peer on which media never flowed.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Unreachable { .. } => Cause::SignalingUnreachable,
            Self::TimedOut { .. } => Cause::TimedOut,
            Self::Call(reason) => match reason {
                EndReason::HungUp => Cause::Interrupted,
                EndReason::PeerLeft => Cause::PeerLeft,
                EndReason::RoomFull { .. } => Cause::RoomFull,
                EndReason::Refused { .. } | EndReason::NotJoined => Cause::JoinRefused,
                EndReason::NobodyCame => Cause::NobodyCame,
                EndReason::NoDescription { .. } => Cause::NoDescription,
                EndReason::DescriptionRefused { .. } => Cause::DescriptionRefused,
                EndReason::EngineFailed { .. } => Cause::EngineFailed,
                EndReason::IceFailed { .. } => Cause::IceFailed,
                EndReason::DtlsTimedOut => Cause::DtlsFailed,
                EndReason::IceLost => Cause::IceLost,
                EndReason::SignalingLost { .. } => Cause::SignalingLost,
            },
        }
    }
}
