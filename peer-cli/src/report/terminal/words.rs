//! Figures and moments in words that keep short.

use crate::report::Report;

/// How a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Standing {
    /// All is well.
    Passed,
    /// It works, and something is not as it was asked for.
    Warned,
    /// It does not work, or not well enough.
    Failed,
}

impl Standing {
    pub(in crate::report) fn of(report: &Report) -> Self {
        let clean = report.verdict.code.code() == "OK" && report.expectations.iter().all(|checked| checked.ok);
        match (report.verdict.ok, clean) {
            (false, _) => Self::Failed,
            (true, false) => Self::Warned,
            (true, true) => Self::Passed,
        }
    }

    pub(in crate::report) fn word(self) -> &'static str {
        match self {
            Self::Passed => "PASS",
            Self::Warned => "WARN",
            Self::Failed => "FAIL",
        }
    }
}

/// Bytes with a unit that keeps the number short.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..10_000 => format!("{n} bytes"),
        10_000..10_000_000 => format!("{} kB", n / 1000),
        _ => format!("{:.1} MB", n as f64 / 1e6),
    }
}

/// `no freeze`, `1 freeze`, `3 freezes`
pub(in crate::report) fn counted(count: u64, what: &str) -> String {
    match count {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// A moment in milliseconds since 1970 as `2026-11-23 09:12:00 UTC`.
pub(in crate::report) fn utc(unix_ms: u64) -> String {
    let (date, time) = date_and_time(unix_ms);
    format!("{date} {time} UTC")
}

/// The same as ISO 8601 has it, `2026-11-23T09:12:00Z`.
pub(in crate::report) fn iso8601(unix_ms: u64) -> String {
    let (date, time) = date_and_time(unix_ms);
    format!("{date}T{time}Z")
}

fn date_and_time(unix_ms: u64) -> (String, String) {
    let seconds = unix_ms / 1000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have the leap day at their end; 400 of them are always 146 097 days.
    let since_march_0 = days + 719_468;
    let (era, day) = (since_march_0 / 146_097, since_march_0 % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let date = format!("{year:04}-{month:02}-{day_of_month:02}");
    (date, format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60))
}
