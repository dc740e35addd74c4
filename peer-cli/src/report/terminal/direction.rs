//! What arrived in one direction: a row each for pictures and sound, and below it how good they were.

use super::table::{Row, flow, layout};
use super::words::counted;
use super::{Style, line, plain};
use crate::measure::Distribution;
use crate::report::metrics::number;
use crate::report::{AudioReport, Direction, JudgeLevel, Report, StreamReport, VideoReport};

/// Where the lines below a row begin.
const INDENT: usize = 8;

pub(super) fn render(out: &mut String, report: &Report, direction: &Direction, style: Style) {
    line(out, format_args!("\n{} -> {}", plain(&direction.from), plain(&direction.to)));
    let video = direction.video.as_ref().map(|video| video_row(video, report.judge));
    let audio = direction.audio.as_ref().map(|audio| audio_row(audio, report.judge));
    let rows: Vec<Row> = video.iter().chain(&audio).cloned().collect();
    let (head, lines) = layout(&rows, style.width);
    if !rows.is_empty() {
        line(out, format_args!("{}", style.faint(&head)));
    }
    let mut lines = lines.into_iter();
    let sender = report.peer(&direction.from);
    match (&direction.video, video.and_then(|_| lines.next())) {
        (Some(video), Some(row)) => below(out, &row, &picture_quality(video, report.judge), style),
        _ => line(out, format_args!("  video {}", absence(sender.map(|peer| peer.sent.video.is_some())))),
    }
    match (&direction.audio, audio.and_then(|_| lines.next())) {
        (Some(audio), Some(row)) => below(out, &row, &sound_quality(audio, direction, report.judge), style),
        _ => line(out, format_args!("  audio {}", absence(sender.map(|peer| peer.sent.audio.is_some())))),
    }
}

fn below(out: &mut String, row: &str, clauses: &[String], style: Style) {
    line(out, format_args!("{row}"));
    for text in flow(clauses, INDENT, style.width) {
        line(out, format_args!("{text}"));
    }
}

/// Why there is no row: whether the sender had a source is known of our own peers.
pub(in crate::report) fn absence(had_source: Option<bool>) -> &'static str {
    if had_source == Some(false) { "was not sent" } else { "not one packet came" }
}

fn video_row(video: &VideoReport, judge: JudgeLevel) -> Row {
    let full = judge == JudgeLevel::Full;
    let decoded = full.then_some((video.decoded, video.decode_errors));
    Row { name: "video", cells: cells(&video.stream, decoded), words: seen(video, judge) }
}

fn audio_row(audio: &AudioReport, judge: JudgeLevel) -> Row {
    let packets = audio.stream.packets.saturating_sub(audio.decode_errors);
    let decoded = (judge == JudgeLevel::Full).then_some((packets, audio.decode_errors));
    Row { name: "audio", cells: cells(&audio.stream, decoded), words: heard(audio, judge) }
}

fn cells(stream: &StreamReport, decoded: Option<(u64, u64)>) -> [Option<String>; 7] {
    [
        Some(plain(&stream.codec)),
        Some(stream.packets.to_string()),
        Some(stream.lost.to_string()),
        decoded.map(|(decoded, _)| decoded.to_string()),
        decoded.map(|(_, errors)| errors.to_string()),
        Some(format!("{:.0} kbit", stream.bitrate_kbps)),
        Some(format!("{:.1} ms", stream.jitter_ms)),
    ]
}

/// What the pictures show, the most important first.
pub(in crate::report) fn seen(video: &VideoReport, judge: JudgeLevel) -> Vec<String> {
    match judge {
        JudgeLevel::Packets => return vec!["packets counted".to_owned()],
        JudgeLevel::Frames if video.frames == 0 => return vec!["no whole frame".to_owned()],
        JudgeLevel::Frames => return vec![format!("{} frames at {:.0} fps", video.frames, video.fps)],
        JudgeLevel::Full if video.decoded == 0 => return vec!["no picture".to_owned()],
        JudgeLevel::Full => {}
    }
    let mut words = vec![format!("{}x{} at {:.0} fps", video.width, video.height, video.fps)];
    if video.wrong_peer > 0 {
        words.push(format!("{} drawn by another peer", video.wrong_peer));
    } else if video.stamped > 0 {
        words.push("the sender's pattern".to_owned());
    }
    if video.black > 0 {
        words.push(format!("{} black", video.black));
    }
    words
}

/// What there is to hear.
pub(in crate::report) fn heard(audio: &AudioReport, judge: JudgeLevel) -> Vec<String> {
    if judge != JudgeLevel::Full {
        return vec!["packets counted".to_owned()];
    }
    let level = audio.level_dbfs.map_or_else(|| "silence".to_owned(), |level| format!("{level:.0} dBFS"));
    match (audio.audible, audio.tone_hz) {
        (false, _) => vec![format!("nothing to hear ({level})")],
        (true, Some(hz)) => vec![format!("tone of {hz:.0} Hz"), level],
        (true, None) => vec!["sound".to_owned(), level],
    }
}

/// How good the pictures were.
pub(in crate::report) fn picture_quality(video: &VideoReport, judge: JudgeLevel) -> Vec<String> {
    let mut clauses: Vec<String> = video.latency_ms.as_ref().map(latency).into_iter().collect();
    if judge == JudgeLevel::Packets || video.frames == 0 {
        return clauses;
    }
    clauses.push(together(video.freezes, "freeze", video.freeze_ms));
    if video.frames_lost > 0 {
        clauses.push(format!("{} lost", counted(video.frames_lost, "frame")));
    }
    if video.repeated > 0 {
        clauses.push(format!("{} repeated", counted(video.repeated, "frame")));
    }
    clauses.extend(video.psnr_db.map(|psnr| format!("PSNR {:.1} dB", psnr.p50)));
    clauses.extend(video.ssim.map(|ssim| format!("SSIM {:.3}", ssim.p50)));
    clauses
}

/// How good the sound was, and how well it fits the pictures.
pub(in crate::report) fn sound_quality(audio: &AudioReport, direction: &Direction, judge: JudgeLevel) -> Vec<String> {
    let mut clauses: Vec<String> = audio.latency_ms.as_ref().map(latency).into_iter().collect();
    if judge == JudgeLevel::Full {
        clauses.push(together(audio.gaps, "gap", audio.gap_ms));
    }
    clauses.extend(direction.av_offset_ms.map(|offset| format!("A/V offset {} ms", number(offset.p50))));
    clauses.extend(audio.mos_estimate.map(|mos| format!("MOS {mos:.1} (estimate)")));
    clauses
}

/// `latency p50 12.1, p95 15, p99 18.2 ms`
fn latency(latency: &Distribution) -> String {
    format!("latency p50 {}, p95 {}, p99 {} ms", number(latency.p50), number(latency.p95), number(latency.p99))
}

/// `no freeze`, `1 freeze of 312 ms`, `3 freezes, 512 ms together`
fn together(count: u64, what: &str, ms: f64) -> String {
    match count {
        0 => counted(0, what),
        1 => format!("1 {what} of {ms:.0} ms"),
        _ => format!("{}, {ms:.0} ms together", counted(count, what)),
    }
}
