//! `dialtone-server`: the signaling server as a program.

mod args;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use dialtone_server::{Config, Server};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use args::{Args, LogFormat};

/// Wrong usage or configuration (sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let help = !error.use_stderr();
            // There is nobody left to tell when the terminal is gone.
            let _ = error.print();
            return if help { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    let read = |path: &std::path::Path| std::fs::read_to_string(path);
    let (config, filter) = match args.config(read).and_then(|config| Ok((config, args.filter()?))) {
        Ok(read) => read,
        Err(error) => return fail(&error, USAGE),
    };
    start_log(filter, args.log_format);
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(format_args!("{error:#}"), 1),
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let server = Server::spawn(config).await?;
        announce(&server);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        server.shutdown().await;
        Ok(())
    })
}

fn start_log(filter: EnvFilter, format: LogFormat) {
    let color = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color).with_writer(std::io::stderr);
    match format {
        LogFormat::Human => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

#[expect(clippy::print_stdout, reason = "whoever starts the program waits for this line")]
fn announce(server: &Server) {
    println!("dialtone-server ready on {}", server.ws_url());
}

#[expect(
    clippy::print_stderr,
    reason = "the reason for not starting goes to the terminal, whatever the log filter says"
)]
fn fail(error: impl std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("dialtone-server: {error}");
    ExitCode::from(code)
}
