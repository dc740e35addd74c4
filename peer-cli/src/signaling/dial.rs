//! From a URL to an open WebSocket, with an error that names the step that failed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest, error::ProtocolError};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long each step of dialling may take.
const STEP: Duration = Duration::from_secs(10);
/// The largest WebSocket message that is taken, as on the server's side.
const MAX_MESSAGE: usize = 256 * 1024;

/// The address of a signaling server: `ws://host[:port][/path]` or `wss://…`; the path is `/ws` where none is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    uri: Uri,
    host: String,
    port: u16,
    tls: bool,
}

/// A server URL that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not the URL of a signaling server: {problem}; expected something like ws://localhost:8080/ws")]
pub struct UrlError {
    /// What was given.
    pub url: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl ServerUrl {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let wrong = |problem| UrlError { url: text.to_owned(), problem };
        let uri: Uri = text.parse().map_err(|_| wrong("it is not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            Some(_) => return Err(wrong("the scheme is neither ws nor wss")),
            None => return Err(wrong("it has no scheme, ws:// or wss://")),
        };
        let host = uri.host().filter(|h| !h.is_empty()).ok_or_else(|| wrong("it names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let authority = uri.authority().map_or_else(String::new, ToString::to_string);
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let path = if path == "/" { "/ws" } else { path };
        let scheme = if tls { "wss" } else { "ws" };
        let uri = format!("{scheme}://{authority}{path}").parse().map_err(|_| wrong("it is not a URL"))?;
        Ok(Self { uri, host, port, tls })
    }

    /// The host, without port and brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the host is, by its name or address, this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

/// Without user, password and query: those may be secrets.
impl std::fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{}://{host}:{}{}", if self.tls { "wss" } else { "ws" }, self.port, self.uri.path())
    }
}

/// The steps of reaching a server, in their order; one of them failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialStep {
    /// Its name was not resolved.
    Dns,
    /// No TCP connection came about.
    Connect,
    /// The TLS handshake did not come about.
    Tls,
    /// It answered with this HTTP status instead of 101.
    Http(u16),
    /// What listens there does not speak WebSocket, or says nothing at all.
    NotWebSocket,
}

impl DialStep {
    /// In words, as the subject of a sentence.
    fn words(self) -> &'static str {
        match self {
            Self::Dns => "resolving the host name",
            Self::Connect => "the TCP connection",
            Self::Tls => "the TLS handshake",
            Self::Http(_) | Self::NotWebSocket => "the WebSocket handshake",
        }
    }
}

/// Which step of reaching the server failed, and what to look at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name of the host is not known.
    #[error("the host name {host} could not be resolved ({source}); check its spelling and the DNS")]
    Dns {
        /// The name.
        host: String,
        /// The resolver's words.
        source: io::Error,
    },
    /// Nothing listens there, or a firewall is in the way.
    #[error("{address} could not be reached ({source}); is the server running, and on that port?")]
    Connect {
        /// Host and port.
        address: String,
        /// The system's words.
        source: io::Error,
    },
    /// A step took too long.
    #[error("{} took longer than {} s", .step.words(), STEP.as_secs())]
    TimedOut {
        /// Which step.
        step: DialStep,
    },
    /// The TLS handshake failed.
    #[error("TLS with {host} failed ({source}); for a certificate of your own give its CA with --tls-ca FILE")]
    Tls {
        /// The host.
        host: String,
        /// The TLS library's words.
        source: io::Error,
    },
    /// The server answered with another status than 101.
    #[error("the server answered HTTP {status} instead of opening a WebSocket{hint}")]
    Http {
        /// The status.
        status: u16,
        /// What it usually means, with a leading semicolon.
        hint: &'static str,
    },
    /// What answers is not a WebSocket server.
    #[error("what listens there does not speak WebSocket ({0})")]
    NotWebSocket(String),
    /// The origin to be sent is no text for an HTTP header.
    #[error("{origin:?} cannot be sent as an origin; expected something like https://call.example")]
    Origin {
        /// What was given.
        origin: String,
    },
}

impl DialError {
    /// Which step failed.
    pub fn step(&self) -> DialStep {
        match self {
            Self::Dns { .. } => DialStep::Dns,
            Self::Connect { .. } => DialStep::Connect,
            Self::TimedOut { step } => *step,
            Self::Tls { .. } => DialStep::Tls,
            Self::Http { status, .. } => DialStep::Http(*status),
            Self::NotWebSocket(_) | Self::Origin { .. } => DialStep::NotWebSocket,
        }
    }
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// Our own address of the connection, which it dies with; `None` where the system does not tell.
    fn local_ip(&self) -> Option<IpAddr>;
}

impl Stream for TcpStream {
    fn local_ip(&self) -> Option<IpAddr> {
        Some(self.local_addr().ok()?.ip())
    }
}

impl Stream for tokio_rustls::client::TlsStream<TcpStream> {
    fn local_ip(&self) -> Option<IpAddr> {
        self.get_ref().0.local_ip()
    }
}

