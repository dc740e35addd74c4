//! What a relayed packet costs our relay and coturn, and what an allocation weighs. Run it with `scripts/bench-turn`.
//!
//! Both relays serve loopback, each with one worker on CPU 0, while the load generator has CPU 1. They take turns
//! within every round, each time as a new process, so that whatever else the machine does meets both alike. Cost is
//! the time a relay's threads were on the CPU for each packet that arrived; only the ratios mean something.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may fail loudly and prints its figures")]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dialtone_turn::load::{Direction, LoadError, Outcome, Pattern, Plan, Session};
use dialtone_turn::stun::{Class, MessageBuilder, Method, TransactionId};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

const USAGE: &str = "\
usage: bench-turn [--rounds N] [--seconds S] [--only ROW] [--window N] [--coturn PATH] [--ours PATH]
  --rounds N     rounds for each row (default 5)
  --seconds S    seconds of traffic for each relay in each round (default 3)
  --only ROW     interleaved, bursts, trains, trains-gro, memory or idle (repeatable; default all)
  --window N     most packets under way in the rows that are not overload, 0 for no limit (default 1024)
  --coturn PATH  another turnserver than the one in PATH
  --ours PATH    another dialtone-turn than the release build";

const USER: &str = "bench";
const PASSWORD: &str = "bench-password";
const SERVER_CPU: usize = 0;
const DRIVER_CPU: usize = 1;
const WARMUP: Duration = Duration::from_millis(500);
const START_LIMIT: Duration = Duration::from_secs(20);
/// How often one measurement is tried before the row is given up.
const TRIES: usize = 3;
const WEIGHED: usize = 400;
/// Relay ports for coturn, above those that the system hands out by default.
const COTURN_PORTS: (u16, u16) = (61_000, 65_535);

/// Traffic that both relays get.
struct Row {
    name: &'static str,
    about: &'static str,
    goal: f64,
    overload: bool,
    shape: fn(Plan) -> Plan,
}

const ROWS: [Row; 4] = [
    Row {
        name: "interleaved",
        about: "50 flows, 1200 B, single packets fully interleaved, both ways",
        goal: 1.05,
        overload: false,
        shape: |plan| Plan { direction: Direction::Both, ..plan },
    },
    Row {
        name: "bursts",
        about: "50 flows, 1200 B, bursts of 4, both ways",
        goal: 1.2,
        overload: false,
        shape: |plan| Plan { direction: Direction::Both, pattern: Pattern::Bursts(4), ..plan },
    },
    Row {
        name: "trains",
        about: "20 flows, 1200 B, trains of 16, up, overload",
        goal: 2.0,
        overload: true,
        shape: |plan| Plan { allocations: 20, pattern: Pattern::Trains(16), sender_gso: true, ..plan },
    },
    Row {
        name: "trains-gro",
        about: "20 flows, 1200 B, trains of 16, up, overload, receiver with GRO",
        goal: 6.0,
        overload: true,
        shape: |plan| Plan { allocations: 20, pattern: Pattern::Trains(16), sender_gso: true, sink_gro: true, ..plan },
    },
];

const OTHER_ROWS: [&str; 2] = ["memory", "idle"];

fn main() {
    let options = Options::parse();
    pin_driver();
    println!(
        "{} rounds of {} s; relay on CPU {SERVER_CPU}, load generator on CPU {DRIVER_CPU}; coturn: {}",
        options.rounds,
        options.seconds.as_secs_f64(),
        version(&options.coturn)
    );
    for row in &ROWS {
        if options.wants(row.name) {
            compare(&options, row);
        }
    }
    if options.wants("memory") {
        weigh(&options);
    }
    if options.wants("idle") {
        beside_idle(&options);
    }
}

struct Options {
    rounds: usize,
    seconds: Duration,
    only: Vec<String>,
    window: Option<u64>,
    coturn: PathBuf,
    ours: PathBuf,
}

