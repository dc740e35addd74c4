//! What a configuration comes to, for whoever checks it. No user, password or secret is in it.

use std::fmt::Display;
use std::time::Duration;

use dialtone_turn::Config;

use crate::args::{BitRate, Span};

/// Lines for a person, each `name  value`; `drain` is how long a stop waits.
pub(crate) fn summary(config: &Config, drain: Duration) -> String {
    let Config { limits, lifetimes, credentials, .. } = config;
    let both = config.listen.iter().map(|at| format!("udp://{at} tcp://{at}"));
    let tls = config.tls_listen.iter().map(|at| format!("tls://{at}"));
    let rate = u64::from(limits.unauthenticated_per_second);
    let lines = [
        ("listeners", both.chain(tls).collect::<Vec<_>>().join(" ")),
        ("certificate", config.tls.as_ref().map_or_else(none, |files| files.cert.display().to_string())),
        ("public addresses", list(&config.public_ip, "those listened on")),
        (
            "relay ports",
            config
                .relay_ports
                .as_ref()
                .map_or_else(|| "the system picks".to_owned(), |ports| format!("{}-{}", ports.start(), ports.end())),
        ),
        ("NAT discovery", config.discovery.map_or_else(none, |at| format!("udp://{at}"))),
        ("admin", config.admin.map_or_else(none, |at| format!("http://{at}"))),
        ("realm", config.realm.clone()),
        (
            "credentials",
            format!(
                "{}, {}",
                count(credentials.users.len(), "user"),
                count(credentials.secrets.len(), "shared secret"),
            ),
        ),
        ("peers", peers(config)),
        (
            "allocations",
            format!(
                "{} at most, {} of one user, {} of one source",
                limits.max_allocations, limits.max_allocations_per_user, limits.max_allocations_per_ip,
            ),
        ),
        (
            "of each",
            format!(
                "{}, {}",
                count(limits.permissions_per_allocation, "permission"),
                count(limits.channels_per_allocation, "channel"),
            ),
        ),
        (
            "lifetimes",
            format!(
                "{} unless asked for more, {} at most; nonces {}",
                Span(lifetimes.allocation),
                Span(lifetimes.max_allocation),
                Span(lifetimes.nonce),
            ),
        ),
        (
            "connections",
            if limits.max_streams == 0 {
                "none, only UDP".to_owned()
            } else {
                format!(
                    "{} on each listener, {} without an allocation from one source",
                    limits.max_streams, limits.max_streams_per_ip
                )
            },
        ),
        ("unauthenticated", unlimited(rate, format_args!("{rate} answers per second to one source"))),
        (
            "bits per second",
            format!(
                "{} for one allocation, {} for all",
                unlimited(limits.max_bitrate, BitRate(limits.max_bitrate)),
                unlimited(limits.max_total_bitrate, BitRate(limits.max_total_bitrate)),
            ),
        ),
        ("workers", if config.workers == 0 { "one for each CPU".to_owned() } else { config.workers.to_string() }),
        ("drain", Span(drain).to_string()),
        ("alternate servers", list(&config.alternate_server, "none")),
        ("  for TLS", list(&config.alternate_tls_server, "none")),
    ];
    let lines = lines.map(|(name, value)| format!("  {name:<18}{value}"));
    format!("dialtone-turn: the configuration is good\n{}", lines.join("\n"))
}

fn none() -> String {
    "none".to_owned()
}

fn peers(config: &Config) -> String {
    let opened = list(&config.allow_peer, "");
    let closed = list(&config.deny_peer, "");
    let with = |what: &str, nets: String| if nets.is_empty() { nets } else { format!(", {what}: {nets}") };
    format!("public addresses{}{}", with("and opened", opened), with("but never", closed))
}

fn list<T: Display>(items: &[T], without: &str) -> String {
    if items.is_empty() {
        return without.to_owned();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

fn count(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Zero is how the options say that there is no limit.
fn unlimited(number: u64, shown: impl Display) -> String {
    if number == 0 { "no limit".to_owned() } else { shown.to_string() }
}

#[cfg(test)]
mod tests {
    use dialtone_turn::{Secret, TlsFiles};

    use super::*;

    #[test]
    fn everything_is_there_but_names_and_secrets() {
        let mut config = Config {
            listen: vec!["192.0.2.1:3478".parse().unwrap()],
            tls_listen: vec!["192.0.2.1:5349".parse().unwrap()],
            tls: Some(TlsFiles { cert: "chain.pem".into(), key: "key.pem".into() }),
            allow_peer: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            relay_ports: Some(50_000..=50_010),
            admin: Some("127.0.0.1:9641".parse().unwrap()),
            workers: 0,
            ..Config::default()
        };
        config.credentials.users.insert("alice".to_owned(), "hush".to_owned());
        config.credentials.secrets.extend(["quiet", "silent"].into_iter().filter_map(Secret::new));
        config.limits.max_bitrate = 1_500_000;
        let expected = "\
dialtone-turn: the configuration is good
  listeners         udp://192.0.2.1:3478 tcp://192.0.2.1:3478 tls://192.0.2.1:5349
  certificate       chain.pem
  public addresses  those listened on
  relay ports       50000-50010
  NAT discovery     none
  admin             http://127.0.0.1:9641
  realm             dialtone
  credentials       1 user, 2 shared secrets
  peers             public addresses, and opened: 10.0.0.0/8, fd00::/8
  allocations       10000 at most, 1000 of one user, 1000 of one source
  of each           128 permissions, 64 channels
  lifetimes         10m unless asked for more, 1h at most; nonces 1h
  connections       4096 on each listener, 64 without an allocation from one source
  unauthenticated   500 answers per second to one source
  bits per second   1500k for one allocation, no limit for all
  workers           one for each CPU
  drain             5m
  alternate servers none
    for TLS         none";
        assert_eq!(summary(&config, Duration::from_secs(300)), expected);

        config.limits.max_streams = 0;
        let without = summary(&config, Duration::ZERO);
        assert!(without.contains("\n  connections       none, only UDP\n"), "{without}");
    }
}
