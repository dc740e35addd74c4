//! Every reason why a call does not work: its stable code and its exit code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call::LossKind;
use crate::signaling::DialStep;

/// Why a call does not work, as a stable code such as `ICE_FAILED`; the codes are in the order in which a call comes
/// about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cause {
    /// It works.
    Ok,
    /// It works, and the signaling server was lost after media flowed and was not back at the end. A warning.
    SignalingLostInCall,
    /// The name of the signaling server could not be resolved.
    SignalingDns,
    /// The signaling server could not be reached: TCP was refused, or nobody answered.
    SignalingUnreachable,
    /// The TLS handshake with the signaling server failed.
    SignalingTls,
    /// The signaling server answered with an HTTP status that is neither 101 nor a refusal with a code of its own.
    SignalingHttp,
    /// What listens at the signaling server's address does not speak WebSocket.
    SignalingNotWebsocket,
    /// A WebSocket is there, and it does not speak STOMP.
    SignalingNotStomp,
    /// The signaling server refused the login: HTTP 401, or ERROR in answer to CONNECT.
    LoginRefused,
    /// The signaling server refused the origin (HTTP 403).
    OriginRefused,
    /// The signaling server did not let us into the room.
    JoinRefused,
    /// The room was full.
    RoomFull,
    /// No second member came.
    NobodyCame,
    /// The signaling server was lost before media flowed.
    SignalingLost,
    /// The other member went before media flowed.
    PeerLeft,
    /// The other side was to offer, and no offer came.
    NoOffer,
    /// Our offer was not answered.
    #[serde(alias = "NO_DESCRIPTION")]
    NoAnswer,
    /// A description could not be used.
    DescriptionRefused,
    /// The WebRTC engine could not do its part.
    EngineFailed,
    /// One side had no candidate, or none of them came over.
    NoCandidates,
    /// The STUN server did not answer, and there is no TURN server.
    StunUnreachable,
    /// The TURN server did not answer as one.
    TurnUnreachable,
    /// The TURN server refused the login.
    TurnLoginRefused,
    /// The TURN server refused to relay to the other side's address.
    TurnPeerRefused,
    /// The TURN server had no room for us.
    TurnQuota,
    /// Neither side reaches the other one directly, and neither has a relay.
    NeedRelay,
    /// No candidate pair worked, for no reason of those above.
    IceFailed,
    /// A candidate pair worked, and the DTLS handshake over it failed.
    DtlsFailed,
    /// Media flowed and was cut for good.
    IceLost,
    /// The other side and we have no video codec in common.
    NoCommonCodec,
    /// Not a packet came.
    NoMedia,
    /// Media came and stopped before the end.
    MediaStopped,
    /// Packets came, and no picture or sound could be made of them.
    NotDecodable,
    /// Pictures came with nothing on them.
    BlackPicture,
    /// Pictures came, and all of them are the same.
    FrozenPicture,
    /// A picture came that another peer drew.
    WrongPicture,
    /// Sound came with nothing to hear.
    Silence,
    /// A tone came that is not the expected one.
    WrongTone,
    /// Media was to go through the relay and did not.
    RelayNotUsed,
    /// The call works, and an expectation was missed.
    QualityBelowExpected,
    /// The run as a whole took too long.
    TimedOut,
    /// The run was stopped before there was anything to judge.
    Interrupted,
}

impl From<DialStep> for Cause {
    /// Of a server that could not be reached.
    fn from(step: DialStep) -> Self {
        match step {
            DialStep::Dns => Self::SignalingDns,
            DialStep::Connect => Self::SignalingUnreachable,
            DialStep::Tls => Self::SignalingTls,
            DialStep::Http(401) => Self::LoginRefused,
            DialStep::Http(403) => Self::OriginRefused,
            DialStep::Http(_) => Self::SignalingHttp,
            DialStep::NotWebSocket => Self::SignalingNotWebsocket,
        }
    }
}

