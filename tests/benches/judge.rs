//! What judging costs: per picture beyond decoding it, and per packet; alone, and within a call.
//!
//! It asserts no times, which are the machine's. But a figure from a run that went wrong is none, so whatever was to be
//! decoded and judged has to have been.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench says what it found, and panics where it cannot")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dialtone_peer::measure::{Column, SeriesBuilder};
use dialtone_peer::media::{PatternConfig, VideoCodec, VideoJudge, VideoJudgeConfig, pattern, video_decoder};
use dialtone_peer::receive::{RtpHeader, StreamStats};
use nix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// Pictures a second of the stream that the goals are about, and packets a second of it with its sound.
const FPS: f64 = 30.0;
const PACKETS: f64 = 170.0;
const ROUNDS: usize = 9;
const CALLS: usize = 3;
/// The loop of the pattern.
const PICTURES: u64 = 150;
/// Of so many pictures one is compared with the drawn one, by PSNR and by SSIM; and how alike they are at least, in dB.
const COMPARED: [u64; 2] = [7, 17];
const LEAST_PSNR_DB: f64 = 30.0;

fn main() {
    println!("CPU time as a share of one core, median of all rounds [least .. most]; 640x480 at 30 fps\n");
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let (mut decode, mut judge) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (decoding, judging) = pictures(codec);
            decode.push(decoding);
            judge.push(judging);
        }
        print(&format!("{codec}: decode"), decode, "");
        print(&format!("{codec}: judge full (stamp, PSNR, SSIM, pace, latency)"), judge, "goal: at most 5 %");
    }
    print("judge packets (RFC 3550 counts, series)", (0..ROUNDS).map(|_| packets()).collect(), "goal: at most 1 %");
    for codec in ["vp8", "h264"] {
        let (decode, judge) = (0..CALLS).flat_map(|_| call(codec)).unzip();
        print(&format!("{codec} in a call: decode"), decode, "");
        print(&format!("{codec} in a call: judge full"), judge, "goal: at most 5 %");
    }
}

/// Percent of a core for decoding, and for judging what was decoded.
fn pictures(codec: VideoCodec) -> (f64, f64) {
    let config = PatternConfig { codec, width: 640, height: 480, fps: 30, peer: 5, bitrate: None, key_interval: None };
    let mut source = pattern(config);
    let frames: Vec<Bytes> = (0..PICTURES).map(|_| source.next().unwrap().data).collect();
    let mut decoder = video_decoder(codec).unwrap();
    let start = start();
    let config = VideoJudgeConfig { expected: Some(5), run_start: start, run_start_unix: Duration::ZERO };
    let mut judge = VideoJudge::new(config);
    let (mut decoding, mut judging) = (Duration::ZERO, Duration::ZERO);
    for (at, frame) in frames.iter().enumerate() {
        let before = cpu();
        let picture = decoder.decode(frame).unwrap().unwrap();
        let between = cpu();
        let now = start + Duration::from_secs(1) * at as u32 / 30;
        judge.picture(now, at as u32 * 3000, Some(start), &picture);
        decoding += between - before;
        judging += cpu() - between;
    }
    let heard = judge.report();
    assert_eq!((heard.decoded, heard.errors, heard.stamped), (PICTURES, 0, PICTURES));
    assert_eq!((heard.wrong_peer, heard.frames_lost), (0, 0));
    let (psnr, ssim) = (heard.psnr.unwrap(), heard.ssim.unwrap());
    assert_eq!([psnr.count, ssim.count], COMPARED.map(|every| PICTURES.div_ceil(every)));
    assert!(psnr.min >= LEAST_PSNR_DB, "what was decoded is not what was drawn: {psnr:?}");
    let share = |spent: Duration| spent.as_secs_f64() / frames.len() as f64 * FPS * 100.0;
    (share(decoding), share(judging))
}

/// Percent of a core for counting the packets of a stream with picture and sound.
fn packets() -> f64 {
    const COUNT: u32 = 100_000;
    let start = start();
    let (mut stats, mut series) = (StreamStats::new(90_000), SeriesBuilder::new(start));
    let before = cpu();
    for number in 0..COUNT {
        let now = start + Duration::from_secs_f64(f64::from(number) / PACKETS);
        let header = RtpHeader { sequence: number as u16, timestamp: number * 530, marker: false, ssrc: 1 };
        stats.packet(now, &header, 1100);
        series.add(now, Column::VideoKbps, 8.8);
        series.add(now, Column::VideoLost, 0.0);
        series.add(now, Column::VideoJitter, stats.report().jitter_ms);
    }
    let spent = cpu() - before;
    let counted = stats.report();
    assert_eq!((counted.received, counted.lost, counted.duplicates), (u64::from(COUNT), 0, 0));
    assert!(series.build().is_some_and(|series| !series.video_kbps.is_empty()));
    spent.as_secs_f64() / f64::from(COUNT) * PACKETS * 100.0
}

/// For each direction of a call, percent of a core for decoding, and for judging what was decoded.
fn call(codec: &str) -> [(f64, f64); 2] {
    let exe = std::env::current_exe().unwrap();
    let program = exe.parent().unwrap().parent().unwrap().join("peer-cli");
    let output = Command::new(&program)
        .args(["call", "--judge", "full", "--codec", codec, "--duration", "5s", "--json", "--quiet"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; scripts/bench-judge builds it", program.display()));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert!(output.status.success() && report["verdict"]["code"] == "OK", "{}", report["verdict"]);
    [0_usize, 1].map(|direction| {
        let video = &report["directions"][direction]["video"];
        let number = |field: &str| video[field].as_f64().unwrap_or_else(|| panic!("no {field}: {video}"));
        let decoded = number("decoded");
        assert!(decoded >= FPS * 4.0 && decoded == number("stamped"), "pictures are missing: {video}");
        assert_eq!((number("decode_errors"), number("skipped"), number("wrong_peer")), (0.0, 0.0, 0.0), "{video}");
        assert!(video["ssim"]["count"].as_u64() >= Some(decoded as u64 / COMPARED[1]), "too few compared: {video}");
        let share = |field: &str| number(field) / 1000.0 / decoded * FPS * 100.0;
        (share("decode_cpu_ms"), share("judge_cpu_ms"))
    })
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

#[expect(clippy::disallowed_methods, reason = "a bench needs one instant to count from")]
fn start() -> Instant {
    Instant::now()
}

fn print(what: &str, mut values: Vec<f64>, goal: &str) {
    values.sort_by(f64::total_cmp);
    let (middle, last) = (values.len() / 2, values.len() - 1);
    println!("{what:<58} {:6.2} % [{:.2} .. {:.2}]   {goal}", values[middle], values[0], values[last]);
}
