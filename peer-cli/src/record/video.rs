//! Encoded video as Matroska wants it.

use bytes::Bytes;

use super::head::VideoTrack;
use crate::media::VideoCodec;
use crate::media::h264::{self, AvcConfig};

/// A decoder configuration has some 50 bytes; this many fit into the head of a file.
const MOST_PRIVATE: usize = 1024;

/// Turns the frames of one video stream into samples of one track.
#[derive(Debug, Default)]
pub(super) struct Video {
    track: Option<VideoTrack>,
}

/// Why a frame cannot go into the file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// No key frame that describes itself came before it.
    NoKeyFrameYet,
    /// A track has one codec to its end.
    OtherCodec,
    /// Nothing to show in it.
    Empty,
}

impl Video {
    /// What is known of the track; `None` before the first key frame.
    pub(super) fn track(&self) -> Option<&VideoTrack> {
        self.track.as_ref()
    }

    /// The frame's bytes for the file. VP8 stays as it is and carries its own sizes, also when they change; H264 comes
    /// as Annex B and leaves with lengths. Parameter sets stay in it, also those that the track has told already: a
    /// sender that goes back to its first size names them again, and a decoder has forgotten them by then.
    pub(super) fn sample(&mut self, codec: VideoCodec, data: &Bytes, key: bool) -> Result<Bytes, Unfit> {
        match &self.track {
            Some(track) if track.codec != codec => return Err(Unfit::OtherCodec),
            Some(_) => {}
            None if key => self.begin(codec, data).ok_or(Unfit::NoKeyFrameYet)?,
            None => return Err(Unfit::NoKeyFrameYet),
        }
        let sample = match codec {
            VideoCodec::Vp8 => data.clone(),
            VideoCodec::H264 => h264::join_lengths(h264::nal_units(data).filter(|nal| !h264::is_dispensable(nal))),
        };
        if sample.is_empty() { Err(Unfit::Empty) } else { Ok(sample) }
    }

    fn begin(&mut self, codec: VideoCodec, data: &[u8]) -> Option<()> {
        let track = match codec {
            VideoCodec::Vp8 => {
                let (width, height) = vp8_size(data)?;
                VideoTrack { codec, width, height, private: Vec::new() }
            }
            VideoCodec::H264 => {
                let config = parameter_sets(data);
                let sps = config.sps.first().and_then(|sps| h264::Sps::parse(sps))?;
                let private = config.to_record().filter(|record| record.len() <= MOST_PRIVATE)?;
                VideoTrack { codec, width: sps.width, height: sps.height, private }
            }
        };
        self.track = Some(track);
        Some(())
    }
}

/// The sets of a key frame, each once.
fn parameter_sets(data: &[u8]) -> AvcConfig {
    let of_kind = |kind: u8| {
        let mut sets: Vec<Bytes> = Vec::new();
        for nal in h264::nal_units(data).filter(|nal| h264::kind(nal) == kind) {
            if !sets.iter().any(|set| set == nal) {
                sets.push(Bytes::copy_from_slice(nal));
            }
        }
        sets
    };
    AvcConfig { length_bytes: 4, sps: of_kind(h264::SPS), pps: of_kind(h264::PPS) }
}

/// Width and height in a key frame: a start code, then 14 bits each (RFC 6386 section 9.1).
fn vp8_size(frame: &[u8]) -> Option<(u32, u32)> {
    let Some(&[0x9d, 0x01, 0x2a, w0, w1, h0, h1]) = frame.get(3..10) else {
        return None;
    };
    let pixels = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3fff);
    let (width, height) = (pixels([w0, w1]), pixels([h0, h1]));
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VP8_KEY: &[u8] = &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x41, 7];
    /// The sets of a 640x360 clip, as x264 wrote them.
    const SPS: &[u8] = &[
        0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00,
        0x03, 0x00, 0x32, 0x0f, 0x18, 0x32, 0x48,
    ];
    const PPS: &[u8] = &[0x68, 0xcb, 0x83, 0xcb, 0x20];

    fn annex_b(nals: &[&[u8]]) -> Bytes {
        nals.iter().flat_map(|nal| [&[0_u8, 0, 0, 1][..], *nal].concat()).collect()
    }

    #[test]
    fn vp8_begins_with_a_key_frame_that_tells_its_size() {
        let mut video = Video::default();
        let inter = Bytes::from_static(&[0x11, 0, 0, 1]);
        assert_eq!(video.sample(VideoCodec::Vp8, &inter, false), Err(Unfit::NoKeyFrameYet));
        assert_eq!(video.sample(VideoCodec::Vp8, &Bytes::from_static(&[0x10; 12]), true), Err(Unfit::NoKeyFrameYet));
        let key = Bytes::from_static(VP8_KEY);
        assert_eq!(video.sample(VideoCodec::Vp8, &key, true), Ok(key));
        assert_eq!(video.sample(VideoCodec::Vp8, &inter, false), Ok(inter));
        let track = video.track().unwrap();
        assert_eq!((track.width, track.height), (640, 360), "without the scaling bits");
    }

    fn nals(sample: &Bytes) -> Vec<&[u8]> {
        h264::split_lengths(sample, 4).unwrap()
    }

    #[test]
    fn h264_leaves_with_lengths_and_its_first_parameter_sets_describe_the_track() {
        let mut video = Video::default();
        let key = annex_b(&[&[9, 0xf0], SPS, PPS, &[0x65, 0x88, 1]]);
        let sample = video.sample(VideoCodec::H264, &key, true).unwrap();
        assert_eq!(nals(&sample), [SPS, PPS, &[0x65, 0x88, 1]], "without the delimiter");
        let inter = video.sample(VideoCodec::H264, &annex_b(&[&[0x41, 0x9a, 2]]), false).unwrap();
        assert_eq!(inter[..], [0, 0, 0, 3, 0x41, 0x9a, 2]);
        let track = video.track().unwrap();
        assert_eq!((track.width, track.height), (640, 360));
        let config = AvcConfig::parse(&track.private).unwrap();
        assert_eq!((&config.sps[0][..], &config.pps[0][..]), (SPS, PPS));
    }

    #[test]
    fn a_sender_that_goes_back_to_its_first_size_tells_it_again() {
        const OTHER: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x01, 0x40, 0x16, 0xe8];
        let mut video = Video::default();
        for sps in [SPS, OTHER, SPS] {
            let key = annex_b(&[sps, PPS, &[0x65, 0x88]]);
            let sample = video.sample(VideoCodec::H264, &key, true).unwrap();
            assert_eq!(nals(&sample), [sps, PPS, &[0x65, 0x88]]);
        }
        let config = AvcConfig::parse(&video.track().unwrap().private).unwrap();
        assert_eq!(config.sps, [SPS], "the track stays what it was");
    }

    #[test]
    fn h264_without_parameter_sets_waits_for_them() {
        let mut video = Video::default();
        let bare = annex_b(&[&[0x65, 0x88]]);
        assert_eq!(video.sample(VideoCodec::H264, &bare, true), Err(Unfit::NoKeyFrameYet));
        assert_eq!(video.track(), None);
    }

    #[test]
    fn another_codec_and_empty_frames_are_refused() {
        let mut video = Video::default();
        video.sample(VideoCodec::Vp8, &Bytes::from_static(VP8_KEY), true).unwrap();
        assert_eq!(video.sample(VideoCodec::H264, &annex_b(&[&[0x61, 1]]), false), Err(Unfit::OtherCodec));
        assert_eq!(video.sample(VideoCodec::Vp8, &Bytes::new(), false), Err(Unfit::Empty));
    }
}
