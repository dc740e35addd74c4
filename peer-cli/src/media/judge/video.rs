//! Pictures: are they there, do they move, and are they the right ones?

use std::time::{Duration, Instant};

use super::super::{LOOP_FRAMES, Picture, Stamp};

/// Looks at every decoded picture of one track.
#[derive(Debug)]
pub struct VideoJudge {
    expected: Option<u8>,
    heard: VideoHeard,
    last: Option<Stamp>,
    last_at: Option<Instant>,
}

/// What was seen on one track.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct VideoHeard {
    /// Pictures decoded.
    pub decoded: u64,
    /// Frames the decoder refused.
    pub errors: u64,
    /// Pictures with a readable [`Stamp`]; 0 is normal for cameras and files.
    pub stamped: u64,
    /// Stamped pictures of another peer than the expected one, or the first seen when none is expected.
    pub wrong_peer: u64,
    /// Whose stamp was on the first stamped picture.
    pub from_peer: Option<u8>,
    /// Pictures with the same stamp as the one before.
    pub repeated: u64,
    /// Stamped pictures that never came, counted from the gaps between indexes; modulo one loop, and including those
    /// the sender left out to answer a wish for a key frame.
    pub skipped: u64,
    /// Pictures with nothing to see: black, or one flat colour.
    pub black: u64,
    /// When the first picture was decoded.
    pub first_at: Option<Instant>,
    /// Gaps between pictures of at least three times the average and 150 ms more than it (the `freezeCount` of W3C
    /// webrtc-stats).
    pub freezes: u64,
    /// Those gaps together.
    pub frozen: Duration,
    /// Width and height in pixels of the last picture.
    pub size: Option<(u32, u32)>,
    /// Sum of all gaps between pictures: first picture to last picture.
    pub watched: Duration,
}

impl VideoHeard {
    /// Pictures a second between the first and the last one; `None` with fewer than two.
    pub fn fps(&self) -> Option<f64> {
        let gaps = self.decoded.checked_sub(1)? as f64;
        let seconds = self.watched.as_secs_f64();
        (gaps > 0.0 && seconds > 0.0).then(|| gaps / seconds)
    }
}

impl VideoJudge {
    /// `expected`: the peer number whose pattern should be seen; `None` takes whoever comes first.
    pub fn new(expected: Option<u8>) -> Self {
        Self { expected, heard: VideoHeard::default(), last: None, last_at: None }
    }

    /// A picture was decoded.
    pub fn frame(&mut self, now: Instant, picture: &Picture) {
        self.pace(now);
        self.heard.decoded += 1;
        self.heard.size = Some((picture.width, picture.height));
        if is_blank(picture) {
            self.heard.black += 1;
        }
        if let Some(stamp) = Stamp::read(picture) {
            self.stamp(stamp);
        }
    }

    /// The decoder refused a frame.
    pub fn decode_error(&mut self) {
        self.heard.errors += 1;
    }

    /// Everything so far.
    pub fn report(&self) -> VideoHeard {
        self.heard.clone()
    }

    fn pace(&mut self, now: Instant) {
        self.heard.first_at.get_or_insert(now);
        if let Some(before) = self.last_at.replace(now) {
            let gap = now.saturating_duration_since(before);
            // The average of the gaps before this one; the first gap has nothing to be compared with.
            let gaps = u32::try_from(self.heard.decoded - 1).unwrap_or(u32::MAX);
            if let Some(average) = self.heard.watched.checked_div(gaps)
                && gap >= (average * 3).max(average + FREEZE_MARGIN)
            {
                self.heard.freezes += 1;
                self.heard.frozen += gap;
            }
            self.heard.watched += gap;
        }
    }

    fn stamp(&mut self, stamp: Stamp) {
        self.heard.stamped += 1;
        let first = *self.heard.from_peer.get_or_insert(stamp.peer);
        if stamp.peer != self.expected.unwrap_or(first) {
            self.heard.wrong_peer += 1;
        }
        if let Some(last) = self.last.replace(stamp)
            && last.peer == stamp.peer
        {
            match steps(last.index, stamp.index) {
                0 => self.heard.repeated += 1,
                steps => self.heard.skipped += u64::from(steps - 1),
            }
        }
    }
}

const FREEZE_MARGIN: Duration = Duration::from_millis(150);

