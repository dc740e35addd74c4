//! Options in, configuration out.

use clap::CommandFactory as _;

use super::*;

#[test]
fn command_is_well_formed() {
    Args::command().debug_assert();
}

#[test]
fn one_user_is_enough() {
    let config = config(&["--user", "alice:se:cret"]).unwrap();
    let usual = Config::default();
    assert_eq!(config.credentials.users["alice"], "se:cret");
    assert_eq!(config.listen, usual.listen);
    assert_eq!(config.realm, usual.realm);
    assert_eq!(config.software, usual.software);
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.lifetimes, Lifetimes::default());
    assert_eq!((config.discovery, config.admin, config.workers), (None, None, 0));
}

#[test]
fn a_stop_waits_for_nobody_until_told_to() {
    let args = |given: &[&str]| Args::try_parse_from([&["dialtone-turn"][..], given].concat()).unwrap();
    assert_eq!(args(&[]).drain(), Duration::ZERO);
    assert_eq!(args(&["--drain", "5m"]).drain(), Duration::from_secs(300));
    assert!(!args(&[]).check_config());
}

#[test]
fn addresses_and_credentials_reach_the_configuration() {
    let config = config(&words(
        "--listen 192.0.2.1:3478 --listen [2001:db8::1]:3478 --tls-listen 0.0.0.0:5349 --tls-cert c.pem --tls-key k.pem \
         --realm example.org --secret one --secret-file two --public-ip 203.0.113.7 --public-ip 2001:db8::7 \
         --allow-peer 10.0.0.0/8 --deny-peer 203.0.113.0/24 --relay-ports 50000-50010 --discovery 192.0.2.2:3479 --admin 127.0.0.1:9641 \
         --alternate-server 198.51.100.7:3478,[2001:db8::9]:3478 --workers 3 --software none \
         --alternate-tls-server 198.51.100.7:443",
    ))
    .unwrap();
    assert_eq!((config.listen.len(), config.tls_listen.len()), (2, 1));
    assert_eq!(config.tls, Some(TlsFiles { cert: "c.pem".into(), key: "k.pem".into() }));
    assert_eq!((config.public_ip.len(), config.allow_peer.len(), config.alternate_server.len()), (2, 1, 2));
    assert_eq!((config.deny_peer.len(), config.alternate_tls_server.len()), (1, 1));
    assert_eq!(config.relay_ports, Some(50_000..=50_010));
    assert_eq!(config.discovery, "192.0.2.2:3479".parse().ok());
    assert_eq!(config.admin, "127.0.0.1:9641".parse().ok());
    assert_eq!((config.realm.as_str(), config.software.as_str(), config.workers), ("example.org", "none", 3));
    let expected: Vec<Secret> = ["one", "from-file"].into_iter().filter_map(Secret::new).collect();
    assert_eq!(config.credentials.secrets, expected);
}

#[test]
fn limits_and_lifetimes_reach_the_configuration() {
    let config = config(&words(
        "--user a:b --max-allocations 1 --max-allocations-per-user 2 --max-allocations-per-ip 3 \
         --permissions-per-allocation 4 --channels-per-allocation 5 --max-streams 6 --max-streams-per-ip 7 \
         --unauthenticated-rate 8 --max-bitrate 1.5M --max-total-bitrate 2G --default-lifetime 20m --max-lifetime 2h \
         --nonce-lifetime 90",
    ))
    .unwrap();
    let limits = Limits {
        max_allocations: 1,
        max_allocations_per_user: 2,
        max_allocations_per_ip: 3,
        permissions_per_allocation: 4,
        channels_per_allocation: 5,
        max_streams: 6,
        max_streams_per_ip: 7,
        unauthenticated_per_second: 8,
        max_bitrate: 1_500_000,
        max_total_bitrate: 2_000_000_000,
        ..Limits::default()
    };
    assert_eq!(config.limits, limits);
    let lifetimes = Lifetimes {
        allocation: Duration::from_secs(1200),
        max_allocation: Duration::from_secs(7200),
        nonce: Duration::from_secs(90),
        ..Lifetimes::default()
    };
    assert_eq!(config.lifetimes, lifetimes);
}

