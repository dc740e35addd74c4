//! Measures over the time of a call, ten times a second.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What arrived in one direction over time, as columns of equal length: entry `n` covers the time from
/// `start_ms + n * interval_ms` on. A time without a value has `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Series {
    /// When the first entry begins, in milliseconds since the peers were started.
    pub start_ms: f64,
    /// The length of an entry in milliseconds: 100, doubled each time a call outgrows the memory for it.
    pub interval_ms: f64,
    /// Payload of the video packets that arrived, in kbit/s.
    pub video_kbps: Vec<Option<f32>>,
    /// Payload of the audio packets that arrived, in kbit/s.
    pub audio_kbps: Vec<Option<f32>>,
    /// Pictures (whole frames where nothing is decoded) per second.
    pub fps: Vec<Option<f32>>,
    /// Mean time from sending to decoding a picture, in milliseconds; below zero where the clocks of two machines differ by
    /// more than that.
    pub video_latency_ms: Vec<Option<f32>>,
    /// Mean time from sending to receiving a packet of sound, in milliseconds; may be below zero as well.
    pub audio_latency_ms: Vec<Option<f32>>,
    /// Interarrival jitter of the video packets (RFC 3550), in milliseconds.
    pub video_jitter_ms: Vec<Option<f32>>,
    /// Interarrival jitter of the audio packets (RFC 3550), in milliseconds.
    pub audio_jitter_ms: Vec<Option<f32>>,
    /// Video packets found missing, whether or not they came later.
    pub video_lost: Vec<Option<f32>>,
    /// Audio packets found missing, whether or not they came later.
    pub audio_lost: Vec<Option<f32>>,
    /// Mean PSNR of the pictures looked at, in dB.
    pub psnr_db: Vec<Option<f32>>,
    /// Level of the sound, in dB relative to full scale.
    pub level_dbfs: Vec<Option<f32>>,
    /// Round-trip time of the path, in milliseconds.
    pub rtt_ms: Vec<Option<f32>>,
    /// What the sender's congestion controller allowed, in kbit/s; only with `--live`. Where the sender is not one of our
    /// peers: what ours allowed on the way back.
    pub target_kbps: Vec<Option<f32>>,
}

impl Series {
    /// Takes over the column of another series of the same run, entry by entry of the same time.
    pub fn take_target(&mut self, other: &Self) {
        let length = self.target_kbps.len();
        let at = |entry: usize| {
            let time = self.start_ms + (entry as f64 + 0.5) * self.interval_ms;
            let place = (time - other.start_ms) / other.interval_ms;
            (place >= 0.0).then(|| other.target_kbps.get(place as usize).copied().flatten()).flatten()
        };
        let column = (0..length).map(at).collect();
        self.target_kbps = column;
    }
}

/// The columns of a [`Series`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// [`Series::video_kbps`]; add kilobits.
    VideoKbps,
    /// [`Series::audio_kbps`]; add kilobits.
    AudioKbps,
    /// [`Series::fps`]; add pictures.
    Fps,
    /// [`Series::video_latency_ms`]
    VideoLatency,
    /// [`Series::audio_latency_ms`]
    AudioLatency,
    /// [`Series::video_jitter_ms`]
    VideoJitter,
    /// [`Series::audio_jitter_ms`]
    AudioJitter,
    /// [`Series::video_lost`]; add packets.
    VideoLost,
    /// [`Series::audio_lost`]; add packets.
    AudioLost,
    /// [`Series::psnr_db`]
    Psnr,
    /// [`Series::level_dbfs`]
    Level,
    /// [`Series::rtt_ms`]
    Rtt,
    /// [`Series::target_kbps`]
    Target,
}

const COLUMNS: usize = 13;

impl Column {
    fn place(self) -> usize {
        self as usize
    }

    fn kind(self) -> Kind {
        match self {
            Self::VideoKbps | Self::AudioKbps | Self::Fps => Kind::Rate,
            Self::VideoLost | Self::AudioLost => Kind::Sum,
            Self::VideoLatency
            | Self::AudioLatency
            | Self::VideoJitter
            | Self::AudioJitter
            | Self::Psnr
            | Self::Level
            | Self::Rtt
            | Self::Target => Kind::Mean,
        }
    }
}

/// What becomes of the values of one entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Their sum, for a second.
    Rate,
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
}

