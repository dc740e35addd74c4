//! One figure out of many.

use crate::measure::Distribution;

/// Which figure of a spread is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// The median.
    P50,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The mean.
    Mean,
}

impl Aggregate {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::P50, Self::P95, Self::P99, Self::Min, Self::Max, Self::Mean];

    /// As it is written behind a metric and a dot.
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
        }
    }

    /// The one that is written like this, in small or capital letters; `median` is another name of `p50`, and `avg` and
    /// `average` are the mean.
    pub fn find(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "median" => Some(Self::P50),
            "avg" | "average" => Some(Self::Mean),
            name => Self::ALL.into_iter().find(|aggregate| aggregate.name() == name),
        }
    }

    /// That figure of a spread.
    pub fn of(self, spread: &Distribution) -> f64 {
        match self {
            Self::P50 => spread.p50,
            Self::P95 => spread.p95,
            Self::P99 => spread.p99,
            Self::Min => spread.min,
            Self::Max => spread.max,
            Self::Mean => spread.mean,
        }
    }
}
