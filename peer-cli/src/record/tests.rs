use std::io::Cursor;

use symphonia::core::formats::FormatOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::*;
use crate::media::{h264, open_audio, open_video};

mod files;

#[expect(clippy::disallowed_methods, reason = "tests have to begin somewhere")]
fn base() -> Instant {
    Instant::now()
}

/// A folder that is gone with the test.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dialtone-record-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn recorder(&self, start: Instant) -> Recorder {
        Recorder::create(&self.0, "alice", start, Duration::from_secs(1_700_000_000)).unwrap()
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A frame as it is given to the recorder.
struct Sent {
    kind: MediaKind,
    data: Bytes,
    key: bool,
    /// RTP units since the first frame of the track.
    ticks: u32,
    time: Duration,
}

impl Sent {
    fn millis(&self) -> i64 {
        let rate = rate(self.kind);
        i64::from((self.ticks * 10 + rate / 200) / (rate / 100))
    }
}

fn rate(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    }
}

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "tests", "fixtures", name].iter().collect()
}

fn track(kind: MediaKind, name: &str, seconds: u64) -> Vec<Sent> {
    let mut source = match kind {
        MediaKind::Audio => open_audio(&fixture(name)).unwrap(),
        MediaKind::Video => open_video(&fixture(name)).unwrap().source,
    };
    let (mut sent, mut time) = (Vec::new(), Duration::ZERO);
    while time < Duration::from_secs(seconds) {
        let frame = source.next().unwrap();
        let ticks = (time.as_nanos() * u128::from(rate(kind)) / 1_000_000_000) as u32;
        sent.push(Sent { kind, data: frame.data, key: frame.key, ticks, time });
        time += frame.duration;
    }
    sent
}

fn clip(name: &str, seconds: u64) -> Vec<Sent> {
    let mut sent = track(MediaKind::Video, name, seconds);
    sent.extend(track(MediaKind::Audio, name, seconds));
    sent.sort_by_key(|frame| frame.time);
    sent
}

/// Gives frames as a receiver does, with timestamps that wrap on the way.
fn feed(recorder: &mut Recorder, start: Instant, codec: VideoCodec, sent: &[Sent]) {
    for frame in sent {
        let timestamp = frame.ticks.wrapping_sub(50_000);
        recorder.frame(frame.kind, Some(codec), &frame.data, frame.key, timestamp, start + frame.time);
    }
}

/// Track, milliseconds and bytes of a frame.
type Packet = (u32, i64, Box<[u8]>);

/// Every frame and the duration, as a demuxer reads them.
fn demuxed(file: Vec<u8>) -> (Vec<Packet>, Option<u64>) {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(file)), MediaSourceStreamOptions::default());
    let mut reader = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
        .unwrap();
    let duration = reader.media_info().duration.map(|duration| duration.get());
    let mut packets = Vec::new();
    // A file that was not finished ends in an error instead of `None`.
    while let Ok(Some(packet)) = reader.next_packet() {
        packets.push((packet.track_id, packet.pts.get(), packet.data));
    }
    (packets, duration)
}

/// The elements that fill `bytes`: id, where it begins, content.
fn elements(bytes: &[u8]) -> Vec<(u32, usize, &[u8])> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let begin = at;
        let id_length = bytes[at].leading_zeros() as usize + 1;
        let id = bytes[at..at + id_length].iter().fold(0_u32, |id, &byte| id << 8 | u32::from(byte));
        at += id_length;
        let size_length = bytes[at].leading_zeros() as usize + 1;
        let marked = bytes[at..at + size_length].iter().fold(0_u64, |size, &byte| size << 8 | u64::from(byte));
        at += size_length;
        let size = (marked & !(1_u64 << (7 * size_length))) as usize;
        found.push((id, begin, &bytes[at..at + size]));
        at += size;
    }
    found
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0_usize, |number, &byte| number << 8 | usize::from(byte))
}

/// What a frame is to look like in the file.
fn stored(codec: VideoCodec, frame: &Sent) -> Vec<u8> {
    if frame.kind == MediaKind::Audio || codec == VideoCodec::Vp8 {
        return frame.data.to_vec();
    }
    let kept = h264::nal_units(&frame.data).filter(|nal| !h264::is_dispensable(nal));
    h264::join_lengths(kept).to_vec()
}

