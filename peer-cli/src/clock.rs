//! The clock of the hands: tokio's, so that a test may pause it. Brains are told the time from here.

use std::time::{Duration, Instant};

/// The time.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits for a brain's next deadline; forever, where it has none.
pub(crate) async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// In milliseconds, to a thousandth: more digits would only pretend.
pub(crate) fn millis(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1000.0)
}

/// To a thousandth.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// When a run began, by both clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// For durations.
    pub mono: Instant,
    /// For the report, and to compare with other machines' clocks: time since 1970 (UTC).
    pub unix: Duration,
}

impl Started {
    /// The time since 1970 at an instant of this run.
    pub fn unix_at(&self, at: Instant) -> Duration {
        match at.checked_duration_since(self.mono) {
            Some(later) => self.unix + later,
            None => self.unix.saturating_sub(self.mono.saturating_duration_since(at)),
        }
    }
}
