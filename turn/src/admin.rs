//! What the operator sees: metrics for Prometheus and health, over plain HTTP on a port of its own.
//!
//! Nothing here tells of a user, a realm or an address.

mod connections;
mod exposition;
mod process;

use std::future::{Ready, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use self::connections::Patience;
use self::exposition::{Exposition, Kind};
use crate::metrics::{REFUSAL_CODES, Totals};

const INDEX: &str =
    "/metrics  what the relay has done, for Prometheus\n/health   ok; draining, or a worker has failed (503)\n";
/// Prometheus text exposition, version 0.0.4.
const TEXT_EXPOSITION: &str = "text/plain; version=0.0.4";

/// What there is to see at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The counters of all workers together.
    pub(crate) totals: Totals,
    /// True while no new allocations are made.
    pub(crate) draining: bool,
    /// True when a worker has failed: the relay has then stopped serving.
    pub(crate) failed: bool,
    /// Ports of the UDP listeners.
    pub(crate) udp_ports: Vec<u16>,
    /// Threads that relay.
    pub(crate) workers: usize,
    /// When the relay began.
    pub(crate) started: SystemTime,
}

/// Answers whoever connects, until it is dropped; its connections end with it. `look` is called for each request.
pub(crate) async fn serve(listener: TcpListener, look: impl Fn() -> Snapshot + Clone + Send + Sync + 'static) {
    connections::serve(listener, router(look), Patience::default()).await;
}

fn router(look: impl Fn() -> Snapshot + Clone + Send + Sync + 'static) -> Router {
    let health = look.clone();
    Router::new()
        .route("/", get(INDEX))
        .route("/metrics", get(move || metrics(&look())))
        .route("/health", get(move || self::health(&health())))
}

fn metrics(snapshot: &Snapshot) -> Ready<Response> {
    let text = write_metrics(snapshot) + &process::metrics(&snapshot.udp_ports);
    ready(([(CONTENT_TYPE, TEXT_EXPOSITION)], text).into_response())
}

fn health(snapshot: &Snapshot) -> Ready<Response> {
    ready(if snapshot.failed {
        (StatusCode::SERVICE_UNAVAILABLE, "a worker has failed\n").into_response()
    } else if snapshot.draining {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else {
        "ok\n".into_response()
    })
}

/// The relay's own metrics in Prometheus' text form.
pub(crate) fn write_metrics(snapshot: &Snapshot) -> String {
    let Snapshot { totals, draining, failed, udp_ports: _, workers, started } = snapshot;
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
    page.gauge(
        "dialtone_turn_failed",
        "1 when a worker has failed, and nothing is served any more.",
        u8::from(*failed),
    );
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
