//! The figures that matter most: a card for each direction.

use maud::{Markup, html};

use super::text::{NONE, count, decimals, number, quantity};
use crate::measure::Distribution;
use crate::report::{AudioReport, Direction, Report, StreamReport, VideoReport};

/// All cards; nothing without directions.
pub(super) fn cards(report: &Report) -> Markup {
    if report.directions.is_empty() {
        return Markup::default();
    }
    html! { div.cards { @for direction in &report.directions { (card(direction, report)) } } }
}

/// A figure: what it is, the value, and the value's unit.
type Figure = (&'static str, String, &'static str);

fn card(direction: &Direction, report: &Report) -> Markup {
    // Of a side that is not ours nobody knows what it sent.
    let sent = report.peer(&direction.from).map(|peer| (peer.sent.video.is_some(), peer.sent.audio.is_some()));
    let video = direction.video.as_ref().map(|video| (video_words(video), video_figures(video)));
    let audio = direction.audio.as_ref().map(|audio| (audio_words(audio), audio_figures(audio)));
    html! {
        article.card {
            h3 { span.name { (direction.from) } " → " span.name { (direction.to) } }
            (half("Video", video, sent.map(|sent| sent.0)))
            (half("Audio", audio, sent.map(|sent| sent.1)))
            @if let Some(offset) = &direction.av_offset_ms {
                p.aside {
                    "Sound " (offset_words(offset)) " the picture (median of " (count(offset.count)) " seconds)."
                }
            }
            @if let Some(basis) = &direction.latency_basis { p.aside { (basis_words(basis)) } }
            @for remark in &direction.remarks { p.aside { (remark) } }
        }
    }
}

fn half(kind: &str, found: Option<(String, Vec<Figure>)>, sent: Option<bool>) -> Markup {
    html! {
        h4 { (kind) }
        @match found {
            Some((words, figures)) => {
                p.aside { (words) }
                dl.figures {
                    @for (label, value, unit) in &figures {
                        div { dt { (label) } dd { (value) @if !unit.is_empty() { " " span.unit { (unit) } } } }
                    }
                }
            }
            None => p.aside { (if sent == Some(false) { "It was not sent." } else { "Not one packet came." }) }
        }
    }
}

fn video_words(video: &VideoReport) -> String {
    let mut words = vec![video.stream.codec.clone()];
    if video.width > 0 {
        words.push(format!("{}×{}", video.width, video.height));
    }
    let faults = [
        (video.wrong_peer, "drawn by another peer"),
        (video.black, "black"),
        (video.repeated, "repeated"),
        (video.frames_lost, "never seen"),
        (video.decode_errors, "not decodable"),
    ];
    words.extend(faults.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(*n))));
    words.retain(|word| !word.is_empty());
    words.join(" · ")
}

fn video_figures(video: &VideoReport) -> Vec<Figure> {
    let mut figures = vec![("Frame rate", number(video.fps), "fps")];
    figures.extend(stream_figures(&video.stream));
    if let Some(latency) = &video.latency_ms {
        figures.push(("Latency p50 / p95", pair(latency), "ms"));
    }
    figures.push(("Freezes", count(video.freezes), ""));
    if video.freezes > 0 {
        figures.push(("Frozen for", number(video.freeze_ms), "ms"));
    }
    if let Some(psnr) = &video.psnr_db {
        figures.push(("PSNR median", number(psnr.p50), "dB"));
    }
    if let Some(ssim) = &video.ssim {
        figures.push(("SSIM median", decimals(ssim.p50, 3), ""));
    }
    figures
}

fn audio_words(audio: &AudioReport) -> String {
    let level = audio.level_dbfs.map_or_else(|| "silence".to_owned(), |level| quantity(level, "dBFS"));
    let heard = match (audio.audible, audio.tone_hz) {
        (false, _) => "nothing to hear".to_owned(),
        (true, Some(hz)) => format!("tone of {}", quantity(hz, "Hz")),
        (true, None) => "sound".to_owned(),
    };
    let mut words = vec![audio.stream.codec.clone(), heard, level];
    words.retain(|word| !word.is_empty());
    words.join(" · ")
}

fn audio_figures(audio: &AudioReport) -> Vec<Figure> {
    let mut figures = stream_figures(&audio.stream).to_vec();
    if let Some(latency) = &audio.latency_ms {
        figures.push(("Latency p50 / p95", pair(latency), "ms"));
    }
    figures.push(("Gaps", count(audio.gaps), ""));
    if audio.gaps > 0 {
        figures.push(("Missing for", number(audio.gap_ms), "ms"));
    }
    if let Some(mos) = audio.mos_estimate {
        figures.push(("MOS (estimate)", decimals(mos, 2), ""));
    }
    figures
}

fn stream_figures(stream: &StreamReport) -> [Figure; 3] {
    [
        ("Bitrate", number(stream.bitrate_kbps), "kbit/s"),
        ("Loss", number(stream.loss_percent), "%"),
        ("Jitter", number(stream.jitter_ms), "ms"),
    ]
}

fn pair(values: &Distribution) -> String {
    format!("{} / {}", number(values.p50), number(values.p95))
}

fn offset_words(offset: &Distribution) -> String {
    let ms = offset.p50;
    if ms.abs() < 0.5 {
        return "comes with".to_owned();
    }
    format!("comes {} {}", quantity(ms.abs(), "ms"), if ms > 0.0 { "after" } else { "before" })
}

fn basis_words(basis: &str) -> String {
    match basis {
        "shared-clock" => "Latency by one clock: both peers ran in this process.".to_owned(),
        "picture" => "Latency by the sender's clock in the picture; as good as both machines' clocks agree.".to_owned(),
        "sender-report" => "Latency by RTCP sender reports; as good as both machines' clocks agree.".to_owned(),
        "" => NONE.to_owned(),
        other => format!("Latency by {other}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_direction_without_packets_says_so_and_one_without_a_source_too() {
        assert!(half("Video", None, None).into_string().contains("Not one packet came."));
        assert!(half("Video", None, Some(true)).into_string().contains("Not one packet came."));
        assert!(half("Video", None, Some(false)).into_string().contains("It was not sent."));
    }

    #[test]
    fn sound_that_comes_first_is_before_the_picture() {
        let at = |p50: f64| offset_words(&Distribution { p50, ..Distribution::default() });
        assert_eq!(
            [at(0.1), at(-20.0), at(20.0)],
            ["comes with", "comes 20.0\u{a0}ms before", "comes 20.0\u{a0}ms after"]
        );
    }

    #[test]
    fn each_direction_is_a_card() {
        let page = cards(&sample::healthy()).into_string();
        assert_eq!(page.matches("<article").count(), 2);
        assert!(page.contains("12.1 / 15.0") && page.contains("640×480"), "{page}");
    }
}
