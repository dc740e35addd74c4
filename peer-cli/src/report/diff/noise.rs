//! Which figures are worth comparing, and which changes of them mean nothing.

use crate::measure::Distribution;
use crate::report::metrics::{self, Better, Metric, Reading, Unit};
use crate::report::{RepeatReport, Report};

/// How a comparison decides, for a person to read.
pub const RULES: &str = "\
What is compared: what got slower and what got worse. Totals that only tell how long a call was
(bytes, packets, frames, seconds), tones, and the time since the last packet are not. Counts of
faults and the share of a core are compared only between calls of about the same length.

A change counts when it is larger than what chance makes. Between two single calls:
  steps of the set-up         25 %, and 100 ms: each of them happens once in a call
  latency, PSNR, SSIM         the median; as far as from there to the 95th percentile, and
  and A/V offset              5 ms, 1 dB, 0.01, 20 ms
  round trip, jitter          25 %, and 5 ms
  freezes and gaps            25 %, and 50 ms
  bitrate, frame rate         10 %, and 20 kbps, 1 fps
  loss in percent             twice what chance makes of so many packets, and 0.2 points
  counts                      twice the root of both together, and 2
  CPU, memory                 25 %, and 10 points, 10 MB
  level, estimated MOS        3 dB, 0.2
  calls that work, sizes      any change
Between two runs with --repeat the medians over all calls are compared. There a change counts that
is larger than 5 %, than the least of above (5 ms for all times), and than the way from the median
to the 95th percentile, of which less is taken the more calls there were (of 16 calls a half): with
some ten calls each, far smaller changes can be told.";

/// What is not compared though it has a better and a worse: another metric says the same with less noise, or it adds up
/// over the call.
const LEFT_OUT: [&str; 13] = [
    "ready_ms",
    "duration_ms",
    "failed_calls",
    "process.cpu_seconds",
    "video.decode_cpu_ms",
    "video.judge_cpu_ms",
    "video.lost",
    "video.recovered",
    "video.nacks",
    "audio.lost",
    "audio.recovered",
    "audio.nacks",
    "sent.nacks_received",
];

/// A figure to compare, and by how much it may differ without meaning anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    pub(super) value: f64,
    /// How far the figures behind it reach upwards; absent for a single figure.
    pub(super) spread: Option<f64>,
}

/// Whether a person asks for it who compares two calls; `alike`: whether they are of about the same length.
pub(super) fn is_compared(metric: &Metric, alike: bool) -> bool {
    let total = matches!(metric.unit, Unit::Bytes | Unit::Count | Unit::Seconds | Unit::Hertz);
    let idle = (metric.better == Better::Neither && total) || metric.name.ends_with("quiet_ms");
    // Starting up costs the same however long a call is, so a long one has less of it.
    let grows = metric.unit == Unit::Count || is_hole(metric) || metric.name == "process.cpu_percent";
    !idle && !LEFT_OUT.contains(&metric.name) && (alike || !grows)
}

/// Whether a short call may have it or not by chance, so that its coming and going means nothing.
pub(super) fn is_fleeting(metric: &Metric) -> bool {
    metric.name.ends_with("rtt_ms")
}

/// Whether more of it is what people call slow.
pub(super) fn is_delay(metric: &Metric) -> bool {
    metric.is_step() || metric.name.ends_with("latency_ms") || metric.name.ends_with("rtt_ms")
}

/// Whether two runs are of about the same length.
pub(super) fn is_alike(before: &Report, after: &Report) -> bool {
    let (short, long) = (before.duration_ms.min(after.duration_ms), before.duration_ms.max(after.duration_ms));
    long <= short * 1.25
}

/// The median of a spread in one call.
pub(super) fn in_call(spread: &Distribution) -> Figure {
    Figure { value: spread.p50, spread: Some((spread.p95 - spread.p50).abs()) }
}

