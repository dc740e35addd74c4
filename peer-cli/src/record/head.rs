//! Everything in front of the first cluster of a Matroska file (RFC 9559): always [`LENGTH`] bytes, so that it can be
//! written again in its place when more is known.

use std::time::Duration;

use super::ebml::{self, element, float, id, long_size, master, text, uint, void};
use crate::media::VideoCodec;

/// Bytes in front of the first cluster.
pub(super) const LENGTH: usize = 2048;

/// The numbers of the tracks.
pub(super) const VIDEO_TRACK: u8 = 1;
pub(super) const AUDIO_TRACK: u8 = 2;

/// Samples a decoder throws away at the start, as encoders of WebRTC set it (RFC 7845 section 4.2); 6.5 ms.
const OPUS_PRE_SKIP: u16 = 312;

const EBML: u32 = 0x1a45_dfa3;
const EBML_VERSION: u32 = 0x4286;
const EBML_READ_VERSION: u32 = 0x42f7;
const EBML_MAX_ID_LENGTH: u32 = 0x42f2;
const EBML_MAX_SIZE_LENGTH: u32 = 0x42f3;
const DOC_TYPE: u32 = 0x4282;
const DOC_TYPE_VERSION: u32 = 0x4287;
const DOC_TYPE_READ_VERSION: u32 = 0x4285;
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114d_9b74;
const SEEK: u32 = 0x4dbb;
const SEEK_ID: u32 = 0x53ab;
const SEEK_POSITION: u32 = 0x53ac;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
const DURATION: u32 = 0x4489;
const DATE_UTC: u32 = 0x4461;
const MUXING_APP: u32 = 0x4d80;
const WRITING_APP: u32 = 0x5741;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const TRACK_UID: u32 = 0x73c5;
const TRACK_TYPE: u32 = 0x83;
const FLAG_LACING: u32 = 0x9c;
const LANGUAGE: u32 = 0x22_b59c;
const CODEC_ID: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63a2;
const CODEC_DELAY: u32 = 0x56aa;
const SEEK_PRE_ROLL: u32 = 0x56bb;
const VIDEO: u32 = 0xe0;
const PIXEL_WIDTH: u32 = 0xb0;
const PIXEL_HEIGHT: u32 = 0xba;
const AUDIO: u32 = 0xe1;
const SAMPLING_FREQUENCY: u32 = 0xb5;
const CHANNELS: u32 = 0x9f;
/// The index behind the last cluster.
pub(super) const CUES: u32 = 0x1c53_bb6b;

/// What is known about the file.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// When the recording began, since 1970.
    pub(super) began: Duration,
    pub(super) video: Option<VideoTrack>,
    pub(super) audio: Option<AudioTrack>,
    pub(super) ending: Option<Ending>,
}

/// The video track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VideoTrack {
    pub(super) codec: VideoCodec,
    /// In pixels, of the first key frame.
    pub(super) width: u32,
    pub(super) height: u32,
    /// The decoder configuration of H264, empty for VP8.
    pub(super) private: Vec<u8>,
}

/// The audio track: Opus.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct AudioTrack {
    /// 1 or 2.
    pub(super) channels: u8,
}

/// What is known only in the end.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Ending {
    pub(super) duration_ms: u64,
    /// Where the cues stand in the file.
    pub(super) cues: Option<u64>,
    /// Length of the file.
    pub(super) length: u64,
}

