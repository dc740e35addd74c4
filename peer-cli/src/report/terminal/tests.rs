use super::super::{repeat, sample};
use super::*;
use crate::report::JudgeLevel;

const fn plain(width: usize) -> Style {
    Style { color: false, width }
}

#[test]
fn a_call_that_works_is_shown_whole() {
    let expected = "
alice -> bob
        codec  packets  lost  decoded   errors    bitrate    jitter  seen and heard
  video VP8        362     0       90        0  1061 kbit    0.6 ms  640x480 at 30 fps, the sender's pattern
        latency p50 12.1, p95 15, p99 18.2 ms; no freeze; PSNR 38.2 dB; SSIM 0.981
  audio opus       150     0      150        0    32 kbit    1.1 ms  tone of 404 Hz, -15 dBFS
        latency p50 3.1, p95 4, p99 5.2 ms; no gap; A/V offset 2 ms; MOS 4.4 (estimate)

bob -> alice
        codec  packets  lost  decoded   errors    bitrate    jitter  seen and heard
  video VP8        362     0       90        0  1061 kbit    0.6 ms  640x480 at 30 fps, the sender's pattern
        latency p50 12.1, p95 15, p99 18.2 ms; no freeze; PSNR 38.2 dB; SSIM 0.981
  audio opus       150     0      150        0    32 kbit    1.1 ms  tone of 1004 Hz, -15 dBFS
        latency p50 3.1, p95 4, p99 5.2 ms; no gap; A/V offset 2 ms; MOS 4.4 (estimate)

path of alice  host 127.0.0.1:1000 -> host 127.0.0.1:2000, round trip 0.1 ms
path of bob    host 127.0.0.1:2000 -> host 127.0.0.1:1000, round trip 0.1 ms
relay: 2 allocations, 1152 bytes to peers, 768 bytes to clients, counted by the relay at turn:127.0.0.1:3478
used: 1.4 s of CPU (45 % of a core), 38 MB of memory

ok      setup_ms<500             setup_ms was 45.4 ms (alice), below 500 ms as it should be

PASS The call works: decodable video and audible audio in both directions.
";
    assert_eq!(render(&sample::healthy(), plain(110)), expected);
}

#[test]
fn a_call_that_does_not_work_says_what_it_rests_on_and_what_to_try() {
    let expected = "
alice -> bob
        codec  packets  lost  decoded    bitrate    jitter  seen and heard
  video VP8        362     0       90  1061 kbit    0.6 ms  640x480 at 30 fps, the sender's pattern
        latency p50 12.1, p95 15, p99 18.2 ms; no freeze; PSNR 38.2 dB; SSIM 0.981
  audio opus       150     0      150    32 kbit    1.1 ms  tone of 404 Hz, -15 dBFS
        latency p50 3.1, p95 4, p99 5.2 ms; no gap; A/V offset 2 ms; MOS 4.4 (estimate)

bob -> alice
  video not one packet came
  audio not one packet came

path of alice  host 127.0.0.1:1000 -> host 127.0.0.1:2000, round trip 0.1 ms
path of bob    host 127.0.0.1:2000 -> host 127.0.0.1:1000, round trip 0.1 ms
alice  asked    turn:127.0.0.1:3478 allocates and relays, 12 ms
relay: 2 allocations, 1152 bytes to peers, 768 bytes to clients, counted by the relay at turn:127.0.0.1:3478
used: 1.4 s of CPU (45 % of a core), 38 MB of memory

ok      setup_ms<500             setup_ms was 45 ms (bob), below 500 ms as it should be
warned  video.fps>50             video.fps was 30 fps (alice -> bob); it should be above 50 fps

FAIL The path is up, and not one packet came from bob to alice.
     - 362 video packets came from alice to bob, 0 from bob to alice
     Try: Look at the sender. [NO_MEDIA]
";
    assert_eq!(render(&sample::failed(), plain(100)), expected);
}

