//! A TURN client that hides nothing: every request goes out once and has its answer, or the test fails.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dialtone_tests::LIMIT;
use dialtone_turn::stun::attributes::{
    CHANNEL_NUMBER, DATA, LIFETIME, NONCE, PROTOCOL_UDP, REALM, REQUESTED_TRANSPORT, USERNAME, XOR_PEER_ADDRESS,
    XOR_RELAYED_ADDRESS,
};
use dialtone_turn::stun::{
    ChannelData, Class, IntegrityKind, Key, Message, MessageBuilder, Method, TransactionId, frame_length,
};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// The user that [`Client`] is; the relay knows it by `--user` and this.
pub(super) const LOGIN: &str = "alice:wonder";
const USER: &str = "alice";
const PASSWORD: &str = "wonder";

/// Carries whole messages.
pub(super) trait Link {
    fn send(&mut self, message: &[u8]);
    /// The next one; a stream's padding may be at its end.
    fn receive(&mut self) -> Vec<u8>;
}

/// One client with its one allocation.
pub(super) struct Client<L> {
    link: L,
    challenge: Option<Challenge>,
    channels: BTreeMap<u16, SocketAddr>,
    /// What came while an answer was waited for.
    early: VecDeque<(SocketAddr, Vec<u8>)>,
}

struct Challenge {
    realm: String,
    nonce: Vec<u8>,
}

impl Client<UdpSocket> {
    /// At a port of 127.0.0.1.
    pub(super) fn udp(relay: SocketAddr) -> Self {
        Self::new(udp_from(Ipv4Addr::LOCALHOST, relay))
    }
}

impl<L: Link> Client<L> {
    pub(super) fn new(link: L) -> Self {
        Self { link, challenge: None, channels: BTreeMap::new(), early: VecDeque::new() }
    }

    /// Asks for an allocation; gives its relayed address.
    pub(super) fn allocate(&mut self) -> SocketAddr {
        let answer =
            self.ask(Method::Allocate, |request| request.attribute(REQUESTED_TRANSPORT, &[PROTOCOL_UDP, 0, 0, 0]));
        let relayed = Message::parse(&answer).unwrap().xor_address(XOR_RELAYED_ADDRESS);
        relayed.expect("an allocation has an address")
    }

    /// Keeps the allocation, or ends it where `seconds` is 0.
    pub(super) fn refresh(&mut self, seconds: u32) {
        let answer = self.ask(Method::Refresh, |request| request.number(LIFETIME, seconds));
        assert_eq!(Message::parse(&answer).unwrap().number(LIFETIME), Some(seconds));
    }

    pub(super) fn permit(&mut self, peer: SocketAddr) {
        self.ask(Method::CreatePermission, |request| request.xor_address(XOR_PEER_ADDRESS, peer));
    }

    pub(super) fn bind_channel(&mut self, channel: u16, peer: SocketAddr) {
        let number = u32::from(channel) << 16;
        self.ask(Method::ChannelBind, |request| {
            request.number(CHANNEL_NUMBER, number).xor_address(XOR_PEER_ADDRESS, peer)
        });
        self.channels.insert(channel, peer);
    }

    /// Sends by the peer's channel where it has one, else by an indication.
    pub(super) fn say(&mut self, peer: SocketAddr, payload: &[u8]) {
        let channel = self.channels.iter().find(|(_, bound)| **bound == peer).map(|(channel, _)| *channel);
        let message = match channel {
            Some(channel) => {
                let length = u16::try_from(payload.len()).unwrap();
                [&channel.to_be_bytes()[..], &length.to_be_bytes(), payload].concat()
            }
            None => MessageBuilder::new(Class::Indication, Method::Send, transaction())
                .xor_address(XOR_PEER_ADDRESS, peer)
                .attribute(DATA, payload)
                .finish(),
        };
        self.link.send(&message);
    }

