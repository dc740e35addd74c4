//! The page to the letter, each line by the rules, and all of it over a real connection.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connections::MAX_CONNECTIONS;
use super::*;

/// Longer than anything on loopback takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

const FOR_EVER: Patience = Patience { head: Duration::from_secs(3600), all: Duration::from_secs(3600) };

#[test]
fn metrics_are_written_to_the_letter() {
    let expected = concat!(
        "# HELP dialtone_turn_build_info The version that runs.\n",
        "# TYPE dialtone_turn_build_info gauge\n",
        "dialtone_turn_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1\n",
        "# HELP dialtone_turn_start_time_seconds When the relay began, in seconds since 1970.\n",
        "# TYPE dialtone_turn_start_time_seconds gauge\n",
        "dialtone_turn_start_time_seconds 1700000000.250\n",
        "# HELP dialtone_turn_workers Threads that relay.\n",
        "# TYPE dialtone_turn_workers gauge\n",
        "dialtone_turn_workers 2\n",
        "# HELP dialtone_turn_draining 1 while no new allocations are made.\n",
        "# TYPE dialtone_turn_draining gauge\n",
        "dialtone_turn_draining 0\n",
        "# HELP dialtone_turn_failed 1 when a worker has failed, and nothing is served any more.\n",
        "# TYPE dialtone_turn_failed gauge\n",
        "dialtone_turn_failed 0\n",
        "# HELP dialtone_turn_live_allocations Allocations that exist now.\n",
        "# TYPE dialtone_turn_live_allocations gauge\n",
        "dialtone_turn_live_allocations 7\n",
        "# HELP dialtone_turn_allocations_total Allocations ever made.\n",
        "# TYPE dialtone_turn_allocations_total counter\n",
        "dialtone_turn_allocations_total 8\n",
        "# HELP dialtone_turn_packets_total Datagrams accepted for peers and for clients.\n",
        "# TYPE dialtone_turn_packets_total counter\n",
        "dialtone_turn_packets_total{direction=\"to_peer\"} 1\n",
        "dialtone_turn_packets_total{direction=\"to_client\"} 3\n",
        "# HELP dialtone_turn_payload_bytes_total Payload of those datagrams, without TURN framing.\n",
        "# TYPE dialtone_turn_payload_bytes_total counter\n",
        "dialtone_turn_payload_bytes_total{direction=\"to_peer\"} 2\n",
        "dialtone_turn_payload_bytes_total{direction=\"to_client\"} 4\n",
        "# HELP dialtone_turn_dropped_packets_total Datagrams accepted but not sent: the system refused, or a client's \
         connection was too slow.\n",
        "# TYPE dialtone_turn_dropped_packets_total counter\n",
        "dialtone_turn_dropped_packets_total 5\n",
        "# HELP dialtone_turn_limited_packets_total Datagrams that a bandwidth cap did not let through.\n",
        "# TYPE dialtone_turn_limited_packets_total counter\n",
        "dialtone_turn_limited_packets_total 6\n",
        "# HELP dialtone_turn_requests_total Requests read, answered or not.\n",
        "# TYPE dialtone_turn_requests_total counter\n",
        "dialtone_turn_requests_total 9\n",
        "# HELP dialtone_turn_refused_requests_total Requests refused, by error code.\n",
        "# TYPE dialtone_turn_refused_requests_total counter\n",
        "dialtone_turn_refused_requests_total{code=\"300\"} 100\n",
        "dialtone_turn_refused_requests_total{code=\"400\"} 101\n",
        "dialtone_turn_refused_requests_total{code=\"401\"} 102\n",
        "dialtone_turn_refused_requests_total{code=\"403\"} 103\n",
        "dialtone_turn_refused_requests_total{code=\"420\"} 104\n",
        "dialtone_turn_refused_requests_total{code=\"437\"} 105\n",
        "dialtone_turn_refused_requests_total{code=\"438\"} 106\n",
        "dialtone_turn_refused_requests_total{code=\"440\"} 107\n",
        "dialtone_turn_refused_requests_total{code=\"441\"} 108\n",
        "dialtone_turn_refused_requests_total{code=\"442\"} 109\n",
        "dialtone_turn_refused_requests_total{code=\"443\"} 110\n",
        "dialtone_turn_refused_requests_total{code=\"486\"} 111\n",
        "dialtone_turn_refused_requests_total{code=\"508\"} 112\n",
        "# HELP dialtone_turn_unanswered_requests_total Requests without an answer: their source had too many \
         unauthenticated ones answered.\n",
        "# TYPE dialtone_turn_unanswered_requests_total counter\n",
        "dialtone_turn_unanswered_requests_total 10\n",
        "# HELP dialtone_turn_live_streams TCP and TLS connections open now.\n",
        "# TYPE dialtone_turn_live_streams gauge\n",
        "dialtone_turn_live_streams 11\n",
        "# HELP dialtone_turn_streams_total TCP and TLS connections ever accepted.\n",
        "# TYPE dialtone_turn_streams_total counter\n",
        "dialtone_turn_streams_total 12\n",
        "# HELP dialtone_turn_refused_streams_total TCP and TLS connections closed at once: there were too many.\n",
        "# TYPE dialtone_turn_refused_streams_total counter\n",
        "dialtone_turn_refused_streams_total 13\n",
    );
    assert_eq!(write_metrics(&snapshot(false)), expected);
}

