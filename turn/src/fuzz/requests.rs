//! What clients write.

use std::net::SocketAddr;

use super::cast::{PEERS, REALM};
use super::script::{Harm, Kind, Step};
use super::stage::Stage;
use crate::stun::attributes::{
    ADDITIONAL_ADDRESS_FAMILY, CHANNEL_NUMBER, DATA, DONT_FRAGMENT, EVEN_PORT, FAMILY_V4, FAMILY_V6, LIFETIME, NONCE,
    PROTOCOL_UDP, REALM as REALM_ATTRIBUTE, REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, RESERVATION_TOKEN, USERNAME,
    XOR_PEER_ADDRESS,
};
use crate::stun::{Class, HEADER_LENGTH, IntegrityKind, Key, MAGIC_COOKIE, MessageBuilder, Method, TransactionId};

/// A datagram of a client.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) client: usize,
    /// Who signed it, if the relay knows him by his name and password.
    pub(super) user: Option<&'static str>,
    /// What he signed it with.
    pub(super) key: Option<Key>,
    pub(super) bytes: Vec<u8>,
}

/// What packets carry the beginning of.
static PAYLOAD: [u8; 4096] = payload();

/// No attribute has this number.
const UNKNOWN: u16 = 0x7abc;
const TCP: u8 = 6;

impl Stage {
    /// A request with credentials, or a Binding request without.
    pub(super) fn write(&mut self, step: &Step<'_>, method: Method) -> Asked {
        let message = MessageBuilder::new(Class::Request, method, self.transaction());
        let is_signed = method != Method::Binding && step.harm != Harm::Unsigned;
        let login = self.cast.login(step.client, step.claim, self.now.unix);
        let named = if is_signed {
            let nonce = &self.nonces[self.nonce_holder(step)];
            message
                .attribute(USERNAME, login.name.as_bytes())
                .attribute(REALM_ATTRIBUTE, REALM.as_bytes())
                .attribute(NONCE, nonce)
        } else {
            message
        };
        let mut message = self.body(step, method, named);
        if step.c == 0xff {
            message = message.attribute(UNKNOWN, &[]);
        }
        let key = Key::long_term(&login.name, REALM, &login.password);
        if is_signed {
            let kind = if step.sha256 { IntegrityKind::Sha256 } else { IntegrityKind::Sha1 };
            message = message.integrity(&key, kind);
        }
        if step.fingerprint {
            message = message.fingerprint();
        }
        let user = login.user.filter(|_| is_signed);
        Asked { client: step.client, user, key: user.map(|_| key), bytes: message.finish() }
    }

    /// A request that gets a nonce, as every client's first one does.
    pub(super) fn write_first(&mut self, client: usize) -> Asked {
        let message = MessageBuilder::new(Class::Request, Method::Refresh, self.transaction());
        Asked { client, user: None, key: None, bytes: message.finish() }
    }

    /// An indication, channel data, or any bytes.
    pub(super) fn datagram(&mut self, step: &Step<'_>) -> Asked {
        let bytes = match step.kind {
            Kind::ChannelData => channel_data(step),
            Kind::Raw => self.raw(step),
            Kind::Send
            | Kind::Request(_)
            | Kind::Peer
            | Kind::Time
            | Kind::Gone
            | Kind::Drain
            | Kind::Mood
            | Kind::Settle
            | Kind::Mail => self.indication(step),
        };
        Asked { client: step.client, user: None, key: None, bytes }
    }

    /// The peer that a byte of the script stands for: of a list, or the relayed address of a client.
    pub(super) fn peer(&self, byte: u8) -> SocketAddr {
        let listed = PEERS[usize::from(byte) % PEERS.len()];
        let Some(choice) = byte.checked_sub(0x80) else {
            return listed;
        };
        let Some(tenant) = self.model.tenants.get(&usize::from(choice & 0x07)) else {
            return listed;
        };
        let is_second = choice & 0x10 != 0;
        let place = if is_second { tenant.places.last() } else { tenant.places.first() };
        let is_seen = choice & 0x08 == 0;
        place.map_or(listed, |place| if is_seen { place.seen } else { place.local })
    }

    fn body(&self, step: &Step<'_>, method: Method, message: MessageBuilder) -> MessageBuilder {
        let Step { a, b, c, .. } = *step;
        match method {
            Method::Allocate => self.wish(step, message),
            Method::Refresh => {
                let message = lifetime(message, [Some(0), None, Some(600), Some(3600)][usize::from(a & 3)]);
                match b & 7 {
                    5 => family(message, REQUESTED_ADDRESS_FAMILY, FAMILY_V4),
                    6 => family(message, REQUESTED_ADDRESS_FAMILY, FAMILY_V6),
                    7 => family(message, REQUESTED_ADDRESS_FAMILY, 3),
                    _ => message,
                }
            }
            Method::CreatePermission => {
                let count = if a >= 0xf8 { 0 } else { 1 + (a & 3) };
                let peers = (0..count).map(|number| self.peer(b.wrapping_add(c.wrapping_mul(number))));
                peers.fold(message, |message, peer| message.xor_address(XOR_PEER_ADDRESS, peer))
            }
            Method::ChannelBind => {
                let number = match a {
                    0xfe => 0x3fff,
                    0xff => 0x8000,
                    _ => channel(a),
                };
                message.number(CHANNEL_NUMBER, u32::from(number) << 16).xor_address(XOR_PEER_ADDRESS, self.peer(b))
            }
            Method::Binding | Method::Send | Method::Data => message,
        }
    }

