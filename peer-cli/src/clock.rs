//! The clock of the hands: tokio's, so that a test may pause it. Brains are told the time from here.

use std::time::Instant;

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
