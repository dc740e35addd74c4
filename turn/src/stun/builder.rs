//! Writes the messages we send.

use std::net::SocketAddr;

use super::attributes::{self, EncodedAddress};
use super::integrity::{self, IntegrityKind, Key};
use super::{Class, HEADER_LENGTH, MAGIC_COOKIE, Method, TransactionId};

/// Writes one message, attribute after attribute; the header's length is right after every step.
#[derive(Debug, Clone)]
pub struct MessageBuilder {
    bytes: Vec<u8>,
    transaction: TransactionId,
}

impl MessageBuilder {
    /// Starts with the header only.
    #[must_use]
    pub fn new(class: Class, method: Method, transaction: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&method.with(class).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(&transaction.0);
        Self { bytes, transaction }
    }

    /// Appends an attribute, padded with zeros to 4 bytes. What does not fit a message's 16-bit length is cut off.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let room = usize::from(u16::MAX - 3).saturating_sub(self.bytes.len() - HEADER_LENGTH).saturating_sub(4);
        let value = &value[..value.len().min(room & !3)];
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&saturating_u16(value.len()).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = self.bytes.len() - HEADER_LENGTH;
        set_length(&mut self.bytes, length);
        self
    }

    /// Appends a 32-bit number.
    #[must_use]
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Appends an address in its XOR form (RFC 8489 section 14.2).
    #[must_use]
    pub fn xor_address(self, kind: u16, address: SocketAddr) -> Self {
        let encoded = EncodedAddress::new(address, self.transaction);
        self.attribute(kind, encoded.as_bytes())
    }

    /// Appends ERROR-CODE with its reason phrase.
    #[must_use]
    pub fn error(self, code: u16, reason: &str) -> Self {
        let mut value = attributes::encode_error_code(code).to_vec();
        value.extend_from_slice(reason.as_bytes());
        self.attribute(attributes::ERROR_CODE, &value)
    }

    /// Signs everything so far.
    #[must_use]
    pub fn integrity(self, key: &Key, kind: IntegrityKind) -> Self {
        let tag = integrity::sign(&self.bytes, key, kind);
        self.attribute(kind.attribute(), tag.as_ref())
    }

    /// Appends the checksum; has to be the last step.
    #[must_use]
    pub fn fingerprint(mut self) -> Self {
        // The checksum covers the header with the checksum's own 8 bytes already counted.
        let length = self.bytes.len() - HEADER_LENGTH + 8;
        set_length(&mut self.bytes, length);
        let checksum = integrity::checksum(&self.bytes);
        self.number(attributes::FINGERPRINT, checksum)
    }

    /// The message, ready to be sent.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Writes the length field of a message header.
pub(super) fn set_length(message: &mut [u8], length: usize) {
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&saturating_u16(length).to_be_bytes());
    }
}

fn saturating_u16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Message;
    use super::*;

    const ID: TransactionId = TransactionId([7; 12]);

    #[test]
    fn built_message_reads_back() {
        let address: SocketAddr = "[2001:db8::1]:4000".parse().unwrap();
        let bytes = MessageBuilder::new(Class::Success, Method::Allocate, ID)
            .xor_address(attributes::XOR_RELAYED_ADDRESS, address)
            .number(attributes::LIFETIME, 600)
            .attribute(attributes::SOFTWARE, b"abcde")
            .fingerprint()
            .finish();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.method(), Method::Allocate);
        assert_eq!(message.transaction(), ID);
        assert_eq!(message.xor_address(attributes::XOR_RELAYED_ADDRESS), Some(address));
        assert_eq!(message.number(attributes::LIFETIME), Some(600));
        assert_eq!(message.text(attributes::SOFTWARE), Some("abcde"));
        assert_eq!(message.fingerprint(), Some(true));
    }

    #[test]
    fn message_types_have_their_registered_numbers() {
        assert_eq!(Method::Allocate.with(Class::Request), 0x0003);
        assert_eq!(Method::Allocate.with(Class::Success), 0x0103);
        assert_eq!(Method::Allocate.with(Class::Error), 0x0113);
        assert_eq!(Method::Send.with(Class::Indication), 0x0016);
        assert_eq!(Method::Data.with(Class::Indication), 0x0017);
        assert_eq!(Method::ChannelBind.with(Class::Request), 0x0009);
    }

    #[test]
    fn value_that_does_not_fit_is_cut() {
        let bytes =
            MessageBuilder::new(Class::Indication, Method::Data, ID).attribute(attributes::DATA, &[1; 70_000]).finish();
        assert!(Message::parse(&bytes).is_ok());
    }
}
