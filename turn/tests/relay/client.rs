//! A TURN client as small as one can be, over UDP, TCP and TLS, and what the tests around it share.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dialtone_turn::stun::attributes::{
    CHANNEL_NUMBER, DATA, NONCE, REALM, REQUESTED_TRANSPORT, USERNAME, XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS,
    XOR_RELAYED_ADDRESS,
};
use dialtone_turn::stun::{Class, IntegrityKind, Key, Message, MessageBuilder, Method, TransactionId, frame_length};
use dialtone_turn::{Config, Relay, TlsFiles};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Longer than anything on loopback takes, even on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
pub(crate) const LOCALHOST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) fn config() -> Config {
    let mut config = Config {
        listen: vec![LOCALHOST],
        allow_peer: vec!["127.0.0.0/8".parse().expect("a network")],
        ..Config::default()
    };
    config.credentials.users.insert("alice".to_owned(), "pw".to_owned());
    config
}

pub(crate) async fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 2048];
    let (length, from) =
        timeout(LIMIT, socket.recv_from(&mut buffer)).await.expect("a datagram in time").expect("a datagram");
    buffer.truncate(length);
    (buffer, from)
}

/// A certificate for `localhost`, and its files for as long as this lives.
pub(crate) struct Certificate {
    der: rustls::pki_types::CertificateDer<'static>,
    pub(crate) files: TlsFiles,
    folder: PathBuf,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let folder = std::env::temp_dir().join(format!("dialtone-turn-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&files.cert, made.cert.pem()).expect("certificate written");
        std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("key written");
        Self { der: made.cert.der().clone(), files, folder }
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(crate) enum Link {
    Udp(UdpSocket),
    Stream(Box<dyn Stream>),
}

/// One client, with one allocation.
pub(crate) struct Client {
    link: Link,
    pub(crate) local: SocketAddr,
    nonce: Vec<u8>,
    transactions: u8,
}

impl Client {
    pub(crate) async fn udp(relay: &Relay) -> Self {
        Self::udp_at(relay.udp_addrs()[0]).await
    }

    pub(crate) async fn udp_at(server: SocketAddr) -> Self {
        let wildcard: SocketAddr = if server.is_ipv4() { LOCALHOST } else { "[::1]:0".parse().expect("an address") };
        let socket = UdpSocket::bind(wildcard).await.expect("client binds");
        socket.connect(server).await.expect("connects");
        let local = socket.local_addr().expect("client is bound");
        Self::new(Link::Udp(socket), local)
    }

    pub(crate) async fn tcp(relay: &Relay) -> Self {
        let stream = TcpStream::connect(relay.tcp_addrs()[0]).await.expect("connects");
        let local = stream.local_addr().expect("client is bound");
        Self::new(Link::Stream(Box::new(stream)), local)
    }

    pub(crate) async fn tls(relay: &Relay, certificate: &Certificate) -> Self {
        let stream = TcpStream::connect(relay.tls_addrs()[0]).await.expect("connects");
        let local = stream.local_addr().expect("client is bound");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.der.clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = timeout(LIMIT, TlsConnector::from(Arc::new(config)).connect(name, stream))
            .await
            .expect("a handshake in time")
            .expect("a handshake");
        Self::new(Link::Stream(Box::new(stream)), local)
    }

    pub(crate) fn new(link: Link, local: SocketAddr) -> Self {
        Self { link, local, nonce: Vec::new(), transactions: 0 }
    }

    pub(crate) async fn allocate(&mut self) -> SocketAddr {
        let answer = self.allocate_with(|m| m).await;
        let answer = Message::parse(&answer).expect("a message");
        assert_eq!(answer.class(), Class::Success);
        assert_eq!(answer.xor_address(XOR_MAPPED_ADDRESS), Some(self.local));
        assert!(answer.verify(&key()));
        answer.xor_address(XOR_RELAYED_ADDRESS).expect("a relayed address")
    }

    /// The whole answer to an Allocate request with further attributes.
    pub(crate) async fn allocate_with(&mut self, part: impl Fn(MessageBuilder) -> MessageBuilder) -> Vec<u8> {
        let challenge = self.ask(Method::Allocate, |m| m.number(REQUESTED_TRANSPORT, 17 << 24)).await;
        let challenge = Message::parse(&challenge).expect("a message");
        assert_eq!(challenge.error_code(), Some(401));
        self.nonce = challenge.find(NONCE).expect("a nonce").to_vec();
        self.ask(Method::Allocate, |m| part(m.number(REQUESTED_TRANSPORT, 17 << 24))).await
    }

    pub(crate) async fn permit(&mut self, peer: SocketAddr) {
        let answer = self.ask(Method::CreatePermission, |m| m.xor_address(XOR_PEER_ADDRESS, peer)).await;
        let answer = Message::parse(&answer).expect("a message");
        assert_eq!(answer.error_code(), None);
    }

    pub(crate) async fn bind_channel(&mut self, number: u32, peer: SocketAddr) {
        let answer = self
            .ask(Method::ChannelBind, |m| m.number(CHANNEL_NUMBER, number << 16).xor_address(XOR_PEER_ADDRESS, peer))
            .await;
        let answer = Message::parse(&answer).expect("a message");
        assert_eq!(answer.error_code(), None);
    }

    pub(crate) async fn indicate(&mut self, peer: SocketAddr, data: &[u8]) {
        let message = MessageBuilder::new(Class::Indication, Method::Send, TransactionId([0; 12]))
            .xor_address(XOR_PEER_ADDRESS, peer)
            .attribute(DATA, data)
            .finish();
        self.send(&message).await;
    }

    pub(crate) async fn data(&mut self) -> (SocketAddr, Vec<u8>) {
        let bytes = self.receive().await;
        let message = Message::parse(&bytes).expect("a message");
        assert_eq!(message.method(), Method::Data);
        let peer = message.xor_address(XOR_PEER_ADDRESS).expect("a peer");
        (peer, message.find(DATA).expect("data").to_vec())
    }

    pub(crate) async fn ask(&mut self, method: Method, part: impl FnOnce(MessageBuilder) -> MessageBuilder) -> Vec<u8> {
        self.transactions += 1;
        let id = TransactionId([self.transactions; 12]);
        let mut message = part(MessageBuilder::new(Class::Request, method, id));
        if !self.nonce.is_empty() {
            message = message
                .attribute(USERNAME, b"alice")
                .attribute(REALM, b"dialtone")
                .attribute(NONCE, &self.nonce)
                .integrity(&key(), IntegrityKind::Sha256);
        }
        self.send(&message.fingerprint().finish()).await;
        let answer = self.receive().await;
        let message = Message::parse(&answer).expect("a message");
        assert_eq!(message.transaction(), id);
        assert_eq!(message.fingerprint(), Some(true));
        answer
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        match &mut self.link {
            Link::Udp(socket) => {
                socket.send(bytes).await.expect("sends");
            }
            Link::Stream(stream) => {
                stream.write_all(bytes).await.expect("writes");
                stream.flush().await.expect("flushes");
            }
        }
    }

    /// Hands over several datagrams of this length as one; the last may be shorter.
    #[cfg(target_os = "linux")]
    pub(crate) async fn send_train(&self, train: &[u8], segment: usize) {
        use nix::sys::socket::{setsockopt, sockopt};
        let Link::Udp(socket) = &self.link else { panic!("trains are datagrams") };
        setsockopt(socket, sockopt::UdpGsoSegment, &i32::try_from(segment).unwrap()).expect("segmentation offload");
        socket.send(train).await.expect("a train");
        setsockopt(socket, sockopt::UdpGsoSegment, &0).expect("segmentation offload off");
    }

    /// The next datagram or frame.
    pub(crate) async fn receive(&mut self) -> Vec<u8> {
        match &mut self.link {
            Link::Udp(socket) => receive(socket).await.0,
            Link::Stream(stream) => {
                let frame = async {
                    let mut frame = vec![0; 4];
                    stream.read_exact(&mut frame).await.expect("a head");
                    let length = frame_length(&frame).expect("a frame").expect("its length");
                    frame.resize(length, 0);
                    stream.read_exact(&mut frame[4..]).await.expect("the rest");
                    frame
                };
                timeout(LIMIT, frame).await.expect("a frame in time")
            }
        }
    }
}

pub(crate) fn key() -> Key {
    Key::long_term("alice", "dialtone", "pw")
}