#[test]
fn options_that_do_not_go_together_are_named_with_the_way_out() {
    for (line, hints) in [
        ("--listen 127.0.0.1:0", &["--user NAME:PASSWORD"][..]),
        ("--user a:b --default-lifetime 2h --max-lifetime 1h", &["--default-lifetime 2h", "--max-lifetime 1h"]),
        ("--user a:b --default-lifetime 0", &["--default-lifetime 0s", "10m"]),
        ("--user a:b --nonce-lifetime 0s", &["--nonce-lifetime 0s", "1h"]),
        ("--user a:b --permissions-per-allocation 0", &["--permissions-per-allocation 0", "at least 1"]),
        ("--user a:b --max-allocations 0", &["--max-allocations 0", "at least 1", "10000"]),
        ("--user a:b --max-allocations-per-user 0", &["--max-allocations-per-user 0", "at least 1"]),
        ("--user a:b --max-allocations-per-ip 0", &["--max-allocations-per-ip 0", "at least 1"]),
        ("--user a:b --max-streams-per-ip 0", &["--max-streams-per-ip 0", "at least 1", "--max-streams 0"]),
        ("--user a:b --discovery 127.0.0.1:3479", &["--discovery 127.0.0.1:3479", "--listen, 127.0.0.1:3478"]),
        ("--user a:b --discovery 127.0.0.2:3478", &["--discovery", "in port"]),
        ("--user a:b --discovery [::1]:3479", &["--discovery", "one family"]),
        ("--user a:b --listen 0.0.0.0:3478 --discovery 192.0.2.2:3479", &["--discovery", "not 0.0.0.0"]),
        ("--user a:b --alternate-server 192.0.2.2:0", &["--alternate-server 192.0.2.2:0", "port"]),
        (
            "--user a:b --alternate-server 192.0.2.2:1 --alternate-server 192.0.2.3:1",
            &["192.0.2.2:1 and 192.0.2.3:1", "at most one"],
        ),
    ] {
        let error = config(&words(line)).unwrap_err().to_string();
        for hint in hints {
            assert!(error.contains(hint), "{line}: {error}");
        }
    }
}

#[test]
fn second_address_may_be_picked_by_the_system() {
    let given = words("--user a:b --listen 127.0.0.1:0 --discovery 127.0.0.2:0");
    assert!(config(&given).unwrap().discovery.is_some());
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
    for line in [
        "--user a:b --tls-listen 127.0.0.1:0",
        "--user a:b --tls-cert c --tls-key k",
        "--user a:b --tls-listen 127.0.0.1:0 --tls-cert c",
    ] {
        assert!(matches!(config(&words(line)), Err(ArgsError::HalfTls)), "{line}");
    }
}

#[test]
fn missing_secret_file_is_named() {
    let error = config(&["--secret-file", "missing"]).unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");
}

#[test]
fn secret_file_of_several_lines_is_refused_without_repeating_them() {
    for file in ["lines", "old-lines"] {
        let error = config(&["--secret-file", "two", "--secret-file", file]).unwrap_err().to_string();
        assert!(
            error.contains(&format!("--secret-file {file} ")) && error.contains("one secret for each file"),
            "{error}"
        );
        assert!(!error.contains("hush"), "{error}");
    }
}

#[test]
fn user_given_twice_is_named_without_a_password() {
    let error = config(&["--user", "alice:hush", "--user", "bob:pw", "--user", "alice:hash"]).unwrap_err().to_string();
    assert!(error.contains("--user alice "), "{error}");
    assert!(!error.contains("hush") && !error.contains("hash"), "{error}");
}

#[test]
fn relay_may_do_without_connections() {
    assert_eq!(config(&words("--user a:b --max-streams 0")).unwrap().limits.max_streams, 0);
}

#[test]
fn single_addresses_may_be_opened_and_closed() {
    let config = config(&words("--user a:b --allow-peer 10.0.0.1,fd00::/8 --deny-peer ::1")).unwrap();
    let net = |text: &str| text.parse::<ipnet::IpNet>().unwrap();
    assert_eq!(config.allow_peer, [net("10.0.0.1/32"), net("fd00::/8")]);
    assert_eq!(config.deny_peer, [net("::1/128")]);
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[expect(clippy::unwrap_in_result, reason = "the words are the test's own and parse")]
fn config(given: &[&str]) -> Result<Config, ArgsError> {
    let args = std::iter::once("dialtone-turn").chain(given.iter().copied());
    Args::try_parse_from(args).unwrap().into_config(|path| match path.to_str() {
        Some("two") => Ok(" from-file\n".to_owned()),
        Some("lines") => Ok("hush\nhushed\n".to_owned()),
        Some("old-lines") => Ok("hush\rhushed".to_owned()),
        Some(_) | None => Err(io::ErrorKind::NotFound.into()),
    })
}