    /// The next payload, and the peer it is from.
    pub(super) fn hear(&mut self) -> (SocketAddr, Vec<u8>) {
        if let Some(heard) = self.early.pop_front() {
            return heard;
        }
        let message = self.link.receive();
        self.data(&message).unwrap_or_else(|| panic!("an answer that nobody waits for: {message:02x?}"))
    }

    /// Sends a request until it is carried out; the first is refused with realm and nonce.
    fn ask(&mut self, method: Method, fill: impl Fn(MessageBuilder) -> MessageBuilder) -> Vec<u8> {
        for _ in 0..3 {
            let id = transaction();
            let mut request = fill(MessageBuilder::new(Class::Request, method, id));
            if let Some(Challenge { realm, nonce }) = &self.challenge {
                request = request
                    .attribute(USERNAME, USER.as_bytes())
                    .attribute(REALM, realm.as_bytes())
                    .attribute(NONCE, nonce)
                    .integrity(&Key::long_term(USER, realm, PASSWORD), IntegrityKind::Sha1);
            }
            self.link.send(&request.finish());
            let answer = self.answer(id);
            let message = Message::parse(&answer).unwrap();
            let Some(code) = message.error_code() else {
                return answer;
            };
            assert!(matches!(code, 401 | 438), "{method:?} is refused with {code}");
            let realm = message.text(REALM).unwrap().to_owned();
            self.challenge = Some(Challenge { realm, nonce: message.find(NONCE).unwrap().to_vec() });
        }
        panic!("{method:?} is refused however it is signed");
    }

    fn answer(&mut self, id: TransactionId) -> Vec<u8> {
        loop {
            let message = self.link.receive();
            if let Some(heard) = self.data(&message) {
                self.early.push_back(heard);
            } else if Message::parse(&message).unwrap().transaction() == id {
                return message;
            }
        }
    }

    /// What a message carries for the user; `None` for an answer.
    fn data(&self, message: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
        if let Some(data) = ChannelData::parse(message) {
            return Some((self.channels[&data.number.get()], data.payload.to_vec()));
        }
        let message = Message::parse(message).ok().filter(|message| message.method() == Method::Data)?;
        Some((message.xor_address(XOR_PEER_ADDRESS)?, message.find(DATA)?.to_vec()))
    }
}

impl Link for UdpSocket {
    fn send(&mut self, message: &[u8]) {
        Self::send(self, message).unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 2048];
        let length = self.recv(&mut buffer).unwrap_or_else(|error| panic!("nothing within {LIMIT:?}: {error}"));
        buffer.truncate(length);
        buffer
    }
}

/// A socket at a port of `ip` that talks to the relay alone.
pub(super) fn udp_from(ip: impl Into<IpAddr>, relay: SocketAddr) -> UdpSocket {
    let ip: IpAddr = ip.into();
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.connect(relay).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

/// One TLS connection.
pub(super) struct TlsLink(StreamOwned<ClientConnection, TcpStream>);

impl TlsLink {
    /// Connects and shakes hands.
    pub(super) fn connect(relay: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut stream = TcpStream::connect(relay).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::from(relay.ip());
        let mut session = ClientConnection::new(Arc::clone(config), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut stream).unwrap();
        }
        Self(StreamOwned::new(session, stream))
    }

    /// What the relay showed.
    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        self.0.conn.peer_certificates().unwrap().first().unwrap()
    }
}

impl Link for TlsLink {
    fn send(&mut self, message: &[u8]) {
        let mut padded = message.to_vec();
        padded.resize(message.len().next_multiple_of(4), 0);
        self.0.write_all(&padded).unwrap();
        self.0.flush().unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut message = vec![0; 4];
        self.0.read_exact(&mut message).unwrap();
        let length = frame_length(&message).unwrap().expect("four bytes tell the length");
        message.resize(length, 0);
        self.0.read_exact(&mut message[4..]).unwrap();
        message
    }
}

/// A transaction id that no other request of these tests has.
pub(super) fn transaction() -> TransactionId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut id = *b"e2e:--------";
    id[4..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    TransactionId(id)
}
