//! Strips of black and white cells along the top of a picture: who drew it, which picture it is, and, below that in
//! pictures drawn live, when.

use self::strip::Strip;
use super::Picture;

mod strip;

/// The drawer and the number of one picture, drawn as the topmost strip:
///
/// ```text
/// | 1 0 1 0 | peer: 8 bits | fps: 6 bits | index: 18 bits | CRC-8 | 0 1 0 1 |      48 cells, most significant bit first
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Number of the peer that drew the picture, 0 to 255.
    pub peer: u8,
    /// Pictures per second the drawer makes, 1 to 60.
    pub fps: u8,
    /// Position in the loop, or of a live picture its number since the start; only the low 18 bits are drawn.
    pub index: u32,
}

impl Stamp {
    /// The smallest picture width, in pixels, that leaves two pixels for each cell.
    pub const MIN_WIDTH: u32 = 2 * strip::CELLS as u32;

    /// How many numbers there are: 2^18, 2.4 hours at 30 per second.
    pub const INDEXES: u32 = 1 << 18;

    /// Draws the strip into packed RGB, three bytes a pixel. Pixels beyond the end of `rgb` are not drawn.
    pub fn draw_rgb(self, rgb: &mut [u8], width: u32, height: u32) {
        STAMP.draw(self.body(), rgb, 3, width, height);
    }

    /// Draws the strip into a packed luma plane, one byte a pixel, with the video range's black (16) and white (235).
    pub fn draw_luma(self, luma: &mut [u8], width: u32, height: u32) {
        STAMP.draw(self.body(), luma, 1, width, height);
    }

    /// Reads the strip. `None` when there is none, or it is damaged: too little contrast, wrong marks or checksum, or
    /// an impossible rate.
    pub fn read(picture: &Picture) -> Option<Self> {
        Self::from_body(STAMP.read(picture)?)
    }

    /// After how many pictures the numbers of a live source begin again: the most whole loops that the stamp can count,
    /// so that a second goes on being a second.
    pub fn live_frames(self) -> u32 {
        let whole_loop = self.loop_frames().max(1);
        Self::INDEXES - Self::INDEXES % whole_loop
    }

    /// Pictures in the loop of a drawer of this rate: five seconds of them.
    pub fn loop_frames(self) -> u32 {
        loop_frames(u32::from(self.fps))
    }

    /// Whether the picture shows the flash: the first tenth of every second, and at least one picture of it.
    pub fn is_flash(self) -> bool {
        let fps = u32::from(self.fps).max(1);
        self.index % fps < (fps / 10).max(1)
    }

    fn body(self) -> u32 {
        u32::from(self.peer) << 24 | u32::from(self.fps & FPS_MASK) << 18 | self.index & INDEX_MASK
    }

    fn from_body(body: u32) -> Option<Self> {
        let fps = (body >> 18) as u8 & FPS_MASK;
        let stamp = Self { peer: (body >> 24) as u8, fps, index: body & INDEX_MASK };
        (1..=MOST_FPS).contains(&fps).then_some(stamp)
    }
}

/// The time of a picture drawn live: a second strip, directly below the stamp and of the same shape.
///
/// ```text
/// | 1 0 0 1 | low 32 bits of the milliseconds since 1970 | CRC-8 | 0 1 1 0 |
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct ClockStrip {
    /// Milliseconds since 1970 (UTC) modulo 2^32, which is 49.7 days.
    pub unix_ms: u32,
}

impl ClockStrip {
    /// Draws the strip into packed RGB, three bytes a pixel. Pixels beyond the end of `rgb` are not drawn.
    pub fn draw_rgb(self, rgb: &mut [u8], width: u32, height: u32) {
        CLOCK.draw(self.unix_ms, rgb, 3, width, height);
    }

    /// Draws the strip into a packed luma plane, one byte a pixel, with the video range's black (16) and white (235).
    pub fn draw_luma(self, luma: &mut [u8], width: u32, height: u32) {
        CLOCK.draw(self.unix_ms, luma, 1, width, height);
    }

    /// Reads the low 32 bits of the milliseconds since 1970. `None` when there is no such strip or it is damaged.
    pub fn read(picture: &Picture) -> Option<u32> {
        CLOCK.read(picture)
    }
}

/// Five seconds of pictures.
pub(super) fn loop_frames(fps: u32) -> u32 {
    5 * fps
}

