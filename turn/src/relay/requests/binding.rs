//! Binding (RFC 8489 section 3): which address do you see me at? Without credentials, and nothing is left behind.
//!
//! With a second address, also the server's part of NAT behaviour discovery (RFC 5780 section 6): the answer may be
//! asked for from another address of ours, at another port of the client, or at a length that no packet holds.
//!
//! Whoever can forge a source address can have these answers sent there, so they must not be worth it. A success is
//! larger than its request by at most 48 bytes over IPv4 and 96 over IPv6, which is the length of the four addresses
//! in it; without discovery by 12 and 24, which is one address. A refusal is larger by at most 32 bytes. None of them
//! has our name in it. Padding never makes an answer larger than its request, and RESPONSE-PORT leads only to another
//! port of the same host.

use std::net::SocketAddr;
use std::time::Instant;

use super::super::Core;
use super::super::answers::{Asker, Refusal};
use super::super::types::{ClientAddr, Transport};
use super::Outcome;
use crate::stun::attributes::{
    CHANGE_REQUEST, FINGERPRINT, MAPPED_ADDRESS, OTHER_ADDRESS, PADDING, RESPONSE_ORIGIN, RESPONSE_PORT,
    XOR_MAPPED_ADDRESS, encode_address,
};
use crate::stun::{HEADER_LENGTH, Message, MessageBuilder};

impl Core {
    /// The answer leaves from `asker.client.local` to `asker.client.remote`, both as the asker wants them.
    pub(super) fn binding(&self, _now: Instant, asker: &mut Asker, message: &Message<'_>) -> Outcome {
        let plan = Plan::new(self.discovery, asker.client, message)?;
        asker.client.local = plan.from;
        asker.client.remote = plan.to;
        Ok(Some(plan.write(asker.success(), message)))
    }
}

/// The four addresses of NAT behaviour discovery: two IP addresses of one family, each with the same two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) struct Discovery {
    primary: SocketAddr,
    alternate: SocketAddr,
}

impl Discovery {
    /// The first of `listen` and `alternate` are two opposite corners. Where the system has picked the alternate's
    /// port (0), it is looked up in `listen`, which names the sockets of discovery last. `None` where nothing can be
    /// discovered: there is no alternate, or the two are not of one family, share their IP address or port, or are no
    /// definite addresses.
    pub(in crate::relay) fn new(listen: &[SocketAddr], alternate: Option<SocketAddr>) -> Option<Self> {
        let (primary, mut alternate) = (*listen.first()?, alternate?);
        if alternate.port() == 0 {
            let is_bound = |bound: &&SocketAddr| bound.ip() == alternate.ip() && bound.port() != primary.port();
            alternate = *listen.iter().rfind(is_bound)?;
        }
        let is_definite = |address: SocketAddr| !address.ip().is_unspecified() && address.port() != 0;
        let is_usable = is_definite(primary)
            && is_definite(alternate)
            && primary.is_ipv4() == alternate.is_ipv4()
            && primary.ip() != alternate.ip()
            && primary.port() != alternate.port();
        is_usable.then_some(Self { primary, alternate })
    }

    /// What differs in IP address and in port from the address a request came to; `None` for a datagram to an address
    /// that is not one of the four, and for a connection to another IP address. A connection may come to a port of its
    /// own (TLS does); what it learns is where to go on with datagrams.
    fn opposite(self, client: ClientAddr) -> Option<SocketAddr> {
        let Self { primary, alternate } = self;
        let came_to = client.local;
        let ip = other_than(came_to.ip(), primary.ip(), alternate.ip());
        let port = other_than(came_to.port(), primary.port(), alternate.port());
        match client.transport {
            Transport::Udp => Some(SocketAddr::new(ip?, port?)),
            Transport::Tcp | Transport::Tls => Some(SocketAddr::new(ip?, port.unwrap_or_else(|| alternate.port()))),
        }
    }
}

/// What becomes of one request.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// The address of ours that the answer leaves from.
    from: SocketAddr,
    /// Where it goes.
    to: SocketAddr,
    /// Where the request came from.
    mapped: SocketAddr,
    /// OTHER-ADDRESS; `None` where discovery is not offered.
    other: Option<SocketAddr>,
    /// The padding's length in the request, in bytes.
    padding: Option<usize>,
}

