//! The list as servers of all kinds tell it, and what is no list.

use std::fmt::Write as _;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

const LIST: &str =
    r#"{"iceServers":[{"urls":["stun:a"]},{"urls":["turn:b","turns:b"],"username":"u","credential":"p"}]}"#;

/// What is asked, and what is made of an answer after which the server hangs up.
async fn asked(answer: &[u8]) -> (String, Result<Vec<IceServer>, String>) {
    let (ours, mut theirs) = duplex(1024);
    let server = async {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let byte = theirs.read_u8().await.unwrap();
            request.push(byte);
        }
        // Who has read enough hangs up first.
        let _ = theirs.write_all(answer).await;
        drop(theirs);
        String::from_utf8(request).unwrap()
    };
    tokio::join!(server, list(Box::new(ours), "/ice-servers", "a.example:443", Some("https://a.example")))
}

async fn made_of(answer: impl AsRef<[u8]>) -> Result<Vec<IceServer>, String> {
    asked(answer.as_ref()).await.1
}

fn in_chunks(of: usize, tail: &str) -> String {
    let mut answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for chunk in LIST.as_bytes().chunks(of) {
        write!(answer, "{:X};some=extension\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()).unwrap();
    }
    answer + tail
}

fn listed() -> Vec<IceServer> {
    let server = |urls: &[&str], login: Option<(&str, &str)>| IceServer {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        username: login.map(|(name, _)| name.to_owned()),
        credential: login.map(|(_, password)| password.to_owned()),
    };
    vec![server(&["stun:a"], None), server(&["turn:b", "turns:b"], Some(("u", "p")))]
}

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

#[tokio::test]
async fn the_request_names_the_host_and_the_origin() {
    let (request, _) = asked(b"HTTP/1.1 404 Not Found\r\n\r\n").await;
    let mut lines: Vec<_> = request.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "GET /ice-servers HTTP/1.1");
    lines.sort_unstable();
    let agent = format!("user-agent: peer-cli/{}", env!("CARGO_PKG_VERSION"));
    let expected = [
        "accept: application/json",
        "connection: close",
        "host: a.example:443",
        "origin: https://a.example",
        agent.as_str(),
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_list_is_read_with_its_logins_however_its_end_is_told() {
    let counted = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{LIST}", LIST.len());
    for answer in [format!("HTTP/1.0 200 OK\r\n\r\n{LIST}"), format!("HTTP/1.1 200 OK\r\n\r\n{LIST}"), counted] {
        assert_eq!(made_of(&answer).await, Ok(listed()), "{answer}");
    }
    assert_eq!(made_of("HTTP/1.1 200 OK\r\n\r\n{\"iceServers\":[]}").await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_list_in_chunks_is_put_together_however_it_is_cut() {
    for of in [1, 7, LIST.len()] {
        for tail in ["0\r\n\r\n", "0\r\nsome: trailer\r\n\r\n"] {
            assert_eq!(made_of(in_chunks(of, tail)).await, Ok(listed()), "chunks of {of}");
        }
    }
}

#[tokio::test]
async fn a_list_that_breaks_off_is_none() {
    let short = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{LIST}", LIST.len() + 1);
    for answer in [in_chunks(7, ""), in_chunks(7, "5\r\n  "), short] {
        assert!(made_of(&answer).await.unwrap_err().contains("broke off"), "{answer}");
    }
    let wrong = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nlong\r\n";
    assert!(made_of(wrong).await.unwrap_err().contains("broke off"));
}

#[tokio::test]
async fn no_more_is_read_than_a_list_needs() {
    let endless = " ".repeat(2 * MAX_LIST);
    let length = endless.len();
    for head in ["".to_owned(), format!("content-length: {length}\r\n"), "transfer-encoding: chunked\r\n".to_owned()] {
        let chunk = if head.starts_with('t') { format!("{length:x}\r\n") } else { String::new() };
        let why = made_of(format!("HTTP/1.1 200 OK\r\n{head}\r\n{chunk}{endless}")).await.unwrap_err();
        assert!(why.contains("longer than 64 kB"), "{head:?}: {why}");
    }
    let head = "a: b\r\n".repeat(MAX_HEAD);
    let why = made_of(format!("HTTP/1.1 200 OK\r\n{head}\r\n{LIST}")).await.unwrap_err();
    assert!(why.contains("head"), "{why}");
    let many = ["{\"urls\":[\"stun:a\"]}"; 100].join(",");
    let list = made_of(format!("HTTP/1.1 200 OK\r\n\r\n{{\"iceServers\":[{many}]}}")).await.unwrap();
    assert_eq!(list.len(), MAX_SERVERS);
}

#[tokio::test]
async fn whatever_else_is_answered_is_no_list_and_says_why() {
    for (answer, words) in [
        (&b"HTTP/1.1 404 Not Found\r\n\r\n"[..], "HTTP 404"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "origin"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", "no list"),
        (b"HTTP/1.1 200 OK\r\n\r\n[]", "no list"),
        (b"HTTP/1.1 \x1b[2J x\r\n\r\n", "not HTTP"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n", "hung up"),
        (b"", "hung up"),
    ] {
        let why = made_of(answer).await.unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}
