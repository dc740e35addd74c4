//! One direction over time, as the plots draw it.

use std::ops::Range;

use super::plot::Line;
use super::thin;
use crate::measure::Series;
use crate::report::metrics::plausible;
use crate::report::{Direction, Report};

/// A column of the series as a line.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) of: fn(&Series) -> &[Option<f32>],
}

/// A direction with a series that can be drawn.
#[derive(Debug)]
pub(super) struct Track<'a> {
    pub(super) direction: &'a Direction,
    series: &'a Series,
    /// Where its longest column ends, in milliseconds since the run began.
    end_ms: f64,
    /// The entries that lie in the call as a whole. The first packet came in the middle of the first entry, and the call
    /// ended in the middle of the last one: a rate over all of their time would be a cliff that never was.
    whole: Range<usize>,
}

impl<'a> Track<'a> {
    /// `None` without a series, or with one whose times cannot be.
    pub(super) fn new(report: &Report, direction: &'a Direction) -> Option<Self> {
        let series = direction.series.as_ref()?;
        let length = length(series);
        let end_ms = series.start_ms + length as f64 * series.interval_ms;
        let sane = series.interval_ms > 0.0 && plausible(series.start_ms) && plausible(end_ms);
        sane.then(|| Self { direction, series, end_ms, whole: whole(series, length, hung_up_ms(report, direction)) })
    }

    /// From when to when, in milliseconds since the run began.
    pub(super) fn span_ms(&self) -> (f64, f64) {
        (self.series.start_ms, self.end_ms)
    }

    /// A column as a line; of `whole` entries only, where an entry that is not would mislead.
    pub(super) fn line(&self, column: &Column, whole: bool) -> Line<'a> {
        let entries = (column.of)(self.series);
        let from = if whole { self.whole.start.min(entries.len()) } else { 0 };
        let to = if whole { self.whole.end.clamp(from, entries.len()) } else { entries.len() };
        Line {
            name: column.name,
            class: column.class,
            column: entries.get(from..to).unwrap_or_default(),
            start_ms: self.series.start_ms + from as f64 * self.series.interval_ms,
            interval_ms: self.series.interval_ms,
        }
    }

    /// The smallest and the largest value of some columns; `None` without any.
    pub(super) fn bounds(&self, columns: &[Column], whole: bool) -> Option<(f64, f64)> {
        let each = columns.iter().filter_map(|column| thin::bounds(self.line(column, whole).column));
        each.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

/// When the first of both sides hung up; what came later was no part of the call.
fn hung_up_ms(report: &Report, direction: &Direction) -> Option<f64> {
    let peers = [&direction.from, &direction.to].into_iter().filter_map(|name| report.peer(name));
    let ends = peers.filter_map(|peer| peer.phases.iter().find(|stamp| stamp.phase == "hung-up"));
    ends.map(|stamp| stamp.at_ms).filter(|ms| plausible(*ms)).reduce(f64::min)
}

fn whole(series: &Series, length: usize, end_ms: Option<f64>) -> Range<usize> {
    let inside = |ms: f64| ((ms - series.start_ms) / series.interval_ms).max(0.0) as usize;
    let to = length.saturating_sub(1).min(end_ms.map_or(length, inside));
    1..to.max(1)
}

/// Entries of the longest column.
fn length(series: &Series) -> usize {
    let columns = [
        &series.video_kbps,
        &series.audio_kbps,
        &series.fps,
        &series.video_latency_ms,
        &series.audio_latency_ms,
        &series.video_jitter_ms,
        &series.audio_jitter_ms,
        &series.video_lost,
        &series.audio_lost,
        &series.psnr_db,
        &series.level_dbfs,
        &series.rtt_ms,
        &series.target_kbps,
    ];
    columns.into_iter().map(Vec::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    const FPS: Column = Column { name: "pictures", class: "video", of: |series| &series.fps };

    fn fps(report: &Report) -> (Vec<Option<f32>>, f64) {
        let track = Track::new(report, &report.directions[0]).unwrap();
        let line = track.line(&FPS, true);
        (line.column.to_vec(), line.start_ms)
    }

    #[test]
    fn entries_in_which_the_call_began_or_ended_are_no_cliffs() {
        // 10, 30 for 2.9 seconds, and 0, as somebody hung up after 3083 ms.
        let report = sample::healthy();
        assert_eq!(fps(&report), (vec![Some(30.0); 29], 100.0));
        let track = Track::new(&report, &report.directions[0]).unwrap();
        assert_eq!(track.line(&FPS, false).column.len(), 31);
        assert_eq!((track.bounds(&[FPS], true), track.span_ms()), (Some((30.0, 30.0)), (0.0, 3100.0)));
    }

    #[test]
    fn after_the_sender_has_hung_up_nothing_is_missing() {
        let mut report = sample::healthy();
        let stamp = report.peers[0].phases.iter_mut().find(|stamp| stamp.phase == "hung-up").unwrap();
        stamp.at_ms = 2650.0;
        assert_eq!(fps(&report).0.len(), 25, "from 100 ms to 2600 ms");
    }

    #[test]
    fn times_that_cannot_be_draw_nothing() {
        for (start_ms, interval_ms) in [(0.0, 0.0), (0.0, -1.0), (f64::NAN, 100.0), (0.0, 1e308), (-1e308, 100.0)] {
            let mut report = sample::healthy();
            let series = report.directions[0].series.as_mut().unwrap();
            (series.start_ms, series.interval_ms) = (start_ms, interval_ms);
            assert!(Track::new(&report, &report.directions[0]).is_none(), "{start_ms} {interval_ms}");
        }
    }

    #[test]
    fn a_series_of_one_entry_has_no_whole_one() {
        let mut report = sample::healthy();
        report.directions[0].series = Some(Series { fps: vec![Some(12.0)], interval_ms: 100.0, ..Series::default() });
        assert!(fps(&report).0.is_empty());
    }
}
