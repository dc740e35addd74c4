//! Two reports compared: since when is it slower, and what else has got worse. What is compared, and which changes count,
//! stands in [`RULES`].

use serde::Serialize;

use noise::Figure;

use super::Report;
use super::metrics::{self, Better, Metric, Reading, fixed, plausible};
use super::terminal::words::utc;
use crate::clock::round;

mod noise;
mod show;
#[cfg(test)]
mod tests;

pub use noise::RULES;
pub use show::render;

/// What changed from one report to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// What matters most, in one sentence.
    pub headline: String,
    /// The report compared with.
    pub before: Side,
    /// The report compared.
    pub after: Side,
    /// What could not be compared, and why, each in one sentence.
    pub notes: Vec<String>,
    /// Every metric worth comparing that either report has, for each place: the worst first, what stayed the same last.
    pub changes: Vec<Change>,
}

/// One of the two reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// When the run began, in milliseconds since 1970 (UTC).
    pub started_unix_ms: u64,
    /// The version of the program that wrote it.
    pub version: String,
    /// Whether the call works.
    pub ok: bool,
    /// The code of the verdict.
    pub code: String,
    /// The sentence of the verdict.
    pub sentence: String,
}

/// One metric in one place in both reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The metric's name.
    pub metric: String,
    /// The peer's name, `alice -> bob` for a direction, or nothing for the run as a whole.
    pub place: String,
    /// The metric's unit; empty for a bare number.
    pub unit: String,
    /// What to make of it.
    pub trend: Trend,
    /// The figure of the first report (the median of a spread); absent when it has none.
    pub before: Option<f64>,
    /// The figure of the second report.
    pub after: Option<f64>,
    /// The second less the first, in the unit of the metric.
    pub change: Option<f64>,
    /// The change in percent of the first figure; absent when that is zero.
    pub percent: Option<f64>,
    /// Changes up to this size mean nothing, in the unit of the metric.
    pub noise: f64,
}

/// What to make of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trend {
    /// Worse beyond the noise.
    Worse,
    /// Measured in the first report only.
    Gone,
    /// Another figure, of a metric that is neither good nor bad.
    Changed,
    /// Measured in the second report only.
    New,
    /// Better beyond the noise.
    Better,
    /// The same within the noise.
    Same,
}

/// Compares two reports. Two of `--repeat` are compared over all their calls.
pub fn diff(before: &Report, after: &Report) -> Diff {
    let pooled = before.repeat.is_some() && after.repeat.is_some();
    let alike = noise::is_alike(before, after);
    let compared = metrics::all().iter().filter(|metric| noise::is_compared(metric, alike));
    let mut changes: Vec<Change> = compared.flat_map(|metric| changes_of(metric, before, after, pooled)).collect();
    // The sort is stable: what is equally bad stays in the order of the registry.
    changes.sort_by(|a, b| a.trend.cmp(&b.trend).then_with(|| b.severity().total_cmp(&a.severity())));
    let notes = notes(before, after, alike);
    let (before, after) = (side(before), side(after));
    Diff { headline: headline(&before, &after, &changes), before, after, notes, changes }
}

impl Change {
    /// How many times its noise it is.
    fn severity(&self) -> f64 {
        match self.trend {
            Trend::Worse | Trend::Changed | Trend::Better => {
                self.change.unwrap_or_default().abs() / self.noise.max(f64::EPSILON)
            }
            Trend::Gone | Trend::New | Trend::Same => 0.0,
        }
    }

    fn is_slower(&self) -> bool {
        self.trend == Trend::Worse && metrics::find(&self.metric).is_some_and(noise::is_delay)
    }
}

/// Why a figure that a reader may look for is not there.
fn notes(before: &Report, after: &Report, alike: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if !alike {
        let seconds = |report: &Report| fixed(report.duration_ms / 1000.0, 1);
        notes.push(format!(
            "A took {} s and B {} s: counts of faults, which grow with the length of a call, are left out.",
            seconds(before),
            seconds(after)
        ));
    }
    if before.judge != after.judge {
        notes.push(format!(
            "A was judged by {} and B by {}: what only one of them looked at is gone or new.",
            before.judge.name(),
            after.judge.name()
        ));
    }
    if before.repeat.is_some() != after.repeat.is_some() {
        notes.push("One of them has several calls; compared is the one that its report shows.".to_owned());
    }
    notes
}

