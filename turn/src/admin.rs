//! What the operator sees: metrics for Prometheus and health, over plain HTTP on a port of its own.
//!
//! Nothing here tells of a user, a realm or an address.

mod exposition;
mod process;

use std::future::{Ready, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use self::exposition::{Exposition, Kind};
use crate::metrics::{REFUSAL_CODES, Totals};

/// Connections at a time; the next one waits in the system's queue.
const MAX_CONNECTIONS: usize = 64;
/// One request and its answer, from the connection to its end.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait when the system has no file descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Longest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

const INDEX: &str = "/metrics  what the relay has done, for Prometheus\n/health   ok, or draining (503)\n";
/// Prometheus text exposition, version 0.0.4.
const TEXT_EXPOSITION: &str = "text/plain; version=0.0.4";

/// What there is to see at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The counters of all workers together.
    pub(crate) totals: Totals,
    /// True while no new allocations are made.
    pub(crate) draining: bool,
    /// Threads that relay.
    pub(crate) workers: usize,
    /// When the relay began.
    pub(crate) started: SystemTime,
}

/// Answers whoever connects, until it is dropped; its connections end with it. `look` is called for each request.
pub(crate) async fn serve(listener: TcpListener, look: impl Fn() -> Snapshot + Clone + Send + Sync + 'static) {
    let router = router(look);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, _from)) => {
                connections.spawn(answer(stream, router.clone()));
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection of the operator");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// One connection carries one request: that bounds it in time, whatever its other end does.
async fn answer(stream: TcpStream, router: Router) {
    let answered = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_WITHIN)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(REQUEST_WITHIN, answered).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "the operator's connection"),
        Err(_elapsed) => debug!("the operator's connection took too long"),
    }
}

fn router(look: impl Fn() -> Snapshot + Clone + Send + Sync + 'static) -> Router {
    let health = look.clone();
    Router::new()
        .route("/", get(INDEX))
        .route("/metrics", get(move || metrics(&look())))
        .route("/health", get(move || self::health(&health())))
}

fn metrics(snapshot: &Snapshot) -> Ready<Response> {
    let text = write_metrics(snapshot) + &process::metrics();
    ready(([(CONTENT_TYPE, TEXT_EXPOSITION)], text).into_response())
}

fn health(snapshot: &Snapshot) -> Ready<Response> {
    ready(if snapshot.draining {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else {
        "ok\n".into_response()
    })
}

/// The relay's own metrics in Prometheus' text form.
pub(crate) fn write_metrics(snapshot: &Snapshot) -> String {
    let Snapshot { totals, draining, workers, started } = snapshot;
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut page = Exposition::default();
    page.family(Kind::Gauge, "dialtone_turn_build_info", "The version that runs.");
    page.sample("dialtone_turn_build_info", Some(("version", env!("CARGO_PKG_VERSION"))), 1);
    page.gauge(
        "dialtone_turn_start_time_seconds",
        "When the relay began, in seconds since 1970.",
        format_args!("{}.{:03}", started.as_secs(), started.subsec_millis()),
    );
    page.gauge("dialtone_turn_workers", "Threads that relay.", workers);
    page.gauge("dialtone_turn_draining", "1 while no new allocations are made.", u8::from(*draining));
    page.gauge("dialtone_turn_live_allocations", "Allocations that exist now.", totals.live_allocations);
    page.counter("dialtone_turn_allocations_total", "Allocations ever made.", totals.allocations);
    page.both_ways(
        "dialtone_turn_packets_total",
        "Datagrams accepted for peers and for clients.",
        [totals.packets_to_peers, totals.packets_to_clients],
    );
    page.both_ways(
        "dialtone_turn_payload_bytes_total",
        "Payload of those datagrams, without TURN framing.",
        [totals.bytes_to_peers, totals.bytes_to_clients],
    );
    page.counter(
        "dialtone_turn_dropped_packets_total",
        "Datagrams accepted but not sent: the system refused, or a client's connection was too slow.",
        totals.dropped_packets,
    );
    page.counter(
        "dialtone_turn_limited_packets_total",
        "Datagrams that a bandwidth cap did not let through.",
        totals.limited_packets,
    );
    page.counter("dialtone_turn_requests_total", "Requests read, answered or not.", totals.requests);
    page.family(Kind::Counter, "dialtone_turn_refused_requests_total", "Requests refused, by error code.");
    for (code, count) in REFUSAL_CODES.iter().zip(totals.refusals) {
        let code = code.to_string();
        page.sample("dialtone_turn_refused_requests_total", Some(("code", code.as_str())), count);
    }
    page.counter(
        "dialtone_turn_unanswered_requests_total",
        "Requests without an answer: their source had too many unauthenticated ones answered.",
        totals.unanswered_requests,
    );
    page.gauge("dialtone_turn_live_streams", "TCP and TLS connections open now.", totals.live_streams);
    page.counter("dialtone_turn_streams_total", "TCP and TLS connections ever accepted.", totals.streams);
    page.counter(
        "dialtone_turn_refused_streams_total",
        "TCP and TLS connections closed at once: there were too many.",
        totals.refused_streams,
    );
    page.finish()
}

#[cfg(test)]
mod tests;