const CLIPS: [(&str, VideoCodec, &str); 2] =
    [("bunny-vp8-opus.webm", VideoCodec::Vp8, "webm"), ("bunny-h264-opus.mkv", VideoCodec::H264, "mkv")];

#[test]
fn every_frame_is_read_back_with_its_time() {
    for (name, codec, extension) in CLIPS {
        let (scratch, start) = (Scratch::new(&format!("round-{extension}")), base());
        let sent = clip(name, 5);
        let mut recorder = scratch.recorder(start);
        feed(&mut recorder, start, codec, &sent);
        let recorded = recorder.finish();
        let file = scratch.read(&format!("alice.{extension}"));
        assert_eq!(recorded.files[0].bytes, file.len() as u64, "{name}");
        assert_eq!(recorded.video_frames + recorded.audio_frames, sent.len() as u64);
        let (packets, duration) = demuxed(file);
        for (number, kind, delay) in [(1, MediaKind::Video, 0), (2, MediaKind::Audio, 6)] {
            let read: Vec<_> = packets.iter().filter(|packet| packet.0 == number).collect();
            let sent: Vec<_> = sent.iter().filter(|frame| frame.kind == kind).collect();
            assert_eq!(read.len(), sent.len(), "{name} {kind}");
            for (index, (read, sent)) in read.iter().zip(sent).enumerate() {
                assert_eq!(read.1, sent.millis() - delay, "{name} {kind} {index}");
                assert_eq!(*read.2, *stored(codec, sent), "{name} {kind} {index}");
            }
        }
        assert!((5000..5200).contains(&duration.unwrap()), "{duration:?}");
    }
}

#[test]
fn a_process_that_dies_leaves_a_playable_file() {
    let (scratch, start) = (Scratch::new("crash"), base());
    let sent = clip("bunny-vp8-opus.webm", 6);
    let mut recorder = scratch.recorder(start);
    feed(&mut recorder, start, VideoCodec::Vp8, &sent);
    let (packets, duration) = demuxed(scratch.read("alice.webm"));
    assert_eq!(duration, None);
    // All but what may wait in memory: one cluster and half a second.
    let newest = packets.iter().map(|packet| packet.1).max().unwrap();
    assert!(newest >= 3000, "{newest} ms of 6000 on the disk");
    let video: Vec<_> = packets.iter().filter(|packet| packet.0 == 1).collect();
    assert!(video.iter().zip(sent.iter().filter(|frame| frame.kind == MediaKind::Video)).all(|(a, b)| *a.2 == *b.data));
}

#[test]
fn the_index_points_at_key_frames() {
    const CLUSTER: u32 = 0x1f43_b675;
    for (name, codec, extension) in CLIPS {
        let (scratch, start) = (Scratch::new(&format!("index-{extension}")), base());
        let mut recorder = scratch.recorder(start);
        feed(&mut recorder, start, codec, &clip(name, 8));
        recorder.finish();
        let file = scratch.read(&format!("alice.{extension}"));
        let top = elements(&file);
        assert_eq!(top.len(), 2, "a header and a segment of the right size");
        let segment = top[1].2;
        let parts = elements(segment);
        let clusters: Vec<_> = parts.iter().filter(|part| part.0 == CLUSTER).collect();
        assert!(clusters.len() >= 4, "2 s each at most");
        let &(id, _, cues) = parts.last().unwrap();
        assert_eq!(id, head::CUES);
        let points = elements(cues);
        assert!((2..=8).contains(&points.len()), "{}", points.len());
        for (_, _, point) in points {
            let point = elements(point);
            let (time, place) = (number(point[0].2), elements(point[1].2));
            let cluster = clusters.iter().find(|cluster| cluster.1 == number(place[1].2)).unwrap();
            let blocks = elements(cluster.2);
            let block = blocks.iter().find(|block| block.1 == number(place[2].2)).unwrap().2;
            assert_eq!((block[0], block[3]), (0x81, 0x80), "video, key frame");
            assert_eq!(time, number(blocks[0].2) + number(&block[1..3]));
        }
    }
}

