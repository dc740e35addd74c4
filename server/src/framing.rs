//! How STOMP lies in WebSocket messages.

use tokio_tungstenite::tungstenite::Message;

use crate::session::Payload;
use crate::sockjs;

/// What is around a STOMP message inside a WebSocket message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Nothing.
    Raw,
    /// SockJS frames.
    SockJs,
}

impl Framing {
    /// The WebSocket message that carries `payload`.
    pub(crate) fn wrap(self, payload: Payload) -> Message {
        match (self, payload) {
            (Self::Raw, Payload::Text(text)) => Message::Text(text.into()),
            (Self::Raw, Payload::Binary(bytes)) => Message::Binary(bytes.into()),
            (Self::SockJs, Payload::Text(text)) => Message::text(sockjs::message(&text)),
            // SockJS knows text only.
            (Self::SockJs, Payload::Binary(bytes)) => Message::text(sockjs::message(&String::from_utf8_lossy(&bytes))),
        }
    }
}
