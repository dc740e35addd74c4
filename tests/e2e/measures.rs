//! Measured values against known ones, and that nothing is said about calls that are fine.
//!
//! The known value is always what the wire itself did: [`dialtone_tests::Impair`] delays by a given time, or drops and
//! counts. Both peers are in one process, so sending and receiving times come from one clock.

mod delay;
mod loss;
mod repair;
mod stress;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Opus, and VP8 and H264, as our engine numbers them; what is sent again has the next number.
const OPUS: u8 = 111;
const VP8: u8 = 96;
const H264: u8 = 102;

/// Held by who measures to the millisecond, and by who takes all of the machine's time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
