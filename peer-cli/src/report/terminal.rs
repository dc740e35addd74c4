//! The report for a person at a terminal: a table per direction, the path, and one line that is the verdict.

use std::fmt::Write;

use super::{AudioReport, Direction, PeerReport, Report, VideoReport};

/// Whether and how to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours; for terminals only.
    pub color: bool,
}

impl Style {
    /// Green for good, red for bad.
    pub fn verdict(self, ok: bool, text: &str) -> String {
        self.paint(if ok { "1;32" } else { "1;31" }, text)
    }

    /// Pale, for what matters less.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// One line of the running log: a milestone of one peer.
pub fn phase_line(at_ms: f64, peer: &str, words: &str, style: Style) -> String {
    format!("{} {peer:<6} {words}", style.faint(&format!("{at_ms:>9.1} ms")))
}

/// Everything after the running log.
pub fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    let connected = report.peers.iter().any(|peer| peer.phases.iter().any(|stamp| stamp.phase == "connected"));
    for direction in report.directions.iter().filter(|_| connected) {
        let sender = report.peers.iter().find(|peer| peer.name == direction.from);
        direction_table(&mut out, direction, sender, style);
    }
    out.push('\n');
    for peer in &report.peers {
        path_line(&mut out, peer);
    }
    for peer in
        report.peers.iter().filter(|peer| peer.end != "hung-up" && !report.verdict.sentence.contains(&peer.end_message))
    {
        line(&mut out, format_args!("{} {}", peer.name, peer.end_message));
    }
    if let Some(relay) = report.relay.as_ref().filter(|relay| relay.allocations > 0) {
        line(
            &mut out,
            format_args!(
                "relay: {} allocations, {} to peers, {} to clients, counted by the relay at {}",
                relay.allocations,
                bytes(relay.bytes_to_peers),
                bytes(relay.bytes_to_clients),
                relay.url
            ),
        );
    }
    out.push('\n');
    let verdict = &report.verdict;
    let word = if verdict.ok { "PASS" } else { "FAIL" };
    line(&mut out, format_args!("{} {}", style.verdict(verdict.ok, word), verdict.sentence));
    if let Some(remedy) = verdict.remedy {
        line(&mut out, format_args!("     {} {remedy} [{}]", style.faint("Try:"), verdict.code.code()));
    }
    out
}

fn direction_table(out: &mut String, direction: &Direction, sender: Option<&PeerReport>, style: Style) {
    line(out, format_args!("\n{} -> {}", direction.from, direction.to));
    let head = format!(
        "        {:<6}{:>8}{:>6}{:>9}{:>9}{:>11}{:>10}  {}",
        "codec", "packets", "lost", "decoded", "errors", "bitrate", "jitter", "seen and heard"
    );
    line(out, format_args!("{}", style.faint(&head)));
    match &direction.video {
        Some(video) => video_row(out, video),
        None => line(out, format_args!("  video {}", absence(sender.map(|peer| peer.sent.video.is_some())))),
    }
    match &direction.audio {
        Some(audio) => audio_row(out, audio),
        None => line(out, format_args!("  audio {}", absence(sender.map(|peer| peer.sent.audio.is_some())))),
    }
}

/// Why there is no row: whether the sender had a source is known of our own peers.
fn absence(had_source: Option<bool>) -> &'static str {
    if had_source == Some(false) { "was not sent" } else { "not one packet came" }
}

fn video_row(out: &mut String, video: &VideoReport) {
    let mut seen = format!("{}x{} at {:.0} fps", video.width, video.height, video.fps);
    if video.decoded == 0 {
        seen = "no picture".to_owned();
    } else if video.wrong_peer > 0 {
        let _ = write!(seen, ", {} drawn by another peer", video.wrong_peer);
    } else if video.stamped > 0 {
        seen.push_str(", the sender's pattern");
    }
    if video.black > 0 {
        let _ = write!(seen, ", {} black", video.black);
    }
    let stream = &video.stream;
    row(out, "video", stream, video.decoded, video.decode_errors, &seen);
}

fn audio_row(out: &mut String, audio: &AudioReport) {
    let level = audio.level_dbfs.map_or_else(|| "silence".to_owned(), |l| format!("{l:.0} dBFS"));
    let heard = match (audio.audible, audio.tone_hz) {
        (false, _) => format!("nothing to hear ({level})"),
        (true, Some(hz)) => format!("tone of {hz:.0} Hz, {level}"),
        (true, None) => format!("sound, {level}"),
    };
    let decoded = audio.stream.packets.saturating_sub(audio.decode_errors);
    row(out, "audio", &audio.stream, decoded, audio.decode_errors, &heard);
}

fn row(out: &mut String, kind: &str, stream: &super::StreamReport, decoded: u64, errors: u64, words: &str) {
    line(
        out,
        format_args!(
            "  {kind:<6}{:<6}{:>8}{:>6}{:>9}{:>9}{:>6.0} kbit{:>7.1} ms  {words}",
            stream.codec, stream.packets, stream.lost, decoded, errors, stream.bitrate_kbps, stream.jitter_ms
        ),
    );
}

fn path_line(out: &mut String, peer: &PeerReport) {
    if let Some(pair) = &peer.pair {
        let rtt = pair.rtt_ms.map_or(String::new(), |rtt| format!(", round trip {rtt:.1} ms"));
        line(
            out,
            format_args!(
                "path of {:<6} {} {} -> {} {}{rtt}",
                peer.name, pair.local, pair.local_address, pair.remote, pair.remote_address
            ),
        );
    }
}

/// Bytes with a unit that keeps the number short.
fn bytes(n: u64) -> String {
    match n {
        0..10_000 => format!("{n} bytes"),
        10_000..10_000_000 => format!("{} kB", n / 1000),
        _ => format!("{:.1} MB", n as f64 / 1e6),
    }
}

/// Writing into a string cannot fail.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}
