//! A strip of black and white cells along the top of a picture: who drew it, and which picture it is.
//!
//! ```text
//! | 1 0 1 0 | peer: 8 bits | index: 24 bits | CRC-8 | 0 1 0 1 |      48 cells, most significant bit first
//! ```
//!
//! The cells divide the width evenly and the strip is a fifteenth of the height, so the strip is found again after
//! scaling. Coarse cells of full contrast outlive every codec setting that leaves a picture recognisable.

use super::Picture;

/// The drawer and the number of one picture.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Number of the peer that drew the picture, 0 to 255.
    pub peer: u8,
    /// Position in its loop or stream; only the low 24 bits are drawn.
    pub index: u32,
}

impl Stamp {
    /// The smallest picture width, in pixels, that leaves two pixels for each cell.
    pub const MIN_WIDTH: u32 = 2 * CELLS as u32;

    /// Draws the strip into packed RGB, three bytes a pixel. Pixels beyond the end of `rgb` are not drawn.
    pub fn draw_rgb(self, rgb: &mut [u8], width: u32, height: u32) {
        self.draw(rgb, 3, width, height);
    }

    /// Draws the strip into a packed luma plane, one byte a pixel, with the video range's black (16) and white (235).
    pub fn draw_luma(self, luma: &mut [u8], width: u32, height: u32) {
        self.draw(luma, 1, width, height);
    }

    /// Reads the strip. `None` when there is none, or it is damaged: too little contrast, wrong marks or checksum.
    pub fn read(picture: &Picture) -> Option<Self> {
        if picture.width < Self::MIN_WIDTH || picture.height < 2 {
            return None;
        }
        let mut levels = [0; CELLS];
        for (cell, level) in levels.iter_mut().enumerate() {
            *level = cell_level(picture, cell)?;
        }
        let darkest = levels.iter().copied().min()?;
        let brightest = levels.iter().copied().max()?;
        if brightest - darkest < LEAST_CONTRAST {
            return None;
        }
        let middle = (brightest + darkest) / 2;
        let code = levels.iter().fold(0, |code, &level| code << 1 | u64::from(level > middle));
        Self::from_code(code)
    }

    fn code(self) -> u64 {
        let body = u64::from(self.peer) << 24 | u64::from(self.index & INDEX_MASK);
        OPENING << 44 | body << 12 | u64::from(crc8(body)) << 4 | CLOSING
    }

    fn from_code(code: u64) -> Option<Self> {
        let body = code >> 12 & 0xffff_ffff;
        let stamp = Self { peer: (body >> 24) as u8, index: body as u32 & INDEX_MASK };
        (stamp.code() == code).then_some(stamp)
    }

    fn draw(self, plane: &mut [u8], bytes_per_pixel: usize, width: u32, height: u32) {
        let (width, code) = (width as usize, self.code());
        let (black, white) = if bytes_per_pixel == 1 { (16, 235) } else { (0, 255) };
        if width == 0 {
            return;
        }
        let row: Vec<u8> = (0..width * bytes_per_pixel)
            .map(|at| {
                let cell = at / bytes_per_pixel * CELLS / width;
                if code >> (CELLS - 1 - cell) & 1 == 1 { white } else { black }
            })
            .collect();
        for line in plane.chunks_exact_mut(row.len()).take(strip_height(height as usize)) {
            line.copy_from_slice(&row);
        }
    }
}

const CELLS: usize = 48;
const OPENING: u64 = 0b1010;
const CLOSING: u64 = 0b0101;
const INDEX_MASK: u32 = 0xff_ffff;

/// Between the darkest and the brightest cell, of 219 in a perfect picture.
const LEAST_CONTRAST: u32 = 60;

fn strip_height(height: usize) -> usize {
    (height / 15).max(2)
}

/// Mean brightness of the middle half of a cell; its edges are smeared by filters.
fn cell_level(picture: &Picture, cell: usize) -> Option<u32> {
    let (width, strip) = (picture.width as usize, strip_height(picture.height as usize));
    let columns = inner_half((cell * width).div_ceil(CELLS), ((cell + 1) * width).div_ceil(CELLS));
    let rows = inner_half(0, strip);
    let count = (columns.len() * rows.len()) as u32;
    let mut sum = 0;
    for row in rows {
        let pixels = picture.luma.get(row * width + columns.start..row * width + columns.end)?;
        sum += pixels.iter().map(|&pixel| u32::from(pixel)).sum::<u32>();
    }
    sum.checked_div(count)
}

fn inner_half(start: usize, end: usize) -> std::ops::Range<usize> {
    let margin = (end - start) / 4;
    start + margin..(end - margin).max(start + margin + 1)
}

/// CRC-8 with polynomial 0x07 over the 32 bits of the body.
fn crc8(body: u64) -> u8 {
    (body as u32).to_be_bytes().into_iter().fold(0xff, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stamped(stamp: Stamp, width: u32, height: u32) -> Picture {
        let mut luma = vec![128; (width * height) as usize];
        stamp.draw_luma(&mut luma, width, height);
        Picture { width, height, luma }
    }

    /// Nearest-neighbour scaling, the harshest there is.
    fn scaled(picture: &Picture, width: u32, height: u32) -> Picture {
        let luma = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| {
                let (from_x, from_y) = (x * picture.width / width, y * picture.height / height);
                picture.luma[(from_y * picture.width + from_x) as usize]
            })
            .collect();
        Picture { width, height, luma }
    }

    proptest! {
        #[test]
        fn what_was_drawn_is_read_at_any_size(peer: u8, index in 0_u32..1 << 24, width in 96_u32..800, height in 30_u32..500) {
            let stamp = Stamp { peer, index };
            prop_assert_eq!(Stamp::read(&stamped(stamp, width, height)), Some(stamp));
        }

        #[test]
        fn arbitrary_pictures_never_panic(width in 0_u32..200, height in 0_u32..40, luma in prop::collection::vec(any::<u8>(), 0..8000)) {
            let _ = Stamp::read(&Picture { width, height, luma });
        }
    }

    #[test]
    fn scaling_leaves_the_stamp_readable() {
        let stamp = Stamp { peer: 7, index: 149 };
        let picture = stamped(stamp, 640, 480);
        for (width, height) in [(320, 240), (480, 360), (1280, 720), (160, 120)] {
            assert_eq!(Stamp::read(&scaled(&picture, width, height)), Some(stamp), "{width}x{height}");
        }
    }

    #[test]
    fn one_wrong_cell_is_noticed() {
        let stamp = Stamp { peer: 1, index: 2 };
        for bit in 0..CELLS {
            assert_eq!(Stamp::from_code(stamp.code() ^ 1 << bit), None, "cell {bit}");
        }
    }

    #[test]
    fn plain_pictures_have_no_stamp() {
        for level in [0, 16, 128, 255] {
            assert_eq!(Stamp::read(&Picture { width: 640, height: 480, luma: vec![level; 640 * 480] }), None);
        }
    }

    #[test]
    fn only_the_low_24_bits_of_the_index_are_drawn() {
        let picture = stamped(Stamp { peer: 3, index: 0x1234_5678 }, 640, 480);
        assert_eq!(Stamp::read(&picture), Some(Stamp { peer: 3, index: 0x34_5678 }));
    }
}
