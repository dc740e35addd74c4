//! The report in GitHub's Markdown, for `$GITHUB_STEP_SUMMARY`, and as annotations of a workflow.

use super::metrics::{self, Reading, number};
use super::terminal::direction::{absence, heard, picture_quality, seen, sound_quality};
use super::terminal::words::{Standing, utc};
use super::{Checked, Direction, RepeatReport, Report, StreamReport};

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

/// Lines for a GitHub workflow that show the verdict and what was missed at the top of the run: `::error …`, `::warning …`.
pub fn annotations(report: &Report) -> Vec<String> {
    let line =
        |level: &str, title: &str, message: &str| format!("::{level} title={}::{}", property(title), data(message));
    let verdict = &report.verdict;
    let remedy = verdict.remedy.as_ref().map_or_else(String::new, |remedy| format!("\nTry: {remedy}"));
    let message = format!("{}{remedy}", verdict.sentence);
    let mut lines = Vec::new();
    match (verdict.ok, verdict.code.code()) {
        (false, code) => lines.push(line("error", code, &message)),
        (true, "OK") => {}
        (true, code) => lines.push(line("warning", code, &message)),
    }
    for checked in report.expectations.iter().filter(|checked| !checked.ok) {
        let level = if checked.warning { "warning" } else { "error" };
        lines.push(line(level, &checked.text, &checked.message));
    }
    lines
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
    let mut out = format!(
        "**{} calls:** {}\n\n<details><summary>Figures of all calls</summary>\n\n",
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
        "| {} | {kind} {} | {} | {} | {:.0} kbit/s | {:.1} ms | {} | {} |\n",
        way(direction),
        cell(&stream.codec),
        stream.packets,
        stream.lost,
        stream.bitrate_kbps,
        stream.jitter_ms,
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

/// Text that means nothing to Markdown or HTML, in one line.
fn text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '@' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The same in a cell of a table.
fn cell(words: &str) -> String {
    text(words).replace('|', "\\|")
}

/// Text as it is, in the type of code, also in a cell of a table. HTML, as backticks know no escape.
fn code(words: &str) -> String {
    format!("<code>{}</code>", cell(words))
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
    use super::super::{repeat, sample};
    use super::*;

    #[test]
    fn a_call_that_works_is_a_verdict_and_three_tables() {
        let expected = "\
### ✅ PASS: The call works: decodable video and audible audio in both directions.

2026-11-23 08:46:40 UTC, room <code>call-1</code> on <code>ws://127.0.0.1:8080/ws</code>, peer-cli 0.1.0

| direction | media | packets | lost | bitrate | jitter | seen and heard | quality |
|---|---|--:|--:|--:|--:|---|---|
| alice → bob | video VP8 | 362 | 0 | 1061 kbit/s | 0.6 ms | 640x480 at 30 fps, the sender's pattern | latency p50 12.1, p95 15, p99 18.2 ms, no freeze, PSNR 38.2 dB, SSIM 0.981 |
| alice → bob | audio opus | 150 | 0 | 32 kbit/s | 1.1 ms | tone of 404 Hz, -15 dBFS | latency p50 3.1, p95 4, p99 5.2 ms, no gap, A/V offset 2 ms, MOS 4.4 (estimate) |
| bob → alice | video VP8 | 362 | 0 | 1061 kbit/s | 0.6 ms | 640x480 at 30 fps, the sender's pattern | latency p50 12.1, p95 15, p99 18.2 ms, no freeze, PSNR 38.2 dB, SSIM 0.981 |
| bob → alice | audio opus | 150 | 0 | 32 kbit/s | 1.1 ms | tone of 1004 Hz, -15 dBFS | latency p50 3.1, p95 4, p99 5.2 ms, no gap, A/V offset 2 ms, MOS 4.4 (estimate) |

| expectation | | measured |
|---|---|---|
| <code>setup\\_ms&lt;500</code> | ✅ ok | setup\\_ms was 45.4 ms (alice), below 500 ms as it should be |

<details><summary>Setting the call up, in ms</summary>

| | alice | bob |
|---|--:|--:|
| <code>signaling\\_ms</code> | 54.5 | 53.1 |
| <code>join\\_ms</code> | 0.7 | 3.6 |
| <code>ready\\_ms</code> | 0.1 | 0.1 |
| <code>negotiate\\_ms</code> | 3.0 | 0.9 |
| <code>ice\\_ms</code> | 22.6 | 22.8 |
| <code>dtls\\_ms</code> | 1.6 | 1.3 |
| <code>connect\\_ms</code> | 27.4 | 25.5 |
| <code>first\\_packet\\_ms</code> | 1.3 | 1.6 |
| <code>first\\_key\\_frame\\_ms</code> | 2.3 | 2.3 |
| <code>first\\_picture\\_ms</code> | 18.0 | 19.5 |
| <code>first\\_sound\\_ms</code> | 20.3 | 21.8 |
| <code>setup\\_ms</code> | 45.4 | 45.0 |

</details>
";
        assert_eq!(render(&sample::healthy()), expected);
    }

    #[test]
    fn a_failure_shows_its_facts_its_remedy_and_what_is_missing() {
        let markdown = render(&sample::failed());
        let head = "\
### ❌ FAIL: The path is up, and not one packet came from bob to alice.

- 362 video packets came from alice to bob, 0 from bob to alice

**Try:** Look at the sender. (<code>NO\\_MEDIA</code>)
";
        assert!(markdown.starts_with(head), "{markdown}");
        assert!(markdown.contains("| bob → alice | video | | | | | not one packet came | |\n"), "{markdown}");
        assert!(markdown.contains("| <code>first\\_picture\\_ms</code> |  | 19.5 |\n"), "{markdown}");
        assert!(markdown.contains("| <code>video.fps&gt;50</code> | ⚠️ warning |"), "{markdown}");
    }

    #[test]
    fn annotations_escape_what_would_end_them() {
        let mut report = sample::failed();
        report.expectations[1].message = "10 % of\nit, really: yes".to_owned();
        report.expectations[1].text = "video.fps>50,:".to_owned();
        assert_eq!(
            annotations(&report),
            [
                "::error title=NO_MEDIA::The path is up, and not one packet came from bob to alice.%0ATry: Look at the sender.",
                "::warning title=video.fps>50%2C%3A::10 %25 of%0Ait, really: yes",
            ]
        );
        assert_eq!(annotations(&sample::healthy()), Vec::<String>::new());
    }

    #[test]
    fn names_cannot_break_out_of_their_cells() {
        let mut report = sample::healthy();
        report.directions[0].from = "a|b<img>\nc".to_owned();
        assert!(render(&report).contains("| a\\|b&lt;img&gt; c → bob | video VP8 |"));
    }

    #[test]
    fn a_repetition_has_its_figures() {
        let markdown = render(&repeat::combine(vec![sample::healthy(), sample::failed()]));
        assert!(markdown.contains("**2 calls:** 1 <code>NO\\_MEDIA</code>, 1 <code>OK</code>"), "{markdown}");
        assert!(markdown.contains("| <code>setup\\_ms</code> | ms | 45 | 45 | 45.4 | 45.4 | 45.4 |"), "{markdown}");
    }
}
