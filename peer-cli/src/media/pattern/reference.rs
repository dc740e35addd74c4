//! What the sender drew, drawn again by the one who judges it.

use std::fmt;

use super::super::Stamp;
use super::paint::Painter;
use super::studio::MIN_SIDE;

/// Redraws the pictures of [`pattern`](super::pattern) and [`live`](super::live()) from their strips, as luma.
///
/// The last peer's backdrop is kept; a picture then costs a copy of it and its moving parts. Decoders put out the video
/// range of BT.601 for both codecs, and so does this: with the conversion of the encoders' side, so that the difference
/// is what coding did.
#[derive(Default)]
pub struct Reference {
    painted: Option<(Key, Painter<u8>)>,
    canvas: Vec<u8>,
}

/// Peer, width and height: what the backdrop depends on.
type Key = (u8, u32, u32);

impl Reference {
    /// Has not drawn anything yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The luma of the picture that carries `stamp` (and `clock`, when it is a live one): `width * height` samples of 16
    /// to 235, row by row. `None` when either side is below [`Stamp::MIN_WIDTH`]: such pictures are not sent.
    pub fn luma(&mut self, stamp: Stamp, clock: Option<u32>, width: u32, height: u32) -> Option<&[u8]> {
        if width < MIN_SIDE || height < MIN_SIDE {
            return None;
        }
        let key = (stamp.peer, width, height);
        if self.painted.as_ref().is_none_or(|(painted, _)| *painted != key) {
            self.painted = Some((key, Painter::new(width, height, stamp.peer)));
        }
        let (_, painter) = self.painted.as_ref()?;
        painter.paint(&mut self.canvas, stamp, clock);
        Some(&self.canvas)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reference").field(&self.painted.as_ref().map(|(key, _)| key)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{ClockStrip, Hint, Picture, Source, VideoCodec, colour, video_decoder};
    use super::super::{PatternConfig, live, pattern};
    use super::*;

    fn config(codec: VideoCodec) -> PatternConfig {
        PatternConfig { codec, width: 320, height: 240, fps: 30, peer: 11, bitrate: None, key_interval: None }
    }

    fn psnr(picture: &Picture, reference: &[u8]) -> f64 {
        assert_eq!(picture.luma.len(), reference.len());
        let squares: u64 = picture.luma.iter().zip(reference).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
        10.0 * (255.0 * 255.0 * reference.len() as f64 / squares.max(1) as f64).log10()
    }

    /// The worst PSNR of so many pictures, each judged by nothing but itself.
    fn worst(source: &mut dyn Source, codec: VideoCodec, count: u64) -> f64 {
        let (mut decoder, mut reference) = (video_decoder(codec).unwrap(), Reference::new());
        let mut worst = f64::INFINITY;
        for step in 0..count {
            source.hint(Hint { unix_ms: 1_770_000_000_000 + step * 33, target_bps: None });
            let picture = decoder.decode(&source.next().unwrap().data).unwrap().unwrap();
            let (stamp, clock) = (Stamp::read(&picture).unwrap(), ClockStrip::read(&picture));
            worst = worst.min(psnr(&picture, reference.luma(stamp, clock, picture.width, picture.height).unwrap()));
        }
        worst
    }

    #[test]
    fn the_loop_of_both_codecs_is_what_the_reference_draws() {
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            let worst = worst(&mut *pattern(config(codec)), codec, 150);
            assert!(worst > 35.0, "{codec}: {worst} dB");
        }
    }

    #[test]
    fn live_pictures_are_what_the_reference_draws() {
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            let generous = PatternConfig { bitrate: Some(2_000_000), ..config(codec) };
            let worst = worst(&mut *live(generous), codec, 40);
            assert!(worst > 35.0, "{codec}: {worst} dB");
        }
    }

    #[test]
    fn it_is_exactly_the_luma_of_what_is_painted() {
        let (mut reference, mut rgb) = (Reference::new(), Vec::new());
        for (peer, index, clock) in [(0, 0, None), (1, 77, None), (200, 262_143, Some(0x1234_5678)), (1, 3, Some(0))] {
            let stamp = Stamp { peer, fps: 30, index };
            Painter::new(322, 242, peer).paint(&mut rgb, stamp, clock);
            let expected: Vec<u8> = rgb.iter().map(|&pixel| colour::luma(pixel)).collect();
            assert!(reference.luma(stamp, clock, 322, 242).unwrap() == expected, "peer {peer}, picture {index}");
        }
    }

    #[test]
    fn another_picture_or_peer_is_far_away() {
        let mut reference = Reference::new();
        let mut drawn = |peer, index| {
            let luma = reference.luma(Stamp { peer, fps: 30, index }, None, 320, 240).unwrap().to_vec();
            Picture { width: 320, height: 240, luma, u: Vec::new(), v: Vec::new() }
        };
        let (right, later, wrong) = (drawn(1, 10), drawn(1, 40), drawn(2, 10));
        assert!(psnr(&right, &drawn(1, 10).luma) > 90.0);
        assert!(psnr(&later, &right.luma) < 30.0);
        assert!(psnr(&wrong, &right.luma) < 30.0);
    }

    #[test]
    fn pictures_too_small_for_a_stamp_have_no_reference() {
        let stamp = Stamp { peer: 1, fps: 30, index: 0 };
        assert_eq!(Reference::new().luma(stamp, None, 94, 240), None);
        assert_eq!(Reference::new().luma(stamp, None, 320, 0), None);
    }
}
