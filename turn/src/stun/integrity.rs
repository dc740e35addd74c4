//! What proves a message: MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT.

use std::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};
use md5::{Digest, Md5};
use ring::hmac;

use super::attributes::{FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256};
use super::builder::set_length;
use super::message::{Attribute, Message};

/// The key a message is signed with. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// `MD5(username ":" realm ":" password)`, 16 bytes (RFC 8489 section 9.2.2).
    #[must_use]
    pub fn long_term(username: &str, realm: &str, password: &str) -> Self {
        let mut hasher = Md5::new();
        for part in [username, ":", realm, ":", password] {
            hasher.update(part.as_bytes());
        }
        Self(hasher.finalize().to_vec())
    }

    /// The password itself (RFC 8489 section 9.1.1).
    #[must_use]
    pub fn short_term(password: &str) -> Self {
        Self(password.as_bytes().to_vec())
    }

    fn hmac(&self, kind: IntegrityKind) -> hmac::Key {
        hmac::Key::new(kind.algorithm(), &self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// Which of the two signatures a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegrityKind {
    /// MESSAGE-INTEGRITY, HMAC-SHA1, 20 bytes.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256, HMAC-SHA256, 32 bytes; shortened ones are not accepted.
    Sha256,
}

impl IntegrityKind {
    pub(super) fn attribute(self) -> u16 {
        match self {
            Self::Sha1 => MESSAGE_INTEGRITY,
            Self::Sha256 => MESSAGE_INTEGRITY_SHA256,
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn algorithm(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        }
    }
}

/// The signature to judge: the stronger one when both are there.
pub(super) fn find<'a>(message: &Message<'a>) -> Option<(IntegrityKind, Attribute<'a>)> {
    [IntegrityKind::Sha256, IntegrityKind::Sha1].into_iter().find_map(|kind| {
        let attribute = message.attributes().find(|attribute| attribute.kind == kind.attribute())?;
        Some((kind, attribute))
    })
}

pub(super) fn verify(message: &Message<'_>, key: &Key) -> bool {
    let Some((kind, attribute)) = find(message) else {
        return false;
    };
    let signed = signed_bytes(&message.bytes()[..attribute.offset], kind);
    hmac::verify(&key.hmac(kind), &signed, attribute.value).is_ok()
}

pub(super) fn sign(message: &[u8], key: &Key, kind: IntegrityKind) -> hmac::Tag {
    hmac::sign(&key.hmac(kind), &signed_bytes(message, kind))
}

pub(super) fn fingerprint(message: &Message<'_>) -> Option<bool> {
    let attribute = message.attributes().find(|attribute| attribute.kind == FINGERPRINT)?;
    let expected = checksum(&message.bytes()[..attribute.offset]);
    Some(attribute.value == expected.to_be_bytes())
}

/// CRC-32 of the bytes before FINGERPRINT, with the mask of RFC 8489 section 14.7.
pub(super) fn checksum(before: &[u8]) -> u32 {
    static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    CRC.checksum(before) ^ 0x5354_554e
}

/// A signature covers the bytes before it under a header whose length ends with the signature itself.
fn signed_bytes(before: &[u8], kind: IntegrityKind) -> Vec<u8> {
    let mut signed = before.to_vec();
    let length = before.len() + 4 + kind.length() - super::HEADER_LENGTH;
    set_length(&mut signed, length);
    signed
}

#[cfg(test)]
mod tests {
    use super::super::attributes::{NONCE, REALM, SOFTWARE, USERNAME, XOR_MAPPED_ADDRESS};
    use super::super::{Class, MessageBuilder, Method, TransactionId};
    use super::*;

    /// RFC 5769 sections 2.1 to 2.3.
    const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
    const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae\
        802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36\
        000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2\
        80280004e57a3bcf";
    const RESPONSE_V4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae\
        8022000b7465737420766563746f7220002000080001a147e112a643\
        000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
    const RESPONSE_V6: &str = "010100482112a442b7e7a701bc34d686fa87dfae\
        8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9\
        00080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";
    /// RFC 5769 section 2.4.
    const LONG_TERM: &str = "000100602112a44278ad3433c6ad72c029da412e\
        00060012e3839ee38388e383aae38383e382afe382b90000\
        0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b\
        6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

    #[test]
    fn rfc_5769_request_verifies() {
        let bytes = hex(REQUEST);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.text(SOFTWARE), Some("STUN test client"));
        assert_eq!(message.text(USERNAME), Some("evtj:h6vY"));
        assert_eq!(message.integrity(), Some(IntegrityKind::Sha1));
        assert!(message.verify(&Key::short_term(PASSWORD)));
        assert!(!message.verify(&Key::short_term("something else")));
        assert_eq!(message.fingerprint(), Some(true));
    }

    #[test]
    fn rfc_5769_responses_verify_and_carry_the_address() {
        for (text, address) in
            [(RESPONSE_V4, "192.0.2.1:32853"), (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
        {
            let bytes = hex(text);
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.xor_address(XOR_MAPPED_ADDRESS), Some(address.parse().unwrap()));
            assert!(message.verify(&Key::short_term(PASSWORD)));
            assert_eq!(message.fingerprint(), Some(true));
        }
    }

    #[test]
    fn rfc_5769_long_term_request_verifies() {
        let bytes = hex(LONG_TERM);
        let message = Message::parse(&bytes).unwrap();
        let username = message.text(USERNAME).unwrap();
        assert_eq!(message.text(REALM), Some("example.org"));
        assert_eq!(message.text(NONCE), Some("f//499k954d6OL34oL9FSTvy64sA"));
        assert!(message.verify(&Key::long_term(username, "example.org", "TheMatrIX")));
        assert!(!message.verify(&Key::long_term(username, "example.com", "TheMatrIX")));
    }

    #[test]
    fn own_signatures_verify_and_one_flipped_bit_breaks_them() {
        let key = Key::long_term("user", "realm", "pass");
        for kind in [IntegrityKind::Sha1, IntegrityKind::Sha256] {
            let bytes = MessageBuilder::new(Class::Request, Method::Refresh, TransactionId([1; 12]))
                .attribute(USERNAME, b"user")
                .integrity(&key, kind)
                .fingerprint()
                .finish();
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.integrity(), Some(kind));
            assert!(message.verify(&key));
            assert_eq!(message.fingerprint(), Some(true));

            let mut damaged = bytes;
            damaged[24] ^= 1;
            let message = Message::parse(&damaged).unwrap();
            assert!(!message.verify(&key));
            assert_eq!(message.fingerprint(), Some(false));
        }
    }

    #[test]
    fn key_shows_nothing() {
        assert_eq!(format!("{:?}", Key::short_term("hush")), "Key(***)");
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| u8::try_from(digit).unwrap()).collect();
        digits.chunks(2).map(|pair| (pair[0] << 4) | pair[1]).collect()
    }
}
