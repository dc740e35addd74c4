//! Several workers, and a certificate that is exchanged while clients talk.

use std::fs;
use std::net::{SocketAddr, UdpSocket};

use dialtone_tests::Scratch;

use super::certificates::{Authority, Identity};
use super::client::{Client, LOGIN, Link, TlsLink};
use super::relay::Relay;
use super::until;

const CLIENTS: usize = 32;
const MESSAGES: usize = 20;

#[test]
fn clients_of_two_workers_talk_inside_the_relay_and_lose_nothing() {
    // No network is opened: nothing of this may take the way over a socket.
    let relay = Relay::start(&["--workers", "2", "--user", LOGIN]);
    // The system spreads them over the workers, by their ports.
    let mut clients: Vec<Client<UdpSocket>> = (0..CLIENTS).map(|_| Client::udp(relay.udp())).collect();
    let at: Vec<SocketAddr> = clients.iter_mut().map(|client| client.allocate()).collect();
    let partner = |n: usize| at[(n + CLIENTS / 2) % CLIENTS];
    for (n, client) in clients.iter_mut().enumerate() {
        // In each pair one uses a channel and the other indications.
        if n < CLIENTS / 2 {
            client.bind_channel(0x4000 + u16::try_from(n).unwrap(), partner(n));
        } else {
            client.permit(partner(n));
        }
    }
    let words = |from: SocketAddr, number: usize| format!("message {number} from {from}").into_bytes();
    for number in 0..MESSAGES {
        for (n, client) in clients.iter_mut().enumerate() {
            client.say(partner(n), &words(at[n], number));
        }
        for (n, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.hear(), (partner(n), words(partner(n), number)), "client {n}");
        }
    }
    assert_eq!(relay.counter("dialtone_turn_live_allocations"), CLIENTS as u64);
    assert_eq!(relay.counter("dialtone_turn_dropped_packets_total"), 0);
}

#[test]
fn new_clients_see_a_new_certificate_while_an_old_one_goes_on() {
    let authority = Authority::new("authority");
    let scratch = Scratch::new("certificates");
    let (before, after) = (authority.issue("before"), authority.issue("after"));
    put(&scratch, &before);
    let (cert, key) = (scratch.file("cert.pem"), scratch.file("key.pem"));
    let tls = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let mut args = vec!["--workers", "2", "--user", LOGIN, "--tls-listen", "127.0.0.1:0"];
    args.extend(tls);
    let relay = Relay::start(&args);

    let (at, trusting) = (relay.at("tls", "127.0.0.1"), authority.client());
    let link = TlsLink::connect(at, &trusting);
    assert_eq!(*link.certificate(), before.certificate);
    let (mut old, mut other) = (Client::new(link), Client::udp(relay.udp()));
    let (old_at, other_at) = (old.allocate(), other.allocate());
    old.bind_channel(0x4001, other_at);
    other.permit(old_at);
    exchange((&mut old, old_at), (&mut other, other_at));

    put(&scratch, &after);
    until("a new client sees the new certificate", || {
        *TlsLink::connect(at, &trusting).certificate() == after.certificate
    });
    exchange((&mut old, old_at), (&mut other, other_at));
    old.refresh(600);
    let mut new = Client::new(TlsLink::connect(at, &trusting));
    let new_at = new.allocate();
    new.permit(old_at);
    old.permit(new_at);
    exchange((&mut old, old_at), (&mut new, new_at));
}

/// A few words each way.
fn exchange<A: Link, B: Link>(one: (&mut Client<A>, SocketAddr), other: (&mut Client<B>, SocketAddr)) {
    let ((one, one_at), (other, other_at)) = (one, other);
    for number in 0..5 {
        let (there, back) = (format!("there {number}").into_bytes(), format!("back {number}").into_bytes());
        one.say(other_at, &there);
        assert_eq!(other.hear(), (one_at, there));
        other.say(one_at, &back);
        assert_eq!(one.hear(), (other_at, back));
    }
}

/// Puts certificate and key where the relay reads them, each in one step, as those who renew certificates do.
fn put(scratch: &Scratch, identity: &Identity) {
    for (name, content) in [("cert.pem", &identity.chain), ("key.pem", &identity.key)] {
        let written = scratch.write(&format!("{name}.new"), content);
        fs::rename(written, scratch.file(name)).unwrap();
    }
}
