use super::super::super::Reference;
use super::*;

#[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
fn start() -> Instant {
    Instant::now()
}

const FRAME: Duration = Duration::from_millis(33);
/// Of the RTP clock, at 30 frames per second.
const TICKS: u32 = 3000;
const UNIX: Duration = Duration::from_millis(1_800_000_000_000);

fn config(expected: Option<u8>, run_start: Instant) -> VideoJudgeConfig {
    VideoJudgeConfig { expected, run_start, run_start_unix: UNIX }
}

fn plain(width: u32, height: u32, luma: Vec<u8>) -> Picture {
    Picture { width, height, luma, u: Vec::new(), v: Vec::new() }
}

fn gradient(width: u32, height: u32) -> Picture {
    plain(width, height, (0..width * height).map(|at| (at % width / 2 + 40) as u8).collect())
}

fn stamp(peer: u8, index: u32) -> Stamp {
    Stamp { peer, fps: 30, index }
}

fn picture(peer: u8, index: u32) -> Picture {
    let mut picture = gradient(320, 240);
    stamp(peer, index).draw_luma(&mut picture.luma, 320, 240);
    picture
}

/// Pictures as (peer, index, number of the frame since the start).
fn judged(expected: Option<u8>, stamps: &[(u8, u32, u32)]) -> VideoHeard {
    let start = start();
    let mut judge = VideoJudge::new(config(expected, start));
    for &(peer, index, frame) in stamps {
        judge.picture(start + FRAME * frame, frame * TICKS, None, &picture(peer, index));
    }
    judge.report()
}

#[test]
fn the_expected_pattern_without_gaps_is_clean() {
    let heard = judged(Some(4), &[(4, 147, 0), (4, 148, 1), (4, 149, 2), (4, 0, 3), (4, 1, 4)]);
    let clean = VideoHeard {
        decoded: 5,
        shown: 5,
        stamped: 5,
        from_peer: Some(4),
        first_at: heard.first_at,
        size: Some((320, 240)),
        watched: FRAME * 4,
        longest_gap: FRAME,
        psnr: heard.psnr,
        ssim: heard.ssim,
        ..VideoHeard::default()
    };
    assert_eq!(heard, clean);
    assert!((heard.fps().unwrap() - 30.3).abs() < 0.1);
    assert_eq!(heard.psnr.map(|psnr| psnr.count), Some(1));
    assert_eq!(heard.ssim.map(|ssim| ssim.count), Some(1));
}

#[test]
fn repeated_and_lost_pictures_are_counted_across_the_loop() {
    let heard = judged(None, &[(1, 10, 0), (1, 10, 1), (1, 13, 4), (1, 149, 140), (1, 2, 143)]);
    assert_eq!((heard.repeated, heard.frames_lost), (1, 2 + 135 + 2));
}

#[test]
fn another_peers_picture_is_noticed_and_not_compared() {
    let pictures = [(1, 0, 0), (1, 1, 1), (2, 5, 2)];
    assert_eq!(judged(Some(2), &pictures).wrong_peer, 2);
    assert_eq!(judged(None, &pictures).wrong_peer, 1);
    let wrong = judged(Some(2), &[(1, 0, 0)]);
    assert_eq!((wrong.from_peer, wrong.psnr), (Some(1), None));
}

#[test]
fn black_and_flat_pictures_show_nothing() {
    let start = start();
    let mut judge = VideoJudge::new(config(None, start));
    for level in [0, 16, 128] {
        judge.picture(start, 0, None, &plain(20, 20, vec![level; 400]));
    }
    judge.picture(start, 0, None, &picture(1, 1));
    let heard = judge.report();
    assert_eq!((heard.decoded, heard.black, heard.stamped), (4, 3, 1));
}

