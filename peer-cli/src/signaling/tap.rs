//! What a bystander is shown of a conversation.

use std::time::Instant;

use bytes::Bytes;

/// One WebSocket message of a STOMP conversation, as it was sent or received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// When it was handed to the socket, or came out of it.
    pub at: Instant,
    /// Whether we sent it; else it came from the server.
    pub sent: bool,
    /// Its text: usually one frame, up to and with its NUL. It may hold logins, such as those of TURN servers.
    pub text: Bytes,
}

/// Line ends between frames (STOMP 1.2, "Heart-beating"), or nothing at all, as a WebSocket ping has it.
pub(super) fn is_heart_beat(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_line_ends_are_a_heart_beat() {
        for beat in ["", "\n", "\r\n", "\n\n"] {
            assert!(is_heart_beat(beat.as_bytes()), "{beat:?}");
        }
        for frame in ["CONNECT\n\n\0", "\nMESSAGE\n\n\0", "\0"] {
            assert!(!is_heart_beat(frame.as_bytes()), "{frame:?}");
        }
    }
}
