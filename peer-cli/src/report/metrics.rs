//! Every figure of a report by name: what `--expect`, `--repeat`, `diff` and `peer-cli metrics` speak of.
//!
//! There is one registry, [`all`]; whoever needs a figure asks for it by its name there, so that a name means the same
//! everywhere. A metric belongs to the run as a whole, to each peer, or to each direction, and so it may have several
//! [`Sample`]s in one report.

use std::sync::LazyLock;

use super::{AudioReport, Direction, JudgeLevel, PeerReport, Report, VideoReport};
use crate::measure::Distribution;

mod aggregate;
mod call;
mod list;
mod media;
mod nearest;
mod pool;
mod stream;
#[cfg(test)]
mod tests;
mod unit;

pub use aggregate::Aggregate;
pub use list::list;
pub use unit::{Better, Unit};

pub(super) use nearest::nearest_of;
pub(super) use pool::{pool, spread};
pub(super) use unit::{fixed, number, plausible};

/// A figure that a report may hold.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name, such as `setup_ms` or `video.freeze_ms`; stable.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: Unit,
    /// Which way is good.
    pub better: Better,
    /// Its definition in one sentence.
    pub about: &'static str,
    /// How closely the media must be looked at for it.
    pub needs: JudgeLevel,
    source: Source,
}

/// Metrics are told apart by their names.
impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What a report says about one metric: a reading for each place where it was measured, none where it was not.
pub type Samples = Vec<Sample>;

/// One reading of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The peer's name, `alice -> bob` for a direction, or nothing for the run as a whole.
    pub place: String,
    /// What was read there.
    pub reading: Reading,
}

/// What was read: a single figure, or how many of them are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    /// A figure.
    Value(f64),
    /// The spread of many figures, such as the latency of each picture.
    Spread(Distribution),
}

impl Reading {
    /// Whether it can have been measured; what a report from elsewhere holds need not.
    fn is_plausible(&self) -> bool {
        match self {
            Self::Value(value) => plausible(*value),
            Self::Spread(Distribution { min, mean, p50, p95, p99, max, .. }) => {
                [min, mean, p50, p95, p99, max].into_iter().all(|value| plausible(*value))
            }
        }
    }
}

/// Where in a report a metric stands.
#[derive(Debug, Clone, Copy)]
enum Source {
    Run(fn(&Report) -> Option<f64>),
    Peer(fn(&Report, &PeerReport) -> Option<f64>),
    Video(fn(&VideoReport) -> Option<f64>),
    VideoSpread(fn(&VideoReport) -> Option<Distribution>),
    Audio(fn(&AudioReport) -> Option<f64>),
    AudioSpread(fn(&AudioReport) -> Option<Distribution>),
    DirectionSpread(fn(&Direction) -> Option<Distribution>),
}

/// Every metric, in the order in which a call comes about.
pub fn all() -> &'static [Metric] {
    static ALL: LazyLock<Vec<Metric>> = LazyLock::new(|| {
        [call::SETUP, call::PATH, media::VIDEO, stream::VIDEO, media::AUDIO, stream::AUDIO, call::RUN].concat()
    });
    &ALL
}

/// The metric of this name.
pub fn find(name: &str) -> Option<&'static Metric> {
    all().iter().find(|metric| metric.name == name)
}

/// The metric whose name resembles this one most; `None` when none does.
pub fn nearest(name: &str) -> Option<&'static str> {
    nearest_of(name, all().iter().map(|metric| metric.name))
}

impl Metric {
    /// What the report says about it: one sample for each peer or direction where it was measured. Empty where the
    /// report was not judged closely enough for it.
    pub fn values(&self, report: &Report) -> Samples {
        let mut samples = Vec::new();
        if report.judge < self.needs {
            return samples;
        }
        let mut add = |place: &str, reading: Option<Reading>| {
            if let Some(reading) = reading.filter(Reading::is_plausible) {
                samples.push(Sample { place: place.to_owned(), reading });
            }
        };
        match self.source {
            Source::Run(get) => add("", get(report).map(Reading::Value)),
            Source::Peer(get) => {
                for peer in &report.peers {
                    add(&peer.name, get(report, peer).map(Reading::Value));
                }
            }
            Source::Video(_)
            | Source::VideoSpread(_)
            | Source::Audio(_)
            | Source::AudioSpread(_)
            | Source::DirectionSpread(_) => {
                for direction in &report.directions {
                    add(&place_of(direction), self.in_direction(direction));
                }
            }
        }
        samples
    }

    /// The percentile of a spread that stands for it where one figure is asked for: the 95th where lower is better, so
    /// that a bad tail shows, and the median otherwise.
    pub fn telling(&self) -> Aggregate {
        match self.better {
            Better::Lower => Aggregate::P95,
            Better::Higher | Better::Neither => Aggregate::P50,
        }
    }

    /// Whether it has a spread in each place instead of one figure.
    pub fn is_spread(&self) -> bool {
        matches!(self.source, Source::VideoSpread(_) | Source::AudioSpread(_) | Source::DirectionSpread(_))
    }

    /// Whether it is the length of a step of setting a call up, which happens once in a call.
    pub(super) fn is_step(&self) -> bool {
        call::SETUP.contains(self)
    }

    /// Whether it counts the calls of a run, and so has one figure however many calls there were.
    pub(super) fn counts_calls(&self) -> bool {
        matches!(self.name, "calls" | "failed_calls" | "ok_percent")
    }

    /// Whether it says how many of the calls of a run failed.
    pub(super) fn counts_failures(&self) -> bool {
        matches!(self.name, "failed_calls" | "ok_percent")
    }

    fn in_direction(&self, direction: &Direction) -> Option<Reading> {
        let (video, audio) = (direction.video.as_ref(), direction.audio.as_ref());
        match self.source {
            Source::Run(_) | Source::Peer(_) => None,
            Source::Video(get) => video.and_then(get).map(Reading::Value),
            Source::VideoSpread(get) => video.and_then(get).map(Reading::Spread),
            Source::Audio(get) => audio.and_then(get).map(Reading::Value),
            Source::AudioSpread(get) => audio.and_then(get).map(Reading::Spread),
            Source::DirectionSpread(get) => get(direction).map(Reading::Spread),
        }
    }
}

/// How a direction is called in a [`Sample`].
pub(super) fn place_of(direction: &Direction) -> String {
    format!("{} -> {}", direction.from, direction.to)
}
