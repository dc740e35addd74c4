//! When was this sent? Answered on the receiver's clock, from what the sender is known to have done.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::rtc::MediaKind;

/// What a sender in this very process handed to its engine, by RTP timestamp. Clones share one ledger; it remembers the
/// last half a minute and more of each kind.
#[derive(Debug, Clone, Default)]
pub struct SendLedger {
    pages: Arc<Mutex<Pages>>,
}

#[derive(Debug, Default)]
struct Pages {
    video: VecDeque<(u32, Instant)>,
    audio: VecDeque<(u32, Instant)>,
}

/// Entries of each kind: 34 seconds at 60 frames per second, 41 seconds of packets of 20 ms.
const ENTRIES: usize = 2048;

impl SendLedger {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frame with this RTP timestamp was handed to the engine at `at`.
    pub fn record(&self, kind: MediaKind, rtp_timestamp: u32, at: Instant) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let page = pages.of(kind);
        if page.len() == ENTRIES {
            page.pop_front();
        }
        page.push_back((rtp_timestamp, at));
    }

    /// When the frame with this RTP timestamp was handed to the engine; `None` where it never was, or too long ago.
    pub fn sent_at(&self, kind: MediaKind, rtp_timestamp: u32) -> Option<Instant> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        // The frame asked for is nearly always one of the last.
        pages.of(kind).iter().rev().find(|(sent, _)| *sent == rtp_timestamp).map(|(_, at)| *at)
    }
}

impl Pages {
    fn of(&mut self, kind: MediaKind) -> &mut VecDeque<(u32, Instant)> {
        match kind {
            MediaKind::Video => &mut self.video,
            MediaKind::Audio => &mut self.audio,
        }
    }
}

/// How a time of sending is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Sender and receiver are in one process and share its clock.
    SharedClock,
    /// The sender's clock is drawn into the picture.
    Picture,
    /// RTCP sender reports; as good as the clocks of the two machines agree.
    SenderReport,
}

impl Basis {
    /// As it stands in a report: `shared-clock`, `picture` or `sender-report`.
    pub fn name(self) -> &'static str {
        match self {
            Self::SharedClock => "shared-clock",
            Self::Picture => "picture",
            Self::SenderReport => "sender-report",
        }
    }
}

/// Tells when the frames of one kind of media were sent. Each stream of the kind (a camera, then a shared screen) has an
/// RTP clock of its own.
#[derive(Debug, Clone)]
pub struct SenderClock {
    kind: MediaKind,
    clock_rate: u32,
    ledger: Option<SendLedger>,
    /// The last report about each stream, the latest at the end.
    reports: VecDeque<(u32, Anchor)>,
}

/// Streams of one kind whose clocks are remembered.
const STREAMS: usize = 8;

/// One instant on both clocks: the sender's RTP clock and ours.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    rtp_timestamp: u32,
    at: Instant,
    /// Nanoseconds to add to `at`; negative in the usual case that the report spent time on its way.
    shift: i128,
}

impl SenderClock {
    /// For streams of `kind` whose RTP timestamps count `clock_rate` a second (90000 for video, 48000 for Opus).
    /// `ledger`: what the sender wrote down, where it is in this process.
    pub fn new(kind: MediaKind, clock_rate: u32, ledger: Option<SendLedger>) -> Self {
        Self { kind, clock_rate, ledger, reports: VecDeque::new() }
    }

    /// A sender report about the stream `ssrc` came (RFC 3550 section 6.4.1). `at` and `at_unix` (since 1970) are its arrival by both local
    /// clocks; `ntp` counts seconds since 1900 with 32 bits behind the point. A sender without a wall clock says zero,
    /// and such a report is left out.
    pub fn sender_report(&mut self, ssrc: u32, at: Instant, at_unix: Duration, ntp: u64, rtp_timestamp: u32) {
        if ntp == 0 {
            return;
        }
        let shift = unix_nanos(ntp) - i128::try_from(at_unix.as_nanos()).unwrap_or(i128::MAX / 2);
        self.reports.retain(|(of, _)| *of != ssrc);
        if self.reports.len() == STREAMS {
            self.reports.pop_front();
        }
        self.reports.push_back((ssrc, Anchor { rtp_timestamp, at, shift }));
    }

