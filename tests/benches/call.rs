//! How long a call inside one process takes to set up, and what it weighs: `scripts/bench-call --in-process`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may fail loudly and prints its figures")]

use std::process::{Command, Stdio};
use std::time::Instant;

const CALLS: usize = 20;

fn main() {
    let exe = std::env::current_exe().unwrap();
    let program = exe.parent().unwrap().parent().unwrap().join("peer-cli");
    let mut figures = Figures::default();
    for _ in 0..CALLS {
        #[expect(clippy::disallowed_methods, reason = "a bench measures the wall clock")]
        let start = Instant::now();
        let child = Command::new(&program)
            .args(["call", "--duration", "2s", "--json", "--quiet"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("scripts/bench-call builds the program");
        let pid = child.id();
        let peak = std::thread::spawn(move || peak_rss(pid));
        let output = child.wait_with_output().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a bench measures the wall clock")]
        figures.whole.push(start.elapsed().as_secs_f64() * 1000.0);
        figures.memory.push(peak.join().unwrap());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(report["verdict"]["code"], "OK", "{}", report["verdict"]["sentence"]);
        figures.connected.push(since_ready(&report, "connected"));
        figures.picture.push(since_ready(&report, "first-picture"));
    }
    println!("{CALLS} calls, pattern media, loopback, in milliseconds: median [least .. most]");
    print("READY to connected, the later side", figures.connected, "goal: at most 40");
    print("READY to first picture decoded, the later side", figures.picture, "goal: at most 100");
    print("process start to exit of a 2-second call", figures.whole, "goal: at most 2600");
    print("peak resident memory of the process, MB", figures.memory, "goal: at most 60");
}

#[derive(Default)]
struct Figures {
    connected: Vec<f64>,
    picture: Vec<f64>,
    whole: Vec<f64>,
    memory: Vec<f64>,
}

/// From the later READY to the later `phase`: both sides have it.
fn since_ready(report: &serde_json::Value, phase: &str) -> f64 {
    let latest = |phase: &str| {
        let peers = report["peers"].as_array().unwrap().iter();
        peers.map(|peer| first(peer, phase)).fold(0.0, f64::max)
    };
    latest(phase) - latest("ready")
}

fn first(peer: &serde_json::Value, phase: &str) -> f64 {
    let phases = peer["phases"].as_array().unwrap();
    phases.iter().find(|stamp| stamp["phase"] == phase).unwrap()["at_ms"].as_f64().unwrap()
}

/// The kernel's own high-water mark, read until the process is gone.
fn peak_rss(pid: u32) -> f64 {
    let mut peak = 0.0_f64;
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
        let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:")) else { break };
        peak = peak.max(line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1000.0);
        std::thread::yield_now();
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    peak
}

fn print(what: &str, mut values: Vec<f64>, goal: &str) {
    values.sort_by(f64::total_cmp);
    println!(
        "{what:<48} {:8.1} [{:.1} .. {:.1}]   {goal}",
        values[values.len() / 2],
        values[0],
        values[values.len() - 1]
    );
}
