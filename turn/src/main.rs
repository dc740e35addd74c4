//! The relay as a program: arguments, one ready line, and a clean stop.

mod args;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser as _;
use dialtone_turn::{Config, Relay};
use tracing_subscriber::EnvFilter;

use crate::args::Args;

/// Could not start.
const FAILURE: u8 = 1;
/// The options make no relay (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;
/// Open files besides those of allocations and connections: listeners, standard streams, what the runtime keeps.
#[cfg(unix)]
const OTHER_FILES: usize = 64;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version come this way too. Nothing is left to do where even printing fails.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let Ok(filter) = EnvFilter::try_new(&args.log) else {
        return fail(USAGE, "--log is a filter such as `info` or `dialtone_turn=debug`");
    };
    let color = std::io::stderr().is_terminal();
    // Whoever reads standard error may stop reading. Lines are then lost, and no packet waits for them.
    let (writer, _until_the_end) = tracing_appender::non_blocking(std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color).with_writer(writer).init();
    let config = match args.into_config(|path| std::fs::read_to_string(path)) {
        Ok(config) => config,
        Err(error) => return fail(USAGE, &error.to_string()),
    };
    raise_file_limit(&config);
    run(config).await
}

async fn run(config: Config) -> ExitCode {
    // Before the ready line: whoever reads it may stop us at once.
    let stop = match stop_signal() {
        Ok(stop) => stop,
        Err(error) => return fail(FAILURE, &format!("cannot listen for signals: {error}")),
    };
    let relay = match Relay::spawn(config).await {
        Ok(relay) => relay,
        Err(error) if error.is_usage() => return fail(USAGE, &error.to_string()),
        Err(error) => return fail(FAILURE, &error.to_string()),
    };
    say_ready(&relay);
    stop.await;
    relay.shutdown().await;
    ExitCode::SUCCESS
}

/// Every allocation and every connection needs a file descriptor; many systems give a program 1024 until it asks.
#[cfg(unix)]
fn raise_file_limit(config: &Config) {
    use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
    let listeners = config.listen.len() + config.tls_listen.len();
    let streams = config.limits.max_streams.saturating_mul(listeners);
    let wanted = config.limits.max_allocations.saturating_add(streams).saturating_add(OTHER_FILES);
    let wanted = rlim_t::try_from(wanted).unwrap_or(rlim_t::MAX);
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let better = wanted.min(hard);
        if better <= soft {
            return Ok(soft);
        }
        setrlimit(Resource::RLIMIT_NOFILE, better, hard).map(|()| better)
    });
    match raised {
        Ok(files) if files >= wanted => {}
        Ok(files) => tracing::warn!(
            files,
            wanted,
            "too few open files for all allocations and connections: raise the limit (ulimit -n), or lower \
             --max-allocations"
        ),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

#[cfg(not(unix))]
fn raise_file_limit(_config: &Config) {}

#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

#[expect(clippy::print_stdout, reason = "the ready line is the program's output")]
fn say_ready(relay: &Relay) {
    let udp = relay.udp_addrs().iter().map(|at| format!(" udp://{at}"));
    let tcp = relay.tcp_addrs().iter().map(|at| format!(" tcp://{at}"));
    let tls = relay.tls_addrs().iter().map(|at| format!(" tls://{at}"));
    let all: String = udp.chain(tcp).chain(tls).collect();
    println!("dialtone-turn ready on{all}");
}

#[expect(clippy::print_stderr, reason = "a program says why it does not start")]
fn fail(code: u8, why: &str) -> ExitCode {
    eprintln!("dialtone-turn: {why}");
    ExitCode::from(code)
}
