//! The operator's connections: few, short, and none of them keeps the next one out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tracing::{debug, warn};

/// Connections at a time.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// How long to wait when the system has no file descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Longest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How long one connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// From the connection to the end of its request's head.
    pub(super) head: Duration,
    /// From the connection to its end.
    pub(super) all: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: Duration::from_secs(2), all: Duration::from_secs(10) }
    }
}

/// Answers whoever connects, until it is dropped; its connections end with it.
pub(super) async fn serve(listener: TcpListener, router: Router, patience: Patience) {
    let mut connections = JoinSet::new();
    let mut places = VecDeque::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _from)) => {
                make_room(&mut places);
                let asked = Arc::new(AtomicBool::new(false));
                let task = connections.spawn(answer(stream, router.clone(), Arc::clone(&asked), patience));
                places.push_back(Place { task, asked });
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection of the operator");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// A connection, by age.
struct Place {
    task: AbortHandle,
    /// Its request has been read.
    asked: Arc<AtomicBool>,
}

/// Where all places are taken, the connection that has waited longest without asking makes way, or else the oldest.
/// Strangers who connect and say nothing then cost each other their places, and not the operator his.
fn make_room(places: &mut VecDeque<Place>) {
    places.retain(|place| !place.task.is_finished());
    if places.len() < MAX_CONNECTIONS {
        return;
    }
    let waiting = places.iter().position(|place| !place.asked.load(Relaxed));
    if let Some(place) = places.remove(waiting.unwrap_or_default()) {
        debug!("a connection of the operator makes way for the next");
        place.task.abort();
    }
}

/// One connection carries one request: that bounds it in time, whatever its other end does.
async fn answer(stream: TcpStream, router: Router, asked: Arc<AtomicBool>, patience: Patience) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Relaxed);
        router.call(request)
    });
    let answered = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(patience.all, answered).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "the operator's connection"),
        Err(_elapsed) => debug!("the operator's connection took too long"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connection_that_has_asked_keeps_its_place_while_another_only_waits() {
        let mut connections = JoinSet::new();
        let mut place = |asked| {
            let task = connections.spawn(std::future::pending::<()>());
            Place { task, asked: Arc::new(AtomicBool::new(asked)) }
        };
        let mut places: VecDeque<Place> = (0..MAX_CONNECTIONS).map(|age| place(age != 1)).collect();
        let asked = |places: &VecDeque<Place>| places.iter().filter(|place| place.asked.load(Relaxed)).count();

        make_room(&mut places);
        assert_eq!((places.len(), asked(&places)), (MAX_CONNECTIONS - 1, MAX_CONNECTIONS - 1));
        make_room(&mut places);
        assert_eq!(places.len(), MAX_CONNECTIONS - 1, "there is room");
        places.push_back(place(true));
        make_room(&mut places);
        assert_eq!(places.len(), MAX_CONNECTIONS - 1, "where all have asked, the oldest goes");
    }
}
