//! What `peer-cli metrics` tells: every metric in a table, and below it how to ask for one.

use super::{Metric, all};
use crate::report::JudgeLevel;

/// How an expectation is written; the names of the metrics with a spread stand where `SPREADS` does.
const GRAMMAR: &str = "\
How to ask for one, with --expect, --warn or in a line of --expect-file:

  METRIC[.AGGREGATE] OPERATOR VALUE[UNIT]

  setup_ms<500                     nobody's set-up takes longer than half a second
  setup_ms.p95 < 0.5 s             19 of 20 set-ups do not (see --repeat)
  video.bitrate_kbps >= 1Mbit/s    in both directions
  video.latency_ms.median < 80ms   half of the pictures of each direction come within 80 ms
  ok_percent >= 95                 19 of 20 calls work

operators   <  <=  >  >=  =  (or ==)  !=
aggregates  p50 (or median), p95, p99, min, max, mean
units       ms, s, us, min; kbps, Mbps, bps (or kbit/s, Mbit/s, bit/s, kB/s); %; dB; dBFS; fps;
            B, kB, MB, GB (or MiB); Hz, kHz; px; a number alone is in the metric's own unit
judge       the least --judge that measures it: packets, frames or full; what was not measured
            does not hold

Without an aggregate every sample must hold: each peer, each direction, each call of --repeat. With
one it is that figure over all peers, directions and calls.
Measured many times in each direction: SPREADS.
Of these it is the 95th percentile of each direction where lower is better, else the median; an
aggregate is that figure of each direction, with --repeat of all calls together.
A call of --repeat that fails fails the run, unless failed_calls or ok_percent is asked for: then
that alone decides how many may.
";

/// The table of `peer-cli metrics` (name, unit, which way is good, the least `--judge` that measures it, definition), and
/// below it how an expectation is written.
pub fn list() -> String {
    let (names, units) = (widest(|m| m.name), widest(|m| m.unit.symbol()));
    let mut out = format!("{:<names$}  {:<units$}  {:<6}  {:<7}  definition\n", "name", "unit", "better", "judge");
    for metric in all() {
        let (unit, better, judge) = (metric.unit.symbol(), metric.better.name(), metric.needs.name());
        let line = format!("{:<names$}  {unit:<units$}  {better:<6}  {judge:<7}  {}\n", metric.name, metric.about);
        out.push_str(&line);
    }
    let spreads: Vec<_> = all().iter().filter(|metric| metric.is_spread()).map(|metric| metric.name).collect();
    out.push('\n');
    out.push_str(&GRAMMAR.replace("SPREADS", &spreads.join(", ")));
    out
}

/// How wide a column of the list is; its head takes four letters.
fn widest(of: fn(&Metric) -> &'static str) -> usize {
    all().iter().map(|metric| of(metric).len()).max().unwrap_or_default().max(4)
}

impl JudgeLevel {
    /// As it is written behind `--judge`.
    pub(in crate::report) fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Frames => "frames",
            Self::Full => "full",
        }
    }
}
