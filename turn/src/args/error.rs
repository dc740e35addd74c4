//! What is wrong with options that are each good by themselves.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::values::Span;

/// Options that make no relay together. It names the option, the value at fault and what to give.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error(
        "nobody could use this relay, and it is never open to all: give --user NAME:PASSWORD, --secret TEXT or --secret-file FILE"
    )]
    NoCredentials,
    #[error("--user is NAME:PASSWORD, and one of them is missing")]
    User,
    #[error("--user {name} is given twice: give each user one password")]
    TwoUsers { name: String },
    #[error("--secret is empty: give a long random text, for example from `openssl rand -hex 32`")]
    EmptySecret,
    #[error("cannot read --secret-file {}: {source}", .path.display())]
    SecretFile { path: PathBuf, source: io::Error },
    #[error("--secret-file {} is empty: put a long random text into it, for example from `openssl rand -hex 32`", .path.display())]
    EmptySecretFile { path: PathBuf },
    #[error("--secret-file {} has more than one line: one secret for each file, and --secret-file for each of them", .path.display())]
    SecretFileLines { path: PathBuf },
    #[error("--tls-listen, --tls-cert and --tls-key go together: give all three or none")]
    HalfTls,
    #[error("--discovery {second} needs an address to be the second of: give --listen")]
    DiscoveryAlone { second: SocketAddr },
    #[error(
        "--discovery {second} goes together with the first --listen, {first}: give exact addresses of one family (not 0.0.0.0 or [::]) that differ in IP address and in port (RFC 5780)"
    )]
    Discovery { first: SocketAddr, second: SocketAddr },
    #[error("{option} {address} cannot be reached: give the address and the port of another relay")]
    AlternateServer { option: &'static str, address: SocketAddr },
    #[error("{option} {first} and {second} are of one family: give at most one IPv4 and one IPv6 address")]
    TwoAlternateServers { option: &'static str, first: SocketAddr, second: SocketAddr },
    #[error("--default-lifetime {default} is longer than --max-lifetime {max}: lower the one or raise the other")]
    Lifetimes { default: Span, max: Span },
    #[error("{option} 0s leaves no time for anything: give at least 1s, for example {example}")]
    NoTime { option: &'static str, example: Span },
    #[error("{option} 0 serves nobody: give at least 1, for example {example}")]
    Nobody { option: &'static str, example: usize },
    #[error(
        "--max-streams-per-ip 0 lets nobody connect: give at least 1, for example {example}, or --max-streams 0 for a relay without TCP and TLS connections"
    )]
    NoStreams { example: usize },
    #[error("--permissions-per-allocation 0 lets nobody reach a peer: give at least 1")]
    NoPermissions,
}
