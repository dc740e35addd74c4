//! One received STUN message: a checked view of its bytes.

use std::net::SocketAddr;

use super::attributes;
use super::integrity::{self, IntegrityKind, Key};
use super::{Class, HEADER_LENGTH, MAGIC_COOKIE, Method, TransactionId};

/// A received STUN message whose header and attribute lengths have been checked (RFC 8489 section 5).
///
/// It borrows the datagram; looking an attribute up copies nothing.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
}

impl<'a> Message<'a> {
    /// Reads `bytes` as exactly one message.
    ///
    /// # Errors
    /// Every length has to fit and the method has to be one of [`Method`]; see [`ParseError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_LENGTH>() else {
            return Err(ParseError::TooShort { got: bytes.len() });
        };
        let kind = u16::from_be_bytes([header[0], header[1]]);
        if kind & 0xc000 != 0 || header[4..8] != MAGIC_COOKIE {
            return Err(ParseError::NotStun);
        }
        let stated = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if stated != body.len() || stated % 4 != 0 {
            return Err(ParseError::Length { stated, got: body.len() });
        }
        let class = Class::from_type(kind);
        let bits = (kind & 0x000f) | ((kind & 0x00e0) >> 1) | ((kind & 0x3e00) >> 2);
        let method = Method::from_bits(bits).ok_or(ParseError::Method(bits))?;
        check_attributes(bytes)?;
        Ok(Self { bytes, class, method })
    }

    /// Request, indication or answer.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// What the message is about.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The id that ties an answer to its request.
    #[must_use]
    pub fn transaction(&self) -> TransactionId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.bytes[8..HEADER_LENGTH]);
        TransactionId(id)
    }

    /// The attributes in order, without those a receiver must ignore: what follows MESSAGE-INTEGRITY except
    /// MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, and what follows FINGERPRINT (RFC 8489 sections 14.5 to 14.7).
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: self.bytes, at: HEADER_LENGTH, seal: None }
    }

    /// The value of the first attribute of this kind.
    #[must_use]
    pub fn find(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    /// The first attribute of this kind as text; `None` when it is missing or not UTF-8.
    #[must_use]
    pub fn text(&self, kind: u16) -> Option<&'a str> {
        self.find(kind).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first attribute of this kind as a 32-bit number; `None` when it is missing or not 4 bytes long.
    #[must_use]
    pub fn number(&self, kind: u16) -> Option<u32> {
        let value = self.find(kind)?;
        Some(u32::from_be_bytes(value.try_into().ok()?))
    }

    /// The first attribute of this kind as a XOR-encoded address; `None` when it is missing or malformed.
    #[must_use]
    pub fn xor_address(&self, kind: u16) -> Option<SocketAddr> {
        attributes::decode_xor_address(self.find(kind)?, self.transaction())
    }

    /// The code of an error answer (RFC 8489 section 14.8), 300 to 699.
    #[must_use]
    pub fn error_code(&self) -> Option<u16> {
        attributes::decode_error_code(self.find(attributes::ERROR_CODE)?)
    }

    /// The kinds of comprehension-required attributes that this codec does not know, in order.
    #[must_use]
    pub fn unknown_attributes(&self) -> Vec<u16> {
        self.attributes()
            .map(|attribute| attribute.kind)
            .filter(|kind| attributes::must_be_understood(*kind) && !attributes::is_known(*kind))
            .collect()
    }

    /// Which integrity attribute the sender signed with; the stronger one when it sent both.
    #[must_use]
    pub fn integrity(&self) -> Option<IntegrityKind> {
        integrity::find(self).map(|(kind, _)| kind)
    }

    /// True when the integrity attribute is there and was made with `key` (compared in constant time).
    #[must_use]
    pub fn verify(&self, key: &Key) -> bool {
        integrity::verify(self, key)
    }

    /// The checksum's verdict, or `None` when the message carries no FINGERPRINT.
    #[must_use]
    pub fn fingerprint(&self) -> Option<bool> {
        integrity::fingerprint(self)
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// One attribute of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The attribute's registered number, see [`attributes`].
    pub kind: u16,
    /// Its value, without the padding.
    pub value: &'a [u8],
    /// Where its 4-byte header starts in the message, in bytes.
    pub offset: usize,
}

/// Walks the attributes of a checked message.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
    seal: Option<u16>,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        while let Some((attribute, next)) = attribute_at(self.bytes, self.at) {
            self.at = next;
            let counts = match self.seal {
                None => true,
                Some(attributes::MESSAGE_INTEGRITY) => {
                    matches!(attribute.kind, attributes::MESSAGE_INTEGRITY_SHA256 | attributes::FINGERPRINT)
                }
                Some(attributes::MESSAGE_INTEGRITY_SHA256) => attribute.kind == attributes::FINGERPRINT,
                Some(_) => false,
            };
            if !counts {
                continue;
            }
            if matches!(
                attribute.kind,
                attributes::MESSAGE_INTEGRITY | attributes::MESSAGE_INTEGRITY_SHA256 | attributes::FINGERPRINT
            ) {
                self.seal = Some(attribute.kind);
            }
            return Some(attribute);
        }
        None
    }
}

