//! The report as one HTML file that needs nothing else: no request to anywhere, light and dark, readable on paper, by
//! keyboard and by screen reader.
//!
//! From top to bottom: the verdict, what was expected, the figures that matter, how the call was set up, its path, the
//! call over time, pictures, and every figure with its definition. What a report does not have leaves no trace here.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use super::terminal::visible;

mod arrows;
mod axis;
mod details;
mod figures;
mod ice;
mod labels;
mod moments;
mod overtime;
mod plot;
mod repeat;
mod script;
mod snapshots;
mod stages;
mod tables;
mod text;
mod thin;
mod timeline;
mod track;
mod verdict;
mod waterfall;
mod wires;

const STYLE: &str = include_str!("html/style.css");

/// The report as an HTML document, UTF-8. It cannot fail; parts that the report does not have are left out.
pub fn render(report: &Report) -> String {
    let sections = sections(report);
    let title = format!("{}: {}, Dialtone call report", verdict::Outcome::of(report).words(), report.room);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(script::policy());
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the report" }
                (verdict::header(report))
                @if sections.len() > 1 {
                    nav aria-label="Sections" {
                        ul { @for part in &sections { li { a href={ "#" (part.id) } { (part.title) } } } }
                    }
                }
                main #main tabindex="-1" {
                    @for part in &sections {
                        section aria-labelledby=(part.id) {
                            h2 id=(part.id) { (part.title) }
                            (part.body)
                        }
                    }
                }
                (footer(report))
                script { (PreEscaped(script::SCRIPT)) }
            }
        }
    };
    harmless(&page.into_string())
}

/// A page on which nothing steers what shows it: no control characters, and none that turn the direction of writing. Names
/// and sentences of others stand in it, and the page itself has no use for any.
fn harmless(page: &str) -> String {
    let lines: Vec<String> = page.split('\n').map(visible).collect();
    lines.join("\n")
}