impl From<LossKind> for Cause {
    /// Of a server that was reached and is lost for good.
    fn from(why: LossKind) -> Self {
        match why {
            LossKind::Lost => Self::SignalingLost,
            LossKind::NotStomp => Self::SignalingNotStomp,
            LossKind::LoginRefused => Self::LoginRefused,
            LossKind::JoinRefused => Self::JoinRefused,
        }
    }
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 42] = [
        Self::Ok,
        Self::SignalingLostInCall,
        Self::SignalingDns,
        Self::SignalingUnreachable,
        Self::SignalingTls,
        Self::SignalingHttp,
        Self::SignalingNotWebsocket,
        Self::SignalingNotStomp,
        Self::LoginRefused,
        Self::OriginRefused,
        Self::JoinRefused,
        Self::RoomFull,
        Self::NobodyCame,
        Self::SignalingLost,
        Self::PeerLeft,
        Self::NoOffer,
        Self::NoAnswer,
        Self::DescriptionRefused,
        Self::EngineFailed,
        Self::NoCandidates,
        Self::StunUnreachable,
        Self::TurnUnreachable,
        Self::TurnLoginRefused,
        Self::TurnPeerRefused,
        Self::TurnQuota,
        Self::NeedRelay,
        Self::IceFailed,
        Self::DtlsFailed,
        Self::IceLost,
        Self::NoCommonCodec,
        Self::NoMedia,
        Self::MediaStopped,
        Self::NotDecodable,
        Self::BlackPicture,
        Self::FrozenPicture,
        Self::WrongPicture,
        Self::Silence,
        Self::WrongTone,
        Self::RelayNotUsed,
        Self::QualityBelowExpected,
        Self::TimedOut,
        Self::Interrupted,
    ];

    /// The cause of this code, such as `ICE_FAILED`; `None` where there is none.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::SignalingLostInCall => "SIGNALING_LOST_IN_CALL",
            Self::SignalingDns => "SIGNALING_DNS",
            Self::SignalingUnreachable => "SIGNALING_UNREACHABLE",
            Self::SignalingTls => "SIGNALING_TLS",
            Self::SignalingHttp => "SIGNALING_HTTP",
            Self::SignalingNotWebsocket => "SIGNALING_NOT_WEBSOCKET",
            Self::SignalingNotStomp => "SIGNALING_NOT_STOMP",
            Self::LoginRefused => "LOGIN_REFUSED",
            Self::OriginRefused => "ORIGIN_REFUSED",
            Self::JoinRefused => "JOIN_REFUSED",
            Self::RoomFull => "ROOM_FULL",
            Self::NobodyCame => "NOBODY_CAME",
            Self::SignalingLost => "SIGNALING_LOST",
            Self::PeerLeft => "PEER_LEFT",
            Self::NoOffer => "NO_OFFER",
            Self::NoAnswer => "NO_ANSWER",
            Self::DescriptionRefused => "DESCRIPTION_REFUSED",
            Self::EngineFailed => "ENGINE_FAILED",
            Self::NoCandidates => "NO_CANDIDATES",
            Self::StunUnreachable => "STUN_UNREACHABLE",
            Self::TurnUnreachable => "TURN_UNREACHABLE",
            Self::TurnLoginRefused => "TURN_LOGIN_REFUSED",
            Self::TurnPeerRefused => "TURN_PEER_REFUSED",
            Self::TurnQuota => "TURN_QUOTA",
            Self::NeedRelay => "NEED_RELAY",
            Self::IceFailed => "ICE_FAILED",
            Self::DtlsFailed => "DTLS_FAILED",
            Self::IceLost => "ICE_LOST",
            Self::NoCommonCodec => "NO_COMMON_CODEC",
            Self::NoMedia => "NO_MEDIA",
            Self::MediaStopped => "MEDIA_STOPPED",
            Self::NotDecodable => "NOT_DECODABLE",
            Self::BlackPicture => "BLACK_PICTURE",
            Self::FrozenPicture => "FROZEN_PICTURE",
            Self::WrongPicture => "WRONG_PICTURE",
            Self::Silence => "SILENCE",
            Self::WrongTone => "WRONG_TONE",
            Self::RelayNotUsed => "RELAY_NOT_USED",
            Self::QualityBelowExpected => "QUALITY_BELOW_EXPECTED",
            Self::TimedOut => "TIMED_OUT",
            Self::Interrupted => "INTERRUPTED",
        }
    }

    /// Whether the call works all the same.
    pub fn is_ok(self) -> bool {
        self.exit_code() == 0
    }

    /// What the program exits with; documented in `peer-cli --help`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok | Self::SignalingLostInCall => 0,
            Self::SignalingDns
            | Self::SignalingUnreachable
            | Self::SignalingTls
            | Self::SignalingHttp
            | Self::SignalingNotWebsocket
            | Self::SignalingNotStomp
            | Self::LoginRefused
            | Self::OriginRefused
            | Self::JoinRefused
            | Self::SignalingLost => 10,
            Self::RoomFull => 11,
            Self::NobodyCame | Self::PeerLeft => 12,
            Self::NoOffer | Self::NoAnswer | Self::DescriptionRefused | Self::EngineFailed => 13,
            Self::NoCandidates
            | Self::StunUnreachable
            | Self::TurnUnreachable
            | Self::TurnLoginRefused
            | Self::TurnPeerRefused
            | Self::TurnQuota
            | Self::NeedRelay
            | Self::IceFailed
            | Self::DtlsFailed
            | Self::IceLost => 14,
            Self::NoCommonCodec | Self::NoMedia | Self::MediaStopped => 15,
            Self::NotDecodable
            | Self::BlackPicture
            | Self::FrozenPicture
            | Self::WrongPicture
            | Self::Silence
            | Self::WrongTone
            | Self::RelayNotUsed => 16,
            Self::TimedOut => 17,
            Self::QualityBelowExpected => 18,
            Self::Interrupted => 130,
        }
    }
}
