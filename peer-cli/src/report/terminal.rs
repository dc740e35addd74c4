//! The report for a person at a terminal: a table per direction, the path, what was asked for, and the verdict.
//!
//! Tables and lists of figures keep to the width and leave out what matters least. Sentences are never broken, so that
//! they can be searched for; a terminal wraps them by itself.

use std::fmt::{Arguments, Write};

use super::{PeerReport, Report};

mod calls;
pub(in crate::report) mod direction;
mod plain;
mod table;
#[cfg(test)]
mod tests;
pub(in crate::report) mod words;

pub use plain::{plain, visible};
use words::{Standing, bytes};

/// Whether and how to colour, and how much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours; for terminals only.
    pub color: bool,
    /// Characters in a line.
    pub width: usize,
}

impl Style {
    /// Green for good, red for bad.
    pub fn verdict(self, ok: bool, text: &str) -> String {
        self.paint(if ok { "1;32" } else { "1;31" }, text)
    }

    /// Yellow, for what should be looked at.
    pub fn warning(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    /// Pale, for what matters less.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn standing(self, standing: Standing) -> String {
        match standing {
            Standing::Passed => self.verdict(true, standing.word()),
            Standing::Warned => self.warning(standing.word()),
            Standing::Failed => self.verdict(false, standing.word()),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// One line of the running log: a milestone of one peer.
pub fn phase_line(at_ms: f64, peer: &str, words: &str, style: Style) -> String {
    format!("{} {:<6} {words}", style.faint(&format!("{at_ms:>9.1} ms")), plain(peer))
}

/// The verdict in one line: `PASS`, `WARN` (it works, and something is not as it was asked for) or `FAIL`, and why.
pub fn verdict_line(report: &Report, style: Style) -> String {
    format!("{} {}", style.standing(Standing::of(report)), plain(&report.verdict.sentence))
}

/// Everything after the running log.
pub fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    if let Some(repeat) = &report.repeat {
        calls::render(&mut out, repeat, style);
    }
    let connected = report.peers.iter().any(|peer| peer.phases.iter().any(|stamp| stamp.phase == "connected"));
    for direction in report.directions.iter().filter(|_| connected) {
        direction::render(&mut out, report, direction, style);
    }
    out.push('\n');
    let before = out.len();
    paths(&mut out, report);
    if !report.verdict.ok {
        clues(&mut out, report);
    }
    usage(&mut out, report);
    if out.len() > before {
        out.push('\n');
    }
    expectations(&mut out, report, style);
    verdict(&mut out, report, style);
    out
}

fn paths(out: &mut String, report: &Report) {
    for peer in &report.peers {
        path_line(out, peer);
    }
    for peer in &report.peers {
        recording_line(out, peer);
    }
    let told = |peer: &&PeerReport| {
        peer.end == "hung-up" || peer.end_message.is_empty() || report.verdict.sentence.contains(&peer.end_message)
    };
    for peer in report.peers.iter().filter(|peer| !told(peer)) {
        line(out, format_args!("{} {}", plain(&peer.name), plain(&peer.end_message)));
    }
}

fn path_line(out: &mut String, peer: &PeerReport) {
    if let Some(pair) = &peer.pair {
        let rtt = pair.rtt_ms.map_or(String::new(), |rtt| format!(", round trip {rtt:.1} ms"));
        line(
            out,
            format_args!(
                "path of {:<6} {} {} -> {} {}{rtt}",
                plain(&peer.name),
                plain(&pair.local),
                plain(&pair.local_address),
                plain(&pair.remote),
                plain(&pair.remote_address)
            ),
        );
    }
}

/// Where it was written down what a peer received: the names may be taken, so nobody can know them beforehand.
fn recording_line(out: &mut String, peer: &PeerReport) {
    let files = peer.recording.iter().flat_map(|recording| &recording.files);
    let paths: Vec<_> = files.map(|file| plain(&file.path)).collect();
    if !paths.is_empty() {
        line(out, format_args!("recorded by {:<6} {}", plain(&peer.name), paths.join(", ")));
    }
}

/// What ICE tried, and what the STUN and TURN servers said when they were asked directly.
fn clues(out: &mut String, report: &Report) {
    for peer in &report.peers {
        let name = plain(&peer.name);
        if peer.pair.is_none() && !peer.pairs.is_empty() {
            let answered = peer.pairs.iter().filter(|pair| pair.responses_received > 0).count();
            line(out, format_args!("ICE of {name:<7} {} pairs tried, {answered} of them answered", peer.pairs.len()));
        }
        for probe in &peer.probes {
            line(out, format_args!("{name:<6} asked    {}, {:.0} ms", plain(&probe.message), probe.took_ms));
        }
    }
}

fn usage(out: &mut String, report: &Report) {
    if let Some(relay) = report.relay.as_ref().filter(|relay| relay.allocations > 0) {
        line(
            out,
            format_args!(
                "relay: {} allocations, {} to peers, {} to clients, counted by the relay at {}",
                relay.allocations,
                bytes(relay.bytes_to_peers),
                bytes(relay.bytes_to_clients),
                plain(&relay.url)
            ),
        );
    }
    if let Some(process) = &report.process {
        line(
            out,
            format_args!(
                "used: {:.1} s of CPU ({:.0} % of a core), {:.0} MB of memory",
                process.cpu_seconds, process.cpu_percent, process.peak_memory_mb
            ),
        );
    }
}

fn expectations(out: &mut String, report: &Report, style: Style) {
    for checked in &report.expectations {
        let mark = match (checked.ok, checked.warning) {
            (true, _) => style.verdict(true, "ok    "),
            (false, true) => style.warning("warned"),
            (false, false) => style.verdict(false, "missed"),
        };
        line(out, format_args!("{mark}  {:<24} {}", plain(&checked.text), plain(&checked.message)));
    }
    if !report.expectations.is_empty() {
        out.push('\n');
    }
}

fn verdict(out: &mut String, report: &Report, style: Style) {
    let verdict = &report.verdict;
    line(out, format_args!("{}", verdict_line(report, style)));
    for fact in &verdict.facts {
        line(out, format_args!("     - {}", plain(fact)));
    }
    let code = verdict.code.code();
    match &verdict.remedy {
        Some(remedy) => line(out, format_args!("     {} {} [{code}]", style.faint("Try:"), plain(remedy))),
        None if code != "OK" => line(out, format_args!("     [{code}]")),
        None => {}
    }
}

/// Writing into a string cannot fail.
fn line(out: &mut String, text: Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}
