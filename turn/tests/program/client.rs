//! Clients as small as they can be: one that holds an allocation over UDP, and one that shakes hands over TLS.

use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dialtone_turn::rest_credentials;
use dialtone_turn::stun::attributes::{LIFETIME, NONCE, REALM, REQUESTED_TRANSPORT, USERNAME};
use dialtone_turn::stun::{Class, IntegrityKind, Key, Message, MessageBuilder, Method, TransactionId};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::process::LIMIT;

/// Someone with a name and a password.
pub(crate) struct Client {
    name: String,
    password: String,
    socket: UdpSocket,
    nonce: Vec<u8>,
    transactions: u8,
}

impl Client {
    /// `alice`, who knows her password.
    pub(crate) fn new(relay: SocketAddr) -> Self {
        Self::named(relay, "alice", "pw")
    }

    /// Somebody whose name was made with a secret, and holds for an hour.
    pub(crate) fn with_secret(relay: SocketAddr, secret: &str) -> Self {
        let (name, password) = rest_credentials(secret, "carol", Duration::from_secs(3600), now());
        Self::named(relay, &name, &password)
    }

    fn named(relay: SocketAddr, name: &str, password: &str) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(relay).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { name: name.to_owned(), password: password.to_owned(), socket, nonce: Vec::new(), transactions: 0 }
    }

    /// # Errors
    /// The code that the relay refuses with.
    pub(crate) fn allocate(&mut self) -> Result<(), u16> {
        self.ask(Method::Allocate, |message| message.number(REQUESTED_TRANSPORT, 17 << 24))
    }

    /// Ends the allocation for a lifetime of 0.
    ///
    /// # Errors
    /// The code that the relay refuses with.
    pub(crate) fn refresh(&mut self, lifetime: u32) -> Result<(), u16> {
        self.ask(Method::Refresh, |message| message.number(LIFETIME, lifetime))
    }

    /// Asks, and once more with the nonce that the first refusal brings.
    fn ask(&mut self, method: Method, part: impl Fn(MessageBuilder) -> MessageBuilder) -> Result<(), u16> {
        match self.ask_once(method, &part) {
            Err(401 | 438) => self.ask_once(method, &part),
            result => result,
        }
    }

    fn ask_once(&mut self, method: Method, part: impl Fn(MessageBuilder) -> MessageBuilder) -> Result<(), u16> {
        self.transactions += 1;
        let id = TransactionId([self.transactions; 12]);
        let mut message = part(MessageBuilder::new(Class::Request, method, id));
        if !self.nonce.is_empty() {
            message = message
                .attribute(USERNAME, self.name.as_bytes())
                .attribute(REALM, b"dialtone")
                .attribute(NONCE, &self.nonce)
                .integrity(&Key::long_term(&self.name, "dialtone", &self.password), IntegrityKind::Sha256);
        }
        self.socket.send(&message.fingerprint().finish()).unwrap();
        let mut buffer = [0; 2048];
        let length = self.socket.recv(&mut buffer).expect("an answer in time");
        let answer = Message::parse(&buffer[..length]).unwrap();
        assert_eq!(answer.transaction(), id);
        if let Some(nonce) = answer.find(NONCE) {
            self.nonce = nonce.to_vec();
        }
        answer.error_code().map_or(Ok(()), Err)
    }
}

/// True when the relay proves at a TLS handshake that it has the key to `certificate`.
pub(crate) fn shows(relay: SocketAddr, certificate: &CertificateDer<'static>) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = TcpStream::connect(relay).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    while tls.is_handshaking() {
        match tls.complete_io(&mut stream) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return false,
            Err(error) => panic!("no handshake with {relay}: {error}"),
        }
    }
    tls.peer_certificates().is_some_and(|chain| chain.first() == Some(certificate))
}

#[expect(clippy::disallowed_methods, reason = "the relay compares a name's expiry with the real time")]
fn now() -> SystemTime {
    SystemTime::now()
}
