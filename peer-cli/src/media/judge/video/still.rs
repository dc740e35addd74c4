//! Since when the picture has stood still.

use std::time::Instant;

use super::super::super::Picture;
use super::super::lasting::{Lasting, Stretch};

/// Follows the pictures of one track. Of a stamped one its stamp tells whether it is the same again; any other is held
/// against the picture at the start of the stretch, not against the one before, so that slow motion is motion too.
#[derive(Debug, Default)]
pub(super) struct Still {
    stretch: Stretch,
    /// Of the picture at the start of the stretch; empty where that had a stamp.
    start: Tiles,
    new: Tiles,
}

impl Still {
    /// A picture with a stamp, which is that of the one before or not.
    pub(super) fn stamped(&mut self, now: Instant, is_repeated: bool) {
        self.start.forget();
        if is_repeated { self.stretch.note(now, true) } else { self.stretch.restart(now) }
    }

    /// A picture without a stamp.
    pub(super) fn unstamped(&mut self, now: Instant, picture: &Picture) {
        self.new.measure(picture);
        if self.new.show_the_same_as(&self.start) {
            self.stretch.note(now, true);
        } else {
            std::mem::swap(&mut self.start, &mut self.new);
            self.stretch.restart(now);
        }
    }

    pub(super) fn lasting(&self) -> Option<Lasting> {
        self.stretch.lasting()
    }
}

/// The mean brightness of each tile of a picture, row by row.
#[derive(Debug, Default)]
struct Tiles {
    size: (u32, u32),
    /// In sixteenths of a level.
    means: Vec<u16>,
    sums: Vec<u32>,
}

/// Of a tile, in pixels.
const SIDE: usize = 16;
const PARTS: u32 = 16;
/// Four of 256 levels. An encoder that refines a scene in which nothing moves changes details and leaves the means of
/// tiles within that, at all but starving bitrates, and noise does too; a blink of an eye moves some of them by more.
const MOST_APART: u16 = 4 * PARTS as u16;

impl Tiles {
    fn forget(&mut self) {
        self.size = (0, 0);
        self.means.clear();
    }

    fn measure(&mut self, picture: &Picture) {
        self.forget();
        self.size = (picture.width, picture.height);
        let width = picture.width.max(1) as usize;
        for band in picture.luma.chunks(width * SIDE) {
            self.sums.clear();
            self.sums.resize(width.div_ceil(SIDE), 0);
            for row in band.chunks(width) {
                let (whole, rest) = row.as_chunks::<SIDE>();
                for (sum, pixels) in self.sums.iter_mut().zip(whole) {
                    *sum += total(pixels);
                }
                if let Some(sum) = self.sums.get_mut(whole.len()) {
                    *sum += total(rest);
                }
            }
            let rows = band.len().div_ceil(width);
            let means = self.sums.iter().enumerate().map(|(at, sum)| {
                let pixels = (rows * (width - at * SIDE).min(SIDE)) as u32;
                (sum * PARTS / pixels.max(1)) as u16
            });
            self.means.extend(means);
        }
    }

    fn show_the_same_as(&self, other: &Self) -> bool {
        let near = |(a, b): (&u16, &u16)| a.abs_diff(*b) <= MOST_APART;
        self.size == other.size
            && self.means.len() == other.means.len()
            && self.means.iter().zip(&other.means).all(near)
    }
}

fn total(pixels: &[u8]) -> u32 {
    pixels.iter().map(|&pixel| u32::from(pixel)).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FRAME: Duration = Duration::from_millis(40);
    const WIDTH: usize = 160;
    const HEIGHT: usize = 120;

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn picture(luma: impl Fn(usize, usize) -> u8) -> Picture {
        let luma = (0..WIDTH * HEIGHT).map(|at| luma(at % WIDTH, at / WIDTH)).collect();
        Picture { width: WIDTH as u32, height: HEIGHT as u32, luma, u: Vec::new(), v: Vec::new() }
    }

    /// 100 pictures in four seconds, and for how long the last of them stood still, in milliseconds.
    fn still_for(show: impl Fn(usize) -> Picture) -> Option<u128> {
        let (start, mut still) = (start(), Still::default());
        for frame in 0..100 {
            still.unstamped(start + FRAME * frame, &show(frame as usize));
        }
        still.lasting().map(|lasting| lasting.length.as_millis())
    }

    /// A face of two eyes, of the size it has at a desk.
    fn face(x: usize, y: usize, eyes_open: bool) -> u8 {
        let eye = (50..58).contains(&y) && [(56..70), (90..104)].iter().any(|columns| columns.contains(&x));
        if eye && eyes_open { 60 } else { (90 + x / 4 + y / 8) as u8 }
    }

    #[test]
    fn what_an_encoder_changes_in_a_still_scene_is_no_motion() {
        let noise = |x: usize, y: usize, frame: usize| ((x * 31 + y * 17 + frame * 7919) % 13) as u8;
        assert_eq!(still_for(|frame| picture(|x, y| face(x, y, true) + noise(x, y, frame))), Some(3960));
        // Brightness settles within the first second, by three levels.
        let refined = |frame: usize| picture(|x, y| face(x, y, true) + frame.min(25) as u8 / 8);
        assert_eq!(still_for(refined), Some(3960));
    }

    #[test]
    fn a_blink_and_slow_motion_are_motion() {
        let blinks = |frame: usize| picture(|x, y| face(x, y, frame % 50 > 2));
        assert_eq!(still_for(blinks), Some(46 * 40), "since the last blink");
        let slow = |frame: usize| picture(|x, y| if x < 20 + frame / 4 { 200 } else { face(x, y, true) });
        assert_eq!(still_for(slow), None, "six pixels a second");
    }

    #[test]
    fn a_picture_that_stops_is_still_from_then_on() {
        let stops = |frame: usize| picture(|x, y| if x < frame.min(49) * 3 { 200 } else { face(x, y, true) });
        assert_eq!(still_for(stops), Some(50 * 40));
    }

    #[test]
    fn another_size_is_another_picture_and_every_size_can_be_measured() {
        let (start, mut still) = (start(), Still::default());
        for (frame, (width, height)) in (0..).zip([(33, 17), (17, 33), (1, 1), (0, 0), (15, 400)]) {
            let luma = vec![90; (width * height) as usize];
            let picture = Picture { width, height, luma, u: Vec::new(), v: Vec::new() };
            still.unstamped(start + Duration::from_secs(frame), &picture);
            assert_eq!(still.lasting(), None, "{width}x{height}");
            assert!(still.start.means.iter().all(|mean| *mean == 90 * 16));
        }
    }

    #[test]
    fn stamps_tell_of_stamped_pictures() {
        let (start, mut still) = (start(), Still::default());
        let at = |second| start + Duration::from_secs(second);
        still.unstamped(at(0), &picture(|_, _| 90));
        still.stamped(at(1), false);
        still.stamped(at(2), true);
        still.stamped(at(3), true);
        assert_eq!(still.lasting(), Some(Lasting { since: at(1), length: Duration::from_secs(2) }));
        still.unstamped(at(4), &picture(|_, _| 90));
        assert_eq!(still.lasting(), None, "what was before the stamps does not count");
    }
}
