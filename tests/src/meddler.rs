//! A proxy between peers and a signaling server that reads every STOMP frame and may change what is said.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use dialtone_wire::stomp::{Command, Decoded, Decoder, Frame, Headers, Limits, Version};
use nix::poll::{PollFd, PollFlags, poll};
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::{self, Bytes, Message, WebSocket};

use crate::door::{Door, Visit};
use crate::{LIMIT, now};

/// How long a connection waits for something to happen before it looks whether it is time to go, in milliseconds.
const LOOK_EVERY_MS: u16 = 50;

/// Stands between peers and a real server: every frame of every connection is shown to a closure, which says what
/// becomes of it. Whatever a frame is replaced by has its `content-length` counted anew. Heart-beats pass.
#[derive(Debug)]
pub struct Meddler {
    door: Door,
}

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// From a client to the server.
    ToServer,
    /// From the server to a client.
    ToClient,
}

/// A frame on its way.
#[derive(Debug)]
pub struct Passing<'a> {
    /// Whose connection it is: the place in the order in which clients came, from 0.
    pub connection: usize,
    /// Which way it goes.
    pub bound: Bound,
    /// The frame.
    pub frame: &'a Frame,
}

/// What becomes of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It goes on as it is.
    Pass,
    /// It is swallowed.
    Swallow,
    /// These go on in its place.
    Replace(Vec<Frame>),
    /// It is swallowed, and who sent it gets these.
    Answer(Vec<Frame>),
    /// The connection ends, towards both sides.
    Close,
}

type Judge = Mutex<Box<dyn FnMut(&Passing<'_>) -> Deed + Send>>;

impl Meddler {
    /// Stands before `server`, which is `ws://host:port/path`. The closure sees the frames of one connection in order.
    pub fn before(server: &str, deed: impl FnMut(&Passing<'_>) -> Deed + Send + 'static) -> Self {
        let server = server.to_owned();
        let judge: Judge = Mutex::new(Box::new(deed));
        let door = Door::open(move |visit| {
            // A side that breaks off ends the connection; what that means is for the peer to find out.
            let _ = carry(visit, &server, &judge);
        });
        Self { door }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.door.address())
    }
}

impl Passing<'_> {
    /// Whether it is a client's SEND of a signal of this kind, such as `OFFER`.
    pub fn is_sent(&self, kind: &str) -> bool {
        self.is_sent_to("/signal") && self.json()["type"] == kind
    }

    /// Whether it is a client's SEND to a destination with this end, such as `/join`.
    pub fn is_sent_to(&self, end: &str) -> bool {
        let is_there = self.frame.headers.get("destination").is_some_and(|destination| destination.ends_with(end));
        self.bound == Bound::ToServer && self.frame.command == Command::Send && is_there
    }

    /// The body; null where it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.frame.body).unwrap_or_default()
    }

    /// The same frame with another body.
    pub fn saying(&self, body: &Value) -> Frame {
        Frame { body: body.to_string().into(), ..self.frame.clone() }
    }
}

/// Takes a WebSocket connection with the first sub-protocol that is offered, which it gives too; `None` when the visitor
/// wants something else.
pub fn accept_websocket(stream: TcpStream) -> Option<(WebSocket<TcpStream>, Option<HeaderValue>)> {
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.set_nodelay(true).ok()?;
    let mut protocol = None;
    let socket = tungstenite::accept_hdr(stream, FirstOffer(&mut protocol)).ok()?;
    Some((socket, protocol))
}

struct FirstOffer<'a>(&'a mut Option<HeaderValue>);

impl Callback for FirstOffer<'_> {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let offer = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|list| list.to_str().ok());
        let first = offer.and_then(|list| list.split(',').next());
        let first: Option<HeaderValue> = first.and_then(|first| first.trim().parse().ok());
        if let Some(first) = &first {
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, first.clone());
        }
        *self.0 = first;
        Ok(response)
    }
}

/// One client's connection from its first byte to its last.
fn carry(visit: Visit, server: &str, judge: &Judge) -> io::Result<()> {
    let client = visit.stream.try_clone()?;
    let Some((client, protocol)) = accept_websocket(client) else { return Ok(()) };
    let mut link = Link {
        number: visit.number,
        server: End::new(dial(server, protocol)?)?,
        client: End::new(client)?,
        judge,
        is_open: true,
    };
    while link.is_open && !visit.is_closing() {
        wait([&link.client.socket, &link.server.socket], PollFlags::POLLIN, LOOK_EVERY_MS);
        for bound in [Bound::ToServer, Bound::ToClient] {
            link.pump(bound)?;
        }
    }
    Ok(())
}

