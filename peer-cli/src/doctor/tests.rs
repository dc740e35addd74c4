//! The whole doctor against a server and a relay in this process, and against nothing at all.

use std::time::Duration;

use clap::Parser;

use super::*;
use crate::nat::{Mapping, Udp};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: DoctorArgs,
}

fn args(words: &[&str]) -> DoctorArgs {
    Line::try_parse_from(["doctor"].iter().chain(words)).unwrap().args
}

fn started() -> Started {
    Started { mono: now(), unix: Duration::from_secs(1_700_000_000) }
}

async fn examined(words: &[&str]) -> DoctorReport {
    let mut told = Vec::new();
    let report = examine(&args(words), started(), |check| told.push(check.clone())).await.unwrap();
    assert_eq!(told, report.checks, "every check is told once, as it ends");
    report
}

fn outcome(report: &DoctorReport, name: &str) -> Option<bool> {
    let found: Vec<_> = report.checks.iter().filter(|check| check.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {:?}", report.checks);
    found[0].ok
}

#[cfg(feature = "embedded")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_one_machine_everything_works_up_to_a_call_through_the_relay() {
    let embedded = crate::embedded::Embedded::spawn(11, true).await.unwrap();
    let report = examined(&["--server", &embedded.ws_url(), "--timeout", "20s"]).await;
    for name in ["signaling dns", "signaling join", "ice-servers", "turn udp", "nat", "call"] {
        assert_eq!(outcome(&report, name), Some(true), "{name}: {:?}", report.checks);
    }
    let nat = report.nat.as_ref().unwrap();
    assert_eq!((nat.udp, nat.mapping, nat.hairpin), (Udp::Ok, Mapping::None, None));
    assert_eq!(report.nat_ipv6, None);
    assert_eq!((report.verdict.class, report.verdict.exit_code), (Class::Direct, 0), "{:?}", report.verdict);
    assert!(report.verdict.text.contains("relay over UDP"), "{}", report.verdict.text);
    #[cfg(target_os = "linux")]
    assert_eq!(report.path_mtu, Some(1500));

    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["schema"], SCHEMA);
    assert_eq!(json["verdict"]["class"], "direct");
    assert_eq!(json["nat"]["mapping"], "none");
    assert_eq!(serde_json::from_value::<DoctorReport>(json).unwrap().verdict, report.verdict);
    embedded.shutdown().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_the_verdict_and_the_network_is_looked_at_all_the_same() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (server, ice) = (format!("ws://{closed}/ws"), format!("stun:{}", silent.local_addr().unwrap()));
    let report = examined(&["--server", &server, "--ice", &ice, "--timeout", "300ms"]).await;
    for name in ["signaling tcp", "stun udp", "nat"] {
        assert_eq!(outcome(&report, name), Some(false), "{name}");
    }
    assert_eq!(report.nat.as_ref().map(|nat| nat.udp), Some(Udp::Blocked));
    assert_eq!((report.verdict.class, report.verdict.exit_code), (Class::Cannot, 10));
    assert!(report.checks.iter().all(|check| check.name != "call"), "there is nothing to call through");
}

#[tokio::test]
async fn a_network_without_udp_and_without_a_relay_cannot_carry_calls() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let ice = format!("stun:{}", silent.local_addr().unwrap());
    let report = examined(&["--ice", &ice, "--timeout", "300ms"]).await;
    assert_eq!((report.verdict.class, report.verdict.exit_code), (Class::Cannot, 14), "{:?}", report.verdict);
    assert_eq!(report.server, None);
}

#[tokio::test]
async fn without_anything_to_look_at_or_with_a_url_of_no_use_it_does_not_begin() {
    let nothing = examine(&args(&[]), started(), |_| {}).await.unwrap_err();
    assert!(matches!(nothing, DoctorError::Nothing), "{nothing}");
    for ice in ["a.example", "turn:a.example"] {
        let error = examine(&args(&["--ice", ice]), started(), |_| {}).await.unwrap_err();
        assert!(matches!(error, DoctorError::Ice(_)), "{error}");
    }
}

#[test]
fn the_schema_names_what_scripts_look_for() {
    let schema = json_schema();
    for name in ["checks", "nat", "verdict", "class", "remedy", "relay-tls", "port_preserved"] {
        assert!(schema.contains(&format!("\"{name}\"")), "{name}");
    }
}
