//! What can be wrong on the path between two peers: candidates, STUN, TURN, connectivity checks, DTLS.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use dialtone_tests::{Call, Deed, Fate, Kind, LIMIT, Meddler, Packet, Passing, Program, Scratch};
use dialtone_turn::stun::attributes::{NONCE, PROTOCOL_UDP, REALM, REQUESTED_TRANSPORT, USERNAME};
use dialtone_turn::stun::{Class, IntegrityKind, Key, Message, MessageBuilder, Method, TransactionId};

use super::call;
use crate::PLAIN;
use crate::closed::{ClosedTcp, ClosedUdp};
use crate::wired::Wired;

/// Shorter than the peer's own patience, so that the table stays fast.
const IMPATIENT: [&str; 2] = ["--connect-timeout", "5s"];
/// RFC 5737: nobody has an address in it, and nothing routes there.
const NOWHERE: &str = "192.0.2.77";
/// The login that relays of this table know.
const LOGIN: &str = "alice:wonder";

/// Neither side ever learns of an address of the other one.
pub(super) fn stripped_candidates(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let meddler = Meddler::before(&url, |passing| {
        if passing.is_sent("CANDIDATE") {
            Deed::Swallow
        } else {
            with_sdp(passing, |line| if line.starts_with("a=candidate:") { String::new() } else { line.to_owned() })
        }
    });
    call(&meddler.url(), &IMPATIENT)
}

/// It takes requests and never answers; candidates lead nowhere, so that ICE fails at all.
pub(super) fn silent_stun(_: &Scratch) -> Call {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stun = format!("stun:{}", silent.local_addr().unwrap());
    nowhere(&["--ice", &stun])
}

pub(super) fn silent_turn(_: &Scratch) -> Call {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    relayed(silent.local_addr().unwrap(), "wonder")
}

pub(super) fn closed_turn(_: &Scratch) -> Call {
    let closed = ClosedUdp::new();
    relayed(closed.address(), "wonder")
}

pub(super) fn closed_turn_over_tcp(_: &Scratch) -> Call {
    let closed = ClosedTcp::new();
    relayed(format!("{}?transport=tcp", closed.address()), "wonder")
}

/// Its certificate is its own, and nobody told the peers to trust it.
pub(super) fn untrusted_turn(scratch: &Scratch) -> Call {
    let (_relay, address, _) = tls_relay(scratch);
    let call = relayed_over_tls(&address, "wonder", &[]);
    assert!(call.at("/verdict/facts").to_string().contains("--tls-ca"), "{}", call.report);
    call
}

pub(super) fn unknown_turn(_: &Scratch) -> Call {
    relayed("no-such-relay.invalid:3478", "wonder")
}

pub(super) fn wrong_password(_: &Scratch) -> Call {
    let (_relay, address) = Program::turn(["--user", LOGIN]);
    let call = relayed(&address, "wrong");
    assert!(call.at("/verdict/facts").to_string().contains("401"), "{}", call.report);
    call
}

pub(super) fn wrong_password_over_tcp(_: &Scratch) -> Call {
    let (_relay, address) = Program::turn(["--user", LOGIN]);
    relayed(format!("{address}?transport=tcp"), "wrong")
}

pub(super) fn wrong_password_over_tls(scratch: &Scratch) -> Call {
    let (_relay, address, certificate) = tls_relay(scratch);
    relayed_over_tls(&address, "wrong", &["--tls-ca", &certificate])
}

/// The one allocation that the user may have is taken.
pub(super) fn used_up_quota(_: &Scratch) -> Call {
    let (_relay, address) = Program::turn(["--user", LOGIN, "--max-allocations-per-user", "1"]);
    let _taken = allocate(address.parse().unwrap());
    relayed(&address, "wonder")
}

/// The other side's candidates are in a private network, where a relay leads nobody unless it is told to.
pub(super) fn refused_peer(_: &Scratch) -> Call {
    let (_relay, address) = Program::turn(["--user", LOGIN]);
    let (_server, url) = Program::server(PLAIN);
    let meddler = Meddler::before(&url, |passing| moved(passing, "10.255.255.77"));
    relayed_at(&meddler.url(), &address, "wonder")
}

/// Two networks that do not reach each other, and no relay anywhere.
pub(super) fn no_way(_: &Scratch) -> Call {
    nowhere(&[])
}

/// Login, allocation and permissions are fine; what the peers say to each other through the relay is lost.
pub(super) fn lost_checks(_: &Scratch) -> Call {
    dropping(|packet| packet.kind == Kind::Check)
}

/// From one moment on nothing passes any more; ICE notices within some five seconds.
pub(super) fn cut_wire(scratch: &Scratch) -> Call {
    let wired = Wired::new(|_| Fate::Pass);
    let report = scratch.file("report.json");
    let call = wired.start(&["--duration", "15s", &format!("--json={}", report.display())]);
    for peer in ["alice", "bob"] {
        call.program().says(&[peer, "first picture decoded"]);
    }
    wired.wire.set_rule(|_| Fate::Drop);
    let call = call.wait_for_file(&report);
    for peer in 0..2 {
        assert!(call.phases(peer).contains(&"interrupted"), "{}", call.report);
    }
    call
}

pub(super) fn dropped_dtls(_: &Scratch) -> Call {
    dropping(|packet| packet.kind == Kind::Dtls)
}

