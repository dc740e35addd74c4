//! What an Allocate request asks for, once its attributes are known to fit together (RFC 8656 section 7.2).

use super::super::answers::Refusal;
use super::super::types::Family;
use crate::stun::Message;
use crate::stun::attributes::{
    ADDITIONAL_ADDRESS_FAMILY, ADDITIONAL_ADDRESS_FAMILY_DRAFT, EVEN_PORT, FAMILY_V6, PROTOCOL_UDP,
    REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, RESERVATION_TOKEN,
};

/// Which addresses, and where. DONT-FRAGMENT needs no place here: it is granted by not being refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) addresses: Addresses,
    pub(super) port: Port,
    pub(super) token: Option<[u8; 8]>,
}

/// Of which family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addresses {
    /// IPv4, but IPv6 will do where the relay has nothing else. RFC 8656 section 7.2 would have a relay without IPv4
    /// answer 440 then; on purpose it does not, so that clients that know nothing of families can use it too.
    Any,
    /// This one.
    One(Family),
    /// Both, or whichever is to be had.
    Both,
}

/// On which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Any,
    Even,
    EvenAndNext,
}

impl Wish {
    pub(super) fn read(message: &Message<'_>) -> Result<Self, Refusal> {
        match message.find(REQUESTED_TRANSPORT) {
            Some([PROTOCOL_UDP, _, _, _]) => {}
            Some([_, _, _, _]) => return Err(Refusal::UnsupportedTransport),
            Some(_) | None => return Err(Refusal::BadRequest("REQUESTED-TRANSPORT missing")),
        }
        let family = match message.find(REQUESTED_ADDRESS_FAMILY) {
            Some(value) => Some(Family::from_value(value).ok_or(Refusal::FamilyNotSupported)?),
            None => None,
        };
        let port = match message.find(EVEN_PORT) {
            None => Port::Any,
            Some([flags, ..]) if flags & 0x80 != 0 => Port::EvenAndNext,
            Some([_, ..]) => Port::Even,
            Some([]) => return Err(Refusal::BadRequest("EVEN-PORT is empty")),
        };
        let token: Option<[u8; 8]> = match message.find(RESERVATION_TOKEN) {
            None => None,
            Some(_) if port != Port::Any || family.is_some() => {
                return Err(Refusal::BadRequest("RESERVATION-TOKEN excludes EVEN-PORT and REQUESTED-ADDRESS-FAMILY"));
            }
            Some(value) => Some(value.try_into().map_err(|_| Refusal::BadRequest("RESERVATION-TOKEN has 8 bytes"))?),
        };
        let second = message.find(ADDITIONAL_ADDRESS_FAMILY);
        let second = second.or_else(|| message.find(ADDITIONAL_ADDRESS_FAMILY_DRAFT));
        let addresses = match (second, family) {
            (None, None) => Addresses::Any,
            (None, Some(family)) => Addresses::One(family),
            (Some([FAMILY_V6, ..]), None) if token.is_none() && port != Port::EvenAndNext => Addresses::Both,
            (Some(_), _) => {
                return Err(Refusal::BadRequest("ADDITIONAL-ADDRESS-FAMILY is IPv6 and stands alone"));
            }
        };
        Ok(Self { addresses, port, token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{Class, MessageBuilder, Method, TransactionId};

    #[test]
    fn wishes_are_read() {
        let plain = Wish { addresses: Addresses::Any, port: Port::Any, token: None };
        assert_eq!(read(|m| m), Ok(plain));
        assert_eq!(
            read(|m| m.number(REQUESTED_ADDRESS_FAMILY, 2 << 24).attribute(EVEN_PORT, &[0])),
            Ok(Wish { addresses: Addresses::One(Family::V6), port: Port::Even, token: None })
        );
        assert_eq!(read(|m| m.attribute(EVEN_PORT, &[0x80])), Ok(Wish { port: Port::EvenAndNext, ..plain }));
        assert_eq!(read(|m| m.attribute(RESERVATION_TOKEN, &[7; 8])), Ok(Wish { token: Some([7; 8]), ..plain }));
        assert_eq!(
            read(|m| m.number(ADDITIONAL_ADDRESS_FAMILY, 2 << 24).attribute(EVEN_PORT, &[0])),
            Ok(Wish { addresses: Addresses::Both, port: Port::Even, token: None })
        );
        assert_eq!(
            read(|m| m.number(ADDITIONAL_ADDRESS_FAMILY_DRAFT, 2 << 24)),
            Ok(Wish { addresses: Addresses::Both, ..plain })
        );
    }

    #[test]
    fn wishes_that_do_not_fit_together_are_400() {
        let bad: [fn(MessageBuilder) -> MessageBuilder; 7] = [
            |m| m.attribute(EVEN_PORT, &[]),
            |m| m.attribute(RESERVATION_TOKEN, &[7; 7]),
            |m| m.attribute(RESERVATION_TOKEN, &[7; 8]).attribute(EVEN_PORT, &[0]),
            |m| m.attribute(RESERVATION_TOKEN, &[7; 8]).number(ADDITIONAL_ADDRESS_FAMILY, 2 << 24),
            |m| m.number(REQUESTED_ADDRESS_FAMILY, 1 << 24).number(ADDITIONAL_ADDRESS_FAMILY, 2 << 24),
            |m| m.number(ADDITIONAL_ADDRESS_FAMILY, 1 << 24),
            |m| m.attribute(EVEN_PORT, &[0x80]).number(ADDITIONAL_ADDRESS_FAMILY, 2 << 24),
        ];
        for part in bad {
            assert!(matches!(read(part), Err(Refusal::BadRequest(_))));
        }
    }

    #[expect(clippy::unwrap_in_result, reason = "the message is the test's own")]
    fn read(part: impl FnOnce(MessageBuilder) -> MessageBuilder) -> Result<Wish, Refusal> {
        let message = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([1; 12]))
            .number(REQUESTED_TRANSPORT, 17 << 24);
        let bytes = part(message).finish();
        Wish::read(&Message::parse(&bytes).unwrap())
    }
}
