//! Attribute numbers, and the values that need more than their raw bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC_COOKIE, TransactionId};

/// The address the server saw, as it is (RFC 8489 section 14.1); XOR_MAPPED_ADDRESS survives more NATs.
pub const MAPPED_ADDRESS: u16 = 0x0001;
/// Wants the answer from another address of the server, flags in 32 bits (RFC 5780 section 7.2).
pub const CHANGE_REQUEST: u16 = 0x0003;
/// Who asks (RFC 8489 section 14.3).
pub const USERNAME: u16 = 0x0006;
/// HMAC-SHA1 over the message (RFC 8489 section 14.5).
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// Why a request was refused (RFC 8489 section 14.8).
pub const ERROR_CODE: u16 = 0x0009;
/// The attributes behind a 420 (RFC 8489 section 14.13).
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// A channel, upper 16 bits of 32 (RFC 8656 section 18.1).
pub const CHANNEL_NUMBER: u16 = 0x000c;
/// Seconds an allocation lives (RFC 8656 section 18.2).
pub const LIFETIME: u16 = 0x000d;
/// A peer's address, XOR form (RFC 8656 section 18.3).
pub const XOR_PEER_ADDRESS: u16 = 0x0012;
/// The payload of a Send or Data indication (RFC 8656 section 18.4).
pub const DATA: u16 = 0x0013;
/// The domain the credentials are valid in (RFC 8489 section 14.9).
pub const REALM: u16 = 0x0014;
/// The server's proof that the request is recent (RFC 8489 section 14.10).
pub const NONCE: u16 = 0x0015;
/// The relayed address, XOR form (RFC 8656 section 18.5).
pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
/// Which family the relayed address shall have (RFC 8656 section 18.6).
pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
/// Wants an even port, and with the top bit the next one reserved (RFC 8656 section 18.7).
pub const EVEN_PORT: u16 = 0x0018;
/// Protocol between relay and peer, upper 8 bits of 32 (RFC 8656 section 18.8).
pub const REQUESTED_TRANSPORT: u16 = 0x0019;
/// Wants the DF bit set towards peers (RFC 8656 section 18.9).
pub const DONT_FRAGMENT: u16 = 0x001a;
/// HMAC-SHA256 over the message (RFC 8489 section 14.6).
pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
/// The address the server saw, XOR form (RFC 8489 section 14.2).
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// 8 bytes that stand for a reserved port (RFC 8656 section 18.10).
pub const RESERVATION_TOKEN: u16 = 0x0022;
/// Bytes that only make a message long (RFC 5780 section 7.6).
pub const PADDING: u16 = 0x0026;
/// Wants the answer at another port of the client, upper 16 bits of 32 (RFC 5780 section 7.5).
pub const RESPONSE_PORT: u16 = 0x0027;
/// Asks for a second relayed address (RFC 8656 section 18.11).
pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
/// The same under the number of its draft (draft-martinsen-tram-ssoda), which coturn's clients send.
pub const ADDITIONAL_ADDRESS_FAMILY_DRAFT: u16 = 0x8032;
/// Why the second address was not given (RFC 8656 section 18.12).
pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
/// Name of the sender's software (RFC 8489 section 14.14).
pub const SOFTWARE: u16 = 0x8022;
/// Another server to ask, as a plain address (RFC 8489 section 14.15).
pub const ALTERNATE_SERVER: u16 = 0x8023;
/// CRC-32 over the message (RFC 8489 section 14.7).
pub const FINGERPRINT: u16 = 0x8028;
/// The address an answer was sent from, as a plain address (RFC 5780 section 7.3).
pub const RESPONSE_ORIGIN: u16 = 0x802b;
/// The server's address that differs in IP address and in port, as a plain address (RFC 5780 section 7.4).
pub const OTHER_ADDRESS: u16 = 0x802c;

/// Transport protocol UDP, as REQUESTED-TRANSPORT names it.
pub const PROTOCOL_UDP: u8 = 17;
/// Address family IPv4, as addresses and REQUESTED-ADDRESS-FAMILY name it.
pub const FAMILY_V4: u8 = 0x01;
/// Address family IPv6.
pub const FAMILY_V6: u8 = 0x02;

/// True for the half of the number space that a receiver may not skip (RFC 8489 section 14).
#[must_use]
pub fn must_be_understood(kind: u16) -> bool {
    kind < 0x8000
}

/// True for the comprehension-required attributes named in this file that mean the same to every relay.
///
/// CHANGE_REQUEST, PADDING and RESPONSE_PORT are not among them: only a Binding request may carry them, and only a
/// relay that offers NAT behaviour discovery understands them.
#[must_use]
pub fn is_known(kind: u16) -> bool {
    matches!(
        kind,
        MAPPED_ADDRESS
            | USERNAME
            | MESSAGE_INTEGRITY
            | ERROR_CODE
            | UNKNOWN_ATTRIBUTES
            | CHANNEL_NUMBER
            | LIFETIME
            | XOR_PEER_ADDRESS
            | DATA
            | REALM
            | NONCE
            | XOR_RELAYED_ADDRESS
            | REQUESTED_ADDRESS_FAMILY
            | EVEN_PORT
            | REQUESTED_TRANSPORT
            | DONT_FRAGMENT
            | MESSAGE_INTEGRITY_SHA256
            | XOR_MAPPED_ADDRESS
            | RESERVATION_TOKEN
    )
}

/// The value of an address attribute, kept on the stack: 8 bytes for IPv4, 20 for IPv6.
#[derive(Debug, Clone, Copy)]
pub struct EncodedAddress {
    bytes: [u8; 20],
    length: usize,
}

