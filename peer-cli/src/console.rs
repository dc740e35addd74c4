//! What a person sees while a run goes on: a line for each milestone, and for each peer a live line of how media flows.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::peer::{News, Status};
use crate::report::Report;
use crate::report::markdown::annotations;
use crate::report::terminal::{Style, phase_line, plain, render, verdict_line};

mod live;
#[cfg(test)]
mod tests;
mod width;

use live::{cut, live_text};
use width::{LEAST_WIDTH, stderr_width, stdout_width};

/// How often a peer's live line is written where there is no terminal to rewrite it on.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Writes the course of a run for people, to standard output, or to standard error when the report goes to the former.
pub struct Console {
    out: Box<dyn Write + Send>,
    color: bool,
    /// Asked anew whenever it matters: a person may change the window in mid-call.
    width: Box<dyn Fn() -> usize + Send>,
    terminal: bool,
    quiet: bool,
    statuses: BTreeMap<String, Status>,
    /// How many live lines are on the screen, the cursor standing at the end of the last one.
    live: usize,
    last_plain: BTreeMap<String, Duration>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("style", &self.style()).finish_non_exhaustive()
    }
}

/// How to write to standard output: colour for terminals only, and not where `NO_COLOR` (no-color.org) is set; as wide as
/// `COLUMNS` says, else as the terminal is, else 100 characters.
pub fn stdout_style() -> Style {
    Style { color: color(io::stdout().is_terminal()), width: stdout_width().max(LEAST_WIDTH) }
}

fn color(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Console {
    /// Colour and live lines for terminals only; see [`stdout_style`].
    pub fn new(stdout_is_taken: bool, quiet: bool) -> Self {
        if stdout_is_taken {
            Self::with(Box::new(io::stderr()), io::stderr().is_terminal(), Box::new(stderr_width), quiet)
        } else {
            Self::with(Box::new(io::stdout()), io::stdout().is_terminal(), Box::new(stdout_width), quiet)
        }
    }

    fn with(out: Box<dyn Write + Send>, terminal: bool, width: Box<dyn Fn() -> usize + Send>, quiet: bool) -> Self {
        let (statuses, last_plain) = (BTreeMap::new(), BTreeMap::new());
        Self { out, color: color(terminal), width, terminal, quiet, statuses, live: 0, last_plain }
    }

    fn style(&self) -> Style {
        Style { color: self.color, width: (self.width)().max(LEAST_WIDTH) }
    }

    /// A line above everything else.
    pub fn headline(&mut self, text: &str) {
        if !self.quiet {
            self.line(&plain(text));
        }
    }

    /// A line between two calls, such as `call 3 of 20`; the live lines begin anew.
    pub fn note(&mut self, text: &str) {
        self.statuses.clear();
        self.last_plain.clear();
        self.headline(text);
    }

    /// Shows what has just happened.
    pub fn show(&mut self, news: &News) {
        if self.quiet {
            return;
        }
        match news {
            News::Reached { peer, milestone, at } => {
                let line = phase_line(at.as_secs_f64() * 1000.0, peer, milestone.words(), self.style());
                self.line(&line);
            }
            News::Status { peer, status } => {
                self.statuses.insert(peer.clone(), (**status).clone());
                if self.terminal { self.live_lines() } else { self.plain_line(peer, status) }
            }
        }
    }

    /// Shows what came of it.
    pub fn finish(&mut self, report: &Report) {
        let style = self.style();
        let text = if self.quiet { verdict_line(report, style) } else { render(report, style) };
        self.line(text.trim_end());
    }

    /// Tells a GitHub workflow what to put at the top of its page. That is no output for people, so quiet or not.
    pub fn annotate(&mut self, report: &Report) {
        for line in annotations(report) {
            self.line(&line);
        }
    }

    /// Rewrites the live lines in place. They are cut, as a line that wrapped would be two to go back over.
    fn live_lines(&mut self) {
        let (style, room) = (self.style(), (self.width)().saturating_sub(1));
        let line = |(peer, status): (&String, &Status)| style.faint(cut(&live_text(peer, status), room).as_str());
        let lines: Vec<_> = self.statuses.iter().map(line).collect();
        let clear = self.cleared();
        self.live = lines.len();
        self.write(format_args!("{clear}{}", lines.join("\n")));
    }

    fn plain_line(&mut self, peer: &str, status: &Status) {
        let last = self.last_plain.get(peer).copied().unwrap_or_default();
        if status.elapsed.saturating_sub(last) >= PLAIN_EVERY {
            self.last_plain.insert(peer.to_owned(), status.elapsed);
            self.line(&live_text(peer, status));
        }
    }

    fn line(&mut self, text: &str) {
        let clear = self.cleared();
        self.write(format_args!("{clear}{text}\n"));
    }

    /// What takes the live lines off the screen: to the beginning of the first one, and everything from there on erased.
    fn cleared(&mut self) -> String {
        match std::mem::take(&mut self.live) {
            0 => String::new(),
            lines => format!("\r{}\u{1b}[J", "\u{1b}[A".repeat(lines - 1)),
        }
    }

    /// A reader that has gone away (`| head`) is no reason to end a call.
    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.out.write_fmt(text).and_then(|()| self.out.flush());
    }
}
