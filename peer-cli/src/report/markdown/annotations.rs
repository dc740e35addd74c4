//! What a GitHub workflow shows at the top of its page.

use crate::report::Report;
use crate::report::terminal::visible;

/// Lines for a GitHub workflow that show the verdict and what was missed at the top of the run: `::error …`, `::warning …`.
pub fn annotations(report: &Report) -> Vec<String> {
    let line =
        |level: &str, title: &str, message: &str| format!("::{level} title={}::{}", property(title), data(message));
    let verdict = &report.verdict;
    let remedy = verdict.remedy.as_ref().map_or_else(String::new, |remedy| format!("\nTry: {}", visible(remedy)));
    let message = format!("{}{remedy}", visible(&verdict.sentence));
    let mut lines = Vec::new();
    match (verdict.ok, verdict.code.code()) {
        (false, code) => lines.push(line("error", code, &message)),
        (true, "OK") => {}
        (true, code) => lines.push(line("warning", code, &message)),
    }
    for checked in report.expectations.iter().filter(|checked| !checked.ok) {
        let level = if checked.warning { "warning" } else { "error" };
        lines.push(line(level, &visible(&checked.text), &visible(&checked.message)));
    }
    lines
}

/// The message of a workflow command: percent signs and the ends of lines are escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command, which a colon or a comma would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn annotations_escape_what_would_end_them() {
        let mut report = sample::failed();
        report.expectations[1].message = "10 % of\nit,\u{202e} really: yes".to_owned();
        report.expectations[1].text = "video.fps>50,:".to_owned();
        assert_eq!(
            annotations(&report),
            [
                "::error title=NO_MEDIA::The path is up, and not one packet came from bob to alice.%0ATry: Look at the sender.",
                "::warning title=video.fps>50%2C%3A::10 %25 of it,\u{fffd} really: yes",
            ]
        );
        assert_eq!(annotations(&sample::healthy()), Vec::<String>::new());
    }
}
