//! Many figures as one spread.

use super::plausible;
use crate::clock::round;
use crate::measure::Distribution;

/// The spread of a handful of figures, with percentiles by the nearest rank; `None` without any.
pub(in crate::report) fn spread(values: &[f64]) -> Option<Distribution> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| plausible(*value)).collect();
    sorted.sort_by(f64::total_cmp);
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let rank = |share: f64| {
        let place = (sorted.len() as f64 * share).ceil() as usize;
        round(sorted[place.clamp(1, sorted.len()) - 1])
    };
    Some(Distribution {
        count: sorted.len() as u64,
        min: round(first),
        mean: round(sorted.iter().sum::<f64>() / sorted.len() as f64),
        p50: rank(0.50),
        p95: rank(0.95),
        p99: rank(0.99),
        max: round(last),
    })
}

/// Several spreads as if all their figures had been collected together; `None` without any. Count, mean and the ends are
/// exact; the percentiles take the figures to be evenly spread between the percentiles that are known.
pub(in crate::report) fn pool(parts: &[Distribution]) -> Option<Distribution> {
    let count: u64 = parts.iter().map(|part| part.count).sum();
    if count == 0 {
        return None;
    }
    let min = parts.iter().map(|part| part.min).fold(f64::INFINITY, f64::min);
    let max = parts.iter().map(|part| part.max).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = parts.iter().map(|part| part.mean * part.count as f64).sum();
    let quantile = |share: f64| {
        let wanted = share * count as f64 - 1e-9;
        let (mut low, mut high) = (min, max);
        // Each step halves what is left; sixty of them leave less than any digit shown.
        for _ in 0..60 {
            let middle = low + (high - low) / 2.0;
            let below: f64 = parts.iter().map(|part| share_below(part, middle) * part.count as f64).sum();
            if below >= wanted { high = middle } else { low = middle }
        }
        round(high)
    };
    let (p50, p95, p99) = (quantile(0.50), quantile(0.95), quantile(0.99));
    Some(Distribution { count, min, mean: round(sum / count as f64), p50, p95, p99, max })
}

/// The share of the figures that are not larger than `value`, on straight lines between the known percentiles.
fn share_below(part: &Distribution, value: f64) -> f64 {
    let known = [(part.min, 0.0), (part.p50, 0.50), (part.p95, 0.95), (part.p99, 0.99), (part.max, 1.0)];
    if value < part.min {
        return 0.0;
    }
    let mut below = known[0];
    for above in known.into_iter().skip(1) {
        if value < above.0 {
            return below.1 + (above.1 - below.1) * (value - below.0) / (above.0 - below.0);
        }
        below = above;
    }
    1.0
}
