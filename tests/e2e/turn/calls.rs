//! Calls whose peers reach the relay over TCP and TLS alone, and relays that a call brings itself.
//!
//! What peers are told is a TCP port in front of the relay: no datagram of theirs can come to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dialtone_tests::{Call, Fate, Forward, Impair, Program, Running, Scratch, Way, peer_cli};
use dialtone_turn::stun::{ChannelData, frame_length};

use super::certificates::Authority;
use super::client::LOGIN;
use super::relay::Relay;
use crate::PLAIN;
use crate::calls::{
    assert_media_arrived, assert_phases, assert_relayed, assert_test_signals_both_ways, received_bytes,
};

/// The hosts of the certificate that relays here have.
const LOOPBACK: [&str; 2] = ["localhost", "127.0.0.1"];

#[test]
fn a_call_goes_through_the_relay_over_tcp_alone() {
    goes_through_alone(Stream::Tcp);
}

#[test]
fn a_call_goes_through_the_relay_over_tls_alone() {
    goes_through_alone(Stream::Tls);
}

fn goes_through_alone(stream: Stream) {
    let tls = Tls::new(&LOOPBACK);
    let relay = tls.relay();
    let forward = Forward::to(stream.of(&relay));
    let turn = stream.url(forward.address());
    let call = call(&["--duration", "2s"], &turn, &tls);
    assert_test_signals_both_ways(&call);
    assert_relayed(&call);
    assert_carried(&[&relay], received_bytes(&call));
    assert_eq!(relay.counter("dialtone_turn_streams_total"), 2, "a connection for each peer");
    assert_eq!(relay.counter("dialtone_turn_allocations_total"), 2, "and on each an allocation");
    for way in [Way::Up, Way::Down] {
        assert!(forward.passed(way) as f64 >= received_bytes(&call), "{way:?}: {}", call.report);
    }
}

#[test]
fn peers_on_tcp_and_on_tls_meet_inside_the_relay() {
    let tls = Tls::new(&LOOPBACK);
    let relay = tls.relay();
    let (_server, url) = Program::server(PLAIN);
    let turns = [Stream::Tcp, Stream::Tls].map(|stream| stream.url(stream.of(&relay)));
    let join = ["join", "r", "--server", &url, "--duration", "2s", "--json"];
    let args = |turn| join.iter().copied().chain(path(turn, &tls)).collect::<Vec<_>>();
    let first = Running::start(args(turns[0].as_str()));
    let second = Running::partner(args(turns[1].as_str()));
    let sides = [first.wait(), second.wait()];
    for side in &sides {
        assert_media_arrived(side);
        assert_relayed(side);
    }
    assert_carried(&[&relay], sides.iter().map(received_bytes).sum());
    assert_eq!(relay.counter("dialtone_turn_streams_total"), 2);
}

/// On a stream the next message begins at a multiple of four bytes (RFC 8656 section 12.5). Packets of sound have all
/// lengths, and whoever does not fill them up does not find the next one.
#[test]
fn sound_of_every_length_comes_whole_over_a_stream() {
    let tls = Tls::new(&LOOPBACK);
    let relay = tls.relay();
    let frames = Arc::new(Mutex::new(Frames::default()));
    let watched = Arc::clone(&frames);
    let forward = Forward::watching(relay.at("tcp", "127.0.0.1"), move |connection, way, piece| {
        watched.lock().unwrap().take(connection, way, piece);
    });
    let turn = Stream::Tcp.url(forward.address());
    let call = call(&["--video", "none", "--duration", "3s"], &turn, &tls);
    call.assert_verdict("OK", 0);
    for direction in 0..2 {
        let number = |field: &str| call.number(&format!("/directions/{direction}/audio/{field}"));
        assert!(number("packets") > 100.0, "{}", call.report);
        assert_eq!((number("lost"), number("decode_errors")), (0.0, 0.0), "{}", call.report);
    }
    let frames = frames.lock().unwrap();
    for way in [Way::Up, Way::Down] {
        for padding in 0..4 {
            let some = frames.padded.contains_key(&(way, padding));
            assert!(some, "nothing with {padding} bytes of padding {way:?}: {:?}", frames.padded);
        }
    }
}

/// Its authority is trusted; but it is another relay's.
#[test]
fn a_certificate_of_another_host_is_told() {
    let tls = Tls::new(&["relay.example"]);
    let relay = tls.relay();
    let turn = Stream::Tls.url(Stream::Tls.of(&relay));
    let call = call(&["--connect-timeout", "10s"], &turn, &tls);
    call.assert_verdict("TURN_UNREACHABLE", 14);
    assert!(call.text("/verdict/sentence").contains("relay.example"), "{}", call.report);
    assert_eq!(relay.counter("dialtone_turn_allocations_total"), 0);
}

