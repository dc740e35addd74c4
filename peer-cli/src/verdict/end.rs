//! How one peer's part in a call ended.

use super::Cause;
use crate::call::{DescriptionKind, EndReason, LossKind};
use crate::signaling::DialStep;

/// How a peer's part ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The call brain ended it.
    Call(EndReason),
    /// The server was never reached.
    Unreachable {
        /// Which step failed.
        step: DialStep,
        /// The same in one sentence.
        reason: String,
    },
    /// The time for the whole run was over.
    TimedOut {
        /// The last milestone reached.
        after: String,
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
                EndReason::PeerLeft | EndReason::PeerLeftEarly { .. } => "peer-left",
                EndReason::RoomFull { .. } => "room-full",
                EndReason::Refused { .. } => "refused",
                EndReason::NotJoined => "not-joined",
                EndReason::NobodyCame => "nobody-came",
                EndReason::NoOffer { .. } => "no-offer",
                EndReason::NoAnswer => "no-answer",
                EndReason::DescriptionRefused { .. } => "description-refused",
                EndReason::EngineFailed { .. } => "engine-failed",
                EndReason::IceFailed { .. } => "ice-failed",
                EndReason::DtlsTimedOut => "dtls-timed-out",
                EndReason::DtlsFailed | EndReason::DtlsRefused { .. } => "dtls-failed",
                EndReason::IceLost => "ice-lost",
                EndReason::SignalingLost { why: LossKind::Lost, .. } => "signaling-lost",
                EndReason::SignalingLost { why: LossKind::NotStomp, .. } => "not-stomp",
                EndReason::SignalingLost { why: LossKind::LoginRefused, .. } => "login-refused",
                EndReason::SignalingLost { why: LossKind::JoinRefused, .. } => "refused",
            },
        }
    }

    /// The same in words, as the end of a sentence that begins with the peer's name.
    pub fn words(&self) -> String {
        match self {
            Self::Unreachable { reason, .. } => format!("could not reach the signaling server: {reason}"),
            Self::TimedOut { after } => format!("was not done in time; the last thing it reached was {after}"),
            Self::Call(reason) => match reason {
                EndReason::HungUp => "hung up".to_owned(),
                EndReason::PeerLeft => "saw the other side leave".to_owned(),
                EndReason::PeerLeftEarly { missing: DescriptionKind::Offer } => {
                    "saw the other side leave, and had no offer of it".to_owned()
                }
                EndReason::PeerLeftEarly { missing: DescriptionKind::Answer } => {
                    "saw the other side leave, and had no answer of it".to_owned()
                }
                EndReason::RoomFull { message } => format!("was not let in: {message}"),
                EndReason::Refused { message } => format!("was refused by the server: {message}"),
                EndReason::NotJoined => "asked to join, and the server never answered".to_owned(),
                EndReason::NobodyCame => "waited in the room, and nobody came".to_owned(),
                EndReason::NoOffer { offered: false } => "waited for an offer, and none came".to_owned(),
                EndReason::NoOffer { offered: true } => {
                    "waited for an offer, and none came; its own one in its place was not answered".to_owned()
                }
                EndReason::NoAnswer => "offered, and no answer came".to_owned(),
                EndReason::DescriptionRefused { kind, reason } => {
                    let kind = match kind {
                        DescriptionKind::Offer => "offer",
                        DescriptionKind::Answer => "answer",
                    };
                    format!("could not use the other side's {kind}: {reason}")
                }
                EndReason::EngineFailed { reason } => format!("could not do its own part: {reason}"),
                EndReason::IceFailed { local_candidates: false, .. } => {
                    "found no candidate of its own, and no pair worked".to_owned()
                }
                EndReason::IceFailed { remote_candidates: false, .. } => {
                    "never got a candidate of the other side, and no pair worked".to_owned()
                }
                EndReason::IceFailed { local_candidates: true, remote_candidates: true } => {
                    "tried every candidate pair, and none worked".to_owned()
                }
                EndReason::DtlsTimedOut => "found a path, and the DTLS handshake over it did not end".to_owned(),
                EndReason::DtlsFailed => "found a path, and the DTLS handshake over it failed".to_owned(),
                EndReason::DtlsRefused { by_us: true, alert } => {
                    format!("found a path, and refused the DTLS handshake over it with the alert {alert}")
                }
                EndReason::DtlsRefused { by_us: false, alert } => {
                    format!(
                        "found a path, and the other side refused the DTLS handshake over it with the alert {alert}"
                    )
                }
                EndReason::IceLost => "lost the path in mid-call, and it did not come back".to_owned(),
                EndReason::SignalingLost { why, reason } => match why {
                    LossKind::Lost => format!("lost the signaling server: {reason}"),
                    LossKind::NotStomp => format!("found a WebSocket, and no signaling server behind it: {reason}"),
                    LossKind::LoginRefused => format!("was not let in: {reason}"),
                    LossKind::JoinRefused => format!("was refused by the server: {reason}"),
                },
            },
        }
    }

    /// The cause it is, for a peer on which media never flowed; why ICE failed is looked at more closely elsewhere.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Unreachable { step, .. } => (*step).into(),
            Self::TimedOut { .. } => Cause::TimedOut,
            Self::Call(reason) => match reason {
                EndReason::HungUp => Cause::Interrupted,
                EndReason::PeerLeft | EndReason::PeerLeftEarly { .. } => Cause::PeerLeft,
                EndReason::RoomFull { .. } => Cause::RoomFull,
                EndReason::Refused { .. } | EndReason::NotJoined => Cause::JoinRefused,
                EndReason::NobodyCame => Cause::NobodyCame,
                EndReason::NoOffer { .. } => Cause::NoOffer,
                EndReason::NoAnswer => Cause::NoAnswer,
                EndReason::DescriptionRefused { .. } => Cause::DescriptionRefused,
                EndReason::EngineFailed { .. } => Cause::EngineFailed,
                EndReason::IceFailed { .. } => Cause::IceFailed,
                EndReason::DtlsTimedOut | EndReason::DtlsFailed | EndReason::DtlsRefused { .. } => Cause::DtlsFailed,
                EndReason::IceLost => Cause::IceLost,
                EndReason::SignalingLost { why, .. } => (*why).into(),
            },
        }
    }

    /// Where in a call it lies: of two peers the one with the smaller rank ended for the reason that explains the other
    /// one's. Those who only saw that the other one was not there, or was gone, come last.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Unreachable { .. } => 0,
            Self::TimedOut { .. } => 10,
            Self::Call(reason) => match reason {
                EndReason::SignalingLost { why: LossKind::NotStomp | LossKind::LoginRefused, .. } => 0,
                EndReason::RoomFull { .. }
                | EndReason::Refused { .. }
                | EndReason::NotJoined
                | EndReason::SignalingLost { why: LossKind::JoinRefused, .. } => 1,
                EndReason::SignalingLost { why: LossKind::Lost, .. } => 2,
                EndReason::EngineFailed { .. } => 3,
                EndReason::NoOffer { .. } => 4,
                EndReason::DescriptionRefused { .. } => 5,
                EndReason::NoAnswer => 6,
                EndReason::IceFailed { .. } => 7,
                EndReason::DtlsTimedOut | EndReason::DtlsFailed | EndReason::DtlsRefused { .. } => 8,
                EndReason::IceLost => 9,
                EndReason::NobodyCame => 11,
                // Who hangs up too early is the one whom the other sees leave.
                EndReason::HungUp => 12,
                EndReason::PeerLeft | EndReason::PeerLeftEarly { .. } => 13,
            },
        }
    }
}