/// Collects a [`Series`]. It begins at the first value, at a whole entry since the peers were started, and needs at most 4 MB
/// however long a call is: when there are too many entries, neighbours become one.
#[derive(Debug, Clone)]
pub struct SeriesBuilder {
    run_start: Instant,
    most: usize,
    interval: Duration,
    /// When the first entry begins, after `run_start`.
    start: Option<Duration>,
    columns: [Vec<Entry>; COLUMNS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    sum: f32,
    count: u32,
}

const INTERVAL: Duration = Duration::from_millis(100);
/// An hour.
const MOST_ENTRIES: usize = 36_000;

impl SeriesBuilder {
    /// Without values; times are counted from `run_start`.
    pub fn new(run_start: Instant) -> Self {
        Self::with_limit(run_start, MOST_ENTRIES)
    }

    fn with_limit(run_start: Instant, most: usize) -> Self {
        Self { run_start, most: most.max(1), interval: INTERVAL, start: None, columns: Default::default() }
    }

    /// A value in the unit of its column. Values of one entry are summed up where a [`Column`] says what to add, else
    /// their mean is taken. One that is not a number is left out; one from before the first entry counts into it.
    pub fn add(&mut self, now: Instant, column: Column, value: f64) {
        if !value.is_finite() {
            return;
        }
        let time = now.saturating_duration_since(self.run_start);
        let start = *self.start.get_or_insert_with(|| self.interval * whole_entries(time, self.interval));
        let since = time.saturating_sub(start);
        while whole_entries(since, self.interval) as usize >= self.most {
            self.merge_neighbours();
        }
        let at = whole_entries(since, self.interval) as usize;
        if let Some(entries) = self.columns.get_mut(column.place()) {
            if entries.len() <= at {
                entries.resize(at + 1, Entry::default());
            }
            if let Some(entry) = entries.get_mut(at) {
                entry.sum += value as f32;
                entry.count += 1;
            }
        }
    }

    /// Everything so far; `None` without a value. The last entry may still be growing.
    pub fn build(&self) -> Option<Series> {
        let start = self.start?;
        let length = self.columns.iter().map(Vec::len).max()?;
        let column = |column: Column| self.column(column, length);
        Some(Series {
            start_ms: start.as_secs_f64() * 1000.0,
            interval_ms: self.interval.as_secs_f64() * 1000.0,
            video_kbps: column(Column::VideoKbps),
            audio_kbps: column(Column::AudioKbps),
            fps: column(Column::Fps),
            video_latency_ms: column(Column::VideoLatency),
            audio_latency_ms: column(Column::AudioLatency),
            video_jitter_ms: column(Column::VideoJitter),
            audio_jitter_ms: column(Column::AudioJitter),
            video_lost: column(Column::VideoLost),
            audio_lost: column(Column::AudioLost),
            psnr_db: column(Column::Psnr),
            level_dbfs: column(Column::Level),
            rtt_ms: column(Column::Rtt),
            target_kbps: column(Column::Target),
        })
    }

    fn column(&self, column: Column, length: usize) -> Vec<Option<f32>> {
        let entries = self.columns.get(column.place()).map_or(&[][..], Vec::as_slice);
        let kind = column.kind();
        let seconds = self.interval.as_secs_f32();
        (0..length)
            .map(|at| {
                // Where something is counted, nothing is a number too, once the column has begun to count at all.
                let entry = entries.get(at).copied().unwrap_or_default();
                match kind {
                    Kind::Rate => (!entries.is_empty()).then(|| entry.sum / seconds),
                    Kind::Sum => (!entries.is_empty()).then_some(entry.sum),
                    Kind::Mean => (entry.count > 0).then(|| entry.sum / entry.count as f32),
                }
            })
            .collect()
    }