impl Options {
    fn parse() -> Self {
        let release = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("dialtone-turn");
        let mut options = Self {
            rounds: 5,
            seconds: Duration::from_secs(3),
            only: Vec::new(),
            window: Some(1024),
            coturn: "turnserver".into(),
            ours: release,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--rounds" => options.rounds = value().parse::<usize>().unwrap().clamp(1, 100),
                "--seconds" => {
                    options.seconds = Duration::from_secs_f64(value().parse::<f64>().unwrap().clamp(0.1, 60.0))
                }
                "--only" => options.only.push(value()),
                "--window" => options.window = Some(value().parse::<u64>().unwrap()).filter(|window| *window > 0),
                "--coturn" => options.coturn = value().into(),
                "--ours" => options.ours = value().into(),
                // Cargo adds this one.
                "--bench" => {}
                "--help" | "-h" => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                other => panic!("unknown option {other}\n{USAGE}"),
            }
        }
        for name in &options.only {
            let known = ROWS.iter().map(|row| row.name).chain(OTHER_ROWS).any(|row| row == name);
            assert!(known, "unknown row {name}\n{USAGE}");
        }
        options
    }

    fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == row)
    }

    fn plan(&self, server: SocketAddr, overload: bool) -> Plan {
        Plan { window: if overload { None } else { self.window }, ..Plan::new(server, USER, PASSWORD) }
    }
}

/// One row of traffic: both relays, round by round.
fn compare(options: &Options, row: &Row) {
    println!("\n{}: {}", row.name, row.about);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        // Who goes first changes, so that neither always meets the warmer machine.
        let order = if round % 2 == 1 { [Kind::Coturn, Kind::Ours] } else { [Kind::Ours, Kind::Coturn] };
        let mut samples = order.map(|kind| {
            let plan = |server| (row.shape)(options.plan(server, row.overload));
            (kind, measured(|| Sample::take(options, kind, plan)))
        });
        if samples[0].0 == Kind::Ours {
            samples.reverse();
        }
        let [(_, Some(coturn)), (_, Some(dialtone))] = samples else {
            println!("  round {round}: not measured");
            continue;
        };
        println!("  round {round}: coturn {coturn} | ours {dialtone} | ratio {:.2}", coturn.cost / dialtone.cost);
        theirs.push(coturn);
        ours.push(dialtone);
    }
    if ours.is_empty() {
        println!("  no round was measured");
        return;
    }
    let costs = theirs.iter().zip(&ours).map(|(coturn, ours)| coturn.cost / ours.cost).collect();
    let rates = theirs.iter().zip(&ours).map(|(coturn, ours)| ours.rate / coturn.rate).collect();
    let cost = Spread::of(costs);
    println!(
        "  median CPU per delivered packet: coturn {:.0} ns, ours {:.0} ns; delivered: coturn {:.0} /s, ours {:.0} /s",
        Spread::of(theirs.iter().map(|sample| sample.cost).collect()).median,
        Spread::of(ours.iter().map(|sample| sample.cost).collect()).median,
        Spread::of(theirs.iter().map(|sample| sample.rate).collect()).median,
        Spread::of(ours.iter().map(|sample| sample.rate).collect()).median,
    );
    println!("  ratio of delivered packets per second ours/coturn: {}", Spread::of(rates));
    println!("  ratio of CPU coturn/ours: {cost} (goal: at least {}): {}", row.goal, verdict(cost.median >= row.goal));
}

/// Resident memory for each of many allocations with one channel.
fn weigh(options: &Options) {
    println!("\nmemory: {WEIGHED} allocations, one channel each, resident memory of the relay per allocation");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let [coturn, dialtone] = [Kind::Coturn, Kind::Ours].map(|kind| measured(|| weight(options, kind)));
        let (Some(coturn), Some(dialtone)) = (coturn, dialtone) else {
            println!("  round {round}: not measured");
            continue;
        };
        println!("  round {round}: coturn {coturn:.2} kB, ours {dialtone:.2} kB");
        theirs.push(coturn);
        // A relay that grew by less than a page has no ratio.
        ours.push(dialtone.max(4.0 / WEIGHED as f64));
    }
    if ours.is_empty() {
        return;
    }
    let ratio = Spread::of(theirs.iter().zip(&ours).map(|(coturn, ours)| coturn / ours).collect());
    println!("  ratio of memory coturn/ours: {ratio} (goal: at least 10): {}", verdict(ratio.median >= 10.0));
}

