//! The sequence parameter set: profile, picture size and, if the stream says so, its frame rate.

use super::Bits;

/// What is used of a sequence parameter set (ITU-T H.264 section 7.3.2.1.1 and annex E).
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Sps {
    /// `profile_idc`: 66 baseline, 77 main, 100 high.
    pub(crate) profile: u8,
    /// Visible width in pixels.
    pub(crate) width: u32,
    /// Visible height in pixels.
    pub(crate) height: u32,
    /// Frames per second from the timing information, if it is there and between 1 and 240.
    pub(crate) frame_rate: Option<f64>,
    /// Whether samples are 8 bits in 4:2:0, the only form browsers take.
    pub(crate) plain: bool,
}

/// Profiles whose parameter set describes chroma and bit depth.
const WITH_CHROMA: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

impl Sps {
    /// `None` when the set is cut short or has an impossible size.
    pub(crate) fn parse(nal: &[u8]) -> Option<Self> {
        let mut bits = Bits::of_unit(nal);
        let profile = bits.number(8)? as u8;
        bits.number(16)?;
        bits.unsigned()?;
        let plain = !WITH_CHROMA.contains(&profile) || chroma_is_plain(&mut bits)?;
        bits.unsigned()?;
        skip_picture_order(&mut bits)?;
        bits.unsigned()?;
        bits.flag()?;
        let columns = bits.unsigned()?.checked_add(1)?;
        let rows = bits.unsigned()?.checked_add(1)?;
        let frames_only = bits.flag()?;
        if !frames_only {
            bits.flag()?;
        }
        bits.flag()?;
        let fields = if frames_only { 1 } else { 2 };
        let (crop_x, crop_y) = cropping(&mut bits)?;
        let width = columns.checked_mul(16)?.checked_sub(crop_x.checked_mul(2)?)?;
        let height = rows.checked_mul(16 * fields)?.checked_sub(crop_y.checked_mul(2 * fields)?)?;
        let frame_rate = frame_rate(&mut bits).filter(|rate| (1.0..=240.0).contains(rate));
        (width > 0 && height > 0).then_some(Self { profile, width, height, frame_rate, plain })
    }
}

fn chroma_is_plain(bits: &mut Bits) -> Option<bool> {
    let format = bits.unsigned()?;
    if format == 3 {
        bits.flag()?;
    }
    let (luma_depth, chroma_depth) = (bits.unsigned()?, bits.unsigned()?);
    bits.flag()?;
    if bits.flag()? {
        for list in 0..if format == 3 { 12 } else { 8 } {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(format == 1 && luma_depth == 0 && chroma_depth == 0)
}

fn skip_scaling_list(bits: &mut Bits, size: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn skip_picture_order(bits: &mut Bits) -> Option<()> {
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.flag()?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.unsigned()?.min(255) {
                bits.signed()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Left plus right and top plus bottom, in units of chroma samples.
fn cropping(bits: &mut Bits) -> Option<(u32, u32)> {
    if !bits.flag()? {
        return Some((0, 0));
    }
    let x = bits.unsigned()?.checked_add(bits.unsigned()?)?;
    let y = bits.unsigned()?.checked_add(bits.unsigned()?)?;
    Some((x, y))
}

/// From the usability information, up to its timing part.
fn frame_rate(bits: &mut Bits) -> Option<f64> {
    const EXTENDED_ASPECT: u32 = 255;
    if !bits.flag()? {
        return None;
    }
    if bits.flag()? && bits.number(8)? == EXTENDED_ASPECT {
        bits.number(32)?;
    }
    if bits.flag()? {
        bits.flag()?;
    }
    if bits.flag()? {
        bits.number(4)?;
        if bits.flag()? {
            bits.number(24)?;
        }
    }
    if bits.flag()? {
        bits.unsigned()?;
        bits.unsigned()?;
    }
    if !bits.flag()? {
        return None;
    }
    let (units, scale) = (bits.number(32)?, bits.number(32)?);
    Some(f64::from(scale) / (2.0 * f64::from(units)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a 640x360 clip at 25 frames per second, as x264 wrote it.
    const CLIP: [u8; 25] = [
        0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00,
        0x03, 0x00, 0x32, 0x0f, 0x18, 0x32, 0x48,
    ];

    #[test]
    fn size_profile_and_frame_rate_are_read() {
        let expected = Sps { profile: 66, width: 640, height: 360, frame_rate: Some(25.0), plain: true };
        assert_eq!(Sps::parse(&CLIP), Some(expected));
    }

    #[test]
    fn cut_parameter_sets_are_refused() {
        assert_eq!(Sps::parse(&[]), None);
        assert_eq!(Sps::parse(&[0x67]), None);
        assert_eq!(Sps::parse(&[0x67, 66, 0xc0, 31]), None);
    }
}