impl EncodedAddress {
    /// Encodes `address` in its XOR form, for a message with this transaction id (RFC 8489 section 14.2).
    #[must_use]
    pub fn new(address: SocketAddr, transaction: TransactionId) -> Self {
        Self::masked(address, &mask(transaction))
    }

    /// The attribute's value.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn masked(address: SocketAddr, mask: &[u8; 16]) -> Self {
        let mut bytes = [0; 20];
        xor_into(&mut bytes[2..4], &address.port().to_be_bytes(), mask);
        match address.ip() {
            IpAddr::V4(ip) => {
                bytes[1] = FAMILY_V4;
                xor_into(&mut bytes[4..8], &ip.octets(), mask);
                Self { bytes, length: 8 }
            }
            IpAddr::V6(ip) => {
                bytes[1] = FAMILY_V6;
                xor_into(&mut bytes[4..20], &ip.octets(), mask);
                Self { bytes, length: 20 }
            }
        }
    }
}

/// Encodes `address` as it is, for MAPPED_ADDRESS, ALTERNATE_SERVER, RESPONSE_ORIGIN and OTHER_ADDRESS (RFC 8489
/// section 14.1).
#[must_use]
pub fn encode_address(address: SocketAddr) -> EncodedAddress {
    EncodedAddress::masked(address, &PLAIN)
}

/// Reads a XOR address attribute; `None` for an unknown family or a wrong length.
#[must_use]
pub fn decode_xor_address(value: &[u8], transaction: TransactionId) -> Option<SocketAddr> {
    unmask(value, &mask(transaction))
}

/// Reads a plain address attribute; `None` for an unknown family or a wrong length.
#[must_use]
pub fn decode_address(value: &[u8]) -> Option<SocketAddr> {
    unmask(value, &PLAIN)
}

/// The first four bytes of an ERROR-CODE value for `code`, 300 to 699.
#[must_use]
pub fn encode_error_code(code: u16) -> [u8; 4] {
    let [_, class] = (code / 100).to_be_bytes();
    let [_, number] = (code % 100).to_be_bytes();
    [0, 0, class, number]
}

/// The code in an ERROR-CODE value.
#[must_use]
pub fn decode_error_code(value: &[u8]) -> Option<u16> {
    let (head, _) = value.split_first_chunk::<4>()?;
    Some(u16::from(head[2] & 0x07) * 100 + u16::from(head[3]))
}

/// The mask that changes nothing.
const PLAIN: [u8; 16] = [0; 16];

/// The mask over an address; a port is under its first two bytes.
fn mask(transaction: TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE);
    mask[4..].copy_from_slice(&transaction.0);
    mask
}

fn unmask(value: &[u8], mask: &[u8; 16]) -> Option<SocketAddr> {
    let (head, ip) = value.split_first_chunk::<4>()?;
    let mut port = [0; 2];
    xor_into(&mut port, &head[2..], mask);
    let port = u16::from_be_bytes(port);
    match (head[1], ip.len()) {
        (FAMILY_V4, 4) => {
            let mut octets = [0; 4];
            xor_into(&mut octets, ip, mask);
            Some(SocketAddr::from((Ipv4Addr::from(octets), port)))
        }
        (FAMILY_V6, 16) => {
            let mut octets = [0; 16];
            xor_into(&mut octets, ip, mask);
            Some(SocketAddr::from((Ipv6Addr::from(octets), port)))
        }
        _ => None,
    }
}

fn xor_into(out: &mut [u8], from: &[u8], mask: &[u8; 16]) {
    for ((out, from), mask) in out.iter_mut().zip(from).zip(mask) {
        *out = from ^ mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_round_trip() {
        let id = TransactionId([0x5a; 12]);
        for text in ["192.0.2.1:32853", "0.0.0.0:0", "[2001:db8:1234:5678:11:2233:4455:6677]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            let encoded = EncodedAddress::new(address, id);
            assert_eq!(decode_xor_address(encoded.as_bytes(), id), Some(address));
            assert_eq!(decode_address(encode_address(address).as_bytes()), Some(address));
        }
    }

    #[test]
    fn plain_addresses_are_written_as_they_are() {
        let encoded = encode_address(SocketAddr::from(([192, 0, 2, 1], 0x0d96)));
        assert_eq!(encoded.as_bytes(), [0, 1, 0x0d, 0x96, 192, 0, 2, 1]);
        let encoded = encode_address("[2001:db8::7]:3478".parse().unwrap());
        assert_eq!(encoded.as_bytes(), [0, 2, 0x0d, 0x96, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    }

    #[test]
    fn damaged_addresses_are_none() {
        let id = TransactionId([0; 12]);
        for value in [&[][..], &[0, 1, 0, 0, 1, 2, 3], &[0, 2, 0, 0, 1, 2, 3, 4], &[0, 9, 0, 0, 1, 2, 3, 4]] {
            assert_eq!(decode_xor_address(value, id), None);
            assert_eq!(decode_address(value), None);
        }
    }

    #[test]
    fn discovery_has_to_be_offered_before_its_attributes_are_known() {
        for kind in [CHANGE_REQUEST, PADDING, RESPONSE_PORT] {
            assert!(must_be_understood(kind));
            assert!(!is_known(kind));
        }
        for kind in [ALTERNATE_SERVER, RESPONSE_ORIGIN, OTHER_ADDRESS] {
            assert!(!must_be_understood(kind));
        }
    }

    #[test]
    fn error_codes_are_split_into_class_and_number() {
        assert_eq!(encode_error_code(438), [0, 0, 4, 38]);
        assert_eq!(decode_error_code(&[0, 0, 4, 38, b'x']), Some(438));
        assert_eq!(decode_error_code(&[0, 0, 4]), None);
    }
}