fn weight(options: &Options, kind: Kind) -> Result<f64, LoadError> {
    let relay = Relay::start(options, kind);
    // What the first client brings into memory is not what each one costs.
    let warm = Session::open(Plan { allocations: 1, ..options.plan(relay.address, false) })?;
    let before = relay.rss_kb();
    let many = Session::open(Plan { allocations: 1, idle: WEIGHED - 1, ..options.plan(relay.address, false) })?;
    let each = (relay.rss_kb() - before) / WEIGHED as f64;
    drop((many, warm));
    Ok(each)
}

/// Ours only: the same traffic while more and more allocations do nothing.
fn beside_idle(options: &Options) {
    const IDLE: [usize; 3] = [0, 1000, 10_000];
    println!("\nidle: 50 active flows, 1200 B, interleaved, both ways, beside idle allocations; ours only");
    let mut costs = IDLE.map(|_| Vec::new());
    for round in 1..=options.rounds {
        for (idle, costs) in IDLE.into_iter().zip(&mut costs) {
            let plan = |server| Plan { idle, direction: Direction::Both, ..options.plan(server, false) };
            match measured(|| Sample::take(options, Kind::Ours, plan)) {
                Some(sample) => {
                    println!("  round {round}, {idle} idle: {sample}");
                    costs.push(sample.cost);
                }
                None => println!("  round {round}, {idle} idle: not measured"),
            }
        }
    }
    if costs.iter().any(Vec::is_empty) {
        println!("  not measured: every count needs a round (open files: see `ulimit -n`)");
        return;
    }
    let [none, thousand, ten_thousand] = costs.map(|costs| Spread::of(costs).median);
    for (idle, cost) in [(1000, thousand), (10_000, ten_thousand)] {
        let ratio = cost / none;
        println!(
            "  {idle} idle: {ratio:.2} times the cost beside none (goal: at most 1.15): {}",
            verdict(ratio <= 1.15)
        );
    }
}

/// One relay under one kind of traffic, once.
struct Sample {
    /// Nanoseconds of CPU time for each packet that arrived.
    cost: f64,
    /// Packets per second that arrived.
    rate: f64,
    outcome: Outcome,
}