impl Head {
    /// The file's extension.
    pub(super) fn extension(&self) -> &'static str {
        if self.is_webm() { "webm" } else { "mkv" }
    }

    /// Where the segment's content begins, from which its positions are counted.
    pub(super) fn segment_start(&self) -> u64 {
        let mut out = self.ebml_header();
        id(&mut out, SEGMENT);
        (out.len() + ebml::UNKNOWN_SIZE.len()) as u64
    }

    /// The [`LENGTH`] bytes; `None` when the tracks need more than that.
    pub(super) fn render(&self) -> Option<Vec<u8>> {
        let start = self.segment_start();
        let (info, tracks) = (self.info(), self.tracks());
        let cues = self.ending.and_then(|ending| ending.cues).map(|at| at.saturating_sub(start));
        let seek_length = seek_head(0, 0, cues).len() as u64;
        let mut out = self.ebml_header();
        id(&mut out, SEGMENT);
        out.extend_from_slice(&match self.ending {
            Some(ending) => long_size(ending.length.saturating_sub(start)),
            None => ebml::UNKNOWN_SIZE,
        });
        out.extend_from_slice(&seek_head(seek_length, seek_length + info.len() as u64, cues));
        out.extend_from_slice(&info);
        out.extend_from_slice(&tracks);
        let room = LENGTH.checked_sub(out.len()).filter(|&room| room >= ebml::LEAST_VOID)?;
        void(&mut out, room);
        Some(out)
    }

    /// WebM is Matroska with the codecs of the WebM project.
    fn is_webm(&self) -> bool {
        self.video.as_ref().is_none_or(|video| video.codec == VideoCodec::Vp8)
    }

    fn ebml_header(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LENGTH);
        master(&mut out, EBML, |out| {
            uint(out, EBML_VERSION, 1);
            uint(out, EBML_READ_VERSION, 1);
            uint(out, EBML_MAX_ID_LENGTH, 4);
            uint(out, EBML_MAX_SIZE_LENGTH, 8);
            text(out, DOC_TYPE, if self.is_webm() { "webm" } else { "matroska" });
            // Version 4 has the codec delay; reading needs no more than the simple blocks of version 2.
            uint(out, DOC_TYPE_VERSION, 4);
            uint(out, DOC_TYPE_READ_VERSION, 2);
        });
        out
    }

    fn info(&self) -> Vec<u8> {
        const MILLISECOND: u64 = 1_000_000;
        let mut out = Vec::new();
        master(&mut out, INFO, |out| {
            uint(out, TIMESTAMP_SCALE, MILLISECOND);
            if let Some(ending) = self.ending {
                float(out, DURATION, ending.duration_ms as f64);
            }
            element(out, DATE_UTC, &matroska_date(self.began).to_be_bytes());
            text(out, MUXING_APP, "dialtone");
            text(out, WRITING_APP, "dialtone");
        });
        out
    }

    fn tracks(&self) -> Vec<u8> {
        let mut out = Vec::new();
        master(&mut out, TRACKS, |out| {
            if let Some(video) = &self.video {
                master(out, TRACK_ENTRY, |out| video_entry(out, video));
            }
            if let Some(audio) = self.audio {
                master(out, TRACK_ENTRY, |out| audio_entry(out, audio));
            }
        });
        out
    }
}

/// Positions within the segment; always eight bytes each, so that the length does not hang on the values.
fn seek_head(info: u64, tracks: u64, cues: Option<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    let entries = [(INFO, Some(info)), (TRACKS, Some(tracks)), (CUES, cues)];
    master(&mut out, SEEK_HEAD, |out| {
        for (name, position) in entries {
            let Some(position) = position else { continue };
            master(out, SEEK, |out| {
                element(out, SEEK_ID, &name.to_be_bytes());
                element(out, SEEK_POSITION, &position.to_be_bytes());
            });
        }
    });
    out
}

fn video_entry(out: &mut Vec<u8>, video: &VideoTrack) {
    const VIDEO_TYPE: u64 = 1;
    common(out, VIDEO_TRACK, VIDEO_TYPE);
    text(
        out,
        CODEC_ID,
        match video.codec {
            VideoCodec::Vp8 => "V_VP8",
            VideoCodec::H264 => "V_MPEG4/ISO/AVC",
        },
    );
    if !video.private.is_empty() {
        element(out, CODEC_PRIVATE, &video.private);
    }
    master(out, VIDEO, |out| {
        uint(out, PIXEL_WIDTH, u64::from(video.width));
        uint(out, PIXEL_HEIGHT, u64::from(video.height));
    });
}

fn audio_entry(out: &mut Vec<u8>, audio: AudioTrack) {
    const AUDIO_TYPE: u64 = 2;
    /// What a decoder needs to hear before a position to be right there (RFC 7845 section 4.6).
    const PRE_ROLL_NANOS: u64 = 80_000_000;
    common(out, AUDIO_TRACK, AUDIO_TYPE);
    text(out, CODEC_ID, "A_OPUS");
    element(out, CODEC_PRIVATE, &opus_head(audio.channels));
    // Players refuse a delay that differs from the pre-skip.
    uint(out, CODEC_DELAY, u64::from(OPUS_PRE_SKIP) * 1_000_000_000 / 48_000);
    uint(out, SEEK_PRE_ROLL, PRE_ROLL_NANOS);
    master(out, AUDIO, |out| {
        float(out, SAMPLING_FREQUENCY, 48_000.0);
        uint(out, CHANNELS, u64::from(audio.channels));
    });
}

fn common(out: &mut Vec<u8>, number: u8, kind: u64) {
    uint(out, TRACK_NUMBER, u64::from(number));
    uint(out, TRACK_UID, u64::from(number));
    uint(out, TRACK_TYPE, kind);
    uint(out, FLAG_LACING, 0);
    text(out, LANGUAGE, "und");
}

