//! Listening, handing connections to HTTP, and stopping.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::backplane::Memory;
use crate::config::Config;
use crate::guests::{Guest, Guests};
use crate::http::{self, App};
use crate::hub::Hub;
use crate::ice::Ice;
use crate::session::Settings;
use crate::socket;
use crate::tls::{self, TlsError};

/// How long a TLS handshake, and then the head of a request, may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may speak plain HTTP.
const HTTP_WITHIN: Duration = Duration::from_secs(60);
/// How long stopping may take.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait after the system could not accept a connection, most often for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A running server. Dropping it stops it without waiting; [`shutdown`](Self::shutdown) waits.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    certificate: Option<CertificateDer<'static>>,
    hub: Arc<Hub>,
    stop: watch::Sender<bool>,
    gone: mpsc::Receiver<Infallible>,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {why}; {}", hint(.why))]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Server {
    /// Starts a server on the current tokio runtime. It listens when this returns.
    pub async fn spawn(config: Config) -> Result<Self, SpawnError> {
        if !config.ice.turn_urls.is_empty() && !config.ice.without_login {
            tracing::warn!(
                "TURN logins are given to nobody, since nobody can log in yet; --ice-without-login gives them to everybody"
            );
        }
        let tls = config.tls.as_ref().map(|tls| tls::acceptor(tls, config.listen)).transpose()?;
        let (acceptor, certificate) = tls.unzip();
        let listen = config.listen;
        let failed = |why| SpawnError::Listen { addr: listen, why };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;

        let hub = Arc::new(Hub::new(&config, || Box::new(Memory::new())));
        let ice = Ice::new(&config.ice);
        let half_open = Arc::new(Semaphore::new(config.limits.half_open.max(1)));
        // A reverse proxy is one address, hence a quarter and not a handful.
        let guests = Guests::new((config.limits.half_open / 4).max(1));
        let settings = Arc::new(Settings { config, ice });
        let (alive, gone) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let router = http::router(Arc::new(App { settings, hub: Arc::clone(&hub), alive }));
        tokio::spawn(keep(Arc::clone(&hub), stopped.clone()));
        tokio::spawn(Door { listener, acceptor, router, half_open, guests, stopped }.open());
        tracing::info!(%addr, tls = certificate.is_some(), "listening");
        Ok(Self { addr, certificate, hub, stop, gone })
    }

    /// The address listened on, with the real port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where STOMP clients connect, such as `ws://127.0.0.1:8080/ws`.
    pub fn ws_url(&self) -> String {
        let scheme = if self.certificate.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}/ws", self.addr)
    }

    /// The certificate shown to clients, for those that are to trust a self-signed one; `None` without TLS.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certificate.as_ref()
    }

    /// Stops: tells every session `GOING_AWAY` on `/user/queue/system`, closes its connection with 1001, and waits until
    /// all are closed, at most five seconds.
    pub async fn shutdown(mut self) {
        self.begin_to_stop();
        if timeout(STOP_WITHIN, self.gone.recv()).await.is_err() {
            tracing::warn!("some connections did not close in time and are dropped");
        }
    }

    fn begin_to_stop(&self) {
        self.stop.send_replace(true);
        self.hub.close();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_to_stop();
    }
}

/// What to try when an address cannot be listened on.
fn hint(why: &std::io::Error) -> &'static str {
    let known = [
        (std::io::ErrorKind::AddrInUse, "stop what listens there, or choose another port (port 0 takes a free one)"),
        (
            std::io::ErrorKind::AddrNotAvailable,
            "this machine has no such address; 0.0.0.0 and [::] stand for all it has",
        ),
        (std::io::ErrorKind::PermissionDenied, "ports below 1024 need rights; choose a higher one"),
    ];
    known.iter().find(|(kind, _)| *kind == why.kind()).map_or("choose another address", |(_, hint)| hint)
}

/// Lets sessions leave when their grace time is over.
async fn keep(hub: Arc<Hub>, mut stopped: watch::Receiver<bool>) {
    loop {
        let next = hub.next_expiry();
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stopped.changed() => return,
            () = hub.parked() => {}
            () = due => hub.expire(socket::now().mono),
        }
    }
}

/// Takes connections in.
struct Door {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    half_open: Arc<Semaphore>,
    guests: Guests,
    stopped: watch::Receiver<bool>,
}

impl Door {
    async fn open(mut self) {
        loop {
            let half_open = Arc::clone(&self.half_open);
            let next = async {
                // The semaphore is never closed; if it were, nobody would be let in.
                let permit = half_open.acquire_owned().await.ok()?;
                loop {
                    match self.listener.accept().await {
                        Ok((stream, peer)) => match self.guests.enter(peer.ip()) {
                            Some(guest) => return Some((stream, (permit, guest))),
                            None => tracing::debug!("too many half-open connections from one address"),
                        },
                        Err(error) => {
                            tracing::warn!(%error, "cannot accept a connection");
                            tokio::time::sleep(ACCEPT_AGAIN).await;
                        }
                    }
                }
            };
            let (stream, permit) = tokio::select! {
                _ = self.stopped.changed() => return,
                next = next => match next {
                    Some(next) => next,
                    None => return,
                },
            };
            let (acceptor, router) = (self.acceptor.clone(), self.router.clone());
            tokio::spawn(welcome(stream, acceptor, router, permit, self.stopped.clone()));
        }
    }
}

/// One connection until it ends or becomes a WebSocket.
async fn welcome(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    permit: (OwnedSemaphorePermit, Guest),
    mut stopped: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off Nagle's algorithm");
    }
    let served = async {
        let Some(acceptor) = acceptor else {
            return serve(stream, router).await;
        };
        match timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => serve(stream, router).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
            Err(_elapsed) => tracing::debug!("TLS handshake not finished in time"),
        }
    };
    tokio::select! {
        _ = stopped.changed() => {}
        _ = timeout(HTTP_WITHIN, served) => {}
    }
    drop(permit);
}

async fn serve<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: I, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_WITHIN)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(router))
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "HTTP");
    }
}
