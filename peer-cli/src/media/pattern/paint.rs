//! The picture itself: a soft sky in the peer's colour, colour bars, a bouncing ball, a bar that fills once a loop, and a
//! white square that flashes every second.
//!
//! The same strokes are drawn in RGB by the sender and in luma by the judge, so that what is compared cannot differ by
//! more than the codec did to it.

use std::f64::consts::TAU;
use std::ops::Range;

use super::super::{ClockStrip, Stamp, colour};

/// What a picture can be painted with.
pub(super) trait Pixel: Copy {
    /// The pixel of a colour.
    fn of(colour: Rgb) -> Self;

    /// Draws the strips over a finished picture.
    fn strips(canvas: &mut [Self], stamp: Stamp, clock: Option<ClockStrip>, width: u32, height: u32);
}

/// Red, green, blue, each 0 to 255.
pub(super) type Rgb = [u8; 3];

impl Pixel for Rgb {
    fn of(colour: Self) -> Self {
        colour
    }

    fn strips(canvas: &mut [Self], stamp: Stamp, clock: Option<ClockStrip>, width: u32, height: u32) {
        let bytes = canvas.as_flattened_mut();
        stamp.draw_rgb(bytes, width, height);
        if let Some(clock) = clock {
            clock.draw_rgb(bytes, width, height);
        }
    }
}

/// Luma in the video range.
impl Pixel for u8 {
    fn of(colour: Rgb) -> Self {
        colour::luma(colour)
    }

    fn strips(canvas: &mut [Self], stamp: Stamp, clock: Option<ClockStrip>, width: u32, height: u32) {
        stamp.draw_luma(canvas, width, height);
        if let Some(clock) = clock {
            clock.draw_luma(canvas, width, height);
        }
    }
}

/// Draws one peer's pictures in one size.
pub(super) struct Painter<P> {
    width: usize,
    height: usize,
    /// Everything that does not move.
    backdrop: Vec<P>,
}

const BARS: [Rgb; 7] =
    [[235, 235, 235], [225, 205, 40], [50, 195, 205], [60, 180, 75], [190, 70, 180], [205, 60, 50], [50, 80, 200]];
const BALL: Rgb = [250, 160, 50];
const PROGRESS: Rgb = [245, 245, 245];
const FLASH: Rgb = [255, 255, 255];

impl<P: Pixel> Painter<P> {
    /// `width` and `height` in pixels, both at least 1.
    pub(super) fn new(width: u32, height: u32, peer: u8) -> Self {
        let (width, height) = (width as usize, height as usize);
        let top = hue(f64::from(peer) * 0.618_034);
        let bars_from = height * 4 / 5;
        let mut backdrop = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let colour = if y >= bars_from {
                    BARS[x * BARS.len() / width]
                } else {
                    let fade = (y as f64 / bars_from as f64 * 0.8 + x as f64 / width as f64 * 0.2).min(1.0);
                    top.map(|channel| mix(f64::from(channel), 235.0, fade))
                };
                backdrop.push(P::of(colour));
            }
        }
        Self { width, height, backdrop }
    }

    /// Makes `canvas` the picture with this stamp, `width * height` pixels row by row; `clock` adds the second strip.
    pub(super) fn paint(&self, canvas: &mut Vec<P>, stamp: Stamp, clock: Option<u32>) {
        canvas.clear();
        canvas.extend_from_slice(&self.backdrop);
        let frames = stamp.loop_frames().max(1);
        let phase = f64::from(stamp.index % frames) / f64::from(frames);
        self.progress(canvas, phase);
        self.ball(canvas, phase);
        if stamp.is_flash() {
            self.flash(canvas);
        }
        let clock = clock.map(|unix_ms| ClockStrip { unix_ms });
        P::strips(canvas, stamp, clock, self.width as u32, self.height as u32);
    }

    /// A bar above the colour bars, as long as the part of the loop that has passed.
    fn progress(&self, canvas: &mut [P], phase: f64) {
        let end = (phase * self.width as f64) as usize;
        for y in self.height * 31 / 40..self.height * 4 / 5 {
            self.line(canvas, y, 0..end.min(self.width), PROGRESS);
        }
    }

    /// A square in the middle of the sky, a fifth of the height.
    fn flash(&self, canvas: &mut [P]) {
        let (side, sky) = (self.height / 5, self.height * 4 / 5);
        let (top, left) = ((sky - side) / 2, self.width.saturating_sub(side) / 2);
        for y in top..top + side {
            self.line(canvas, y, left..(left + side).min(self.width), FLASH);
        }
    }

    fn ball(&self, canvas: &mut [P], phase: f64) {
        let (width, height) = (self.width as f64, self.height as f64);
        let radius = height / 10.0;
        let centre_x = width / 2.0 + (TAU * phase).sin() * (width / 2.0 - radius - 2.0);
        let floor = height * 0.77 - radius;
        let centre_y = floor - (TAU * 2.5 * phase).sin().abs() * height * 0.5;
        let columns = span(centre_x, radius, self.width);
        for y in span(centre_y, radius, self.height) {
            let dy = (y as f64 - centre_y) / radius;
            for x in columns.clone() {
                let dx = (x as f64 - centre_x) / radius;
                if dx * dx + dy * dy <= 1.0 {
                    let from_light = ((dx + 0.4) * (dx + 0.4) + (dy + 0.4) * (dy + 0.4)).sqrt();
                    let light = (1.15 - from_light * 0.6).clamp(0.0, 1.0);
                    let shaded = BALL.map(|channel| mix(0.0, f64::from(channel), light));
                    if let Some(pixel) = canvas.get_mut(y * self.width + x) {
                        *pixel = P::of(shaded);
                    }
                }
            }
        }
    }

    fn line(&self, canvas: &mut [P], y: usize, columns: Range<usize>, colour: Rgb) {
        let start = y * self.width;
        if let Some(pixels) = canvas.get_mut(start + columns.start..start + columns.end) {
            pixels.fill(P::of(colour));
        }
    }
}

