//! Whether an [`Expectation`] holds for a report.

use super::{Comparison, Expectation};
use crate::measure::Distribution;
use crate::report::metrics::{Aggregate, Reading, Sample, spread};
use crate::report::{Checked, RepeatReport, Report};

pub(super) fn one(expectation: &Expectation, report: &Report) -> Checked {
    let found = match report.repeat.as_ref().filter(|_| !expectation.metric.counts_calls()) {
        Some(repeat) => over_calls(expectation, repeat),
        None => in_call(expectation, expectation.metric.values(report)),
    };
    let worst = found.into_iter().min_by(|a, b| {
        expectation
            .comparison
            .margin(a.value, expectation.limit)
            .total_cmp(&expectation.comparison.margin(b.value, expectation.limit))
    });
    let ok = worst.as_ref().is_some_and(|worst| expectation.comparison.holds(worst.value, expectation.limit));
    let message = match &worst {
        Some(worst) => measured(expectation, worst, ok),
        None => unmeasured(expectation, report),
    };
    Checked {
        text: expectation.text.clone(),
        warning: expectation.warning,
        ok,
        value: worst.map(|worst| worst.value),
        unit: expectation.metric.unit.symbol().to_owned(),
        message,
    }
}

/// A value to be compared, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
struct Candidate {
    value: f64,
    /// In brackets behind the value; empty where there is nothing to add.
    from: String,
}

fn in_call(expectation: &Expectation, samples: Vec<Sample>) -> Vec<Candidate> {
    let single: Vec<f64> = samples.iter().filter_map(value).collect();
    if let (Some(aggregate), Some(all)) = (expectation.aggregate, spread(&single)) {
        let from = format!("over {}", counted(all.count, "sample"));
        return vec![Candidate { value: aggregate.of(&all), from }];
    }
    let aggregate = expectation.aggregate.unwrap_or_else(|| expectation.metric.telling());
    let candidate = |sample: Sample| match sample.reading {
        Reading::Value(value) => Candidate { value, from: sample.place },
        Reading::Spread(spread) => {
            let from = format!("{} of {}", aggregate.name(), sample.place);
            Candidate { value: aggregate.of(&spread), from }
        }
    };
    samples.into_iter().map(candidate).collect()
}

fn value(sample: &Sample) -> Option<f64> {
    match sample.reading {
        Reading::Value(value) => Some(value),
        Reading::Spread(_) => None,
    }
}

fn over_calls(expectation: &Expectation, repeat: &RepeatReport) -> Vec<Candidate> {
    let name = expectation.metric.name;
    let calls = counted(repeat.calls, "call");
    let Some(all) = repeat.metrics.get(name) else {
        return Vec::new();
    };
    if let Some(aggregate) = expectation.aggregate {
        let from = format!("over {} of {calls}", counted(all.count, "value"));
        return vec![Candidate { value: aggregate.of(all), from }];
    }
    // Of a spread, each direction of each call has its own telling percentile.
    let telling = expectation.metric.telling().name();
    let each = repeat.metrics.get(&format!("{name}.{telling}")).filter(|_| expectation.metric.is_spread());
    let from = match each {
        Some(_) => format!("{telling} of one direction among {calls}"),
        None => format!("one of {calls}"),
    };
    let value = expectation.comparison.worst(each.unwrap_or(all), expectation.limit);
    vec![Candidate { value, from }]
}

impl Comparison {
    fn holds(self, value: f64, limit: f64) -> bool {
        // Both are decimal figures; what binary fractions make of the last digit must not count.
        let same = (value - limit).abs() <= 1e-9 * limit.abs().max(1.0);
        match self {
            Self::Below => value < limit && !same,
            Self::AtMost => value < limit || same,
            Self::Above => value > limit && !same,
            Self::AtLeast => value > limit || same,
            Self::Equal => same,
            Self::Other => !same,
        }
    }

    /// How far a value is on the right side; the smaller, the worse.
    fn margin(self, value: f64, limit: f64) -> f64 {
        match self {
            Self::Below | Self::AtMost => limit - value,
            Self::Above | Self::AtLeast => value - limit,
            Self::Equal => -(value - limit).abs(),
            Self::Other => (value - limit).abs(),
        }
    }

    /// The worst value of a spread of which only the ends are known.
    fn worst(self, spread: &Distribution, limit: f64) -> f64 {
        let (low, high) = (Aggregate::Min.of(spread), Aggregate::Max.of(spread));
        match self {
            Self::Below | Self::AtMost => high,
            Self::Above | Self::AtLeast => low,
            Self::Equal if (low - limit).abs() > (high - limit).abs() => low,
            Self::Equal => high,
            Self::Other => limit.max(low).min(high),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Below => "below",
            Self::AtMost => "at most",
            Self::Above => "above",
            Self::AtLeast => "at least",
            Self::Equal => "exactly",
            Self::Other => "other than",
        }
    }
}

/// `video.freeze_ms was 312 ms (alice -> bob); it should be below 200 ms`
fn measured(expectation: &Expectation, worst: &Candidate, ok: bool) -> String {
    let unit = expectation.metric.unit;
    let value = unit.show(worst.value);
    let from = if worst.from.is_empty() { String::new() } else { format!(" ({})", worst.from) };
    let subject = subject(expectation);
    let words = expectation.comparison.words();
    // The figure that decides must not look like the limit by rounding.
    let limit = unit.show(expectation.limit);
    let value = if value == limit && !ok { precise(worst.value, unit.symbol()) } else { value };
    if ok {
        format!("{subject} was {value}{from}, {words} {limit} as it should be")
    } else {
        format!("{subject} was {value}{from}; it should be {words} {limit}")
    }
}

fn precise(value: f64, symbol: &str) -> String {
    format!("{value} {symbol}").trim_end().to_owned()
}

fn unmeasured(expectation: &Expectation, report: &Report) -> String {
    let subject = subject(expectation);
    let needs = expectation.metric.needs;
    if report.judge < needs {
        format!("{subject} was not measured: it needs --judge {}", needs.name())
    } else {
        format!("{subject} was not measured in this run")
    }
}

fn subject(expectation: &Expectation) -> String {
    match expectation.aggregate {
        Some(aggregate) => format!("{}.{}", expectation.metric.name, aggregate.name()),
        None => expectation.metric.name.to_owned(),
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