#[test]
fn pictures_without_a_stamp_are_repeated_when_every_pixel_is_the_same() {
    let start = start();
    let mut judge = VideoJudge::new(config(None, start));
    let mut moved = gradient(64, 48);
    moved.luma.rotate_right(1);
    for (frame, picture) in [gradient(64, 48), gradient(64, 48), moved, gradient(64, 48)].iter().enumerate() {
        judge.picture(start, frame as u32 * TICKS, None, picture);
    }
    let heard = judge.report();
    assert_eq!((heard.repeated, heard.stamped), (1, 0));
}

/// For how long, in milliseconds, the last pictures were black, and stood still; `show` is asked for 120 pictures.
fn at_end(show: impl Fn(u32) -> Picture) -> (Option<f64>, Option<f64>) {
    let start = start();
    let mut judge = VideoJudge::new(config(None, start));
    for frame in 0..120 {
        judge.picture(start + FRAME * frame, frame * TICKS, None, &show(frame));
    }
    let (heard, _) = judge.finish(start + FRAME * 120);
    let length = |lasting: Option<Lasting>| lasting.map(|lasting| lasting.told(start).for_ms);
    (length(heard.black_at_end), length(heard.still_at_end))
}

#[test]
fn pictures_that_turn_black_until_the_end_are_told_from_then_on() {
    let black = || plain(320, 240, vec![16; 320 * 240]);
    let until_the_end = at_end(|frame| if frame < 60 { picture(1, frame) } else { black() });
    assert_eq!(until_the_end.0, Some(59.0 * 33.0));
    assert_eq!(at_end(|frame| if frame < 60 { black() } else { picture(1, frame) }), (None, None));
}

#[test]
fn pictures_that_stop_moving_until_the_end_are_told_from_then_on() {
    assert_eq!(at_end(|frame| picture(1, frame.min(60))), (None, Some(59.0 * 33.0)), "by their stamps");
    let unstamped = |frame: u32| {
        let mut moved = gradient(320, 240);
        moved.luma.rotate_right(frame.min(60) as usize * 16);
        // What a codec leaves differs a little from picture to picture.
        moved.luma.iter_mut().step_by(5 + frame as usize % 3).for_each(|pixel| *pixel += 3);
        moved
    };
    assert_eq!(at_end(unstamped), (None, Some(59.0 * 33.0)), "by what they show");
    assert_eq!(at_end(|frame| picture(1, frame)), (None, None), "the pattern moves");
}

#[test]
fn a_long_gap_is_a_freeze() {
    let (start, mut frame) = (start(), 0);
    let mut judge = VideoJudge::new(config(None, start));
    let mut now = start;
    for gap in [33, 33, 33, 150, 33, 400, 33] {
        judge.picture(now, frame * TICKS, None, &picture(1, frame));
        (now, frame) = (now + Duration::from_millis(gap), frame + 1);
    }
    let heard = judge.report();
    assert_eq!((heard.freezes, heard.freeze), (1, Duration::from_millis(400)));
    assert_eq!(heard.longest_gap, Duration::from_millis(400));
}

#[test]
fn whole_frames_have_a_pace_and_a_latency_but_no_picture() {
    let start = start();
    let mut judge = VideoJudge::new(config(Some(1), start));
    for frame in 1..=11 {
        let now = start + FRAME * frame;
        judge.whole_frame(now, frame * TICKS, Some(now - Duration::from_millis(20)));
    }
    let heard = judge.report();
    assert_eq!((heard.shown, heard.decoded, heard.size), (11, 0, None));
    assert!((heard.fps().unwrap() - 30.3).abs() < 0.1);
    assert_eq!(heard.latency.map(|latency| (latency.count, latency.mean)), Some((11, 20.0)));
    let (heard, snapshots) = judge.finish(start + FRAME * 11 + Duration::from_secs(2));
    assert!(snapshots.is_empty());
    let still = Duration::from_secs(2);
    assert_eq!((heard.quiet, heard.freezes, heard.freeze, heard.end_freeze), (Some(still), 1, still, still));
}

