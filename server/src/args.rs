//! The command line and the environment, and what they mean.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Parser, ValueEnum};
use dialtone_server::{Config, IceConfig, InvalidOrigin, Limits, MembersFormat, Origin, Origins, Secret, Tls};
use tracing_subscriber::EnvFilter;

const AFTER_HELP: &str = "\
Examples:
  dialtone-server
      Listens on 127.0.0.1:8080; pages from the same host and port may connect.
  dialtone-server --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem --origin https://call.example
      Listens on every interface with TLS; pages from https://call.example may connect.
  dialtone-server --turn-url turn:turn.example:3478 --turn-secret-file secret --ice-without-login
      Gives every client a TURN login that expires, from the secret that the TURN server knows too.

Every option can be given as the environment variable that its help names; lists are separated by commas.

Exit codes:
  0   stopped by SIGINT or SIGTERM
  1   could not start, for instance because the port is taken
  64  wrong usage or configuration";

/// A signaling server for WebRTC calls: STOMP over WebSocket and SockJS, compatible with Spring's simple broker.
#[derive(Debug, Parser)]
#[command(name = "dialtone-server", version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, env = "DIALTONE_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The certificate chain in PEM form; needs --tls-key
    #[arg(long, env = "DIALTONE_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The private key in PEM form; needs --tls-cert
    #[arg(long, env = "DIALTONE_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// TLS with a fresh self-signed certificate; for development
    #[arg(long, env = "DIALTONE_TLS_SELF_SIGNED", value_parser = BoolishValueParser::new())]
    tls_self_signed: bool,
    /// An origin whose pages may connect, such as https://call.example (repeatable), or `any`; pages from the same host
    /// and port may always
    #[arg(long, env = "DIALTONE_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    origin: Vec<String>,
    /// A TURN URL for clients (repeatable); needs a secret
    #[arg(long, env = "DIALTONE_TURN_URL", value_name = "URL", value_delimiter = ',')]
    turn_url: Vec<String>,
    /// The secret shared with the TURN server; better given as a file or in the environment
    #[arg(long, env = "DIALTONE_TURN_SECRET", value_name = "SECRET", hide_env_values = true)]
    turn_secret: Option<String>,
    /// A file that holds the secret shared with the TURN server
    #[arg(long, env = "DIALTONE_TURN_SECRET_FILE", value_name = "FILE")]
    turn_secret_file: Option<PathBuf>,
    /// A STUN URL for clients (repeatable)
    #[arg(long, env = "DIALTONE_STUN_URL", value_name = "URL", value_delimiter = ',')]
    stun_url: Vec<String>,
    /// How long a TURN login is good for: a client may start an allocation with it so long, and refresh it for ever
    #[arg(long, env = "DIALTONE_TURN_TTL", value_name = "SECONDS", default_value_t = 43_200)]
    turn_ttl: u64,
    /// Give TURN logins to clients that did not log in; the relay is then open to whoever reaches this server
    #[arg(long, env = "DIALTONE_ICE_WITHOUT_LOGIN", value_parser = BoolishValueParser::new())]
    ice_without_login: bool,
    /// How many members a room takes
    #[arg(long, env = "DIALTONE_CAPACITY", value_name = "N", default_value_t = 2)]
    capacity: usize,
    /// How member lists are written: plain session ids, or objects with sid and displayName
    #[arg(long, env = "DIALTONE_MEMBERS", value_enum, default_value_t = Members::Ids)]
    members: Members,
    /// Let sessions that are not members hear a room's /members and /signal, for lobby pages
    #[arg(long, env = "DIALTONE_OPEN_TOPICS", value_parser = BoolishValueParser::new())]
    open_topics: bool,
    /// How long a client that asked for it keeps its seat after its socket is lost; 0: not at all
    #[arg(long, env = "DIALTONE_RESUME_GRACE", value_name = "SECONDS", default_value_t = 30)]
    resume_grace: u64,
    /// How many frames a client may send per second in the long run; 0: no limit
    #[arg(long, env = "DIALTONE_FRAME_RATE", value_name = "N", default_value_t = 200)]
    frame_rate: u32,
    /// Do not serve the call page at `/` and `/r/{room}`; signaling only
    #[arg(long, env = "DIALTONE_NO_PAGE", value_parser = BoolishValueParser::new())]
    no_page: bool,
    /// Behave as an old Spring application: silent refusals, "Room is full" as text, no heart-beats
    #[arg(long, env = "DIALTONE_SPRING", value_parser = BoolishValueParser::new())]
    spring: bool,
    /// What to log, such as `info` or `dialtone_server=debug`
    #[arg(long, env = "DIALTONE_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    /// How to log, on standard error
    #[arg(long, env = "DIALTONE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub(crate) log_format: LogFormat,
}

