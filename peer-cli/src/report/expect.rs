//! What is asked of a call, in one line each, and whether it holds: `video.freeze_ms<200`, `setup_ms.p95 < 0.5 s`.
//!
//! An expectation is `METRIC[.AGGREGATE] OPERATOR VALUE[UNIT]`, with spaces where one likes:
//!
//! * METRIC is a name of [`metrics`].
//! * OPERATOR is `<`, `<=`, `>`, `>=`, `=` (or `==`) or `!=`.
//! * UNIT is one that measures the same as the metric's own, as one usually spells it: `ms`, `s`, `us`, `min`; `kbps` or
//!   `kbit/s`, `Mbps` or `Mbit/s`, `kB/s`; `%`; `dB`; `dBFS`; `fps`; `B`, `kB`, `MB`, `GB`, `MiB`; `Hz`, `kHz`; `px`;
//!   without one the metric's own is meant.
//!
//! **Without an aggregate every sample must hold**: each peer, each direction, each call. Of a metric with a spread in
//! each direction (latency, PSNR) its 95th percentile is taken where lower is better, its median otherwise.
//!
//! **With an aggregate** (`p50` or `median`, `p95`, `p99`, `min`, `max`, `mean`) that figure over all samples must hold. Of
//! a metric with a spread in each direction it is that figure of each direction, and each of them must hold. With
//! `--repeat` it is that figure over all peers, directions and calls; `!=` then asks that a value lies outside of
//! everything measured.
//!
//! **What was not measured does not hold.**
//!
//! **Calls of `--repeat` that fail** fail the run, unless `failed_calls` or `ok_percent` is asked for: then that decides
//! how many may. The other expectations are held against what was measured, in calls that failed too.

use super::metrics::{self, Aggregate, Metric};
use super::{Checked, Report};

mod check;
mod parse;
#[cfg(test)]
mod tests;

/// Something that a call is to fulfil.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    text: String,
    warning: bool,
    metric: &'static Metric,
    aggregate: Option<Aggregate>,
    comparison: Comparison,
    /// In the unit of the metric.
    limit: f64,
}

/// Why a text is no expectation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectError {
    /// A text of its own.
    #[error(transparent)]
    Text(#[from] ExpectProblem),
    /// A line of a file.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: ExpectProblem,
    },
}

/// What is wrong with an expectation. A `hint` is the nearest thing that exists, in words; empty where nothing is near.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectProblem {
    /// There is nothing that compares.
    #[error("{text:?} is no expectation; write METRIC OPERATOR VALUE, such as video.freeze_ms<200")]
    Shape {
        /// What was written.
        text: String,
    },
    /// No metric has this name.
    #[error("{name:?} is no metric{hint}; `peer-cli metrics` lists them all")]
    Metric {
        /// What was written.
        name: String,
        /// The nearest name.
        hint: String,
    },
    /// There is no such aggregate.
    #[error("{name:?} behind {metric} is no aggregate{hint}; allowed are p50 (median), p95, p99, min, max and mean")]
    Aggregate {
        /// What was written behind the metric's dot.
        name: String,
        /// The metric.
        metric: &'static str,
        /// The nearest aggregate.
        hint: String,
    },
    /// There is no such operator.
    #[error("{operator:?} is no operator{hint}; allowed are <, <=, >, >=, =, == and !=")]
    Operator {
        /// What was written.
        operator: String,
        /// The nearest operator.
        hint: String,
    },
    /// What is to be compared with is not a number.
    #[error("{value:?} does not begin with a number; write a decimal number and a unit, such as 200 or 0.2s")]
    Value {
        /// What was written.
        value: String,
    },
    /// There is no such unit for this metric.
    #[error("{unit:?} is no unit of {metric}{hint}; allowed: {allowed}")]
    Unit {
        /// What was written.
        unit: String,
        /// The metric.
        metric: &'static str,
        /// The nearest unit.
        hint: String,
        /// What may be written, in words.
        allowed: String,
    },
}

/// How a measured value is compared with the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
    Other,
}

impl Expectation {
    /// Reads one, such as `video.latency_ms.p95 <= 0.15s`. Missing one that is a `warning` does not fail the call.
    ///
    /// # Errors
    /// A metric, aggregate, operator or unit that does not exist; the message names the nearest one and what is allowed.
    pub fn parse(text: &str, warning: bool) -> Result<Self, ExpectError> {
        Ok(parse::expectation(text, warning)?)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether missing it is only a warning.
    pub fn is_warning(&self) -> bool {
        self.warning
    }

    /// The metric it is about.
    pub fn metric(&self) -> &'static Metric {
        self.metric
    }
}

/// Reads a file of expectations: one in each line, `#` begins a comment, and `warn` before one, in small or capital
/// letters and with or without a colon, makes it a warning. Lines may end as on Windows.
///
/// # Errors
/// The first line that is none, with its number.
pub fn parse_file(text: &str) -> Result<Vec<Expectation>, ExpectError> {
    let mut found = Vec::new();
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let warned = warning(line);
        let expectation = parse::expectation(warned.unwrap_or(line), warned.is_some())
            .map_err(|problem| ExpectError::Line { line: index + 1, problem })?;
        found.push(expectation);
    }
    Ok(found)
}

/// Whether what was asked for says itself how many of the calls of `--repeat` may fail: whoever writes `ok_percent>=95` or
/// `failed_calls<2` wants that decided, and not by the first call that fails. A mere warning decides nothing. See
/// [`super::repeat::tolerate`].
pub fn decides_failures(expectations: &[Expectation]) -> bool {
    expectations.iter().any(|expectation| !expectation.warning && expectation.metric.counts_failures())
}

/// Says of each expectation whether it holds.
pub fn check(expectations: &[Expectation], report: &Report) -> Vec<Checked> {
    expectations.iter().map(|expectation| check::one(expectation, report)).collect()
}

/// What a line asks for with a mere warning.
fn warning(line: &str) -> Option<&str> {
    let (word, rest) = line.split_once(|c: char| c.is_whitespace() || c == ':')?;
    word.eq_ignore_ascii_case("warn").then(|| rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':'))
}

/// The nearest of some words, as the middle of a sentence.
fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    metrics::nearest_of(word, candidates).map_or_else(String::new, did_you_mean)
}

fn did_you_mean(nearest: &str) -> String {
    format!(" (did you mean {nearest:?}?)")
}
