//! Files in, options or one-line complaints out.

use std::net::SocketAddr;
use std::time::Duration;

use dialtone_turn::{Config, Secret};

use super::*;

#[test]
fn every_option_is_a_key() {
    let config = config(
        &[],
        r#"
        listen = ["127.0.0.1:3478", "[::1]:3478"]
        user = "alice:pw"
        secret = ["a,b", "c"]
        realm = "call.example"
        allow-peer = "10.0.0.0/8, 192.168.0.0/16"
        relay-ports = "50000-50010"
        max-allocations = 5_000
        unauthenticated-rate = 0x10
        max-bitrate = "1.5M"
        nonce-lifetime = 600
        max-lifetime = "2h"
        workers = 2
        "#,
    );
    assert_eq!((config.listen.len(), config.allow_peer.len(), config.workers), (2, 2, 2));
    assert_eq!(config.credentials.users["alice"], "pw");
    // Elements are not cut at what separates values in a variable.
    assert_eq!(config.credentials.secrets, secrets(&["a,b", "c"]));
    assert_eq!((config.realm.as_str(), config.relay_ports), ("call.example", Some(50_000..=50_010)));
    assert_eq!((config.limits.max_allocations, config.limits.unauthenticated_per_second), (5000, 16));
    assert_eq!(config.limits.max_bitrate, 1_500_000);
    assert_eq!(config.lifetimes.nonce, Duration::from_secs(600));
    assert_eq!(config.lifetimes.max_allocation, Duration::from_secs(7200));
}

#[test]
fn command_line_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "realm = 'file.example'\nlisten = '192.0.2.1:1'\nmax-allocations = 7\nuser = 'a:b'";
    let config = config(&["--realm", "line.example", "--listen", "192.0.2.2:2"], file);
    assert_eq!(config.realm, "line.example");
    assert_eq!(config.listen, [SocketAddr::from(([192, 0, 2, 2], 2))]);
    assert_eq!(config.limits.max_allocations, 7);
    assert_eq!(config.limits.max_streams, Config::default().limits.max_streams);
}

#[test]
fn empty_list_takes_the_default_away() {
    let file = "listen = []\ntls-listen = '127.0.0.1:0'\ntls-cert = 'c'\ntls-key = 'k'\nuser = 'a:b'";
    assert!(config(&[], file).listen.is_empty());
}

#[test]
fn text_of_several_lines_is_several_users() {
    let config = config(&[], "user = \"\"\"\nalice:one\nbob:two,three\n\"\"\"");
    let users: Vec<(&str, &str)> =
        config.credentials.users.iter().map(|(name, password)| (name.as_str(), password.as_str())).collect();
    assert_eq!(users, [("alice", "one"), ("bob", "two,three")]);
}

#[test]
fn list_element_may_hold_a_comma() {
    let given = given(&[], "secret-file = ['one,two']").unwrap_or_else(|error| panic!("{error}"));
    let asked = std::cell::RefCell::new(Vec::new());
    let read = |path: &Path| {
        asked.borrow_mut().push(path.to_owned());
        Ok("north".to_owned())
    };
    assert!(given.args.into_config(read).is_ok());
    assert_eq!(asked.into_inner(), [Path::new("one,two")]);
}

#[test]
fn values_may_begin_with_a_dash() {
    assert_eq!(config(&[], "secret = '--help'").credentials.secrets, secrets(&["--help"]));
}

