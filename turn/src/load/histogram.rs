//! How often which duration came up, in a fixed number of buckets that grow with the value.

/// Each power of two is split into this many buckets: a value is known to 1/16, its middle to 1/32.
const STEPS: usize = 16;
/// Enough for every 64-bit value.
const BUCKETS: usize = 61 * STEPS;

/// Counts of nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Nothing counted yet.
    pub(super) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    /// Counts one value.
    pub(super) fn add(&mut self, nanos: u64) {
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Counts everything that `other` counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The value that this share of all, 0 to 1, does not exceed, in microseconds; `None` when nothing was counted.
    pub(super) fn quantile_us(&self, share: f64) -> Option<f64> {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0u64;
        let place = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(middle(place) / 1000.0)
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < STEPS as u64 {
        return nanos as usize;
    }
    let power = nanos.ilog2() as usize;
    (power - 3) * STEPS + ((nanos >> (power - 4)) as usize & (STEPS - 1))
}

fn middle(place: usize) -> f64 {
    if place < STEPS {
        return place as f64;
    }
    let width = (1u64 << (place / STEPS - 1)) as f64;
    ((STEPS + place % STEPS) as f64 + 0.5) * width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_four_percent() {
        let mut histogram = Histogram::new();
        for value in 1..=100_000 {
            histogram.add(value * 1000);
        }
        for (share, expected) in [(0.5, 50_000.0), (0.99, 99_000.0), (1.0, 100_000.0)] {
            let got = histogram.quantile_us(share).unwrap();
            assert!((got / expected - 1.0).abs() < 0.04, "{share}: {got}");
        }
    }

    #[test]
    fn every_value_has_a_bucket_and_they_are_in_order() {
        let mut last = 0;
        for power in 0..64 {
            for value in [1u64 << power, (1u64 << power) | ((1u64 << power) >> 1)] {
                let place = bucket(value);
                assert!(place >= last && place < BUCKETS, "{value}");
                last = place;
            }
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn nothing_counted_has_no_quantile() {
        assert_eq!(Histogram::new().quantile_us(0.5), None);
    }
}
