//! What a person sees while a run goes on: a line for each milestone, and a live line of how media flows.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::peer::{News, Status};
use crate::report::Report;
use crate::report::terminal::{Style, phase_line, render};

/// How often the live line is written where there is no terminal to rewrite it on.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Writes the course of a run for people, to standard output, or to standard error when the report goes to the former.
pub struct Console {
    out: Box<dyn Write + Send>,
    style: Style,
    terminal: bool,
    quiet: bool,
    statuses: BTreeMap<String, Status>,
    live: bool,
    last_plain: Duration,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("style", &self.style).finish_non_exhaustive()
    }
}

impl Console {
    /// Colour and live lines for terminals only; `NO_COLOR` takes the colour away (no-color.org).
    pub fn new(json_to_stdout: bool, quiet: bool) -> Self {
        let (out, terminal): (Box<dyn Write + Send>, bool) = if json_to_stdout {
            (Box::new(io::stderr()), io::stderr().is_terminal())
        } else {
            (Box::new(io::stdout()), io::stdout().is_terminal())
        };
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::with(out, terminal, terminal && !no_color, quiet)
    }

    fn with(out: Box<dyn Write + Send>, terminal: bool, color: bool, quiet: bool) -> Self {
        let (statuses, last_plain) = (BTreeMap::new(), Duration::ZERO);
        Self { out, style: Style { color }, terminal, quiet, statuses, live: false, last_plain }
    }

    /// A line above everything else.
    pub fn headline(&mut self, text: &str) {
        if !self.quiet {
            self.line(text);
        }
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
                self.live_line(status.elapsed);
            }
        }
    }

    /// Shows what came of it.
    pub fn finish(&mut self, report: &Report) {
        if self.quiet {
            let word = if report.verdict.ok { "PASS" } else { "FAIL" };
            let text = format!("{} {}", self.style.verdict(report.verdict.ok, word), report.verdict.sentence);
            self.line(&text);
        } else {
            let text = render(report, self.style);
            self.line(text.trim_end());
        }
    }

    fn live_line(&mut self, elapsed: Duration) {
        let text = live_text(&self.statuses);
        if self.terminal {
            self.write(format_args!("\r\u{1b}[K{}", self.style.faint(&text)));
            self.live = true;
        } else if elapsed.saturating_sub(self.last_plain) >= PLAIN_EVERY {
            self.last_plain = elapsed;
            self.write(format_args!("{text}\n"));
        }
    }

    fn line(&mut self, text: &str) {
        let clear = if std::mem::take(&mut self.live) { "\r\u{1b}[K" } else { "" };
        self.write(format_args!("{clear}{text}\n"));
    }

    /// A reader that has gone away (`| head`) is no reason to end a call.
    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.out.write_fmt(text).and_then(|()| self.out.flush());
    }
}

/// `00:12  alice: video 30 fps 1180 kbit/s, 0 lost; audio 440 Hz -15 dBFS, 0 lost`
fn live_text(statuses: &BTreeMap<String, Status>) -> String {
    let elapsed = statuses.values().map(|status| status.elapsed.as_secs()).max().unwrap_or_default();
    let mut text = format!("{:02}:{:02}", elapsed / 60, elapsed % 60);
    for (peer, status) in statuses {
        text.push_str(&format!("  {peer}:"));
        match &status.video {
            Some(video) => text.push_str(&format!(
                " video {:.0} fps {:.0} kbit/s, {} lost;",
                video.fps, video.stream.bitrate_kbps, video.stream.lost
            )),
            None => text.push_str(" no video;"),
        }
        match &status.audio {
            Some(audio) => {
                let level = audio.level_dbfs.map_or_else(|| "silent".to_owned(), |level| format!("{level:.0} dBFS"));
                let tone = audio.tone_hz.map_or(String::new(), |hz| format!("{hz:.0} Hz "));
                text.push_str(&format!(" audio {tone}{level}, {} lost", audio.stream.lost));
            }
            None => text.push_str(" no audio"),
        }
    }
    text
}
