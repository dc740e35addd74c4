//! A plain STOMP client over real sockets, for tests.

use std::time::Duration;

use dialtone_server::Server;
use dialtone_wire::stomp::{Command, Decoded, Decoder, Frame, Limits};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// The longest wait of any test.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What a WebSocket can stand on.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// One client.
pub(crate) struct Client {
    socket: WebSocketStream<Box<dyn Io>>,
}

/// Shakes hands at `path` with more headers.
pub(crate) async fn shake_hands(
    io: Box<dyn Io>,
    host: &str,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<(Client, Response), Error> {
    let mut request = format!("ws://{host}{path}").into_client_request()?;
    for &(name, value) in headers {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let (socket, response) = timeout(LIMIT, client_async(request, io)).await.unwrap()?;
    Ok((Client { socket }, response))
}

/// A plain TCP connection.
pub(crate) async fn dial(server: &Server) -> Box<dyn Io> {
    Box::new(TcpStream::connect(server.addr()).await.unwrap())
}

/// The whole answer to a GET.
pub(crate) async fn get(server: &Server, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", server.addr());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

impl Client {
    /// A raw WebSocket without STOMP.
    pub(crate) async fn raw(server: &Server) -> Self {
        shake_hands(dial(server).await, &server.addr().to_string(), "/ws", &[]).await.unwrap().0
    }

    /// Connected, and listening to both topics of `room` as 0 and 1, and to its private queues as 2 and 3.
    pub(crate) async fn stomp(server: &Server, room: &str, connect_headers: &str) -> (Self, Frame) {
        let mut client = Self::raw(server).await;
        let connected = client.log_in(room, connect_headers).await;
        (client, connected)
    }

    /// CONNECT and the four subscriptions; gives CONNECTED.
    pub(crate) async fn log_in(&mut self, room: &str, connect_headers: &str) -> Frame {
        self.send(&format!("CONNECT\naccept-version:1.2\n{connect_headers}\n\0")).await;
        let connected = self.frame().await;
        assert_eq!(connected.command, Command::Connected);
        let topics = [format!("/topic/rooms/{room}/members"), format!("/topic/rooms/{room}/signal")];
        let queues = ["/user/queue/me".to_owned(), "/user/queue/system".to_owned()];
        for (id, topic) in topics.into_iter().chain(queues).enumerate() {
            self.send(&format!("SUBSCRIBE\nid:{id}\ndestination:{topic}\nreceipt:{id}\n\n\0")).await;
            assert_eq!(self.frame().await.command, Command::Receipt);
        }
        connected
    }

    pub(crate) async fn join(&mut self, room: &str) {
        self.send(&format!("SEND\ndestination:/app/rooms/{room}/join\n\n\0")).await;
    }

    pub(crate) async fn signal(&mut self, room: &str, body: &str) {
        self.send(&format!("SEND\ndestination:/app/rooms/{room}/signal\n\n{body}\0")).await;
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.message(Message::text(text)).await;
    }

    pub(crate) async fn message(&mut self, message: Message) {
        timeout(LIMIT, self.socket.send(message)).await.unwrap().unwrap();
    }

    /// The next text or close.
    pub(crate) async fn next(&mut self) -> Option<Result<Message, Error>> {
        loop {
            match timeout(LIMIT, self.socket.next()).await.unwrap() {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return other,
            }
        }
    }

    /// The next text.
    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
            other => panic!("expected text, got {other:?}"),
        }
    }

    /// Reads until the server pings; nothing else is expected.
    pub(crate) async fn pinged(&mut self) {
        loop {
            match timeout(LIMIT, self.socket.next()).await.unwrap() {
                Some(Ok(Message::Ping(_))) => return,
                Some(Ok(Message::Pong(_))) => {}
                other => panic!("expected a ping, got {other:?}"),
            }
        }
    }

    /// The next STOMP frame.
    pub(crate) async fn frame(&mut self) -> Frame {
        loop {
            let mut decoder = Decoder::new(Limits { frame: 1 << 20, headers: 64 });
            decoder.push(self.text().await.into());
            match decoder.next_frame().unwrap() {
                Some(Decoded::Frame(frame)) => return frame,
                Some(Decoded::HeartBeat) => {}
                None => panic!("half a frame"),
            }
        }
    }

    /// The next MESSAGE: its subscription and its body.
    pub(crate) async fn heard(&mut self) -> (String, String) {
        let frame = self.frame().await;
        assert_eq!(frame.command, Command::Message, "{frame:?}");
        let body = String::from_utf8(frame.body.to_vec()).unwrap();
        (frame.headers.get("subscription").unwrap_or_default().to_owned(), body)
    }

    /// Reads on until the server closes; gives the code.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(close)))) => {
                    // Reading on sends our half of the closing handshake.
                    let _ = timeout(LIMIT, self.socket.next()).await;
                    return close.code.into();
                }
                Some(Ok(_)) => {}
                other => panic!("expected a close, got {other:?}"),
            }
        }
    }
}
