use proptest::prelude::*;

use super::*;
use crate::rtc::MediaKind::{Audio, Video};

#[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
fn start() -> Instant {
    Instant::now()
}

/// A timeline, fed with milliseconds.
struct Feed {
    start: Instant,
    timeline: Timeline,
}

/// Where the RTP clocks of the tracks begin: the one wraps soon, the other does not.
const BEGIN: [u32; 2] = [u32::MAX - 10_000, 77];
/// The sender's wall clock in NTP's seconds at its time 0.
const WALL: u64 = 3_900_000_000;

impl Feed {
    fn new() -> Self {
        Self { start: start(), timeline: Timeline::new() }
    }

    fn timestamp(kind: MediaKind, ms: u32) -> u32 {
        match kind {
            Audio => BEGIN[0].wrapping_add(ms * 48),
            Video => BEGIN[1].wrapping_add(ms * 90),
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + std::time::Duration::from_millis(ms)
    }

    /// A frame that the sender made at its time `made` comes at `at`.
    fn frame(&mut self, kind: MediaKind, made: u32, at: u64) {
        let data = Bytes::copy_from_slice(&made.to_be_bytes());
        self.timeline.frame(kind, Self::timestamp(kind, made), true, data, self.at(at));
    }

    /// The sender reports at its time `sent` what its clocks show.
    fn report(&mut self, kind: MediaKind, sent: u32, at: u64) {
        let (seconds, millis) = (u64::from(sent / 1000), u64::from(sent % 1000));
        // Upwards, so that a millisecond stays one.
        let ntp = ((WALL + seconds) << 32) | ((millis << 32).div_ceil(1000));
        self.timeline.report(kind, ntp, Self::timestamp(kind, sent), self.at(at));
    }

    /// What came out by now: of which track, when it was made, and its time in the file.
    fn out(&mut self) -> Vec<(MediaKind, u32, u64)> {
        let made = |sample: &Sample| u32::from_be_bytes(sample.data[..].try_into().unwrap());
        std::iter::from_fn(|| self.timeline.poll()).map(|sample| (sample.kind, made(&sample), sample.time)).collect()
    }

    fn finish(&mut self) -> Vec<(MediaKind, u32, u64)> {
        self.timeline.finish();
        self.out()
    }
}

/// Sound of each 20 ms and pictures of each 40 ms for a time in milliseconds; `late` says how late a picture comes.
fn call(feed: &mut Feed, from: u32, to: u32, late: impl Fn(u32) -> u64) {
    let mut frames: Vec<(u64, MediaKind, u32)> =
        (from..to).step_by(20).map(|made| (u64::from(made), Audio, made)).collect();
    frames.extend((from..to).step_by(40).map(|made| (u64::from(made) + late(made), Video, made)));
    frames.sort_unstable();
    for (at, kind, made) in frames {
        feed.frame(kind, made, at);
    }
}

/// By how much pictures stand behind the sound of the same moment: the same for all of them.
fn apart(out: &[(MediaKind, u32, u64)]) -> i64 {
    let video = out.iter().filter(|(kind, ..)| *kind == Video);
    let offsets = video.map(|(_, made, time)| {
        let heard = out.iter().find(|(kind, at, _)| (*kind, at) == (Audio, made)).unwrap().2;
        time.cast_signed() - heard.cast_signed()
    });
    let offsets: Vec<i64> = offsets.collect();
    assert!(offsets.windows(2).all(|two| (two[0] - two[1]).abs() <= 1), "{offsets:?}");
    offsets[0]
}

#[test]
fn pictures_that_are_late_only_in_the_beginning_stand_beside_their_sound() {
    let mut feed = Feed::new();
    call(&mut feed, 0, 3000, |made| u64::from(400_u32.saturating_sub(made)));
    let out = feed.finish();
    assert_eq!(out.len(), 150 + 75);
    assert_eq!(apart(&out), 0);
    assert_eq!(out.iter().map(|(.., time)| *time).min(), Some(0));
}

#[test]
fn pictures_that_are_always_late_stand_where_the_sender_says() {
    let mut feed = Feed::new();
    call(&mut feed, 0, 1000, |_| 300);
    feed.report(Audio, 1000, 1005);
    feed.report(Video, 1010, 1320);
    call(&mut feed, 1020, 3000, |_| 300);
    assert_eq!(apart(&feed.finish()), 0);
}

#[test]
fn frames_wait_two_seconds_for_their_place_and_then_not_at_all() {
    let mut feed = Feed::new();
    call(&mut feed, 0, 2000, |_| 0);
    assert!(feed.out().is_empty());
    feed.frame(Audio, 2000, 2000);
    assert_eq!(feed.out().len(), 101 + 50);
    feed.frame(Video, 2000, 2004);
    assert_eq!(feed.out(), [(Video, 2000, 2000)]);
}

#[test]
fn a_report_that_comes_late_moves_the_track_that_stands_too_early_once() {
    let mut feed = Feed::new();
    call(&mut feed, 0, 4000, |_| 300);
    let before = feed.out();
    assert_eq!(apart(&before), 300);
    feed.report(Video, 4000, 4310);
    feed.report(Audio, 4000, 4311);
    // Once is enough: the next one says something else by as much as reports can be trusted.
    let at = feed.at(4330);
    feed.timeline.report(Audio, (WALL + 4) << 32, Feed::timestamp(Audio, 4100), at);
    call(&mut feed, 4040, 6000, |_| 300);
    let after = feed.finish();
    assert_eq!(apart(&after), 0);
    let sound = |out: &[(MediaKind, u32, u64)]| out.iter().find(|(kind, ..)| *kind == Audio).copied().unwrap();
    let ((_, _, first), (_, made, time)) = (sound(&before), sound(&after));
    assert_eq!(time - first, u64::from(made) + 300, "sound leaves a gap");
}

#[test]
fn a_small_difference_is_not_worth_a_gap() {
    let mut feed = Feed::new();
    call(&mut feed, 0, 4000, |_| 15);
    assert_eq!(apart(&feed.out()), 15);
    feed.report(Video, 4000, 4020);
    feed.report(Audio, 4000, 4021);
    call(&mut feed, 4000, 5000, |_| 15);
    assert_eq!(apart(&feed.finish()), 15);
}

#[test]
fn a_track_that_begins_later_waits_for_its_place_too() {
    let mut feed = Feed::new();
    for made in (0..5000).step_by(20) {
        feed.frame(Audio, made, u64::from(made));
    }
    assert_eq!(feed.out().len(), 250);
    call(&mut feed, 5000, 6900, |made| u64::from(200_u32.saturating_sub(made - 5000)));
    let mut out = feed.out();
    assert_eq!(out.last(), Some(&(Audio, 5200, 5200)), "nothing since the first picture came");
    call(&mut feed, 6920, 7400, |_| 0);
    out.extend(feed.finish());
    assert_eq!(apart(&out), 0);
}

#[test]
fn reports_of_another_stream_or_without_a_clock_change_nothing() {
    for other in 0..3 {
        let mut feed = Feed::new();
        call(&mut feed, 0, 1000, |_| 100);
        feed.report(Audio, 1000, 1005);
        let at = feed.at(1100);
        match other {
            0 => feed.report(Video, 40_000, 1100),
            1 => feed.timeline.report(Video, 0, Feed::timestamp(Video, 1000), at),
            _ => feed.timeline.report(Video, 9 << 32, Feed::timestamp(Video, 1000), at),
        }
        call(&mut feed, 1000, 3000, |_| 100);
        assert_eq!(apart(&feed.finish()), 100, "{other}");
    }
}

#[test]
fn a_sender_that_starts_over_goes_on_where_it_comes() {
    let mut feed = Feed::new();
    call(&mut feed, 0, 3000, |_| 0);
    for made in (0..3000).step_by(40) {
        feed.frame(Video, 1_000_000 + made, 3000 + u64::from(made));
    }
    let out = feed.finish();
    let again = out.iter().find(|(_, made, _)| *made == 1_000_000).unwrap();
    assert_eq!(again.2, 3000);
    assert_eq!(out.len(), 150 + 75 + 75);
}

#[test]
fn what_waits_is_bounded() {
    let mut feed = Feed::new();
    for _ in 0..=MOST_FRAMES {
        feed.frame(Video, 0, 0);
    }
    assert_eq!(feed.out().len(), MOST_FRAMES + 1);
    let mut timeline = Timeline::new();
    timeline.frame(Video, 0, true, Bytes::from(vec![0; MOST_BYTES + 1]), feed.start);
    assert!(timeline.poll().is_some());
}

/// Something that happens to a timeline.
#[derive(Clone, Debug)]
enum Event {
    Frame { kind: MediaKind, timestamp: u32 },
    Report { kind: MediaKind, ntp: u64, timestamp: u32 },
}

fn event() -> impl Strategy<Value = Event> {
    let kind = || prop_oneof![Just(Audio), Just(Video)];
    // Near each other, equal, or anywhere.
    let timestamp = || prop_oneof![0..300_000_u32, Just(5), any::<u32>()];
    let ntp = prop_oneof![(0..20_u64).prop_map(|seconds| (WALL + seconds) << 32), any::<u64>()];
    prop_oneof![
        4 => (kind(), timestamp()).prop_map(|(kind, timestamp)| Event::Frame { kind, timestamp }),
        1 => (kind(), ntp, timestamp()).prop_map(|(kind, ntp, timestamp)| Event::Report { kind, ntp, timestamp }),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_every_frame_comes_out_and_times_of_a_track_go_forward(
        events in prop::collection::vec((event(), 0..400_u64), 1..120)
    ) {
        let (start, mut at) = (start(), 0);
        let mut timeline = Timeline::new();
        let (mut frames, mut out) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        let place = |kind: MediaKind| usize::from(kind == Video);
        let mut take = |timeline: &mut Timeline| {
            while let Some(sample) = timeline.poll() {
                out[place(sample.kind)].push((sample.time, sample.data));
            }
        };
        for (number, (event, wait)) in events.into_iter().enumerate() {
            at += wait;
            let now = start + std::time::Duration::from_millis(at);
            match event {
                Event::Frame { kind, timestamp } => {
                    let data = Bytes::copy_from_slice(&(number as u32).to_be_bytes());
                    frames[place(kind)].push(data.clone());
                    timeline.frame(kind, timestamp, true, data, now);
                }
                Event::Report { kind, ntp, timestamp } => timeline.report(kind, ntp, timestamp, now),
            }
            take(&mut timeline);
        }
        timeline.finish();
        take(&mut timeline);
        for (frames, out) in frames.into_iter().zip(out) {
            prop_assert!(out.windows(2).all(|two| two[0].0 < two[1].0));
            prop_assert_eq!(out.into_iter().map(|(_, data)| data).collect::<Vec<_>>(), frames);
        }
    }
}