/// RFC 7845 section 5.1, with mapping family 0.
fn opus_head(channels: u8) -> [u8; 19] {
    let mut head = [0; 19];
    head[..8].copy_from_slice(b"OpusHead");
    head[8] = 1;
    head[9] = channels;
    head[10..12].copy_from_slice(&OPUS_PRE_SKIP.to_le_bytes());
    head[12..16].copy_from_slice(&48_000_u32.to_le_bytes());
    head
}

/// Nanoseconds since the first moment of 2001 (RFC 8794 section 7.6).
fn matroska_date(unix: Duration) -> i64 {
    const YEAR_2001: i128 = 978_307_200_000_000_000;
    let nanos = i128::try_from(unix.as_nanos()).unwrap_or(i128::MAX).saturating_sub(YEAR_2001);
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vp8() -> VideoTrack {
        VideoTrack { codec: VideoCodec::Vp8, width: 640, height: 360, private: Vec::new() }
    }

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn the_head_has_one_length_whatever_is_known() {
        let mut head = Head::default();
        assert_eq!(head.render().unwrap().len(), LENGTH);
        head.video = Some(vp8());
        assert_eq!(head.render().unwrap().len(), LENGTH);
        head.audio = Some(AudioTrack { channels: 1 });
        assert_eq!(head.render().unwrap().len(), LENGTH);
        head.ending = Some(Ending { duration_ms: 1000, cues: Some(5000), length: 6000 });
        assert_eq!(head.render().unwrap().len(), LENGTH);
        head.video = Some(VideoTrack { private: vec![0; LENGTH], ..vp8() });
        assert_eq!(head.render(), None, "no room");
    }

    #[test]
    fn the_file_begins_as_webm_or_as_matroska() {
        let mut head = Head { video: Some(vp8()), ..Head::default() };
        let expected = [
            0x1a, 0x45, 0xdf, 0xa3, 0x9f, // EBML, 31 bytes
            0x42, 0x86, 0x81, 1, 0x42, 0xf7, 0x81, 1, 0x42, 0xf2, 0x81, 4, 0x42, 0xf3, 0x81,
            8, // versions, limits
            0x42, 0x82, 0x84, b'w', b'e', b'b', b'm', 0x42, 0x87, 0x81, 4, 0x42, 0x85, 0x81, 2, // document type
            0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // Segment of unknown size
            0x11, 0x4d, 0x9b, 0x74, // SeekHead
        ];
        let rendered = head.render().unwrap();
        assert_eq!(rendered[..expected.len()], expected);
        assert_eq!(head.segment_start(), 48);
        assert_eq!(head.extension(), "webm");
        head.video = Some(VideoTrack { codec: VideoCodec::H264, private: vec![1, 66, 0, 31], ..vp8() });
        assert!(contains(&head.render().unwrap(), b"\x42\x82\x88matroska"));
        assert_eq!((head.extension(), head.segment_start()), ("mkv", 52));
    }

    #[test]
    fn the_seek_head_points_at_info_tracks_and_cues() {
        let ending = Ending { duration_ms: 1000, cues: Some(4048), length: 5048 };
        let head = Head {
            video: Some(vp8()),
            audio: Some(AudioTrack { channels: 2 }),
            ending: Some(ending),
            ..Head::default()
        };
        let rendered = head.render().unwrap();
        assert_eq!(rendered[40..48], long_size(5000), "size of the segment");
        let position = |name: u32| {
            let entry = [&[0x53, 0xab, 0x84][..], &name.to_be_bytes(), &[0x53, 0xac, 0x88]].concat();
            let at = rendered.windows(entry.len()).position(|window| window == entry).unwrap() + entry.len();
            u64::from_be_bytes(rendered[at..at + 8].try_into().unwrap()) as usize
        };
        for name in [INFO, TRACKS] {
            assert_eq!(rendered[48 + position(name)..][..4], name.to_be_bytes());
        }
        assert_eq!(position(CUES), 4000);
    }

    #[test]
    fn opus_is_described_with_its_pre_skip() {
        assert_eq!(opus_head(2), *b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0");
        let head = Head { audio: Some(AudioTrack { channels: 1 }), ..Head::default() };
        let rendered = head.render().unwrap();
        assert!(contains(&rendered, &[0x56, 0xaa, 0x83, 0x63, 0x2e, 0xa0]), "6.5 ms of delay");
        assert!(contains(&rendered, &[0x56, 0xbb, 0x84, 0x04, 0xc4, 0xb4, 0x00]), "80 ms of pre-roll");
    }

    #[test]
    fn dates_count_from_2001() {
        assert_eq!(matroska_date(Duration::from_secs(978_307_201)), 1_000_000_000);
        assert_eq!(matroska_date(Duration::from_secs(978_307_199)), -1_000_000_000);
        assert_eq!(matroska_date(Duration::MAX), i64::MAX);
    }
}
