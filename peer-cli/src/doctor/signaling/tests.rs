//! The steps against a server in this process, and against what is none.

use std::net::Ipv4Addr;

use super::*;
use crate::signaling::tls_config;

const LIMIT: Duration = Duration::from_secs(20);

async fn examined(url: &str) -> (Found, Vec<Check>) {
    let url = ServerUrl::parse(url).unwrap();
    let tls = tls_config(None).unwrap();
    let mut checks = Vec::new();
    let way = Way { url: &url, origin: None, tls: &tls, limit: LIMIT };
    let found = examine(&way, RoomId::parse("doctor-1").unwrap(), |check| checks.push(check)).await;
    (found, checks)
}

fn outcomes(checks: &[Check]) -> Vec<(&str, Option<bool>)> {
    checks.iter().map(|check| (check.name.as_str(), check.ok)).collect()
}

#[tokio::test]
async fn every_step_of_a_server_of_ours_is_told_in_order() {
    let embedded = crate::embedded::Embedded::spawn(7, true).await.unwrap();
    let (found, checks) = examined(&embedded.ws_url()).await;
    assert_eq!(
        outcomes(&checks),
        [
            ("signaling dns", Some(true)),
            ("signaling tcp", Some(true)),
            ("signaling tls", None),
            ("signaling websocket", Some(true)),
            ("signaling stomp", Some(true)),
            ("signaling join", Some(true)),
            ("ice-servers", Some(true)),
        ]
    );
    assert!(found.broken.is_none(), "{:?}", found.broken);
    let urls: Vec<_> = found.servers.iter().flat_map(|server| &server.urls).collect();
    assert_eq!(urls.len(), 2, "named in the room and in the list: {urls:?}");
    assert!(urls.iter().all(|url| url.starts_with("turn:127.0.0.1:")), "{urls:?}");
    embedded.shutdown().await;
}

#[tokio::test]
async fn a_port_where_nothing_listens_breaks_at_tcp() {
    let address = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let (found, checks) = examined(&format!("ws://{address}/ws")).await;
    assert_eq!(outcomes(&checks), [("signaling dns", Some(true)), ("signaling tcp", Some(false))]);
    let broken = found.broken.unwrap();
    assert_eq!(broken.cause, Cause::SignalingUnreachable);
    assert!(broken.why.starts_with(&format!("{address} could not be reached")), "{}", broken.why);
    assert_eq!(checks[1].detail, broken.why);
}

#[tokio::test]
async fn a_wrong_path_breaks_at_the_websocket() {
    let embedded = crate::embedded::Embedded::spawn(8, true).await.unwrap();
    let url = embedded.ws_url();
    let (found, checks) = examined(&format!("{}/nothing", url.trim_end_matches("/ws"))).await;
    assert_eq!(found.broken.unwrap().cause, Cause::SignalingHttp);
    assert_eq!(outcomes(&checks)[3], ("signaling websocket", Some(false)));
    embedded.shutdown().await;
}

#[tokio::test]
async fn a_name_that_does_not_exist_breaks_at_dns() {
    let (found, checks) = examined("ws://no-such-host.invalid/ws").await;
    assert_eq!(outcomes(&checks), [("signaling dns", Some(false))]);
    assert_eq!(found.broken.unwrap().cause, Cause::SignalingDns);
}
