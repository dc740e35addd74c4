//! How often the log may hear of what a stranger can cause.

use std::time::{Duration, Instant};

/// Lets one warning through per second, so that a client cannot fill the log.
#[derive(Debug, Default)]
pub(crate) struct WarnGate {
    closed_until: Option<Instant>,
}

impl WarnGate {
    pub(crate) fn opens(&mut self, now: Instant) -> bool {
        if self.closed_until.is_some_and(|until| now < until) {
            return false;
        }
        self.closed_until = Some(now + Duration::from_secs(1));
        true
    }
}
