//! One plot: lines over time with axes, and what each line ranges over.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::{self, Scale, place as px};
use super::labels;
use super::moments::{self, Mark, Moment};
use super::text::quantity;
use super::thin;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 164.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 472.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 144.0;
/// Points of a line, at most about.
const POINTS: usize = 800;

/// One line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) name: &'static str,
    /// The class in the style sheet; it also chooses the dashes, so that colour is not the only sign.
    pub(super) class: &'static str,
    pub(super) column: &'a [Option<f32>],
    /// When the column begins, in milliseconds since the run began.
    pub(super) start_ms: f64,
    /// The length of an entry, in milliseconds.
    pub(super) interval_ms: f64,
}

/// What the axes show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    /// From and to, in milliseconds since the run began.
    pub(super) time_ms: (f64, f64),
    pub(super) values: (f64, f64),
    pub(super) step: f64,
}

/// The plot as a figure with its caption; `heading` names it.
pub(super) fn draw(heading: &str, unit: &str, lines: &[Line<'_>], frame: &Frame, moments: &[Moment]) -> Markup {
    let across = Scale::new(frame.time_ms, (LEFT, RIGHT));
    let up = Scale::new(frame.values, (BOTTOM, TOP));
    let shown: Vec<&Line<'_>> = lines.iter().filter(|line| thin::bounds(line.column).is_some()).collect();
    let ranges: Vec<String> = shown.iter().map(|line| format!("{} {}", line.name, range(line.column, unit))).collect();
    html! {
        figure.plot {
            figcaption {
                span.heading { (heading) }
                ul.legend {
                    @for line in &shown {
                        li { (swatch(line.class)) (line.name) " " span.range { (range(line.column, unit)) } }
                    }
                }
            }
            div.scroll tabindex="0" role="group" aria-label={ (heading) "; scrolls sideways" } {
                svg.plot viewBox=(format!("0 0 {} {}", px(WIDTH), px(HEIGHT))) role="img"
                    aria-label={ (heading) ", " (unit) ": " (ranges.join("; ")) }
                    data-box=(format!("{} {} {} {}", px(LEFT), px(RIGHT), px(TOP), px(BOTTOM)))
                    data-time=(format!("{} {}", px(frame.time_ms.0), px(frame.time_ms.1)))
                    data-values=(format!("{} {}", frame.values.0, frame.values.1)) data-unit=(unit) {
                    (axes(frame, unit, &across, &up))
                    @for mark in moments::marks(moments, frame.time_ms, &across) { (moment(&mark)) }
                    @for line in &shown {
                        path.line.(line.class) data-name=(line.name) d=(path(line, &across, &up)) {}
                    }
                }
            }
        }
    }
}

fn axes(frame: &Frame, unit: &str, across: &Scale, up: &Scale) -> Markup {
    let (from, to) = frame.time_ms;
    let step = axis::time_step(to - from, 6);
    html! {
        g.grid {
            @for value in axis::ticks(frame.values.0, frame.values.1, frame.step) {
                line x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(up.at(value))) y2=(px(up.at(value))) {}
                text x=(px(LEFT - 6.0)) y=(px(up.at(value) + 4.0)) text-anchor="end" { (axis::label(value, frame.step)) }
            }
            @for ms in axis::ticks(from, to, step) {
                line x1=(px(across.at(ms))) x2=(px(across.at(ms))) y1=(px(BOTTOM)) y2=(px(BOTTOM + 4.0)) {}
                @let label = axis::time_label(ms, step, to);
                text x=(px(inside(across.at(ms), &label))) y=(px(BOTTOM + 17.0)) text-anchor="middle" { (label) }
            }
            text.unit x=(px(LEFT + 4.0)) y=(px(TOP - 4.0)) { (unit) }
        }
    }
}

/// The middle of a label that would like to stand at `x` and must not leave the paper.
fn inside(x: f64, label: &str) -> f64 {
    x.min(WIDTH - labels::width(label) / 2.0)
}

/// A line, or a band where several moments are too near to each other for lines.
fn moment(mark: &Mark) -> Markup {
    let (from, to) = (px(mark.from), px(mark.to));
    html! {
        @if mark.from < mark.to {
            rect.moments x=(from) y=(px(TOP)) width=(px((mark.to - mark.from).max(2.0))) height=(px(BOTTOM - TOP)) {
                title { (mark.words) }
            }
        } @else {
            line.moment x1=(from) x2=(to) y1=(px(TOP)) y2=(px(BOTTOM)) { title { (mark.words) } }
        }
    }
}

