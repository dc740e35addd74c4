//! The picture itself: a soft sky in the peer's colour, colour bars, a bouncing ball and a bar that fills once a loop.

use std::f64::consts::TAU;

/// Draws one peer's pictures in one size.
pub(super) struct Painter {
    width: usize,
    height: usize,
    /// Everything that does not move, as packed RGB.
    backdrop: Vec<u8>,
}

type Rgb = [u8; 3];

const BARS: [Rgb; 7] =
    [[235, 235, 235], [225, 205, 40], [50, 195, 205], [60, 180, 75], [190, 70, 180], [205, 60, 50], [50, 80, 200]];
const BALL: Rgb = [250, 160, 50];
const CLOCK: Rgb = [245, 245, 245];

impl Painter {
    /// `width` and `height` in pixels, both at least 1.
    pub(super) fn new(width: u32, height: u32, peer: u8) -> Self {
        let (width, height) = (width as usize, height as usize);
        let top = hue(f64::from(peer) * 0.618_034);
        let bars_from = height * 4 / 5;
        let mut backdrop = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                let colour = if y >= bars_from {
                    BARS[x * BARS.len() / width]
                } else {
                    let fade = (y as f64 / bars_from as f64 * 0.8 + x as f64 / width as f64 * 0.2).min(1.0);
                    top.map(|channel| mix(f64::from(channel), 235.0, fade))
                };
                backdrop.extend(colour);
            }
        }
        Self { width, height, backdrop }
    }

    /// The picture at `phase` of the loop, 0 to 1, as `width * height` packed RGB pixels. Phase 1 looks like phase 0.
    pub(super) fn paint(&self, phase: f64) -> Vec<u8> {
        let mut rgb = self.backdrop.clone();
        self.clock(&mut rgb, phase);
        self.ball(&mut rgb, phase);
        rgb
    }

    /// A bar above the colour bars, as long as the part of the loop that has passed.
    fn clock(&self, rgb: &mut [u8], phase: f64) {
        let rows = self.height * 31 / 40..self.height * 4 / 5;
        let end = (phase * self.width as f64) as usize;
        for y in rows {
            for x in 0..end.min(self.width) {
                put(rgb, y * self.width + x, CLOCK);
            }
        }
    }

    fn ball(&self, rgb: &mut [u8], phase: f64) {
        let (width, height) = (self.width as f64, self.height as f64);
        let radius = height / 10.0;
        let centre_x = width / 2.0 + (TAU * phase).sin() * (width / 2.0 - radius - 2.0);
        let floor = height * 0.77 - radius;
        let centre_y = floor - (TAU * 2.5 * phase).sin().abs() * height * 0.5;
        let columns = span(centre_x, radius, self.width);
        for y in span(centre_y, radius, self.height) {
            for x in columns.clone() {
                let (dx, dy) = ((x as f64 - centre_x) / radius, (y as f64 - centre_y) / radius);
                if dx * dx + dy * dy <= 1.0 {
                    let light = (1.15 - (dx + 0.4).hypot(dy + 0.4) * 0.6).clamp(0.0, 1.0);
                    put(rgb, y * self.width + x, BALL.map(|channel| mix(0.0, f64::from(channel), light)));
                }
            }
        }
    }
}

fn span(centre: f64, radius: f64, end: usize) -> std::ops::Range<usize> {
    (centre - radius).max(0.0) as usize..((centre + radius).max(0.0) as usize + 1).min(end)
}

fn put(rgb: &mut [u8], pixel: usize, colour: Rgb) {
    if let Some(place) = rgb.get_mut(pixel * 3..pixel * 3 + 3) {
        place.copy_from_slice(&colour);
    }
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

    #[test]
    fn the_picture_moves_and_comes_back_to_its_start() {
        let painter = Painter::new(320, 240, 1);
        assert_eq!(painter.paint(0.0).len(), 320 * 240 * 3);
        assert_ne!(painter.paint(0.0), painter.paint(0.01));
        let (start, end) = (painter.paint(0.0), painter.paint(0.999_999));
        let sky = 320 * 180 * 3;
        let different = start[..sky].iter().zip(&end[..sky]).filter(|(a, b)| a != b).count();
        assert!(different < sky / 100, "{different} of {sky} bytes differ");
    }

    #[test]
    fn every_peer_has_its_own_colour() {
        let corner = |peer| Painter::new(96, 96, peer).paint(0.5)[..3].to_vec();
        for peer in 1..20 {
            assert_ne!(corner(0), corner(peer), "peer {peer}");
        }
    }
}
