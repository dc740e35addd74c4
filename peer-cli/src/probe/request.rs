//! STUN and TURN messages (RFC 8489, RFC 8656), as far as a probe needs them: requests out, answers in.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use rtc::{
    crypto::{RTCCryptoProvider, default_provider},
    shared::error::Error,
    stun::{
        attributes::{
            ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME,
            ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS, ATTR_XORMAPPED_ADDRESS, AttrType,
        },
        error_code::ErrorCodeAttribute,
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{
            CLASS_ERROR_RESPONSE, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE, METHOD_BINDING,
            METHOD_CREATE_PERMISSION, METHOD_REFRESH, Message, MessageType, Method, Setter, TransactionId,
        },
        textattrs::TextAttribute,
        xoraddr::XorMappedAddress,
    },
};

/// UDP in REQUESTED-TRANSPORT (RFC 8656 section 18.7), with the three reserved bytes behind it.
const UDP: [u8; 4] = [17, 0, 0, 0];

/// Longest reason phrase of a server that is repeated, in characters.
const MAX_REASON: usize = 80;

/// What is asked of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Request {
    /// Which address do you see?
    Binding,
    /// Lend me an address.
    Allocate,
    /// Let this peer reach it.
    CreatePermission(SocketAddr),
    /// Take it back.
    Release,
}

impl Request {
    /// As the RFCs call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Binding => "Binding",
            Self::Allocate => "Allocate",
            Self::CreatePermission(_) => "CreatePermission",
            Self::Release => "Refresh",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Binding => METHOD_BINDING,
            Self::Allocate => METHOD_ALLOCATE,
            Self::CreatePermission(_) => METHOD_CREATE_PERMISSION,
            Self::Release => METHOD_REFRESH,
        }
    }

    /// The bytes of the request, signed where there is something to sign it with.
    pub(super) fn encode(self, id: [u8; 12], login: Option<&Login>) -> Result<Vec<u8>, Error> {
        let mut message = Message::new();
        message.typ = MessageType::new(self.method(), CLASS_REQUEST);
        message.transaction_id = TransactionId(id);
        message.write_header();
        match self {
            Self::Binding => {}
            Self::Allocate => message.add(ATTR_REQUESTED_TRANSPORT, &UDP),
            Self::CreatePermission(peer) => {
                XorMappedAddress { ip: peer.ip(), port: peer.port() }.add_to_as(&mut message, ATTR_XOR_PEER_ADDRESS)?;
            }
            Self::Release => message.add(ATTR_LIFETIME, &[0; 4]),
        }
        if let Some(login) = login {
            login.sign(&mut message)?;
        }
        FINGERPRINT.add_to(&mut message)?;
        Ok(message.raw)
    }
}

/// What a request is signed with: the long-term credential (RFC 8489 section 9.2).
pub(super) struct Login {
    username: String,
    realm: String,
    nonce: String,
    key: Vec<u8>,
    crypto: Arc<dyn RTCCryptoProvider>,
}

impl Login {
    /// The key of a user in the server's realm.
    pub(super) fn new(username: &str, credential: &str, challenge: Challenge) -> Result<Self, Error> {
        let crypto = default_provider().map_err(|error| Error::Other(error.to_string()))?;
        let Challenge { realm, nonce } = challenge;
        let key = MessageIntegrity::long_term_integrity_key(
            username.to_owned(),
            realm.clone(),
            credential.to_owned(),
            crypto.crypto(),
        )?;
        Ok(Self { username: username.to_owned(), realm, nonce, key, crypto })
    }

    /// Goes on with another nonce.
    pub(super) fn renew(&mut self, nonce: String) {
        self.nonce = nonce;
    }

    fn sign(&self, message: &mut Message) -> Result<(), Error> {
        for (attribute, text) in [(ATTR_USERNAME, &self.username), (ATTR_REALM, &self.realm), (ATTR_NONCE, &self.nonce)]
        {
            TextAttribute::new(attribute, text.clone()).add_to(message)?;
        }
        MessageIntegrity::new_raw_integrity_with_provider(self.key.clone(), self.crypto.crypto()).add_to(message)
    }

    /// Whether an answer was signed with the same key.
    fn has_signed(&self, message: &mut Message) -> bool {
        message.contains(ATTR_MESSAGE_INTEGRITY)
            && MessageIntegrity::check(message, &self.key, self.crypto.crypto()).is_ok()
    }
}

