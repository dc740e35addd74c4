//! What goes in front of a payload on its way to a client.

use std::net::SocketAddr;

use crate::stun::attributes::{DATA, EncodedAddress, XOR_PEER_ADDRESS};
use crate::stun::{ChannelNumber, Class, HEADER_LENGTH, MAGIC_COOKIE, Method, TransactionId};

const LONGEST_HEAD: usize = HEADER_LENGTH + 24 + 4;

/// The bytes in front of a payload on its way to a client: a channel data header, or a Data indication up to and
/// including the header of its DATA attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; LONGEST_HEAD],
    length: usize,
}

impl Head {
    /// The longest head: STUN header, XOR-PEER-ADDRESS with an IPv6 address, header of DATA.
    pub const MAX: usize = LONGEST_HEAD;

    /// Channel data; `None` when the payload is longer than 65 535 bytes.
    #[must_use]
    pub fn channel(number: ChannelNumber, payload: usize) -> Option<Self> {
        let mut head = Self::empty();
        head.push(&number.get().to_be_bytes());
        head.push(&u16::try_from(payload).ok()?.to_be_bytes());
        Some(head)
    }

    /// A Data indication; `None` when the payload does not fit a message.
    #[must_use]
    pub fn data(transaction: TransactionId, peer: SocketAddr, payload: usize) -> Option<Self> {
        let peer = EncodedAddress::new(peer, transaction);
        let address = peer.as_bytes();
        let length = 4 + address.len() + 4 + payload.next_multiple_of(4);
        let mut head = Self::empty();
        head.push(&Method::Data.with(Class::Indication).to_be_bytes());
        head.push(&u16::try_from(length).ok()?.to_be_bytes());
        head.push(&MAGIC_COOKIE);
        head.push(&transaction.0);
        head.push(&XOR_PEER_ADDRESS.to_be_bytes());
        head.push(&u16::try_from(address.len()).ok()?.to_be_bytes());
        head.push(address);
        head.push(&DATA.to_be_bytes());
        head.push(&u16::try_from(payload).ok()?.to_be_bytes());
        Some(head)
    }

    /// The bytes to send.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn empty() -> Self {
        Self { bytes: [0; LONGEST_HEAD], length: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::MessageBuilder;

    #[test]
    fn data_head_is_what_the_message_builder_writes() {
        let id = TransactionId([3; 12]);
        for peer in ["192.0.2.9:77", "[2001:db8::9]:77"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let built = MessageBuilder::new(Class::Indication, Method::Data, id)
                .xor_address(XOR_PEER_ADDRESS, peer)
                .attribute(DATA, b"hello")
                .finish();
            let mut sent = Head::data(id, peer, 5).unwrap().as_bytes().to_vec();
            sent.extend_from_slice(b"hello\0\0\0");
            assert_eq!(sent, built);
        }
    }

    #[test]
    fn oversized_payload_has_no_head() {
        let peer = SocketAddr::from(([192, 0, 2, 9], 77));
        assert_eq!(Head::data(TransactionId([0; 12]), peer, 65_530), None);
        assert_eq!(Head::channel(ChannelNumber::new(0x4000).unwrap(), 65_536), None);
    }
}
