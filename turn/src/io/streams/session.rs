//! The server's side of TLS over one connection, driven by hand.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::ServerConnection;
use rustls::server::{AcceptedAlert, Acceptor};
use tracing::debug;

use super::queue::Queue;
use crate::io::tls::Identity;

/// Encrypted bytes that may wait inside TLS: one frame of the longest kind, in its records.
const WAITING: usize = 80 << 10;
/// Bytes within which a client has to have said how it wants to talk: several times what any of them needs.
const GREETING: usize = 16 << 10;
/// What TLS may have to say for itself to a client that does not read, in bytes, a record of data among it.
const UNREAD: usize = 64 << 10;

/// One TLS session, from its first byte.
pub(super) enum Session {
    /// The client has not said how it wants to talk.
    Hello { acceptor: Acceptor, identity: Arc<Identity>, heard: usize },
    /// Handshake and data.
    Open(ServerConnection),
}

impl Session {
    pub(super) fn new(identity: Arc<Identity>) -> Self {
        Self::Hello { acceptor: Acceptor::default(), identity, heard: 0 }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        match self {
            Self::Hello { .. } => true,
            Self::Open(connection) => connection.is_handshaking(),
        }
    }

    /// Takes bytes off the connection and appends the data in them to `input`.
    ///
    /// # Errors
    /// Why there is nothing more to come. `input` has what came before.
    pub(super) fn receive(
        &mut self,
        socket: &TcpStream,
        mut bytes: &[u8],
        input: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            match self {
                Self::Hello { acceptor, identity, heard } => {
                    *heard += acceptor.read_tls(&mut bytes).map_err(|_| "a TLS record that is too long")?;
                    let is_too_long = *heard > GREETING;
                    match accept(acceptor, identity, socket)? {
                        Some(connection) => *self = Self::Open(connection),
                        None if is_too_long => return Err("a TLS greeting without end"),
                        None => {}
                    }
                }
                Self::Open(connection) => {
                    connection.read_tls(&mut bytes).map_err(|_| "a TLS record that is too long")?;
                }
            }
            if let Self::Open(connection) = self {
                decrypt(connection, socket, input)?;
            }
        }
        Ok(())
    }

    /// Writes what TLS itself has to say and, once it can be encrypted, what waits in `queue`. `moved` is set when any
    /// byte was written.
    ///
    /// # Errors
    /// What the socket says, [`io::ErrorKind::WouldBlock`] among it.
    pub(super) fn send(&mut self, mut socket: &TcpStream, queue: &mut Queue, moved: &mut bool) -> io::Result<()> {
        let Self::Open(connection) = self else {
            return Ok(());
        };
        loop {
            while connection.wants_write() {
                match connection.write_tls(&mut socket) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(_) => *moved = true,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            if connection.is_handshaking() {
                return Ok(());
            }
            // Frame by frame, each in a record of its own: some clients take one record for one message. The next
            // follows when this one is written.
            let frame = queue.front_frame();
            if frame.is_empty() {
                return Ok(());
            }
            let taken = connection.writer().write(frame)?;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            queue.consume(taken);
        }
    }

    /// Tells the client that nothing follows, if the socket takes it at once.
    pub(super) fn say_goodbye(&mut self, mut socket: &TcpStream) {
        if let Self::Open(connection) = self
            && !connection.is_handshaking()
        {
            connection.send_close_notify();
            let _ = connection.write_tls(&mut socket);
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("handshaking", &self.is_handshaking()).finish_non_exhaustive()
    }
}

/// The session of a client whose hello is there; `None` until it is.
fn accept(
    acceptor: &mut Acceptor,
    identity: &Identity,
    socket: &TcpStream,
) -> Result<Option<ServerConnection>, &'static str> {
    let refuse = |(error, alert): (rustls::Error, AcceptedAlert)| refused(&error, alert, socket);
    let Some(accepted) = acceptor.accept().map_err(refuse)? else {
        return Ok(None);
    };
    let config = identity.server_config(&accepted.client_hello());
    let mut connection = accepted.into_connection(config).map_err(refuse)?;
    connection.set_buffer_limit(Some(WAITING));
    Ok(Some(connection))
}

fn refused(error: &rustls::Error, mut alert: AcceptedAlert, mut socket: &TcpStream) -> &'static str {
    debug!(%error, "TLS handshake failed");
    let _ = alert.write(&mut socket);
    "a TLS handshake that failed"
}

/// Reads what is there of records, and takes the data out of it.
fn decrypt(connection: &mut ServerConnection, mut socket: &TcpStream, input: &mut Vec<u8>) -> Result<(), &'static str> {
    let outcome = connection.process_new_packets();
    // Also what came before the fault.
    take_data(connection, input);
    match outcome {
        Ok(state) if state.peer_has_closed() => Err("closed by the client"),
        Ok(state) if state.tls_bytes_to_write() > UNREAD && !connection.is_handshaking() => {
            Err("the client does not read what it makes TLS say")
        }
        Ok(_) => Ok(()),
        Err(error) => {
            debug!(%error, "TLS failed");
            // An alert that says why.
            let _ = connection.write_tls(&mut socket);
            Err("broken TLS")
        }
    }
}

fn take_data(connection: &mut ServerConnection, input: &mut Vec<u8>) {
    let mut reader = connection.reader();
    loop {
        let length = match reader.fill_buf() {
            Ok(data) => {
                input.extend_from_slice(data);
                data.len()
            }
            // There is none, for now or for ever.
            Err(_) => 0,
        };
        if length == 0 {
            return;
        }
        reader.consume(length);
    }
}
