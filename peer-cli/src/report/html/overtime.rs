//! The call over time: for each measure the directions side by side, on the same axes.

use maud::{Markup, html};

use super::axis;
use super::moments;
use super::plot::{Frame, Line, draw};
use super::track::{Column, Track};
use crate::report::Report;
use crate::report::metrics::plausible;

/// A plot for each direction.
struct Measure {
    title: &'static str,
    unit: &'static str,
    /// Whether the axis begins at 0.
    from_zero: bool,
    /// Whether it is worth a plot only when there is anything but 0.
    if_any: bool,
    /// Whether only whole entries are drawn: what is a rate or a level says nothing of a part of one.
    whole: bool,
    columns: &'static [Column],
}

static MEASURES: [Measure; 7] = [
    Measure {
        title: "Bitrate",
        unit: "kbit/s",
        from_zero: true,
        if_any: false,
        whole: true,
        columns: &[
            Column { name: "video", class: "video", of: |series| &series.video_kbps },
            Column { name: "audio", class: "audio", of: |series| &series.audio_kbps },
            Column { name: "target", class: "third", of: |series| &series.target_kbps },
        ],
    },
    Measure {
        title: "Frame rate",
        unit: "fps",
        from_zero: true,
        if_any: false,
        whole: true,
        columns: &[Column { name: "pictures", class: "video", of: |series| &series.fps }],
    },
    Measure {
        title: "Latency",
        unit: "ms",
        from_zero: true,
        if_any: false,
        whole: false,
        columns: &[
            Column { name: "video", class: "video", of: |series| &series.video_latency_ms },
            Column { name: "audio", class: "audio", of: |series| &series.audio_latency_ms },
            Column { name: "round trip", class: "third", of: |series| &series.rtt_ms },
        ],
    },
    Measure {
        title: "Jitter",
        unit: "ms",
        from_zero: true,
        if_any: false,
        whole: false,
        columns: &[
            Column { name: "video", class: "video", of: |series| &series.video_jitter_ms },
            Column { name: "audio", class: "audio", of: |series| &series.audio_jitter_ms },
        ],
    },
    Measure {
        title: "Packets found missing",
        unit: "packets",
        from_zero: true,
        if_any: true,
        whole: false,
        columns: &[
            Column { name: "video", class: "video", of: |series| &series.video_lost },
            Column { name: "audio", class: "audio", of: |series| &series.audio_lost },
        ],
    },
    Measure {
        title: "Picture quality (PSNR)",
        unit: "dB",
        from_zero: false,
        if_any: false,
        whole: false,
        columns: &[Column { name: "pictures", class: "video", of: |series| &series.psnr_db }],
    },
    Measure {
        title: "Level of the sound",
        unit: "dBFS",
        from_zero: false,
        if_any: false,
        whole: true,
        columns: &[Column { name: "sound", class: "audio", of: |series| &series.level_dbfs }],
    },
];

/// All plots, and what happened meanwhile; nothing without a series.
pub(super) fn section(report: &Report) -> Markup {
    let tracks: Vec<Track<'_>> = report.directions.iter().filter_map(|way| Track::new(report, way)).collect();
    let Some(time_ms) = span(&tracks) else { return Markup::default() };
    html! {
        @for measure in &MEASURES {
            @if let Some(frame) = frame(measure, &tracks, time_ms) {
                h3 { (measure.title) }
                div.plots {
                    @for track in tracks.iter().filter(|track| track.bounds(measure.columns, measure.whole).is_some()) {
                        (plot(measure, track, &frame, report))
                    }
                }
            }
        }
        (moments::happenings(report))
    }
}

fn plot(measure: &Measure, track: &Track<'_>, frame: &Frame, report: &Report) -> Markup {
    let heading = format!("{} → {}", track.direction.from, track.direction.to);
    let lines: Vec<Line<'_>> = measure.columns.iter().map(|column| track.line(column, measure.whole)).collect();
    draw(&heading, measure.unit, &lines, frame, &moments::of_peer(report, &track.direction.to))
}