/// How a member list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Members {
    Ids,
    Objects,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Human,
    Json,
}

/// Options that do not go together, or a value that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("--tls-cert and --tls-key go together, and {missing} is missing")]
    HalfTls { missing: &'static str },
    #[error("--tls-self-signed makes its own certificate; leave out --tls-cert and --tls-key, or leave it out")]
    TwoCertificates,
    #[error("--origin: {0}; to let every page connect, say `any` and nothing else")]
    Origin(#[from] InvalidOrigin),
    #[error("--origin any lets every page connect; leave out the other origins, or leave out `any`")]
    AnyAndOthers,
    #[error("the TURN secret is given twice; use either --turn-secret or --turn-secret-file")]
    TwoSecrets,
    #[error("the TURN secret in {path} cannot be read: {why}")]
    SecretFile { path: PathBuf, why: String },
    #[error("the TURN secret is empty")]
    EmptySecret,
    #[error("--turn-url needs the secret of the TURN server: --turn-secret-file FILE or --turn-secret SECRET")]
    NoSecret,
    #[error("{option} takes URLs that begin with {expected}, such as {example}, and not {found:?}")]
    Url { option: &'static str, expected: &'static str, example: &'static str, found: String },
    #[error("--capacity is at least 1; 2 is a call between two")]
    NoCapacity,
    #[error("--resume-grace is at most {MOST_GRACE} seconds, a day")]
    LongGrace,
    #[error("--turn-ttl is at least 1 second")]
    NoTtl,
    #[error("--log {found:?}: {why}; try `info` or `dialtone_server=debug`")]
    Log { found: String, why: String },
}

/// A seat that is kept for days blocks its room for nobody.
const MOST_GRACE: u64 = 24 * 3600;

impl Args {
    /// The configuration; `read` reads a secret's file.
    pub(crate) fn config(&self, read: impl Fn(&Path) -> std::io::Result<String>) -> Result<Config, UsageError> {
        if self.resume_grace > MOST_GRACE {
            return Err(UsageError::LongGrace);
        }
        if self.capacity == 0 {
            return Err(UsageError::NoCapacity);
        }
        Ok(Config {
            listen: self.listen,
            tls: self.tls()?,
            origins: self.origins()?,
            ice: self.ice(read)?,
            capacity: self.capacity,
            members: match self.members {
                Members::Ids => MembersFormat::Ids,
                Members::Objects => MembersFormat::Objects,
            },
            open_topics: self.open_topics,
            resume_grace: Duration::from_secs(self.resume_grace),
            page: !self.no_page,
            spring: self.spring,
            limits: Limits { frame_rate: self.frame_rate, ..Limits::default() },
            ..Config::default()
        })
    }

    /// What to log.
    pub(crate) fn filter(&self) -> Result<EnvFilter, UsageError> {
        let wrong = |why: String| UsageError::Log { found: self.log.clone(), why };
        EnvFilter::try_new(&self.log).map_err(|error| wrong(error.to_string()))
    }

    fn tls(&self) -> Result<Option<Tls>, UsageError> {
        match (&self.tls_cert, &self.tls_key, self.tls_self_signed) {
            (None, None, false) => Ok(None),
            (None, None, true) => Ok(Some(Tls::SelfSigned)),
            (_, _, true) => Err(UsageError::TwoCertificates),
            (Some(cert), Some(key), false) => Ok(Some(Tls::Files { cert: cert.clone(), key: key.clone() })),
            (Some(_), None, false) => Err(UsageError::HalfTls { missing: "--tls-key" }),
            (None, Some(_), false) => Err(UsageError::HalfTls { missing: "--tls-cert" }),
        }
    }

    fn origins(&self) -> Result<Origins, UsageError> {
        match &self.origin[..] {
            [] => Ok(Origins::SameOrigin),
            [any] if any == "any" => Ok(Origins::Any),
            list if list.iter().any(|origin| origin == "any") => Err(UsageError::AnyAndOthers),
            list => Ok(Origins::List(list.iter().map(|origin| origin.parse::<Origin>()).collect::<Result<_, _>>()?)),
        }
    }

    fn ice(&self, read: impl Fn(&Path) -> std::io::Result<String>) -> Result<IceConfig, UsageError> {
        check("--stun-url", "stun: or stuns:", "stun:stun.example:3478", &["stun:", "stuns:"], &self.stun_url)?;
        check("--turn-url", "turn: or turns:", "turn:turn.example:3478", &["turn:", "turns:"], &self.turn_url)?;
        if self.turn_ttl == 0 {
            return Err(UsageError::NoTtl);
        }
        let secret = match (&self.turn_secret, &self.turn_secret_file) {
            (Some(_), Some(_)) => return Err(UsageError::TwoSecrets),
            (Some(secret), None) => Some(secret.clone()),
            (None, Some(path)) => {
                let wrong =
                    |error: std::io::Error| UsageError::SecretFile { path: path.clone(), why: error.to_string() };
                Some(read(path).map_err(wrong)?)
            }
            (None, None) => None,
        };
        let secret = secret.map(|text| Secret::parse(&text).ok_or(UsageError::EmptySecret)).transpose()?;
        if secret.is_none() && !self.turn_url.is_empty() {
            return Err(UsageError::NoSecret);
        }
        Ok(IceConfig {
            stun_urls: self.stun_url.clone(),
            turn_urls: self.turn_url.clone(),
            turn_secret: secret,
            turn_ttl: Duration::from_secs(self.turn_ttl),
            without_login: self.ice_without_login,
        })
    }
}

fn check(
    option: &'static str,
    expected: &'static str,
    example: &'static str,
    schemes: &[&str],
    urls: &[String],
) -> Result<(), UsageError> {
    let good = |url: &&String| schemes.iter().any(|s| url.strip_prefix(s).is_some_and(|rest| !rest.is_empty()));
    match urls.iter().find(|url| !good(url)) {
        Some(found) => Err(UsageError::Url { option, expected, example, found: found.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unwrap_in_result, reason = "the words are the test's own and parse")]
    fn config(line: &str) -> Result<Config, UsageError> {
        let words = std::iter::once("dialtone-server").chain(line.split_whitespace());
        Args::try_parse_from(words).unwrap().config(|path| match path.to_str() {
            Some("secret") => Ok("north\n".to_owned()),
            Some("empty") => Ok("\n".to_owned()),
            Some(_) | None => Err(std::io::ErrorKind::NotFound.into()),
        })
    }

    #[test]
    fn without_options_the_defaults_are_the_safe_ones() {
        let config = config("").unwrap();
        assert_eq!(config.listen, Config::default().listen);
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.origins, Origins::SameOrigin);
        assert_eq!(config.capacity, 2);
        assert!(!config.ice.without_login && !config.spring && !config.open_topics && config.page);
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.resume_grace, Duration::from_secs(30));
    }

    #[test]
    fn every_option_reaches_the_configuration() {
        let config = config(
            "--listen 0.0.0.0:0 --tls-self-signed --origin https://a.example --origin http://b.example:81 \
             --turn-url turn:t.example --turn-secret-file secret --stun-url stun:s.example --turn-ttl 60 \
             --ice-without-login --capacity 3 --members objects --open-topics --resume-grace 5 --frame-rate 0 --spring \
             --no-page",
        )
        .unwrap();
        assert_eq!(config.tls, Some(Tls::SelfSigned));
        let origins = ["https://a.example", "http://b.example:81"].map(|o| o.parse().unwrap());
        assert_eq!(config.origins, Origins::List(origins.to_vec()));
        let ice = IceConfig {
            stun_urls: vec!["stun:s.example".into()],
            turn_urls: vec!["turn:t.example".into()],
            turn_secret: Secret::parse("north"),
            turn_ttl: Duration::from_secs(60),
            without_login: true,
        };
        assert_eq!(config.ice, ice);
        assert_eq!((config.capacity, config.members), (3, MembersFormat::Objects));
        assert!(config.open_topics && config.spring && !config.page);
        assert_eq!((config.resume_grace, config.limits.frame_rate), (Duration::from_secs(5), 0));
    }

    #[test]
    fn the_nearest_mistakes_are_told_with_the_way_out() {
        for (line, hint) in [
            ("--tls-cert cert.pem", "--tls-key is missing"),
            ("--tls-key key.pem", "--tls-cert is missing"),
            ("--tls-self-signed --tls-cert c --tls-key k", "leave out"),
            ("--origin *", "say `any`"),
            ("--origin call.example", "https://call.example:8443"),
            ("--origin any --origin https://a.example", "leave out"),
            ("--turn-url turn:t.example", "--turn-secret-file"),
            ("--turn-url stun:t.example --turn-secret x", "begin with turn:"),
            ("--stun-url stun.example", "begin with stun:"),
            ("--turn-secret x --turn-secret-file secret", "either"),
            ("--turn-secret-file nowhere", "nowhere cannot be read"),
            ("--turn-secret-file empty", "is empty"),
            ("--turn-ttl 0", "at least 1"),
            ("--capacity 0", "at least 1"),
        ] {
            let error = config(line).unwrap_err().to_string();
            assert!(error.contains(hint), "{line}: {error}");
        }
    }

    #[test]
    fn a_log_filter_that_is_none_is_told() {
        let args = Args::try_parse_from(["dialtone-server", "--log", "server=loud"]).unwrap();
        assert!(args.filter().unwrap_err().to_string().contains("server=loud"));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert!(!format!("{:?}", config("--turn-secret north").unwrap()).contains("north"));
    }
}
