//! What a relayed message costs the signaling server, beside a bare WebSocket relay without STOMP, and what an idle
//! connection weighs. Run it with `scripts/bench-server`; figures are CPU seconds and resident memory of the server
//! process, since wall time on a shared machine says little.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may fail loudly and prints its figures")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dialtone_wire::stomp::{Command as Verb, Frame, FrameWriter, Version};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};

type Socket = WebSocketStream<TcpStream>;

const ROOMS: usize = 50;
const IN_FLIGHT: usize = 4;
const MESSAGES: usize = 100_000;
const ROUNDS: usize = 5;
const IDLE: usize = 2000;
const BODY: usize = 300;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if std::env::args().any(|arg| arg == "--raw-relay") {
        return runtime.block_on(raw_relay());
    }
    runtime.block_on(async {
        println!("{MESSAGES} messages a round, {ROOMS} rooms of 2, {BODY}-byte bodies, both members receive; CPU seconds of the server per 100,000 messages");
        let (mut ours, mut raw) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            ours.push(relay_cost(Kind::Dialtone).await);
            raw.push(relay_cost(Kind::Raw).await);
            println!("round {round}: dialtone-server {:.2}, bare relay {:.2}", ours[round - 1], raw[round - 1]);
        }
        let (ours, raw) = (median(ours), median(raw));
        println!("median: dialtone-server {ours:.2}, bare relay {raw:.2} (goal: at most 1.6)");
        idle().await;
    });
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Dialtone,
    Raw,
}

struct Subject {
    child: Child,
    address: String,
}

impl Subject {
    fn start(kind: Kind) -> Self {
        let mut command = match kind {
            Kind::Dialtone => {
                let exe = std::env::current_exe().unwrap();
                let program = exe.parent().unwrap().parent().unwrap().join("dialtone-server");
                let mut command = Command::new(program);
                command.args(["--listen", "127.0.0.1:0", "--frame-rate", "0", "--log", "error"]);
                command
            }
            Kind::Raw => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.arg("--raw-relay");
                command
            }
        };
        let mut child = command.stdout(Stdio::piped()).spawn().expect("scripts/bench-server builds the programs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split("ws://").nth(1).expect("a ready line").trim();
        Self { child, address: url.split('/').next().unwrap().to_owned() }
    }

    /// User and system time so far, in seconds.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / 100.0
    }

    fn rss_kb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn relay_cost(kind: Kind) -> f64 {
    let subject = Subject::start(kind);
    let mut rooms = Vec::new();
    for room in 0..ROOMS {
        let a = client(&subject, kind, room).await;
        let b = client(&subject, kind, room).await;
        rooms.push((a, b));
    }
    let left = Arc::new(AtomicUsize::new(MESSAGES));
    let before = subject.cpu();
    let tasks: Vec<_> = rooms
        .into_iter()
        .enumerate()
        .map(|(room, (a, b))| tokio::spawn(converse(kind, room, a, b, Arc::clone(&left))))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (subject.cpu() - before) * 100_000.0 / MESSAGES as f64
}

/// A sends with a few in flight; a message counts when B has it. Both receive every message.
async fn converse(kind: Kind, room: usize, a: Socket, b: Socket, left: Arc<AtomicUsize>) {
    let (mut send_a, mut receive_a) = a.split();
    let (_send_b, mut receive_b) = b.split();
    let message = Message::Text(String::from_utf8(signal(kind, room)).unwrap().into());
    let window = Arc::new(Semaphore::new(IN_FLIGHT));
    let echo = tokio::spawn(async move { while receive_a.next().await.is_some_and(|m| m.is_ok()) {} });
    let sender_window = Arc::clone(&window);
    let sender = tokio::spawn(async move {
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
            sender_window.acquire().await.unwrap().forget();
            send_a.send(message.clone()).await.unwrap();
        }
        sender_window.acquire_many(IN_FLIGHT as u32).await.unwrap().forget();
    });
    let receiver = tokio::spawn(async move {
        while let Some(Ok(message)) = receive_b.next().await {
            if message.len() > BODY {
                window.add_permits(1);
            }
        }
    });
    sender.await.unwrap();
    echo.abort();
    receiver.abort();
}

