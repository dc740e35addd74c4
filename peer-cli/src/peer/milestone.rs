//! What a peer reaches on its way, with a name for machines and words for people.

use crate::call::Phase;

/// Something worth a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// The WebSocket to the signaling server is open.
    SocketOpen,
    /// CONNECTED has come.
    StompConnected,
    /// The call brain has moved on.
    Call(Phase),
    /// The first RTP packet has come.
    FirstPacket,
    /// The first key frame is put together.
    FirstKeyFrame,
    /// The first picture is decoded.
    FirstPicture,
    /// The first sound is decoded.
    FirstSound,
    /// An address of this machine is gone.
    NetworkChanged,
    /// The connection to the relay in use broke.
    RelayLost,
    /// We hang up.
    HungUp,
}

impl Milestone {
    /// The name in reports; stable.
    pub fn name(self) -> &'static str {
        self.both().0
    }

    /// For people, as the end of a line that begins with the peer's name.
    pub fn words(self) -> &'static str {
        self.both().1
    }

    fn both(self) -> (&'static str, &'static str) {
        match self {
            Self::SocketOpen => ("socket-open", "WebSocket open"),
            Self::StompConnected => ("stomp-connected", "STOMP connected"),
            Self::FirstPacket => ("first-packet", "first packet"),
            Self::FirstKeyFrame => ("first-key-frame", "first key frame"),
            Self::FirstPicture => ("first-picture", "first picture decoded"),
            Self::FirstSound => ("first-sound", "first sound decoded"),
            Self::NetworkChanged => ("network-changed", "the network changed"),
            Self::RelayLost => ("relay-lost", "the connection to the relay broke"),
            Self::HungUp => ("hung-up", "hanging up"),
            Self::Call(phase) => match phase {
                Phase::Joined => ("joined", "joined the room"),
                Phase::Waiting => ("waiting", "waiting for the other side"),
                Phase::Ready => ("ready", "READY: two members"),
                Phase::OfferSent => ("offer-sent", "OFFER sent"),
                Phase::OfferReceived => ("offer-received", "OFFER received"),
                Phase::AnswerSent => ("answer-sent", "ANSWER sent"),
                Phase::AnswerReceived => ("answer-received", "ANSWER received"),
                Phase::RolledBack => ("rolled-back", "both offered at once: own OFFER taken back"),
                Phase::IceChecking => ("ice-checking", "ICE checking"),
                Phase::IceConnected => ("ice-connected", "ICE connected"),
                Phase::Connected => ("connected", "connected (DTLS)"),
                Phase::Interrupted => ("interrupted", "nothing comes any more"),
                Phase::IceRestart => ("ice-restart", "ICE restart"),
                Phase::SignalingLost => ("signaling-lost", "signaling lost, dialling again"),
                Phase::SignalingBack => ("signaling-back", "signaling is back"),
            },
        }
    }
}