    /// When the frame of stream `ssrc` with this RTP timestamp was sent, and how that is known: from the ledger where
    /// there is one, and from nothing else then, so that the times of a call have one basis; else from the stream's last
    /// sender report (good for frames within half a turn of the RTP clock around it: 6.6 hours of video).
    pub fn sent_at(&self, ssrc: u32, rtp_timestamp: u32) -> Option<(Instant, Basis)> {
        if let Some(ledger) = &self.ledger {
            return ledger.sent_at(self.kind, rtp_timestamp).map(|at| (at, Basis::SharedClock));
        }
        let (_, anchor) = self.reports.iter().find(|(of, _)| *of == ssrc)?;
        // Signed: a frame may well be older than the report.
        let ticks = rtp_timestamp.wrapping_sub(anchor.rtp_timestamp).cast_signed();
        let since = (i128::from(ticks) * NANOS).checked_div(i128::from(self.clock_rate))?;
        Some((moved(anchor.at, anchor.shift + since)?, Basis::SenderReport))
    }
}

const NANOS: i128 = 1_000_000_000;
/// From 1900 to 1970 (RFC 868).
const UNIX_EPOCH: i128 = 2_208_988_800;

/// NTP's 32.32 bits as nanoseconds since 1970. The seconds begin anew in 2036; those of its first era with the highest
/// bit clear are before 1968, so they belong to the second one (RFC 4330 section 3).
fn unix_nanos(ntp: u64) -> i128 {
    let (seconds, fraction) = (i128::from(ntp >> 32), i128::from(ntp & 0xffff_ffff));
    let era = if seconds & 0x8000_0000 == 0 { 1 << 32 } else { 0 };
    (seconds + era - UNIX_EPOCH) * NANOS + ((fraction * NANOS) >> 32)
}

