//! The data path: one look-up or two per packet, no allocation, no copy of the payload, no lock.

use std::net::SocketAddr;
use std::time::Instant;

use tracing::trace;

use super::Core;
use super::claims::OwnAddress;
use super::head::Head;
use super::types::{ClientAddr, Family, RelayId};
use crate::stun::attributes::{self, DATA, DONT_FRAGMENT, XOR_PEER_ADDRESS};
use crate::stun::{ChannelData, Message, Method};

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
        /// The client wants the DF bit set (RFC 8656 section 11.4).
        dont_fragment: bool,
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
    /// To another worker of this relay, whose [`Core::handle_sibling`] knows what to do with it.
    ToSibling {
        /// The worker that the address belongs to.
        worker: u8,
        /// The relayed address that it comes from.
        from: SocketAddr,
        /// The relayed address that it goes to.
        to: SocketAddr,
        /// What the client sent.
        payload: &'a [u8],
    },
}

/// What a client sends to a peer.
#[derive(Debug, Clone, Copy)]
struct Upward<'a> {
    peer: SocketAddr,
    payload: &'a [u8],
    dont_fragment: bool,
}

/// Which way leads to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Through the relay socket.
    Out,
    /// To an allocation of this core.
    Here(RelayId),
    /// To an allocation of another worker's core.
    There(u8),
}

/// How a peer's datagram came to its allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entrance {
    Socket,
    Inside,
}

impl Core {
    /// One datagram that arrived at a relay socket, on its way from a peer to the client.
    pub fn handle_peer<'a>(
        &mut self,
        now: Instant,
        relay: RelayId,
        from: SocketAddr,
        payload: &'a [u8],
    ) -> Decision<'a> {
        self.down(now, relay, from, payload, Entrance::Socket)
    }

    /// One datagram from another worker's client, whose relayed address is `from`, to the relayed address `to` of
    /// this core.
    pub fn handle_sibling<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        payload: &'a [u8],
    ) -> Decision<'a> {
        match self.allocations.at(to) {
            Some(relay) => self.down(now, relay, from, payload, Entrance::Inside),
            None => dropped("no allocation at this address any more"),
        }
    }

    pub(super) fn channel_data<'a>(&mut self, now: Instant, from: ClientAddr, bytes: &'a [u8]) -> Decision<'a> {
        let Some(data) = ChannelData::parse(bytes) else {
            return dropped("channel data cut short or out of range");
        };
        let Some(relay) = self.allocations.of_client(from) else {
            return dropped("no allocation");
        };
        let peer = self.allocations.get(relay).and_then(|allocation| allocation.channels.peer(data.number, now));
        match peer {
            Some(peer) => self.up(now, relay, Upward { peer, payload: data.payload, dont_fragment: false }),
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
        let mut dont_fragment = false;
        for attribute in message.attributes() {
            match attribute.kind {
                XOR_PEER_ADDRESS if peer.is_none() => {
                    peer = attributes::decode_xor_address(attribute.value, message.transaction());
                }
                DATA if payload.is_none() => payload = Some(attribute.value),
                DONT_FRAGMENT => dont_fragment = true,
                XOR_PEER_ADDRESS | DATA => {}
                kind if attributes::must_be_understood(kind) && !attributes::is_known(kind) => {
                    return dropped("unknown attribute");
                }
                _ => {}
            }
        }
        match (peer, payload) {
            (Some(peer), Some(payload)) => {
                let dont_fragment = dont_fragment && may_forbid_fragments(from, peer);
                self.up(now, relay, Upward { peer, payload, dont_fragment })
            }
            _ => dropped("no peer or no data"),
        }
    }

    /// From a client to its peer; straight into the other allocation when the peer is a relayed address of ours.
    fn up<'a>(&mut self, now: Instant, relay: RelayId, packet: Upward<'a>) -> Decision<'a> {
        let Upward { peer, payload, dont_fragment } = packet;
        let Some(allocation) = self.allocations.get(relay) else {
            return dropped("no allocation");
        };
        if allocation.expires <= now || peer.port() == 0 {
            return dropped("allocation expired, or port 0");
        }
        let Some(rights) = allocation.permissions.get(peer.ip(), now) else {
            return dropped("no permission");
        };
        let Some(&address) = allocation.address(Family::of(peer.ip())) else {
            return dropped("no relayed address of the peer's family");
        };
        let way = rights.own.map_or(Way::Out, |own| self.way_inside(own, peer));
        if rights.inside_only && way == Way::Out {
            return dropped("peer address is refused");
        }
        let Some(allocation) = self.allocations.get_mut(relay) else {
            return dropped("no allocation");
        };
        let bytes = payload.len() as u64;
        if let Some(caps) = &mut self.caps
            && !caps.up.admit(&self.ledger.up, now, &mut allocation.spent_up, bytes)
        {
            self.counters.limited();
            return dropped("over the bandwidth cap");
        }
        allocation.bytes_to_peers += bytes;
        self.counters.to_peer(bytes);
        match way {
            Way::Out => Decision::ToPeer { relay: address.relay, to: peer, payload, dont_fragment },
            Way::Here(target) => self.down(now, target, address.relayed(), payload, Entrance::Inside),
            Way::There(worker) => Decision::ToSibling { worker, from: address.relayed(), to: peer, payload },
        }
    }

    /// Inside only where an allocation answers at exactly this address: behind the same port of another address of
    /// ours may be another service, should the operator have opened it.
    fn way_inside(&self, own: OwnAddress, peer: SocketAddr) -> Way {
        match self.ledger.worker_at(own, peer.port()) {
            Some(worker) if worker == self.worker => self.allocations.at(peer).map_or(Way::Out, Way::Here),
            Some(worker) => Way::There(worker),
            None => Way::Out,
        }
    }

    fn down<'a>(
        &mut self,
        now: Instant,
        relay: RelayId,
        from: SocketAddr,
        payload: &'a [u8],
        entrance: Entrance,
    ) -> Decision<'a> {
        let Some(allocation) = self.allocations.get_mut(relay) else {
            return dropped("no allocation");
        };
        if allocation.expires <= now {
            return dropped("allocation expired");
        }
        let Some(rights) = allocation.permissions.get(from.ip(), now) else {
            return dropped("no permission");
        };
        // What our own allocations send to each other never takes the socket.
        if rights.inside_only && entrance == Entrance::Socket {
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
        if let Some(caps) = &mut self.caps
            && !caps.down.admit(&self.ledger.down, now, &mut allocation.spent_down, bytes)
        {
            self.counters.limited();
            return dropped("over the bandwidth cap");
        }
        allocation.bytes_to_client += bytes;
        self.counters.to_client(bytes);
        let padding = if padded { payload.len().next_multiple_of(4) - payload.len() } else { 0 };
        Decision::ToClient { to, head, payload, padding }
    }
}

/// A client's DONT-FRAGMENT counts only where an IPv4 header is what its packet gets, and where the packet came over
/// IPv4 or a stream: between address families and towards IPv6 it is ignored (RFC 8656 section 13).
fn may_forbid_fragments(client: ClientAddr, peer: SocketAddr) -> bool {
    peer.is_ipv4() && (client.transport.is_stream() || client.remote.is_ipv4())
}

fn dropped(why: &'static str) -> Decision<'static> {
    trace!(why, "dropped");
    Decision::Done
}