/// What a server wants to be answered with a signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Challenge {
    /// The domain of the user names.
    pub(super) realm: String,
    /// The server's mark, to be repeated in the request.
    pub(super) nonce: String,
}

/// What a server answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// It did what was asked.
    Success {
        /// Our address as the server sees it.
        mapped: Option<SocketAddr>,
        /// The address that it lends.
        relayed: Option<SocketAddr>,
    },
    /// The same, but the signature is missing or another one's.
    Unsigned,
    /// It refused.
    Error {
        /// The code (RFC 8489 section 14.8), 300 to 699; 0 where there was none.
        code: u16,
        /// The server's words, without anything that could garble a terminal.
        reason: String,
        /// With which it may be asked again.
        challenge: Option<Challenge>,
    },
}

impl Answer {
    /// Reads the answer to a request; `None` for anything else that came.
    pub(super) fn decode(datagram: &[u8], to: Request, id: [u8; 12], login: Option<&Login>) -> Option<Self> {
        let mut message = Message::new();
        message.unmarshal_binary(datagram).ok()?;
        if message.transaction_id != TransactionId(id) || message.typ.method != to.method() {
            return None;
        }
        if message.typ.class == CLASS_SUCCESS_RESPONSE {
            if login.is_some_and(|login| !login.has_signed(&mut message)) {
                return Some(Self::Unsigned);
            }
            return Some(Self::Success {
                mapped: address(&message, ATTR_XORMAPPED_ADDRESS),
                relayed: address(&message, ATTR_XOR_RELAYED_ADDRESS),
            });
        }
        if message.typ.class != CLASS_ERROR_RESPONSE {
            return None;
        }
        let mut error = ErrorCodeAttribute::default();
        let (code, reason) = match error.get_from(&message) {
            Ok(()) => (error.code.0, printable(&error.reason)),
            Err(_) => (0, String::new()),
        };
        let text = |attribute| TextAttribute::get_from_as(&message, attribute).ok().map(|attribute| attribute.text);
        let challenge = text(ATTR_REALM).zip(text(ATTR_NONCE)).map(|(realm, nonce)| Challenge { realm, nonce });
        Some(Self::Error { code, reason, challenge })
    }
}

fn address(message: &Message, attribute: AttrType) -> Option<SocketAddr> {
    let mut address = XorMappedAddress { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };
    address.get_from_as(message, attribute).ok()?;
    Some(SocketAddr::new(address.ip, address.port))
}

