//! The command line, the environment and a file, turned into a [`Config`].

mod error;
mod options;
#[cfg(test)]
mod tests;
mod values;

use std::io;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use dialtone_turn::{Config, Credentials, Lifetimes, Limits, Secret, TlsFiles};

pub(crate) use self::error::ArgsError;
use self::options::{CredentialOptions, LimitOptions, ListenOptions, OperationOptions, PeerOptions};
pub(crate) use self::values::{BitRate, Span};

const LONG_ABOUT: &str = "\
A STUN/TURN relay (RFC 8489, RFC 8656) over UDP, TCP and TLS.

Clients that cannot reach each other directly borrow an address here. Every option can also be given as an \
environment variable, or in the file that --config names; where an option may be repeated, both take a list. An empty \
variable counts as none.";

const EXAMPLES: &str = "\
EXAMPLES
  A relay for tests on this machine (peers on loopback have to be opened):
    dialtone-turn --user test:test --allow-peer 127.0.0.0/8

  A public relay behind one address, with time-limited credentials and TLS:
    dialtone-turn --listen 0.0.0.0:3478 --public-ip 203.0.113.7 --secret-file /run/secrets/turn \\
        --tls-listen 0.0.0.0:5349 --tls-cert chain.pem --tls-key key.pem --relay-ports 50000-59999

  The same from a file, checked first:
    dialtone-turn --config turn.toml --check-config && dialtone-turn --config turn.toml
  where turn.toml has lines such as
    listen = [\"0.0.0.0:3478\", \"[::]:3478\"]
    public-ip = \"203.0.113.7\"
    secret-file = \"/run/secrets/turn\"
    max-bitrate = \"5M\"

When it serves, it prints one line that starts with `dialtone-turn ready on`.

SIGNALS
  SIGINT, SIGTERM  stop; with --drain first wait for allocations to end. A second one stops at once
  SIGUSR1          make no new allocations, and stop when the last one has ended
  SIGHUP           read certificate and key again, and all users and secrets, from the same command line, environment
                   and files; allocations go on. Everything else needs a restart

EXIT CODES
  0   stopped by a signal, or the configuration is good (--check-config)
  1   could not start, for example because the port is taken; or a worker has failed
  64  the options do not make a relay";

/// A STUN/TURN relay over UDP, TCP and TLS.
#[derive(Parser)]
#[command(name = "dialtone-turn", version, long_about = LONG_ABOUT, after_long_help = EXAMPLES, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    listening: ListenOptions,
    #[command(flatten)]
    credentials: CredentialOptions,
    #[command(flatten)]
    peers: PeerOptions,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    operation: OperationOptions,
}

impl Args {
    /// The file with further options.
    pub(crate) fn config_file(&self) -> Option<&Path> {
        self.operation.config.as_deref()
    }

    /// True when nothing is to be served.
    pub(crate) fn check_config(&self) -> bool {
        self.operation.check_config
    }

    /// What to log.
    pub(crate) fn log(&self) -> &str {
        &self.operation.log
    }

    /// How long a stop waits for allocations to end; zero: not at all.
    pub(crate) fn drain(&self) -> Duration {
        self.operation.drain.0
    }

    /// Checks what clap cannot. `read` reads a file; everything else is in the arguments.
    pub(crate) fn into_config(self, read: impl Fn(&Path) -> io::Result<String>) -> Result<Config, ArgsError> {
        let Self { listening, credentials, peers, limits, operation } = self;
        let nonce = at_least_a_second("--nonce-lifetime", credentials.nonce_lifetime, Lifetimes::default().nonce)?;
        let tls = listening.tls()?;
        listening.check_discovery()?;
        operation.check_alternate_servers()?;
        Ok(Config {
            realm: credentials.realm.clone(),
            credentials: credentials.load(read)?,
            lifetimes: Lifetimes { nonce, ..limits.lifetimes()? },
            limits: limits.limits()?,
            listen: listening.listen,
            tls_listen: listening.tls_listen,
            tls,
            public_ip: listening.public_ip,
            relay_ports: listening.relay_ports,
            discovery: listening.discovery,
            admin: listening.admin,
            allow_peer: peers.allow_peer,
            deny_peer: peers.deny_peer,
            alternate_server: operation.alternate_server,
            alternate_tls_server: operation.alternate_tls_server,
            workers: usize::from(operation.workers),
            software: operation.software,
        })
    }
}

