//! What judging costs: per picture beyond decoding it, and per packet.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench says what it found, and panics where it cannot")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use dialtone_peer::measure::{Column, SeriesBuilder};
use dialtone_peer::media::{PatternConfig, VideoCodec, VideoJudge, VideoJudgeConfig, pattern, video_decoder};
use dialtone_peer::receive::{RtpHeader, StreamStats};
use nix::time::{ClockId, clock_gettime};

/// Pictures a second of the stream that the goals are about, and packets a second of it with its sound.
const FPS: f64 = 30.0;
const PACKETS: f64 = 170.0;
const ROUNDS: usize = 9;

fn main() {
    println!("CPU time as a share of one core, median of {ROUNDS} rounds [least .. most]; 640x480 at 30 fps\n");
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
}

/// Percent of a core for decoding, and for judging what was decoded.
fn pictures(codec: VideoCodec) -> (f64, f64) {
    let config = PatternConfig { codec, width: 640, height: 480, fps: 30, peer: 5, bitrate: None, key_interval: None };
    let mut source = pattern(config);
    let frames: Vec<Bytes> = (0..150).map(|_| source.next().unwrap().data).collect();
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
    assert_eq!((heard.decoded, heard.stamped, heard.wrong_peer), (150, 150, 0));
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
    assert_eq!(stats.report().received, u64::from(COUNT));
    spent.as_secs_f64() / f64::from(COUNT) * PACKETS * 100.0
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
