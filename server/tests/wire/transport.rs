//! What lies below STOMP: the paths, the heart-beats, the buffers, the reader that does not read.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpSocket;

use crate::client::{Client, dial, shake_hands};
use crate::{READY, pair, spawn, two};

/// What the server of a test has logged; it runs on the thread of its test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn count(&self, sentence: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(sentence).count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_raw_path_of_sockjs_speaks_stomp() {
    let server = spawn(|_| {}).await;
    let host = server.addr().to_string();
    let offer = [("sec-websocket-protocol", "v12.stomp")];
    let (mut client, response) = shake_hands(dial(&server).await, &host, "/ws/websocket", &offer).await.unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["sec-websocket-protocol"], "v12.stomp");
    let connected = client.log_in("r", "").await;
    let sid = connected.headers.get("session").unwrap();
    client.join("r").await;
    assert_eq!(client.heard().await, pair("2", format!(r#"{{"sid":"{sid}","roomId":"r"}}"#)));
    assert_eq!(client.heard().await, pair("0", format!(r#"["{sid}"]"#)));
}

#[tokio::test]
async fn sockjs_has_heart_beats_of_its_own() {
    let server = spawn(|config| {
        config.limits.ping_every = Duration::from_millis(50);
        config.limits.connect_within = Duration::from_secs(600);
    })
    .await;
    let host = server.addr().to_string();
    let path = "/ws/123/abcdefgh/websocket";
    let (mut client, _) = shake_hands(dial(&server).await, &host, path, &[]).await.unwrap();
    assert_eq!(client.text().await, "o");
    for _ in 0..2 {
        client.pinged().await;
        client.pinged().await;
        assert_eq!(client.text().await, "h", "with every second ping");
    }
    client.send(r#"["CONNECT\naccept-version:1.2\n\n\u0000"]"#).await;
    loop {
        let text = client.text().await;
        if text != "h" {
            assert!(text.starts_with(r#"a["CONNECTED\n"#), "{text}");
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_goes_on_when_its_large_buffers_were_given_back() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let server = spawn(|config| config.limits.ping_every = Duration::from_millis(50)).await;
    let (mut a, mut b, _, _) = two(&server).await;
    let frame = |body: &str| format!("SEND\ndestination:/app/rooms/r/signal\n\n{body}\0");
    let large = format!(r#"{{"type":"OFFER","sdp":"{}"}}"#, "x".repeat(50_000));
    let small = frame(r#"{"type":"LEAVE"}"#);
    for round in 1..=3 {
        // 200 kB in one message, with the first half of one more frame at their end.
        let (first, second) = small.split_at(20 + round);
        a.send(&(frame(&large).repeat(4) + first)).await;
        for _ in 0..4 {
            assert!(a.heard().await == pair("1", &large));
            assert!(b.heard().await == pair("1", &large));
        }
        let given_back = |log: &Log| log.count("large buffers are given back") >= 2 * round;
        for _ in 0..400 {
            if given_back(&log) {
                break;
            }
            a.pinged().await;
            b.pinged().await;
        }
        assert!(given_back(&log), "in round {round}");
        a.send(second).await;
        for client in [&mut a, &mut b] {
            assert_eq!(client.heard().await, pair("1", r#"{"type":"LEAVE"}"#));
        }
        let word = format!(r#"{{"type":"LEAVE","round":{round}}}"#);
        b.signal("r", &word).await;
        for client in [&mut a, &mut b] {
            assert_eq!(client.heard().await, pair("1", &word));
        }
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_in_time_is_cut() {
    let server = spawn(|config| {
        config.limits.frame_rate = 0;
        config.limits.write_within = Duration::from_secs(1);
        // Neither a full outbox nor silence can be why.
        config.limits.outbox = 1 << 30;
        config.limits.silence = Duration::from_secs(600);
    })
    .await;
    let (mut a, connected) = Client::stomp(&server, "r", "").await;
    let sid_a = connected.headers.get("session").unwrap();
    // The system takes in little for this one, so the server's writes soon wait.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let stream = socket.connect(server.addr()).await.unwrap();
    let (mut b, _) = shake_hands(Box::new(stream), &server.addr().to_string(), "/ws", &[]).await.unwrap();
    let connected = b.log_in("r", "").await;
    let sid_b = connected.headers.get("session").unwrap();
    a.join("r").await;
    b.join("r").await;
    while a.heard().await.1 != READY {}

    let offer = format!(r#"{{"type":"OFFER","sdp":"{}"}}"#, "x".repeat(60_000));
    let leave = pair("1", format!(r#"{{"type":"LEAVE","sid":"{sid_b}"}}"#));
    let mut cut = false;
    for _ in 0..400 {
        a.signal("r", &offer).await;
        let heard = a.heard().await;
        cut = heard == leave;
        if cut {
            break;
        }
        assert!(heard.1 == offer, "{:.200}", heard.1);
    }
    if !cut {
        assert_eq!(a.heard().await, leave);
    }
    assert_eq!(a.heard().await, pair("0", format!(r#"["{sid_a}"]"#)));
}
