//! Binding messages with the attributes of NAT behaviour discovery (RFC 8489, RFC 5780 section 7).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rtc::stun::{
    addr::MappedAddress,
    attributes::{
        ATTR_CHANGE_REQUEST, ATTR_CHANGED_ADDRESS, ATTR_MAPPED_ADDRESS, ATTR_OTHER_ADDRESS, ATTR_PADDING,
        ATTR_XORMAPPED_ADDRESS, AttrType,
    },
    error_code::ErrorCodeAttribute,
    fingerprint::FINGERPRINT,
    message::{
        BINDING_REQUEST, CLASS_ERROR_RESPONSE, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_BINDING, Message,
        Setter, TransactionId,
    },
    xoraddr::XorMappedAddress,
};

/// A transaction id: 96 bits.
pub(crate) type Id = [u8; 12];

/// A source of them.
pub(crate) type Ids = Box<dyn FnMut() -> Id + Send>;

/// Header, checksum, and the head of the attribute that pads: what a padded request is long at least, in bytes.
const PADDED_AT_LEAST: usize = 20 + 8 + 4;

/// What a request asks for beside our address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extra {
    /// Nothing.
    Nothing,
    /// The answer from another port of the server.
    ChangePort,
    /// The answer from another address and port of the server.
    ChangeBoth,
    /// An answer of the same length, for a request of so many bytes in all, at least 32 and a multiple of four.
    Length(usize),
}

/// A Binding message that came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Came {
    /// Which request it answers, or is.
    pub(crate) id: Id,
    pub(crate) what: What,
}

/// What it says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum What {
    /// It is a request itself.
    Request,
    /// An answer.
    Success {
        /// Our address as the server sees it.
        mapped: Option<SocketAddr>,
        /// The server's address that differs in IP address and port, where it has one.
        other: Option<SocketAddr>,
    },
    /// A refusal.
    Error {
        /// 300 to 699; 0 where there was none.
        code: u16,
    },
}

/// The bytes of a request.
pub(crate) fn request(id: Id, extra: Extra) -> Vec<u8> {
    let mut message = Message::new();
    message.typ = BINDING_REQUEST;
    message.transaction_id = TransactionId(id);
    message.write_header();
    match extra {
        Extra::Nothing => {}
        Extra::ChangePort => message.add(ATTR_CHANGE_REQUEST, &[0, 0, 0, 2]),
        Extra::ChangeBoth => message.add(ATTR_CHANGE_REQUEST, &[0, 0, 0, 6]),
        Extra::Length(bytes) => message.add(ATTR_PADDING, &vec![0; bytes.saturating_sub(PADDED_AT_LEAST) & !3]),
    }
    if let Err(error) = FINGERPRINT.add_to(&mut message) {
        // Servers ask for no checksum; the request is as good without.
        tracing::debug!(%error, "a request has no checksum");
    }
    message.raw
}

/// Reads a datagram; `None` for all that is no Binding message.
pub(crate) fn read(datagram: &[u8]) -> Option<Came> {
    let mut message = Message::new();
    message.unmarshal_binary(datagram).ok()?;
    if message.typ.method != METHOD_BINDING {
        return None;
    }
    let id = message.transaction_id.0;
    if message.typ.class == CLASS_REQUEST {
        return Some(Came { id, what: What::Request });
    }
    if message.typ.class == CLASS_SUCCESS_RESPONSE {
        let mapped = masked(&message).or_else(|| plain(&message, ATTR_MAPPED_ADDRESS));
        // What the first STUN (RFC 3489) called the address; some servers still know no other name.
        let other = plain(&message, ATTR_OTHER_ADDRESS).or_else(|| plain(&message, ATTR_CHANGED_ADDRESS));
        return Some(Came { id, what: What::Success { mapped, other } });
    }
    if message.typ.class == CLASS_ERROR_RESPONSE {
        let mut error = ErrorCodeAttribute::default();
        let code = error.get_from(&message).map_or(0, |()| error.code.0);
        return Some(Came { id, what: What::Error { code } });
    }
    None
}

/// Ids nobody can guess.
pub(crate) fn random_ids() -> Ids {
    Box::new(|| TransactionId::new().0)
}

fn masked(message: &Message) -> Option<SocketAddr> {
    let mut address = XorMappedAddress { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };
    address.get_from_as(message, ATTR_XORMAPPED_ADDRESS).ok()?;
    Some(SocketAddr::new(address.ip, address.port))
}

fn plain(message: &Message, attribute: AttrType) -> Option<SocketAddr> {
    let mut address = MappedAddress { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };
    address.get_from_as(message, attribute).ok()?;
    Some(SocketAddr::new(address.ip, address.port))
}

#[cfg(test)]
pub(crate) mod tests {
    use rtc::stun::{
        error_code::ErrorCode,
        message::{CLASS_INDICATION, MessageClass, MessageType},
    };

    use super::*;

    const ID: Id = [7; 12];

