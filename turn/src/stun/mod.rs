//! The STUN codec: RFC 8489 messages and RFC 8656 channel data, read in place and written into one buffer.
//!
//! Nothing in here knows what a message is for, and nothing in here panics on what a stranger sends.

pub mod attributes;
mod builder;
mod channel_data;
mod integrity;
mod kinds;
mod message;

pub use builder::MessageBuilder;
pub use channel_data::{ChannelData, ChannelNumber, NotAFrame, frame_length};
pub use integrity::{IntegrityKind, Key};
pub use kinds::{Class, Method, TransactionId};
pub use message::{Attribute, Attributes, Message, ParseError};

/// The fixed bytes 4 to 7 of every STUN message (RFC 8489 section 5).
pub const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Length of a STUN message's header, in bytes.
pub const HEADER_LENGTH: usize = 20;
