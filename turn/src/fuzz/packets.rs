//! Where a packet may go.

use std::net::SocketAddr;

use super::cast::worker_of;
use super::model::Place;
use super::requests::Asked;
use super::stage::{Parcel, Stage};
use crate::relay::{ClientAddr, Decision, Family, Head, RelayId};
use crate::stun::attributes::{DATA, XOR_PEER_ADDRESS, decode_xor_address};
use crate::stun::{ChannelData, Class, Message, Method};

/// How a packet for a client comes to its core.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entrance {
    /// At a relay socket.
    Socket(RelayId),
    /// From another allocation, to this relayed address.
    Inside(SocketAddr),
}

/// What a client wants to have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sent<'a> {
    peer: SocketAddr,
    payload: &'a [u8],
}

/// What a client shall get.
struct Down<'a> {
    to: ClientAddr,
    head: Head,
    payload: &'a [u8],
    padding: usize,
}

impl Stage {
    /// From a client: to a peer it may reach, through its own socket, or to another allocation of this relay.
    pub(super) fn judge_up(&mut self, asked: &Asked, decision: Decision<'_>) {
        let worker = worker_of(asked.client);
        let sent = self.sent(asked);
        match decision {
            Decision::Done => {
                let is_lost = sent.is_some_and(|sent| self.must_leave(asked.client, sent.peer));
                assert!(!is_lost, "a good packet of client {} is lost", asked.client);
            }
            Decision::ToPeer { relay, to, payload, dont_fragment: _ } => {
                let place = self.way_out(asked, sent, Sent { peer: to, payload });
                assert_eq!(place.relay, relay, "through another socket than the client's");
                assert!(self.hands.open.contains_key(&(worker, relay)), "{relay:?} is not open");
                assert!(!self.cast.refuses(to.ip()), "{to} is protected");
                self.reached.to_peer += 1;
            }
            Decision::ToClient { to, head, payload, padding } => {
                let sent = sent.expect("only data goes to a client");
                let place = self.way_out(asked, Some(sent), Sent { payload, ..sent });
                let client = self.judge_frame(worker, place.seen, sent.payload, &Down { to, head, payload, padding });
                let is_there = self.model.tenants.get(&client).is_some_and(|tenant| tenant.answers_at(sent.peer));
                assert!(is_there, "client {client} is not at {}", sent.peer);
                self.reached.to_client += 1;
                self.reached.inside += 1;
            }
            Decision::ToSibling { worker: other, from, to, payload } => {
                let other = usize::from(other);
                let place = self.way_out(asked, sent, Sent { peer: to, payload });
                assert_eq!(place.seen, from, "from the client's relayed address");
                assert!(other != worker && other < self.cores.len(), "there is no other worker {other}");
                assert!(self.cast.is_own(to.ip()), "{to} is not this relay's");
                let mut tenants = self.model.tenants.values();
                let is_known = tenants.any(|tenant| tenant.worker == other && tenant.answers_at(to));
                assert!(is_known, "nobody at worker {other} is at {to}");
                self.reached.to_sibling += 1;
                self.post(Parcel { worker: other, from, to, payload: payload.to_vec() });
            }
        }
    }

    /// To a client: what a peer or another allocation sends, if the client permitted that.
    pub(super) fn judge_down(
        &mut self,
        worker: usize,
        entrance: Entrance,
        from: SocketAddr,
        sent: &[u8],
        decision: Decision<'_>,
    ) {
        match decision {
            Decision::Done => {
                let is_lost = match entrance {
                    Entrance::Socket(relay) => self.must_arrive(worker, relay, from),
                    Entrance::Inside(_) => false,
                };
                assert!(!is_lost, "a good packet from {from} is lost");
            }
            Decision::ToClient { to, head, payload, padding } => {
                let client = self.judge_frame(worker, from, sent, &Down { to, head, payload, padding });
                let tenant = self.model.tenants.get(&client).expect("whoever gets a packet has an allocation");
                match entrance {
                    Entrance::Socket(relay) => {
                        assert!(tenant.places.iter().any(|place| place.relay == relay), "{relay:?} is another's");
                        assert!(!self.cast.refuses(from.ip()), "{from} is protected");
                    }
                    Entrance::Inside(to) => {
                        assert!(tenant.answers_at(to), "client {client} is not at {to}");
                        self.reached.inside += 1;
                    }
                }
                self.reached.to_client += 1;
            }
            Decision::ToPeer { .. } | Decision::ToSibling { .. } => panic!("down is not up: {decision:?}"),
        }
    }

