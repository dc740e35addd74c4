//! Places a call between every two kinds of networks, inside `scripts/nat-lab`, and says which got through and how.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use anyhow::Context;
use clap::Parser;
use dialtone_tests::nat::{Cell, Kind, Mode, Pair, Plan, page, sites, summary};

mod run;

/// Place a call between every two kinds of networks and say which got through and how.
///
/// Runs inside the lab, which has two sites of each kind:
///
///     scripts/nat-lab "$(nat-matrix --sites)" -- nat-matrix --html matrix.html
///
/// Ten full runs in a row, which end with a summary of what was wrong in any of them:
///
///     scripts/nat-lab "$(nat-matrix --sites)" -- nat-matrix --times 10
///
/// Exit code 0: every call went as theory has it; 1: some did not.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Print the sites that the lab has to have, and place no call.
    #[arg(long)]
    sites: bool,
    /// What the peers have: stun (a STUN server only), turn (STUN, and TURN over UDP, TCP and TLS), browser (the same,
    /// and one of them is the call page in Chromium; needs node and the packages of tests/js).
    #[arg(long, value_delimiter = ',', default_value = "stun,turn", value_parser = parse_mode)]
    modes: Vec<Mode>,
    /// The kinds of networks [default: all].
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    kinds: Vec<Kind>,
    /// How many times to go through all of it.
    #[arg(long, default_value_t = 1, value_name = "N")]
    times: usize,
    /// How many times a call that went wrong is placed again; each is told, and counted as `again` in the JSON.
    #[arg(long, default_value_t = 0, value_name = "N")]
    retries: usize,
    /// How many calls may go on at once.
    #[arg(long, default_value_t = 4, value_name = "N")]
    at_once: usize,
    /// How long media flows in each call, in seconds.
    #[arg(long, default_value_t = 2, value_name = "N")]
    seconds: u32,
    /// Keep what each side reported in this folder.
    #[arg(long, value_name = "FOLDER")]
    reports: Option<PathBuf>,
    /// Write every call as one JSON document.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page to look at.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The title of that page.
    #[arg(long, default_value = "Which networks a call gets through", value_name = "TEXT")]
    title: String,
}

fn main() -> anyhow::Result<ExitCode> {
    let mut args = Args::parse();
    if args.kinds.is_empty() {
        args.kinds = Kind::ALL.to_vec();
    }
    args.kinds.sort_unstable();
    args.kinds.dedup();
    let mut out = io::stdout().lock();
    if args.sites {
        writeln!(out, "{}", sites(&args.kinds))?;
        return Ok(ExitCode::SUCCESS);
    }

    let lab = run::Lab::from_environment(args.seconds, args.reports.clone())?;
    let cells = place(&args, &lab, &mut out)?;
    let wrong = cells.iter().filter(|cell| !cell.wrong.is_empty()).count();
    writeln!(out, "{}", summary(&cells))?;
    if let Some(file) = &args.json {
        let all = serde_json::Value::Array(cells.iter().map(Cell::json).collect());
        fs::write(file, all.to_string()).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    if let Some(file) = &args.html {
        fs::write(file, page(&args.title, &args.kinds, &cells))
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Places all calls, some at once, and tells each as it ends.
fn place(args: &Args, lab: &run::Lab, out: &mut impl Write) -> anyhow::Result<Vec<Cell>> {
    let plan = Mutex::new(Plan::new(&args.modes, &args.kinds, args.times));
    let planned = || plan.lock().unwrap_or_else(PoisonError::into_inner);
    let (finished, cells) = mpsc::channel();
    thread::scope(|scope| {
        let mut running = 0;
        let mut done = Vec::new();
        let mut tried = BTreeMap::<(Mode, Pair), usize>::new();
        loop {
            while running < args.at_once.max(1) {
                let Some((mode, pair)) = planned().start() else { break };
                running += 1;
                let finished = finished.clone();
                scope.spawn(move || {
                    // The receiver lives as long as this scope.
                    let _ = finished.send((mode, pair, lab.call(mode, pair)));
                });
            }
            if running == 0 {
                return Ok(done);
            }
            let (mode, pair, cell) = cells.recv().context("no call is left to wait for")?;
            running -= 1;
            planned().done(mode, pair);
            let mut cell = cell.with_context(|| format!("a call between {} and {}", pair.a, pair.b))?;
            let tries = tried.entry((cell.mode, pair)).or_default();
            let right = if cell.wrong.is_empty() { "ok   " } else { "WRONG" };
            let time = cell.connected().map_or_else(String::new, |time| format!(" {:.2} s", time.as_secs_f64()));
            let why = if cell.wrong.is_empty() { String::new() } else { format!(": {}", cell.wrong.join("; ")) };
            writeln!(out, "{right} {}: {}{time}{why}", cell.name(), cell.outcome.name())?;
            if !cell.wrong.is_empty() && *tries < args.retries {
                *tries += 1;
                planned().again(cell.mode, pair);
                continue;
            }
            cell.again = std::mem::take(tries);
            done.push(cell);
        }
    })
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    Mode::ALL
        .into_iter()
        .find(|mode| mode.name() == text)
        .ok_or_else(|| format!("expected stun, turn or browser, found {text:?}"))
}
