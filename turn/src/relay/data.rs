//! The data path: one look-up or two per packet, no allocation, no copy of the payload.

use std::net::SocketAddr;
use std::time::Instant;

use tracing::trace;

use super::Core;
use super::types::{ClientAddr, RelayId};
use crate::stun::attributes::{self, DATA, DONT_FRAGMENT, EncodedAddress, XOR_PEER_ADDRESS};
use crate::stun::{ChannelData, ChannelNumber, Class, HEADER_LENGTH, MAGIC_COOKIE, Message, Method, TransactionId};

/// Where a datagram goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Nowhere: it was dropped, or it was a request whose answer waits among the outputs.
    Done,
    /// From this relay socket to a peer.
    ToPeer {
        /// The socket.
        relay: RelayId,
        /// The peer.
        to: SocketAddr,
        /// What to send.
        payload: &'a [u8],
    },
    /// To a client: `head`, `payload` and `padding` zero bytes, in one datagram or frame.
    ToClient {
        /// The client.
        to: ClientAddr,
        /// The framing that goes first.
        head: Head,
        /// What the peer sent.
        payload: &'a [u8],
        /// Zero bytes to append, 0 to 3.
        padding: usize,
    },
}

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

impl Core {
    pub(super) fn channel_data<'a>(&mut self, now: Instant, from: ClientAddr, bytes: &'a [u8]) -> Decision<'a> {
        let Some(data) = ChannelData::parse(bytes) else {
            return dropped("channel data cut short or out of range");
        };
        let Some(relay) = self.allocations.of_client(from) else {
            return dropped("no allocation");
        };
        let peer = self.allocations.get(relay).and_then(|allocation| allocation.channels.peer(data.number, now));
        match peer {
            Some(peer) => self.up(now, relay, peer, data.payload),
            None => dropped("channel not bound"),
        }
    }

    /// A Send indication. Its FINGERPRINT, if any, is not checked: it would cost more than all the rest, and the
    /// magic cookie has told the message apart already.
    pub(super) fn send_indication<'a>(
        &mut self,
        now: Instant,
        from: ClientAddr,
        message: &Message<'a>,
    ) -> Decision<'a> {
        if message.method() != Method::Send {
            return dropped("an indication that only a server sends");
        }
        let Some(relay) = self.allocations.of_client(from) else {
            return dropped("no allocation");
        };
        let mut peer = None;
        let mut payload = None;
        for attribute in message.attributes() {
            match attribute.kind {
                XOR_PEER_ADDRESS if peer.is_none() => {
                    peer = attributes::decode_xor_address(attribute.value, message.transaction());
                }
                DATA if payload.is_none() => payload = Some(attribute.value),
                XOR_PEER_ADDRESS | DATA | DONT_FRAGMENT => {}
                kind if attributes::must_be_understood(kind) && !attributes::is_known(kind) => {
                    return dropped("unknown attribute");
                }
                _ => {}
            }
        }
        match (peer, payload) {
            (Some(peer), Some(payload)) => self.up(now, relay, peer, payload),
            _ => dropped("no peer or no data"),
        }
    }

    /// From a client to its peer; straight into the other allocation when the peer is a relayed address of ours.
    fn up<'a>(&mut self, now: Instant, relay: RelayId, peer: SocketAddr, payload: &'a [u8]) -> Decision<'a> {
        let inside = self.allocations.at(peer);
        let Some(allocation) = self.allocations.get_mut(relay) else {
            return dropped("no allocation");
        };
        if allocation.expires <= now || peer.port() == 0 {
            return dropped("allocation expired, or port 0");
        }
        let Some(permission) = allocation.permissions.get(peer.ip(), now) else {
            return dropped("no permission");
        };
        if permission.inside_only && inside.is_none() {
            return dropped("peer address is refused");
        }
        let bytes = payload.len() as u64;
        allocation.bytes_to_peers += bytes;
        self.counters.to_peer(bytes);
        let relayed = allocation.relayed;
        match inside {
            Some(target) => self.handle_peer(now, target, relayed, payload),
            None => Decision::ToPeer { relay, to: peer, payload },
        }
    }

    /// One datagram that arrived at an allocation's relay socket, on its way from a peer to the client.
    pub fn handle_peer<'a>(
        &mut self,
        now: Instant,
        relay: RelayId,
        from: SocketAddr,
        payload: &'a [u8],
    ) -> Decision<'a> {
        let inside = self.allocations.at(from).is_some();
        let Some(allocation) = self.allocations.get_mut(relay) else {
            return dropped("no allocation");
        };
        if allocation.expires <= now {
            return dropped("allocation expired");
        }
        let Some(permission) = allocation.permissions.get(from.ip(), now) else {
            return dropped("no permission");
        };
        if permission.inside_only && !inside {
            return dropped("peer address is refused");
        }
        let to = allocation.client;
        let (head, padded) = match allocation.channels.number(from, now) {
            Some(number) => (Head::channel(number, payload.len()), to.transport.is_stream()),
            None => {
                let transaction = self.dice.transaction();
                (Head::data(transaction, from, payload.len()), true)
            }
        };
        let Some(head) = head else {
            return dropped("payload too long for its frame");
        };
        let bytes = payload.len() as u64;
        allocation.bytes_to_client += bytes;
        self.counters.to_client(bytes);
        let padding = if padded { payload.len().next_multiple_of(4) - payload.len() } else { 0 };
        Decision::ToClient { to, head, payload, padding }
    }
}

fn dropped(why: &'static str) -> Decision<'static> {
    trace!(why, "dropped");
    Decision::Done
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