fn dial(server: &str, protocol: Option<HeaderValue>) -> io::Result<WebSocket<TcpStream>> {
    let mut request = server.into_client_request().map_err(plain)?;
    if let Some(protocol) = protocol {
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_nodelay(true)?;
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}

/// Both ends of a connection, and who judges what goes over it.
struct Link<'a> {
    number: usize,
    client: End,
    server: End,
    judge: &'a Judge,
    is_open: bool,
}

/// One end, and the frames that come from it.
struct End {
    socket: WebSocket<TcpStream>,
    decoder: Decoder,
}

impl Link<'_> {
    /// Passes on whatever has come at one end.
    fn pump(&mut self, bound: Bound) -> io::Result<()> {
        while self.is_open {
            match self.ends(bound).0.socket.read().map_err(plain) {
                Ok(Message::Text(text)) => self.bytes(bound, text.into())?,
                Ok(Message::Binary(bytes)) => self.bytes(bound, bytes)?,
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(frame)) => {
                    self.is_open = false;
                    let (from, to) = self.ends(bound);
                    to.send(Message::Close(frame))?;
                    // Our half of the closing handshake; who closes first may not wait for it.
                    let _ = from.socket.flush();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn bytes(&mut self, bound: Bound, bytes: Bytes) -> io::Result<()> {
        self.ends(bound).0.decoder.push(bytes);
        loop {
            let decoded = self.ends(bound).0.decoder.next_frame();
            match decoded.map_err(io::Error::other)? {
                None => return Ok(()),
                Some(Decoded::HeartBeat) => self.ends(bound).1.send(Message::text("\n"))?,
                Some(Decoded::Frame(frame)) => self.frame(bound, frame)?,
            }
        }
    }

    fn frame(&mut self, bound: Bound, frame: Frame) -> io::Result<()> {
        let passing = Passing { connection: self.number, bound, frame: &frame };
        let deed = (*self.judge.lock().unwrap_or_else(PoisonError::into_inner))(&passing);
        let (from, to) = self.ends(bound);
        match deed {
            Deed::Pass => to.say(&frame),
            Deed::Swallow => Ok(()),
            Deed::Replace(frames) => frames.iter().try_for_each(|frame| to.say(frame)),
            Deed::Answer(frames) => frames.iter().try_for_each(|frame| from.say(frame)),
            Deed::Close => {
                self.is_open = false;
                Ok(())
            }
        }
    }

    /// Where what goes this way comes from, and where it goes to.
    fn ends(&mut self, bound: Bound) -> (&mut End, &mut End) {
        match bound {
            Bound::ToServer => (&mut self.client, &mut self.server),
            Bound::ToClient => (&mut self.server, &mut self.client),
        }
    }
}

impl End {
    fn new(socket: WebSocket<TcpStream>) -> io::Result<Self> {
        socket.get_ref().set_nonblocking(true)?;
        Ok(Self { socket, decoder: Decoder::new(Limits { frame: 1 << 20, headers: 64 }) })
    }

    fn say(&mut self, frame: &Frame) -> io::Result<()> {
        // The body may be another one than its length says; writing counts it again.
        let kept = frame.headers.iter().filter(|(name, _)| *name != "content-length");
        let frame = Frame { command: frame.command, headers: kept.collect::<Headers>(), body: frame.body.clone() };
        self.send(match String::from_utf8(frame.encode(Version::V1_2)) {
            Ok(text) => Message::text(text),
            Err(bytes) => Message::binary(bytes.into_bytes()),
        })
    }

    fn send(&mut self, message: Message) -> io::Result<()> {
        let deadline = now() + LIMIT;
        let mut sent = self.socket.send(message).map_err(plain);
        while sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) && now() < deadline {
            // The message is kept by the socket; only flushing is left to do.
            wait([&self.socket], PollFlags::POLLOUT, LOOK_EVERY_MS);
            sent = self.socket.flush().map_err(plain);
        }
        sent
    }
}

/// The system's error where it is one.
fn plain(error: tungstenite::Error) -> io::Error {
    if let tungstenite::Error::Io(error) = error { error } else { io::Error::other(error.to_string()) }
}

fn wait<const N: usize>(sockets: [&WebSocket<TcpStream>; N], events: PollFlags, milliseconds: u16) {
    let mut ends = sockets.map(|socket| PollFd::new(socket.get_ref().as_fd(), events));
    // An interrupted wait is a short one: whatever is ready is found by trying.
    let _ = poll(&mut ends, milliseconds);
}
