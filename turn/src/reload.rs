//! What the relay takes over while it serves: a new certificate, and other users and secrets.

use std::io;
use std::path::Path;
use std::time::Duration;

use dialtone_turn::{Credentials, Relay, SpawnError};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::args::ArgsError;
use crate::config_file::{Given, NotUnderstood};

/// How long files may take to be read: a file system that hangs must not keep the next signal from being heard.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Reads everything again that can change while the relay serves. What cannot be used changes nothing.
pub(crate) async fn reload(relay: &Relay) {
    let read = async {
        certificate(relay).await;
        match credentials(relay).await {
            Ok(()) => info!("SIGHUP: users and secrets were read again, and say who may start something from now on"),
            Err(error) => warn!(%error, "SIGHUP: users and secrets cannot be read again, the old ones stay"),
        }
    };
    if timeout(READ_WITHIN, read).await.is_err() {
        warn!("SIGHUP: the files cannot be read in time, what is not read stays as it is");
    }
}

async fn certificate(relay: &Relay) {
    if relay.tls_addrs().is_empty() {
        info!("SIGHUP: there is no TLS, and no certificate to read again");
        return;
    }
    match relay.reload_certificate().await {
        Ok(true) => info!("SIGHUP: a new certificate serves every later handshake"),
        Ok(false) => info!("SIGHUP: no new certificate, the old one stays"),
        Err(error) => warn!(%error, "SIGHUP: the new certificate is of no use, the old one stays"),
    }
}

/// Why there are no other users and secrets.
#[derive(Debug, thiserror::Error)]
enum CredentialsError {
    #[error("{}", .0.in_one_line())]
    Options(#[from] NotUnderstood),
    #[error(transparent)]
    Together(#[from] ArgsError),
    #[error(transparent)]
    Refused(#[from] SpawnError),
    #[error(transparent)]
    Interrupted(#[from] JoinError),
}

async fn credentials(relay: &Relay) -> Result<(), CredentialsError> {
    let credentials = spawn_blocking(read).await??;
    Ok(relay.set_credentials(credentials)?)
}

/// From where they came the first time.
fn read() -> Result<Credentials, CredentialsError> {
    let config = Given::now()?.args.into_config(read_file)?;
    Ok(config.credentials)
}

/// A pipe gives what it has only once, and then waits for more.
fn read_file(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file, and can be read only at the start"));
    }
    std::fs::read_to_string(path)
}
