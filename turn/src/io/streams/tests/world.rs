//! One worker's connections, its poll, and a listener that clients of a test connect to.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::config::{Config, Limits};
use crate::io::sources::{Places, Room, Sources};
use crate::io::streams::connection::READ_AT_ONCE;
use crate::io::streams::{Accepted, Readiness, State, Streams, next_frame};
use crate::io::tls::Identity;
use crate::metrics::{Counters, Totals};
use crate::relay::{ClientAddr, Transport};

/// Longer than anything on loopback takes, even on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// The longest a turn waits for an event.
const TURN: Duration = Duration::from_millis(50);
const FIRST_TOKEN: usize = 100;
/// The longest frame there is on a stream, in bytes.
const LONGEST_FRAME: usize = 65_556;

pub(super) struct World {
    pub(super) streams: Streams,
    /// What the connections are told the time is.
    pub(super) now: Instant,
    pub(super) has_allocation: bool,
    /// Whether every frame is sent back.
    pub(super) echo: bool,
    pub(super) heard: Vec<(ClientAddr, Vec<u8>)>,
    pub(super) closed: Vec<(Option<ClientAddr>, &'static str)>,
    poll: Poll,
    events: Events,
    listener: TcpListener,
    room: Room,
    sources: Sources,
    counters: Arc<Counters>,
}

impl World {
    pub(super) fn new(config: &Config, identity: Option<Arc<Identity>>) -> Self {
        let counters = Arc::new(Counters::default());
        let mut config = config.clone();
        if config.limits.stream_queue == Limits::default().stream_queue {
            // What is read at once is echoed at once.
            config.limits.stream_queue = 512 << 10;
        }
        Self {
            streams: Streams::new(&config, identity, FIRST_TOKEN, Arc::clone(&counters)),
            now: start(),
            has_allocation: true,
            echo: false,
            heard: Vec::new(),
            closed: Vec::new(),
            poll: Poll::new().unwrap(),
            events: Events::with_capacity(64),
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            room: Room::new(config.limits.max_streams),
            sources: Sources::new(config.limits.max_streams_per_ip),
            counters,
        }
    }

    /// A client that is being served, as the worker knows it and as itself.
    pub(super) fn connect(&mut self, tls: bool) -> (ClientAddr, TcpStream) {
        let (socket, accepted) = self.accept(tls);
        let transport = if tls { Transport::Tls } else { Transport::Tcp };
        let client = ClientAddr { transport, remote: accepted.remote, local: self.address() };
        assert_eq!(self.add(accepted), None);
        (client, socket)
    }

    /// A client whose connection waits to be served.
    pub(super) fn accept(&self, tls: bool) -> (TcpStream, Accepted) {
        let socket = TcpStream::connect(self.address()).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.set_write_timeout(Some(LIMIT)).unwrap();
        let (stream, remote) = self.listener.accept().unwrap();
        let places = Places::take(&self.room, &self.sources, remote.ip()).unwrap();
        (socket, Accepted { stream, remote, tls, places })
    }

    pub(super) fn add(&mut self, accepted: Accepted) -> Option<ClientAddr> {
        self.streams.add(self.poll.registry(), self.now, accepted)
    }

    pub(super) fn totals(&self) -> Totals {
        self.counters.totals()
    }

    /// What `sweep` closes now.
    pub(super) fn sweep(&mut self) -> Vec<ClientAddr> {
        let has_allocation = self.has_allocation;
        self.streams.sweep(self.now, |_| has_allocation)
    }

    /// Serves until the thread of a client has ended, and returns what it returns.
    pub(super) fn until_done<T>(&mut self, client: JoinHandle<T>) -> T {
        self.until(|_| client.is_finished());
        client.join().unwrap()
    }

    /// Serves until something has happened.
    pub(super) fn until(&mut self, mut happened: impl FnMut(&Self) -> bool) {
        let mut idle = Duration::ZERO;
        while !happened(self) {
            assert!(idle < LIMIT, "it did not happen; heard {}, closed {:?}", self.heard.len(), self.closed);
            if !self.turn() {
                idle += TURN;
            }
        }
    }

    /// One turn of the worker; false when nothing came.
    pub(super) fn turn(&mut self) -> bool {
        match self.poll.poll(&mut self.events, Some(TURN)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) => panic!("poll: {error}"),
        }
        let tokens: Vec<Token> = self.events.iter().map(|event| event.token()).collect();
        for token in &tokens {
            assert!(self.streams.owns(*token));
            while self.read(*token) {}
        }
        self.streams.flush(self.now);
        !tokens.is_empty()
    }

    /// What the worker does with an event; true when it has to be done again.
    fn read(&mut self, token: Token) -> bool {
        let mut input = b"left from another connection".to_vec();
        let Readiness { client, state } = self.streams.read(self.now, token, &mut input);
        assert!(input.len() <= READ_AT_ONCE + LONGEST_FRAME);
        let Some(client) = client else {
            assert!(input.is_empty(), "bytes from nobody");
            if let State::Closed(why) = state {
                self.closed.push((None, why));
            }
            return false;
        };
        let mut at = 0;
        let wrong = loop {
            match next_frame(&input, &mut at, || self.has_allocation) {
                Ok(Some(frame)) => {
                    let sent = !self.echo || self.streams.push_data(client, &[frame]);
                    assert!(sent || matches!(state, State::Closed(_)));
                    self.heard.push((client, frame.to_vec()));
                }
                Ok(None) => break None,
                Err(why) => break Some(why),
            }
        };
        match (state, wrong) {
            (State::Closed(why), _) => {
                self.closed.push((Some(client), why));
                false
            }
            (State::Open { .. }, Some(why)) => {
                let gone = self.streams.close(token, why);
                self.closed.push((gone, why));
                false
            }
            (State::Open { more }, None) => {
                self.streams.keep(token, &input[at..]);
                more
            }
        }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

/// Whole channel data of `length` payload bytes, a multiple of 4, that starts with `number`.
pub(super) fn frame(number: u32, length: u16) -> Vec<u8> {
    let mut frame = vec![0x40, 0x01];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&number.to_be_bytes());
    frame.resize(4 + usize::from(length), 0x5a);
    frame
}

/// Reads the next frames, and fails where they are not the ones with these numbers.
pub(super) fn expect_frames(from: &mut impl Read, numbers: impl IntoIterator<Item = u32>, length: u16) {
    let mut came = vec![0; 4 + usize::from(length)];
    for number in numbers {
        from.read_exact(&mut came).unwrap();
        assert!(came == frame(number, length), "frame {number} came damaged");
    }
}

/// True when the relay's side is closed, in good order or not.
pub(super) fn is_closed(socket: &mut impl Read) -> bool {
    match socket.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock && error.kind() != ErrorKind::TimedOut,
    }
}

pub(super) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// The client's side of TLS; the handshake comes with the first byte.
pub(super) fn tls_client(socket: TcpStream, root: &CertificateDer<'static>, protocols: &[&str]) -> TlsStream {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
}

/// Sends frames and reads them back, on a thread of its own.
pub(super) fn talk<S>(mut stream: S, numbers: std::ops::Range<u32>, length: u16) -> JoinHandle<S>
where
    S: Read + Write + Send + 'static,
{
    std::thread::spawn(move || {
        for number in numbers.clone() {
            stream.write_all(&frame(number, length)).unwrap();
        }
        stream.flush().unwrap();
        expect_frames(&mut stream, numbers, length);
        stream
    })
}

#[expect(clippy::disallowed_methods, reason = "where the clock of a test starts")]
fn start() -> Instant {
    Instant::now()
}