/// The median over all calls of a repetition; the more calls, the less of it is chance.
pub(super) fn over_calls(spread: &Distribution, repeat: &RepeatReport) -> Figure {
    let share = (2.0 / (repeat.calls.max(1) as f64).sqrt()).min(1.0);
    let wide = (spread.p95 - spread.p50).abs();
    Figure { value: spread.p50, spread: Some((wide * share).max(spread.p50.abs() * 0.05)) }
}

/// A single figure. What chance makes of a share of packets is known from their number.
pub(super) fn single(metric: &Metric, value: f64, place: &str, report: &Report) -> Figure {
    let kind = metric.name.strip_suffix(".loss_percent").or_else(|| metric.name.strip_suffix(".network_loss_percent"));
    let packets = kind.and_then(|kind| packets(&format!("{kind}.packets"), place, report));
    let chance = packets.map(|packets| {
        // Of none lost one more or less is chance as well.
        let share = (value / 100.0).max(1.0 / packets).clamp(0.0, 1.0);
        200.0 * (share * (1.0 - share) / packets).sqrt()
    });
    Figure { value, spread: chance }
}

/// Changes up to this size mean nothing, in the unit of the metric.
pub(super) fn noise(metric: &Metric, before: Option<Figure>, after: Option<Figure>, pooled: bool) -> f64 {
    let figures = || [before, after].into_iter().flatten();
    let spread = figures().filter_map(|figure| figure.spread).reduce(f64::max);
    let size = before.map_or(0.0, |figure| figure.value.abs());
    let share = match metric.unit {
        Unit::Milliseconds | Unit::Seconds | Unit::Megabytes => size * 0.25,
        Unit::Percent if metric.name == "process.cpu_percent" => size * 0.25,
        Unit::Kbps | Unit::Fps | Unit::Hertz | Unit::Bytes => size * 0.1,
        Unit::Count => 2.0 * figures().map(|figure| figure.value.max(0.0)).sum::<f64>().sqrt(),
        Unit::Percent | Unit::Decibels | Unit::FullScale | Unit::Pixels | Unit::Ratio | Unit::Score => 0.0,
    };
    spread.unwrap_or(share).max(least(metric, pooled))
}

/// The smallest change that may mean something.
fn least(metric: &Metric, pooled: bool) -> f64 {
    match metric.unit {
        Unit::Milliseconds if metric.name == "av_offset_ms" => 20.0,
        Unit::Milliseconds if pooled => 5.0,
        Unit::Milliseconds if metric.is_step() => 100.0,
        Unit::Milliseconds if is_hole(metric) => 50.0,
        Unit::Milliseconds => 5.0,
        Unit::Seconds => 0.2,
        Unit::Kbps => 20.0,
        Unit::Percent if metric.name == "ok_percent" => 0.0,
        Unit::Percent if metric.name == "process.cpu_percent" => 10.0,
        Unit::Percent => 0.2,
        Unit::Decibels | Unit::Fps => 1.0,
        Unit::FullScale | Unit::Hertz => 3.0,
        Unit::Megabytes => 10.0,
        Unit::Bytes => 10_000.0,
        Unit::Pixels => 0.0,
        Unit::Count => 2.0,
        Unit::Ratio => 0.01,
        Unit::Score => 0.2,
    }
}

/// Whether it adds up the time in which nothing came.
fn is_hole(metric: &Metric) -> bool {
    ["gap_ms", "freeze_ms", "interrupted_ms", "at_end_ms"].iter().any(|ending| metric.name.ends_with(ending))
}

fn packets(name: &str, place: &str, report: &Report) -> Option<f64> {
    let samples = metrics::find(name)?.values(report);
    samples.into_iter().find(|sample| sample.place == place).and_then(|sample| match sample.reading {
        Reading::Value(packets) if packets > 0.0 => Some(packets),
        Reading::Value(_) | Reading::Spread(_) => None,
    })
}
