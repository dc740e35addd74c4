//! The signaling server, step by step: name, TCP, TLS, WebSocket, STOMP, a room of our own.
//!
//! The first three are made here, so that each has its own time; from the WebSocket on it is the same connection that a
//! call makes, with the same errors.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dialtone_wire::RoomId;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::http::Uri;

use super::served::{self, Stream};
use super::verdict::Broken;
use super::{Check, Clock};
use crate::call::FromServer;
use crate::rtc::IceServer;
use crate::signaling::{DialError, DialStep, Event, Options, ServerUrl, Signaling};
use crate::verdict::Cause;

/// Where the server is and how to come to it.
pub(super) struct Way<'a> {
    pub(super) url: &'a ServerUrl,
    pub(super) origin: Option<&'a str>,
    pub(super) tls: &'a Arc<ClientConfig>,
    /// How long each step may take.
    pub(super) limit: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Where it broke, if it did.
    pub(super) broken: Option<Broken>,
    /// The STUN and TURN servers that it names.
    pub(super) servers: Vec<IceServer>,
}

/// Goes up to the first step that fails; each step is told as it ends.
pub(super) async fn examine(way: &Way<'_>, room: RoomId, mut tell: impl FnMut(Check)) -> Found {
    let mut found = Found::default();
    let stream = match connect(way, &mut tell).await {
        Ok(stream) => stream,
        Err(broken) => return Found { broken: Some(broken), ..found },
    };
    // Asked first, as the connection is there, and told last, where it belongs.
    let listed = served::ask(stream, &parts(way.url).authority, way).await;
    if let Err(broken) = join(way, room, &mut tell, &mut found.servers).await {
        found.broken = Some(broken);
    }
    let (check, servers) = listed;
    tell(check);
    found.servers.extend(servers);
    found
}

/// Name, TCP and TLS.
async fn connect(way: &Way<'_>, tell: &mut impl FnMut(Check)) -> Result<Stream, Broken> {
    let Parts { host, port, is_tls, .. } = parts(way.url);
    let clock = Clock::start();
    let addresses = match timeout(way.limit, resolve(&host, port)).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(source)) => return failed(tell, clock, "dns", &DialError::Dns { host, source }),
        Err(_) => return late(tell, clock, "dns", DialStep::Dns, "the host name was not resolved"),
    };
    let named: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let is_address = host.parse::<IpAddr>().is_ok();
    let words = if is_address { format!("{host} needs none") } else { format!("{host} is {}", named.join(", ")) };
    tell(clock.passed("signaling dns", words));

    let clock = Clock::start();
    let tcp = match any(&addresses, way.limit).await {
        Ok(tcp) => tcp,
        Err(source) => {
            let address = format!("{host}:{port}");
            return failed(tell, clock, "tcp", &DialError::Connect { address, source });
        }
    };
    let at = tcp.peer_addr().map_or_else(|_| format!("{host}:{port}"), |address| address.to_string());
    tell(clock.passed("signaling tcp", format!("connected to {at}")));

    if !is_tls {
        tell(Check::left_out("signaling tls", "ws:// goes without; browsers take it from pages on this machine only"));
        return Ok(Box::new(tcp));
    }
    let clock = Clock::start();
    match timeout(way.limit, secure(&host, tcp, way.tls)).await {
        Ok(Ok(stream)) => {
            let version = stream.get_ref().1.protocol_version();
            let version = version.map_or_else(|| "TLS".to_owned(), |version| format!("{version:?}"));
            tell(clock.passed("signaling tls", format!("{version}, the certificate of {host} is trusted")));
            Ok(Box::new(stream))
        }
        Ok(Err(source)) => failed(tell, clock, "tls", &DialError::Tls { host, source }),
        Err(_) => late(tell, clock, "tls", DialStep::Tls, "the TLS handshake did not end"),
    }
}