impl Plan {
    fn new(discovery: Option<Discovery>, client: ClientAddr, message: &Message<'_>) -> Result<Self, Refusal> {
        let mut plan =
            Self { from: client.local, to: client.remote, mapped: client.remote, other: None, padding: None };
        let Some(opposite) = discovery.and_then(|discovery| discovery.opposite(client)) else {
            understood(message, |_| false)?;
            return Ok(plan);
        };
        // An answer over a connection goes back over it, whatever is asked for (RFC 5780 section 6.1).
        let is_datagram = !client.transport.is_stream();
        let change = message.find(CHANGE_REQUEST).map(read_change);
        let stays = matches!(change, None | Some(Ok(Change { ip: false, port: false })));
        understood(message, |kind| match kind {
            PADDING => true,
            CHANGE_REQUEST => is_datagram || stays,
            RESPONSE_PORT => is_datagram,
            _ => false,
        })?;
        plan.other = Some(opposite);
        plan.padding = message.find(PADDING).map(<[u8]>::len);
        if let Some(change) = change {
            let change = change?;
            if change.ip {
                plan.from.set_ip(opposite.ip());
            }
            if change.port {
                plan.from.set_port(opposite.port());
            }
        }
        if let Some(value) = message.find(RESPONSE_PORT) {
            if plan.padding.is_some() {
                return Err(Refusal::BadRequest("RESPONSE-PORT excludes PADDING"));
            }
            plan.to.set_port(read_port(value)?);
        }
        Ok(plan)
    }

    /// Writes all but the checksum, which every answer to a request with a checksum ends with.
    fn write(&self, answer: MessageBuilder, request: &Message<'_>) -> MessageBuilder {
        let answer = answer.xor_address(XOR_MAPPED_ADDRESS, self.mapped);
        let Some(other) = self.other else {
            return answer;
        };
        let answer = answer
            .attribute(MAPPED_ADDRESS, encode_address(self.mapped).as_bytes())
            .attribute(RESPONSE_ORIGIN, encode_address(self.from).as_bytes())
            .attribute(OTHER_ADDRESS, encode_address(other).as_bytes());
        let Some(wanted) = self.padding else {
            return answer;
        };
        let checksum = request.find(FINGERPRINT).map_or(0, |value| attribute_length(value.len()));
        let unpadded = answer.clone().finish().len() + attribute_length(0) + checksum;
        let room = request_length(request).saturating_sub(unpadded);
        answer.attribute(PADDING, &vec![0; wanted.next_multiple_of(4).min(room)])
    }
}

/// The flags of CHANGE-REQUEST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    ip: bool,
    port: bool,
}

fn read_change(value: &[u8]) -> Result<Change, Refusal> {
    let flags: [u8; 4] = value.try_into().map_err(|_| Refusal::BadRequest("CHANGE-REQUEST has 4 bytes"))?;
    let flags = u32::from_be_bytes(flags);
    Ok(Change { ip: flags & 0x4 != 0, port: flags & 0x2 != 0 })
}

/// The two bytes that fill RESPONSE-PORT up to four are padding inside the value for some and after it for others.
fn read_port(value: &[u8]) -> Result<u16, Refusal> {
    match value {
        [high, low] | [high, low, _, _] if [*high, *low] != [0, 0] => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(Refusal::BadRequest("RESPONSE-PORT is 1 to 65535")),
    }
}

/// Refuses what the codec does not know and `here` does not either.
fn understood(message: &Message<'_>, here: impl Fn(u16) -> bool) -> Result<(), Refusal> {
    let unknown: Vec<u16> = message.unknown_attributes().into_iter().filter(|kind| !here(*kind)).collect();
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::UnknownAttributes(unknown)) }
}

/// The one of the two that is not `this`, if the other is.
fn other_than<T: PartialEq>(this: T, one: T, other: T) -> Option<T> {
    if this == one {
        Some(other)
    } else if this == other {
        Some(one)
    } else {
        None
    }
}

/// Bytes of a request, without attributes that it should not have (what follows a signature).
fn request_length(request: &Message<'_>) -> usize {
    HEADER_LENGTH + request.attributes().map(|attribute| attribute_length(attribute.value.len())).sum::<usize>()
}

/// Bytes of an attribute with `length` bytes in its value.
fn attribute_length(length: usize) -> usize {
    4 + length.next_multiple_of(4)
}

#[cfg(test)]
mod tests;
