//! The strips of cells that carry 32 bits through a picture.
//!
//! ```text
//! | opening: 4 | body: 32 | CRC-8 of the body | closing: 4 |      48 cells, most significant bit first
//! ```
//!
//! The cells divide the width evenly and a strip is a fifteenth of the height, so it is found again after scaling.
//! Coarse cells of full contrast outlive every codec setting that leaves a picture recognisable.

use std::ops::Range;

use super::super::Picture;

/// Cells in a strip.
pub(super) const CELLS: usize = 48;

/// One kind of strip: where it lies and how it is told from others.
#[derive(Copy, Clone, Debug)]
pub(super) struct Strip {
    /// How many strips lie above it.
    pub(super) place: usize,
    /// The four cells at the left end.
    pub(super) opening: u64,
    /// The four cells at the right end.
    pub(super) closing: u64,
}

impl Strip {
    /// The body of the strip in the picture. `None` when there is none, or it is damaged: too little contrast, wrong
    /// marks or checksum.
    pub(super) fn read(self, picture: &Picture) -> Option<u32> {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let rows = self.rows(height);
        if width < 2 * CELLS || rows.end > height {
            return None;
        }
        let rows = inner_half(rows);
        let mut levels = [0; CELLS];
        for (cell, level) in levels.iter_mut().enumerate() {
            *level = cell_level(picture, rows.clone(), cell)?;
        }
        let darkest = levels.iter().copied().min()?;
        let brightest = levels.iter().copied().max()?;
        if brightest - darkest < LEAST_CONTRAST {
            return None;
        }
        let middle = (brightest + darkest) / 2;
        self.body(levels.iter().fold(0, |code, &level| code << 1 | u64::from(level > middle)))
    }

    /// Draws the strip into packed pixels of 1 byte (video-range luma) or 3 bytes (RGB).
    pub(super) fn draw(self, body: u32, plane: &mut [u8], bytes_per_pixel: usize, width: u32, height: u32) {
        let (width, code) = (width as usize, self.code(body));
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
        let rows = self.rows(height as usize);
        for line in plane.chunks_exact_mut(row.len()).take(rows.end).skip(rows.start) {
            line.copy_from_slice(&row);
        }
    }

    /// All cells of a strip with this body.
    pub(super) fn code(self, body: u32) -> u64 {
        self.opening << 44 | u64::from(body) << 12 | u64::from(crc8(body)) << 4 | self.closing
    }

    /// The body of these cells; `None` when marks or checksum are wrong.
    pub(super) fn body(self, code: u64) -> Option<u32> {
        let body = (code >> 12) as u32;
        (self.code(body) == code).then_some(body)
    }

    fn rows(self, height: usize) -> Range<usize> {
        let strip = (height / 15).max(2);
        strip * self.place..strip * (self.place + 1)
    }
}

/// Between the darkest and the brightest cell, of 219 in a perfect picture.
const LEAST_CONTRAST: u32 = 60;

/// Mean brightness of the middle half of a cell; its edges are smeared by filters.
fn cell_level(picture: &Picture, rows: Range<usize>, cell: usize) -> Option<u32> {
    let width = picture.width as usize;
    let columns = inner_half((cell * width).div_ceil(CELLS)..((cell + 1) * width).div_ceil(CELLS));
    let count = (columns.len() * rows.len()) as u32;
    let mut sum = 0;
    for row in rows {
        let pixels = picture.luma.get(row * width + columns.start..row * width + columns.end)?;
        sum += pixels.iter().map(|&pixel| u32::from(pixel)).sum::<u32>();
    }
    sum.checked_div(count)
}

fn inner_half(whole: Range<usize>) -> Range<usize> {
    let margin = whole.len() / 4;
    whole.start + margin..(whole.end - margin).max(whole.start + margin + 1)
}

/// CRC-8 with polynomial 0x07 over the body.
fn crc8(body: u32) -> u8 {
    body.to_be_bytes().into_iter().fold(0xff, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}