    /// An answer of a server.
    pub(crate) fn success(id: Id, mapped: SocketAddr, other: Option<SocketAddr>) -> Vec<u8> {
        let mut message = answer(id, CLASS_SUCCESS_RESPONSE);
        XorMappedAddress { ip: mapped.ip(), port: mapped.port() }
            .add_to_as(&mut message, ATTR_XORMAPPED_ADDRESS)
            .unwrap();
        if let Some(other) = other {
            MappedAddress { ip: other.ip(), port: other.port() }.add_to_as(&mut message, ATTR_OTHER_ADDRESS).unwrap();
        }
        message.raw
    }

    /// A refusal of a server.
    pub(crate) fn refusal(id: Id, code: u16) -> Vec<u8> {
        let mut message = answer(id, CLASS_ERROR_RESPONSE);
        ErrorCodeAttribute { code: ErrorCode(code), reason: b"No".to_vec() }.add_to(&mut message).unwrap();
        message.raw
    }

    /// What a request asks for: the attribute and its value, where there is one beside the checksum.
    pub(crate) fn asked(request: &[u8]) -> (Id, Option<(u16, Vec<u8>)>) {
        let mut message = Message::new();
        message.unmarshal_binary(request).unwrap();
        FINGERPRINT.check(&message).unwrap();
        let extra = message.attributes.0.first().filter(|first| first.typ.0 != 0x8028);
        (message.transaction_id.0, extra.map(|first| (first.typ.0, first.value.clone())))
    }

    fn answer(id: Id, class: MessageClass) -> Message {
        let mut message = Message::new();
        message.typ = MessageType::new(METHOD_BINDING, class);
        message.transaction_id = TransactionId(id);
        message.write_header();
        message
    }

    #[test]
    fn a_request_for_another_source_has_one_flag_for_each_wish() {
        for (extra, flags) in [(Extra::ChangePort, 0x02), (Extra::ChangeBoth, 0x06)] {
            let bytes = request(ID, extra);
            assert_eq!(bytes.len(), 36);
            assert_eq!(bytes[..8], [0x00, 0x01, 0x00, 0x10, 0x21, 0x12, 0xa4, 0x42]);
            assert_eq!(bytes[8..20], ID);
            assert_eq!(bytes[20..28], [0x00, 0x03, 0x00, 0x04, 0, 0, 0, flags]);
            assert_eq!(bytes[28..32], [0x80, 0x28, 0x00, 0x04]);
            assert_eq!(asked(&bytes), (ID, Some((3, vec![0, 0, 0, flags]))));
        }
        assert_eq!(asked(&request(ID, Extra::Nothing)), (ID, None));
    }

    #[test]
    fn a_padded_request_has_the_length_asked_for() {
        for bytes in [32, 548, 1472] {
            let request = request(ID, Extra::Length(bytes));
            assert_eq!(request.len(), bytes);
            assert_eq!(request[20..22], [0x00, 0x26]);
            assert_eq!(usize::from(u16::from_be_bytes([request[22], request[23]])), bytes - 32);
        }
    }

    #[test]
    fn an_answer_is_read_with_both_addresses() {
        let mapped: SocketAddr = "192.0.2.7:4000".parse().unwrap();
        let other: SocketAddr = "198.51.100.2:3479".parse().unwrap();
        let bytes = success(ID, mapped, Some(other));
        assert_eq!(bytes[32..44], [0x80, 0x2c, 0, 8, 0, 1, 0x0d, 0x97, 198, 51, 100, 2]);
        let what = What::Success { mapped: Some(mapped), other: Some(other) };
        assert_eq!(read(&bytes), Some(Came { id: ID, what }));
        let v6: SocketAddr = "[2001:db8::7]:4000".parse().unwrap();
        let what = What::Success { mapped: Some(v6), other: None };
        assert_eq!(read(&success(ID, v6, None)), Some(Came { id: ID, what }));
    }

    #[test]
    fn servers_of_the_first_stun_are_understood_too() {
        let mut bytes = vec![0x01, 0x01, 0x00, 0x18, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend_from_slice(&ID);
        bytes.extend_from_slice(&[0, 1, 0, 8, 0, 1, 0x0f, 0xa0, 192, 0, 2, 7]);
        bytes.extend_from_slice(&[0, 5, 0, 8, 0, 1, 0x0d, 0x97, 198, 51, 100, 2]);
        let what = What::Success {
            mapped: Some("192.0.2.7:4000".parse().unwrap()),
            other: Some("198.51.100.2:3479".parse().unwrap()),
        };
        assert_eq!(read(&bytes), Some(Came { id: ID, what }));
    }

    #[test]
    fn refusals_and_requests_are_told_apart_from_the_rest() {
        assert_eq!(read(&refusal(ID, 420)), Some(Came { id: ID, what: What::Error { code: 420 } }));
        assert_eq!(read(&request(ID, Extra::Nothing)), Some(Came { id: ID, what: What::Request }));
        assert_eq!(read(&answer(ID, CLASS_INDICATION).raw), None);
        assert_eq!(read(b"no stun at all, whatever else"), None);
        assert_eq!(read(&[]), None);
    }
}
