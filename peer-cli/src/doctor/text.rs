//! The checks and the verdict for a person at a terminal.

use super::{Check, Verdict};
use crate::report::terminal::{Style, plain};

/// One check in one line, such as `ok        12.3 ms  signaling dns         a.example is 203.0.113.10`.
pub fn check_line(check: &Check, style: Style) -> String {
    let mark = match check.ok {
        Some(true) => style.verdict(true, "ok    "),
        Some(false) => style.verdict(false, "FAILED"),
        None => style.faint("-     "),
    };
    let ms = check.ms.map_or_else(|| " ".repeat(12), |ms| format!("{ms:>9.1} ms"));
    format!("{mark} {}  {:<19}  {}", style.faint(&ms), check.name, plain(&check.detail))
}

/// The verdict, and what to do.
pub fn verdict_lines(verdict: &Verdict, style: Style) -> Vec<String> {
    let works = verdict.exit_code == 0;
    let word = style.verdict(works, if works { "PASS" } else { "FAIL" });
    let mut lines = vec![format!("{word} {}", plain(&verdict.text))];
    if let Some(remedy) = &verdict.remedy {
        lines.push(format!("     {} {}", style.faint("Try:"), plain(remedy)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Class;

    const PLAIN: Style = Style { color: false, width: 100 };

    fn check(ok: Option<bool>, ms: Option<f64>) -> Check {
        Check { name: "signaling dns".to_owned(), ok, ms, detail: "a.example\u{1b}[2J is 203.0.113.10".to_owned() }
    }

    #[test]
    fn a_check_is_a_line_with_its_time() {
        for (check, line) in [
            (check(Some(true), Some(12.345)), "ok          12.3 ms  signaling dns        "),
            (check(Some(false), Some(5000.0)), "FAILED    5000.0 ms  signaling dns        "),
            (check(None, None), "-                    signaling dns        "),
        ] {
            assert_eq!(check_line(&check, PLAIN), format!("{line}a.example\u{fffd}[2J is 203.0.113.10"));
        }
    }

    #[test]
    fn the_verdict_says_what_to_do() {
        let verdict = Verdict {
            class: Class::Cannot,
            text: "Calls from here cannot work.".to_owned(),
            remedy: Some("Open UDP.".to_owned()),
            exit_code: 14,
        };
        assert_eq!(verdict_lines(&verdict, PLAIN), ["FAIL Calls from here cannot work.", "     Try: Open UDP."]);
        let verdict = Verdict { class: Class::Direct, remedy: None, exit_code: 0, ..verdict };
        assert_eq!(verdict_lines(&verdict, PLAIN), ["PASS Calls from here cannot work."]);
    }
}
