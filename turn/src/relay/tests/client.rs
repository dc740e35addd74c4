//! Clients that talk to the brains of a [`World`].

use std::net::SocketAddr;

use super::world::World;
use crate::relay::{ClientAddr, Transport};
use crate::stun::attributes::{
    CHANNEL_NUMBER, DATA, LIFETIME, NONCE, REALM as REALM_ATTRIBUTE, REQUESTED_TRANSPORT, USERNAME, XOR_MAPPED_ADDRESS,
    XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS, decode_xor_address,
};
use crate::stun::{Class, IntegrityKind, Key, Message, MessageBuilder, Method, TransactionId};

pub(super) const REALM: &str = "dialtone";
pub(super) const PEER: &str = "198.51.100.20:7000";

pub(super) type MessagePart = fn(MessageBuilder) -> MessageBuilder;

pub(super) struct Client {
    pub(super) address: ClientAddr,
    /// Which worker the system gives its packets to.
    pub(super) worker: usize,
    name: String,
    password: String,
    pub(super) nonce: Vec<u8>,
    pub(super) kind: IntegrityKind,
    pub(super) transactions: u8,
}

impl Client {
    pub(super) fn new(number: u8, name: &str, password: &str) -> Self {
        Self {
            address: ClientAddr {
                transport: Transport::Udp,
                remote: SocketAddr::from(([192, 0, 2, number], 4000)),
                local: SocketAddr::from(([203, 0, 113, 1], 3478)),
            },
            worker: 0,
            name: name.to_owned(),
            password: password.to_owned(),
            nonce: Vec::new(),
            kind: IntegrityKind::Sha1,
            transactions: 0,
        }
    }

    /// Somebody with the right password at a certain worker.
    pub(super) fn on(worker: usize, number: u8, name: &str) -> Self {
        Self { worker, ..Self::new(number, name, "pw") }
    }

    pub(super) fn key(&self) -> Key {
        Key::long_term(&self.name, REALM, &self.password)
    }

    pub(super) fn fetch_nonce(&mut self, world: &mut World) {
        self.address.local.set_ip(world.ip);
        let bytes = MessageBuilder::new(Class::Request, Method::Refresh, TransactionId([0; 12])).finish();
        let answer = world.send(self, &bytes);
        self.nonce = Message::parse(&answer).unwrap().find(NONCE).unwrap().to_vec();
    }

    pub(super) fn request(&mut self, method: Method, part: impl FnOnce(MessageBuilder) -> MessageBuilder) -> Vec<u8> {
        self.transactions = self.transactions.wrapping_add(1);
        let message = MessageBuilder::new(Class::Request, method, TransactionId([self.transactions; 12]))
            .attribute(USERNAME, self.name.as_bytes())
            .attribute(REALM_ATTRIBUTE, REALM.as_bytes())
            .attribute(NONCE, &self.nonce);
        part(message).integrity(&self.key(), self.kind).finish()
    }

    /// An Allocate request with more in it.
    pub(super) fn allocate_request(&mut self, part: impl FnOnce(MessageBuilder) -> MessageBuilder) -> Vec<u8> {
        self.request(Method::Allocate, |message| part(message.number(REQUESTED_TRANSPORT, 17 << 24)))
    }

    pub(super) fn allocate(&mut self, world: &mut World) -> Result<SocketAddr, u16> {
        let answer = self.allocate_with(world, |message| message)?;
        let answer = Message::parse(&answer).unwrap();
        assert_eq!(answer.number(LIFETIME), Some(600));
        assert_eq!(answer.xor_address(XOR_MAPPED_ADDRESS), Some(self.address.remote));
        Ok(answer.xor_address(XOR_RELAYED_ADDRESS).unwrap())
    }

    /// The answer to an Allocate request with more in it.
    pub(super) fn allocate_with(
        &mut self,
        world: &mut World,
        part: impl FnOnce(MessageBuilder) -> MessageBuilder,
    ) -> Result<Vec<u8>, u16> {
        self.fetch_nonce(world);
        let request = self.allocate_request(part);
        succeeded(world.send(self, &request))
    }

    pub(super) fn refresh(&mut self, world: &mut World, seconds: u32) -> Result<u32, u16> {
        let answer = self.ask(world, Method::Refresh, |message| message.number(LIFETIME, seconds))?;
        Ok(Message::parse(&answer).unwrap().number(LIFETIME).unwrap())
    }

    pub(super) fn permit(&mut self, world: &mut World, peers: &[&str]) -> Result<(), u16> {
        self.ask(world, Method::CreatePermission, |message| {
            peers.iter().fold(message, |message, peer| message.xor_address(XOR_PEER_ADDRESS, peer.parse().unwrap()))
        })
        .map(drop)
    }

    pub(super) fn bind(&mut self, world: &mut World, number: u32, peer: &str) -> Result<(), u16> {
        self.ask(world, Method::ChannelBind, |message| {
            message.number(CHANNEL_NUMBER, number << 16).xor_address(XOR_PEER_ADDRESS, peer.parse().unwrap())
        })
        .map(drop)
    }

    pub(super) fn ask(
        &mut self,
        world: &mut World,
        method: Method,
        part: impl FnOnce(MessageBuilder) -> MessageBuilder,
    ) -> Result<Vec<u8>, u16> {
        let request = self.request(method, part);
        succeeded(world.send(self, &request))
    }
}

/// A Send indication.
pub(super) fn indication(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    MessageBuilder::new(Class::Indication, Method::Send, TransactionId([5; 12]))
        .xor_address(XOR_PEER_ADDRESS, peer)
        .attribute(DATA, data)
        .finish()
}

/// Every relayed address in an answer.
pub(super) fn relayed(answer: &[u8]) -> Vec<SocketAddr> {
    let message = Message::parse(answer).unwrap();
    let values = message.attributes().filter(|attribute| attribute.kind == XOR_RELAYED_ADDRESS);
    values.map(|found| decode_xor_address(found.value, message.transaction()).unwrap()).collect()
}

pub(super) fn code(answer: &[u8]) -> Option<u16> {
    Message::parse(answer).unwrap().error_code()
}

fn succeeded(answer: Vec<u8>) -> Result<Vec<u8>, u16> {
    code(&answer).map_or(Ok(answer), Err)
}