/// It is the same relay each time, and the same far end. In which order the ways to it are told decides nothing, nor which
/// one answers first.
#[test]
fn a_relay_is_used_over_udp_where_it_answers_there_too() {
    let tls = Tls::new(&LOOPBACK);
    let relay = tls.relay();
    let [over_tcp, over_tls] = [Stream::Tcp, Stream::Tls].map(|stream| Forward::to(stream.of(&relay)));
    let later = Impair::to(relay.udp(), 1, |_| Fate::Delay(Duration::from_millis(10)));
    let udp = format!("turn:{}", later.address(0));
    let urls = [Stream::Tls.url(over_tls.address()), udp, Stream::Tcp.url(over_tcp.address())];
    let call = call(&["--duration", "2s"], &urls.join(","), &tls);
    assert_test_signals_both_ways(&call);
    assert_relayed(&call);
    assert_eq!(relay.counter("dialtone_turn_streams_total"), 4, "each peer has tried both");
    for forward in [&over_tcp, &over_tls] {
        let passed = forward.passed(Way::Up) + forward.passed(Way::Down);
        assert!((passed as f64) < received_bytes(&call) / 4.0, "{passed} bytes went over a stream: {}", call.report);
    }
}

#[test]
fn a_relay_that_is_restarted_in_mid_call_is_found_again_over_tcp() {
    is_found_again(Stream::Tcp);
}

#[test]
fn a_relay_that_is_restarted_in_mid_call_is_found_again_over_tls() {
    is_found_again(Stream::Tls);
}

/// The connections break, and with them the allocations are gone. ICE would notice the silence after five seconds and be
/// restarted two later; but that a connection broke is known at once.
fn is_found_again(stream: Stream) {
    /// Some two seconds of both sides' pictures.
    const ENOUGH: u64 = 400_000;
    let tls = Tls::new(&LOOPBACK);
    let before = tls.relay();
    let forward = Forward::to(stream.of(&before));
    let turn = stream.url(forward.address());
    let (_server, url) = Program::server(PLAIN);
    let scratch = Scratch::new("restarted");
    let report = scratch.file("report.json");
    let json = format!("--json={}", report.display());
    let args = ["call", "--server", &url, "--duration", "25s", &json];
    let call = Running::start(args.into_iter().chain(path(&turn, &tls)));
    for peer in ["alice", "bob"] {
        call.program().says(&[peer, "first picture decoded"]);
        call.program().says(&[peer, "first sound decoded"]);
    }
    forward.wait_for(ENOUGH);
    before.program.crash();
    let after = tls.relay();
    forward.lead_to(Some(stream.of(&after)));

    let call = call.wait_for_file(&report);
    assert_test_signals_both_ways(&call);
    assert_relayed(&call);
    let restarted: Vec<_> = (0..2).filter(|peer| call.phases(*peer).contains(&"ice-restart")).collect();
    assert!(!restarted.is_empty(), "ICE is restarted: {}", call.report);
    for peer in restarted {
        let phases = ["connected", "relay-lost", "interrupted", "ice-restart", "connected", "hung-up"];
        assert_phases(&call, peer, &phases);
        assert_eq!(call.at(&format!("/peers/{peer}/interruptions/0/relay_lost")), true, "{}", call.report);
    }
    for peer in 0..2 {
        let used = call.text(&format!("/peers/{peer}/pair/local_address"));
        assert_ne!(used, first_relayed(&call, peer), "the allocation is a new one: {}", call.report);
    }
    assert!(after.counter("dialtone_turn_allocations_total") >= 2);
    for direction in 0..2 {
        let number = |field: &str| call.number(&format!("/directions/{direction}/{field}"));
        // How long media was away is told, and at the end it was there.
        for kind in ["video", "audio"] {
            let away = number(&format!("{kind}/longest_gap_ms"));
            assert!((100.0..20_000.0).contains(&away), "{kind} was away for {away} ms: {}", call.report);
        }
        assert!(number("video/picture_quiet_ms") < 1000.0, "{}", call.report);
        assert!(number("audio/sound_quiet_ms") < 1000.0, "{}", call.report);
    }
}

