//! Two machines, two clocks: a latency between them is as good as they agree.

use std::time::Duration;

use super::Distribution;

/// The most that a way can take, beyond what there and back takes together, before it is rather the clocks that differ.
const LONGEST: Duration = Duration::from_secs(2);

/// How far below zero a latency may come out, in milliseconds, without the clocks being at fault: a sender report is
/// written some milliseconds away from the packets whose time it tells.
const REPORTS_MS: f64 = 5.0;

/// By how many milliseconds the receiver's clock is ahead of the sender's (negative: behind), where a latency measured
/// between the two, in milliseconds, cannot be true: most of it below zero by more than the reports' own error, or all of it more than two seconds above the
/// round-trip time. `None` where it can be true. Half of the round trip is taken for the way.
pub(crate) fn clock_skew_ms(latency: &Distribution, rtt: Option<Duration>) -> Option<f64> {
    let rtt = rtt.unwrap_or_default();
    let longest_ms = (rtt + LONGEST).as_secs_f64() * 1000.0;
    let impossible = latency.p50 < -REPORTS_MS || latency.min > longest_ms;
    impossible.then_some(latency.p50 - rtt.as_secs_f64() * 500.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skew(min: f64, p50: f64) -> Option<f64> {
        let latency = Distribution { min, p50, ..Distribution::default() };
        clock_skew_ms(&latency, Some(Duration::from_millis(40)))
    }

    #[test]
    fn latencies_that_can_be_true_say_nothing_about_the_clocks() {
        for (min, p50) in [(0.0, 5.0), (-3.0, 1.0), (-3.0, -0.7), (19.0, 20.0), (2000.0, 9000.0)] {
            assert_eq!(skew(min, p50), None, "{min} {p50}");
        }
    }

    #[test]
    fn impossible_latencies_tell_how_far_the_clocks_are_apart() {
        assert_eq!(skew(-990.0, -980.0), Some(-1000.0));
        assert_eq!(skew(3000.0, 3020.0), Some(3000.0));
        let unknown = Distribution { min: 2500.0, p50: 2510.0, ..Distribution::default() };
        assert_eq!(clock_skew_ms(&unknown, None), Some(2510.0));
    }
}