impl Sample {
    fn take(options: &Options, kind: Kind, plan: impl Fn(SocketAddr) -> Plan) -> Result<Self, LoadError> {
        let relay = Relay::start(options, kind);
        let mut session = Session::open(plan(relay.address))?;
        session.drive(WARMUP)?;
        let before = relay.cpu_ns();
        let outcome = session.drive(options.seconds)?;
        let spent = relay.cpu_ns() - before;
        let cost = spent / outcome.total.delivered.max(1) as f64;
        Ok(Self { cost, rate: outcome.packets_per_second(), outcome })
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let traffic = &self.outcome.total;
        let lost = traffic.lost as f64 * 100.0 / traffic.sent.max(1) as f64;
        write!(f, "{:.0} ns, {:.0} /s, {lost:.1} % lost", self.cost, self.rate)?;
        if let Some(p50) = traffic.latency_p50_us {
            write!(f, ", {p50:.0} us")?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Coturn,
    Ours,
}

/// A running relay; dropping it ends it.
struct Relay {
    child: Child,
    address: SocketAddr,
    pid_file: Option<PathBuf>,
}

impl Relay {
    fn start(options: &Options, kind: Kind) -> Self {
        match kind {
            Kind::Ours => Self::start_ours(&options.ours),
            Kind::Coturn => Self::start_coturn(&options.coturn),
        }
    }

    fn start_ours(program: &Path) -> Self {
        let mut command = on_server_cpu(program);
        command.args(["--listen", "127.0.0.1:0", "--realm", "dialtone", "--allow-peer", "127.0.0.0/8"]);
        command.args(["--user", &format!("{USER}:{PASSWORD}"), "--log", "error"]);
        command.args(["--max-allocations", "20000", "--max-allocations-per-user", "20000"]);
        // One source is all the clients there are.
        command.args(["--max-allocations-per-ip", "20000", "--unauthenticated-rate", "0", "--workers", "1"]);
        let child = command.stdout(Stdio::piped()).spawn().expect("setpriv and taskset of util-linux start");
        // From here on a panic ends the child.
        let mut relay = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), pid_file: None };
        let mut line = String::new();
        BufReader::new(relay.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("udp://").nth(1).and_then(|rest| rest.split_whitespace().next());
        let address =
            address.unwrap_or_else(|| panic!("{} says `{}`, not where it listens", program.display(), line.trim()));
        relay.address = address.parse().unwrap();
        relay
    }

    fn start_coturn(program: &Path) -> Self {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let pid_file = std::env::temp_dir().join(format!("bench-turn-{}-{port}.pid", std::process::id()));
        let mut command = on_server_cpu(program);
        command.args(["-m", "1", "-n", "--no-cli", "--lt-cred-mech", "-r", "dialtone", "--allow-loopback-peers"]);
        command.args(["--no-tls", "--no-dtls", "--log-file=/dev/null", "--simple-log", "-L", "127.0.0.1"]);
        command.args(["-u", &format!("{USER}:{PASSWORD}"), "-p", &port.to_string()]);
        command.arg(format!("--min-port={}", COTURN_PORTS.0)).arg(format!("--max-port={}", COTURN_PORTS.1));
        command.arg(format!("--pidfile={}", pid_file.display()));
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv and taskset of util-linux start");
        let mut relay = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)), pid_file: Some(pid_file) };
        relay.wait_until_it_answers(program);
        relay
    }

    fn wait_until_it_answers(&mut self, program: &Path) {
        let until = now() + START_LIMIT;
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let request = MessageBuilder::new(Class::Request, Method::Binding, TransactionId([7; 12])).finish();
        while now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended at once: {status}", program.display());
            }
            // Refused until it listens.
            let answered = socket.send(&request).and_then(|_| socket.recv(&mut [0; 1500])).is_ok();
            if answered {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{} does not answer at {} within {} s", program.display(), self.address, START_LIMIT.as_secs());
    }

    /// Time all its threads have been on a CPU, in nanoseconds.
    fn cpu_ns(&self) -> f64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        threads
            .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok())
            .filter_map(|stat| stat.split_whitespace().next()?.parse::<f64>().ok())
            .sum()
    }

    fn rss_kb(&self) -> f64 {
        // VmRSS may be off by more than our allocations weigh; this file is counted when it is read.
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap();
        let line = rollup.lines().find(|line| line.starts_with("Rss:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(file) = &self.pid_file {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Least, middle and most of the rounds.
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        Self { min: values[0], median, max: values[values.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "min {:.2}, median {:.2}, max {:.2}", self.min, self.median, self.max)
    }
}

/// Tries again with a new relay where a set-up fails.
fn measured<T>(take: impl Fn() -> Result<T, LoadError>) -> Option<T> {
    for _ in 0..TRIES {
        match take() {
            Ok(value) => return Some(value),
            Err(error) => println!("  (tried again: {error})"),
        }
    }
    None
}

/// Both helpers become the program, so the child is the relay itself; it ends with us even when we are killed.
fn on_server_cpu(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "-c", &SERVER_CPU.to_string()]).arg(program).stdin(Stdio::null());
    command
}

fn pin_driver() {
    let mut cpus = CpuSet::new();
    cpus.set(DRIVER_CPU).unwrap();
    // Threads made later stay on it as well.
    if let Err(error) = sched_setaffinity(Pid::from_raw(0), &cpus) {
        println!("CPU {DRIVER_CPU} cannot be had ({error}): relay and load generator share, the figures mean little");
    }
}

fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let output = output
        .unwrap_or_else(|error| panic!("{}: {error} (Debian package coturn, or --coturn PATH)", program.display()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("version unknown").trim().to_owned()
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures the wall clock")]
fn now() -> Instant {
    Instant::now()
}