#[test]
fn eighty_columns_leave_out_what_says_least() {
    let expected = "
alice -> bob
        codec  packets  lost    bitrate  seen and heard
  video VP8        362     0  1061 kbit  640x480 at 30 fps, the sender's pattern
        latency p50 12.1, p95 15, p99 18.2 ms; no freeze; PSNR 38.2 dB;
        SSIM 0.981
  audio opus       150     0    32 kbit  tone of 404 Hz, -15 dBFS
        latency p50 3.1, p95 4, p99 5.2 ms; no gap; A/V offset 2 ms;
        MOS 4.4 (estimate)
";
    let text = render(&sample::healthy(), plain(80));
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn sixty_columns_keep_loss_and_bitrate() {
    let expected = "
alice -> bob
          lost    bitrate  seen and heard
  video      0  1061 kbit  640x480 at 30 fps
        latency p50 12.1, p95 15, p99 18.2 ms; no freeze;
        PSNR 38.2 dB; SSIM 0.981
  audio      0    32 kbit  tone of 404 Hz, -15 dBFS
        latency p50 3.1, p95 4, p99 5.2 ms; no gap;
        A/V offset 2 ms; MOS 4.4 (estimate)
";
    let text = render(&sample::healthy(), plain(60));
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn no_table_is_wider_than_asked_for() {
    for width in [50, 60, 70, 80, 90, 100, 120] {
        let text = render(&sample::healthy(), plain(width));
        let tables = text.split("\npath of").next().unwrap_or_default();
        assert!(tables.lines().all(|line| line.chars().count() <= width), "{width}:\n{tables}");
    }
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let colored = render(&sample::failed(), Style { color: true, width: 100 });
    assert!(colored.contains("\u{1b}[1;31mFAIL\u{1b}[0m The path is up"));
    assert!(colored.contains("\u{1b}[1;33mwarned\u{1b}[0m  video.fps>50"));
    let mut bare = colored;
    for code in ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[2m", "\u{1b}[0m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, render(&sample::failed(), plain(100)));
}

#[test]
fn a_missed_warning_turns_pass_into_warn() {
    let mut report = sample::healthy();
    report.expectations[0].ok = false;
    report.expectations[0].warning = true;
    assert!(verdict_line(&report, plain(100)).starts_with("WARN The call works"));
    report.expectations.clear();
    assert!(verdict_line(&report, plain(100)).starts_with("PASS The call works"));
}

#[test]
fn what_was_not_looked_at_is_not_called_missing() {
    let mut report = sample::healthy();
    report.judge = JudgeLevel::Packets;
    let text = render(&report, plain(110));
    assert!(text.contains("packets counted") && !text.contains("decoded   "), "{text}");
    assert!(!text.contains("freeze") && !text.contains("gap"), "{text}");
}

#[test]
fn errors_stay_when_there_are_some() {
    let mut report = sample::healthy();
    if let Some(video) = &mut report.directions[0].video {
        video.decode_errors = 7;
    }
    let text = render(&report, plain(100));
    let (first, second) = text.split_once("bob -> alice").unwrap();
    assert!(first.contains("errors") && !second.contains("errors"), "{text}");
}

#[test]
fn a_repetition_begins_with_all_its_calls() {
    let report = repeat::combine(vec![sample::healthy(), sample::failed()]);
    let text = render(&report, plain(100));
    let head = "
2 calls: 1 NO_MEDIA, 1 OK
                                  min   median      p95      max
  signaling_ms                   53.1     53.1     54.5     54.5 ms
  setup_ms                         45       45     45.4     45.4 ms
";
    assert!(text.starts_with(head), "{text}");
    assert!(text.contains("\nthe first call that failed:\n\nalice -> bob\n"), "{text}");
    let narrow = render(&report, plain(50));
    assert!(narrow.contains("\n  setup_ms                         45     45.4 ms\n"), "{narrow}");
}

#[test]
fn a_stopped_repetition_says_how_many_calls_were_asked_for() {
    let mut report = repeat::combine(vec![sample::healthy(), sample::healthy()]);
    report.repeat.as_mut().unwrap().asked = Some(20);
    assert!(render(&report, plain(100)).starts_with("\n2 of 20 calls: 2 OK\n"));
    report.repeat = repeat::combine(Vec::new()).repeat;
    report.repeat.as_mut().unwrap().asked = Some(20);
    let text = render(&report, plain(100));
    let head = "\n0 of 20 calls: none was judged\n\nthe call that was stopped:\n\nalice -> bob\n";
    assert!(text.starts_with(head), "{text}");
}

/// What somebody may write who wants more of a terminal, or of a workflow's log, than to be shown.
const EVIL: &str = "::error::evil\u{1b}[2J\u{9b}1A\u{202e}\r\n::error title=x::forged\n##[error]forged";

#[test]
fn whatever_a_report_says_only_shows() {
    let mut repeated = repeat::combine(vec![sample::healthy(), sample::failed()]);
    repeated.repeat.as_mut().unwrap().causes.insert(EVIL.to_owned(), 1);
    for report in [sample::healthy(), sample::failed(), repeated] {
        let report = with_evil_texts(&report);
        let shown = render(&report, plain(100)) + &phase_line(1.0, &report.peers[0].name, "joined", plain(100));
        let does_more = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(shown.contains("evil") && !shown.contains(does_more), "{shown:?}");
        assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown}");
        assert!(!shown.contains("##["), "{shown}");
    }
}

/// The report with each of its texts made evil where a reader takes any text there. Phases keep their names, as what is
/// shown depends on them.
fn with_evil_texts(report: &Report) -> Report {
    let mut document = serde_json::to_value(report).unwrap();
    let mut pointers = Vec::new();
    texts(&document, String::new(), &mut pointers);
    for (number, pointer) in pointers.iter().enumerate().filter(|(_, pointer)| !pointer.ends_with("/phase")) {
        let evil = serde_json::Value::String(format!("{EVIL} <{number}>"));
        let kept = std::mem::replace(document.pointer_mut(pointer).unwrap(), evil);
        if serde_json::from_value::<Report>(document.clone()).is_err() {
            *document.pointer_mut(pointer).unwrap() = kept;
        }
    }
    serde_json::from_value(document).unwrap()
}

/// JSON pointers (RFC 6901) of all texts.
fn texts(value: &serde_json::Value, at: String, found: &mut Vec<String>) {
    use serde_json::Value;
    match value {
        Value::String(_) => found.push(at),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| texts(item, format!("{at}/{index}"), found))
        }
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            texts(field, format!("{at}/{name}"), found);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn moments_are_written_as_the_calendar_has_them() {
    // A leap day, the first and the last second of a year, and the day after a February of 28 days.
    let found = [951_782_400_000, 1_704_067_199_999, 1_704_067_200_000, 1_772_323_200_000].map(words::utc);
    let expected =
        ["2000-02-29 00:00:00 UTC", "2023-12-31 23:59:59 UTC", "2024-01-01 00:00:00 UTC", "2026-03-01 00:00:00 UTC"];
    assert_eq!(found, expected);
    assert_eq!(
        (words::utc(0), words::iso8601(sample::STARTED).as_str()),
        ("1970-01-01 00:00:00 UTC".to_owned(), "2026-11-23T08:46:40Z")
    );
}
