//! The requests that make and end allocations, one answer at a time.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};

use super::{LoadError, clock};
use crate::stun::{Class, IntegrityKind, Key, Message, MessageBuilder, Method, TransactionId, attributes};

/// The one channel each allocation binds.
pub(super) const CHANNEL: u16 = 0x4000;

/// How long each of the copies of a request waits for its answer (RFC 8489 section 6.2.1, shortened).
const WAITS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// How often a request is signed anew because the server wants other words.
const CHALLENGES: usize = 3;
const UNAUTHORIZED: u16 = 401;
const STALE_NONCE: u16 = 438;
const LONGEST_ANSWER: usize = 2048;

/// Who we are to the server, with the realm and nonce it gave us last.
pub(super) struct Dialogue {
    server: SocketAddr,
    username: String,
    password: String,
    challenge: Option<Challenge>,
    seed: [u8; 4],
    requests: u64,
}

struct Challenge {
    realm: String,
    nonce: Vec<u8>,
    key: Key,
}

impl Dialogue {
    /// Knows no realm yet: the first request will be refused with one.
    pub(super) fn new(server: SocketAddr, username: String, password: String) -> Result<Self, LoadError> {
        let mut seed = [0; 4];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| io::Error::other("the system gives no random numbers"))
            .map_err(LoadError::socket("random numbers"))?;
        Ok(Self { server, username, password, challenge: None, seed, requests: 0 })
    }

    /// Asks for an allocation; gives its relayed address.
    pub(super) fn allocate(&mut self, socket: &UdpSocket) -> Result<SocketAddr, LoadError> {
        const WHAT: &str = "Allocate";
        let ipv6 = self.server.is_ipv6();
        let answer = self.ask(socket, WHAT, Method::Allocate, |request| {
            let request = request.attribute(attributes::REQUESTED_TRANSPORT, &[attributes::PROTOCOL_UDP, 0, 0, 0]);
            if ipv6 {
                request.attribute(attributes::REQUESTED_ADDRESS_FAMILY, &[attributes::FAMILY_V6, 0, 0, 0])
            } else {
                request
            }
        })?;
        Message::parse(&answer)
            .ok()
            .and_then(|message| message.xor_address(attributes::XOR_RELAYED_ADDRESS))
            .ok_or(LoadError::Answer { what: WHAT, missing: "XOR-RELAYED-ADDRESS" })
    }

    /// Binds [`CHANNEL`] to `peer`, which installs the permission as well (RFC 8656 section 12.1).
    pub(super) fn bind_channel(&mut self, socket: &UdpSocket, peer: SocketAddr) -> Result<(), LoadError> {
        let [high, low] = CHANNEL.to_be_bytes();
        self.ask(socket, "ChannelBind", Method::ChannelBind, |request| {
            request
                .attribute(attributes::CHANNEL_NUMBER, &[high, low, 0, 0])
                .xor_address(attributes::XOR_PEER_ADDRESS, peer)
        })?;
        Ok(())
    }

    /// Ends an allocation without waiting to hear of it.
    pub(super) fn release(&mut self, socket: &UdpSocket) {
        let (_, request) = self.sign(Method::Refresh, |request| request.number(attributes::LIFETIME, 0));
        // Should it get lost, the allocation ends by itself.
        let _ = socket.send(&request);
    }

    /// Sends a request until it is carried out; learns realm and nonce on the way.
    fn ask(
        &mut self,
        socket: &UdpSocket,
        what: &'static str,
        method: Method,
        fill: impl Fn(MessageBuilder) -> MessageBuilder,
    ) -> Result<Vec<u8>, LoadError> {
        let mut challenges = 0;
        loop {
            let (id, request) = self.sign(method, &fill);
            let answer = self.round_trip(socket, what, id, &request)?;
            let message = Message::parse(&answer).map_err(|_| LoadError::Answer { what, missing: "header" })?;
            if message.class() == Class::Success {
                return Ok(answer);
            }
            let code = message.error_code().unwrap_or(0);
            challenges += 1;
            if !matches!(code, UNAUTHORIZED | STALE_NONCE) || challenges == CHALLENGES {
                return Err(LoadError::Refused { what, code, reason: reason(&message) });
            }
            self.learn(what, &message)?;
        }
    }

    fn learn(&mut self, what: &'static str, message: &Message<'_>) -> Result<(), LoadError> {
        let nonce = message.find(attributes::NONCE).ok_or(LoadError::Answer { what, missing: "NONCE" })?;
        let realm = message.text(attributes::REALM).ok_or(LoadError::Answer { what, missing: "REALM" })?;
        let key = Key::long_term(&self.username, realm, &self.password);
        self.challenge = Some(Challenge { realm: realm.to_owned(), nonce: nonce.to_vec(), key });
        Ok(())
    }

    fn sign(&mut self, method: Method, fill: impl Fn(MessageBuilder) -> MessageBuilder) -> (TransactionId, Vec<u8>) {
        self.requests += 1;
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.seed);
        id[4..].copy_from_slice(&self.requests.to_be_bytes());
        let id = TransactionId(id);
        let request = fill(MessageBuilder::new(Class::Request, method, id));
        let request = match &self.challenge {
            None => request,
            Some(challenge) => request
                .attribute(attributes::USERNAME, self.username.as_bytes())
                .attribute(attributes::REALM, challenge.realm.as_bytes())
                .attribute(attributes::NONCE, &challenge.nonce)
                .integrity(&challenge.key, IntegrityKind::Sha1),
        };
        (id, request.finish())
    }

    fn round_trip(
        &self,
        socket: &UdpSocket,
        what: &'static str,
        id: TransactionId,
        request: &[u8],
    ) -> Result<Vec<u8>, LoadError> {
        for wait in WAITS {
            socket.send(request).map_err(LoadError::socket(what))?;
            let until = clock() + wait;
            loop {
                let left = until.saturating_duration_since(clock());
                if left.is_zero() {
                    break;
                }
                socket.set_read_timeout(Some(left)).map_err(LoadError::socket(what))?;
                let mut answer = vec![0; LONGEST_ANSWER];
                match socket.recv(&mut answer) {
                    Ok(length) => answer.truncate(length),
                    Err(error) if is_timeout(&error) => continue,
                    Err(error) => return Err(LoadError::Socket { what, source: error }),
                }
                // A late answer to an earlier copy of another request is not ours.
                if Message::parse(&answer).is_ok_and(|message| is_answer(&message, id)) {
                    return Ok(answer);
                }
            }
        }
        Err(LoadError::NoAnswer { what, server: self.server })
    }
}