#[test]
fn mistakes_are_told_with_file_and_line_and_what_may_be_meant() {
    for (text, said) in [
        ("\n\nlissen = '127.0.0.1:1'", "turn.toml:3: unknown key `lissen`; the nearest known one is `listen`"),
        (
            "max_allocations = 1",
            "turn.toml:1: unknown key `max_allocations`; the nearest known one is `max-allocations`",
        ),
        ("realm = 'a'\n[limits]\nmax = 1", "turn.toml:2: unknown key `limits`, and there are no sections"),
        ("config = 'other.toml'", "turn.toml:1: `config` belongs on the command line"),
        ("check-config = true", "turn.toml:1: `check-config` belongs on the command line"),
        ("version = '1'", "turn.toml:1: `version` belongs on the command line"),
        ("# a\nrealm = ['a', 'b']", "turn.toml:2: `realm` takes one value (text or numbers), and this is a list"),
        (
            "listen = [['a']]",
            "turn.toml:1: `listen` takes a value or a list of values (text or numbers), and this is a list",
        ),
        ("realm = true", "turn.toml:1: `realm` takes one value (text or numbers), and this is true or false"),
        ("listen = 'here'", "turn.toml:1: invalid value 'here' for '--listen <ADDR>'"),
        (
            "realm = 'x'\nlisten = [\n'127.0.0.1:1',\n'there']",
            "turn.toml:2: invalid value 'there' for '--listen <ADDR>'",
        ),
        ("max-bitrate = '5'", "turn.toml:1: invalid value '5' for '--max-bitrate <RATE>': expected bits per second"),
        ("max-allocations = -1", "turn.toml:1: invalid value '-1' for '--max-allocations <N>'"),
        ("workers = 256", "turn.toml:1: invalid value '256' for '--workers <N>'"),
        ("realm = 'a'\nrealm = 'b'", "turn.toml:2: this is no TOML: duplicate key"),
        ("realm = ", "turn.toml:1: this is no TOML: "),
    ] {
        let error = given(&[], text).err().expect(text).to_string();
        assert!(error.starts_with(said), "{text}: {error}");
        assert!(!error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn key_like_no_other_is_not_taken_for_one() {
    for (text, said) in [
        ("zzz = 1", "turn.toml:1: unknown key `zzz` (the keys are the long options in --help)"),
        ("[10]", "turn.toml:1: unknown key `10`, and there are no sections: every key stands at the top"),
    ] {
        assert_eq!(given(&[], text).err().expect(text).to_string(), said);
    }
}

#[test]
fn first_mistake_of_the_file_is_the_one_that_is_told() {
    let error = given(&[], "zzz = 1\naaa = 2").err().expect("two mistakes").to_string();
    assert!(error.starts_with("turn.toml:1: unknown key `zzz`"), "{error}");
}

#[test]
fn no_complaint_repeats_a_secret() {
    for text in [
        "secret = 'hush' hush",
        "secret = { hush = 1 }",
        "secret = true # hush",
        "secrets = 'hush'",
        "secret = [['hush']]",
        "user = 'a:hush",
    ] {
        let error = given(&[], text).err().expect(text).to_string();
        assert!(!error.contains("hush"), "{text}: {error}");
    }
}

#[test]
fn file_with_passwords_is_known_as_such() {
    let holds = |text| given(&[], text).unwrap_or_else(|error| panic!("{error}")).confidential;
    assert_eq!(holds("user = 'a:b'"), Some(PathBuf::from("turn.toml")));
    assert_eq!(holds("secret = 'north'"), Some(PathBuf::from("turn.toml")));
    assert_eq!(holds("secret-file = 'elsewhere'"), None);
}

#[test]
fn missing_file_is_named() {
    let line = ["dialtone-turn", "--config", "nowhere.toml"].map(OsString::from).to_vec();
    let error = Given::read(line, |_| None, |_| Err(io::ErrorKind::NotFound.into())).err().expect("no such file");
    assert!(error.to_string().contains("--config nowhere.toml"), "{error}");
}

#[test]
fn help_needs_no_file_and_shows_nothing_from_it() {
    let line = ["dialtone-turn", "--config", "turn.toml", "--help"].map(OsString::from).to_vec();
    let help = Given::read(line, |_| None, |_| panic!("the file is not read")).err().expect("help");
    assert!(matches!(&help, NotUnderstood::Line(help) if !help.use_stderr()), "{help}");
    assert!(help.to_string().contains("[env: DIALTONE_TURN_LISTEN="), "{help}");
}

#[test]
fn empty_variable_counts_as_none() {
    let config = with_variables(
        &[("LISTEN", ""), ("REALM", ""), ("SOFTWARE", ""), ("SECRET", ""), ("USER", "a:b"), ("WORKERS", "")],
        "realm = 'file.example'",
    );
    let usual = Config::default();
    assert_eq!((config.listen, config.software), (usual.listen, usual.software));
    assert_eq!(config.realm, "file.example");
    assert!(config.credentials.secrets.is_empty());
}

#[test]
fn lists_of_variables_are_trimmed_and_their_secrets_are_not() {
    let config = with_variables(
        &[
            ("LISTEN", "127.0.0.1:1, 127.0.0.1:2 "),
            ("ALLOW_PEER", " 10.0.0.0/8 ,192.168.0.1"),
            ("SECRET", "north\n a,b \n"),
            ("USER", "alice:pass word\nbob:pw\n"),
        ],
        "secret = 'file'\nmax-allocations = 7",
    );
    assert_eq!(config.listen, [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port))));
    assert_eq!(config.allow_peer.len(), 2);
    assert_eq!(config.credentials.secrets, secrets(&["north", " a,b "]));
    assert_eq!(config.credentials.users["alice"], "pass word");
    assert_eq!(config.credentials.users["bob"], "pw");
    assert_eq!(config.limits.max_allocations, 7);
}

#[test]
fn command_line_wins_over_a_list_in_a_variable() {
    let line = ["dialtone-turn", "--user", "a:b", "--listen", "127.0.0.1:1"].map(OsString::from).to_vec();
    let variable = |name: &OsStr| (name == "DIALTONE_TURN_LISTEN").then(|| OsString::from("127.0.0.1:2,127.0.0.1:3"));
    let given = Given::read(line, variable, |_| panic!("there is no file")).unwrap_or_else(|error| panic!("{error}"));
    let config = given.args.into_config(|path| panic!("{} is not read", path.display())).unwrap();
    assert_eq!(config.listen, [SocketAddr::from(([127, 0, 0, 1], 1))]);
}

#[test]
fn bad_variable_is_a_mistake_whatever_the_file_says() {
    let line = ["dialtone-turn", "--config", "turn.toml"].map(OsString::from).to_vec();
    let variable = |name: &OsStr| (name == "DIALTONE_TURN_LISTEN").then(|| OsString::from("127.0.0.1:2, here"));
    let error = Given::read(line, variable, |_| Ok("listen = '127.0.0.1:1'".to_owned())).err().expect("no address");
    assert!(error.in_one_line().starts_with("invalid value 'here' for '--listen <ADDR>': expected "), "{error}");
    assert!(!error.in_one_line().contains('\n'), "{error}");
}

fn config(line: &[&str], text: &str) -> Config {
    let given = given(line, text).unwrap_or_else(|error| panic!("{error}"));
    given.args.into_config(|path| panic!("{} is not read", path.display())).unwrap()
}

fn given(line: &[&str], text: &str) -> Result<Given, NotUnderstood> {
    let line = ["dialtone-turn", "--config", "turn.toml"].iter().chain(line).map(OsString::from).collect();
    Given::read(
        line,
        |_| None,
        |path| {
            assert_eq!(path, Path::new("turn.toml"));
            Ok(text.to_owned())
        },
    )
}

/// With a file `turn.toml`, and variables by their names without `DIALTONE_TURN_`.
fn with_variables(variables: &[(&str, &str)], text: &str) -> Config {
    let variable = |name: &OsStr| {
        let name = name.to_str()?.strip_prefix("DIALTONE_TURN_")?;
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| OsString::from(value)).or_else(|| (name == "CONFIG").then(|| "turn.toml".into()))
    };
    let given = Given::read(vec!["dialtone-turn".into()], variable, |_| Ok(text.to_owned()));
    let given = given.unwrap_or_else(|error| panic!("{error}"));
    given.args.into_config(|path| panic!("{} is not read", path.display())).unwrap()
}

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().filter_map(|text| Secret::new(*text)).collect()
}