impl ListenOptions {
    fn tls(&self) -> Result<Option<TlsFiles>, ArgsError> {
        let files = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.clone(), key: key.clone() }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(ArgsError::HalfTls),
        };
        if files.is_some() == self.tls_listen.is_empty() {
            return Err(ArgsError::HalfTls);
        }
        Ok(files)
    }

    fn check_discovery(&self) -> Result<(), ArgsError> {
        let Some(second) = self.discovery else {
            return Ok(());
        };
        let first = *self.listen.first().ok_or(ArgsError::DiscoveryAlone { second })?;
        let exact = !first.ip().is_unspecified() && !second.ip().is_unspecified();
        // The system picks for port 0, and never the same port twice.
        let other_port = first.port() != second.port() || first.port() == 0;
        if first.is_ipv4() == second.is_ipv4() && first.ip() != second.ip() && exact && other_port {
            Ok(())
        } else {
            Err(ArgsError::Discovery { first, second })
        }
    }
}

impl CredentialOptions {
    fn load(self, read: impl Fn(&Path) -> io::Result<String>) -> Result<Credentials, ArgsError> {
        let mut credentials = Credentials::default();
        for user in &self.user {
            // The message must not repeat what may be a password.
            let (name, password) = user
                .split_once(':')
                .filter(|(name, password)| !name.is_empty() && !password.is_empty())
                .ok_or(ArgsError::User)?;
            if credentials.users.insert(name.to_owned(), password.to_owned()).is_some() {
                return Err(ArgsError::TwoUsers { name: name.to_owned() });
            }
        }
        for text in self.secret {
            credentials.secrets.push(Secret::new(text).ok_or(ArgsError::EmptySecret)?);
        }
        for path in self.secret_file {
            let text = read(&path).map_err(|source| ArgsError::SecretFile { path: path.clone(), source })?;
            let text = text.trim();
            // Taken together, lines would be a secret that nobody has.
            if text.contains(['\n', '\r']) {
                return Err(ArgsError::SecretFileLines { path });
            }
            let secret = Secret::new(text).ok_or(ArgsError::EmptySecretFile { path })?;
            credentials.secrets.push(secret);
        }
        if credentials.is_empty() {
            return Err(ArgsError::NoCredentials);
        }
        Ok(credentials)
    }
}

impl LimitOptions {
    fn limits(&self) -> Result<Limits, ArgsError> {
        let usual = Limits::default();
        for (option, given, example) in [
            ("--max-allocations", self.max_allocations, usual.max_allocations),
            ("--max-allocations-per-user", self.max_allocations_per_user, usual.max_allocations_per_user),
            ("--max-allocations-per-ip", self.max_allocations_per_ip, usual.max_allocations_per_ip),
        ] {
            if given == 0 {
                return Err(ArgsError::Nobody { option, example });
            }
        }
        if self.permissions_per_allocation == 0 {
            return Err(ArgsError::NoPermissions);
        }
        if self.max_streams_per_ip == 0 {
            return Err(ArgsError::NoStreams { example: usual.max_streams_per_ip });
        }
        Ok(Limits {
            max_allocations: self.max_allocations,
            max_allocations_per_user: self.max_allocations_per_user,
            max_allocations_per_ip: self.max_allocations_per_ip,
            permissions_per_allocation: self.permissions_per_allocation,
            channels_per_allocation: self.channels_per_allocation,
            max_streams: self.max_streams,
            max_streams_per_ip: self.max_streams_per_ip,
            unauthenticated_per_second: self.unauthenticated_rate,
            max_bitrate: self.max_bitrate.0,
            max_total_bitrate: self.max_total_bitrate.0,
            ..usual
        })
    }

    fn lifetimes(&self) -> Result<Lifetimes, ArgsError> {
        let usual = Lifetimes::default();
        let allocation = at_least_a_second("--default-lifetime", self.default_lifetime, usual.allocation)?;
        if self.max_lifetime < self.default_lifetime {
            return Err(ArgsError::Lifetimes { default: self.default_lifetime, max: self.max_lifetime });
        }
        Ok(Lifetimes { allocation, max_allocation: self.max_lifetime.0, ..usual })
    }
}

impl OperationOptions {
    fn check_alternate_servers(&self) -> Result<(), ArgsError> {
        let all =
            [("--alternate-server", &self.alternate_server), ("--alternate-tls-server", &self.alternate_tls_server)];
        for (option, servers) in all {
            for (index, &address) in servers.iter().enumerate() {
                if address.ip().is_unspecified() || address.port() == 0 {
                    return Err(ArgsError::AlternateServer { option, address });
                }
                let mut before = servers.iter().take(index);
                if let Some(&first) = before.find(|first| first.is_ipv4() == address.is_ipv4()) {
                    return Err(ArgsError::TwoAlternateServers { option, first, second: address });
                }
            }
        }
        Ok(())
    }
}

fn at_least_a_second(option: &'static str, given: Span, usual: Duration) -> Result<Duration, ArgsError> {
    if given.0.is_zero() { Err(ArgsError::NoTime { option, example: Span(usual) }) } else { Ok(given.0) }
}
