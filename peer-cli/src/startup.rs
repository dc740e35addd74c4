//! What a program does before its own work begins: the log, and listening for the signals that end it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// A bare level is for our own code; the libraries below then say only what is an error.
pub fn start_log(filter: &str) -> Result<(), ParseError> {
    let filter = if filter.contains(['=', ',']) {
        EnvFilter::try_new(filter)?
    } else {
        let ours = ["dialtone_peer", "dialtone_server", "dialtone_turn"].map(|name| format!("{name}={filter}"));
        EnvFilter::try_new(format!("off,{}", ours.join(",")))?
    };
    let color = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color).with_writer(std::io::stderr).init();
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM; false when neither can be heard here.
pub async fn stop_signal() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return false;
    };
    tokio::select! {
        _ = interrupt.recv() => true,
        _ = terminate.recv() => true,
    }
}