/// The time that all series together take; from the beginning of the run unless there was a long wait.
fn span(tracks: &[Track<'_>]) -> Option<(f64, f64)> {
    let from = tracks.iter().map(|track| track.span_ms().0).reduce(f64::min)?;
    let to = tracks.iter().map(|track| track.span_ms().1).reduce(f64::max)?;
    let waited = from > to * 0.25;
    (to > from && plausible(to - from)).then_some((if waited { from } else { from.min(0.0) }, to))
}

/// One frame for all directions, so that they can be compared; `None` where there is nothing to show.
fn frame(measure: &Measure, tracks: &[Track<'_>], time_ms: (f64, f64)) -> Option<Frame> {
    let each = tracks.iter().filter_map(|track| track.bounds(measure.columns, measure.whole));
    let (low, high) = each.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    if measure.if_any && high <= 0.0 {
        return None;
    }
    let low = if measure.from_zero { low.min(0.0) } else { low };
    let step = axis::step((high - low).max(f64::from(f32::EPSILON)), 4);
    // A steady value is no reason for an axis of millionths.
    let step = if high - low < 1e-3 * high.abs().max(1.0) { axis::step(high.abs().max(1.0), 4) } else { step };
    Some(Frame { time_ms, values: axis::round_out(low, high, step), step })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Series;
    use crate::report::{Direction, sample};

    /// The frame of a measure, by its place in the list.
    fn framed(measure: usize, report: &Report) -> Option<Frame> {
        let tracks: Vec<_> = report.directions.iter().filter_map(|way| Track::new(report, way)).collect();
        frame(&MEASURES[measure], &tracks, (0.0, 1000.0))
    }

    fn spanned(report: &Report) -> Option<(f64, f64)> {
        let tracks: Vec<_> = report.directions.iter().filter_map(|way| Track::new(report, way)).collect();
        span(&tracks)
    }

    #[test]
    fn both_directions_have_the_same_axis() {
        let mut report = sample::healthy();
        let fps = vec![None, Some(12.0), None];
        report.directions[0].series = Some(Series { fps, interval_ms: 100.0, ..Series::default() });
        let found = framed(1, &report).unwrap();
        assert_eq!((found.values, found.step), ((0.0, 30.0), 10.0));
    }

    #[test]
    fn no_loss_is_no_plot_and_a_steady_level_has_a_sane_axis() {
        let report = sample::healthy();
        assert_eq!(framed(4, &report), None);
        let psnr = framed(5, &report).unwrap();
        assert_eq!((psnr.values, psnr.step), ((30.0, 40.0), 10.0));
        let level = framed(6, &report).unwrap();
        assert_eq!((level.values, level.step), ((-15.0, -10.0), 5.0), "the ends, which are not whole, do not count");
    }

    #[test]
    fn time_begins_with_the_run_unless_somebody_waited_long() {
        let mut report = sample::healthy();
        assert_eq!(spanned(&report), Some((0.0, 3100.0)));
        for series in report.directions.iter_mut().filter_map(|direction| direction.series.as_mut()) {
            series.start_ms = 60_000.0;
        }
        assert_eq!(spanned(&report), Some((60_000.0, 63_100.0)));
        assert_eq!(span(&[]), None);
    }

    #[test]
    fn a_value_that_nobody_measured_bends_no_axis() {
        let mut report = sample::healthy();
        let series = report.directions[0].series.as_mut().unwrap();
        series.fps[5] = Some(f32::MAX);
        series.video_kbps[6] = Some(f32::NEG_INFINITY);
        assert_eq!(framed(1, &report).unwrap().values, (0.0, 30.0));
        assert_eq!(framed(0, &report).unwrap().values, (0.0, 1500.0));
        let broken = Series { interval_ms: 1e308, fps: vec![Some(1.0); 9], ..Series::default() };
        report.directions.push(Direction { series: Some(broken), ..Direction::default() });
        assert_eq!(spanned(&report), Some((0.0, 3100.0)), "one direction does not cost the others their plots");
    }
}
