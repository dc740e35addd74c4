//! What a person sees while a run goes on: a line for each milestone, and for each peer a live line of how media flows.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::peer::{News, Status};
use crate::report::Report;
use crate::report::terminal::{Style, phase_line, render, verdict_line};

#[cfg(test)]
mod tests;

/// How often a peer's live line is written where there is no terminal to rewrite it on.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Characters in a line where nobody says how many there are.
const USUAL_WIDTH: usize = 100;

/// Fewer cannot hold a table.
const LEAST_WIDTH: usize = 40;

/// Writes the course of a run for people, to standard output, or to standard error when the report goes to the former.
pub struct Console {
    out: Box<dyn Write + Send>,
    style: Style,
    terminal: bool,
    quiet: bool,
    statuses: BTreeMap<String, Status>,
    /// How many live lines are on the screen, the cursor standing at the end of the last one.
    live: usize,
    last_plain: BTreeMap<String, Duration>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("style", &self.style).finish_non_exhaustive()
    }
}

/// How to write to standard output: colour for terminals only, and not where `NO_COLOR` (no-color.org) is set; as wide as
/// `COLUMNS` says, else 100 characters.
pub fn stdout_style() -> Style {
    style(io::stdout().is_terminal())
}

fn style(terminal: bool) -> Style {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style { color: terminal && !no_color, width: width(std::env::var("COLUMNS").ok().as_deref()) }
}

fn width(columns: Option<&str>) -> usize {
    columns.and_then(|columns| columns.trim().parse().ok()).unwrap_or(USUAL_WIDTH).max(LEAST_WIDTH)
}

impl Console {
    /// Colour and live lines for terminals only; see [`stdout_style`].
    pub fn new(json_to_stdout: bool, quiet: bool) -> Self {
        let (out, terminal): (Box<dyn Write + Send>, bool) = if json_to_stdout {
            (Box::new(io::stderr()), io::stderr().is_terminal())
        } else {
            (Box::new(io::stdout()), io::stdout().is_terminal())
        };
        Self::with(out, terminal, style(terminal), quiet)
    }

    fn with(out: Box<dyn Write + Send>, terminal: bool, style: Style, quiet: bool) -> Self {
        Self { out, style, terminal, quiet, statuses: BTreeMap::new(), live: 0, last_plain: BTreeMap::new() }
    }

    /// A line above everything else.
    pub fn headline(&mut self, text: &str) {
        if !self.quiet {
            self.line(text);
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
                let line = phase_line(at.as_secs_f64() * 1000.0, peer, milestone.words(), self.style);
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
        if self.quiet {
            let text = verdict_line(report, self.style);
            self.line(&text);
        } else {
            let text = render(report, self.style);
            self.line(text.trim_end());
        }
    }

    /// Rewrites the live lines in place. They are cut, as a line that wrapped would be two to go back over.
    fn live_lines(&mut self) {
        let room = self.style.width.saturating_sub(1);
        let lines: Vec<_> =
            self.statuses.iter().map(|(peer, status)| self.style.faint(&cut(&live_text(peer, status), room))).collect();
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

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    kept + "…"
}

/// `00:12  alice  video 30 fps 1180 kbit/s, 0 lost; audio 440 Hz -15 dBFS, 0 lost`
fn live_text(peer: &str, status: &Status) -> String {
    let elapsed = status.elapsed.as_secs();
    let mut text = format!("{:02}:{:02}  {peer:<6} ", elapsed / 60, elapsed % 60);
    match &status.video {
        Some(video) => text.push_str(&format!(
            "video {:.0} fps {:.0} kbit/s, {} lost; ",
            video.fps, video.stream.bitrate_kbps, video.stream.lost
        )),
        None => text.push_str("no video; "),
    }
    match &status.audio {
        Some(audio) => {
            let level = audio.level_dbfs.map_or_else(|| "silent".to_owned(), |level| format!("{level:.0} dBFS"));
            let tone = audio.tone_hz.map_or(String::new(), |hz| format!("{hz:.0} Hz "));
            text.push_str(&format!("audio {tone}{level}, {} lost", audio.stream.lost));
        }
        None => text.push_str("no audio"),
    }
    text
}