fn is_answer(message: &Message<'_>, id: TransactionId) -> bool {
    message.transaction() == id && matches!(message.class(), Class::Success | Class::Error)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// The server's words behind the code (RFC 8489 section 14.8).
fn reason(message: &Message<'_>) -> String {
    let words = message.find(attributes::ERROR_CODE).and_then(|value| value.get(4..)).unwrap_or_default();
    String::from_utf8_lossy(words).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::thread;

    use super::*;

    #[test]
    fn realm_and_nonce_are_learned_and_the_relayed_address_is_read() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let address = server.local_addr().unwrap();
        let relayed = SocketAddr::from(([127, 0, 0, 1], 4242));
        let answering = thread::spawn(move || {
            let key = Key::long_term("u", "here", "p");
            for _ in 0..2 {
                let mut buffer = [0; 1500];
                let (length, from) = server.recv_from(&mut buffer).unwrap();
                let request = Message::parse(&buffer[..length]).unwrap();
                let id = request.transaction();
                let answer = if request.find(attributes::NONCE) == Some(b"n1") {
                    assert!(request.verify(&key));
                    MessageBuilder::new(Class::Success, Method::Allocate, id)
                        .xor_address(attributes::XOR_RELAYED_ADDRESS, relayed)
                } else {
                    MessageBuilder::new(Class::Error, Method::Allocate, id)
                        .error(UNAUTHORIZED, "Unauthorized")
                        .attribute(attributes::REALM, b"here")
                        .attribute(attributes::NONCE, b"n1")
                };
                server.send_to(&answer.finish(), from).unwrap();
            }
        });
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(address).unwrap();
        let mut dialogue = Dialogue::new(address, "u".into(), "p".into()).unwrap();
        assert_eq!(dialogue.allocate(&socket).unwrap(), relayed);
        answering.join().unwrap();
    }
}
