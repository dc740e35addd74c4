//! The command line and the environment, turned into a [`Config`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::Parser;
use dialtone_turn::{Config, Credentials, Limits, Secret, TlsFiles};
use ipnet::IpNet;

const LONG_ABOUT: &str = "\
A STUN/TURN relay (RFC 8489, RFC 8656) over UDP, TCP and TLS.

Clients that cannot reach each other directly borrow an address here. Every option can also be given as an \
environment variable; where an option may be repeated, the variable takes a list.";

const EXAMPLES: &str = "\
EXAMPLES
  A relay for tests on this machine (peers on loopback have to be opened):
    dialtone-turn --user test:test --allow-peer 127.0.0.0/8

  A public relay behind one address, with time-limited credentials and TLS:
    dialtone-turn --listen 0.0.0.0:3478 --public-ip 203.0.113.7 --secret-file /run/secrets/turn \\
        --tls-listen 0.0.0.0:5349 --tls-cert chain.pem --tls-key key.pem --relay-ports 50000-59999

When it serves, it prints one line that starts with `dialtone-turn ready on`.

EXIT CODES
  0   stopped by SIGINT or SIGTERM
  1   could not start, for example because the port is taken
  64  the options do not make a relay";

/// A STUN/TURN relay over UDP, TCP and TLS.
#[derive(Parser)]
#[command(name = "dialtone-turn", version, long_about = LONG_ABOUT, after_long_help = EXAMPLES, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address to serve on UDP and TCP (repeatable; variable: separated by commas)
    #[arg(
        long,
        env = "DIALTONE_TURN_LISTEN",
        value_name = "ADDR",
        value_delimiter = ',',
        default_value = "127.0.0.1:3478"
    )]
    listen: Vec<SocketAddr>,

    /// Address to serve on TLS; needs --tls-cert and --tls-key (repeatable; variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_TLS_LISTEN", value_name = "ADDR", value_delimiter = ',')]
    tls_listen: Vec<SocketAddr>,

    /// Certificate chain for TLS, PEM
    #[arg(long, env = "DIALTONE_TURN_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// Private key for TLS, PEM
    #[arg(long, env = "DIALTONE_TURN_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Domain of the credentials
    #[arg(long, env = "DIALTONE_TURN_REALM", value_name = "NAME", default_value = "dialtone")]
    realm: String,

    /// A fixed user (repeatable; variable: one per line)
    #[arg(
        long,
        env = "DIALTONE_TURN_USER",
        value_name = "NAME:PASSWORD",
        value_delimiter = '\n',
        hide_env_values = true
    )]
    user: Vec<String>,

    /// Secret shared with the application that makes time-limited credentials (repeatable while one replaces
    /// another; variable: one per line)
    #[arg(long, env = "DIALTONE_TURN_SECRET", value_name = "TEXT", value_delimiter = '\n', hide_env_values = true)]
    secret: Vec<String>,

    /// File with such a secret; white space around it does not count (repeatable; variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_SECRET_FILE", value_name = "FILE", value_delimiter = ',')]
    secret_file: Vec<PathBuf>,

    /// Address the world sees this relay at, one of each family (repeatable; variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_PUBLIC_IP", value_name = "IP", value_delimiter = ',')]
    public_ip: Vec<IpAddr>,

    /// Private network that clients may reach all the same; the relay's own address counts as private (repeatable;
    /// variable: separated by commas)
    #[arg(long, env = "DIALTONE_TURN_ALLOW_PEER", value_name = "CIDR", value_delimiter = ',')]
    allow_peer: Vec<IpNet>,

    /// Ports for relayed addresses [default: the system picks]
    #[arg(long, env = "DIALTONE_TURN_RELAY_PORTS", value_name = "FIRST-LAST", value_parser = parse_ports)]
    relay_ports: Option<RangeInclusive<u16>>,

    /// Most allocations at a time
    #[arg(long, env = "DIALTONE_TURN_MAX_ALLOCATIONS", value_name = "N", default_value_t = Limits::default().max_allocations)]
    max_allocations: usize,

    /// Most allocations at a time for one user
    #[arg(long, env = "DIALTONE_TURN_MAX_ALLOCATIONS_PER_USER", value_name = "N", default_value_t = Limits::default().max_allocations_per_user)]
    max_allocations_per_user: usize,

    /// What to log, as `level` or `target=level,...`; goes to standard error
    #[arg(long, env = "DIALTONE_TURN_LOG", value_name = "FILTER", default_value = "info")]
    pub(crate) log: String,
}

impl Args {
    /// Checks what clap cannot. `read` reads a file; everything else is in the arguments.
    pub(crate) fn into_config(self, read: impl Fn(&Path) -> io::Result<String>) -> Result<Config, ArgsError> {
        let mut credentials = Credentials::default();
        for user in &self.user {
            // The message must not repeat what may be a password.
            let (name, password) = user
                .split_once(':')
                .filter(|(name, password)| !name.is_empty() && !password.is_empty())
                .ok_or(ArgsError::User)?;
            credentials.users.insert(name.to_owned(), password.to_owned());
        }
        for text in self.secret {
            credentials.secrets.push(Secret::new(text).ok_or(ArgsError::EmptySecret)?);
        }
        for path in self.secret_file {
            let text = read(&path).map_err(|source| ArgsError::SecretFile { path: path.clone(), source })?;
            let secret = Secret::new(text.trim()).ok_or(ArgsError::EmptySecretFile { path })?;
            credentials.secrets.push(secret);
        }
        if credentials.is_empty() {
            return Err(ArgsError::NoCredentials);
        }
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(ArgsError::HalfTls),
        };
        if tls.is_some() == self.tls_listen.is_empty() {
            return Err(ArgsError::HalfTls);
        }
        Ok(Config {
            listen: self.listen,
            tls_listen: self.tls_listen,
            tls,
            realm: self.realm,
            credentials,
            public_ip: self.public_ip,
            allow_peer: self.allow_peer,
            relay_ports: self.relay_ports,
            limits: Limits {
                max_allocations: self.max_allocations,
                max_allocations_per_user: self.max_allocations_per_user,
                ..Limits::default()
            },
            ..Config::default()
        })
    }
}

