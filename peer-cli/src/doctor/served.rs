//! The list of STUN and TURN servers that a signaling server gives to whoever asks over HTTP: `/ice-servers` beside its
//! `/ws`, asked for in the plainest HTTP there is.

use dialtone_wire::bodies;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::signaling::Way;
use super::{Check, Clock};
use crate::rtc::IceServer;

/// The name of the check.
const NAME: &str = "ice-servers";

/// More of an answer is not read, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// More servers of a list are not looked at.
const MAX_SERVERS: usize = 16;

/// A connection to the server, with TLS or without.
pub(super) type Stream = Box<dyn ReadWrite>;

pub(super) trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

/// Asks for the list over an open connection. A server need not have one: only what is there counts.
pub(super) async fn ask(mut stream: Stream, authority: &str, way: &Way<'_>) -> (Check, Vec<IceServer>) {
    let clock = Clock::start();
    let request = request(&path(&way.url.to_string()), authority, way.origin);
    let answer = timeout(way.limit, async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        let read = stream.take(MAX_ANSWER).read_to_end(&mut answer).await;
        // Some end a TLS connection without saying so; what came by then is judged by its content.
        if answer.is_empty() { read.map(|_| answer) } else { Ok(answer) }
    });
    let list = match answer.await {
        Ok(Ok(answer)) => parse(&answer),
        Ok(Err(error)) => Err(format!("could not be asked for: {error}")),
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

/// HTTP/1.0: nothing is chunked, and the end of the connection ends the answer.
fn request(path: &str, authority: &str, origin: Option<&str>) -> String {
    let origin = origin.map_or_else(String::new, |origin| format!("Origin: {origin}\r\n"));
    format!(
        "GET {path} HTTP/1.0\r\nHost: {authority}\r\nAccept: application/json\r\n\
         User-Agent: peer-cli/{}\r\n{origin}\r\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The list in an answer; else why there is none, as the end of a sentence that begins with the list.
fn parse(answer: &[u8]) -> Result<Vec<IceServer>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        ice_servers: Vec<bodies::IceServer>,
    }
    let head_end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(head_end) = head_end.filter(|_| answer.starts_with(b"HTTP/1.")) else {
        return Err("were answered with something that is not HTTP".to_owned());
    };
    let (head, body) = answer.split_at(head_end + 4);
    let status = head.split(|byte| *byte == b' ').nth(1).and_then(|word| std::str::from_utf8(word).ok());
    match status.map(str::trim) {
        Some("200") => {}
        Some("403") => return Err("are not told to this origin (HTTP 403)".to_owned()),
        Some(code) if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(format!("are not listed by this server (HTTP {code})"));
        }
        Some(_) | None => return Err("were answered with something that is not HTTP".to_owned()),
    }
    let body: Body = serde_json::from_slice(body).map_err(|error| format!("are no list that can be read: {error}"))?;
    Ok(body.ice_servers.into_iter().take(MAX_SERVERS).map(ours).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_lies_beside_the_websocket() {
        for (url, expected) in [
            ("ws://localhost:8080/ws", "/ice-servers"),
            ("wss://a.example:443/app/ws", "/app/ice-servers"),
            ("wss://a.example:443/", "/ice-servers"),
            ("wss://a.example:443", "/ice-servers"),
        ] {
            assert_eq!(path(url), expected, "{url}");
        }
    }

    #[test]
    fn the_request_is_a_plain_one() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            request("/ice-servers", "a.example:443", Some("https://a.example")),
            format!(
                "GET /ice-servers HTTP/1.0\r\nHost: a.example:443\r\nAccept: application/json\r\nUser-Agent: \
                 peer-cli/{version}\r\nOrigin: https://a.example\r\n\r\n"
            )
        );
    }

    #[test]
    fn a_list_is_read_with_its_logins() {
        let answer = b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n\
            {\"iceServers\":[{\"urls\":[\"stun:a\"]},{\"urls\":[\"turn:b\",\"turns:b\"],\"username\":\"u\",\"credential\":\"p\"}]}";
        let server = |urls: &[&str], login: Option<(&str, &str)>| IceServer {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            username: login.map(|(name, _)| name.to_owned()),
            credential: login.map(|(_, password)| password.to_owned()),
        };
        assert_eq!(
            parse(answer),
            Ok(vec![server(&["stun:a"], None), server(&["turn:b", "turns:b"], Some(("u", "p")))])
        );
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\n{\"iceServers\":[]}"), Ok(Vec::new()));
    }

    #[test]
    fn whatever_else_is_answered_is_no_list_and_says_why() {
        for (answer, words) in [
            (&b"HTTP/1.1 404 Not Found\r\n\r\n"[..], "HTTP 404"),
            (b"HTTP/1.1 403 Forbidden\r\n\r\n", "origin"),
            (b"HTTP/1.1 200 OK\r\n\r\n<html>", "no list"),
            (b"HTTP/1.1 200 OK\r\n\r\n[]", "no list"),
            (b"HTTP/1.1 \x1b[2J x\r\n\r\n", "not HTTP"),
            (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
            (b"HTTP/1.1 200 OK\r\n", "not HTTP"),
            (b"", "not HTTP"),
        ] {
            let why = parse(answer).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
