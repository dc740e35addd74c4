//! The end-to-end tests, in groups named by module; `tests/README.md` says what each one needs.
//!
//! Calls, servers and relays are processes of their own here, built beforehand; the server is inside this process only
//! where a test needs limits that no option sets.

#![allow(clippy::unwrap_used, reason = "a test says what it found by panicking")]

mod artifacts;
mod browsers;
mod calls;
mod closed;
mod faults;
mod inside;
mod measures;
mod nat;
mod oracle;
mod simulation;
mod stomp;
mod stompjs;
mod turn;
mod wired;

/// No options.
const PLAIN: [&str; 0] = [];