fn printable(reason: &[u8]) -> String {
    let text = String::from_utf8_lossy(reason);
    text.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect::<String>().trim().to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use rtc::stun::{
        error_code::ErrorCode,
        message::{CLASS_INDICATION, is_stun_message},
    };

    use super::*;

    const ID: [u8; 12] = [7; 12];

    pub(in crate::probe) fn read(datagram: &[u8]) -> Message {
        let mut message = Message::new();
        message.unmarshal_binary(datagram).unwrap();
        message
    }

    /// An answer of a server to a request.
    pub(in crate::probe) fn success(
        request: &[u8],
        addresses: &[(AttrType, SocketAddr)],
        login: Option<&Login>,
    ) -> Vec<u8> {
        let request = read(request);
        let mut message = Message::new();
        message.typ = MessageType::new(request.typ.method, CLASS_SUCCESS_RESPONSE);
        message.transaction_id = request.transaction_id;
        message.write_header();
        for (attribute, address) in addresses {
            XorMappedAddress { ip: address.ip(), port: address.port() }.add_to_as(&mut message, *attribute).unwrap();
        }
        if let Some(login) = login {
            MessageIntegrity::new_raw_integrity_with_provider(login.key.clone(), login.crypto.crypto())
                .add_to(&mut message)
                .unwrap();
        }
        message.raw
    }

    pub(in crate::probe) fn refusal(
        request: &[u8],
        code: u16,
        reason: &str,
        challenge: Option<(&str, &str)>,
    ) -> Vec<u8> {
        let request = read(request);
        let mut message = Message::new();
        message.typ = MessageType::new(request.typ.method, CLASS_ERROR_RESPONSE);
        message.transaction_id = request.transaction_id;
        message.write_header();
        ErrorCodeAttribute { code: ErrorCode(code), reason: reason.as_bytes().to_vec() }.add_to(&mut message).unwrap();
        if let Some((realm, nonce)) = challenge {
            TextAttribute::new(ATTR_REALM, realm.to_owned()).add_to(&mut message).unwrap();
            TextAttribute::new(ATTR_NONCE, nonce.to_owned()).add_to(&mut message).unwrap();
        }
        message.raw
    }

    pub(in crate::probe) fn login(nonce: &str) -> Login {
        let challenge = Challenge { realm: "example.org".to_owned(), nonce: nonce.to_owned() };
        Login::new("bob", "hunter2", challenge).unwrap()
    }

    #[test]
    fn a_binding_request_is_a_header_and_a_fingerprint() {
        let bytes = Request::Binding.encode(ID, None).unwrap();
        assert!(is_stun_message(&bytes));
        assert_eq!(bytes[..8], [0x00, 0x01, 0x00, 0x08, 0x21, 0x12, 0xa4, 0x42]);
        assert_eq!(bytes[8..20], ID);
        assert_eq!(bytes[20..24], [0x80, 0x28, 0x00, 0x04]);
        assert_eq!(bytes.len(), 28);
        FINGERPRINT.check(&read(&bytes)).unwrap();
    }

    #[test]
    fn a_signed_request_names_user_realm_and_nonce_and_never_the_password() {
        let login = login("n1");
        let bytes = Request::Allocate.encode(ID, Some(&login)).unwrap();
        let mut message = read(&bytes);
        for (attribute, text) in [(ATTR_USERNAME, "bob"), (ATTR_REALM, "example.org"), (ATTR_NONCE, "n1")] {
            assert_eq!(message.get(attribute).unwrap(), text.as_bytes());
        }
        assert_eq!(message.get(ATTR_REQUESTED_TRANSPORT).unwrap(), UDP);
        assert!(login.has_signed(&mut message));
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
    }

    #[test]
    fn an_answer_is_read_with_its_addresses() {
        let request = Request::Allocate.encode(ID, None).unwrap();
        let mapped: SocketAddr = "192.0.2.7:4000".parse().unwrap();
        let relayed: SocketAddr = "[2001:db8::9]:5000".parse().unwrap();
        let bytes = success(&request, &[(ATTR_XORMAPPED_ADDRESS, mapped), (ATTR_XOR_RELAYED_ADDRESS, relayed)], None);
        assert_eq!(
            Answer::decode(&bytes, Request::Allocate, ID, None),
            Some(Answer::Success { mapped: Some(mapped), relayed: Some(relayed) })
        );
    }

    #[test]
    fn an_answer_to_a_signed_request_has_to_be_signed() {
        let login = login("n1");
        let request = Request::Allocate.encode(ID, Some(&login)).unwrap();
        let answer = |bytes: &[u8]| Answer::decode(bytes, Request::Allocate, ID, Some(&login));
        assert_eq!(answer(&success(&request, &[], None)), Some(Answer::Unsigned));
        assert_eq!(
            answer(&success(&request, &[], Some(&login))),
            Some(Answer::Success { mapped: None, relayed: None })
        );
    }

    #[test]
    fn what_is_no_answer_is_passed_over() {
        let request = Request::Binding.encode(ID, None).unwrap();
        let answer = success(&request, &[], None);
        assert_eq!(Answer::decode(&answer, Request::Binding, [8; 12], None), None, "another transaction");
        assert_eq!(Answer::decode(&answer, Request::Allocate, ID, None), None, "another method");
        assert_eq!(Answer::decode(&request, Request::Binding, ID, None), None, "our own request");
        assert_eq!(Answer::decode(&answer[..19], Request::Binding, ID, None), None, "cut off");
        let mut indication = read(&answer);
        indication.set_type(MessageType::new(METHOD_BINDING, CLASS_INDICATION));
        assert_eq!(Answer::decode(&indication.raw, Request::Binding, ID, None), None, "an indication");
    }

    #[test]
    fn a_refusal_is_read_with_its_challenge_and_in_printable_words() {
        let request = Request::Allocate.encode(ID, None).unwrap();
        let bytes = refusal(&request, 401, "Un\u{1b}[31mauthorized\n", Some(("example.org", "n1")));
        assert_eq!(
            Answer::decode(&bytes, Request::Allocate, ID, None),
            Some(Answer::Error {
                code: 401,
                reason: "Un[31mauthorized".to_owned(),
                challenge: Some(Challenge { realm: "example.org".to_owned(), nonce: "n1".to_owned() }),
            })
        );
    }
}