/// Why bytes are not a message for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Fewer bytes than a header has.
    #[error("a message has at least 20 bytes, got {got}")]
    TooShort {
        /// Bytes received.
        got: usize,
    },
    /// The first two bits or the magic cookie are something else.
    #[error("no STUN message: leading bits or magic cookie differ")]
    NotStun,
    /// The header's length field is not what follows it.
    #[error("the header announces {stated} bytes of attributes (a multiple of 4), got {got}")]
    Length {
        /// Bytes announced.
        stated: usize,
        /// Bytes received after the header.
        got: usize,
    },
    /// A method this relay has no use for.
    #[error("method 0x{0:03x} is not spoken here")]
    Method(u16),
    /// An attribute reaches past the end of the message.
    #[error("the attribute at byte {offset} reaches past the end of the message")]
    Attribute {
        /// Where the attribute starts.
        offset: usize,
    },
}

fn check_attributes(bytes: &[u8]) -> Result<(), ParseError> {
    let mut at = HEADER_LENGTH;
    while at < bytes.len() {
        let (_, next) = attribute_at(bytes, at).ok_or(ParseError::Attribute { offset: at })?;
        at = next;
    }
    Ok(())
}

/// The attribute at `offset` and where the next one starts.
fn attribute_at(bytes: &[u8], offset: usize) -> Option<(Attribute<'_>, usize)> {
    let (header, rest) = bytes.get(offset..)?.split_first_chunk::<4>()?;
    let kind = u16::from_be_bytes([header[0], header[1]]);
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let padded = length.next_multiple_of(4);
    if rest.len() < padded {
        return None;
    }
    let attribute = Attribute { kind, value: &rest[..length], offset };
    Some((attribute, offset + 4 + padded))
}

#[cfg(test)]
mod tests {
    use super::super::MessageBuilder;
    use super::*;

    const ID: TransactionId = TransactionId([7; 12]);

    #[test]
    fn wrong_lengths_are_refused() {
        let good =
            MessageBuilder::new(Class::Request, Method::Binding, ID).attribute(attributes::SOFTWARE, b"abcd").finish();
        assert_eq!(Message::parse(&good[..10]).err(), Some(ParseError::TooShort { got: 10 }));
        assert_eq!(Message::parse(&good[..24]).err(), Some(ParseError::Length { stated: 8, got: 4 }));
        let mut reaches_out = good.clone();
        reaches_out[23] = 5;
        assert_eq!(Message::parse(&reaches_out).err(), Some(ParseError::Attribute { offset: 20 }));
        let mut no_cookie = good.clone();
        no_cookie[4] = 0;
        assert_eq!(Message::parse(&no_cookie).err(), Some(ParseError::NotStun));
        let mut other_method = good;
        other_method[1] = 0x0b;
        assert_eq!(Message::parse(&other_method).err(), Some(ParseError::Method(0x00b)));
    }

    #[test]
    fn attributes_after_the_signature_do_not_count() {
        let key = Key::short_term("secret");
        let bytes = MessageBuilder::new(Class::Request, Method::Refresh, ID)
            .number(attributes::LIFETIME, 600)
            .integrity(&key, IntegrityKind::Sha1)
            .number(attributes::REQUESTED_TRANSPORT, 17 << 24)
            .attribute(0x7fff, b"what")
            .finish();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.number(attributes::LIFETIME), Some(600));
        assert_eq!(message.number(attributes::REQUESTED_TRANSPORT), None);
        assert_eq!(message.unknown_attributes(), Vec::<u16>::new());
    }

    #[test]
    fn unknown_attributes_are_listed_only_when_they_must_be_understood() {
        let bytes = MessageBuilder::new(Class::Request, Method::Allocate, ID)
            .attribute(0x7001, b"")
            .attribute(0xc001, b"")
            .attribute(attributes::DONT_FRAGMENT, b"")
            .attribute(0x0003, b"1234")
            .finish();
        assert_eq!(Message::parse(&bytes).unwrap().unknown_attributes(), vec![0x7001, 0x0003]);
    }
}