/// A piece of the line, for the legend.
fn swatch(class: &str) -> Markup {
    html! {
        svg.key viewBox="0 0 22 8" width="22" height="8" aria-hidden="true" {
            path.line.(class) d="M1,4L21,4" {}
        }
    }
}

fn range(column: &[Option<f32>], unit: &str) -> String {
    thin::bounds(column)
        .map_or_else(String::new, |(low, high)| format!("min {}, max {}", quantity(low, ""), quantity(high, unit)))
}

/// All runs of a line; the middle of an entry's time is where its value stands.
fn path(line: &Line<'_>, across: &Scale, up: &Scale) -> String {
    let mut out = String::new();
    for run in thin::runs(line.column, POINTS) {
        pen(&mut out, &run, |index| across.at(line.start_ms + (index as f64 + 0.5) * line.interval_ms), up);
    }
    out
}

fn pen(out: &mut String, run: &[(usize, f64)], across: impl Fn(usize) -> f64, up: &Scale) {
    for (n, (index, value)) in run.iter().enumerate() {
        let letter = if n == 0 { 'M' } else { 'L' };
        // Writing into a string cannot fail.
        let _ = write!(out, "{letter}{},{}", px(across(*index)), px(up.at(*value)));
    }
    // A value alone has no length; a hair of a line gives it a round dot.
    if run.len() == 1 {
        out.push_str("h.01");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { time_ms: (0.0, 4200.0), values: (0.0, 134.0), step: 50.0 };

    fn line(column: &[Option<f32>]) -> Line<'_> {
        Line { name: "video", class: "video", column, start_ms: 0.0, interval_ms: 100.0 }
    }

    #[test]
    fn a_line_has_its_values_in_the_middle_of_their_times() {
        let column = [Some(0.0), Some(134.0), None, None, None, Some(67.0)];
        let across = Scale::new(FRAME.time_ms, (LEFT, RIGHT));
        let up = Scale::new(FRAME.values, (BOTTOM, TOP));
        assert_eq!(path(&line(&column), &across, &up), "M57,144L67,18M107,81h.01");
    }

    #[test]
    fn a_plot_has_a_unit_a_range_and_only_moments_on_its_axis() {
        let marks = [(1000.0, "interrupted".to_owned()), (9000.0, "much later".to_owned())];
        let column = [Some(12.5), Some(100.0)];
        let page = draw("Latency", "ms", &[line(&column)], &FRAME, &marks).into_string();
        for text in ["min 12.5, max 100\u{a0}ms", "interrupted", ">50<", "data-time=\"0 4200\""] {
            assert!(page.contains(text), "{text} is missing in {page}");
        }
        assert!(!page.contains("much later"));
    }

    #[test]
    fn the_last_label_of_the_axis_stays_on_the_paper() {
        assert_eq!(inside(300.0, "90 min"), 300.0);
        assert!(inside(472.0, "120 min") + labels::width("120 min") / 2.0 <= WIDTH);
        let hours = Frame { time_ms: (0.0, 7_200_000.0), ..FRAME };
        let page = draw("Latency", "ms", &[line(&[Some(1.0)])], &hours, &[]).into_string();
        assert!(page.contains(">120\u{a0}min</text>") && !page.contains("<text x=\"472\""), "{page}");
    }

    #[test]
    fn many_moments_become_a_band() {
        let moments: Vec<_> = (0..40).map(|n| (1000.0 + f64::from(n), "interrupted".to_owned())).collect();
        let page = draw("Latency", "ms", &[line(&[Some(1.0)])], &FRAME, &moments).into_string();
        assert_eq!(
            (page.matches("<rect class=\"moments\"").count(), page.matches("<line class=\"moment\"").count()),
            (1, 0)
        );
        assert!(page.contains("40 changes from 1.00"), "{page}");
    }

    #[test]
    fn a_line_without_values_is_left_out() {
        let column = [None, None];
        let page = draw("Latency", "ms", &[line(&column)], &FRAME, &[]).into_string();
        assert!(!page.contains("data-name"), "{page}");
    }
}