    /// What a datagram asks to have sent, damaged or not, as far as the model understands it.
    fn sent<'a>(&self, asked: &'a Asked) -> Option<Sent<'a>> {
        match asked.bytes.first()? {
            0x40..=0x7f => {
                let data = ChannelData::parse(&asked.bytes)?;
                let tenant = self.model.tenants.get(&asked.client)?;
                let peer = tenant.channel(data.number.get(), self.now.mono)?;
                Some(Sent { peer, payload: data.payload })
            }
            0x00..=0x03 => {
                let message = Message::parse(&asked.bytes).ok()?;
                let is_send = (message.class(), message.method()) == (Class::Indication, Method::Send);
                if !is_send || !message.unknown_attributes().is_empty() {
                    return None;
                }
                let mut peers = message.attributes().filter(|attribute| attribute.kind == XOR_PEER_ADDRESS);
                let peer = peers.find_map(|peer| decode_xor_address(peer.value, message.transaction()))?;
                Some(Sent { peer, payload: message.find(DATA)? })
            }
            _ => None,
        }
    }

    /// What leaves is what the client sent, to a peer that it has a permission for; returns its relay socket.
    fn way_out(&self, asked: &Asked, sent: Option<Sent<'_>>, leaves: Sent<'_>) -> Place {
        let (now, ip) = (self.now.mono, leaves.peer.ip());
        assert_eq!(sent, Some(leaves), "what leaves is not what was sent");
        let tenant = self.model.tenants.get(&asked.client).expect("only who has an allocation can send");
        assert!(tenant.expires > now, "sent after the allocation's end");
        assert!(tenant.permits(ip, now), "client {} has no permission for {ip}", asked.client);
        *tenant.place(Family::of(ip)).expect("only an address of its family leads to a peer")
    }

    /// What goes to a client comes from whom it permitted, and can be read; returns the client.
    fn judge_frame(&self, worker: usize, from: SocketAddr, sent: &[u8], down: &Down<'_>) -> usize {
        let now = self.now.mono;
        let client = self.cast.client(down.to);
        assert_eq!(worker_of(client), worker, "client {client} is another worker's");
        let tenant = self.model.tenants.get(&client).expect("only who has an allocation gets packets");
        assert!(tenant.expires > now, "a packet after the allocation's end");
        assert!(tenant.permits(from.ip(), now), "client {client} has not permitted {from}");
        let mut frame = down.head.as_bytes().to_vec();
        frame.extend_from_slice(down.payload);
        frame.resize(frame.len() + down.padding, 0);
        let is_stream = down.to.transport.is_stream();
        assert!(!is_stream || frame.len().is_multiple_of(4), "{} bytes on a stream", frame.len());
        if let Some(number) = tenant.channel_of(from, now) {
            let data = ChannelData::parse(&frame).expect("channel data can be read");
            assert_eq!((data.number.get(), data.payload), (number, sent), "what {from} sent, on its channel");
            return client;
        }
        let message = Message::parse(&frame).expect("a Data indication can be read");
        assert_eq!((message.class(), message.method()), (Class::Indication, Method::Data));
        assert_eq!(message.xor_address(XOR_PEER_ADDRESS), Some(from), "who sent it");
        assert_eq!(message.find(DATA), Some(sent), "what {from} sent");
        client
    }

    /// True when nothing speaks against a packet to this peer.
    fn must_leave(&self, client: usize, peer: SocketAddr) -> bool {
        let (now, ip) = (self.now.mono, peer.ip());
        let may_leave = self.model.tenants.get(&client).is_some_and(|tenant| {
            tenant.expires > now && tenant.permits(ip, now) && tenant.place(Family::of(ip)).is_some()
        });
        may_leave && peer.port() != 0 && !self.cast.refuses(ip) && !self.cast.options.has_caps()
    }

    /// True when nothing speaks against a packet from this peer.
    fn must_arrive(&self, worker: usize, relay: RelayId, from: SocketAddr) -> bool {
        let (now, ip) = (self.now.mono, from.ip());
        let tenant = self.model.tenant_of(worker, relay).map(|(_, tenant)| tenant);
        let may_arrive = tenant.is_some_and(|tenant| tenant.expires > now && tenant.permits(ip, now));
        may_arrive && !self.cast.refuses(ip) && !self.cast.options.has_caps()
    }
}
