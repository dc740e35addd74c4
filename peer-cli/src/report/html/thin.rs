//! Columns of a series as lines: holes stay holes, peaks stay peaks, and a call of hours stays drawable.

use crate::report::metrics::plausible;

/// Entries of a column that belong together, as pairs of the entry's number and its value.
pub(super) type Run = Vec<(usize, f64)>;

/// The runs of a column, with at most about so many points altogether.
///
/// A line breaks where two values are more than twice as far apart as they usually are: what is measured twice a second
/// has no hole between every two of its values.
pub(super) fn runs(column: &[Option<f32>], at_most: usize) -> Vec<Run> {
    let values: Run = column.iter().enumerate().filter_map(|(index, value)| Some((index, measured(*value)?))).collect();
    // Two points for each bucket: its smallest and its largest value.
    let buckets = (at_most / 2).max(1);
    let bucket = column.len().div_ceil(buckets).max(1);
    let bucket = if values.len() <= at_most { 1 } else { bucket };
    let reach = (2 * usual_distance(&values)).max(bucket);
    values
        .chunk_by(|a, b| b.0 - a.0 <= reach)
        .map(|run| run.chunk_by(|a, b| a.0 / bucket == b.0 / bucket).flat_map(peaks).collect())
        .collect()
}

/// The smallest and the largest of values; `None` without any.
pub(super) fn bounds(column: &[Option<f32>]) -> Option<(f64, f64)> {
    column.iter().filter_map(|value| measured(*value)).fold(None, |bounds, value| {
        let (low, high) = bounds.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// A value that can have been measured.
fn measured(value: Option<f32>) -> Option<f64> {
    value.map(f64::from).filter(|value| plausible(*value))
}

/// The median of the distances between neighbours.
fn usual_distance(values: &[(usize, f64)]) -> usize {
    let mut distances: Vec<usize> =
        values.windows(2).filter_map(|pair| Some(pair.last()?.0 - pair.first()?.0)).collect();
    distances.sort_unstable();
    distances.get(distances.len().saturating_sub(1) / 2).copied().unwrap_or(1)
}

/// The smallest and the largest value of a bucket, in the order in which they came.
fn peaks(bucket: &[(usize, f64)]) -> Run {
    let low = bucket.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let high = bucket.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let mut points: Run = low.into_iter().chain(high).copied().collect();
    points.sort_by_key(|point| point.0);
    points.dedup();
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_breaks_the_line() {
        let column = [Some(1.0), Some(2.0), None, None, Some(3.0)];
        assert_eq!(runs(&column, 800), [vec![(0, 1.0), (1, 2.0)], vec![(4, 3.0)]]);
    }

    #[test]
    fn what_is_measured_seldom_is_still_one_line() {
        let column: Vec<Option<f32>> = (0..50).map(|n: u8| n.is_multiple_of(5).then_some(40.0)).collect();
        let found = runs(&column, 800);
        assert_eq!((found.len(), found[0].len()), (1, 10));
    }

    #[test]
    fn a_long_call_is_thinned_and_keeps_its_peaks() {
        let column: Vec<Option<f32>> = (0..36_000)
            .map(|n| {
                Some(if n == 17_123 {
                    900.0
                } else if n == 30_001 {
                    -5.0
                } else {
                    20.0
                })
            })
            .collect();
        let found = runs(&column, 800);
        let points: Vec<(usize, f64)> = found.concat();
        assert!(points.len() <= 800, "{} points", points.len());
        assert!(points.contains(&(17_123, 900.0)) && points.contains(&(30_001, -5.0)));
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order");
    }

    #[test]
    fn a_long_hole_survives_the_thinning() {
        let column: Vec<Option<f32>> = (0..36_000).map(|n| (!(9000..12_000).contains(&n)).then_some(1.0)).collect();
        assert_eq!(runs(&column, 800).len(), 2);
    }

    #[test]
    fn nothing_has_neither_runs_nor_bounds() {
        assert!(runs(&[None, Some(f32::NAN), Some(f32::MAX)], 800).is_empty());
        assert_eq!(bounds(&[None, Some(f32::NAN)]), None);
        assert_eq!(bounds(&[Some(3.0), None, Some(-1.0)]), Some((-1.0, 3.0)));
    }
}
