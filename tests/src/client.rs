//! A STOMP client over a real WebSocket: it shows what came exactly as it came.

use std::net::TcpStream;
use std::time::Duration;

use dialtone_wire::stomp::{Command, Decoded, Decoder, Frame, Limits};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::{LIMIT, Received, now};

/// One connection.
#[derive(Debug)]
pub struct Client {
    socket: WebSocket<TcpStream>,
    url: String,
    sid: String,
    protocol: Option<String>,
    fences: u32,
    ended: bool,
}

/// One MESSAGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The subscription that it came by.
    pub subscription: String,
    /// The body.
    pub body: String,
    /// The sender as the server knows it.
    pub from: Option<String>,
}

impl Client {
    /// A WebSocket and nothing said yet. `url` is `ws://host:port/path`.
    pub fn dial(url: &str) -> Self {
        Self::offering(url, &[])
    }

    /// The same, with sub-protocols offered.
    pub fn offering(url: &str, protocols: &[&str]) -> Self {
        let mut request = url.into_client_request().unwrap_or_else(|error| panic!("{url}: {error}"));
        if !protocols.is_empty() {
            let offer = HeaderValue::from_str(&protocols.join(", ")).expect("sub-protocols are plain words");
            request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, offer);
        }
        let host = request.uri().authority().unwrap_or_else(|| panic!("{url} has no host")).as_str().to_owned();
        let stream = TcpStream::connect(&host).unwrap_or_else(|error| panic!("{host} cannot be reached: {error}"));
        stream.set_read_timeout(Some(LIMIT)).expect("a limit is set");
        stream.set_write_timeout(Some(LIMIT)).expect("a limit is set");
        stream.set_nodelay(true).expect("Nagle's algorithm is off");
        let (socket, response) =
            tungstenite::client(request, stream).unwrap_or_else(|error| panic!("{url} is no WebSocket: {error}"));
        let protocol = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
        let protocol = protocol.map(|value| value.to_str().expect("a sub-protocol is text").to_owned());
        Self { socket, url: url.to_owned(), sid: String::new(), protocol, fences: 0, ended: false }
    }

    /// A client that is CONNECTED in STOMP 1.2, without heart-beats.
    pub fn connect(url: &str) -> Self {
        let mut client = Self::dial(url);
        client.log_in("");
        client
    }

    /// A client that is in `room` and listens to it: members and signals by the subscriptions 0 and 1, its own
    /// queues by 2 (me) and 3 (system). Whatever joining brought is heard already, except a READY.
    pub fn member(url: &str, room: &str) -> Self {
        let mut client = Self::connect(url);
        client.listen("", room);
        client.join(room);
        assert_eq!(client.heard().subscription, "2", "the server says who we are");
        assert_eq!(client.heard().subscription, "0", "the server says who is there");
        client
    }

    /// CONNECT with more headers, each with its line end; gives CONNECTED.
    pub fn log_in(&mut self, headers: &str) -> Frame {
        self.send(&format!("CONNECT\naccept-version:1.2\n{headers}\n\0"));
        let connected = self.frame();
        assert_eq!(connected.command, Command::Connected, "{connected:?}");
        self.sid = connected.headers.get("session").unwrap_or_default().to_owned();
        connected
    }

    /// Subscribes as `<prefix>0` to `<prefix>3`, in the order of [`member`](Self::member); done when this returns.
    pub fn listen(&mut self, prefix: &str, room: &str) {
        let topics = [format!("/topic/rooms/{room}/members"), format!("/topic/rooms/{room}/signal")];
        let queues = ["/user/queue/me", "/user/queue/system"].map(str::to_owned);
        for (n, destination) in topics.into_iter().chain(queues).enumerate() {
            self.send(&format!("SUBSCRIBE\nid:{prefix}{n}\ndestination:{destination}\n\n\0"));
        }
        assert_eq!(self.fence(), [], "subscribing is not answered");
    }

    /// Asks to join.
    pub fn join(&mut self, room: &str) {
        self.send(&format!("SEND\ndestination:/app/rooms/{room}/join\n\n\0"));
    }

    /// Sends a signal.
    pub fn signal(&mut self, room: &str, body: &str) {
        self.send(&format!("SEND\ndestination:/app/rooms/{room}/signal\ncontent-type:application/json\n\n{body}\0"));
    }

    /// Sends one text message. What a closed connection does not take is dropped: reading tells of the close.
    pub fn send(&mut self, text: &str) {
        self.message(Message::text(text));
    }

    /// Sends one binary message.
    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.message(Message::binary(bytes.to_vec()));
    }

    /// The next message or the end; `None`: nothing came in time. Pings are answered and not shown.
    pub fn next_within(&mut self, limit: Duration) -> Option<Received> {
        if self.ended {
            return Some(Received::Gone);
        }
        let deadline = now() + limit;
        loop {
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return None;
            }
            self.socket.get_ref().set_read_timeout(Some(left)).expect("a limit is set");
            let received = match self.socket.read() {
                Ok(Message::Text(text)) => Received::Text(text.as_bytes().to_vec()),
                Ok(Message::Binary(bytes)) => Received::Binary(bytes.to_vec()),
                Ok(Message::Close(Some(close))) => Received::Close(close.code.into(), close.reason.to_string()),
                Ok(Message::Close(None)) => Received::Close(1005, String::new()),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                Err(tungstenite::Error::Io(error)) if is_timeout(&error) => return None,
                Err(_) => Received::Gone,
            };
            self.ended = matches!(received, Received::Close(..) | Received::Gone);
            if self.ended {
                // Reading on sends our half of the closing handshake; what becomes of it is the server's affair.
                let _ = self.socket.flush();
            }
            return Some(received);
        }
    }

    /// The next message or the end.
    pub fn receive(&mut self) -> Received {
        self.next_within(LIMIT).unwrap_or_else(|| panic!("nothing came within {LIMIT:?}"))
    }

    /// The next frame; heart-beats are not shown.
    pub fn frame(&mut self) -> Frame {
        loop {
            let received = self.receive();
            match received.frame() {
                Some(frame) => return frame,
                None if received.is_heart_beat() => {}
                None => panic!("expected a frame, got {received:?}"),
            }
        }
    }

    /// The next MESSAGE.
    pub fn heard(&mut self) -> Heard {
        let frame = self.frame();
        assert_eq!(frame.command, Command::Message, "{frame:?}");
        Heard {
            subscription: frame.headers.get("subscription").unwrap_or_default().to_owned(),
            body: String::from_utf8(frame.body.to_vec()).expect("bodies of these tests are text"),
            from: frame.headers.get("sid").map(str::to_owned),
        }
    }

    /// The next MESSAGE whose body contains `words`; what comes before it is passed over.
    pub fn hears(&mut self, words: &str) -> Heard {
        loop {
            let heard = self.heard();
            if heard.body.contains(words) {
                return heard;
            }
        }
    }

    /// Everything that came until the server has handled all that was sent so far, or has closed.
    ///
    /// Two round trips: the receipt of the first may overtake what others had sent to this client before it, and with
    /// the first one handled all of that is on its way.
    pub fn fence(&mut self) -> Vec<Received> {
        let mut all = Vec::new();
        for _ in 0..2 {
            self.fences += 1;
            let receipt = format!("fence-{}", self.fences);
            self.send(&format!("ACK\nid:0\nreceipt:{receipt}\n\n\0"));
            all.extend(self.until(|received| {
                received.frame().is_some_and(|frame| {
                    frame.command == Command::Receipt && frame.headers.get("receipt-id") == Some(receipt.as_str())
                })
            }));
            if self.ended {
                break;
            }
        }
        all.retain(|received| !received.is_heart_beat());
        all
    }

    /// Everything that comes until the connection has ended; the close is the last of it.
    pub fn until_closed(&mut self) -> Vec<Received> {
        self.until(|_| false)
    }

    /// Reads on until the server closes; gives the code of the close.
    pub fn closed(&mut self) -> u16 {
        match self.until_closed().pop() {
            Some(Received::Close(code, _)) => code,
            last => panic!("expected a close, the last thing was {last:?}"),
        }
    }

    /// Where it is connected to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The session id that CONNECTED told.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// The sub-protocol that the server took.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Goes away without a word.
    pub fn vanish(self) {
        drop(self);
    }

    /// Reads until `is_last`, which is not given, or until the end, which is.
    fn until(&mut self, is_last: impl Fn(&Received) -> bool) -> Vec<Received> {
        let mut all = Vec::new();
        loop {
            let received = self.receive();
            if is_last(&received) {
                return all;
            }
            let ends = matches!(received, Received::Close(..) | Received::Gone);
            all.push(received);
            if ends {
                return all;
            }
        }
    }

    fn message(&mut self, message: Message) {
        // When it fails, the reason waits to be read.
        let _ = self.socket.send(message);
    }
}

impl Received {
    /// The STOMP frame in it.
    pub fn frame(&self) -> Option<Frame> {
        let bytes = match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.clone(),
            Self::Close(..) | Self::Gone => return None,
        };
        let mut decoder = Decoder::new(Limits { frame: 1 << 20, headers: 64 });
        decoder.push(bytes.into());
        match decoder.next_frame() {
            Ok(Some(Decoded::Frame(frame))) => Some(frame),
            Ok(Some(Decoded::HeartBeat) | None) | Err(_) => None,
        }
    }

    fn is_heart_beat(&self) -> bool {
        matches!(self, Self::Text(bytes) if bytes == b"\n")
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
