//! The pictures that were kept: first, worst and last of each direction.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::text::{length, quantity};
use crate::report::{Direction, Report, Snapshot};

/// As wide as a picture is kept at most, in pixels.
const WIDEST: u32 = 480;

/// All pictures; nothing where none was kept.
pub(super) fn section(report: &Report) -> Markup {
    html! { @for direction in &report.directions { (of_direction(direction)) } }
}

fn of_direction(direction: &Direction) -> Markup {
    let kept = direction.video.as_ref().map(|video| video.snapshots.as_slice()).unwrap_or_default();
    let mut kept: Vec<&Snapshot> = kept.iter().filter(|snapshot| is_webp(&snapshot.webp_base64)).collect();
    kept.sort_by_key(|snapshot| place(&snapshot.which));
    html! {
        @if !kept.is_empty() {
            h3 { span.name { (direction.from) } " → " span.name { (direction.to) } }
            div.pictures { @for snapshot in &kept { (picture(snapshot, direction)) } }
        }
    }
}

fn picture(snapshot: &Snapshot, direction: &Direction) -> Markup {
    let (width, height) = shown(snapshot.width, snapshot.height);
    let psnr = snapshot.psnr_db.map_or_else(String::new, |psnr| format!(", PSNR {}", quantity(psnr, "dB")));
    let at = length(snapshot.at_ms);
    let words = format!("The {} picture that {} got from {}", snapshot.which, direction.to, direction.from);
    html! {
        figure.picture {
            img src={ "data:image/webp;base64," (snapshot.webp_base64) } width=(width) height=(height) alt=(words);
            figcaption {
                strong { (snapshot.which) } " at " (at) ", " (snapshot.width) "×" (snapshot.height) (psnr)
            }
        }
    }
}

/// Whether it is what goes into a `data:` url: base64, and a WebP inside (RFC 9649: `RIFF`, a length, `WEBP`).
fn is_webp(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|bytes| bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP".as_slice()))
}

fn place(which: &str) -> u8 {
    match which {
        "first" => 0,
        "worst" => 1,
        "last" => 2,
        _ => 3,
    }
}

/// The size of the kept picture, in the proportions of the decoded one.
fn shown(width: u32, height: u32) -> (u32, u32) {
    let kept = width.clamp(1, WIDEST);
    let height = u64::from(height) * u64::from(kept) / u64::from(width.max(1));
    (kept, u32::try_from(height).unwrap_or(WIDEST).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn only_a_webp_in_base64_becomes_a_picture() {
        assert!(is_webp(sample::WEBP));
        for text in ["", "\"><script>", "aGVsbG8=", "UklGRiQAAABXRUJQ VlA4IA=="] {
            assert!(!is_webp(text), "{text}");
        }
    }

    #[test]
    fn a_picture_keeps_its_proportions() {
        assert_eq!([shown(1280, 720), shown(320, 240), shown(0, 0)], [(480, 270), (320, 240), (1, 1)]);
    }

    #[test]
    fn a_caption_says_when_and_how_good() {
        let page = section(&sample::healthy()).into_string();
        assert_eq!(page.matches("data:image/webp;base64,UklGR").count(), 2);
        assert!(page.contains("PSNR 37.5\u{a0}dB") && page.contains("that bob got from alice"), "{page}");
    }
}
