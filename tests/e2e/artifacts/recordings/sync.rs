//! Pictures and sound of a recording belong together, measured in the file by flash and click.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use dialtone_tests::{Fate, Packet, Scratch, Way};

use super::{FFMPEG, FFPROBE, run, skip_without, text};
use crate::wired::Wired;

/// How far they may be apart, in seconds: people notice sound that is 45 ms early (ITU-R BT.1359), and the times of
/// pictures have a resolution of 33 ms.
const TOLERANCE: f64 = 0.06;
/// VP8, as our engine numbers it.
const VP8: u8 = 96;
/// How late the first picture is, and how much of that each picture makes up for, in milliseconds.
const LATE: u64 = 400;
const CATCHES_UP: u64 = 10;

/// A sender whose pictures come late in the beginning only: what came first says nothing about what belongs together.
#[test]
fn pictures_that_are_late_in_the_beginning_stand_beside_their_sound() {
    if skip_without("ffprobe", &FFPROBE) || skip_without("ffmpeg", &FFMPEG) {
        return;
    }
    let scratch = Scratch::new("sync");
    let mut pictures = BTreeMap::<usize, u64>::new();
    let wired = Wired::new(move |packet: &Packet| {
        let Some(rtp) = packet.rtp.filter(|rtp| packet.way == Way::Up && rtp.payload_type == VP8) else {
            return Fate::Pass;
        };
        let before = pictures.entry(packet.client).or_default();
        let late = LATE.saturating_sub(*before * CATCHES_UP);
        *before += u64::from(rtp.marker);
        if late == 0 { Fate::Pass } else { Fate::Delay(Duration::from_millis(late)) }
    });
    let call = wired.call(&["--duration", "6s", "--record", text(scratch.path())]);
    call.assert_verdict("OK", 0);
    for name in ["alice", "bob"] {
        let media = scratch.file(&format!("{name}.webm"));
        let (flashes, clicks) = (flashes(&media, &scratch), clicks(&media, &scratch));
        assert!(flashes.len() >= 3 && clicks.len() >= 3, "{flashes:?} {clicks:?}");
        for flash in flashes {
            let apart = clicks.iter().map(|click| flash - click).min_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
            assert!(apart.abs() <= TOLERANCE, "{name}: a flash is {apart:.3} s behind its click");
        }
    }
}

/// When the flash begins, in seconds of the file. It is a white square in the middle of the upper part.
fn flashes(media: &Path, scratch: &Scratch) -> Vec<f64> {
    const WHITE: u8 = 200;
    let raw = scratch.file("pictures.raw");
    let square = "crop=iw/32:ih/32:iw*31/64:ih*0.385,scale=1:1,format=gray";
    let picture = ["-vf", square, "-fps_mode", "passthrough", "-f", "rawvideo", text(&raw)];
    let read = ["-v", "error", "-y", "-copyts", "-i", text(media), "-map", "0:v"];
    run("ffmpeg", &[&read[..], &picture].concat());
    let shown = std::fs::read(&raw).unwrap();
    let packets = ["-v", "error", "-select_streams", "v", "-of", "csv=p=0", "-show_entries", "packet=pts_time"];
    let times = run("ffprobe", &[&packets[..], &[text(media)]].concat());
    let times: Vec<f64> = times.lines().map(|line| line.trim_end_matches(',').parse().unwrap()).collect();
    assert_eq!(shown.len(), times.len(), "a byte for each picture");
    let begins = |at: &usize| shown[at - 1] <= WHITE && shown[*at] > WHITE;
    (1..shown.len()).filter(begins).map(|at| times[at]).collect()
}

/// When a click begins, in seconds of the file: it is much louder than the tone beside it.
fn clicks(media: &Path, scratch: &Scratch) -> Vec<f64> {
    const LOUD: u16 = 13_000;
    /// Samples in a millisecond, and how long a click may ring.
    const MILLISECOND: usize = 48;
    const RINGS: usize = 100;
    let raw = scratch.file("sound.raw");
    let read = ["-v", "error", "-y", "-copyts", "-i", text(media), "-map", "0:a"];
    let sound = ["-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", "48000", "-f", "s16le", text(&raw)];
    run("ffmpeg", &[&read[..], &sound].concat());
    let bytes = std::fs::read(&raw).unwrap();
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    let is_loud = |block: &[i16]| block.iter().any(|sample| sample.unsigned_abs() > LOUD);
    let loud = samples.chunks(MILLISECOND).enumerate().filter(|(_, block)| is_loud(block)).map(|(at, _)| at);
    let mut clicks = Vec::new();
    let mut last = None;
    for at in loud {
        if last.is_none_or(|last| at > last + RINGS) {
            clicks.push(at as f64 / 1000.0);
        }
        last = Some(at);
    }
    clicks
}
