//! What a datagram on the wire is, as far as it can be seen from outside.

use dialtone_turn::stun::attributes::DATA;
use dialtone_turn::stun::{ChannelData, Message};

/// What a datagram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// STUN and TURN between a client and the relay.
    Relay,
    /// A connectivity check, or an answer to one, between the two clients.
    Check,
    /// The handshake between the two clients.
    Dtls,
    /// RTP of this payload type.
    Rtp(u8),
    /// RTCP.
    Rtcp,
    /// None of these.
    Other,
}

/// The part of an RTP header that stays in clear (RFC 3550 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtp {
    /// The payload type.
    pub payload_type: u8,
    /// The marker, which ends a picture.
    pub marker: bool,
    /// The sequence number.
    pub sequence: u16,
}

/// What is inside channel data or an indication counts; else what the datagram itself is.
pub(super) fn classify(datagram: &[u8]) -> (Kind, Option<Rtp>) {
    if let Some(data) = ChannelData::parse(datagram) {
        return between_clients(data.payload);
    }
    match Message::parse(datagram) {
        Ok(message) => message.find(DATA).map_or((Kind::Relay, None), between_clients),
        Err(_) => (Kind::Other, None),
    }
}

/// By the first byte (RFC 7983), and RTCP from RTP by the second one (RFC 5761 section 4).
fn between_clients(payload: &[u8]) -> (Kind, Option<Rtp>) {
    match payload {
        [0..=3, ..] => (Kind::Check, None),
        [20..=63, ..] => (Kind::Dtls, None),
        [128..=191, 192..=223, ..] => (Kind::Rtcp, None),
        [128..=191, second, high, low, ..] => {
            let rtp = Rtp {
                payload_type: second & 0x7f,
                marker: second & 0x80 != 0,
                sequence: u16::from_be_bytes([*high, *low]),
            };
            (Kind::Rtp(rtp.payload_type), Some(rtp))
        }
        _ => (Kind::Other, None),
    }
}
