//! Data through a relay in indications, which need no channel and no answer (RFC 8656 section 11).

use std::net::SocketAddr;

use rtc::{
    shared::error::Error,
    stun::{
        attributes::{ATTR_DATA, ATTR_XOR_PEER_ADDRESS},
        message::{CLASS_INDICATION, METHOD_DATA, METHOD_SEND, Message, MessageType, TransactionId},
        xoraddr::XorMappedAddress,
    },
};

/// A Send indication (RFC 8656 section 11.1), which asks for no answer.
pub(super) fn indication(id: [u8; 12], to: SocketAddr, data: &[u8]) -> Result<Vec<u8>, Error> {
    let mut message = Message::new();
    message.typ = MessageType::new(METHOD_SEND, CLASS_INDICATION);
    message.transaction_id = TransactionId(id);
    message.write_header();
    XorMappedAddress { ip: to.ip(), port: to.port() }.add_to_as(&mut message, ATTR_XOR_PEER_ADDRESS)?;
    message.add(ATTR_DATA, data);
    Ok(message.raw)
}

/// The data of a Data indication (RFC 8656 section 11.4); `None` for any other message.
pub(super) fn data_of(message: &[u8]) -> Option<Vec<u8>> {
    let mut read = Message::new();
    read.unmarshal_binary(message).ok()?;
    if read.typ.method != METHOD_DATA || read.typ.class != CLASS_INDICATION {
        return None;
    }
    read.get(ATTR_DATA).ok()
}
