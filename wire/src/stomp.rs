//! The STOMP codec: bytes to frames and back, without I/O.
//!
//! * [`Decoder`] takes chunks as they come (half a frame, several frames, text or binary) and gives whole [`Frame`]s,
//!   within [`Limits`]. A body is a slice of the chunk it came in, not a copy.
//! * [`ClientFrame`] and [`ServerFrame`] are the typed layer: what a server reads, what a client reads.
//! * [`FrameWriter`] writes a frame straight into a buffer; [`Frame::encode`] and the typed frames stand on it.
//!
//! Where the STOMP 1.2 text leaves room, this follows what Spring's decoder accepts: CRLF or LF, any number of line ends
//! between frames, repeated headers with the first one winning. `CONNECT` and `CONNECTED` are never escaped.

mod client;
mod decode;
mod encode;
mod frame;
mod heart_beat;
mod server;
mod version;

pub use client::{ClientFrame, Connect, InvalidClientFrame, SendFrame};
pub use decode::{DecodeError, DecodeErrorKind, Decoded, Decoder, Limits};
pub use encode::FrameWriter;
pub use frame::{Command, Frame, Headers};
pub use heart_beat::{HeartBeat, InvalidHeartBeat};
pub use server::{Connected, ErrorFrame, InvalidServerFrame, MessageFrame, ServerFrame};
pub use version::{Version, negotiate};
