//! What can be wrong on the way to the signaling server, and with what answers there.

use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use dialtone_tests::{Call, Deed, Door, Meddler, Program, Scratch, Visit, accept_websocket};
use dialtone_wire::stomp::{Command, Frame};
use tokio_tungstenite::tungstenite::{self, Message};

use super::join;
use crate::PLAIN;
use crate::closed::ClosedTcp;
use crate::inside::Inside;

/// RFC 6761 section 6.4: nobody ever has this name.
pub(super) fn unknown_host(_: &Scratch) -> Call {
    let call = join("ws://no-such-host.invalid:8080/ws", &[]);
    assert!(call.text("/verdict/sentence").contains("no-such-host.invalid"), "{}", call.report);
    call
}

pub(super) fn refused_port(_: &Scratch) -> Call {
    let closed = ClosedTcp::new();
    join(&format!("ws://{}/ws", closed.address()), &[])
}

pub(super) fn untrusted_certificate(_: &Scratch) -> Call {
    let (_server, url) = Program::server(["--tls-self-signed"]);
    join(&url, &[])
}

pub(super) fn plain_port(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    join(&url.replace("ws://", "wss://"), &[])
}

pub(super) fn wrong_path(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let call = join(&url.replace("/ws", "/nowhere"), &[]);
    assert!(call.text("/verdict/sentence").contains("404"), "{}", call.report);
    call
}

pub(super) fn internal_error(_: &Scratch) -> Call {
    let call = answered("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert!(call.text("/verdict/sentence").contains("500"), "{}", call.report);
    call
}

pub(super) fn http_login(_: &Scratch) -> Call {
    answered("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// As Spring's security does where it lets nobody in without a login.
pub(super) fn stomp_login(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let meddler = Meddler::before(&url, |passing| {
        if passing.frame.command == Command::Connect {
            Deed::Answer(vec![Frame::new(Command::Error).header("message", "Access is denied")])
        } else {
            Deed::Pass
        }
    });
    let call = join(&meddler.url(), &[]);
    let told = [call.text("/verdict/sentence"), &call.at("/verdict/facts").to_string()].concat();
    assert!(told.contains("Access is denied"), "the server's own words are told: {}", call.report);
    call
}

pub(super) fn foreign_origin(_: &Scratch) -> Call {
    let (_server, url) = Program::server(["--origin", "https://call.example"]);
    join(&url, &["--origin", "https://evil.example"])
}

/// A port where something else is at home, which speaks as soon as it is spoken to.
pub(super) fn another_protocol(_: &Scratch) -> Call {
    answered("SSH-2.0-OpenSSH_9.2p1\r\n")
}

/// The peer gives each step 10 s.
pub(super) fn silent_port(_: &Scratch) -> Call {
    let door = Door::open(Visit::stays_silent);
    join(&format!("ws://{}/ws", door.address()), &[])
}

/// It says CONNECT to who says CONNECT.
pub(super) fn echo(_: &Scratch) -> Call {
    through_websocket(true)
}

pub(super) fn silent_websocket(_: &Scratch) -> Call {
    through_websocket(false)
}

/// A real server behind a proxy that lets the WebSocket through and nothing of what is said. By default the server ends
/// connections without CONNECT after the very time that the peer waits for the answer: here it is more patient, so that
/// the peer's own patience is what runs out.
pub(super) fn swallowed_connect(_: &Scratch) -> Call {
    let server = Inside::spawn(|config| config.limits.connect_within = Duration::from_secs(60));
    let meddler = Meddler::before(&server.url(), |_| Deed::Swallow);
    join(&meddler.url(), &[])
}

/// Joins where every request gets this answer.
fn answered(answer: &'static str) -> Call {
    let door = Door::open(move |mut visit| {
        if visit.hears_request() {
            // A visitor who does not wait for the answer shows in the verdict.
            let _ = visit.stream.write_all(answer.as_bytes());
            visit.stays_silent();
        }
    });
    join(&format!("ws://{}/ws", door.address()), &[])
}

/// Joins at a WebSocket that speaks no STOMP, or not a word.
fn through_websocket(echoes: bool) -> Call {
    const LOOK_EVERY: Duration = Duration::from_millis(50);
    let door = Door::open(move |visit| {
        let stream = visit.stream.try_clone().unwrap();
        let Some((mut socket, _)) = accept_websocket(stream) else { return };
        socket.get_ref().set_read_timeout(Some(LOOK_EVERY)).unwrap();
        while !visit.is_closing() {
            match socket.read() {
                Ok(Message::Text(text)) if echoes => drop(socket.send(Message::Text(text))),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    });
    join(&format!("ws://{}/ws", door.address()), &[])
}