/// WebSocket, STOMP, and a room in which nobody else is.
async fn join(
    way: &Way<'_>,
    room: RoomId,
    tell: &mut impl FnMut(Check),
    servers: &mut Vec<IceServer>,
) -> Result<(), Broken> {
    let options = Options {
        url: way.url.clone(),
        room: room.clone(),
        display_name: None,
        tls: Arc::clone(way.tls),
        give_up: Duration::ZERO,
        in_call: Arc::default(),
        origin: way.origin.map(str::to_owned),
        tap: None,
    };
    let clock = Clock::start();
    let (signaling, mut events) = match timeout(way.limit, Signaling::open(options)).await {
        Ok(Ok(open)) => open,
        Ok(Err(error)) => return failed(tell, clock, "websocket", &error),
        Err(_) => {
            return late(tell, clock, "websocket", DialStep::NotWebSocket, "the WebSocket handshake did not end");
        }
    };
    tell(clock.passed("signaling websocket", "open, over a connection of its own".to_owned()));

    let clock = Clock::start();
    let stomp = next(&mut events, clock.started + way.limit, Cause::SignalingNotStomp, servers).await;
    let result = match stomp {
        Ok(Progress::Connected(words)) => {
            tell(clock.passed("signaling stomp", words));
            let clock = Clock::start();
            match next(&mut events, clock.started + way.limit, Cause::JoinRefused, servers).await {
                Ok(Progress::Joined) => {
                    tell(clock.passed("signaling join", format!("let into room {room}, and left it again")));
                    Ok(())
                }
                Ok(Progress::Connected(_)) => {
                    let why = "the server answered CONNECT twice".to_owned();
                    broke(tell, clock, "join", Cause::SignalingNotStomp, why)
                }
                Err((cause, why)) => broke(tell, clock, "join", cause, why),
            }
        }
        Ok(Progress::Joined) => {
            let why = "the server let us in before it had answered CONNECT".to_owned();
            broke(tell, clock, "stomp", Cause::SignalingNotStomp, why)
        }
        Err((cause, why)) => broke(tell, clock, "stomp", cause, why),
    };
    signaling.leave().await;
    result
}

/// A step ahead.
enum Progress {
    /// CONNECTED has come, in words.
    Connected(String),
    /// We are in the room.
    Joined,
}

/// Waits for the next step, and gathers the STUN and TURN servers named on the way; `late` is what it is when nothing
/// comes.
async fn next(
    events: &mut mpsc::Receiver<Event>,
    end: Instant,
    late: Cause,
    servers: &mut Vec<IceServer>,
) -> Result<Progress, (Cause, String)> {
    loop {
        let Ok(event) = timeout_at(end.into(), events.recv()).await else {
            return Err((late, "the server did not answer in time".to_owned()));
        };
        let event = match event {
            None => return Err((Cause::SignalingLost, "the server ended the conversation".to_owned())),
            Some(Event::Connected { version, server }) => {
                let server = server.map_or_else(String::new, |server| format!(", {server}"));
                return Ok(Progress::Connected(format!("STOMP {version}{server}")));
            }
            Some(Event::IceServers(named)) => {
                servers.extend(named.into_iter().map(served::ours));
                continue;
            }
            Some(Event::Call(event)) => event,
        };
        match event {
            FromServer::Me(_) => return Ok(Progress::Joined),
            FromServer::Refused { message, .. } => return Err((Cause::JoinRefused, message)),
            FromServer::GaveUp { why, reason } => return Err((why.into(), reason)),
            FromServer::Lost => return Err((Cause::SignalingLost, "the server closed the connection".to_owned())),
            FromServer::Members(_)
            | FromServer::Ready
            | FromServer::Signal { .. }
            | FromServer::Leave(_)
            | FromServer::Back => {}
        }
    }
}

fn failed<T>(tell: &mut impl FnMut(Check), clock: Clock, step: &str, error: &DialError) -> Result<T, Broken> {
    broke(tell, clock, step, error.step().into(), error.to_string())
}

fn late<T>(tell: &mut impl FnMut(Check), clock: Clock, name: &str, step: DialStep, what: &str) -> Result<T, Broken> {
    broke(tell, clock, name, step.into(), format!("{what} in the time for one check (--timeout)"))
}

fn broke<T>(tell: &mut impl FnMut(Check), clock: Clock, step: &str, cause: Cause, why: String) -> Result<T, Broken> {
    tell(clock.failed(&format!("signaling {step}"), why.clone()));
    Err(Broken { cause, why })
}

/// A server's URL in parts.
struct Parts {
    host: String,
    port: u16,
    is_tls: bool,
    /// As it stands in the URL.
    authority: String,
}

fn parts(url: &ServerUrl) -> Parts {
    // What it shows itself as is a URL with everything but secrets.
    let uri = url.to_string().parse::<Uri>().unwrap_or_default();
    let is_tls = uri.scheme_str() == Some("wss");
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let authority = uri.authority().map_or_else(|| url.host().to_owned(), ToString::to_string);
    Parts { host: url.host().to_owned(), port, is_tls, authority }
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host((host, port)).await?.collect())
}

/// One address after the other, each for its share of the time.
async fn any(addresses: &[SocketAddr], limit: Duration) -> io::Result<TcpStream> {
    let share = limit / u32::try_from(addresses.len().clamp(1, 5)).unwrap_or(1);
    let mut last = io::Error::other("the name has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {address}")),
        }
    }
    Err(last)
}

async fn secure(
    host: &str,
    tcp: TcpStream,
    tls: &Arc<ClientConfig>,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await
}

#[cfg(test)]
#[cfg(feature = "embedded")]
mod tests;
