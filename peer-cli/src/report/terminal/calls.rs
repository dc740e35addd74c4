//! The calls of `--repeat`: how many worked, and how their figures are spread.

use super::{Style, line, plain};
use crate::report::RepeatReport;
use crate::report::metrics::{self, Aggregate, number};

/// What is shown of each metric.
static FIGURES: [(&str, Aggregate); 4] =
    [("min", Aggregate::Min), ("median", Aggregate::P50), ("p95", Aggregate::P95), ("max", Aggregate::Max)];

/// The metrics that say most about many calls.
const SHOWN: [&str; 13] = [
    "signaling_ms",
    "setup_ms",
    "connect_ms",
    "rtt_ms",
    "video.fps",
    "video.latency_ms",
    "video.network_loss_percent",
    "video.freeze_ms",
    "video.psnr_db",
    "audio.latency_ms",
    "audio.network_loss_percent",
    "audio.gap_ms",
    "av_offset_ms",
];

pub(super) fn render(out: &mut String, repeat: &RepeatReport, style: Style) {
    let causes: Vec<_> = repeat.causes.iter().map(|(code, count)| format!("{count} {}", plain(code))).collect();
    // Fewer than were asked for: somebody said stop.
    let of =
        repeat.asked.filter(|asked| *asked > repeat.calls).map_or_else(String::new, |asked| format!(" of {asked}"));
    let causes = if causes.is_empty() { "none was judged".to_owned() } else { causes.join(", ") };
    line(out, format_args!("\n{}{of} calls: {causes}", repeat.calls));
    if repeat.calls == 0 {
        line(out, format_args!("\nthe call that was stopped:"));
        return;
    }
    let figures = FIGURES.iter().filter(|(name, _)| match style.width {
        0..60 => matches!(*name, "median" | "max"),
        60..80 => *name != "min",
        _ => true,
    });
    let figures: Vec<_> = figures.collect();
    let mut head = format!("  {:<26}", "");
    for (name, _) in &figures {
        head.push_str(&format!("{name:>9}"));
    }
    line(out, format_args!("{}", style.faint(&head)));
    for name in SHOWN {
        let (Some(spread), Some(metric)) = (repeat.metrics.get(name), metrics::find(name)) else {
            continue;
        };
        let mut row = format!("  {name:<26}");
        for (_, figure) in &figures {
            row.push_str(&format!("{:>9}", number(figure.of(spread))));
        }
        line(out, format_args!("{row} {}", metric.unit.symbol()));
    }
    let about = if repeat.ok < repeat.calls { "the first call that failed" } else { "the last call" };
    line(out, format_args!("\n{about}:"));
}
