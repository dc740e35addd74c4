//! Every reason why a call does not work: its stable code, its exit code, its remedy.

use serde::{Serialize, Serializer};

/// Why a call does not work. The codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It works.
    Ok,
    /// The signaling server could not be reached, or is none.
    SignalingUnreachable,
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
    /// No offer came, or none was answered.
    NoDescription,
    /// A description could not be used.
    DescriptionRefused,
    /// The WebRTC engine could not do its part.
    EngineFailed,
    /// No candidate pair worked.
    IceFailed,
    /// The DTLS handshake did not end.
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
    /// A picture came that another peer drew.
    WrongPicture,
    /// Pictures came with nothing on them.
    BlackPicture,
    /// Sound came with nothing to hear.
    Silence,
    /// A tone came that is not the expected one.
    WrongTone,
    /// Media was to go through the relay and did not.
    RelayNotUsed,
    /// The run as a whole took too long.
    TimedOut,
    /// The run was stopped before there was anything to judge.
    Interrupted,
}

impl Cause {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::SignalingUnreachable => "SIGNALING_UNREACHABLE",
            Self::JoinRefused => "JOIN_REFUSED",
            Self::RoomFull => "ROOM_FULL",
            Self::NobodyCame => "NOBODY_CAME",
            Self::SignalingLost => "SIGNALING_LOST",
            Self::PeerLeft => "PEER_LEFT",
            Self::NoDescription => "NO_DESCRIPTION",
            Self::DescriptionRefused => "DESCRIPTION_REFUSED",
            Self::EngineFailed => "ENGINE_FAILED",
            Self::IceFailed => "ICE_FAILED",
            Self::DtlsFailed => "DTLS_FAILED",
            Self::IceLost => "ICE_LOST",
            Self::NoCommonCodec => "NO_COMMON_CODEC",
            Self::NoMedia => "NO_MEDIA",
            Self::MediaStopped => "MEDIA_STOPPED",
            Self::NotDecodable => "NOT_DECODABLE",
            Self::WrongPicture => "WRONG_PICTURE",
            Self::BlackPicture => "BLACK_PICTURE",
            Self::Silence => "SILENCE",
            Self::WrongTone => "WRONG_TONE",
            Self::RelayNotUsed => "RELAY_NOT_USED",
            Self::TimedOut => "TIMED_OUT",
            Self::Interrupted => "INTERRUPTED",
        }
    }

    /// What the program exits with; documented in `peer-cli --help`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::SignalingUnreachable | Self::SignalingLost | Self::JoinRefused => 10,
            Self::RoomFull => 11,
            Self::NobodyCame | Self::PeerLeft => 12,
            Self::NoDescription | Self::DescriptionRefused | Self::EngineFailed => 13,
            Self::IceFailed | Self::DtlsFailed | Self::IceLost => 14,
            Self::NoMedia | Self::NoCommonCodec | Self::MediaStopped => 15,
            Self::NotDecodable
            | Self::WrongPicture
            | Self::BlackPicture
            | Self::Silence
            | Self::WrongTone
            | Self::RelayNotUsed => 16,
            Self::TimedOut => 17,
            Self::Interrupted => 130,
        }
    }

    pub(super) fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::Ok => return None,
            Self::SignalingUnreachable => {
                "Start the signaling server, or correct --server; it looks like ws://host:8080/ws."
            }
            Self::JoinRefused => "Read the server's sentence; check the room's name and what the server allows.",
            Self::RoomFull => "Take another room, or let somebody leave this one.",
            Self::NobodyCame => "Start the other side in the same room on the same server, or wait longer with --wait.",
            Self::SignalingLost => "Look at the signaling server's log for why it closed the connection.",
            Self::PeerLeft => "Look at the other side: it left before media could flow.",
            Self::NoDescription => {
                "Check that one side offers and the other one answers; the smaller session id offers."
            }
            Self::DescriptionRefused => "Look at the description in the other side's log; run with --log debug here.",
            Self::EngineFailed => "Run with --log debug; check --bind and the TURN url.",
            Self::IceFailed => {
                "Between networks a TURN relay is needed: give one with --ice turn:host:3478 and its login."
            }
            Self::DtlsFailed => "A middlebox lets connectivity checks pass but not DTLS; try --relay-only.",
            Self::IceLost => "The network went away in mid-call; look at both sides' links.",
            Self::NoCommonCodec => "Use VP8, which every WebRTC peer has, beside H264.",
            Self::NoMedia => "The path is up, so look at the sender: camera, microphone, and whether it sends at all.",
            Self::MediaStopped => "Look at the sender and the path at the moment the media stopped.",
            Self::NotDecodable => {
                "Look at loss and at the sender's encoder; packets come, but no picture can be made of them."
            }
            Self::WrongPicture => "Two calls seem to be mixed up: check rooms and session ids on the server.",
            Self::BlackPicture => {
                "Look at the sender's camera: its lens, its permission, whether another program holds it."
            }
            Self::Silence => "Look at the sender's microphone: muted, wrong device, or no permission.",
            Self::WrongTone => "Two calls seem to be mixed up, or the sound is resampled wrongly on its way.",
            Self::RelayNotUsed => {
                "Check that both peers were told --relay-only and that the relay's counters are right."
            }
            Self::Interrupted => "Let it run until media flows.",
            Self::TimedOut => "Give the run more time with --timeout, or look at the phase it stopped in.",
        })
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
