//! Where a picture is painted and encoded.

use std::time::Duration;

use super::super::{EncodedFrame, MediaError, Stamp};
use super::PatternConfig;
use super::encode::{Encoder, Size};
use super::paint::{Painter, Rgb};

/// Painter, canvas and encoder of one source.
pub(super) struct Studio {
    config: PatternConfig,
    painter: Painter<Rgb>,
    canvas: Vec<Rgb>,
    encoder: Encoder,
}

/// The smallest width and height.
pub(super) const MIN_SIDE: u32 = Stamp::MIN_WIDTH;
const MAX_SIDE: u32 = 1920;
const MAX_FPS: u32 = 60;

impl Studio {
    /// `bitrate` in bit/s; `None` keeps the quality the same instead.
    pub(super) fn open(config: PatternConfig, bitrate: Option<u32>) -> Result<Self, MediaError> {
        let PatternConfig { codec, width, height, fps, peer, .. } = config;
        let good = |side: u32| (MIN_SIDE..=MAX_SIDE).contains(&side) && side.is_multiple_of(2);
        if !good(width) || !good(height) {
            return Err(MediaError::PatternSize { width, height, min: MIN_SIDE, max: MAX_SIDE });
        }
        if !(1..=MAX_FPS).contains(&fps) {
            return Err(MediaError::PatternRate { fps, max: MAX_FPS });
        }
        let encoder = Encoder::new(codec, Size { width, height, fps }, bitrate)?;
        Ok(Self { config, painter: Painter::new(width, height, peer), canvas: Vec::new(), encoder })
    }

    /// The picture of this index, with its strips.
    pub(super) fn picture(&mut self, index: u32, clock: Option<u32>, key: bool) -> Result<EncodedFrame, MediaError> {
        self.painter.paint(&mut self.canvas, self.config.stamp(index), clock);
        self.encode(key)
    }

    /// A picture of nothing, without a stamp.
    pub(super) fn black(&mut self, key: bool) -> Result<EncodedFrame, MediaError> {
        let pixels = self.config.width as usize * self.config.height as usize;
        self.canvas.clear();
        self.canvas.resize(pixels, [0; 3]);
        self.encode(key)
    }

    /// Changes the bitrate, in bit/s; with H264 the next frame is a key frame.
    pub(super) fn set_bitrate(&mut self, bps: u32) -> Result<(), MediaError> {
        self.encoder.set_bitrate(bps)
    }

    fn encode(&mut self, key: bool) -> Result<EncodedFrame, MediaError> {
        let (data, key) = self.encoder.encode(self.canvas.as_flattened(), key)?;
        Ok(EncodedFrame { data, duration: Duration::from_secs(1) / self.config.fps, key })
    }
}
