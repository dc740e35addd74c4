use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::super::tone::ear::{heard, level_dbfs, loudest_near};
use super::super::{PatternConfig, audio_decoder, pattern, video_decoder};
use super::*;

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "tests", "fixtures", name].iter().collect()
}

/// A file that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("dialtone-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn start_of(name: &str, share: usize) -> Vec<u8> {
    let bytes = fs::read(fixture(name)).unwrap();
    bytes[..bytes.len() / share].to_vec()
}

fn video_error(name: &str, bytes: &[u8]) -> MediaError {
    open_video(&Scratch::new(name, bytes).0).unwrap_err()
}

fn audio_error(name: &str, bytes: &[u8]) -> MediaError {
    open_audio(&Scratch::new(name, bytes).0).err().unwrap()
}

/// Frames until about `seconds` have been played.
fn seconds_of(source: &mut dyn Source, seconds: u64) -> Vec<super::super::EncodedFrame> {
    let (mut frames, mut time) = (Vec::new(), Duration::ZERO);
    while time < Duration::from_secs(seconds) {
        let frame = source.next().unwrap();
        time += frame.duration;
        frames.push(frame);
    }
    frames
}

fn ivf(fourcc: &[u8; 4], frames: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"DKIF\0\0\x20\0".to_vec();
    bytes.extend_from_slice(fourcc);
    bytes.extend([64, 1, 240, 0, 30, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for (index, frame) in frames.iter().enumerate() {
        bytes.extend((frame.len() as u32).to_le_bytes());
        bytes.extend((index as u64).to_le_bytes());
        bytes.extend_from_slice(frame);
    }
    bytes
}

#[test]
fn real_clips_are_decoded_picture_by_picture_across_their_loop() {
    let clips = [
        ("bunny-vp8.ivf", VideoCodec::Vp8),
        ("bunny-vp8-opus.webm", VideoCodec::Vp8),
        ("bunny-h264-opus.mkv", VideoCodec::H264),
    ];
    for (name, codec) in clips {
        let mut media = open_video(&fixture(name)).unwrap();
        assert_eq!((media.codec, media.width, media.height), (codec, Some(640), Some(360)), "{name}");
        assert_eq!(media.source.describe(), format!("{name} 640x360 {codec}"));
        let mut decoder = video_decoder(codec).unwrap();
        let frames = seconds_of(&mut *media.source, 6);
        assert!(frames[0].key, "{name}");
        assert!((120..=240).contains(&frames.len()), "{name}: {} frames in 6 s", frames.len());
        for (index, frame) in frames.iter().enumerate() {
            let picture = decoder.decode(&frame.data).unwrap_or_else(|error| panic!("{name} {index}: {error}"));
            if let Some(picture) = picture {
                assert_eq!((picture.width, picture.height), (640, 360));
            }
        }
    }
}

#[test]
fn h264_of_a_file_becomes_annex_b_with_parameter_sets_before_each_key_frame() {
    let mut media = open_video(&fixture("bunny-h264-opus.mkv")).unwrap();
    let frames = seconds_of(&mut *media.source, 5);
    assert!(frames.iter().filter(|frame| frame.key).count() >= 2);
    for frame in frames {
        let kinds: Vec<u8> = super::super::h264::nal_units(&frame.data).map(super::super::h264::kind).collect();
        assert_eq!(kinds.contains(&7) && kinds.contains(&8), frame.key, "{kinds:?}");
    }
}

/// What the tests encode where they need H264 of their own.
const SMALL: PatternConfig = PatternConfig {
    codec: VideoCodec::H264,
    width: 160,
    height: 120,
    fps: 15,
    peer: 1,
    bitrate: None,
    key_interval: None,
};

#[test]
fn raw_h264_is_cut_into_its_pictures() {
    let mut source = pattern(SMALL);
    let frames: Vec<Bytes> = (0..40).map(|_| source.next().unwrap().data).collect();
    let file = Scratch::new("raw.h264", &frames.concat());
    let mut media = open_video(&file.0).unwrap();
    assert_eq!((media.codec, media.width, media.height), (VideoCodec::H264, Some(160), Some(120)));
    let read: Vec<Bytes> = (0..40).map(|_| media.source.next().unwrap().data).collect();
    let units = |frame: &Bytes| super::super::h264::nal_units(frame).map(<[u8]>::to_vec).collect::<Vec<_>>();
    for (index, (read, frame)) in read.iter().zip(&frames).enumerate() {
        assert_eq!(units(read), units(frame), "frame {index}");
    }
}

#[test]
fn opus_of_ogg_webm_and_matroska_is_decoded_and_heard() {
    for name in ["speech-opus.ogg", "bunny-vp8-opus.webm", "bunny-h264-opus.mkv"] {
        let mut source = open_audio(&fixture(name)).unwrap();
        assert_eq!(source.describe(), format!("{name} Opus"));
        let (mut decoder, mut samples) = (audio_decoder().unwrap(), 0);
        for packet in seconds_of(&mut *source, 6) {
            let decoded = decoder.decode(&packet.data).unwrap().len();
            assert_eq!(decoded as u128, packet.duration.as_micros() * 48 / 1000, "{name}");
            samples += decoded;
        }
        assert!(samples >= 6 * 48_000);
    }
}

#[test]
fn wav_is_encoded_whatever_its_rate_and_channels() {
    for (rate, channels) in [(8_000, 1), (44_100, 2), (48_000, 1)] {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for at in 0..rate {
            let sample = (std::f64::consts::TAU * 440.0 * f64::from(at) / f64::from(rate)).sin() * 8000.0;
            for _ in 0..channels {
                writer.write_sample(sample as i16).unwrap();
            }
        }
        writer.finalize().unwrap();
        let file = Scratch::new(&format!("{rate}.wav"), bytes.get_ref());
        let mut source = open_audio(&file.0).unwrap();
        let samples = heard(&mut *source, 50);
        let tone = loudest_near(&samples[4800..43_200], 440.0);
        assert!((tone - 440.0).abs() < 3.0, "{rate}: {tone} Hz");
        assert!((level_dbfs(&samples) + 15.3).abs() < 1.5, "{rate}: {} dBFS", level_dbfs(&samples));
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = open_video(Path::new("no/such/clip.webm")).unwrap_err();
    assert!(error.to_string().starts_with("cannot read no/such/clip.webm: "), "{error}");
}

#[test]
fn an_empty_file_is_told_apart_from_a_wrong_one() {
    assert!(matches!(video_error("empty", b""), MediaError::Empty { .. }));
    assert!(matches!(audio_error("empty-audio", b""), MediaError::Empty { .. }));
}

#[test]
fn text_is_no_media_file_and_its_beginning_is_shown() {
    let error = video_error("text.webm", b"hello world").to_string();
    assert!(error.contains("begins with 68 65 6c 6c 6f 20 77 6f (\"hello wo\")"), "{error}");
    assert!(error.contains("expected IVF with VP8 or H264, WebM/MKV"), "{error}");
    assert!(matches!(audio_error("text.ogg", b"hello world"), MediaError::NotMedia { .. }));
}

#[test]
fn a_file_without_the_wanted_track_tells_what_it_has() {
    let error = open_video(&fixture("speech-opus.ogg")).unwrap_err();
    assert!(matches!(error, MediaError::NoTrack { wanted: "video", .. }), "{error}");
    let error = open_audio(&fixture("bunny-vp8.ivf")).err().unwrap().to_string();
    assert!(error.contains("no audio track (it has: video: IVF holds nothing else)"), "{error}");
}

#[test]
fn truncated_files_are_refused() {
    for name in ["bunny-vp8.ivf", "bunny-vp8-opus.webm", "bunny-h264-opus.mkv"] {
        let error = video_error(&format!("cut-{name}"), &start_of(name, 2));
        assert!(matches!(error, MediaError::Broken { .. }), "{name}: {error}");
    }
    let error = audio_error("cut.ogg", &start_of("speech-opus.ogg", 2));
    assert!(matches!(error, MediaError::Broken { .. }), "{error}");
    let error = video_error("header.ivf", &start_of("bunny-vp8.ivf", 1)[..20]);
    assert!(error.to_string().contains("an IVF header has 32 bytes, there are 20"), "{error}");
}

#[test]
fn codecs_that_cannot_be_sent_are_named_with_the_way_out() {
    for (fourcc, name) in [(b"VP90", "VP9"), (b"AV01", "AV1")] {
        let error = video_error(&format!("{name}.ivf"), &ivf(fourcc, &[&[0]])).to_string();
        assert!(error.contains(&format!("{name} cannot be sent; VP8, or H264")), "{error}");
        assert!(error.contains("ffmpeg"), "{error}");
    }
}

#[test]
fn b_frames_are_refused() {
    let mut stream = pattern(SMALL).next().unwrap().data.to_vec();
    // A slice with first_mb_in_slice 0 and slice_type 1.
    stream.extend([0, 0, 0, 1, 0x01, 0b1010_1111, 0xff]);
    let error = video_error("b-frames.h264", &stream).to_string();
    assert!(error.contains("H264 with B-frames"), "{error}");
}

#[test]
fn a_stream_without_key_frame_is_refused() {
    let error = video_error("no-key.ivf", &ivf(b"VP80", &[&[1, 2, 3], &[1, 2, 3]]));
    assert!(matches!(error, MediaError::NoKeyFrame { frames: 2, .. }), "{error}");
    let error = video_error("no-frames.ivf", &ivf(b"VP80", &[]));
    assert!(matches!(error, MediaError::Broken { frames: 0, .. }), "{error}");
}

#[test]
fn vorbis_in_ogg_is_named() {
    let mut writer = ogg::PacketWriter::new(Vec::new());
    writer.write_packet(&b"\x01vorbis and more"[..], 1, ogg::PacketWriteEndInfo::EndStream, 0).unwrap();
    let error = audio_error("vorbis.ogg", writer.inner()).to_string();
    assert!(error.contains("Vorbis cannot be sent"), "{error}");
}

#[test]
fn files_are_recognised_by_their_first_bytes_only() {
    let file = Scratch::new("misnamed.mp4", &fs::read(fixture("bunny-vp8.ivf")).unwrap());
    assert_eq!(open_video(&file.0).unwrap().codec, VideoCodec::Vp8);
    assert_eq!(Format::of(b"\0\0\0\x20ftypisom"), Some(Format::Mp4));
    assert_eq!(Format::of(b"RIFF\0\0\0\0AVI "), None);
    assert_eq!(Format::of(&[0, 0, 1, 0xba, 0x44]), None, "an MPEG program stream");
}
