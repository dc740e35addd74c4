//! Many values of one measure as a few numbers.

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::round;

/// How the values of one measure are spread. The unit is that of the field it stands in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// How many values there were; at least 1.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// The mean.
    pub mean: f64,
    /// Half of the values are not larger than this.
    pub p50: f64,
    /// 95 of 100 values are not larger than this.
    pub p95: f64,
    /// 99 of 100 values are not larger than this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

/// Collects the values of a call of any length in a few kilobytes; percentiles are exact to 0.1 %, and to a thousandth
/// of the unit near zero.
#[derive(Debug, Clone)]
pub struct Collector {
    /// Values in thousandths, those below zero mirrored into the second one.
    positive: Histogram<u64>,
    negative: Histogram<u64>,
    sum: f64,
    min: f64,
    max: f64,
}

/// Three significant digits.
const DIGITS: u8 = 3;
const SCALE: f64 = 1000.0;
/// A million of millions: what is beyond it counts as this much in percentiles, so that one strange value costs no more
/// than a third of a megabyte.
const LARGEST: u64 = 1_000_000_000_000_000;

impl Collector {
    /// Without any value.
    pub fn new() -> Self {
        Self { positive: histogram(), negative: histogram(), sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    /// Adds a value; one that is not a number is left out.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let scaled = ((value.abs() * SCALE).round() as u64).min(LARGEST);
        let side = if value < 0.0 { &mut self.negative } else { &mut self.positive };
        // Not `saturating_record`, which stops at the first size instead of growing.
        if side.record(scaled).is_err() {
            return;
        }
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.positive.len() + self.negative.len()
    }

    /// The spread; `None` without values.
    pub fn distribution(&self) -> Option<Distribution> {
        let count = self.count();
        (count > 0).then(|| Distribution {
            count,
            min: round(self.min),
            mean: round(self.sum / count as f64),
            p50: self.quantile(0.50),
            p95: self.quantile(0.95),
            p99: self.quantile(0.99),
            max: round(self.max),
        })
    }

    /// The smallest value that is not smaller than the given share of all.
    fn quantile(&self, share: f64) -> f64 {
        let rank = ((self.count() as f64 * share).ceil() as u64).max(1);
        let below = self.negative.len();
        let value = if rank <= below {
            // The most negative one is the largest of the mirror.
            -value_at(&self.negative, below - rank + 1)
        } else {
            value_at(&self.positive, rank - below)
        };
        round((value / SCALE).clamp(self.min, self.max))
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self::new()
    }
}

fn histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the library refuses more than five digits only")]
    Histogram::new(DIGITS).expect("three digits are allowed")
}

/// The value at this rank, the smallest having rank 1. The library counts up to a share of all values; the middle of the
/// step keeps rounding from reaching the next rank.
fn value_at(histogram: &Histogram<u64>, rank: u64) -> f64 {
    histogram.value_at_quantile((rank as f64 - 0.5) / histogram.len().max(1) as f64) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: impl IntoIterator<Item = f64>) -> Option<Distribution> {
        let mut collector = Collector::new();
        values.into_iter().for_each(|value| collector.add(value));
        collector.distribution()
    }

    #[test]
    fn a_hundred_values_have_their_ranks_as_percentiles() {
        let found = spread((1..=100).map(f64::from)).unwrap();
        let expected = Distribution { count: 100, min: 1.0, mean: 50.5, p50: 50.0, p95: 95.0, p99: 99.0, max: 100.0 };
        for (found, expected) in [(found.p50, expected.p50), (found.p95, expected.p95), (found.p99, expected.p99)] {
            assert!((found - expected).abs() <= expected * 0.001, "{found} instead of {expected}");
        }
        assert_eq!((found.count, found.min, found.mean, found.max), (100, 1.0, 50.5, 100.0));
    }

    #[test]
    fn values_below_zero_keep_their_order() {
        let found = spread([-30.0, -20.0, -10.0, 5.0]).unwrap();
        assert!((found.p50 + 20.0).abs() <= 0.02, "{found:?}");
        assert_eq!((found.min, found.max, found.p99), (-30.0, 5.0, 5.0));
    }

    #[test]
    fn large_values_keep_their_size_and_order() {
        let found = spread([1_000_000.0, 5.0, 80_000.0]).unwrap();
        assert!((found.p50 - 80_000.0).abs() <= 80.0, "{found:?}");
        assert_eq!((found.min, found.max, found.p99), (5.0, 1_000_000.0, 1_000_000.0));
        assert_eq!(spread([1e18, 1.0]).unwrap().max, 1e18);
    }

    #[test]
    fn every_rank_is_found_in_any_number_of_values() {
        for count in 1..200_u32 {
            let found = spread((1..=count).map(f64::from)).unwrap();
            let rank = f64::from((count * 95).div_ceil(100));
            assert!((found.p95 - rank).abs() <= rank * 0.001, "{} instead of {rank} of {count}", found.p95);
        }
    }

    #[test]
    fn one_value_is_all_of_its_percentiles_and_none_is_nothing() {
        let one = spread([4.2]).unwrap();
        assert_eq!((one.p50, one.p95, one.p99), (4.2, 4.2, 4.2));
        assert_eq!(spread([]), None);
        assert_eq!(spread([f64::NAN, f64::INFINITY]), None);
    }
}