#[test]
fn every_line_keeps_the_rules_of_the_format() {
    check_exposition(&(write_metrics(&snapshot(true)) + &process::metrics(&[3478])));
}

#[tokio::test]
async fn operator_gets_metrics_health_and_an_index() {
    let draining = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&draining);
    let (address, _serving) = start(move || snapshot(state.load(Relaxed))).await;

    let (head, body) = request(address, "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\ncontent-type: text/plain; version=0.0.4\r\n"), "{head}");
    assert!(body.contains("\ndialtone_turn_live_allocations 7\n"), "{body}");
    check_exposition(&body);

    let (head, body) = request(address, "/health").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, "ok\n");
    draining.store(true, Relaxed);
    let (head, body) = request(address, "/health").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(body, "draining\n");

    assert_eq!(request(address, "/").await.1, INDEX);
    for elsewhere in ["/metrics/", "/admin", "/../etc/passwd"] {
        let (head, _) = request(address, elsewhere).await;
        assert!(head.starts_with("HTTP/1.1 404 "), "{elsewhere}: {head}");
    }
}

#[tokio::test]
async fn failed_worker_is_bad_health_even_while_draining() {
    let (address, _serving) = start(|| Snapshot { failed: true, ..snapshot(true) }).await;
    let (head, body) = request(address, "/health").await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(body, "a worker has failed\n");
    let (_, body) = request(address, "/metrics").await;
    assert!(body.contains("\ndialtone_turn_failed 1\n"), "{body}");
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_others_out() {
    let (address, _serving) = start_with(FOR_EVER, || snapshot(false)).await;
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    // No time is ever over here: there is an answer only if a silent one has to go, and that is the oldest.
    assert_eq!(request(address, "/health").await.1, "ok\n");
    assert!(is_closed(&mut silent[0]).await);
    let youngest = silent.pop().unwrap();
    assert_eq!(request_over(youngest, "/health").await.1, "ok\n");
}

#[tokio::test]
async fn client_that_says_nothing_is_sent_away() {
    let (address, _serving) =
        start_with(Patience { head: Duration::from_millis(20), ..FOR_EVER }, || snapshot(false)).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert!(is_closed(&mut silent).await);
}

async fn start(look: impl Fn() -> Snapshot + Clone + Send + Sync + 'static) -> (SocketAddr, JoinSet<()>) {
    start_with(FOR_EVER, look).await
}

async fn start_with(
    patience: Patience,
    look: impl Fn() -> Snapshot + Clone + Send + Sync + 'static,
) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(connections::serve(listener, router(look), patience));
    (address, serving)
}

/// Waits until the relay has ended a connection, in good order or not.
async fn is_closed(stream: &mut TcpStream) -> bool {
    timeout(LIMIT, stream.read_to_end(&mut Vec::new())).await.is_ok()
}

/// Head and body of an answer. The relay ends the connection behind it.
async fn request(address: SocketAddr, path: &str) -> (String, String) {
    request_over(TcpStream::connect(address).await.unwrap(), path).await
}

async fn request_over(mut stream: TcpStream, path: &str) -> (String, String) {
    let exchange = async {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(LIMIT, exchange).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (format!("{head}\r\n"), body.to_owned())
}

fn snapshot(draining: bool) -> Snapshot {
    let mut totals = Totals {
        packets_to_peers: 1,
        bytes_to_peers: 2,
        packets_to_clients: 3,
        bytes_to_clients: 4,
        dropped_packets: 5,
        limited_packets: 6,
        live_allocations: 7,
        allocations: 8,
        requests: 9,
        unanswered_requests: 10,
        live_streams: 11,
        streams: 12,
        refused_streams: 13,
        ..Totals::default()
    };
    for (refusals, count) in totals.refusals.iter_mut().zip(100..) {
        *refusals = count;
    }
    Snapshot {
        totals,
        draining,
        failed: false,
        udp_ports: vec![3478],
        workers: 2,
        started: UNIX_EPOCH + Duration::from_millis(1_700_000_000_250),
    }
}

/// Each family: HELP, then TYPE, then samples of that name only; no family and no series twice.
fn check_exposition(page: &str) {
    assert!(page.ends_with('\n'), "the last line has an end");
    let (mut helped, mut family, mut samples) = (None, None, usize::MAX);
    let (mut families, mut series) = (BTreeSet::new(), BTreeSet::new());
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            assert!(samples > 0, "no sample before {line}");
            let (name, text) = help.split_once(' ').expect(line);
            assert!(!text.is_empty() && !text.contains('\\'), "{line}");
            assert!(families.insert(name), "twice: {line}");
            helped = Some(name);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect(line);
            assert_eq!(helped, Some(name), "{line}");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            (family, samples) = (Some(name), 0);
        } else {
            let (key, value) = line.rsplit_once(' ').expect(line);
            assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
            let (name, labels) = key.split_once('{').map_or((key, None), |(name, labels)| (name, Some(labels)));
            assert_eq!(family, Some(name), "{line}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            if let Some(labels) = labels {
                let (label, of) = labels.strip_suffix("\"}").and_then(|labels| labels.split_once("=\"")).expect(line);
                assert!(["version", "direction", "code"].contains(&label), "{line}");
                assert!(!of.is_empty() && !of.contains(['"', '\\']), "{line}");
            }
            assert!(series.insert(key), "twice: {line}");
            samples += 1;
        }
    }
    assert!(samples > 0, "the last family has a sample");
}