async fn client(subject: &Subject, kind: Kind, room: usize) -> Socket {
    let stream = TcpStream::connect(&subject.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let path = if kind == Kind::Dialtone { "ws".to_owned() } else { format!("r{room}") };
    let (mut socket, _) =
        client_async_with_config(format!("ws://{}/{path}", subject.address), stream, Some(small())).await.unwrap();
    if kind == Kind::Dialtone {
        socket.send(text(joining(room))).await.unwrap();
        // The answer to the last frame of the batch: everything before it has taken effect.
        wait_for(&mut socket, "RECEIPT").await;
    }
    socket
}

async fn wait_for(socket: &mut Socket, word: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let message = tokio::time::timeout_at(deadline, socket.next()).await.expect("an answer in time");
        if message.unwrap().unwrap().to_text().unwrap().starts_with(word) {
            return;
        }
    }
}

fn joining(room: usize) -> Vec<u8> {
    let mut out = Frame::new(Verb::Connect).header("accept-version", "1.2").encode(Version::V1_2);
    let topics = [
        "/user/queue/me".to_owned(),
        "/user/queue/system".to_owned(),
        format!("/topic/rooms/r{room}/members"),
        format!("/topic/rooms/r{room}/signal"),
    ];
    for (id, topic) in topics.iter().enumerate() {
        let frame = Frame::new(Verb::Subscribe).header("id", &id.to_string()).header("destination", topic);
        frame.encode_to(Version::V1_2, &mut out);
    }
    let join = Frame::new(Verb::Send).header("destination", &format!("/app/rooms/r{room}/join"));
    join.header("receipt", "joined").encode_to(Version::V1_2, &mut out);
    out
}

fn signal(kind: Kind, room: usize) -> Vec<u8> {
    let head = r#"{"type":"OFFER","sid":"a","sdp":""#;
    let body = format!("{head}{}\"}}", "x".repeat(BODY + 10 - head.len()));
    if kind == Kind::Raw {
        return body.into_bytes();
    }
    let mut out = Vec::new();
    let mut writer = FrameWriter::new(&mut out, Verb::Send, Version::V1_2);
    writer.header("destination", &format!("/app/rooms/r{room}/signal"));
    writer.header("content-type", "application/json");
    writer.finish_with_body(body.as_bytes());
    out
}

async fn idle() {
    let subject = Subject::start(Kind::Dialtone);
    let warm = client(&subject, Kind::Dialtone, usize::MAX).await;
    let before = subject.rss_kb();
    let start = Instant::now();
    let mut sockets = Vec::new();
    for n in 0..IDLE {
        sockets.push(client(&subject, Kind::Dialtone, n / 2).await);
    }
    let joined = start.elapsed();
    let each = (subject.rss_kb() - before) / IDLE as f64;
    println!(
        "{IDLE} joins one after another: {:.2} s (goal: under 10); {each:.1} kB of resident memory per idle joined connection (goal: at most 12)",
        joined.as_secs_f64()
    );
    drop((sockets, warm));
}

/// The floor: no STOMP, no JSON, every message to both members of the room that the path names.
async fn raw_relay() {
    type Rooms = Arc<Mutex<BTreeMap<String, Vec<mpsc::UnboundedSender<Bytes>>>>>;
    let rooms = Rooms::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("ready on ws://{}/", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let rooms = Arc::clone(&rooms);
        tokio::spawn(async move {
            let mut path = String::new();
            #[expect(clippy::result_large_err, reason = "the library's signature")]
            let look = |request: &Request, response: Response| {
                path = request.uri().path().to_owned();
                Ok(response)
            };
            let socket = accept_hdr_async_with_config(stream, look, Some(small())).await.unwrap();
            let (queue, mut queued) = mpsc::unbounded_channel::<Bytes>();
            rooms.lock().unwrap().entry(path.clone()).or_default().push(queue);
            let (mut writer, mut reader) = socket.split();
            loop {
                tokio::select! {
                    message = reader.next() => {
                        let Some(Ok(message)) = message else { return };
                        let data = message.into_data();
                        for member in &rooms.lock().unwrap()[&path] {
                            let _ = member.send(data.clone());
                        }
                    }
                    Some(data) = queued.recv() => {
                        let Ok(data) = data.try_into() else { return };
                        if writer.send(Message::Text(data)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
    }
}

fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0)
}

fn text(bytes: Vec<u8>) -> Message {
    Message::Text(String::from_utf8(bytes).unwrap().into())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
