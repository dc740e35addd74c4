//! How much of the drawn picture has come through: PSNR and SSIM of the brightness against the picture drawn again.

use super::super::super::{Picture, Reference, Stamp};
use crate::measure::Collector;

/// Compares a sample of the stamped pictures of one track.
#[derive(Debug)]
pub(super) struct Likeness {
    reference: Reference,
    seen: u64,
    pub(super) psnr: Collector,
    pub(super) ssim: Collector,
}

/// The first picture is always looked at. Neither number shares a factor with a usual distance between key frames: else
/// the sample would be of nothing but key frames, or without any.
const PSNR_EVERY: u64 = 7;
const SSIM_EVERY: u64 = 17;

impl Default for Likeness {
    fn default() -> Self {
        Self { reference: Reference::new(), seen: 0, psnr: Collector::new(), ssim: Collector::new() }
    }
}

impl Likeness {
    /// Looks at the picture when it is its turn, and then returns its PSNR in dB.
    pub(super) fn compare(&mut self, stamp: Stamp, clock: Option<u32>, picture: &Picture) -> Option<f64> {
        let number = self.seen;
        self.seen += 1;
        let (for_psnr, for_ssim) = (number.is_multiple_of(PSNR_EVERY), number.is_multiple_of(SSIM_EVERY));
        if !for_psnr && !for_ssim {
            return None;
        }
        let drawn = self.reference.luma(stamp, clock, picture.width, picture.height)?;
        if for_ssim && let Some(similarity) = ssim(drawn, &picture.luma, picture.width as usize) {
            self.ssim.add(similarity);
        }
        if !for_psnr {
            return None;
        }
        let found = psnr(drawn, &picture.luma)?;
        self.psnr.add(found);
        Some(found)
    }
}

/// What stands for no difference at all, in dB.
const IDENTICAL_DB: f64 = 100.0;
/// Squares of differences, 65025 at most, whose sum fits 32 bits.
const CHUNK: usize = 4096;

/// Peak signal-to-noise ratio of two planes of equal size: 10 log10(255^2 / mean square difference), at most 100 dB.
/// `None` for planes that are empty or differ in size.
fn psnr(drawn: &[u8], seen: &[u8]) -> Option<f64> {
    if drawn.len() != seen.len() || drawn.is_empty() {
        return None;
    }
    // Short sums of small integers are what the compiler makes vector instructions of.
    let squares: u64 = drawn
        .chunks(CHUNK)
        .zip(seen.chunks(CHUNK))
        .map(|(drawn, seen)| {
            let pairs = drawn.iter().zip(seen).map(|(&a, &b)| i32::from(i16::from(a) - i16::from(b)));
            u64::from(pairs.map(|difference| (difference * difference).cast_unsigned()).sum::<u32>())
        })
        .sum();
    if squares == 0 {
        return Some(IDENTICAL_DB);
    }
    let mean = squares as f64 / drawn.len() as f64;
    Some((10.0 * (255.0 * 255.0 / mean).log10()).min(IDENTICAL_DB))
}

/// Side of a window in pixels; windows do not overlap, and pixels that do not fill one are left out.
const SIDE: usize = 8;
const PIXELS: f64 = (SIDE * SIDE) as f64;
/// (0.01 * 255)^2 and (0.03 * 255)^2 (Wang, Bovik, Sheikh, Simoncelli 2004).
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// Sums over one window: of both planes, of their squares, and of their products. 64 * 255^2 fits.
#[derive(Clone, Copy, Default)]
struct Window {
    a: u32,
    b: u32,
    aa: u32,
    bb: u32,
    ab: u32,
}

/// Mean structural similarity of two planes of equal size, 1 for identical ones. `None` where not one window fits, or
/// the planes differ in size.
fn ssim(drawn: &[u8], seen: &[u8], width: usize) -> Option<f64> {
    if width < SIDE || drawn.len() != seen.len() {
        return None;
    }
    let band = width * SIDE;
    let mut windows = vec![Window::default(); width / SIDE];
    let (mut sum, mut count) = (0.0, 0_u32);
    for (drawn, seen) in drawn.chunks_exact(band).zip(seen.chunks_exact(band)) {
        windows.fill(Window::default());
        for (drawn, seen) in drawn.chunks_exact(width).zip(seen.chunks_exact(width)) {
            let blocks = drawn.chunks_exact(SIDE).zip(seen.chunks_exact(SIDE));
            for (window, (drawn, seen)) in windows.iter_mut().zip(blocks) {
                window.add(drawn, seen);
            }
        }
        sum += windows.iter().map(Window::similarity).sum::<f64>();
        count += windows.len() as u32;
    }
    (count > 0).then(|| sum / f64::from(count))
}

