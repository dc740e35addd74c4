//! Which files there are, what they are called, and what becomes of them on a disk that is full.

use super::super::output::tests::SmallDisk;
use super::*;

fn packet(payload: &'static [u8]) -> RtpPacket {
    RtpPacket {
        payload_type: 111,
        sequence: 1,
        timestamp: 2,
        marker: false,
        ssrc: 3,
        payload: Bytes::from_static(payload),
    }
}

#[test]
fn packets_and_signaling_have_files_of_their_own() {
    let (scratch, start) = (Scratch::new("own"), base());
    let mut recorder = scratch.recorder(start);
    recorder.rtp(start + Duration::from_millis(1500), MediaKind::Audio, &packet(b"abc"));
    recorder.signaling(start + Duration::from_millis(3), true, b"CONNECT\nhost:h\npasscode:hunter2\n\n\0");
    let recorded = recorder.finish();
    assert_eq!((recorded.packets, recorded.files.len()), (1, 2), "no media, no media file");
    let capture = scratch.read("alice.pcap");
    assert_eq!(capture.len(), 24 + 16 + 40 + 3);
    assert_eq!(capture[24..28], 1_700_000_001_u32.to_le_bytes());
    assert_eq!(capture[28..32], 500_000_u32.to_le_bytes());
    let lines = String::from_utf8(scratch.read("alice-signaling.jsonl")).unwrap();
    assert!(lines.starts_with(r#"{"at_ms":3.0,"sent":true,"frame":"CONNECT""#), "{lines}");
    assert!(lines.ends_with('\n') && !lines.contains("hunter2"), "{lines}");
}

#[test]
fn a_full_disk_ends_the_media_file_and_nothing_else() {
    let (scratch, start) = (Scratch::new("full"), base());
    let mut recorder = scratch.recorder(start);
    recorder.media.output = Some(Output::over(&scratch.0.join("alice.webm"), SmallDisk::with_room(3000)));
    feed(&mut recorder, start, VideoCodec::Vp8, &clip("bunny-vp8-opus.webm", 4));
    recorder.signaling(start, false, b"\n");
    let recorded = recorder.finish();
    let stopped: Vec<bool> = recorded.files.iter().map(|file| file.stopped.is_some()).collect();
    assert_eq!(stopped, [true, false, false]);
}

#[test]
fn a_full_disk_leaves_whole_clusters() {
    let (scratch, start) = (Scratch::new("clusters"), base());
    let sent = clip("bunny-vp8-opus.webm", 8);
    let whole = {
        let (disk, seen) = SmallDisk::seen(1 << 30);
        let mut recorder = scratch.recorder(start);
        recorder.media.output = Some(Output::over(&scratch.0.join("all.webm"), disk));
        feed(&mut recorder, start, VideoCodec::Vp8, &sent);
        seen.lock().unwrap().len()
    };
    let (disk, seen) = SmallDisk::seen(whole - 1000);
    let mut recorder = scratch.recorder(start);
    recorder.media.output = Some(Output::over(&scratch.0.join("most.webm"), disk));
    feed(&mut recorder, start, VideoCodec::Vp8, &sent);
    let recorded = recorder.finish();
    let left = seen.lock().unwrap().clone();
    assert_eq!(recorded.files[0].bytes, left.len() as u64);
    assert!(left.len() > head::LENGTH && left.len() < whole - 1000);
    // Every cluster tells its size, and the last one ends with the file.
    assert!(elements(&left[head::LENGTH..]).iter().all(|element| element.0 == 0x1f43_b675));
    let newest = demuxed(left).0.iter().map(|packet| packet.1).max().unwrap();
    assert!(newest >= 2000, "{newest} ms");
}

#[test]
fn what_is_missing_is_told_file_by_file() {
    let (scratch, start) = (Scratch::new("missing"), base());
    let mut recorder = scratch.recorder(start);
    recorder.packets = Output::over(&scratch.0.join("alice.pcap"), SmallDisk::with_room(0));
    recorder.signaling = Output::over(&scratch.0.join("alice-signaling.jsonl"), SmallDisk::with_room(0));
    recorder.rtp(start, MediaKind::Audio, &packet(b""));
    recorder.signaling(start, true, b"\n");
    let fault = recorder.finish().fault().unwrap();
    let (first, second) = fault.split_once("; ").unwrap();
    assert!(first.contains("alice.pcap ends early: ") && second.contains("signaling.jsonl ends early: "), "{fault}");
    assert_eq!(scratch.recorder(start).finish().fault(), None);
}

#[test]
fn a_recording_of_an_earlier_call_stays_and_this_one_goes_beside_it() {
    let (scratch, start) = (Scratch::new("again"), base());
    for stem in ["alice", "alice-2"] {
        let mut recorder = scratch.recorder(start);
        assert_eq!(recorder.stem(), scratch.0.join(stem));
        feed(&mut recorder, start, VideoCodec::H264, &clip("bunny-h264-opus.mkv", 3));
        recorder.signaling(start, false, b"\n");
        let names = recorder.finish().files.into_iter().map(|file| file.path).collect::<Vec<_>>();
        let expected = [".mkv", ".pcap", "-signaling.jsonl"].map(|rest| scratch.0.join(format!("{stem}{rest}")));
        assert_eq!(names, expected);
    }
    assert_eq!(scratch.read("alice.mkv"), scratch.read("alice-2.mkv"));
}

#[test]
fn peer_names_cannot_leave_the_folder() {
    for (peer, name) in
        [("bob", "bob"), ("../../etc/x", "etc-x"), ("a b.c", "a-b-c"), ("...", "peer"), ("Zoë_1", "Zoë_1")]
    {
        assert_eq!(file_name(peer), name);
    }
    assert_eq!(file_name(&"x".repeat(500)).len(), 40);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let scratch = Scratch::new("file");
    fs::write(&scratch.0, b"").unwrap();
    let error = Recorder::create(&scratch.0.join("sub"), "a", base(), Duration::ZERO).unwrap_err();
    assert!(matches!(&error, RecordError::Folder { path, .. } if path.ends_with("sub")), "{error}");
    fs::remove_file(&scratch.0).unwrap();
}
