//! Between RGB and the video range of BT.601 (ITU-R BT.601-7 section 2.5.1, black 16, white 235), in 16-bit fixed point.
//!
//! libwebp turns RGB into luma with exactly this rounding. openh264's own conversion truncates instead, which makes
//! pictures up to one step darker, so H264 is encoded from the planes made here: then both codecs are compared with the
//! same reference.

/// The luma of one RGB pixel, 16 to 235.
pub(super) fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let weighted = 16_839 * u32::from(red) + 33_059 * u32::from(green) + 6_420 * u32::from(blue);
    ((weighted + (16 << 16) + (1 << 15)) >> 16) as u8
}

/// Packed RGB of even `width` and `height` to I420: the luma plane, then U, then V of a quarter of its size.
pub(super) fn i420(rgb: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut planes = Vec::with_capacity(width * height * 3 / 2);
    planes.extend(rgb.as_chunks::<3>().0.iter().take(width * height).map(|&pixel| luma(pixel)));
    let (mut u, mut v) = (Vec::with_capacity(width * height / 4), Vec::with_capacity(width * height / 4));
    for rows in rgb.chunks_exact(width.max(1) * 6).take(height / 2) {
        let (upper, lower) = rows.split_at(width * 3);
        for (above, below) in upper.as_chunks::<6>().0.iter().zip(lower.as_chunks::<6>().0) {
            let sum = |channel: usize| {
                let both = |row: &[u8; 6]| i32::from(row[channel]) + i32::from(row[channel + 3]);
                both(above) + both(below)
            };
            let (red, green, blue) = (sum(0), sum(1), sum(2));
            u.push(chroma(28_800 * blue - 9_719 * red - 19_081 * green));
            v.push(chroma(28_800 * red - 24_116 * green - 4_684 * blue));
        }
    }
    planes.append(&mut u);
    planes.append(&mut v);
    planes
}

/// One pixel back to RGB; samples outside the video range are clipped.
pub(super) fn rgb(y: u8, u: u8, v: u8) -> [u8; 3] {
    let (y, u, v) = ((i32::from(y) - 16) * 76_309, i32::from(u) - 128, i32::from(v) - 128);
    let channel = |value: i32| ((value + (1 << 15)) >> 16).clamp(0, 255) as u8;
    [channel(y + 104_597 * v), channel(y - 25_675 * u - 53_279 * v), channel(y + 132_201 * u)]
}

/// A weighted sum over four pixels, around 128.
fn chroma(weighted: i32) -> u8 {
    ((weighted + (128 << 18) + (1 << 17)) >> 18).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_and_white_are_the_ends_of_the_video_range() {
        assert_eq!((luma([0; 3]), luma([255; 3])), (16, 235));
        assert_eq!(i420(&[0; 12], 2, 2), [16, 16, 16, 16, 128, 128]);
        assert_eq!(i420(&[255; 12], 2, 2), [235, 235, 235, 235, 128, 128]);
        assert_eq!((rgb(16, 128, 128), rgb(235, 128, 128)), ([0; 3], [255; 3]));
    }

    #[test]
    fn colours_come_back_within_two_steps() {
        for colour in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [250, 160, 50], [12, 200, 90], [128, 128, 128]] {
            let planes = i420(&colour.repeat(4), 2, 2);
            let back = rgb(planes[0], planes[4], planes[5]);
            let worst = colour.iter().zip(back).map(|(&a, b)| a.abs_diff(b)).max().unwrap();
            assert!(worst <= 2, "{colour:?} became {back:?}");
        }
    }
}
