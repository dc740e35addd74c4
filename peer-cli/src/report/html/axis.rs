//! Axes: from values to places on the paper, and where the ticks go.

use super::text;

/// A linear map from values to places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    from: (f64, f64),
    to: (f64, f64),
}

impl Scale {
    /// Takes `from.0` to `to.0` and `from.1` to `to.1`.
    pub(super) fn new(from: (f64, f64), to: (f64, f64)) -> Self {
        Self { from, to }
    }

    /// The place of a value. Everything is at the beginning where all values are one.
    pub(super) fn at(&self, value: f64) -> f64 {
        let span = self.from.1 - self.from.0;
        if span <= 0.0 || !span.is_finite() {
            return self.to.0;
        }
        self.to.0 + (value - self.from.0) / span * (self.to.1 - self.to.0)
    }
}

/// A place on the paper, to a tenth of a unit and without a needless `.0`.
pub(super) fn place(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    let sign = if tenths < 0 { "-" } else { "" };
    match tenths.unsigned_abs() % 10 {
        0 => format!("{sign}{}", tenths.unsigned_abs() / 10),
        tenth => format!("{sign}{}.{tenth}", tenths.unsigned_abs() / 10),
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that divides `span` into at most so many parts.
pub(super) fn step(span: f64, at_most: usize) -> f64 {
    let wanted = span / at_most.max(1) as f64;
    if !wanted.is_finite() || wanted <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(wanted.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= wanted * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * power
}

/// The same for time in milliseconds: from a second on in steps that a clock has.
pub(super) fn time_step(span_ms: f64, at_most: usize) -> f64 {
    const CLOCK_S: [f64; 15] =
        [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0];
    let decimal = step(span_ms, at_most);
    if decimal < 1000.0 {
        return decimal;
    }
    let wanted = span_ms / 1000.0 / at_most.max(1) as f64;
    CLOCK_S.into_iter().find(|step| *step >= wanted * (1.0 - 1e-9)).map_or(decimal, |step| step * 1000.0)
}

/// All multiples of `step` from `low` to `high`, at most a hundred.
pub(super) fn ticks(low: f64, high: f64, step: f64) -> Vec<f64> {
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).take(100).map(|n| n as f64 * step).collect()
}

/// The nearest multiples of `step` that have `low` and `high` between them; never both the same.
pub(super) fn round_out(low: f64, high: f64, step: f64) -> (f64, f64) {
    let bottom = (low / step + 1e-9).floor() * step;
    let top = (high / step - 1e-9).ceil() * step;
    if top > bottom { (bottom, top) } else { (bottom, bottom + step) }
}

/// The label of a tick, with the digits that its step needs.
pub(super) fn label(value: f64, step: f64) -> String {
    // A margin has room for six digits.
    if value.abs() >= 1e6 {
        return format!("{value:.2e}");
    }
    let digits = if step > 0.0 { (-(step.log10() + 1e-9).floor()).max(0.0) as usize } else { 0 };
    text::decimals(value, digits.min(6))
}

/// The label of a tick on an axis of time, all of an axis in the same unit.
pub(super) fn time_label(ms: f64, step_ms: f64, end_ms: f64) -> String {
    if ms.abs() < 1e-6 {
        return "0".to_owned();
    }
    if end_ms < 2000.0 {
        return format!("{}\u{a0}ms", label(ms, step_ms));
    }
    if step_ms >= 60_000.0 {
        return format!("{}\u{a0}min", label(ms / 60_000.0, step_ms / 60_000.0));
    }
    if end_ms > 120_000.0 {
        let seconds = (ms / 1000.0).round() as u64;
        return format!("{}:{:02}", seconds / 60, seconds % 60);
    }
    format!("{}\u{a0}s", label(ms / 1000.0, step_ms / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_goes_through_its_ends_and_survives_a_span_of_nothing() {
        let upside_down = Scale::new((0.0, 50.0), (100.0, 0.0));
        assert_eq!((upside_down.at(0.0), upside_down.at(25.0), upside_down.at(50.0)), (100.0, 50.0, 0.0));
        assert_eq!(Scale::new((3.0, 3.0), (10.0, 20.0)).at(3.0), 10.0);
        assert_eq!(Scale::new((-1e308, 1e308), (10.0, 20.0)).at(3.0), 10.0);
    }

    #[test]
    fn steps_are_one_two_or_five() {
        assert_eq!(step(100.0, 5), 20.0);
        assert_eq!(step(101.0, 5), 50.0);
        assert_eq!(step(7.0, 4), 2.0);
        assert_eq!(step(1200.0, 4), 500.0);
        assert_eq!(step(0.0, 4), 1.0);
        assert_eq!(step(f64::NAN, 4), 1.0);
    }

    #[test]
    fn steps_of_time_are_those_of_a_clock() {
        assert_eq!(time_step(900.0, 6), 200.0);
        assert_eq!(time_step(10_500.0, 6), 2000.0);
        assert_eq!(time_step(80_000.0, 6), 15_000.0);
        assert_eq!(time_step(7_200_000.0, 6), 1_800_000.0);
    }

    #[test]
    fn ticks_stay_between_the_ends() {
        assert_eq!(ticks(0.0, 1000.0, 250.0), [0.0, 250.0, 500.0, 750.0, 1000.0]);
        assert_eq!(ticks(-42.0, -19.0, 10.0), [-40.0, -30.0, -20.0]);
        assert_eq!(round_out(-42.0, -19.0, 10.0), (-50.0, -10.0));
        assert_eq!(round_out(5.0, 5.0, 5.0), (5.0, 10.0));
    }

    #[test]
    fn labels_have_the_digits_of_their_step() {
        assert_eq!(label(1.5, 0.5), "1.5");
        assert_eq!(label(20.0, 10.0), "20");
        assert_eq!(label(0.25, 0.05), "0.25");
        assert_eq!(label(1.5e9, 5e8), "1.50e9");
        assert_eq!(time_label(0.0, 200.0, 900.0), "0");
        assert_eq!(time_label(400.0, 200.0, 900.0), "400\u{a0}ms");
        assert_eq!(time_label(2500.0, 500.0, 4000.0), "2.5\u{a0}s");
        assert_eq!(time_label(90_000.0, 30_000.0, 200_000.0), "1:30");
        assert_eq!(time_label(120_000.0, 60_000.0, 600_000.0), "2\u{a0}min");
    }

    #[test]
    fn places_are_short() {
        assert_eq!([12.0, 12.34, 12.96, -0.04, -3.25].map(place), ["12", "12.3", "13", "0", "-3.3"]);
    }
}