fn side(report: &Report) -> Side {
    Side {
        started_unix_ms: report.started_unix_ms,
        version: report.version.clone(),
        ok: report.verdict.ok,
        code: report.verdict.code.code().to_owned(),
        sentence: report.verdict.sentence.clone(),
    }
}

fn changes_of(metric: &Metric, before: &Report, after: &Report, pooled: bool) -> Vec<Change> {
    let (before, after) = (figures(metric, before, pooled), figures(metric, after, pooled));
    let at = |figures: &[(String, Figure)], place: &str| {
        figures.iter().find(|(found, _)| found == place).map(|(_, figure)| *figure)
    };
    let gone_or_kept = before.iter().map(|(place, _)| place);
    let new = after.iter().map(|(place, _)| place).filter(|place| at(&before, place).is_none());
    let places = gone_or_kept.chain(new);
    let places = places
        .filter(|place| !noise::is_fleeting(metric) || at(&before, place).is_some() == at(&after, place).is_some());
    places.map(|place| change(metric, place, at(&before, place), at(&after, place), pooled)).collect()
}

fn figures(metric: &Metric, report: &Report, pooled: bool) -> Vec<(String, Figure)> {
    if let Some(repeat) = report.repeat.as_ref().filter(|_| pooled && !metric.counts_calls()) {
        let spread = repeat.metrics.get(metric.name);
        return spread.map(|spread| (String::new(), noise::over_calls(spread, repeat))).into_iter().collect();
    }
    let samples = metric.values(report).into_iter().map(|sample| {
        let figure = match sample.reading {
            Reading::Value(value) => noise::single(metric, value, &sample.place, report),
            Reading::Spread(spread) => noise::in_call(&spread),
        };
        (sample.place, figure)
    });
    samples.collect()
}

fn change(metric: &Metric, place: &str, before: Option<Figure>, after: Option<Figure>, pooled: bool) -> Change {
    let change = before.zip(after).map(|(before, after)| round(after.value - before.value));
    let noise = noise::noise(metric, before, after, pooled);
    let trend = match (before, after, change) {
        (None, _, _) => Trend::New,
        (_, None, _) => Trend::Gone,
        (_, _, Some(change)) if change.abs() > noise => match metric.better {
            Better::Neither => Trend::Changed,
            Better::Lower if change > 0.0 => Trend::Worse,
            Better::Higher if change < 0.0 => Trend::Worse,
            Better::Lower | Better::Higher => Trend::Better,
        },
        (Some(_), Some(_), _) => Trend::Same,
    };
    let before = before.map(|figure| figure.value);
    let share = change.zip(before).map(|(change, before)| change / before.abs() * 100.0);
    Change {
        metric: metric.name.to_owned(),
        place: place.to_owned(),
        unit: metric.unit.symbol().to_owned(),
        trend,
        before,
        after: after.map(|figure| figure.value),
        change,
        percent: share.filter(|percent| plausible(*percent)).map(round),
        noise: round(noise),
    }
}

fn headline(before: &Side, after: &Side, changes: &[Change]) -> String {
    // What is older cannot be "since": then the two are only told apart.
    let since = if before.started_unix_ms <= after.started_unix_ms {
        let (then, now) = (utc(before.started_unix_ms), utc(after.started_unix_ms));
        format!("since {now} at the latest (not yet on {then})")
    } else {
        "in B".to_owned()
    };
    match (before.ok, after.ok) {
        (true, false) => return format!("Broken {since}: {} [{}]", after.sentence, after.code),
        (false, true) => return format!("Works {since}: {} is gone", before.code),
        (false, false) if before.code != after.code => {
            return format!(
                "Broken in both, and {since} with another cause: {} instead of {}",
                after.code, before.code
            );
        }
        (false, false) | (true, true) => {}
    }
    let worse = changes.iter().filter(|change| change.trend == Trend::Worse).count();
    let slower = changes.iter().find(|change| change.is_slower());
    let worst = slower.or_else(|| changes.first().filter(|change| change.trend == Trend::Worse));
    let Some(worst) = worst else {
        let better = changes.iter().filter(|change| change.trend == Trend::Better).count();
        return format!("Nothing is slower or worse: {better} figures are better, the others are as they were");
    };
    let word = if slower.is_some() { "Slower" } else { "Worse" };
    let more = match worse {
        1 => String::new(),
        2 => ", and 1 more figure is worse".to_owned(),
        _ => format!(", and {} more figures are worse", worse - 1),
    };
    format!("{word} {since}: {}{more}", show::in_words(worst))
}
