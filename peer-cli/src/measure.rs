//! A brain: measures that need more than one value. Spreads, columns over time, the sender's clock, how far two clocks
//! are apart, and the E-model.

mod distribution;
mod mos;
mod sender_clock;
mod series;
mod skew;

use std::time::Instant;

pub use distribution::{Collector, Distribution};
pub use mos::mos_estimate;
pub use sender_clock::{Basis, SendLedger, SenderClock};
pub use series::{Column, Series, SeriesBuilder};
pub(crate) use skew::clock_skew_ms;

/// Milliseconds from one instant to another; negative when `to` is the earlier one.
pub(crate) fn signed_ms(from: Instant, to: Instant) -> f64 {
    let forward = to.saturating_duration_since(from).as_secs_f64();
    let backward = from.saturating_duration_since(to).as_secs_f64();
    (forward - backward) * 1000.0
}
