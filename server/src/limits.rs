//! How fast a session may speak.

use std::time::{Duration, Instant};

/// A token bucket: `burst` tokens at first, `per_second` of them back every second.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    /// One token's time; zero: no limit.
    cost: Duration,
    /// The time of a whole burst.
    depth: Duration,
    /// When the bucket will be full again.
    full_at: Instant,
}

impl Bucket {
    /// A full bucket; `per_second` 0 means no limit.
    pub(crate) fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        let cost = if per_second == 0 { Duration::ZERO } else { Duration::from_secs(1) / per_second };
        Self { cost, depth: cost * burst.max(1), full_at: now }
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.cost;
        if full_at.saturating_duration_since(now) > self.depth {
            return false;
        }
        self.full_at = full_at;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::now;

    #[test]
    fn a_burst_passes_and_then_only_the_rate() {
        let start = now();
        let mut bucket = Bucket::new(start, 10, 3);
        assert_eq!((0..5).filter(|_| bucket.take(start)).count(), 3);
        assert!(!bucket.take(start + Duration::from_millis(99)));
        assert!(bucket.take(start + Duration::from_millis(100)));
        assert!(!bucket.take(start + Duration::from_millis(100)));
        let later = start + Duration::from_secs(60);
        assert_eq!((0..5).filter(|_| bucket.take(later)).count(), 3, "a bucket does not grow beyond its burst");
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let start = now();
        let mut bucket = Bucket::new(start, 0, 1);
        assert!((0..10_000).all(|_| bucket.take(start)));
    }
}
