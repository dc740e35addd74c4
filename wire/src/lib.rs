//! What goes over Dialtone's signaling wire, and nothing else: no I/O, no async, no clock.
//!
//! * [`stomp`] turns bytes into frames and back (STOMP 1.0, 1.1 and 1.2), incrementally and within limits.
//! * [`RoomId`], [`SessionId`], [`DisplayName`] exist only when they are valid: parsing is the one way to make them.
//! * [`SendDestination`] and [`Topic`] are the places a client may send to and listen to.
//! * [`signal`] and [`bodies`] are the JSON bodies; a server judges a signal and relays its bytes untouched.
//! * [`Refusal`] is how a server says no without closing the connection; its codes are stable.
//!
//! ```
//! use dialtone_wire::{RoomId, SendDestination};
//! let join = SendDestination::parse("/app/rooms/r1/join")?;
//! assert_eq!(join, SendDestination::Join(RoomId::parse("r1")?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bodies;
mod destination;
#[doc(hidden)]
pub mod fuzz;
mod ids;
mod refusal;
pub mod signal;
pub mod stomp;

pub use destination::{InvalidDestination, SendDestination, Topic};
pub use ids::{DisplayName, InvalidDisplayName, InvalidRoomId, InvalidSessionId, RoomId, SessionId};
pub use refusal::{Refusal, RefusalCode};