/// Without a server of its own the call would have a relay beside it; with others named it has none, and needs none.
#[test]
fn relays_that_a_call_brings_carry_it_and_no_other_does() {
    // Whoever has an allocation on one has to be reached from another, on this machine.
    let relays = [(); 3].map(|()| Relay::start(&["--user", LOGIN, "--allow-peer", "127.0.0.0/8"]));
    let urls = relays.each_ref().map(|relay| format!("turn:{}", relay.udp()));
    let named = urls.iter().flat_map(|url| ["--ice", url.as_str()]);
    let call =
        ["call", "--relay-only", "--ice-user", "alice", "--ice-password", "wonder", "--duration", "2s", "--json"];
    let call = peer_cli(call.into_iter().chain(named));
    assert_test_signals_both_ways(&call);
    assert_relayed(&call);
    assert!(call.at("/relay").is_null(), "{}", call.report);
    assert_carried(&relays.each_ref(), received_bytes(&call));
}

/// TCP, bare or with TLS.
#[derive(Clone, Copy)]
enum Stream {
    Tcp,
    Tls,
}

impl Stream {
    /// Where a relay serves it.
    fn of(self, relay: &Relay) -> SocketAddr {
        relay.at(if matches!(self, Self::Tcp) { "tcp" } else { "tls" }, "127.0.0.1")
    }

    /// What a peer is told of a relay there.
    fn url(self, address: SocketAddr) -> String {
        match self {
            Self::Tcp => format!("turn:{address}?transport=tcp"),
            Self::Tls => format!("turns:{address}"),
        }
    }
}

/// A certificate, for relays that come and go, and who vouches for it.
struct Tls {
    authority: String,
    certificate: String,
    key: String,
    _folder: Scratch,
}

impl Tls {
    fn new(hosts: &[&str]) -> Self {
        let folder = Scratch::new("turn-calls");
        let authority = Authority::new("authority");
        let identity = authority.issue_for("relay", hosts);
        let write = |name: &str, content: &str| folder.write(name, content).to_str().unwrap().to_owned();
        Self {
            authority: write("authority.pem", &authority.pem()),
            certificate: write("cert.pem", &identity.chain),
            key: write("key.pem", &identity.key),
            _folder: folder,
        }
    }

    fn relay(&self) -> Relay {
        let tls = ["--tls-listen", "127.0.0.1:0", "--tls-cert", &self.certificate, "--tls-key", &self.key];
        Relay::start(&[&["--user", LOGIN][..], &tls].concat())
    }
}

/// How peers get to each other: through the relay at `turn`, with one socket and so one allocation each.
fn path<'a>(turn: &'a str, tls: &'a Tls) -> impl Iterator<Item = &'a str> {
    let login = ["--ice", turn, "--ice-user", "alice", "--ice-password", "wonder"];
    let only = ["--relay-only", "--bind", "127.0.0.1:0", "--tls-ca", &tls.authority];
    login.into_iter().chain(only)
}

/// A call between two peers of one process that takes this path.
fn call(options: &[&str], turn: &str, tls: &Tls) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let call = ["call", "--server", &url, "--json"];
    peer_cli(call.into_iter().chain(path(turn, tls)).chain(options.iter().copied()))
}

/// All that was received passed through these relays, by their own count.
fn assert_carried(relays: &[&Relay], received: f64) {
    assert!(received > 0.0);
    for direction in ["to_peer", "to_client"] {
        let counter = format!("dialtone_turn_payload_bytes_total{{direction=\"{direction}\"}}");
        let carried: u64 = relays.iter().map(|relay| relay.counter(&counter)).sum();
        assert!(carried as f64 >= received, "{carried} bytes {direction}, and {received} were received");
    }
}

/// The first address that a peer had from a relay.
fn first_relayed(call: &Call, peer: usize) -> &str {
    let candidates = call.at(&format!("/peers/{peer}/candidates")).as_array().map_or(&[][..], Vec::as_slice);
    let own = candidates.iter().find(|one| one["local"] == true && one["kind"] == "relay");
    own.and_then(|one| one["address"].as_str()).unwrap_or_else(|| panic!("no relayed address: {}", call.report))
}

/// Takes streams apart as a relay has to.
#[derive(Debug, Default)]
struct Frames {
    /// What waits for the rest of its message, by connection and way.
    begun: BTreeMap<(usize, Way), Vec<u8>>,
    /// Messages with channel data, by way and bytes of padding.
    padded: BTreeMap<(Way, usize), u64>,
}

impl Frames {
    fn take(&mut self, connection: usize, way: Way, piece: &[u8]) {
        let begun = self.begun.entry((connection, way)).or_default();
        begun.extend_from_slice(piece);
        while let Some(length) = frame_length(begun).expect("one message after the other") {
            if begun.len() < length {
                break;
            }
            let frame: Vec<u8> = begun.drain(..length).collect();
            if let Some(data) = ChannelData::parse(&frame) {
                let header = 4;
                *self.padded.entry((way, length - header - data.payload.len())).or_default() += 1;
            }
        }
    }
}