/// A part of the page.
struct Part {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

/// The parts that have something to say.
fn sections(report: &Report) -> Vec<Part> {
    let setup = html! { (waterfall::draw(report)) (tables::setup(report)) };
    let repeat = report.repeat.as_ref().map(repeat::section).unwrap_or_default();
    let process = report.process.as_ref().map(|used| details::process(used, report.peers.len())).unwrap_or_default();
    let all = [
        ("expectations", "Expectations", verdict::expectations(&report.expectations)),
        ("repeat", "All calls", repeat),
        ("figures", "Key figures", figures::cards(report)),
        ("setup", "How the call was set up", setup),
        ("path", "The path", ice::section(report)),
        ("time", "The call over time", overtime::section(report)),
        ("pictures", "Pictures", snapshots::section(report)),
        ("details", "Every figure", details::section(report)),
        ("process", "What it cost", process),
    ];
    let parts = all.into_iter().map(|(id, title, body)| Part { id, title, body });
    parts.filter(|part| !part.body.0.is_empty()).collect()
}

fn footer(report: &Report) -> Markup {
    html! {
        footer {
            p {
                "Written by peer-cli " span.name { (report.version) } " from a " code { (report.schema) }
                ". Times count from the beginning of the run. Nothing on this page is loaded from anywhere."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// Elements that have no end tag.
    const VOID: [&str; 2] = ["meta", "img"];

    /// Without what is not markup.
    fn markup(page: &str) -> String {
        let (before, rest) = page.split_once("<style>").unwrap();
        let (_, rest) = rest.split_once("</style>").unwrap();
        let (middle, rest) = rest.split_once("<script>").unwrap();
        let (_, after) = rest.split_once("</script>").unwrap();
        [before, middle, after].concat()
    }

    /// Follows the tags; every end tag has to fit.
    fn balanced(page: &str) {
        let text = markup(page);
        let mut open: Vec<&str> = Vec::new();
        for tag in text.split('<').skip(1) {
            let inside = tag.split_once('>').expect("a tag ends").0;
            let name = inside.split(' ').next().unwrap();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "</{name}> after {open:?}"),
                None if VOID.contains(&name) || name.starts_with('!') => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "never ended: {open:?}");
    }

    #[test]
    fn a_whole_report_is_well_formed_and_has_all_its_parts() {
        let page = render(&sample::healthy());
        balanced(&page);
        for id in ["expectations", "figures", "setup", "path", "time", "pictures", "details", "process"] {
            assert!(page.contains(&format!("<h2 id=\"{id}\">")), "{id} is missing");
        }
        assert_eq!(page.matches("<h1>").count(), 1);
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn an_empty_report_has_a_verdict_and_no_empty_shells() {
        let page = render(&sample::empty());
        balanced(&page);
        assert!(page.contains("PASS") && page.contains("The call works."));
        for shell in ["<h2", "<nav", "<table", "<figure", "<article"] {
            assert!(!page.contains(shell), "{shell} in an empty report");
        }
    }

    #[test]
    fn one_peer_alone_is_a_report_too() {
        let mut report = sample::healthy();
        report.peers.truncate(1);
        report.directions.truncate(1);
        balanced(&render(&report));
    }

    #[test]
    fn nothing_of_a_report_becomes_markup() {
        let evil = "\"><script>alert('x')</script><img src=x onerror=y>";
        let mut text = sample::healthy().to_json();
        let sentence = sample::healthy().verdict.sentence;
        for word in ["alice", "bob", "call-1", &sentence, "worst", "OFFER", "ready", "shared-clock", "VP8"] {
            let quoted = |text: &str| serde_json::to_string(text).unwrap();
            text = text.replace(&quoted(word), &quoted(&format!("{word}{evil}")));
        }
        let page = render(&Report::from_json(&text).unwrap());
        balanced(&page);
        assert!(page.contains("call-1&quot;&gt;&lt;script&gt;alert"));
        assert_eq!(page.matches("<script>").count(), 1);
        assert!(!page.contains("<img src=x"));
    }

    #[test]
    fn nothing_of_a_report_turns_the_words_around_it() {
        let mut report = sample::healthy();
        report.verdict.facts = vec!["\u{202e}fact\u{2066} with\u{1b}[2J\u{200f} marks".to_owned()];
        report.peers[0].name = "ali\u{202d}ce\nx".to_owned();
        let page = render(&report);
        let steers =
            |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
        assert!(!page.contains(steers) && !page.contains('\u{2066}'));
        assert!(page.contains("fact") && page.contains("with\u{fffd}[2J"));
        assert!(page.contains(script::SCRIPT) && page.contains(STYLE), "our own words stay as they are");
    }

    #[test]
    fn figures_that_nobody_measured_break_neither_axes_nor_words() {
        let mut report = sample::healthy();
        report.duration_ms = 1e308;
        for direction in &mut report.directions {
            let (video, series) = (direction.video.as_mut().unwrap(), direction.series.as_mut().unwrap());
            (video.fps, video.stream.bitrate_kbps, video.freeze_ms) = (1e308, -1e308, f64::MAX);
            video.ssim = video.ssim.map(|ssim| crate::measure::Distribution { p50: 1e300, ..ssim });
            (series.fps[3], series.video_kbps[4]) = (Some(f32::MAX), Some(f32::INFINITY));
        }
        for (n, stamp) in report.peers[0].phases.iter_mut().enumerate() {
            stamp.at_ms = if n % 2 == 0 { 1e308 } else { -1e308 };
        }
        report.peers[1].messages.iter_mut().for_each(|message| message.at_ms = 1e300);
        let page = render(&report);
        balanced(&page);
        for nonsense in ["NaN", ">inf", "inf\u{a0}", "\u{202f}000\u{202f}000\u{202f}000\u{202f}000\u{202f}000"] {
            assert!(!page.contains(nonsense), "{nonsense}");
        }
        let digits = markup(&page).split(|c: char| !c.is_ascii_digit()).map(str::len).max();
        assert!(digits.is_some_and(|digits| digits <= 20), "{digits:?} digits in a row");
        assert!(page.contains("The call over time") && page.contains("bob had its first sound"), "the rest is there");
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        let page = render(&sample::healthy());
        for fetch in ["http://", "https://", "url(", "@import", "src=\"//", "<link", "<iframe"] {
            assert!(!page.contains(fetch), "{fetch} in the page");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn a_heading_never_skips_a_level() {
        let page = render(&sample::healthy());
        let levels: Vec<u32> =
            markup(&page).split("<h").skip(1).filter_map(|rest| rest.chars().next()?.to_digit(10)).collect();
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
        assert_eq!(levels.first(), Some(&1));
    }
}
