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
    /// The timestamp, the same for all packets of a picture.
    pub timestamp: u32,
}

/// The part of RTCP that stays in clear, the header of the first packet in a compound one (RFC 3711 section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtcp {
    /// The packet type (RFC 3550 section 12.1, RFC 4585 section 6.1).
    pub packet_type: u8,
    /// How many reports there are, or of which format a feedback is.
    pub count: u8,
}

impl Rtcp {
    /// Whether it asks for a key frame by a picture loss indication (RFC 4585 section 6.3.1).
    pub fn is_picture_loss(self) -> bool {
        self == Self { packet_type: 206, count: 1 }
    }

    /// Whether it is a sender report (RFC 3550 section 6.4.1).
    pub fn is_sender_report(self) -> bool {
        self.packet_type == 200
    }
}

/// What was found in a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) rtp: Option<Rtp>,
    pub(super) rtcp: Option<Rtcp>,
}

/// What is inside channel data or an indication counts; else what the datagram itself is.
pub(super) fn classify(datagram: &[u8]) -> Found {
    if let Some(data) = ChannelData::parse(datagram) {
        return between_clients(data.payload);
    }
    match Message::parse(datagram) {
        Ok(message) => message.find(DATA).map_or_else(|| bare(Kind::Relay), between_clients),
        Err(_) => bare(Kind::Other),
    }
}

/// By the first byte (RFC 7983), and RTCP from RTP by the second one (RFC 5761 section 4).
fn between_clients(payload: &[u8]) -> Found {
    match *payload {
        [0..=3, ..] => bare(Kind::Check),
        [20..=63, ..] => bare(Kind::Dtls),
        [first @ 128..=191, packet_type @ 192..=223, ..] => {
            Found { rtcp: Some(Rtcp { packet_type, count: first & 0x1f }), ..bare(Kind::Rtcp) }
        }
        [128..=191, second, high, low, t0, t1, t2, t3, ..] => {
            let rtp = Rtp {
                payload_type: second & 0x7f,
                marker: second & 0x80 != 0,
                sequence: u16::from_be_bytes([high, low]),
                timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            };
            Found { rtp: Some(rtp), ..bare(Kind::Rtp(rtp.payload_type)) }
        }
        _ => bare(Kind::Other),
    }
}

fn bare(kind: Kind) -> Found {
    Found { kind, rtp: None, rtcp: None }
}
