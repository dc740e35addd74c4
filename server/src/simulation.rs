//! The server without sockets and clock, for simulations: all that lies between the bytes and the rooms is the real
//! thing. Not part of the public face.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::backplane::Memory;
use crate::config::Config;
use crate::hub::{Connection, Hub};
use crate::ice::Ice;
use crate::session::{Now, Output, Payload, Session, Settings};

/// A server.
#[derive(Debug)]
pub struct Node {
    settings: Arc<Settings>,
    hub: Hub,
}

/// One connection to it.
#[derive(Debug)]
pub struct Link {
    session: Session,
    conn: Connection,
    closed: bool,
}

/// What a connection has to say to its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// One WebSocket message.
    Message(Bytes),
    /// A WebSocket ping.
    Ping,
    /// The server closes with this code; nothing follows.
    Close(u16),
}

impl Node {
    /// A server with the memory backplane.
    pub fn new(config: Config) -> Self {
        let ice = Ice::new(&config.ice);
        let hub = Hub::new(&config, || Box::new(Memory::new()));
        Self { settings: Arc::new(Settings { config, ice }), hub }
    }

    /// A new connection, its session id and resume token made of the caller's dice; `None`: there are too many.
    pub fn connect(&self, now: Instant, dice: [u128; 2]) -> Option<Link> {
        let conn = self.hub.connect_with(dice).ok()?;
        Some(Link { session: Session::new(now, Arc::clone(&self.settings)), conn, closed: false })
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.hub.next_expiry()
    }

    /// Lets the sessions leave whose grace time is over.
    pub fn handle_timeout(&self, now: Instant) {
        self.hub.expire(now);
    }
}

impl Link {
    /// A WebSocket message came.
    pub fn handle_bytes(&mut self, now: Instant, bytes: Bytes) {
        self.session.handle_bytes(both(now), bytes);
    }

    /// A ping or a pong came.
    pub fn handle_alive(&mut self, now: Instant) {
        self.session.handle_alive(both(now));
    }

    /// The connection is gone.
    pub fn handle_lost(&mut self, node: &Node, now: Instant) {
        if !std::mem::replace(&mut self.closed, true) {
            node.hub.disconnect(now, &self.conn, self.session.farewell());
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.session.poll_timeout().filter(|_| !self.closed)
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(both(now));
    }

    /// Lets session and hub talk until both are silent; gives what is to be written. Call it on every connection after
    /// every input to any of them, until all give nothing.
    pub fn take(&mut self, node: &Node, now: Instant) -> Vec<Said> {
        let mut said = Vec::new();
        loop {
            while let Some(output) = self.session.poll_output() {
                match output {
                    Output::Request(request) => node.hub.handle(now, &mut self.conn, request),
                    Output::Transmit(Payload::Text(text)) => said.push(Said::Message(text.into())),
                    Output::Transmit(Payload::Binary(bytes)) => said.push(Said::Message(bytes.into())),
                    Output::Ping => said.push(Said::Ping),
                    Output::Close { code, .. } => {
                        self.handle_lost(node, now);
                        said.push(Said::Close(code));
                    }
                }
            }
            let mut events = VecDeque::new();
            if self.closed {
                return said;
            }
            if !self.conn.outbox.take(&mut events, true).unwrap_or_default() {
                // Everything said counts as written at once.
                if self.session.handle_written(both(now)) {
                    continue;
                }
                return said;
            }
            for event in events {
                self.session.handle_event(both(now), event);
            }
            self.conn.outbox.written();
        }
    }
}

/// Nothing in a simulation is signed, so any wall clock will do.
fn both(now: Instant) -> Now {
    Now { mono: now, unix: 0 }
}