/// What is wrong with the arguments taken together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error(
        "nobody could use this relay, and it is never open to all: give --user NAME:PASSWORD, --secret TEXT or --secret-file FILE"
    )]
    NoCredentials,
    #[error("--user is NAME:PASSWORD, and one of them is missing")]
    User,
    #[error("--secret is empty: give a long random text, for example from `openssl rand -hex 32`")]
    EmptySecret,
    #[error("cannot read --secret-file {}: {source}", .path.display())]
    SecretFile { path: PathBuf, source: io::Error },
    #[error("--secret-file {} is empty: put a long random text into it, for example from `openssl rand -hex 32`", .path.display())]
    EmptySecretFile { path: PathBuf },
    #[error("--tls-listen, --tls-cert and --tls-key go together: give all three or none")]
    HalfTls,
}

fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    text.split_once('-')
        .and_then(|(first, last)| Some((first.parse::<u16>().ok()?, last.parse::<u16>().ok()?)))
        .filter(|(first, last)| 0 < *first && first <= last)
        .map(|(first, last)| first..=last)
        .ok_or_else(|| "expected FIRST-LAST between 1 and 65535, such as 50000-59999".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_well_formed() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn one_user_is_enough() {
        let config = config(&["--user", "alice:se:cret"]).unwrap();
        assert_eq!(config.credentials.users["alice"], "se:cret");
        assert_eq!(config.listen, Config::default().listen);
        assert_eq!(config.realm, "dialtone");
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn everything_at_once() {
        let config = config(&[
            "--listen",
            "0.0.0.0:3478",
            "--listen",
            "[::]:3478",
            "--tls-listen",
            "0.0.0.0:5349",
            "--tls-cert",
            "c.pem",
            "--tls-key",
            "k.pem",
            "--realm",
            "example.org",
            "--secret",
            "one",
            "--secret-file",
            "two",
            "--public-ip",
            "203.0.113.7",
            "--public-ip",
            "2001:db8::7",
            "--allow-peer",
            "10.0.0.0/8",
            "--relay-ports",
            "50000-50010",
            "--max-allocations",
            "5",
            "--max-allocations-per-user",
            "2",
        ])
        .unwrap();
        assert_eq!(config.listen.len(), 2);
        assert_eq!(config.tls_listen.len(), 1);
        assert_eq!(config.public_ip.len(), 2);
        assert_eq!(config.allow_peer.len(), 1);
        assert_eq!(config.relay_ports, Some(50_000..=50_010));
        assert_eq!(config.limits.max_allocations, 5);
        assert_eq!(config.limits.max_allocations_per_user, 2);
        let expected: Vec<Secret> = ["one", "from-file"].into_iter().filter_map(Secret::new).collect();
        assert_eq!(config.credentials.secrets, expected);
    }

    #[test]
    fn nobody_at_all_is_refused_and_told_what_to_give() {
        let error = config(&[]).unwrap_err().to_string();
        assert!(error.contains("--user NAME:PASSWORD"), "{error}");
    }

    #[test]
    fn spaces_belong_to_passwords_and_secrets() {
        let config = config(&["--user", "al ice:pass word", "--secret", "a b c", "--secret", "d\ne"]).unwrap();
        assert_eq!(config.credentials.users["al ice"], "pass word");
        let expected: Vec<Secret> = ["a b c", "d", "e"].into_iter().filter_map(Secret::new).collect();
        assert_eq!(config.credentials.secrets, expected);
    }

    #[test]
    fn broken_user_is_refused_without_repeating_it() {
        for user in ["hush", ":hush", "hush:"] {
            let error = config(&["--user", user]).unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn tls_needs_all_three() {
        for some in [
            &["--tls-listen", "127.0.0.1:0"][..],
            &["--tls-cert", "c", "--tls-key", "k"],
            &["--tls-listen", "127.0.0.1:0", "--tls-cert", "c"],
        ] {
            let mut given = vec!["--user", "a:b"];
            given.extend_from_slice(some);
            assert!(matches!(config(&given), Err(ArgsError::HalfTls)), "{some:?}");
        }
    }

    #[test]
    fn missing_secret_file_is_named() {
        let error = config(&["--secret-file", "missing"]).unwrap_err().to_string();
        assert!(error.contains("missing"), "{error}");
    }

    #[test]
    fn port_range_is_first_to_last() {
        assert_eq!(parse_ports("1-65535"), Ok(1..=65_535));
        for text in ["", "5", "5-4", "0-4", "1-65536", "a-b"] {
            assert!(parse_ports(text).is_err(), "{text}");
        }
    }

    #[expect(clippy::unwrap_in_result, reason = "the words are the test's own and parse")]
    fn config(given: &[&str]) -> Result<Config, ArgsError> {
        let args = std::iter::once("dialtone-turn").chain(given.iter().copied());
        Args::try_parse_from(args).unwrap().into_config(|path| {
            if path == Path::new("two") {
                Ok(" from-file\n".to_owned())
            } else {
                Err(io::Error::from(io::ErrorKind::NotFound))
            }
        })
    }
}