#[test]
fn a_known_time_of_sending_wins_over_the_clock_in_the_picture() {
    let start = start();
    let mut judge = VideoJudge::new(config(None, start));
    let now = start + Duration::from_millis(1000);
    let mut clocked = picture(1, 30);
    ClockStrip { unix_ms: (UNIX.as_millis() + 925) as u32 }.draw_luma(&mut clocked.luma, 320, 240);

    judge.picture(now, 0, Some(now - Duration::from_millis(40)), &clocked);
    let heard = judge.report();
    assert_eq!((heard.latency.map(|latency| latency.mean), heard.picture_basis), (Some(40.0), false));

    let mut judge = VideoJudge::new(config(None, start));
    judge.picture(now + Duration::from_micros(500), 0, None, &clocked);
    let heard = judge.report();
    assert_eq!((heard.latency.map(|latency| latency.mean), heard.picture_basis), (Some(75.5), true));
}

#[test]
fn a_clock_ahead_of_ours_makes_a_negative_latency_and_another_peers_clock_none() {
    let start = start();
    let mut clocked = picture(1, 30);
    ClockStrip { unix_ms: (UNIX.as_millis() + 10) as u32 }.draw_luma(&mut clocked.luma, 320, 240);
    for (expected, latency) in [(Some(1), Some(-10.0)), (Some(2), None)] {
        let mut judge = VideoJudge::new(config(expected, start));
        judge.picture(start, 0, None, &clocked);
        assert_eq!(judge.report().latency.map(|latency| latency.mean), latency);
        assert_eq!((judge.take_latency(), judge.take_latency()), (latency, None));
    }
}

#[test]
fn the_picture_as_it_was_drawn_is_perfect_and_noise_is_measured() {
    let (start, expected) = (start(), stamp(7, 12));
    let mut judge = VideoJudge::new(config(Some(7), start));
    let drawn = Reference::new().luma(expected, None, 320, 240).unwrap().to_vec();
    judge.picture(start, 0, None, &plain(320, 240, drawn.clone()));
    assert_eq!(judge.take_psnr(), Some(100.0));
    assert_eq!(judge.take_psnr(), None);
    for frame in 1..=7 {
        let noisy = drawn.iter().enumerate().map(|(at, pixel)| if at % 2 == 0 { *pixel } else { pixel ^ 4 });
        judge.picture(start, frame * TICKS, None, &plain(320, 240, noisy.collect()));
    }
    // Half of the pixels differ by 4: the mean square is 8.
    let noisy = judge.take_psnr().unwrap();
    assert!((noisy - 39.1).abs() < 0.01, "{noisy}");
    let (heard, snapshots) = judge.finish(start);
    assert_eq!(heard.psnr.map(|psnr| (psnr.count, psnr.max)), Some((2, 100.0)));
    assert!((heard.ssim.unwrap().min - 1.0).abs() < 1e-9);
    assert_eq!(snapshots.iter().map(|kept| kept.which.as_str()).collect::<Vec<_>>(), ["first", "last", "worst"]);
    assert_eq!(snapshots.first().and_then(|kept| kept.psnr_db), Some(100.0));
}

#[test]
fn a_flash_of_the_right_peer_is_an_event_once_a_second() {
    let start = start();
    let mut judge = VideoJudge::new(config(Some(1), start));
    for frame in 0..65 {
        judge.picture(start + FRAME * frame, frame * TICKS, None, &picture(1, frame));
    }
    let events: Vec<_> = std::iter::from_fn(|| judge.take_event()).collect();
    assert_eq!(events, [start, start + FRAME * 30, start + FRAME * 60]);
    judge.picture(start + FRAME * 65, 65 * TICKS, None, &picture(2, 0));
    assert_eq!(judge.take_event(), None);
}

#[test]
fn errors_are_counted() {
    let mut judge = VideoJudge::new(config(None, start()));
    judge.decode_error();
    assert_eq!(judge.report(), VideoHeard { errors: 1, ..VideoHeard::default() });
}
