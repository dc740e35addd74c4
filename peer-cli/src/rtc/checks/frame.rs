//! Which datagrams may have to do with checks, and what is read in them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rtc::stun::{
    attributes::AttrType,
    message::{Message, is_stun_message},
    xoraddr::XorMappedAddress,
};

/// A datagram that may have to do with checks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::rtc) enum Frame<'a> {
    /// A STUN message.
    Stun(&'a [u8]),
    /// A STUN message in a TURN channel (RFC 8656 section 12.4).
    Channel(u16, &'a [u8]),
}

impl<'a> Frame<'a> {
    /// Looks at a few bytes: media, which is nearly everything, is `None`.
    pub(in crate::rtc) fn of(datagram: &'a [u8]) -> Option<Self> {
        match datagram {
            [0..=3, ..] => is_stun_message(datagram).then_some(Self::Stun(datagram)),
            [high @ 0x40..=0x4f, low, _, _, inner @ ..] if matches!(inner, [0..=3, ..]) && is_stun_message(inner) => {
                Some(Self::Channel(u16::from_be_bytes([*high, *low]), inner))
            }
            _ => None,
        }
    }
}

/// A whole STUN message.
pub(in crate::rtc) fn decode(bytes: &[u8]) -> Option<Message> {
    let mut message = Message::new();
    message.unmarshal_binary(bytes).ok()?;
    Some(message)
}

/// An address in it that is masked with the magic cookie (RFC 8489 section 14.2).
pub(in crate::rtc) fn address(message: &Message, attribute: AttrType) -> Option<SocketAddr> {
    let mut address = XorMappedAddress { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };
    address.get_from_as(message, attribute).ok()?;
    Some(SocketAddr::new(address.ip, address.port))
}