impl Window {
    fn add(&mut self, drawn: &[u8], seen: &[u8]) {
        for (&a, &b) in drawn.iter().zip(seen) {
            let (a, b) = (u32::from(a), u32::from(b));
            self.a += a;
            self.b += b;
            self.aa += a * a;
            self.bb += b * b;
            self.ab += a * b;
        }
    }

    fn similarity(&self) -> f64 {
        let mean = |sum: u32| f64::from(sum) / PIXELS;
        let (a, b) = (mean(self.a), mean(self.b));
        let (variance_a, variance_b) = (mean(self.aa) - a * a, mean(self.bb) - b * b);
        let covariance = mean(self.ab) - a * b;
        let likeness = (2.0 * a * b + C1) * (2.0 * covariance + C2);
        likeness / ((a * a + b * b + C1) * (variance_a + variance_b + C2))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ramp(count: usize) -> Vec<u8> {
        (0..count).map(|at| (at * 7 % 200) as u8).collect()
    }

    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-3, "{found} instead of {expected}");
    }

    #[test]
    fn equal_planes_have_100_db_and_a_similarity_of_1() {
        let plane = ramp(64 * 48);
        near(psnr(&plane, &plane), 100.0);
        near(ssim(&plane, &plane, 64), 1.0);
    }

    #[test]
    fn a_known_difference_has_its_known_psnr() {
        let drawn = [100_u8; 10_000];
        near(psnr(&drawn, &[101; 10_000]), 48.1308);
        near(psnr(&drawn, &[110; 10_000]), 28.1308);
        near(psnr(&[0; 5000], &[255; 5000]), 0.0);
        let mut one_pixel = drawn;
        one_pixel[9_999] = 200;
        near(psnr(&drawn, &one_pixel), 48.1308);
    }

    #[test]
    fn flat_planes_differ_by_their_brightness_only() {
        // (2 * 100 * 150 + C1) / (100^2 + 150^2 + C1)
        near(ssim(&[100; 256], &[150; 256], 16), 30_006.502_5 / 32_506.502_5);
    }

    #[test]
    fn a_plane_turned_upside_down_in_brightness_is_unlike() {
        let drawn = ramp(64 * 64);
        let turned: Vec<u8> = drawn.iter().map(|pixel| 200 - pixel).collect();
        assert!(ssim(&drawn, &turned, 64).unwrap() < 0.0);
    }

    #[test]
    fn what_cannot_be_compared_has_no_value() {
        assert_eq!(psnr(&[], &[]), None);
        assert_eq!(psnr(&[1, 2], &[1]), None);
        assert_eq!(ssim(&[1; 49], &[1; 49], 7), None);
        assert_eq!(ssim(&[1; 56], &[1; 56], 8), None, "seven rows only");
        assert_eq!(ssim(&[1; 64], &[1; 63], 8), None);
    }

    #[test]
    fn every_seventh_picture_is_looked_at_and_every_seventeenth_closely() {
        let mut likeness = Likeness::default();
        let stamp = Stamp { peer: 3, fps: 30, index: 7 };
        let drawn = Reference::new().luma(stamp, None, 320, 240).unwrap().to_vec();
        let picture = Picture { width: 320, height: 240, luma: drawn, u: Vec::new(), v: Vec::new() };
        let found: Vec<_> = (0..31).map(|_| likeness.compare(stamp, None, &picture)).collect();
        let looked_at: Vec<_> = (0..31).filter(|at| found[*at] == Some(100.0)).collect();
        assert_eq!(looked_at, [0, 7, 14, 21, 28]);
        assert_eq!((likeness.psnr.count(), likeness.ssim.count()), (5, 2));
    }

    #[test]
    fn no_usual_distance_between_key_frames_hides_them_from_the_sample() {
        for distance in [8, 10, 12, 15, 16, 24, 25, 30, 48, 50, 60, 100, 120, 150, 240, 250, 300] {
            for every in [PSNR_EVERY, SSIM_EVERY] {
                let places: BTreeSet<u64> = (0..distance).map(|look| look * every % distance).collect();
                assert_eq!(
                    places.len() as u64,
                    distance,
                    "every {every}th of pictures with a key frame each {distance}"
                );
            }
        }
    }
}