/// An open WebSocket, over TCP or TLS.
pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// What TLS trusts: the system's certificates and, where given, those in `extra` (PEM).
pub fn tls_config(extra: Option<&Path>) -> Result<Arc<rustls::ClientConfig>, TlsConfigError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = extra {
        let failed = |reason: String| TlsConfigError { path: path.to_owned(), reason };
        let certificates: Vec<_> =
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|e| failed(e.to_string()))?;
        if certificates.is_empty() {
            return Err(failed("it holds no certificate".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|e| failed(e.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsConfigError { path: PathBuf::new(), reason: e.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A file of certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} cannot be used as certificates in PEM form: {reason}")]
pub struct TlsConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub reason: String,
}

/// Opens a WebSocket, with an `Origin` header where there is one to send.
pub(super) async fn dial(
    url: &ServerUrl,
    origin: Option<&str>,
    tls: &Arc<rustls::ClientConfig>,
) -> Result<Socket, DialError> {
    let origin = origin.map(origin_header).transpose()?;
    match dial_offering(url, origin.as_ref(), tls, true).await {
        // A server that chooses none of the sub-protocols is within its rights; the library wants it not offered then.
        Err(Failure::NoSubprotocol) => {
            dial_offering(url, origin.as_ref(), tls, false).await.map_err(Failure::into_error)
        }
        other => other.map_err(Failure::into_error),
    }
}

enum Failure {
    NoSubprotocol,
    Dial(DialError),
}

impl Failure {
    fn into_error(self) -> DialError {
        match self {
            Self::NoSubprotocol => DialError::NotWebSocket("no common sub-protocol".to_owned()),
            Self::Dial(error) => error,
        }
    }
}

fn origin_header(origin: &str) -> Result<HeaderValue, DialError> {
    HeaderValue::from_str(origin).map_err(|_| DialError::Origin { origin: origin.to_owned() })
}

async fn dial_offering(
    url: &ServerUrl,
    origin: Option<&HeaderValue>,
    tls: &Arc<rustls::ClientConfig>,
    offer: bool,
) -> Result<Socket, Failure> {
    let stream = connect(url, tls).await.map_err(Failure::Dial)?;
    let not_websocket = |e: tungstenite::Error| Failure::Dial(DialError::NotWebSocket(e.to_string()));
    let mut request = url.uri.clone().into_client_request().map_err(not_websocket)?;
    if offer {
        let protocols = HeaderValue::from_static("v12.stomp, v11.stomp");
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocols);
    }
    if let Some(origin) = origin {
        request.headers_mut().insert(ORIGIN, origin.clone());
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    match timeout(STEP, client_async_with_config(request, stream, Some(config))).await {
        Err(_) => Err(Failure::Dial(DialError::TimedOut { step: DialStep::NotWebSocket })),
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(response))) => {
            let status = response.status().as_u16();
            let hint = match status {
                200 => "; Spring with SockJS has the WebSocket one step further, usually at /ws/websocket",
                401 => "; it wants a login",
                403 => "; it does not allow this origin or this client",
                404 => "; there is no signaling at this path, usually it is /ws",
                _ => "",
            };
            Err(Failure::Dial(DialError::Http { status, hint }))
        }
        Ok(Err(tungstenite::Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)))) if offer => {
            Err(Failure::NoSubprotocol)
        }
        Ok(Err(error)) => Err(not_websocket(error)),
    }
}

/// One address after the other, so that a family without a route does not use up the time of the others.
async fn connect_any(addresses: &[SocketAddr], named: String) -> Result<TcpStream, DialError> {
    let share = STEP / u32::try_from(addresses.len().clamp(1, 5)).unwrap_or(1);
    let mut last = DialError::Dns { host: named.clone(), source: io::Error::other("the name has no address") };
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => last = DialError::Connect { address: named.clone(), source },
            Err(_) => last = DialError::TimedOut { step: DialStep::Connect },
        }
    }
    Err(last)
}

async fn connect(url: &ServerUrl, tls: &Arc<rustls::ClientConfig>) -> Result<Box<dyn Stream>, DialError> {
    let address = format!("{}:{}", url.host, url.port);
    let lookup = timeout(STEP, tokio::net::lookup_host((url.host.as_str(), url.port))).await;
    let addresses: Vec<_> = lookup
        .map_err(|_| DialError::TimedOut { step: DialStep::Dns })?
        .map_err(|source| DialError::Dns { host: url.host.clone(), source })?
        .collect();
    let tcp = connect_any(&addresses, address).await?;
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    if !url.tls {
        return Ok(Box::new(tcp));
    }
    let failed = |source| DialError::Tls { host: url.host.clone(), source };
    let name = ServerName::try_from(url.host.clone()).map_err(|e| failed(io::Error::other(e)))?;
    let handshake = TlsConnector::from(Arc::clone(tls)).connect(name, tcp);
    let stream = timeout(STEP, handshake).await.map_err(|_| DialError::TimedOut { step: DialStep::Tls })?;
    Ok(Box::new(stream.map_err(failed)?))
}