fn span(centre: f64, radius: f64, end: usize) -> Range<usize> {
    (centre - radius).max(0.0) as usize..((centre + radius).max(0.0) as usize + 1).min(end)
}

fn mix(from: f64, to: f64, part: f64) -> u8 {
    (from + (to - from) * part) as u8
}

/// A strong colour for each turn of the colour wheel; golden-ratio steps keep neighbours far apart.
fn hue(turns: f64) -> Rgb {
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|shift| mix(40.0, 210.0, 0.5 + 0.5 * (TAU * (turns + shift)).cos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(peer: u8, index: u32, width: u32, height: u32) -> Vec<Rgb> {
        let mut canvas = Vec::new();
        Painter::new(width, height, peer).paint(&mut canvas, Stamp { peer, fps: 30, index }, None);
        canvas
    }

    fn different(a: &[Rgb], b: &[Rgb]) -> usize {
        a.iter().zip(b).filter(|(a, b)| a != b).count()
    }

    #[test]
    fn the_picture_moves_and_comes_back_to_its_start() {
        let below_strip = 320 * 16;
        let sky = below_strip..320 * 180;
        let (start, next) = (painted(1, 0, 320, 240), painted(1, 1, 320, 240));
        assert_eq!(start.len(), 320 * 240);
        assert_ne!(start[sky.clone()], next[sky.clone()]);
        // A live picture one loop later has the same phase.
        assert_eq!(start[sky.clone()], painted(1, 150, 320, 240)[sky.clone()]);
        let (middle, end) = (painted(1, 3, 320, 240), painted(1, 149, 320, 240));
        assert!(different(&middle[sky.clone()], &end[sky]) < 320 * 164 / 10);
    }

    #[test]
    fn the_flash_is_a_white_square_in_the_sky_and_gone_after_a_tenth_of_a_second() {
        let centre = (240 * 2 / 5) * 320 + 160;
        let white = |index| painted(1, index, 320, 240)[centre] == FLASH;
        assert!(white(0) && white(2) && white(60) && white(121));
        assert!(!white(3) && !white(29) && !white(100));
    }

    #[test]
    fn every_peer_has_its_own_colour() {
        let corner = |peer| painted(peer, 40, 96, 96)[10 * 96];
        for peer in 1..20 {
            assert_ne!(corner(0), corner(peer), "peer {peer}");
        }
    }

    #[test]
    fn small_and_narrow_pictures_are_painted_too() {
        for (width, height) in [(96, 96), (96, 1920), (1920, 96)] {
            assert_eq!(painted(7, 0, width, height).len(), (width * height) as usize);
        }
    }
}
