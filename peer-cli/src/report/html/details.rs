//! Every figure with its unit and its definition, a column for each direction.

use maud::{Markup, html};

use super::tables::table;
use super::text::{NONE, count, counted, length, number};
use crate::measure::Distribution;
use crate::report::{AudioReport, Direction, PeerReport, ProcessReport, Report, StreamReport, UntilEnd, VideoReport};

/// One figure: its name, its unit, its definition and how to read it.
struct Row<T>(&'static str, &'static str, &'static str, fn(&T) -> String);

static STREAM: [Row<StreamReport>; 13] = [
    Row("Codec", "", "The codec of the stream.", |s| s.codec.clone()),
    Row("Packets", "", "RTP packets received, duplicates not counted.", |s| count(s.packets)),
    Row("Lost", "packets", "Packets that never came: expected minus received (RFC 3550 A.3).", |s| count(s.lost)),
    Row("Loss", "%", "Lost packets as a share of those expected.", |s| number(s.loss_percent)),
    Row("Recovered", "packets", "Packets that came late because they were sent again (NACK).", |s| count(s.recovered)),
    Row("Network loss", "%", "Lost and recovered packets as a share of those expected.", |s| {
        number(s.network_loss_percent)
    }),
    Row("Duplicates", "packets", "Packets that came again.", |s| count(s.duplicates)),
    Row("Reordered", "packets", "Packets that came after a later one.", |s| count(s.reordered)),
    Row("Payload", "bytes", "Payload received.", |s| count(s.bytes)),
    Row("Bitrate", "kbit/s", "Payload over the time from the first packet to the last.", |s| number(s.bitrate_kbps)),
    Row("Jitter", "ms", "Interarrival jitter at the end (RFC 3550 6.4.1).", |s| number(s.jitter_ms)),
    Row("Quiet", "ms", "From the last packet to the end of the call.", |s| number(s.quiet_ms)),
    Row("Asked again", "packets", "Packets that we asked for with NACK (RFC 4585 6.2.1).", |s| count(s.nacks_sent)),
];

static VIDEO: [Row<VideoReport>; 28] = [
    Row("Frames", "", "Frames put together from packets.", |v| count(v.frames)),
    Row("Key frames", "", "Key frames among them.", |v| count(v.key_frames)),
    Row("Key frames asked for", "", "Key frames that we asked for (PLI).", |v| count(v.key_frames_requested)),
    Row("Decoded", "frames", "Frames decoded.", |v| count(v.decoded)),
    Row("Not decodable", "frames", "Frames that the decoder refused.", |v| count(v.decode_errors)),
    Row("Frame rate", "fps", "Pictures per second from the first to the last.", |v| number(v.fps)),
    Row("Size", "pixels", "Width and height of the last picture.", |v| format!("{}×{}", v.width, v.height)),
    Row("Stamped", "pictures", "Pictures with a readable stamp, which our own pattern has.", |v| count(v.stamped)),
    Row("Wrong peer", "pictures", "Stamped pictures that another peer drew.", |v| count(v.wrong_peer)),
    Row("Black", "pictures", "Pictures with nothing to see.", |v| count(v.black)),
    Row("Black at the end", "", "Since when there was nothing to see any more.", |v| until_end(v.black_at_end)),
    Row("Still at the end", "", "Since when the picture did not move any more.", |v| until_end(v.still_at_end)),
    Row("Repeated", "pictures", "Pictures that show the same as the one before.", |v| count(v.repeated)),
    Row("Never seen", "pictures", "Pictures that were drawn and never seen, by their stamps.", |v| {
        count(v.frames_lost)
    }),
    Row("Freezes", "", "Gaps of at least three times the average of the last 30 and 150 ms more than it.", |v| {
        count(v.freezes)
    }),
    Row("Frozen for", "ms", "Those gaps together.", |v| number(v.freeze_ms)),
    Row("Frozen at the end", "ms", "The part of it at the end of the call.", |v| number(v.end_freeze_ms)),
    Row("Picture quiet", "ms", "From the last picture to the end of the call or of its sender.", |v| {
        maybe(v.picture_quiet_ms)
    }),
    Row("Longest gap", "ms", "The longest time between two pictures.", |v| number(v.longest_gap_ms)),
    Row(
        "Latency p50 / p95 / p99",
        "ms",
        "From the sender's engine to the decoded picture, without the encoding.",
        |v| percentiles(v.latency_ms),
    ),
    Row("Latency min / mean / max", "ms", "The same.", |v| ends(v.latency_ms)),
    Row("PSNR p50 / p95 / p99", "dB", "Brightness against the picture as it was drawn; 100 is no difference.", |v| {
        percentiles(v.psnr_db)
    }),
    Row("PSNR min / mean / max", "dB", "The same.", |v| ends(v.psnr_db)),
    Row("SSIM p50 / p95 / p99", "", "Structural similarity (Wang 2004), 1 is no difference.", |v| percentiles(v.ssim)),
    Row("SSIM min / mean / max", "", "The same.", |v| ends(v.ssim)),
    Row("Skipped", "frames", "Frames not judged, because this machine was too slow.", |v| count(v.skipped)),
    Row("Decoding", "ms", "CPU time of decoding.", |v| number(v.decode_cpu_ms)),
    Row("Judging", "ms", "CPU time of judging the decoded pictures.", |v| number(v.judge_cpu_ms)),
];

static AUDIO: [Row<AudioReport>; 16] = [
    Row("Not decodable", "packets", "Packets that the decoder refused.", |a| count(a.decode_errors)),
    Row("Decoded", "s", "Sound decoded.", |a| number(a.seconds)),
    Row("Audible", "", "Whether there was something to hear.", |a| (if a.audible { "yes" } else { "no" }).to_owned()),
    Row("Level", "dBFS", "Level over all of it, relative to full scale.", |a| maybe(a.level_dbfs)),
    Row("Tone", "Hz", "The dominant tone.", |a| maybe(a.tone_hz)),
    Row("Expected tone", "Hz", "The tone of the peer that was expected.", |a| maybe(a.expected_tone_hz)),
    Row("Silent at the end", "", "Since when there was nothing to hear any more.", |a| until_end(a.silent_at_end)),
    Row("Sound quiet", "ms", "From the last decoded packet to the end of the call or of its sender.", |a| {
        maybe(a.sound_quiet_ms)
    }),
    Row("Gaps", "", "Stretches of media time that no packet covers.", |a| count(a.gaps)),
    Row("Missing for", "ms", "Those gaps together.", |a| number(a.gap_ms)),
    Row("Longest gap", "ms", "The longest of them.", |a| number(a.longest_gap_ms)),
    Row("Clicks", "", "Clicks heard; the beep source has one each second.", |a| count(a.clicks)),
    Row("Latency p50 / p95 / p99", "ms", "From the sender's engine to the packet received.", |a| {
        percentiles(a.latency_ms)
    }),
    Row("Latency min / mean / max", "ms", "The same.", |a| ends(a.latency_ms)),
    Row("Skipped", "packets", "Packets not judged, because this machine was too slow.", |a| count(a.skipped)),
    Row("MOS (estimate)", "1 to 4.5", "E-model (ITU-T G.107) reduced to delay and loss.", |a| maybe(a.mos_estimate)),
];

static DIRECTION: [Row<Direction>; 2] = [
    Row(
        "A/V offset p50 / p95 / p99",
        "ms",
        "The click of a second after its flash; negative when sound came first.",
        |d| percentiles(d.av_offset_ms),
    ),
    Row("A/V offset min / mean / max", "ms", "The same.", |d| ends(d.av_offset_ms)),
];

static SENT: [Row<PeerReport>; 9] = [
    Row("Video source", "", "What it sent.", |p| words(p.sent.video.as_deref())),
    Row("Video codec", "", "The codec negotiated for sending.", |p| words(p.sent.video_codec.as_deref())),
    Row("Video frames", "", "Frames handed to the engine.", |p| count(p.sent.video_frames)),
    Row("Audio source", "", "What it sent.", |p| words(p.sent.audio.as_deref())),
    Row("Audio frames", "", "Frames handed to the engine.", |p| count(p.sent.audio_frames)),
    Row("Key frames asked", "", "Key frames the other side asked for (PLI, FIR).", |p| count(p.sent.key_frames_asked)),
    Row("NACKs", "packets", "Packets the other side asked for again.", |p| count(p.sent.nacks_received)),
    Row("RTCP round trip", "ms", "From the other side's receiver reports (RFC 3550 6.4.1).", |p| {
        maybe(p.sent.rtcp_rtt_ms)
    }),
    Row("Overrun", "packets", "Packets that this process was too slow to take.", |p| count(p.overrun)),
];

/// All tables; nothing without directions and peers.
pub(super) fn section(report: &Report) -> Markup {
    let heads: Vec<String> = report.directions.iter().map(|way| format!("{} → {}", way.from, way.to)).collect();
    let video: Vec<Option<&VideoReport>> = report.directions.iter().map(|way| way.video.as_ref()).collect();
    let audio: Vec<Option<&AudioReport>> = report.directions.iter().map(|way| way.audio.as_ref()).collect();
    let video_streams: Vec<_> = video.iter().map(|video| video.map(|video| &video.stream)).collect();
    let audio_streams: Vec<_> = audio.iter().map(|audio| audio.map(|audio| &audio.stream)).collect();
    let ways: Vec<Option<&Direction>> = report.directions.iter().map(Some).collect();
    let peers: Vec<Option<&PeerReport>> = report.peers.iter().map(Some).collect();
    let names: Vec<String> = report.peers.iter().map(|peer| peer.name.clone()).collect();
    html! {
        @if video.iter().any(Option::is_some) {
            (folded("Video received", &heads, &html! { (rows(&STREAM, &video_streams)) (rows(&VIDEO, &video)) }))
        }
        @if audio.iter().any(Option::is_some) {
            (folded("Audio received", &heads, &html! {
                (rows(&STREAM, &audio_streams)) (rows(&AUDIO, &audio)) (rows(&DIRECTION, &ways))
            }))
        }
        @if !peers.is_empty() { (folded("Sent", &names, &rows(&SENT, &peers))) }
    }
}

/// What the process used, in one line.
pub(super) fn process(process: &ProcessReport, peers: usize) -> Markup {
    html! {
        p {
            "This process, with " (counted(peers as u64, "peer", "peers")) " in it, used "
            (length(process.cpu_seconds * 1000.0)) " of CPU time (" (number(process.cpu_percent))
            "\u{a0}% of one core) and at most " (number(process.peak_memory_mb)) "\u{a0}MB of memory."
        }
    }
}

fn folded(caption: &str, heads: &[String], body: &Markup) -> Markup {
    let mut columns = vec!["Figure"];
    columns.extend(heads.iter().map(String::as_str));
    columns.extend(["Unit", "What it is"]);
    html! { details { summary { (caption) } (table(caption, &columns, &[], body)) } }
}

fn rows<T>(rows: &[Row<T>], values: &[Option<&T>]) -> Markup {
    html! {
        @for Row(name, unit, about, read) in rows {
            tr {
                th scope="row" { (name) }
                @for value in values { td.v { (value.map_or_else(|| NONE.to_owned(), read)) } }
                td { (unit) }
                td.prose { (about) }
            }
        }
    }
}

fn percentiles(values: Option<Distribution>) -> String {
    values.map_or_else(|| NONE.to_owned(), |v| format!("{} / {} / {}", number(v.p50), number(v.p95), number(v.p99)))
}

fn ends(values: Option<Distribution>) -> String {
    values.map_or_else(|| NONE.to_owned(), |v| format!("{} / {} / {}", number(v.min), number(v.mean), number(v.max)))
}

fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), number)
}

fn until_end(since: Option<UntilEnd>) -> String {
    since.map_or_else(|| NONE.to_owned(), |since| format!("since {}", length(since.from_ms)))
}

fn words(value: Option<&str>) -> String {
    value.unwrap_or(NONE).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn each_direction_is_a_column_and_a_missing_one_a_dash() {
        let mut report = sample::healthy();
        report.directions[1].video = None;
        let page = section(&report).into_string();
        assert!(page.contains("<td class=\"v\">640×480</td><td class=\"v\">–</td>"), "{page}");
        assert!(page.contains("12.1 / 15.0 / 18.2") && page.contains("8.00 / 12.3 / 21.0"), "{page}");
    }

    #[test]
    fn without_media_there_is_no_table() {
        assert_eq!(section(&sample::empty()).into_string(), "");
    }
}