fn moved(at: Instant, nanos: i128) -> Option<Instant> {
    let distance = Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).ok()?);
    if nanos < 0 { at.checked_sub(distance) } else { at.checked_add(distance) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        // Room for going back, on machines whose clock begins with the process.
        Instant::now() + Duration::from_secs(100_000)
    }

    const SSRC: u32 = 7;
    const UNIX: Duration = Duration::from_secs(1_800_000_000);

    /// The NTP time of a moment `before` the arrival at [`UNIX`], in milliseconds that the 32 bits hold exactly.
    fn ntp_before(before: Duration) -> u64 {
        let sent = UNIX - before;
        ((sent.as_secs() + 2_208_988_800) << 32) | ((u64::from(sent.subsec_millis()) << 32) / 1000)
    }

    fn close(found: Option<(Instant, Basis)>, expected: Instant) {
        let (found, basis) = found.expect("a time of sending");
        assert_eq!(basis, Basis::SenderReport);
        let apart = found.max(expected) - found.min(expected);
        assert!(apart < Duration::from_micros(1), "{apart:?} apart");
    }

    #[test]
    fn the_ledger_wins_over_sender_reports() {
        let (now, ledger) = (start(), SendLedger::new());
        let mut clock = SenderClock::new(MediaKind::Video, 90_000, Some(ledger.clone()));
        clock.sender_report(SSRC, now, UNIX, ntp_before(Duration::from_millis(500)), 1000);
        ledger.record(MediaKind::Video, 1000, now - Duration::from_millis(40));
        ledger.record(MediaKind::Audio, 4000, now);
        assert_eq!(clock.sent_at(SSRC, 1000), Some((now - Duration::from_millis(40), Basis::SharedClock)));
        assert_eq!(clock.sent_at(SSRC, 4000), None, "of the other kind, and sender reports are another basis");
    }

    #[test]
    fn every_stream_has_its_own_clock() {
        let now = start();
        let mut clock = SenderClock::new(MediaKind::Video, 90_000, None);
        let sent = |ms| now - Duration::from_millis(ms);
        clock.sender_report(SSRC, now, UNIX, ntp_before(Duration::from_millis(500)), 1000);
        clock.sender_report(SSRC + 1, now, UNIX, ntp_before(Duration::from_millis(250)), 700_000);
        close(clock.sent_at(SSRC, 1000), sent(500));
        close(clock.sent_at(SSRC + 1, 700_000), sent(250));
        assert_eq!(clock.sent_at(SSRC + 2, 1000), None);
        // The oldest report goes first.
        clock.sender_report(SSRC, now, UNIX, ntp_before(Duration::from_millis(125)), 1000);
        for other in 2..=STREAMS as u32 {
            clock.sender_report(SSRC + other, now, UNIX, ntp_before(Duration::ZERO), 0);
        }
        assert_eq!(clock.sent_at(SSRC + 1, 700_000), None);
        close(clock.sent_at(SSRC, 1000), sent(125));
    }

    #[test]
    fn the_ledger_forgets_the_oldest_first_and_keeps_the_kinds_apart() {
        let (now, ledger) = (start(), SendLedger::new());
        for timestamp in 0..=ENTRIES as u32 {
            ledger.record(MediaKind::Video, timestamp, now);
        }
        assert_eq!(ledger.sent_at(MediaKind::Video, 0), None);
        assert_eq!(ledger.sent_at(MediaKind::Video, 1), Some(now));
        assert_eq!(ledger.sent_at(MediaKind::Audio, 1), None);
    }

    #[test]
    fn without_anything_known_there_is_no_time() {
        let mut clock = SenderClock::new(MediaKind::Audio, 48_000, None);
        assert_eq!(clock.sent_at(SSRC, 0), None);
        clock.sender_report(SSRC, start(), UNIX, 0, 0);
        assert_eq!(clock.sent_at(SSRC, 0), None);
    }

    #[test]
    fn sender_reports_reach_forwards_and_backwards_and_around_the_end_of_the_rtp_clock() {
        let (now, delay) = (start(), Duration::from_millis(250));
        let mut clock = SenderClock::new(MediaKind::Audio, 48_000, None);
        clock.sender_report(SSRC, now, UNIX, ntp_before(delay), u32::MAX - 479);
        close(clock.sent_at(SSRC, u32::MAX - 479), now - delay);
        close(clock.sent_at(SSRC, 480), now - delay + Duration::from_millis(20));
        close(clock.sent_at(SSRC, u32::MAX - 479 - 48_000), now - delay - Duration::from_secs(1));
    }

    #[test]
    fn a_senders_clock_may_be_behind_or_ahead() {
        let now = start();
        let mut clock = SenderClock::new(MediaKind::Video, 90_000, None);
        clock.sender_report(SSRC, now, UNIX, ntp_before(Duration::from_hours(1)), 0);
        close(clock.sent_at(SSRC, 90_000), now - Duration::from_secs(3599));
        let ahead = (UNIX.as_secs() + 60 + 2_208_988_800) << 32;
        clock.sender_report(SSRC, now, UNIX, ahead, 0);
        close(clock.sent_at(SSRC, 0), now + Duration::from_mins(1));
    }

    #[test]
    fn the_second_era_of_ntp_begins_in_2036() {
        assert_eq!(unix_nanos(0), 2_085_978_496 * NANOS);
        assert_eq!(unix_nanos(u64::from(u32::MAX) << 32), 2_085_978_495 * NANOS);
        assert_eq!(unix_nanos(2_208_988_800 << 32 | 1 << 31), NANOS / 2);
    }

    #[test]
    fn an_impossible_clock_rate_gives_no_time() {
        let mut clock = SenderClock::new(MediaKind::Video, 0, None);
        clock.sender_report(SSRC, start(), UNIX, ntp_before(Duration::ZERO), 0);
        assert_eq!(clock.sent_at(SSRC, 1), None);
    }
}