    fn merge_neighbours(&mut self) {
        self.interval *= 2;
        for entries in &mut self.columns {
            let merged = entries
                .chunks(2)
                .map(|pair| Entry {
                    sum: pair.iter().map(|entry| entry.sum).sum(),
                    count: pair.iter().map(|entry| entry.count).sum(),
                })
                .collect();
            *entries = merged;
        }
    }
}

/// How many whole entries fit into a time; more than 2^32 of them are as good as 2^32.
fn whole_entries(time: Duration, interval: Duration) -> u32 {
    u32::try_from(time.as_nanos() / interval.as_nanos().max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn built(most: usize, values: &[(u64, Column, f64)]) -> Series {
        let start = start();
        let mut builder = SeriesBuilder::with_limit(start, most);
        for &(ms, column, value) in values {
            builder.add(start + Duration::from_millis(ms), column, value);
        }
        builder.build().unwrap()
    }

    #[test]
    fn a_column_of_the_other_end_is_taken_over_by_its_time() {
        let (target, empty) = (vec![Some(1.0), Some(2.0), None, Some(4.0)], vec![None; 3]);
        let other = Series { start_ms: 1000.0, interval_ms: 100.0, target_kbps: target, ..Series::default() };
        let mut own = Series { start_ms: 1090.0, interval_ms: 200.0, target_kbps: empty, ..Series::default() };
        own.take_target(&other);
        assert_eq!(own.target_kbps, [Some(2.0), Some(4.0), None]);
    }

    #[test]
    fn without_values_there_is_no_series() {
        let mut builder = SeriesBuilder::new(start());
        assert_eq!(builder.build(), None);
        builder.add(start(), Column::Rtt, f64::NAN);
        assert_eq!(builder.build(), None);
    }

    #[test]
    fn it_begins_at_the_first_value_and_an_entry_ends_where_the_next_begins() {
        let series = built(
            10,
            &[(1234, Column::Rtt, 1.0), (1299, Column::Rtt, 3.0), (1300, Column::Rtt, 5.0), (1500, Column::Rtt, 7.0)],
        );
        assert_eq!((series.start_ms, series.interval_ms), (1200.0, 100.0));
        assert_eq!(series.rtt_ms, [Some(2.0), Some(5.0), None, Some(7.0)]);
    }

    #[test]
    fn rates_are_for_a_second_losses_are_counts_and_nothing_counted_is_zero() {
        let series = built(
            10,
            &[
                (0, Column::VideoKbps, 8.0),
                (50, Column::VideoKbps, 4.0),
                (60, Column::Fps, 1.0),
                (70, Column::Fps, 1.0),
                (210, Column::VideoLost, 3.0),
                (220, Column::VideoLost, 1.0),
            ],
        );
        assert_eq!(series.video_kbps, [Some(120.0), Some(0.0), Some(0.0)]);
        assert_eq!(series.fps, [Some(20.0), Some(0.0), Some(0.0)]);
        assert_eq!(series.video_lost, [Some(0.0), Some(0.0), Some(4.0)]);
    }

    #[test]
    fn all_columns_are_equally_long() {
        let series = built(10, &[(0, Column::Level, -15.0), (450, Column::Psnr, 40.0)]);
        assert_eq!(series.level_dbfs, [Some(-15.0), None, None, None, None]);
        assert_eq!(series.psnr_db, [None, None, None, None, Some(40.0)]);
        for unused in [series.audio_lost, series.target_kbps, series.fps] {
            assert_eq!(unused, [None::<f32>; 5]);
        }
    }

    #[test]
    fn neighbours_become_one_when_there_are_too_many() {
        let values: Vec<_> = (0..5)
            .flat_map(|entry| {
                let ms = entry * 100;
                [(ms, Column::Rtt, entry as f64), (ms, Column::AudioKbps, 10.0), (ms, Column::AudioLost, 1.0)]
            })
            .collect();
        let series = built(4, &values);
        assert_eq!(series.interval_ms, 200.0);
        assert_eq!(series.rtt_ms, [Some(0.5), Some(2.5), Some(4.0)]);
        assert_eq!(series.audio_lost, [Some(2.0), Some(2.0), Some(1.0)]);
        assert_eq!(series.audio_kbps, [Some(100.0), Some(100.0), Some(50.0)]);
    }

    #[test]
    fn a_long_pause_doubles_the_interval_as_often_as_needed() {
        let series = built(4, &[(0, Column::Rtt, 1.0), (100 * 64, Column::Rtt, 2.0)]);
        assert_eq!(series.interval_ms, 3200.0);
        assert_eq!(series.rtt_ms, [Some(1.0), None, Some(2.0)]);
    }

    #[test]
    fn a_value_from_before_the_first_entry_counts_into_it() {
        let series = built(4, &[(500, Column::Rtt, 1.0), (420, Column::Rtt, 3.0)]);
        assert_eq!((series.start_ms, series.rtt_ms), (500.0, vec![Some(2.0)]));
    }

    #[test]
    fn hours_stay_within_the_limit() {
        let start = start();
        let mut builder = SeriesBuilder::new(start);
        for second in 0..4 * 3600 {
            builder.add(start + Duration::from_secs(second), Column::Fps, 30.0);
        }
        let series = builder.build().unwrap();
        assert_eq!((series.interval_ms, series.fps.len()), (400.0, 35_998));
    }
}
