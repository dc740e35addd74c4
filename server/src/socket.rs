//! One task per WebSocket: moves bytes between the socket, the session and the hub, and decides nothing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};

use crate::buffers::{Buffers, renew};
use crate::counted::Counted;
use crate::events::Event;
use crate::framing::Framing;
use crate::hub::{Connection, Hub};
use crate::outbox::{IDLE_CAPACITY, TooSlow};
use crate::session::{Now, Output, Session, Settings};
use crate::sockjs;

/// The WebSocket of a connection that hyper has handed over.
pub(crate) type WebSocket = WebSocketStream<Counted<TokioIo<Upgraded>>>;

/// How many WebSocket messages are read before what they caused is written.
const READS_PER_WRITE: usize = 16;
/// How long the closing handshake may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// The time, from the clocks of the machine.
pub(crate) fn now() -> Now {
    #[expect(clippy::disallowed_methods, reason = "the hands are where the clock is read")]
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Now { mono: tokio::time::Instant::now().into_std(), unix }
}

/// One WebSocket and everything that belongs to it.
pub(crate) struct Link {
    socket: WebSocket,
    framing: Framing,
    session: Session,
    conn: Connection,
    hub: Arc<Hub>,
    write_within: Duration,
    events: VecDeque<Event>,
    messages: Vec<Message>,
    buffers: Buffers,
    /// A ping is about to be written.
    pinging: bool,
    /// SockJS' own heart-beat goes with the next ping.
    sockjs_beat: bool,
    bytes_read: u64,
}

/// How a conversation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// We close.
    Close { code: u16, reason: &'static str },
    /// The other side has closed or is gone.
    Gone,
}

impl Link {
    /// Puts a connection together; boxed, because a task that waits should be small.
    pub(crate) fn new(
        socket: WebSocket,
        framing: Framing,
        settings: Arc<Settings>,
        hub: Arc<Hub>,
        conn: Connection,
    ) -> Box<Self> {
        let write_within = settings.config.limits.write_within;
        let session = Session::new(now().mono, settings);
        let (events, messages) = (VecDeque::new(), Vec::new());
        Box::new(Self {
            socket,
            framing,
            session,
            conn,
            hub,
            write_within,
            events,
            messages,
            buffers: Buffers::default(),
            pinging: false,
            sockjs_beat: false,
            bytes_read: 0,
        })
    }

    /// The whole life of the connection.
    pub(crate) async fn run(mut self: Box<Self>) {
        let end = self.converse().await;
        tracing::debug!(?end, "connection ends");
        // Seats are given back before the closing handshake, which a dead client would draw out.
        self.hub.disconnect(now().mono, &self.conn, self.session.farewell());
        if timeout(CLOSE_WITHIN, Box::pin(self.part(end))).await.is_err() {
            tracing::debug!("the closing handshake was not finished in time");
        }
    }

    async fn converse(&mut self) -> End {
        if self.framing == Framing::SockJs {
            self.messages.push(Message::text(sockjs::OPEN));
        }
        let mut alarm = Box::pin(sleep_until(tokio::time::Instant::now()));
        loop {
            if let Err(end) = self.step(&mut alarm).await {
                return end;
            }
        }
    }

