use std::sync::{Arc, Mutex};

use super::*;
use crate::peer::Milestone;
use crate::report::{AudioReport, StreamReport, VideoReport};

/// A place to write to that can be read meanwhile.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

fn console(terminal: bool, width: usize, quiet: bool) -> (Console, Paper) {
    let paper = Paper::default();
    let console = Console::with(Box::new(paper.clone()), terminal, Box::new(move || width), quiet);
    (Console { color: false, ..console }, paper)
}

fn status(peer: &str, seconds: u64) -> News {
    let stream = |bitrate_kbps: f64| StreamReport { bitrate_kbps, lost: 2, ..StreamReport::default() };
    let video = VideoReport { stream: stream(1180.0), fps: 30.0, ..VideoReport::default() };
    let audio =
        AudioReport { stream: stream(32.0), tone_hz: Some(440.0), level_dbfs: Some(-15.0), ..AudioReport::default() };
    let status = Status { elapsed: Duration::from_secs(seconds), video: Some(video), audio: Some(audio) };
    News::Status { peer: peer.to_owned(), status: Box::new(status) }
}

const ALICE: &str = "00:01  alice  video 30 fps 1180 kbit/s, 2 lost; audio 440 Hz -15 dBFS, 2 lost";
const BOB: &str = "00:01  bob    video 30 fps 1180 kbit/s, 2 lost; audio 440 Hz -15 dBFS, 2 lost";

#[test]
fn a_terminal_has_a_live_line_for_each_peer_that_is_rewritten_in_place() {
    let (mut console, paper) = console(true, 100, false);
    console.show(&status("alice", 1));
    assert_eq!(paper.take(), ALICE);
    console.show(&status("bob", 1));
    assert_eq!(paper.take(), format!("\r\u{1b}[J{ALICE}\n{BOB}"));
    console.show(&status("alice", 1));
    assert_eq!(paper.take(), format!("\r\u{1b}[A\u{1b}[J{ALICE}\n{BOB}"));
}

#[test]
fn live_lines_are_cleared_before_other_lines_and_cut_to_the_width() {
    let (mut console, paper) = console(true, 40, false);
    console.show(&status("alice", 1));
    let line = paper.take();
    assert_eq!(line, "00:01  alice  video 30 fps 1180 kbit/s…");
    let reached =
        News::Reached { peer: "bob".to_owned(), milestone: Milestone::HungUp, at: Duration::from_millis(1500) };
    console.show(&reached);
    assert_eq!(paper.take(), format!("\r\u{1b}[J   1500.0 ms bob    {}\n", Milestone::HungUp.words()));
    console.note("call 2 of 3");
    console.show(&status("bob", 1));
    assert_eq!(paper.take(), "call 2 of 3\n00:01  bob    video 30 fps 1180 kbit/s…");
}

#[test]
fn without_a_terminal_each_peer_has_a_line_every_five_seconds() {
    let (mut console, paper) = console(false, 40, false);
    for second in 1..=11 {
        console.show(&status("alice", second));
        console.show(&status("bob", second));
    }
    let text = paper.take();
    let lines: Vec<_> = text.lines().map(|line| &line[..13]).collect();
    assert_eq!(lines, ["00:05  alice ", "00:05  bob   ", "00:10  alice ", "00:10  bob   "]);
    assert!(!text.contains('\u{1b}'));
    console.note("call 2 of 2");
    console.show(&status("alice", 5));
    assert_eq!(paper.take().lines().count(), 2, "the next call begins anew");
}

#[test]
fn quiet_leaves_the_verdict_alone() {
    let (mut console, paper) = console(true, 100, true);
    console.headline("one call");
    console.note("call 1 of 2");
    console.show(&status("alice", 1));
    assert_eq!(paper.take(), "");
    console.finish(&crate::report::sample::healthy());
    assert_eq!(paper.take(), "PASS The call works: decodable video and audible audio in both directions.\n");
}

#[test]
fn a_window_that_becomes_narrower_in_mid_call_has_shorter_lines_from_then_on() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (paper, columns) = (Paper::default(), Arc::new(AtomicUsize::new(100)));
    let asked = Arc::clone(&columns);
    let width = Box::new(move || asked.load(Ordering::Relaxed));
    let mut console = Console { color: false, ..Console::with(Box::new(paper.clone()), true, width, false) };
    console.show(&status("alice", 1));
    assert_eq!(paper.take(), ALICE);
    columns.store(20, Ordering::Relaxed);
    console.show(&status("alice", 1));
    assert_eq!(paper.take(), "\r\u{1b}[J00:01  alice  vide…", "narrower than any table");
}

#[test]
fn annotations_are_told_quiet_or_not() {
    let (mut console, paper) = console(false, 100, true);
    let mut report = crate::report::sample::failed();
    report.verdict.sentence = "refused: \u{1b}[2J\u{202e}gone\n::error::forged".to_owned();
    report.verdict.remedy = None;
    report.expectations.clear();
    console.annotate(&report);
    assert_eq!(paper.take(), "::error title=NO_MEDIA::refused: �[2J�gone ::error::forged\n");
}

#[test]
fn what_a_server_says_only_shows() {
    let (mut console, paper) = console(false, 100, false);
    console.note("call 1 of 2 FAILED: \u{1b}]0;owned\u{7}\n::error::forged");
    console.headline("##[error]forged");
    assert_eq!(paper.take(), "call 1 of 2 FAILED: �]0;owned� ::error::forged\n## [error]forged\n");
    console.show(&status("ev\u{1b}[Ail", 5));
    assert!(paper.take().starts_with("00:05  ev�[Ail "));
}
