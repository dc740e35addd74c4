use std::time::Duration;

use bytes::Bytes;

use super::super::{Picture, Stamp, h264, video_decoder};
use super::*;

const CODECS: [VideoCodec; 2] = [VideoCodec::Vp8, VideoCodec::H264];

fn config(codec: VideoCodec) -> PatternConfig {
    PatternConfig { codec, width: 320, height: 240, fps: 30, peer: 5, bitrate: None, key_interval: None }
}

/// Cheaper to encode.
fn small(codec: VideoCodec) -> PatternConfig {
    PatternConfig { width: 160, height: 120, fps: 10, ..config(codec) }
}

fn taken(source: &mut dyn Source, count: usize) -> Vec<EncodedFrame> {
    (0..count).map(|_| source.next().unwrap()).collect()
}

/// The pictures of frames that begin with a key frame.
fn decoded(frames: &[EncodedFrame], codec: VideoCodec) -> Vec<Picture> {
    let mut decoder = video_decoder(codec).unwrap();
    assert!(frames[0].key);
    frames.iter().map(|frame| decoder.decode(&frame.data).unwrap().expect("a picture for every frame")).collect()
}

fn indexes(frames: &[EncodedFrame], codec: VideoCodec) -> Vec<u32> {
    let stamp = |picture: &Picture| Stamp::read(picture).expect("a readable stamp");
    decoded(frames, codec).iter().map(|picture| stamp(picture).index).collect()
}

fn keys(frames: &[EncodedFrame]) -> Vec<usize> {
    frames.iter().enumerate().filter(|(_, frame)| frame.key).map(|(at, _)| at).collect()
}

fn data(frames: &[EncodedFrame]) -> Vec<Bytes> {
    frames.iter().map(|frame| frame.data.clone()).collect()
}

#[test]
fn every_picture_of_the_loop_is_decoded_with_its_stamp_and_the_loop_repeats() {
    for codec in CODECS {
        let expected: Vec<u32> = (0..150).chain(0..40).collect();
        let frames = taken(&mut *pattern(config(codec)), 190);
        assert_eq!(indexes(&frames, codec), expected, "{codec}");
        let first = &decoded(&frames[..1], codec)[0];
        assert_eq!((first.width, first.height), (320, 240));
        assert_eq!(Stamp::read(first), Some(Stamp { peer: 5, fps: 30, index: 0 }));
        assert_eq!((first.u.len(), first.v.len()), (160 * 120, 160 * 120));
    }
}

#[test]
fn the_loop_lasts_five_seconds_at_every_rate() {
    for fps in [1, 7, 60] {
        let frames = taken(&mut *pattern(PatternConfig { fps, ..small(VideoCodec::Vp8) }), 5 * fps as usize + 2);
        let expected: Vec<u32> = (0..5 * fps).chain(0..2).collect();
        assert_eq!(indexes(&frames, VideoCodec::Vp8), expected, "{fps}");
    }
}

#[test]
fn vp8_is_all_key_frames_and_h264_has_one_every_second_with_its_parameter_sets() {
    assert_eq!(keys(&taken(&mut *pattern(config(VideoCodec::Vp8)), 5)).len(), 5);
    for (index, frame) in taken(&mut *pattern(config(VideoCodec::H264)), 61).iter().enumerate() {
        assert_eq!(frame.key, index % 30 == 0, "frame {index}");
        let kinds: Vec<u8> = h264::nal_units(&frame.data).map(|nal| nal[0] & 0x1f).collect();
        let expected: &[u8] = if frame.key { &[7, 8, 5] } else { &[1] };
        assert_eq!(kinds, expected, "frame {index}");
        assert_eq!(frame.duration, Duration::from_secs(1) / 30);
    }
}

#[test]
fn key_frames_come_in_the_wanted_interval_and_at_the_start_of_the_loop() {
    let codec = VideoCodec::H264;
    let wanted = |interval| PatternConfig { key_interval: Some(interval), ..small(codec) };
    let frames = taken(&mut *pattern(wanted(20)), 120);
    assert_eq!(keys(&frames), [0, 20, 40, 50, 70, 90, 100]);
    let expected: Vec<u32> = (0..50).chain(0..50).chain(0..20).collect();
    assert_eq!(indexes(&frames, codec), expected);
    assert_eq!(keys(&taken(&mut *pattern(wanted(0)), 3)), [0, 1, 2]);
    assert_eq!(keys(&taken(&mut *pattern(wanted(10_000)), 101)), [0, 50, 100]);
}

#[test]
fn h264_is_constrained_baseline() {
    for bitrate in [None, Some(500_000)] {
        let frame = pattern(PatternConfig { bitrate, ..config(VideoCodec::H264) }).next().unwrap();
        let sps = h264::nal_units(&frame.data).next().unwrap();
        assert_eq!(sps[1], 66, "profile_idc");
        assert_eq!(sps[2] & 0x40, 0x40, "constraint_set1_flag");
    }
}

#[test]
fn a_wanted_key_frame_comes_at_once_without_a_jump_and_a_decoder_can_begin_there() {
    let codec = VideoCodec::H264;
    let mut source = pattern(small(codec));
    assert_eq!(indexes(&taken(&mut *source, 6), codec), [0, 1, 2, 3, 4, 5]);
    source.request_key_frame();
    let after = taken(&mut *source, 60);
    let expected: Vec<u32> = (6..50).chain(0..16).collect();
    assert_eq!(indexes(&after, codec), expected);
    assert_eq!(keys(&after), [0, 4, 14, 24, 34, 44, 54]);
}

