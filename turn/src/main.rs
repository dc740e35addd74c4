//! The relay as a program: its options, one ready line, and a clean stop.

mod args;
mod config_file;
mod open_files;
mod signals;
mod summary;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use dialtone_turn::{Config, Relay};
use tracing_subscriber::EnvFilter;

use crate::config_file::{Given, NotUnderstood};
use crate::signals::Signals;

/// Could not start.
const FAILURE: u8 = 1;
/// The options make no relay (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;

// The relay has threads of its own; this one waits for signals and the operator.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let given = match Given::read(std::env::args_os().collect(), |path| std::fs::read_to_string(path)) {
        Ok(given) => given,
        Err(NotUnderstood::Line(error)) => {
            // Help and version come this way too. Nothing is left to do where even printing fails.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
        Err(NotUnderstood::File(error)) => return fail(USAGE, &error),
    };
    let Ok(filter) = EnvFilter::try_new(given.args.log()) else {
        return fail(USAGE, &"--log is a filter such as `info` or `dialtone_turn=debug`");
    };
    let color = std::io::stderr().is_terminal();
    // Whoever reads standard error may stop reading. Lines are then lost, and no packet waits for them.
    let (writer, _until_the_end) = tracing_appender::non_blocking(std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color).with_writer(writer).init();
    if let Some(path) = &given.confidential {
        config_file::warn_if_readable_by_others(path);
    }
    let (drain, only_check) = (given.args.drain(), given.args.check_config());
    let config = match given.args.into_config(|path| std::fs::read_to_string(path)) {
        Ok(config) => config,
        Err(error) => return fail(USAGE, &error),
    };
    if only_check {
        if let Err(error) = dialtone_turn::check(&config) {
            return fail(USAGE, &error);
        }
        say(&summary::summary(&config, drain));
        return ExitCode::SUCCESS;
    }
    open_files::raise_limit(&config);
    run(config, drain).await
}

async fn run(config: Config, drain: Duration) -> ExitCode {
    // Before the ready line: whoever reads it may stop us at once.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(FAILURE, &format!("cannot listen for signals: {error}")),
    };
    let relay = match Relay::spawn(config).await {
        Ok(relay) => relay,
        Err(error) if error.is_usage() => return fail(USAGE, &error),
        Err(error) => return fail(FAILURE, &error),
    };
    say(&ready(&relay));
    signals::serve(&relay, &mut signals, drain).await;
    relay.shutdown().await;
    ExitCode::SUCCESS
}

fn ready(relay: &Relay) -> String {
    let udp = relay.udp_addrs().iter().map(|at| format!(" udp://{at}"));
    let tcp = relay.tcp_addrs().iter().map(|at| format!(" tcp://{at}"));
    let tls = relay.tls_addrs().iter().map(|at| format!(" tls://{at}"));
    let admin = relay.admin_addr().map(|at| format!(" admin http://{at}"));
    let all: String = udp.chain(tcp).chain(tls).chain(admin).collect();
    format!("dialtone-turn ready on{all}")
}

#[expect(clippy::print_stdout, reason = "the ready line and the summary are the program's output")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "a program says why it does not start")]
fn fail(code: u8, why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("dialtone-turn: {why}");
    ExitCode::from(code)
}