    /// What an Allocate request asks for, whether it fits together or not.
    fn wish(&self, step: &Step<'_>, message: MessageBuilder) -> MessageBuilder {
        let Step { a, b, c, .. } = *step;
        let protocol = if a >= 0xf8 { TCP } else { PROTOCOL_UDP };
        let mut message = message.number(REQUESTED_TRANSPORT, u32::from(protocol) << 24);
        message = match a & 3 {
            2 => message.attribute(EVEN_PORT, &[0]),
            3 => message.attribute(EVEN_PORT, &[0x80]),
            _ => message,
        };
        if a & 0x0c == 0x0c {
            message = message.attribute(RESERVATION_TOKEN, &self.token(c));
        }
        message = match b & 7 {
            4 => family(message, REQUESTED_ADDRESS_FAMILY, FAMILY_V4),
            5 => family(message, REQUESTED_ADDRESS_FAMILY, FAMILY_V6),
            6 | 7 => family(message, ADDITIONAL_ADDRESS_FAMILY, FAMILY_V6),
            _ => message,
        };
        if b & 8 != 0 {
            message = message.attribute(DONT_FRAGMENT, &[]);
        }
        lifetime(message, [None, Some(0), Some(900), Some(99_999)][usize::from((b >> 4) & 3)])
    }

    /// A token that was seen, the newest one mostly, or one that never was.
    fn token(&self, byte: u8) -> [u8; 8] {
        let seen = if byte & 1 == 0 { self.tokens.last() } else { self.tokens.get(usize::from(byte >> 1)) };
        seen.copied().unwrap_or([byte; 8])
    }

    fn indication(&mut self, step: &Step<'_>) -> Vec<u8> {
        let Step { a, b, c, .. } = *step;
        let mut message = MessageBuilder::new(Class::Indication, Method::Send, self.transaction())
            .xor_address(XOR_PEER_ADDRESS, self.peer(b));
        if c & 1 != 0 {
            message = message.attribute(DONT_FRAGMENT, &[]);
        }
        if c < 0xf0 {
            message = message.attribute(DATA, some_payload(a));
        }
        message.finish()
    }

    /// Bytes of the script, as they are or as the body of a message with a good header.
    fn raw(&mut self, step: &Step<'_>) -> Vec<u8> {
        if step.b & 1 == 0 {
            return step.raw.to_vec();
        }
        let body = step.raw.get(..step.raw.len() / 4 * 4).unwrap_or_default();
        let TransactionId(transaction) = self.transaction();
        let [high, low] = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
        let mut bytes = Vec::with_capacity(HEADER_LENGTH + body.len());
        bytes.extend_from_slice(&[step.b >> 7, step.c, high, low]);
        bytes.extend_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(&transaction);
        bytes.extend_from_slice(body);
        bytes
    }

    /// Whose nonce a request carries.
    fn nonce_holder(&self, step: &Step<'_>) -> usize {
        if step.harm == Harm::ForeignNonce { (step.client + 1) % self.nonces.len() } else { step.client }
    }

    /// No two datagrams have the same.
    fn transaction(&mut self) -> TransactionId {
        self.transactions += 1;
        let mut id = [0x5a; 12];
        id[..4].copy_from_slice(&self.transactions.to_be_bytes());
        TransactionId(id)
    }
}

/// As many bytes as a byte of the script asks for.
pub(super) fn some_payload(byte: u8) -> &'static [u8] {
    PAYLOAD.get(..usize::from(byte) * 16).unwrap_or_default()
}

fn channel_data(step: &Step<'_>) -> Vec<u8> {
    let payload = some_payload(step.b);
    // Sometimes it announces more than it has.
    let more = usize::from(step.c >= 0xf0);
    let mut bytes = channel(step.a).to_be_bytes().to_vec();
    bytes.extend_from_slice(&u16::try_from(payload.len() + more).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A few numbers, so that they meet again.
fn channel(byte: u8) -> u16 {
    0x4000 + u16::from(byte & 3)
}

fn lifetime(message: MessageBuilder, seconds: Option<u32>) -> MessageBuilder {
    match seconds {
        Some(seconds) => message.number(LIFETIME, seconds),
        None => message,
    }
}

fn family(message: MessageBuilder, kind: u16, value: u8) -> MessageBuilder {
    message.number(kind, u32::from(value) << 24)
}

const fn payload() -> [u8; 4096] {
    let mut bytes = [0; 4096];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at % 251) as u8;
        at += 1;
    }
    bytes
}