const STAMP: Strip = Strip { place: 0, opening: 0b1010, closing: 0b0101 };
const CLOCK: Strip = Strip { place: 1, opening: 0b1001, closing: 0b0110 };
const FPS_MASK: u8 = 0x3f;
const INDEX_MASK: u32 = Stamp::INDEXES - 1;
const MOST_FPS: u8 = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(luma: Vec<u8>, width: u32, height: u32) -> Picture {
        Picture { width, height, luma, u: Vec::new(), v: Vec::new() }
    }

    fn stamped(stamp: Stamp, clock: Option<u32>, width: u32, height: u32) -> Picture {
        let mut luma = vec![128; (width * height) as usize];
        stamp.draw_luma(&mut luma, width, height);
        if let Some(unix_ms) = clock {
            ClockStrip { unix_ms }.draw_luma(&mut luma, width, height);
        }
        plain(luma, width, height)
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
        plain(luma, width, height)
    }

    proptest! {
        #[test]
        fn what_was_drawn_is_read_at_any_size(
            peer: u8,
            fps in 1_u8..=60,
            index in 0_u32..1 << 18,
            unix_ms: u32,
            width in 96_u32..800,
            height in 30_u32..500,
        ) {
            let stamp = Stamp { peer, fps, index };
            let picture = stamped(stamp, Some(unix_ms), width, height);
            prop_assert_eq!(Stamp::read(&picture), Some(stamp));
            prop_assert_eq!(ClockStrip::read(&picture), Some(unix_ms));
        }

        #[test]
        fn arbitrary_pictures_never_panic(
            width in 0_u32..200,
            height in 0_u32..40,
            luma in prop::collection::vec(any::<u8>(), 0..8000),
        ) {
            let picture = plain(luma, width, height);
            let _ = (Stamp::read(&picture), ClockStrip::read(&picture));
        }
    }

    #[test]
    fn scaling_leaves_stamp_and_clock_readable() {
        let (stamp, clock) = (Stamp { peer: 7, fps: 30, index: 149 }, 0xdead_beef);
        let picture = stamped(stamp, Some(clock), 640, 480);
        for (width, height) in [(320, 240), (480, 360), (1280, 720), (160, 120)] {
            let scaled = scaled(&picture, width, height);
            assert_eq!(Stamp::read(&scaled), Some(stamp), "{width}x{height}");
            assert_eq!(ClockStrip::read(&scaled), Some(clock), "{width}x{height}");
        }
    }

    #[test]
    fn one_wrong_cell_is_noticed() {
        let stamp = Stamp { peer: 1, fps: 25, index: 2 };
        for (strip, body) in [(STAMP, stamp.body()), (CLOCK, 1_700_000_000)] {
            for bit in 0..strip::CELLS {
                assert_eq!(strip.body(strip.code(body) ^ 1 << bit), None, "cell {bit}");
            }
        }
    }

    #[test]
    fn plain_pictures_have_no_strips() {
        for level in [0, 16, 128, 255] {
            let picture = plain(vec![level; 640 * 480], 640, 480);
            assert_eq!((Stamp::read(&picture), ClockStrip::read(&picture)), (None, None));
        }
    }

    #[test]
    fn a_stamp_alone_is_no_clock() {
        let picture = stamped(Stamp { peer: 3, fps: 30, index: 5 }, None, 640, 480);
        assert_eq!(ClockStrip::read(&picture), None);
    }

    #[test]
    fn only_the_low_18_bits_of_the_index_are_drawn() {
        let picture = stamped(Stamp { peer: 3, fps: 60, index: 0x1234_5678 }, None, 640, 480);
        assert_eq!(Stamp::read(&picture), Some(Stamp { peer: 3, fps: 60, index: 0x0_5678 }));
    }

    #[test]
    fn an_impossible_rate_is_no_stamp() {
        for fps in [0, 61, 63] {
            assert_eq!(Stamp::read(&stamped(Stamp { peer: 3, fps, index: 1 }, None, 640, 480)), None, "{fps}");
        }
    }

    #[test]
    fn the_flash_is_the_first_tenth_of_each_second() {
        let flashes = |fps: u8, until| -> Vec<u32> {
            (0..until).filter(|&index| Stamp { peer: 0, fps, index }.is_flash()).collect()
        };
        assert_eq!(flashes(30, 65), [0, 1, 2, 30, 31, 32, 60, 61, 62]);
        assert_eq!(flashes(5, 12), [0, 5, 10]);
        assert_eq!(flashes(1, 3), [0, 1, 2]);
        assert_eq!(Stamp { peer: 0, fps: 25, index: 0 }.loop_frames(), 125);
    }
}
