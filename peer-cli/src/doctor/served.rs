//! The list of STUN and TURN servers that a signaling server gives to whoever asks over HTTP: `/ice-servers` beside its
//! `/ws`.

use std::pin::pin;

use bytes::Bytes;
use dialtone_wire::bodies;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::signaling::Way;
use super::{Check, Clock};
use crate::rtc::IceServer;

/// The name of the check.
const NAME: &str = "ice-servers";

/// More of the head of an answer is not read, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// A longer list is not read, in bytes.
const MAX_LIST: usize = 64 * 1024;

/// More servers of a list are not looked at.
const MAX_SERVERS: usize = 16;

/// A connection to the server, with TLS or without.
pub(super) type Stream = Box<dyn ReadWrite>;

pub(super) trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

/// Asks for the list over an open connection. A server need not have one: only what is there counts.
pub(super) async fn ask(stream: Stream, authority: &str, way: &Way<'_>) -> (Check, Vec<IceServer>) {
    let clock = Clock::start();
    let list = match timeout(way.limit, list(stream, &path(&way.url.to_string()), authority, way.origin)).await {
        Ok(list) => list,
        Err(_) => Err("were not told in time".to_owned()),
    };
    match list {
        Ok(servers) => {
            let urls: Vec<_> = servers.iter().flat_map(|server| &server.urls).map(String::as_str).collect();
            let words = if urls.is_empty() { "the server names none".to_owned() } else { urls.join(", ") };
            (clock.passed(NAME, words), servers)
        }
        Err(why) => (Check::left_out(NAME, &format!("{why}; those named in a room and by --ice count")), Vec::new()),
    }
}

/// In the words of this peer.
pub(super) fn ours(server: bodies::IceServer) -> IceServer {
    IceServer { urls: server.urls, username: server.username, credential: server.credential }
}

/// `/ice-servers` beside the last part of a URL's path.
fn path(url: &str) -> String {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = path.find('/').map_or("/", |at| &path[at..]);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/ice-servers")
}

/// The list; else why there is none, as the end of a sentence that begins with the list.
async fn list(stream: Stream, path: &str, authority: &str, origin: Option<&str>) -> Result<Vec<IceServer>, String> {
    let request = request(path, authority, origin).map_err(|error| format!("could not be asked for: {error}"))?;
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await.map_err(why)?;
    let answer = async { read(sender.send_request(request).await.map_err(why)?).await };
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        list = &mut answer => list,
        // What went wrong with it, the answer says, too; and what has come by then can still be read.
        _ = &mut connection => answer.await,
    }
}

fn request(path: &str, authority: &str, origin: Option<&str>) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    let request = Request::get(path)
        .header(HOST, authority)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("peer-cli/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close");
    let request = match origin {
        Some(origin) => request.header(ORIGIN, origin),
        None => request,
    };
    request.body(Empty::new())
}

async fn read(answer: Response<Incoming>) -> Result<Vec<IceServer>, String> {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::FORBIDDEN => return Err("are not told to this origin (HTTP 403)".to_owned()),
        status => return Err(format!("are not listed by this server (HTTP {})", status.as_u16())),
    }
    let (head, mut body) = answer.into_parts();
    let says_its_end = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| head.headers.contains_key(name));
    let mut list = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) if list.len() + data.len() > MAX_LIST => {
                return Err(format!("are longer than {} kB", MAX_LIST / 1024));
            }
            Ok(Ok(data)) => list.extend_from_slice(&data),
            Ok(Err(_trailers)) => {}
            Err(_) if says_its_end => return Err("broke off before their end".to_owned()),
            // Some end a TLS connection without saying so; what came by then is judged by its content.
            Err(_) => break,
        }
    }
    parse(&list)
}

/// What went wrong on the way.
fn why(error: hyper::Error) -> String {
    if error.is_parse_too_large() {
        "were answered with a head that is too long".to_owned()
    } else if error.is_parse() {
        "were answered with something that is not HTTP".to_owned()
    } else if error.is_incomplete_message() {
        "did not come: the server hung up before it had answered".to_owned()
    } else {
        format!("could not be asked for: {error}")
    }
}

fn parse(list: &[u8]) -> Result<Vec<IceServer>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        ice_servers: Vec<bodies::IceServer>,
    }
    let body: Body = serde_json::from_slice(list).map_err(|error| format!("are no list that can be read: {error}"))?;
    Ok(body.ice_servers.into_iter().take(MAX_SERVERS).map(ours).collect())
}

#[cfg(test)]
mod tests;
