//! A headless WebRTC peer: it joins a room, negotiates, sends and receives real encoded media, judges what arrives, and
//! says what broke.
//!
//! Read it in the order in which a call comes about:
//!
//! 1. [`args`] is what a person types, [`run`] a whole run of it, [`peer`] one peer of that run with all its parts.
//! 2. [`signaling`] talks to the server; [`call`] is the brain that decides who offers and when; [`rtc`] is the only
//!    place that knows the WebRTC engine.
//! 3. [`media`] makes what is sent and judges what came; [`receive`] puts packets together to frames; [`measure`] turns
//!    moments into latencies, spreads and curves; [`record`] writes down what came.
//! 4. [`verdict`] turns the evidence into one cause and one remedy, with [`probe`]'s help where ICE failed; [`report`]
//!    shows it in every form.
//!
//! The embedded server and relay of `peer-cli call` are behind the default feature `embedded`.

pub mod args;
pub mod call;
mod clock;
pub mod console;
pub mod doctor;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod measure;
pub mod media;
pub mod nat;
mod network;
pub mod peer;
pub mod probe;
pub mod receive;
pub mod record;
pub mod report;
pub mod rtc;
pub mod run;
pub mod signaling;
pub mod startup;
pub mod verdict;
