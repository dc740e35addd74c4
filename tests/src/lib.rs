//! The harness of the end-to-end tests: programs as child processes, a STOMP client that hides nothing, reports of calls.
//!
//! Everything here is blocking, waits with a limit, and panics with the evidence when the limit is over: in a test that
//! is the shortest way to say what went wrong.
//!
//! * [`Ground`] is the network that programs run in: that of this machine, or one of their own.
//! * [`Program`] is one of the project's programs as a child process that ends with its owner.
//! * [`Client`] is a STOMP client over a real WebSocket that shows every frame as it came.
//! * [`Transcript`] is what a real Spring broker said, as measured.
//! * [`Call`] is a finished run of `peer-cli`, with its JSON report.
//! * [`Scratch`] is a folder that goes away with the test.
//! * [`Meddler`] is a proxy before the signaling server that reads every frame and may change it.
//! * [`Impair`] is a wire to a relay that delays and drops what it is told to, and counts it; [`Narrow`] makes it one
//!   that carries only so much.
//! * [`nat`] is theory and practice of the networks that a call may have to get through.
//! * [`Door`] is a TCP port where a scripted server answers, [`Forward`] one that leads to a server that may be
//!   exchanged.
//! * [`alone()`] keeps other tests from disturbing one that measures.

#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a harness says what it found by panicking")]

mod browser;
mod call;
mod client;
mod door;
mod ground;
mod impair;
mod meddler;
pub mod nat;
mod program;
mod quiet;
mod scratch;
mod transcript;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use browser::browser_lack;
pub use call::{Call, Running, peer_cli};
pub use client::{Client, Heard};
pub use door::{Door, Forward, Visit};
pub use ground::Ground;
pub use impair::{Count, Counts, Fate, Impair, Kind, Lane, Narrow, Packet, Rtcp, Rtp, Way};
pub use meddler::{Bound, Deed, Meddler, Passing, accept_websocket};
pub use nix::sys::signal::Signal;
pub use program::{Finished, Program, program_path};
pub use quiet::{Alone, alone, busy};
pub use scratch::Scratch;
pub use transcript::{Received, Step, Transcript};

/// The longest wait for anything that should happen at once. Generous: the machine may be busy with other tests.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Whether the environment says that a group of tests must not be skipped: `DIALTONE_REQUIRE=stompjs,…` or `all`.
pub fn is_required(group: &str) -> bool {
    let required = std::env::var("DIALTONE_REQUIRE").unwrap_or_default();
    required.split([',', ' ']).any(|name| name == group || name == "all")
}

/// Looks again and again whether something is so, for what nobody tells when it happens; `false`: not within [`LIMIT`].
pub fn wait_until(mut is_so: impl FnMut() -> bool) -> bool {
    let end = now() + LIMIT;
    while !is_so() {
        if now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// The clock of the harness.
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the one place where the harness reads the clock")]
    Instant::now()
}
