//! The relay, proved from outside: by coturn's own client tools, by a flood of strangers, by calls over TCP and TLS,
//! and by what its operator does to it while clients talk.

mod calls;
mod certificates;
mod client;
mod coturn_tools;
mod flood;
mod operation;
mod relay;

use std::thread;
use std::time::{Duration, Instant};

use dialtone_tests::LIMIT;

pub(crate) use relay::Relay;

/// How often something that nobody tells us of is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[expect(clippy::disallowed_methods, reason = "the one place where these tests read the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Looks again and again until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = now() + LIMIT;
    while !is_so() {
        assert!(now() < deadline, "not within {LIMIT:?}: {what}");
        thread::sleep(LOOK_EVERY);
    }
}