    /// Says what is to be said, then waits for one thing to happen.
    async fn step(&mut self, alarm: &mut std::pin::Pin<Box<Sleep>>) -> Result<(), End> {
        self.pump(now())?;
        let wrote = !self.messages.is_empty();
        self.write().await?;
        if std::mem::take(&mut self.pinging) && self.buffers.may_be_renewed(self.socket.get_ref().bytes_read()) {
            tracing::debug!("large buffers are given back");
            // Boxed: rare, and large in a task that should be small.
            Box::pin(renew(&mut self.socket)).await;
            self.buffers.renewed();
        }
        if wrote && self.session.handle_written(now()) {
            return Ok(());
        }
        self.arm(alarm);
        let Self { socket, session, conn, .. } = self;
        let wants_input = session.wants_input();
        tokio::select! {
            biased;
            message = socket.next(), if wants_input => self.read(message)?,
            () = poll_fn(|cx| conn.outbox.poll_ready(cx)) => {}
            () = alarm.as_mut() => {}
        }
        let now = now();
        let read = self.socket.get_ref().bytes_read();
        if std::mem::replace(&mut self.bytes_read, read) != read {
            // A part of a large message is a sign of life too.
            self.session.handle_alive(now);
        }
        if self.session.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.session.handle_timeout(now);
        }
        Ok(())
    }

    /// Takes a message, and those that lie behind it already.
    fn read(&mut self, first: Option<Result<Message, Error>>) -> Result<(), End> {
        let now = now();
        self.receive(now, first)?;
        for _ in 1..READS_PER_WRITE {
            self.pump(now)?;
            if !self.session.wants_input() {
                return Ok(());
            }
            let Some(next) = self.socket.next().now_or_never() else { return Ok(()) };
            self.receive(now, next)?;
        }
        Ok(())
    }

    fn receive(&mut self, now: Now, message: Option<Result<Message, Error>>) -> Result<(), End> {
        if let Some(Ok(message)) = &message {
            self.buffers.received(message.len());
        }
        match message {
            Some(Ok(Message::Text(text))) if self.framing == Framing::SockJs => {
                let Ok(messages) = sockjs::parse(text.as_str()) else {
                    return Err(End::Close { code: 1002, reason: "broken SockJS framing" });
                };
                self.session.handle_alive(now);
                for message in messages {
                    self.session.handle_bytes(now, message.into());
                }
            }
            Some(Ok(Message::Text(text))) => self.session.handle_bytes(now, Bytes::from(text)),
            Some(Ok(Message::Binary(bytes))) => self.session.handle_bytes(now, bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => self.session.handle_alive(now),
            Some(Ok(Message::Close(frame))) => {
                self.session.handle_close(frame.map(|frame| frame.code.into()));
                return Err(End::Gone);
            }
            None => return Err(End::Gone),
            Some(Err(error)) => return Err(end_of(&error)),
        }
        Ok(())
    }

    /// Lets session and hub talk until both have nothing more to say.
    fn pump(&mut self, now: Now) -> Result<(), End> {
        loop {
            while let Some(output) = self.session.poll_output() {
                match output {
                    Output::Request(request) => self.hub.handle(now.mono, &mut self.conn, request),
                    Output::Transmit(payload) => self.messages.push(self.framing.wrap(payload)),
                    Output::Ping => self.ping(),
                    Output::Close { code, reason } => return Err(End::Close { code, reason }),
                }
            }
            match self.conn.outbox.take(&mut self.events, self.messages.is_empty()) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(TooSlow) => return Err(self.too_slow()),
            }
            while let Some(event) = self.events.pop_front() {
                self.session.handle_event(now, event);
            }
            if self.events.capacity() > IDLE_CAPACITY {
                self.events = VecDeque::new();
            }
        }
    }

    fn ping(&mut self) {
        self.pinging = true;
        self.messages.push(Message::Ping(Bytes::new()));
        // With every second ping, every 20 s that is; clients of SockJS are used to 25.
        let beat = self.sockjs_beat;
        self.sockjs_beat = !beat;
        if beat && self.framing == Framing::SockJs {
            self.messages.push(Message::text(sockjs::HEART_BEAT));
        }
    }

    /// Writes everything with one flush; a reader that does not take it in time is cut.
    async fn write(&mut self) -> Result<(), End> {
        if self.messages.is_empty() {
            return Ok(());
        }
        let Self { socket, messages, conn, buffers, .. } = self;
        buffers.sent(messages.iter().map(Message::len).sum());
        let all = async {
            for message in messages.drain(..) {
                socket.feed(message).await?;
            }
            socket.flush().await
        };
        let written = tokio::select! {
            biased;
            written = timeout(self.write_within, all) => written,
            () = poll_fn(|cx| conn.outbox.poll_overflow(cx)) => return Err(self.too_slow()),
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(end_of(&error)),
            Err(_elapsed) => return Err(self.too_slow()),
        }
        self.conn.outbox.written();
        if self.messages.capacity() > IDLE_CAPACITY {
            self.messages = Vec::new();
        }
        Ok(())
    }

    /// A deadline that has moved away is left alone; the alarm is then early, once.
    fn arm(&self, alarm: &mut std::pin::Pin<Box<Sleep>>) {
        let Some(at) = self.session.poll_timeout() else { return };
        let at = tokio::time::Instant::from_std(at);
        if at < alarm.deadline() || alarm.is_elapsed() {
            alarm.as_mut().reset(at);
        }
    }

    fn too_slow(&mut self) -> End {
        tracing::warn!("a reader was too slow and is cut");
        self.messages.clear();
        End::Close { code: 1008, reason: "too slow" }
    }

    /// The last words and the closing handshake.
    async fn part(mut self: Box<Self>, end: End) -> Result<(), Error> {
        let End::Close { code, reason } = end else {
            // The answer to the other side's close, where there was one, waits to be written.
            return self.socket.flush().await;
        };
        for message in std::mem::take(&mut self.messages) {
            self.socket.feed(message).await?;
        }
        if self.framing == Framing::SockJs {
            self.socket.feed(Message::text(sockjs::close(code, reason))).await?;
        }
        let close = CloseFrame { code: code.into(), reason: reason.into() };
        self.socket.send(Message::Close(Some(close))).await?;
        while let Some(Ok(_)) = self.socket.next().await {}
        // After an error the WebSocket reads no more. What still lies in the socket is read nevertheless: closing a
        // socket with unread bytes resets it, and the client would lose the reason.
        let raw = self.socket.get_mut();
        raw.shutdown().await?;
        let mut scrap = vec![0; 4096];
        while raw.read(&mut scrap).await? > 0 {}
        Ok(())
    }
}

fn end_of(error: &Error) -> End {
    tracing::debug!(%error, "socket");
    if matches!(error, Error::Capacity(_)) {
        End::Close { code: 1009, reason: "message too big" }
    } else if matches!(error, Error::Utf8(_)) {
        End::Close { code: 1007, reason: "text is not UTF-8" }
    } else if matches!(error, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) {
        End::Gone
    } else if matches!(error, Error::Protocol(_)) {
        End::Close { code: 1002, reason: "broken WebSocket framing" }
    } else {
        End::Gone
    }
}