#[test]
fn the_kept_frames_are_the_same_after_a_key_frame_out_of_turn() {
    let codec = VideoCodec::H264;
    let mut source = pattern(small(codec));
    let first = data(&taken(&mut *source, 50));
    let mut second = taken(&mut *source, 23);
    source.request_key_frame();
    second.extend(taken(&mut *source, 3));
    source.request_key_frame();
    second.extend(taken(&mut *source, 24));
    assert_eq!(keys(&second), [0, 10, 20, 23, 26, 30, 40]);
    assert_eq!(indexes(&second, codec), (0..50).collect::<Vec<u32>>());
    let second = data(&second);
    assert_eq!(second[..23], first[..23]);
    assert_ne!(second[23], first[23]);
    assert_eq!(second[30..], first[30..]);
    let third = taken(&mut *source, 50);
    assert_eq!(data(&third), first);
    assert_eq!(indexes(&third, codec), (0..50).collect::<Vec<u32>>());
}

#[test]
fn a_group_left_for_a_key_frame_is_encoded_again_as_a_whole() {
    let codec = VideoCodec::H264;
    let mut source = pattern(small(codec));
    let mut frames = taken(&mut *source, 6);
    source.request_key_frame();
    frames.extend(taken(&mut *source, 144));
    let expected: Vec<u32> = (0..150).map(|index| index % 50).collect();
    assert_eq!(indexes(&frames, codec), expected);
    let (second, third) = (data(&frames[50..100]), data(&frames[100..]));
    assert_eq!(second, third);
}

#[test]
fn a_wish_at_a_key_frame_changes_nothing() {
    let mut source = pattern(small(VideoCodec::H264));
    source.request_key_frame();
    let mut frames = taken(&mut *source, 10);
    source.request_key_frame();
    frames.extend(taken(&mut *source, 10));
    assert_eq!(indexes(&frames, VideoCodec::H264), (0..20).collect::<Vec<u32>>());
    assert_eq!(keys(&frames), [0, 10]);
}

/// Bit/s over a whole loop.
fn rate(config: PatternConfig) -> f64 {
    let frames = taken(&mut *pattern(config), 5 * config.fps as usize);
    8.0 * frames.iter().map(|frame| frame.data.len()).sum::<usize>() as f64 / 5.0
}

#[test]
fn vp8_has_the_wanted_bitrate_over_a_loop() {
    let natural = rate(config(VideoCodec::Vp8));
    for share in [0.7, 1.4] {
        let wanted = natural * share;
        let found = rate(PatternConfig { bitrate: Some(wanted as u32), ..config(VideoCodec::Vp8) });
        assert!((found / wanted - 1.0).abs() < 0.1, "{found} bit/s for {wanted}, {natural} without");
    }
}

#[test]
fn h264_follows_the_wanted_bitrate() {
    let limited = |bps| PatternConfig { bitrate: Some(bps), ..config(VideoCodec::H264) };
    let frames = taken(&mut *pattern(limited(150_000)), 150);
    assert_eq!(indexes(&frames, VideoCodec::H264), (0..150).collect::<Vec<u32>>());
    let (little, much) = (rate(limited(150_000)), rate(limited(1_500_000)));
    assert!(little < much && little < 150_000.0 * 1.5 && much < 1_500_000.0 * 1.5, "{little} and {much}");
}

#[test]
fn black_is_black_and_has_no_stamp() {
    for codec in CODECS {
        let mut source = black(small(codec));
        let mut frames = taken(&mut *source, 13);
        source.request_key_frame();
        frames.extend(taken(&mut *source, 13));
        for picture in decoded(&frames, codec) {
            assert_eq!((picture.width, picture.height), (160, 120));
            assert!(picture.luma.iter().all(|&level| level < 20), "{codec}");
            assert_eq!(Stamp::read(&picture), None);
        }
        assert!(frames[0].key && frames[10].key && frames[13].key);
    }
}

#[test]
fn a_frozen_picture_stays_the_same_and_a_key_frame_can_still_be_had() {
    for codec in CODECS {
        let mut source = frozen(small(codec));
        let mut frames = taken(&mut *source, 13);
        source.request_key_frame();
        frames.extend(taken(&mut *source, 13));
        let stamps: Vec<_> = decoded(&frames, codec).iter().map(Stamp::read).collect();
        assert_eq!(stamps, vec![Some(Stamp { peer: 5, fps: 10, index: 25 }); 26], "{codec}");
        assert!(frames[13].key && decoded(&frames[13..], codec).len() == 13);
    }
}

#[test]
fn impossible_sizes_and_rates_are_refused() {
    let good = config(VideoCodec::Vp8);
    for source in [pattern, black, frozen, live] {
        let error = |config| source(config).next().unwrap_err().to_string();
        assert_eq!(
            error(PatternConfig { width: 321, ..good }),
            "a pattern of 321x240 cannot be drawn: width and height are even numbers from 96 to 1920"
        );
        assert!(error(PatternConfig { height: 0, ..good }).contains("320x0"));
        for fps in [0, 61, u32::MAX] {
            let expected = format!("a pattern of {fps} frames per second cannot be sent: use 1 to 60");
            assert_eq!(error(PatternConfig { fps, ..good }), expected);
        }
    }
}

#[test]
fn the_description_names_size_rate_and_codec() {
    assert_eq!(pattern(config(VideoCodec::H264)).describe(), "pattern 320x240 30 fps H264");
    assert_eq!(black(config(VideoCodec::Vp8)).describe(), "black 320x240 30 fps VP8");
    assert_eq!(frozen(config(VideoCodec::Vp8)).describe(), "frozen 320x240 30 fps VP8");
}
