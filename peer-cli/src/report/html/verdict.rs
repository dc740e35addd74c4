//! The top of the page: whether the call works, why not, what to do, and which run this was.

use maud::{Markup, html};

use super::super::terminal::words::utc;
use super::text::{NONE, length, quantity};
use crate::report::{Checked, JudgeLevel, Report};

/// The three ways in which a run ends. A mark and a word say which; the colour only repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Pass,
    Warned,
    Fail,
}

impl Outcome {
    pub(super) fn of(report: &Report) -> Self {
        let warned = report.expectations.iter().any(|checked| !checked.ok);
        match (report.verdict.ok, warned || report.verdict.code.code() != "OK") {
            (false, _) => Self::Fail,
            (true, true) => Self::Warned,
            (true, false) => Self::Pass,
        }
    }

    /// For the title of the page too.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warned => "PASS with warnings",
            Self::Fail => "FAIL",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Pass => "ok",
            Self::Warned => "warn",
            Self::Fail => "fail",
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Pass => "✓",
            Self::Warned => "!",
            Self::Fail => "✕",
        }
    }
}

/// The verdict with the facts it rests on.
pub(super) fn header(report: &Report) -> Markup {
    let verdict = &report.verdict;
    let outcome = Outcome::of(report);
    html! {
        header.verdict.(outcome.class()) {
            p.eyebrow { "Dialtone call report" }
            h1 {
                span.badge { span aria-hidden="true" { (outcome.mark()) " " } (outcome.words()) }
                " " span.sentence { (verdict.sentence) }
            }
            @if let Some(remedy) = &verdict.remedy { p.remedy { strong { "Try: " } (remedy) } }
            @if !verdict.facts.is_empty() {
                ul.facts aria-label="Facts that the verdict rests on" {
                    @for fact in &verdict.facts { li { (fact) } }
                }
            }
            (context(report))
        }
    }
}

/// Which run this was.
fn context(report: &Report) -> Markup {
    let verdict = &report.verdict;
    let server = if report.embedded { " (inside this process)" } else { "" };
    html! {
        dl.context {
            div { dt { "Code" } dd { code { (verdict.code.code()) } " · exit " (verdict.exit_code) } }
            div { dt { "Server" } dd { span.name { (report.server) } (server) } }
            div { dt { "Room" } dd.name { (report.room) } }
            div { dt { "Started" } dd { (utc(report.started_unix_ms)) } }
            div { dt { "Length" } dd { (length(report.duration_ms)) } }
            div { dt { "Judged" } dd { (level(report.judge)) } }
            div { dt { "Version" } dd.name { (report.version) } }
        }
    }
}

fn level(judge: JudgeLevel) -> &'static str {
    match judge {
        JudgeLevel::Packets => "packets only",
        JudgeLevel::Frames => "whole frames, not decoded",
        JudgeLevel::Full => "in full: pictures and sound decoded",
    }
}

/// What was asked for; nothing where nothing was.
pub(super) fn expectations(checked: &[Checked]) -> Markup {
    if checked.is_empty() {
        return Markup::default();
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Expectations; scrolls sideways" {
            table {
                caption.hidden { "Expectations and what came of them" }
                thead {
                    tr {
                        th scope="col" { "Outcome" }
                        th scope="col" { "Expectation" }
                        th.n scope="col" { "Measured" }
                        th scope="col" { "In words" }
                    }
                }
                tbody { @for one in checked { (expectation(one)) } }
            }
        }
    }
}

fn expectation(one: &Checked) -> Markup {
    let (class, words) = match (one.ok, one.warning) {
        (true, _) => ("ok", "✓ met"),
        (false, true) => ("warn", "! warning"),
        (false, false) => ("fail", "✕ missed"),
    };
    let value = one.value.map_or_else(|| NONE.to_owned(), |value| quantity(value, &one.unit));
    html! {
        tr {
            td { span.state.(class) { (words) } }
            th scope="row" { code { (one.text) } }
            td.n { (value) }
            td.prose { (one.message) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_missed_warning_is_a_pass_with_warnings() {
        let mut report = sample::healthy();
        assert_eq!(Outcome::of(&report), Outcome::Pass);
        report.expectations.push(Checked { warning: true, ..Checked::default() });
        assert_eq!(Outcome::of(&report), Outcome::Warned);
        report.verdict.ok = false;
        assert_eq!(Outcome::of(&report).words(), "FAIL");
    }

    #[test]
    fn an_expectation_without_a_value_says_so() {
        let missed =
            Checked { text: "ssim>0.9".to_owned(), message: "nothing was measured".to_owned(), ..Checked::default() };
        let page = expectations(&[missed]).into_string();
        assert!(page.contains("✕ missed") && page.contains("ssim&gt;0.9") && page.contains('–'), "{page}");
        assert_eq!(expectations(&[]).into_string(), "");
    }
}
