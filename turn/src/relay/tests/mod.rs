//! Whole dialogues with the brain, each output accounted for.
#![allow(clippy::unwrap_in_result, reason = "helpers of tests may fail loudly")]

mod allocate;
mod auth;
mod caps;
mod client;
mod data;
mod draining;
mod dual;
mod inside;
mod peers;
mod properties;
mod reserve;
mod strangers;
mod workers;
mod world;
