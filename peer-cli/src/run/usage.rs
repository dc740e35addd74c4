//! What this process has used so far.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::clock::round;
use crate::report::ProcessReport;

/// CPU time and memory of this process; `ran` is how long the run has taken. `None` where the system does not tell.
pub(super) fn process_usage(ran: Duration) -> Option<ProcessReport> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let cpu_seconds = micros as f64 / 1e6;
    Some(ProcessReport {
        cpu_seconds: round(cpu_seconds),
        cpu_percent: round(cpu_seconds * 100.0 / ran.as_secs_f64().max(0.001)),
        // In kibibytes on Linux.
        peak_memory_mb: round(usage.max_rss() as f64 * 1024.0 / 1e6),
    })
}
