//! The call over time: for each measure the directions side by side, on the same axes.

use maud::{Markup, html};

use super::axis;
use super::plot::{Frame, Line, draw};
use super::stages;
use super::text::length;
use super::thin;
use crate::measure::Series;
use crate::report::{Direction, Report};

/// A column of the series as a line.
struct Column {
    name: &'static str,
    class: &'static str,
    of: fn(&Series) -> &[Option<f32>],
}

/// A plot for each direction.
struct Measure {
    title: &'static str,
    unit: &'static str,
    /// Whether the axis begins at 0.
    from_zero: bool,
    /// Whether it is worth a plot only when there is anything but 0.
    if_any: bool,
    columns: &'static [Column],
}

static MEASURES: [Measure; 7] = [
    Measure {
        title: "Bitrate",
        unit: "kbit/s",
        from_zero: true,
        if_any: false,
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
        columns: &[Column { name: "pictures", class: "video", of: |series| &series.fps }],
    },
    Measure {
        title: "Latency",
        unit: "ms",
        from_zero: true,
        if_any: false,
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
        columns: &[Column { name: "pictures", class: "video", of: |series| &series.psnr_db }],
    },
    Measure {
        title: "Level of the sound",
        unit: "dBFS",
        from_zero: false,
        if_any: false,
        columns: &[Column { name: "sound", class: "audio", of: |series| &series.level_dbfs }],
    },
];

/// All plots, and what happened meanwhile; nothing without a series.
pub(super) fn section(report: &Report) -> Markup {
    let Some(time_ms) = span(&report.directions) else { return Markup::default() };
    html! {
        @for measure in &MEASURES {
            @if let Some(frame) = frame(measure, &report.directions, time_ms) {
                h3 { (measure.title) }
                div.plots {
                    @for direction in report.directions.iter().filter(|direction| has(measure, direction)) {
                        (plot(measure, direction, &frame, report))
                    }
                }
            }
        }
        (happenings(report))
    }
}

fn plot(measure: &Measure, direction: &Direction, frame: &Frame, report: &Report) -> Markup {
    let heading = format!("{} → {}", direction.from, direction.to);
    let lines: Vec<Line<'_>> = direction.series.iter().flat_map(|series| lines(measure, series)).collect();
    draw(&heading, measure.unit, &lines, frame, &moments(report, &direction.to))
}

fn lines<'a>(measure: &Measure, series: &'a Series) -> Vec<Line<'a>> {
    let line = |column: &Column| Line {
        name: column.name,
        class: column.class,
        column: (column.of)(series),
        start_ms: series.start_ms,
        interval_ms: series.interval_ms,
    };
    measure.columns.iter().map(line).collect()
}

fn has(measure: &Measure, direction: &Direction) -> bool {
    direction
        .series
        .as_ref()
        .is_some_and(|series| measure.columns.iter().any(|column| thin::bounds((column.of)(series)).is_some()))
}

/// The time that all series together take; from the beginning of the run unless there was a long wait.
fn span(directions: &[Direction]) -> Option<(f64, f64)> {
    let series = || directions.iter().filter_map(|direction| direction.series.as_ref());
    let from = series().map(|series| series.start_ms).reduce(f64::min)?;
    let to = series().map(|series| series.start_ms + length_of(series) as f64 * series.interval_ms).reduce(f64::max)?;
    let waited = from > to * 0.25;
    (to > from && from.is_finite() && to.is_finite()).then_some((if waited { from } else { 0.0 }, to))
}

/// Entries of the longest column.
fn length_of(series: &Series) -> usize {
    let columns = MEASURES.iter().flat_map(|measure| measure.columns);
    columns.map(|column| (column.of)(series).len()).max().unwrap_or(0)
}

/// One frame for all directions, so that they can be compared; `None` where there is nothing to show.
fn frame(measure: &Measure, directions: &[Direction], time_ms: (f64, f64)) -> Option<Frame> {
    let (low, high) = directions
        .iter()
        .filter_map(|direction| direction.series.as_ref())
        .flat_map(|series| measure.columns.iter().filter_map(|column| thin::bounds((column.of)(series))))
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    if measure.if_any && high <= 0.0 {
        return None;
    }
    let low = if measure.from_zero { low.min(0.0) } else { low };
    let step = axis::step((high - low).max(f64::from(f32::EPSILON)), 4);
    // A steady value is no reason for an axis of millionths.
    let step = if high - low < 1e-3 * high.abs().max(1.0) { axis::step(high.abs().max(1.0), 4) } else { step };
    Some(Frame { time_ms, values: axis::round_out(low, high, step), step })
}

/// What happened to a peer after it was connected.
fn moments(report: &Report, name: &str) -> Vec<(f64, String)> {
    let phases = report.peer(name).map(|peer| peer.phases.as_slice()).unwrap_or_default();
    let after = phases.iter().skip_while(|stamp| stamp.phase != "connected").skip(1);
    let told = ["interrupted", "connected", "ice-restart", "signaling-lost", "signaling-back"];
    after
        .filter(|stamp| told.contains(&stamp.phase.as_str()))
        .map(|stamp| (stamp.at_ms, format!("{}: {}", length(stamp.at_ms), stages::words(&stamp.phase))))
        .take(50)
        .collect()
}

fn happenings(report: &Report) -> Markup {
    let all: Vec<(&str, (f64, String))> = report
        .peers
        .iter()
        .flat_map(|peer| moments(report, &peer.name).into_iter().map(|moment| (peer.name.as_str(), moment)))
        .collect();
    html! {
        @if !all.is_empty() {
            h3 { "What happened meanwhile" }
            p.aside { "Dashed lines in the plots of who received." }
            ul { @for (name, (_, words)) in &all { li { span.name { (name) } " " (words) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn both_directions_have_the_same_axis() {
        let mut report = sample::call();
        report.directions[0].series = Some(Series { fps: vec![Some(12.0)], ..Series::default() });
        let found = frame(&MEASURES[1], &report.directions, (0.0, 1000.0)).unwrap();
        assert_eq!((found.values, found.step), ((0.0, 30.0), 10.0));
    }

    #[test]
    fn no_loss_is_no_plot_and_a_steady_level_has_a_sane_axis() {
        let report = sample::call();
        assert_eq!(frame(&MEASURES[4], &report.directions, (0.0, 1000.0)), None);
        let psnr = frame(&MEASURES[5], &report.directions, (0.0, 1000.0)).unwrap();
        assert_eq!((psnr.values, psnr.step), ((40.0, 60.0), 20.0));
    }

    #[test]
    fn time_begins_with_the_run_unless_somebody_waited_long() {
        let mut report = sample::call();
        assert_eq!(span(&report.directions), Some((0.0, 10_200.0)));
        for series in report.directions.iter_mut().filter_map(|direction| direction.series.as_mut()) {
            series.start_ms = 60_000.0;
        }
        assert_eq!(span(&report.directions), Some((60_000.0, 70_000.0)));
        assert_eq!(span(&[]), None);
    }

    #[test]
    fn an_interruption_is_told_and_the_set_up_is_not() {
        let mut report = sample::call();
        let stamp = crate::report::PhaseStamp { phase: "interrupted".to_owned(), at_ms: 4000.0 };
        report.peers[1].phases.push(stamp);
        assert_eq!(moments(&report, "bob"), [(4000.0, "4.00\u{a0}s: nothing comes any more".to_owned())]);
        assert!(section(&report).into_string().contains("What happened meanwhile"));
    }
}