/// How far the stream moved on, around the end of the loop.
fn steps(from: u32, to: u32) -> u32 {
    (to % LOOP_FRAMES + LOOP_FRAMES - from % LOOP_FRAMES) % LOOP_FRAMES
}

/// Whether a person would say there is no picture: all dark, or hardly any difference anywhere. Every 16th pixel of
/// every fourth row is enough to tell.
fn is_blank(picture: &Picture) -> bool {
    const DARK: u64 = 24;
    /// Variances: what a codec leaves of a flat colour, and of black.
    const FLAT: u64 = 4;
    const DARK_NOISE: u64 = 64;
    let (mut count, mut sum, mut squares) = (0_u64, 0_u64, 0_u64);
    for row in picture.luma.chunks(picture.width.max(1) as usize).step_by(4) {
        for &pixel in row.iter().step_by(16) {
            let pixel = u64::from(pixel);
            count += 1;
            sum += pixel;
            squares += pixel * pixel;
        }
    }
    let Some(mean) = sum.checked_div(count) else {
        return true;
    };
    let variance = (squares * count).saturating_sub(sum * sum) / (count * count);
    variance <= FLAT || mean < DARK && variance < DARK_NOISE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    const FRAME: Duration = Duration::from_millis(33);

    fn picture(peer: u8, index: u32) -> Picture {
        let (width, height) = (320, 240);
        let mut luma: Vec<u8> = (0..width * height).map(|at| (at % width / 2 + 40) as u8).collect();
        Stamp { peer, index }.draw_luma(&mut luma, width, height);
        Picture { width, height, luma }
    }

    fn judged(expected: Option<u8>, stamps: &[(u8, u32)]) -> VideoHeard {
        let (mut judge, mut now) = (VideoJudge::new(expected), start());
        for &(peer, index) in stamps {
            judge.frame(now, &picture(peer, index));
            now += FRAME;
        }
        judge.report()
    }

    #[test]
    fn the_expected_pattern_without_gaps_is_clean() {
        let heard = judged(Some(4), &[(4, 147), (4, 148), (4, 149), (4, 0), (4, 1)]);
        let clean = VideoHeard {
            decoded: 5,
            stamped: 5,
            from_peer: Some(4),
            first_at: heard.first_at,
            size: Some((320, 240)),
            watched: FRAME * 4,
            ..VideoHeard::default()
        };
        assert_eq!(heard, clean);
        assert!((heard.fps().unwrap() - 30.3).abs() < 0.1);
    }

    #[test]
    fn repeated_and_skipped_pictures_are_counted_across_the_loop() {
        let heard = judged(None, &[(1, 10), (1, 10), (1, 13), (1, 149), (1, 2)]);
        assert_eq!((heard.repeated, heard.skipped), (1, 2 + 135 + 2));
    }

    #[test]
    fn another_peers_picture_is_noticed() {
        assert_eq!(judged(Some(2), &[(1, 0), (1, 1), (2, 5)]).wrong_peer, 2);
        assert_eq!(judged(None, &[(1, 0), (1, 1), (2, 5)]).wrong_peer, 1);
        assert_eq!(judged(Some(2), &[(1, 0)]).from_peer, Some(1));
    }

    #[test]
    fn black_and_flat_pictures_show_nothing() {
        let mut judge = VideoJudge::new(None);
        for level in [0, 16, 128] {
            judge.frame(start(), &Picture { width: 20, height: 20, luma: vec![level; 400] });
        }
        judge.frame(start(), &picture(1, 1));
        let heard = judge.report();
        assert_eq!((heard.decoded, heard.black, heard.stamped), (4, 3, 1));
    }

    #[test]
    fn a_long_gap_is_a_freeze_and_a_short_one_is_not() {
        let (mut judge, mut now) = (VideoJudge::new(None), start());
        for gap in [33, 33, 33, 150, 33, 400, 33] {
            judge.frame(now, &picture(1, 1));
            now += Duration::from_millis(gap);
        }
        judge.frame(now, &picture(1, 1));
        let heard = judge.report();
        assert_eq!((heard.freezes, heard.frozen), (1, Duration::from_millis(400)));
    }

    #[test]
    fn errors_are_counted() {
        let mut judge = VideoJudge::new(None);
        judge.decode_error();
        assert_eq!(judge.report(), VideoHeard { errors: 1, ..VideoHeard::default() });
    }
}