/// Whoever sits between the peers cannot make certificates with the right fingerprint; neither can this one.
pub(super) fn wrong_fingerprint(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let meddler = Meddler::before(&url, |passing| {
        with_sdp(passing, |line| {
            if line.starts_with("a=fingerprint:") {
                format!("a=fingerprint:sha-256 {}\r\n", ["AB"; 32].join(":"))
            } else {
                line.to_owned()
            }
        })
    });
    call(&meddler.url(), &IMPATIENT)
}

/// A call through a relay that loses some kind of datagram both ways.
fn dropping(is_lost: impl Fn(&Packet) -> bool + Send + 'static) -> Call {
    let wired = Wired::new(move |packet| if is_lost(packet) { Fate::Drop } else { Fate::Pass });
    let call = wired.call(&IMPATIENT);
    assert!(wired.wire.counts().values().any(|count| count.dropped > 0), "nothing was there to be lost");
    call
}

/// A call whose candidates lead nowhere.
fn nowhere(options: &[&str]) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let meddler = Meddler::before(&url, |passing| moved(passing, NOWHERE));
    call(&meddler.url(), &[&IMPATIENT[..], options].concat())
}

/// A call with relayed candidates alone.
fn relayed(relay: impl ToString, password: &str) -> Call {
    let (_server, url) = Program::server(PLAIN);
    relayed_at(&url, &relay.to_string(), password)
}

fn relayed_at(server: &str, relay: &str, password: &str) -> Call {
    relayed_by(server, &format!("turn:{relay}"), password, &[])
}

fn relayed_over_tls(relay: &str, password: &str, options: &[&str]) -> Call {
    let (_server, url) = Program::server(PLAIN);
    relayed_by(&url, &format!("turns:{relay}"), password, options)
}

fn relayed_by(server: &str, turn: &str, password: &str, options: &[&str]) -> Call {
    // One socket for each peer: it makes one allocation for each.
    let path = ["--relay-only", "--bind", "127.0.0.1:0", "--ice", turn];
    let login = ["--ice-user", "alice", "--ice-password", password];
    call(server, &[&IMPATIENT[..], &path, &login, options].concat())
}

/// A relay with TLS, its address for that, and the file with its certificate.
fn tls_relay(scratch: &Scratch) -> (Program, String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = scratch.write("cert.pem", made.cert.pem()).to_str().unwrap().to_owned();
    let key = scratch.write("key.pem", made.signing_key.serialize_pem()).to_str().unwrap().to_owned();
    let tls = ["--tls-listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key];
    let (relay, _) = Program::turn(["--user", LOGIN].into_iter().chain(tls));
    let ready = relay.ready("dialtone-turn ready on ");
    let address = ready.split_whitespace().find_map(|at| at.strip_prefix("tls://"));
    let address = address.unwrap_or_else(|| panic!("no TLS address in {ready:?}")).to_owned();
    (relay, address, certificate)
}

/// The signal with all its candidates at another address.
fn moved(passing: &Passing<'_>, address: &str) -> Deed {
    if passing.is_sent("CANDIDATE") {
        let mut body = passing.json();
        // Nested as browsers send it; peers send no other one.
        let candidate = body["candidate"]["candidate"].as_str().map(|text| at(text, address));
        body["candidate"]["candidate"] = candidate.into();
        return Deed::Replace(vec![passing.saying(&body)]);
    }
    with_sdp(passing, |line| if line.starts_with("a=candidate:") { at(line, address) } else { line.to_owned() })
}

/// A candidate attribute with another connection address, its fifth word (RFC 8839 section 5.1). The related address
/// stays: it is there to be looked at.
fn at(candidate: &str, address: &str) -> String {
    let end = &candidate[candidate.trim_end().len()..];
    let mut words: Vec<&str> = candidate.split_whitespace().collect();
    if let Some(place) = words.get_mut(4) {
        *place = address;
    }
    words.join(" ") + end
}

/// An offer or answer with each line of its description, line end included, changed.
pub(super) fn with_sdp(passing: &Passing<'_>, change: impl Fn(&str) -> String) -> Deed {
    if !passing.is_sent("OFFER") && !passing.is_sent("ANSWER") {
        return Deed::Pass;
    }
    let mut body = passing.json();
    let changed = body["sdp"].as_str().map(|sdp| sdp.split_inclusive('\n').map(change).collect::<String>());
    body["sdp"] = changed.into();
    Deed::Replace(vec![passing.saying(&body)])
}

/// Takes an allocation as alice, which lasts longer than any test; the socket keeps its port from being another's.
fn allocate(relay: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect(relay).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let request = |id: u8| {
        let message = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([id; 12]));
        message.attribute(REQUESTED_TRANSPORT, &[PROTOCOL_UDP, 0, 0, 0])
    };
    let ask = |request: MessageBuilder| {
        socket.send(&request.finish()).unwrap();
        let mut answer = vec![0; 1500];
        let length = socket.recv(&mut answer).unwrap();
        answer.truncate(length);
        answer
    };
    let challenge = ask(request(1));
    let challenge = Message::parse(&challenge).unwrap();
    let realm = challenge.text(REALM).unwrap();
    let signed = request(2)
        .attribute(USERNAME, b"alice")
        .attribute(REALM, realm.as_bytes())
        .attribute(NONCE, challenge.find(NONCE).unwrap())
        .integrity(&Key::long_term("alice", realm, "wonder"), IntegrityKind::Sha1);
    let answer = ask(signed);
    assert_eq!(Message::parse(&answer).unwrap().class(), Class::Success);
    socket
}
