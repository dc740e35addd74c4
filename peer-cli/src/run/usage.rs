//! What this process uses for a run.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::clock::round;
use crate::report::ProcessReport;

/// What this process had used before a run: nothing, where the run began with the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    cpu: Duration,
}

impl Used {
    /// Everything up to now belongs to what was before. From here on the peak of memory is counted anew.
    pub(super) fn so_far() -> Self {
        // Not every system allows it (proc(5), clear_refs); the peak is then that of the whole process.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self { cpu: getrusage(UsageWho::RUSAGE_SELF).map(|usage| cpu(&usage)).unwrap_or_default() }
    }

    /// What the run has used up to now; `ran` is how long it has taken. `None` where the system does not tell.
    pub(super) fn since(self, ran: Duration) -> Option<ProcessReport> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        // The other figure, in kibibytes on Linux too, holds what the program that started us had in use.
        let peak_kib = peak_kib(&status).unwrap_or_else(|| usage.max_rss() as f64);
        Some(self.report(cpu(&usage), ran, peak_kib))
    }

    fn report(self, cpu: Duration, ran: Duration, peak_kib: f64) -> ProcessReport {
        let cpu_seconds = cpu.saturating_sub(self.cpu).as_secs_f64();
        ProcessReport {
            cpu_seconds: round(cpu_seconds),
            cpu_percent: round(cpu_seconds * 100.0 / ran.as_secs_f64().max(0.001)),
            peak_memory_mb: round(peak_kib * 1024.0 / 1e6),
        }
    }
}

fn cpu(usage: &Usage) -> Duration {
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// The line `VmHWM:     38912 kB` of proc(5).
fn peak_kib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_not_charged_for_the_calls_before_it() {
        let before = Used { cpu: Duration::from_secs(40) };
        let report = before.report(Duration::from_millis(41_500), Duration::from_secs(3), 40_000.0);
        assert_eq!(report, ProcessReport { cpu_seconds: 1.5, cpu_percent: 50.0, peak_memory_mb: 40.96 });
        let whole = Used::default().report(Duration::from_secs(3), Duration::from_secs(3), 0.0);
        assert_eq!((whole.cpu_seconds, whole.cpu_percent), (3.0, 100.0));
    }

    #[test]
    fn the_peak_is_read_from_the_status_of_the_process() {
        assert_eq!(peak_kib("Name:\tpeer-cli\nVmPeak:\t  900 kB\nVmHWM:\t   38912 kB\n"), Some(38_912.0));
        assert_eq!(peak_kib("Name:\tpeer-cli\n"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let used = Used::default().since(Duration::from_secs(1)).unwrap();
        assert!(used.cpu_seconds >= 0.0 && used.peak_memory_mb > 0.5, "{used:?}");
    }
}
