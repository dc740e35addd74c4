//! `peer-cli`: arguments in, one run, exit code out. What a run is stands in the library.

use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use dialtone_peer::args::{Args, Command, CommonArgs};
#[cfg(all(feature = "embedded", target_os = "linux"))]
use dialtone_peer::args::{LoadCommand, LoadTurnArgs};
use dialtone_peer::console::Console;
use dialtone_peer::report::terminal::visible;
use dialtone_peer::report::{Report, metrics};
use dialtone_peer::run::{self, OutputError, RunError, Show, Started};
use dialtone_peer::startup::{start_log, stop_signal};
use tokio::sync::watch;

/// EX_USAGE of sysexits.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the one place where a run takes its clocks")]
    let (mono, unix) = (Instant::now(), SystemTime::now());
    let unix = unix.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            // The message is all there is to say; a closed standard error changes nothing.
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    if let Err(error) = start_log(&args.log) {
        return complain(&format!("--log {:?} is not a filter: {error}", args.log), USAGE);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("the runtime could not be started: {error}"), 1),
    };
    let code = runtime.block_on(carry_out(args.command, Started { mono, unix }));
    // A name that is still being looked up must not hold up the exit.
    runtime.shutdown_background();
    code
}

async fn carry_out(command: Command, started: Started) -> ExitCode {
    match command {
        Command::Call(call) if !call.common.list_metrics => {
            let (stop, mut console) = (stopped(), Console::new(call.common.takes_stdout(), call.common.quiet));
            console.headline(&call.headline());
            let report = run::calls(&call, started, stop, |what| show(&mut console, &what)).await;
            finish(report, &call.common, &mut console)
        }
        Command::Join(join) if !join.common.list_metrics => {
            let (stop, mut console) = (stopped(), Console::new(join.common.takes_stdout(), join.common.quiet));
            console.headline(&join.headline());
            let report = run::join(&join, started, stop, |what| show(&mut console, &what)).await;
            finish(report, &join.common, &mut console)
        }
        Command::Call(_) | Command::Join(_) | Command::Metrics => say(&metrics::list()),
        Command::Schema(schema) => say(&schema.of.json_schema()),
        Command::Report(report) => told(run::show(&report)),
        Command::Diff(diff) => told(run::diff(&diff)),
        Command::Nat(nat) => match run::nat(&nat).await {
            Ok(text) => say(&text),
            Err(error) => complain_of(&error, error.is_usage()),
        },
        Command::Doctor(doctor) => match run::doctor(&doctor, started).await {
            Ok(code) => code.into(),
            Err(error) => complain_of(&error, error.is_usage()),
        },
        #[cfg(all(feature = "embedded", target_os = "linux"))]
        Command::Load(LoadCommand::Turn(load)) => load_turn(load, started).await,
    }
}

/// Turns true when somebody says stop.
fn stopped() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        if stop_signal().await {
            stop.send_replace(true);
        }
        // Kept open: a closed channel would mean that nobody can say stop, not that somebody did.
        std::future::pending::<()>().await;
    });
    stopped
}

/// The generator blocks its thread with sockets of its own.
#[cfg(all(feature = "embedded", target_os = "linux"))]
async fn load_turn(args: LoadTurnArgs, started: Started) -> ExitCode {
    use dialtone_peer::embedded::load::{load_turn, render};
    let json = args.json.clone();
    if let Err(error) = run::check_outputs(&[("--json", json.as_deref())]) {
        return complain(&error.to_string(), USAGE);
    }
    let done = tokio::task::spawn_blocking(move || load_turn(&args, SystemTime::UNIX_EPOCH + started.unix)).await;
    let report = match done {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => return complain_of(&error, error.is_usage()),
        Err(error) => return complain(&error.to_string(), 1),
    };
    match json {
        None => say(&format!("{}\n", render(&report))),
        Some(to) => {
            let document = serde_json::to_string_pretty(&report).unwrap_or_default();
            told(run::write_json(document, &to).map(|()| String::new()))
        }
    }
}

fn show(console: &mut Console, what: &Show<'_>) {
    match what {
        Show::News(news) => console.show(news),
        Show::Note(text) => console.note(text),
    }
}

fn finish(report: Result<Report, RunError>, args: &CommonArgs, console: &mut Console) -> ExitCode {
    let report = match report {
        Ok(report) => report,
        Err(error) => return complain_of(&error, error.is_usage()),
    };
    console.finish(&report);
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| !value.is_empty()) {
        console.annotate(&report);
    }
    let unwritten = run::write_reports(&report, args);
    for error in &unwritten {
        let _ = complain(&error.to_string(), 1);
    }
    // What the calls came to says more than that a file is missing.
    match report.verdict.exit_code {
        0 if !unwritten.is_empty() => ExitCode::FAILURE,
        code => code.into(),
    }
}

fn told(text: Result<String, OutputError>) -> ExitCode {
    match text {
        Ok(text) => say(&text),
        Err(error) => complain_of(&error, error.is_usage()),
    }
}

fn say(text: &str) -> ExitCode {
    use std::io::Write;
    // A reader that has gone away (`| head`) is no failure of ours.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn complain_of(error: &dyn std::fmt::Display, is_usage: bool) -> ExitCode {
    complain(&error.to_string(), if is_usage { USAGE } else { 1 })
}

#[expect(clippy::print_stderr, reason = "complaints of the command line belong on standard error")]
fn complain(message: &str, code: u8) -> ExitCode {
    eprintln!("error: {}", visible(message));
    code.into()
}
