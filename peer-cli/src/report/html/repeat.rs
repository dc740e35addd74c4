//! The calls of `--repeat` together: how they ended, how their figures are spread, and each call.

use maud::{Markup, html};

use super::super::terminal::words::utc;
use super::axis::{Scale, place as px};
use super::tables::table;
use super::text::{count, length, number};
use crate::measure::Distribution;
use crate::report::{RepeatReport, RunReport};

const WIDTH: f64 = 160.0;
/// More calls than this nobody reads; the JSON report has them all.
const MOST_RUNS: usize = 500;

/// Everything about the calls together.
pub(super) fn section(repeat: &RepeatReport) -> Markup {
    let failed = repeat.calls.saturating_sub(repeat.ok);
    html! {
        p {
            (count(repeat.ok)) " of " (count(repeat.calls)) " calls worked"
            @if failed > 0 { ", " (count(failed)) " did not" }
            @if let Some(asked) = repeat.asked.filter(|asked| *asked > repeat.calls) {
                "; " (count(asked)) " were asked for, and then the run was stopped"
            }
            ". The rest of this page is about the call that says most: the first that failed, or the last."
        }
        @if !repeat.causes.is_empty() {
            (table("How the calls ended", &["Verdict"], &["Calls"], &html! {
                @for (code, n) in &repeat.causes { tr { th scope="row" { code { (code) } } td.n { (count(*n)) } } }
            }))
        }
        @if !repeat.metrics.is_empty() {
            (table(
                "How the figures are spread over all calls; in the picture: min to max, the box from p50 to p95",
                &["Metric", "Unit", "Spread"], &["Min", "p50", "Mean", "p95", "p99", "Max", "Values"],
                &html! { @for (name, values) in &repeat.metrics { (metric(name, values)) } },
            ))
        }
        @if !repeat.runs.is_empty() { (runs(&repeat.runs)) }
    }
}

fn metric(name: &str, values: &Distribution) -> Markup {
    html! {
        tr {
            th scope="row" { code { (name) } }
            td { (unit(name)) }
            td { (strip(name, values)) }
            @for value in [values.min, values.p50, values.mean, values.p95, values.p99, values.max] {
                td.n { (number(value)) }
            }
            td.n { (count(values.count)) }
        }
    }
}

/// The spread as a picture, each on a scale of its own.
fn strip(name: &str, values: &Distribution) -> Markup {
    let scale = Scale::new((values.min, values.max), (6.0, WIDTH - 6.0));
    let (low, mid, high, top) =
        (scale.at(values.min), scale.at(values.p50), scale.at(values.p95), scale.at(values.max));
    html! {
        svg.strip viewBox={ "0 0 " (px(WIDTH)) " 18" } width=(px(WIDTH)) height="18" role="img"
            aria-label={ "Spread of " (name) } {
            line x1=(px(low)) x2=(px(top)) y1="9" y2="9" {}
            line x1=(px(low)) x2=(px(low)) y1="5" y2="13" {}
            line x1=(px(top)) x2=(px(top)) y1="5" y2="13" {}
            rect x=(px(mid)) y="4" width=(px((high - mid).max(1.0))) height="10" {}
            line.middle x1=(px(mid)) x2=(px(mid)) y1="2" y2="16" {}
        }
    }
}

/// Names of metrics end with their unit.
fn unit(name: &str) -> &'static str {
    const ENDINGS: [(&str, &str); 9] = [
        ("_ms", "ms"),
        ("_percent", "%"),
        ("_kbps", "kbit/s"),
        ("_dbfs", "dBFS"),
        ("_db", "dB"),
        ("_hz", "Hz"),
        ("_mb", "MB"),
        ("seconds", "s"),
        ("fps", "fps"),
    ];
    ENDINGS.iter().find(|ending| name.ends_with(ending.0)).map_or("", |ending| ending.1)
}

fn runs(runs: &[RunReport]) -> Markup {
    let more = runs.len().saturating_sub(MOST_RUNS);
    html! {
        details open[runs.len() <= 20] {
            summary { "Each call (" (count(runs.len() as u64)) ")" }
            (table("The calls in order", &["Call", "Verdict", "In words", "Started"], &["Length"], &html! {
                @for (index, run) in runs.iter().take(MOST_RUNS).enumerate() {
                    tr {
                        th scope="row" { (index + 1) }
                        @let (class, mark) = state(&run.code);
                        td { span.state.(class) { (mark) " " (run.code) } }
                        td.prose { (run.sentence) }
                        td { (utc(run.started_unix_ms)) }
                        td.n { (length(run.duration_ms)) }
                    }
                }
                @if more > 0 { tr { td colspan="5" { "and " (count(more as u64)) " more, which the JSON report has" } } }
            }))
        }
    }
}

/// Signaling that was lost while the media went on is only a warning.
fn state(code: &str) -> (&'static str, &'static str) {
    match code {
        "OK" => ("ok", "✓"),
        "SIGNALING_LOST_IN_CALL" => ("warn", "!"),
        _ => ("fail", "✕"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_metrics_tell_their_unit() {
        let found = ["setup_ms", "audio.level_dbfs", "video.psnr_db", "video.fps", "calls"].map(unit);
        assert_eq!(found, ["ms", "dBFS", "dB", "fps", ""]);
    }

    #[test]
    fn calls_and_their_figures_are_listed() {
        let spread = Distribution { count: 3, min: 10.0, mean: 20.0, p50: 20.0, p95: 29.0, p99: 30.0, max: 30.0 };
        let run = RunReport { code: "ROOM_FULL".to_owned(), ..RunReport::default() };
        let repeat = RepeatReport {
            asked: None,
            calls: 3,
            ok: 2,
            causes: [("OK".to_owned(), 2), ("ROOM_FULL".to_owned(), 1)].into(),
            metrics: [("setup_ms".to_owned(), spread)].into(),
            runs: vec![run],
        };
        let page = section(&repeat).into_string();
        for text in ["2 of 3 calls worked, 1 did not", "✕ ROOM_FULL", "Spread of setup_ms", "x=\"80\""] {
            assert!(page.contains(text), "{text} is missing in {page}");
        }
    }

    #[test]
    fn a_single_value_has_a_spread_that_can_be_drawn() {
        let one = Distribution { count: 1, min: 5.0, mean: 5.0, p50: 5.0, p95: 5.0, p99: 5.0, max: 5.0 };
        assert!(!strip("setup_ms", &one).into_string().contains("NaN"));
    }
}