#[test]
fn sound_alone_makes_a_file_that_can_be_searched() {
    let (scratch, start) = (Scratch::new("sound"), base());
    let mut recorder = scratch.recorder(start);
    let sent = track(MediaKind::Audio, "speech-opus.ogg", 5);
    feed(&mut recorder, start, VideoCodec::Vp8, &sent);
    recorder.finish();
    let file = scratch.read("alice.webm");
    let segment = elements(&file)[1].2;
    let cues = elements(segment).last().unwrap().2;
    assert!(elements(cues).len() >= 2);
    assert_eq!(demuxed(file).0.len(), sent.len());
}

#[test]
fn h264_that_joins_sound_late_makes_the_file_matroska() {
    let (scratch, start) = (Scratch::new("late"), base());
    let mut recorder = scratch.recorder(start);
    let mut sent = track(MediaKind::Audio, "bunny-h264-opus.mkv", 8);
    let mut video = track(MediaKind::Video, "bunny-h264-opus.mkv", 3);
    video.iter_mut().for_each(|frame| frame.time += Duration::from_secs(5));
    sent.extend(video);
    sent.sort_by_key(|frame| frame.time);
    feed(&mut recorder, start, VideoCodec::H264, &sent);
    assert!(scratch.0.join("alice.webm").exists() || scratch.0.join("alice.mkv").exists());
    let recorded = recorder.finish();
    assert!(recorded.files[0].path.ends_with("alice.mkv"));
    assert!(!scratch.0.join("alice.webm").exists());
    let (packets, _) = demuxed(scratch.read("alice.mkv"));
    assert_eq!(packets.len(), sent.len());
    assert_eq!(packets.iter().find(|packet| packet.0 == 1).unwrap().1, 5000);
}

#[test]
fn lost_frames_leave_a_gap_and_those_before_the_first_key_frame_are_left_out() {
    let (scratch, start) = (Scratch::new("gap"), base());
    let mut recorder = scratch.recorder(start);
    let sent = track(MediaKind::Video, "bunny-vp8-opus.webm", 3);
    let early = Bytes::from_static(&[0x11, 0, 0]);
    recorder.frame(MediaKind::Video, Some(VideoCodec::Vp8), &early, false, 7, start);
    let kept: Vec<Sent> = sent.into_iter().filter(|f| !(1000..2000).contains(&f.time.as_millis())).collect();
    feed(&mut recorder, start, VideoCodec::Vp8, &kept);
    recorder.finish();
    let (packets, _) = demuxed(scratch.read("alice.webm"));
    let times: Vec<i64> = packets.iter().map(|packet| packet.1).collect();
    assert_eq!(times, kept.iter().map(Sent::millis).collect::<Vec<_>>());
}

#[test]
fn pictures_that_come_late_stand_where_the_senders_clock_says() {
    const LATE: Duration = Duration::from_millis(400);
    let (scratch, start) = (Scratch::new("reports"), base());
    let mut recorder = scratch.recorder(start);
    let mut sent = clip("bunny-vp8-opus.webm", 3);
    sent.iter_mut().filter(|frame| frame.kind == MediaKind::Video).for_each(|frame| frame.time += LATE);
    sent.sort_by_key(|frame| frame.time);
    let begun = sent.partition_point(|frame| frame.time < Duration::from_secs(1));
    feed(&mut recorder, start, VideoCodec::Vp8, &sent[..begun]);
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let timestamp = rate(kind).wrapping_sub(50_000);
        recorder.sender_report(kind, (3_900_000_000 + 1) << 32, timestamp, start + Duration::from_secs(1));
    }
    feed(&mut recorder, start, VideoCodec::Vp8, &sent[begun..]);
    recorder.finish();
    let (packets, _) = demuxed(scratch.read("alice.webm"));
    let first = |track: u32| packets.iter().find(|packet| packet.0 == track).unwrap().1;
    assert_eq!((first(1), first(2)), (0, -6), "the delay of the decoder is taken off");
}
