//! The report in GitHub's Markdown, for `$GITHUB_STEP_SUMMARY`, and as annotations of a workflow.

use super::metrics::{self, Reading, fixed, number};
use super::terminal::direction::{absence, heard, picture_quality, seen, sound_quality};
use super::terminal::words::{Standing, utc};
use super::{Checked, Direction, RepeatReport, Report, StreamReport};

mod annotations;
mod escape;
#[cfg(test)]
mod tests;

pub use annotations::annotations;
use escape::{cell, code, text};

/// The lengths shown of setting a call up.
const PHASES: [&str; 12] = [
    "signaling_ms",
    "join_ms",
    "ready_ms",
    "negotiate_ms",
    "ice_ms",
    "dtls_ms",
    "connect_ms",
    "first_packet_ms",
    "first_key_frame_ms",
    "first_picture_ms",
    "first_sound_ms",
    "setup_ms",
];

/// The Markdown document: the verdict, the directions, the expectations, and the phases of setting the call up.
pub fn render(report: &Report) -> String {
    let mut out = verdict(report);
    if let Some(repeat) = &report.repeat {
        out.push_str(&calls(repeat));
    }
    if !report.directions.is_empty() {
        out.push_str("| direction | media | packets | lost | bitrate | jitter | seen and heard | quality |\n");
        out.push_str("|---|---|--:|--:|--:|--:|---|---|\n");
        for direction in &report.directions {
            out.push_str(&rows(report, direction));
        }
        out.push('\n');
    }
    if !report.expectations.is_empty() {
        out.push_str("| expectation | | measured |\n|---|---|---|\n");
        for checked in &report.expectations {
            let (text, message) = (code(&checked.text), cell(&checked.message));
            out.push_str(&format!("| {text} | {} | {message} |\n", mark(checked)));
        }
        out.push('\n');
    }
    out.push_str(&phases(report));
    out
}

fn verdict(report: &Report) -> String {
    let standing = Standing::of(report);
    let sign = match standing {
        Standing::Passed => "✅",
        Standing::Warned => "⚠️",
        Standing::Failed => "❌",
    };
    let verdict = &report.verdict;
    let mut out = format!("### {sign} {}: {}\n\n", standing.word(), text(&verdict.sentence));
    for fact in &verdict.facts {
        out.push_str(&format!("- {}\n", text(fact)));
    }
    if !verdict.facts.is_empty() {
        out.push('\n');
    }
    if let Some(remedy) = &verdict.remedy {
        out.push_str(&format!("**Try:** {} ({})\n\n", text(remedy), code(verdict.code.code())));
    }
    out.push_str(&format!(
        "{}, room {} on {}, peer-cli {}\n\n",
        utc(report.started_unix_ms),
        code(&report.room),
        code(&report.server),
        text(&report.version)
    ));
    out
}

fn calls(repeat: &RepeatReport) -> String {
    let causes: Vec<_> = repeat.causes.iter().map(|(cause, count)| format!("{count} {}", code(cause))).collect();
    let asked = repeat.asked.filter(|asked| *asked > repeat.calls);
    let of = asked.map_or_else(String::new, |asked| format!(" of {asked}"));
    let mut out = format!(
        "**{}{of} calls:** {}\n\n<details><summary>Figures of all calls</summary>\n\n",
        repeat.calls,
        causes.join(", ")
    );
    out.push_str("| metric | unit | min | median | p95 | p99 | max |\n|---|---|--:|--:|--:|--:|--:|\n");
    for (name, spread) in &repeat.metrics {
        let Some(metric) = metrics::find(name) else {
            continue;
        };
        let figures = [spread.min, spread.p50, spread.p95, spread.p99, spread.max].map(number).join(" | ");
        out.push_str(&format!("| {} | {} | {figures} |\n", code(name), metric.unit.symbol()));
    }
    out.push_str("\n</details>\n\n");
    out
}

fn rows(report: &Report, direction: &Direction) -> String {
    let sender = report.peer(&direction.from);
    let video = match &direction.video {
        Some(video) => {
            let words = [seen(video, report.judge), picture_quality(video, report.judge)];
            media_row(direction, "video", &video.stream, words)
        }
        None => missing_row(direction, "video", sender.map(|peer| peer.sent.video.is_some())),
    };
    let audio = match &direction.audio {
        Some(audio) => {
            let words = [heard(audio, report.judge), sound_quality(audio, direction, report.judge)];
            media_row(direction, "audio", &audio.stream, words)
        }
        None => missing_row(direction, "audio", sender.map(|peer| peer.sent.audio.is_some())),
    };
    video + &audio
}

fn media_row(direction: &Direction, kind: &str, stream: &StreamReport, [what, quality]: [Vec<String>; 2]) -> String {
    format!(
        "| {} | {kind} {} | {} | {} | {} kbit/s | {} ms | {} | {} |\n",
        way(direction),
        cell(&stream.codec),
        stream.packets,
        stream.lost,
        fixed(stream.bitrate_kbps, 0),
        fixed(stream.jitter_ms, 1),
        cell(&what.join(", ")),
        cell(&quality.join(", "))
    )
}

fn missing_row(direction: &Direction, kind: &str, had_source: Option<bool>) -> String {
    format!("| {} | {kind} | | | | | {} | |\n", way(direction), absence(had_source))
}

fn way(direction: &Direction) -> String {
    format!("{} → {}", cell(&direction.from), cell(&direction.to))
}

fn mark(checked: &Checked) -> &'static str {
    match (checked.ok, checked.warning) {
        (true, _) => "✅ ok",
        (false, true) => "⚠️ warning",
        (false, false) => "❌ missed",
    }
}

fn phases(report: &Report) -> String {
    if report.peers.is_empty() {
        return String::new();
    }
    let names: Vec<_> = report.peers.iter().map(|peer| cell(&peer.name)).collect();
    let mut out = format!("<details><summary>Setting the call up, in ms</summary>\n\n| | {} |\n", names.join(" | "));
    out.push_str(&format!("|---|{}\n", "--:|".repeat(names.len())));
    for metric in PHASES.into_iter().filter_map(metrics::find) {
        let samples = metric.values(report);
        if samples.is_empty() {
            continue;
        }
        let lengths: Vec<_> = report
            .peers
            .iter()
            .map(|peer| {
                let sample = samples.iter().find(|sample| sample.place == peer.name);
                sample.map_or_else(String::new, |sample| match sample.reading {
                    Reading::Value(ms) => format!("{ms:.1}"),
                    Reading::Spread(spread) => format!("{:.1}", spread.p50),
                })
            })
            .collect();
        out.push_str(&format!("| {} | {} |\n", code(metric.name), lengths.join(" | ")));
    }
    out.push_str("\n</details>\n");
    out
}
