//! Pictures for people to look at.

use webp::WebPConfig;

use super::{Picture, colour};

impl Picture {
    /// Packed RGB, three bytes a pixel, row by row; BT.601 video range. Grey where there is no colour.
    pub fn to_rgb(&self) -> Vec<u8> {
        let (width, height) = (self.width as usize, self.height as usize);
        let half = width.div_ceil(2);
        let mut rgb = Vec::with_capacity(width * height * 3);
        for (y, row) in self.luma.chunks_exact(width.max(1)).take(height).enumerate() {
            for (x, &luma) in row.iter().enumerate() {
                let at = y / 2 * half + x / 2;
                let (u, v) = self.u.get(at).copied().zip(self.v.get(at).copied()).unwrap_or((128, 128));
                rgb.extend(colour::rgb(luma, u, v));
            }
        }
        rgb
    }
}

/// The picture as WebP, at most `max_width` pixels wide (a wider one is scaled down with its height); `quality` from 0 to
/// 100. `None` when the picture has no pixels or fewer than it says, or is larger than WebP's 16 383 pixels a side.
pub fn picture_webp(picture: &Picture, max_width: u32, quality: f32) -> Option<Vec<u8>> {
    let (width, height) = (picture.width, picture.height);
    if !SIDES.contains(&width) || !SIDES.contains(&height) || picture.luma.len() < width as usize * height as usize {
        return None;
    }
    let rgb = picture.to_rgb();
    let small_width = width.min(max_width.max(1));
    let small_height = (u64::from(height) * u64::from(small_width) / u64::from(width)).max(1) as u32;
    let small = if small_width == width {
        rgb
    } else {
        let size = (small_width as usize, small_height as usize);
        averaged(&rgb, (width as usize, height as usize), size)
    };
    let mut config = WebPConfig::new().ok()?;
    config.quality = quality.clamp(0.0, 100.0);
    let webp = webp::Encoder::from_rgb(&small, small_width, small_height).encode_advanced(&config).ok()?;
    Some(webp.to_vec())
}

/// What WebP can hold.
const SIDES: std::ops::RangeInclusive<u32> = 1..=16_383;

/// Every pixel of the smaller picture is the mean of those it covers.
fn averaged(rgb: &[u8], (width, height): (usize, usize), (small_width, small_height): (usize, usize)) -> Vec<u8> {
    let mut small = Vec::with_capacity(small_width * small_height * 3);
    for y in 0..small_height {
        let rows = y * height / small_height..((y + 1) * height / small_height).max(y * height / small_height + 1);
        for x in 0..small_width {
            let columns = x * width / small_width..(x + 1) * width / small_width;
            let (mut sums, mut count) = ([0_u32; 3], 0);
            for row in rows.clone() {
                let pixels = rgb.get((row * width + columns.start) * 3..(row * width + columns.end) * 3);
                for pixel in pixels.unwrap_or_default().as_chunks::<3>().0 {
                    for (sum, &channel) in sums.iter_mut().zip(pixel) {
                        *sum += u32::from(channel);
                    }
                    count += 1;
                }
            }
            small.extend(sums.map(|sum| sum.checked_div(count).unwrap_or_default() as u8));
        }
    }
    small
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32, level: u8) -> Picture {
        Picture { width, height, luma: vec![level; (width * height) as usize], u: Vec::new(), v: Vec::new() }
    }

    /// Width and height of a lossy WebP: in the key frame's header, behind 20 bytes of RIFF and 6 of the frame.
    fn size(webp: &[u8]) -> (u16, u16) {
        assert!(webp.starts_with(b"RIFF") && webp[8..16] == *b"WEBPVP8 ");
        (u16::from_le_bytes([webp[26], webp[27]]), u16::from_le_bytes([webp[28], webp[29]]))
    }

    #[test]
    fn without_colour_the_picture_is_grey() {
        assert_eq!(grey(2, 1, 235).to_rgb(), [255; 6]);
        assert_eq!(grey(1, 1, 16).to_rgb(), [0; 3]);
    }

    #[test]
    fn each_colour_sample_is_for_four_pixels_also_in_odd_sizes() {
        let picture =
            Picture { width: 3, height: 3, luma: vec![82; 9], u: vec![90, 128, 128, 90], v: vec![240, 128, 128, 240] };
        let rgb = picture.to_rgb();
        let pixel = |x: usize, y: usize| &rgb[(y * 3 + x) * 3..][..3];
        assert_eq!(pixel(0, 0), pixel(1, 1));
        assert_eq!(pixel(0, 0), [255, 1, 0]);
        assert_eq!(pixel(2, 2), pixel(0, 0));
        assert_eq!(pixel(2, 0), [77, 77, 77]);
        assert_eq!(pixel(0, 2), [77, 77, 77]);
    }

    #[test]
    fn a_wide_picture_is_scaled_down_and_a_small_one_is_not() {
        assert_eq!(size(&picture_webp(&grey(640, 480, 90), 320, 70.0).unwrap()), (320, 240));
        assert_eq!(size(&picture_webp(&grey(641, 361, 90), 480, 70.0).unwrap()), (480, 270));
        assert_eq!(size(&picture_webp(&grey(96, 96, 90), 480, 70.0).unwrap()), (96, 96));
        assert_eq!(size(&picture_webp(&grey(1000, 1, 90), 10, 70.0).unwrap()), (10, 1));
    }

    #[test]
    fn scaling_takes_the_mean() {
        let rgb = [[10, 0, 255], [20, 0, 255], [30, 0, 255], [40, 4, 255]].concat();
        assert_eq!(averaged(&rgb, (2, 2), (1, 1)), [25, 1, 255]);
        assert_eq!(averaged(&rgb, (4, 1), (2, 1)), [15, 0, 255, 35, 2, 255]);
    }

    #[test]
    fn pictures_without_pixels_are_refused() {
        assert_eq!(picture_webp(&grey(0, 0, 0), 480, 70.0), None);
        let short = Picture { luma: vec![0; 3], ..grey(2, 2, 0) };
        assert_eq!(picture_webp(&short, 480, 70.0), None);
        assert_eq!(picture_webp(&grey(1, 17_000, 0), 480, 70.0), None);
    }
}
