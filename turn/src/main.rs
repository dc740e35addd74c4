//! The relay as a program: its options, one ready line, and a clean stop.

mod args;
mod config_file;
mod exposure;
mod open_files;
mod reload;
mod signals;
mod summary;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use dialtone_turn::{Config, Relay};
use tracing::error;
use tracing_subscriber::EnvFilter;

use crate::config_file::{Given, NotUnderstood};
use crate::signals::{Ended, Signals};

/// Could not start, or could not go on.
const FAILURE: u8 = 1;
/// The options make no relay (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;

// The relay has threads of its own; this one waits for signals and the operator.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let given = match Given::now() {
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
    // Whoever reads standard error may stop reading. Lines are then lost, and no packet waits for them.
    let (writer, _until_the_end) = tracing_appender::non_blocking(io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(io::stderr().is_terminal()).with_writer(writer).init();
    if let Some(path) = &given.confidential {
        exposure::warn_if_readable_by_others(path);
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
        return match say(&summary::summary(&config, drain)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(FAILURE, &format!("the configuration is good, but nobody can be told: {error}")),
        };
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
    exposure::warn_if_admin_is_open(&config);
    let relay = match Relay::spawn(config).await {
        Ok(relay) => relay,
        Err(error) if error.is_usage() => return fail(USAGE, &error),
        Err(error) => return fail(FAILURE, &error),
    };
    // Whoever started the relay need not listen: clients do not.
    let _ = say(&ready(&relay));
    let code = match signals::serve(&relay, &mut signals, drain).await {
        Ended::Stopped => ExitCode::SUCCESS,
        Ended::Failed => {
            error!("a worker has failed, and nothing can be relayed any more");
            ExitCode::from(FAILURE)
        }
    };
    relay.shutdown().await;
    code
}

fn ready(relay: &Relay) -> String {
    let udp = relay.udp_addrs().iter().map(|at| format!(" udp://{at}"));
    let tcp = relay.tcp_addrs().iter().map(|at| format!(" tcp://{at}"));
    let tls = relay.tls_addrs().iter().map(|at| format!(" tls://{at}"));
    let admin = relay.admin_addr().map(|at| format!(" admin http://{at}"));
    let all: String = udp.chain(tcp).chain(tls).chain(admin).collect();
    format!("dialtone-turn ready on{all}")
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn fail(code: u8, why: &dyn std::fmt::Display) -> ExitCode {
    // Where even this cannot be written, the code is left.
    let _ = writeln!(io::stderr(), "dialtone-turn: {why}");
    ExitCode::from(code)
}
