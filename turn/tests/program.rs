//! The relay as a program, where the library alone cannot show it.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "helpers of tests may fail loudly")]

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dialtone_turn::stun::attributes::REQUESTED_TRANSPORT;
use dialtone_turn::stun::{Class, MessageBuilder, Method, TransactionId};

/// Longer than anything on loopback takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn relay_goes_on_when_nobody_reads_its_log() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_dialtone-turn"))
        .args(["--listen", "127.0.0.1:0", "--user", "alice:pw", "--log", "debug"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map(Running)
        .unwrap();
    let mut ready = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let address = ready.split_whitespace().find_map(|word| word.strip_prefix("udp://")).unwrap();
    let address: SocketAddr = address.parse().unwrap();

    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.connect(address).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    // Each refusal is a line at DEBUG; together they are many times what a pipe holds.
    let request = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([1; 12]))
        .number(REQUESTED_TRANSPORT, 17 << 24)
        .finish();
    for _ in 0..4000 {
        client.send(&request).unwrap();
        client.recv(&mut [0; 2048]).expect("an answer in time");
    }
}

/// A program that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
