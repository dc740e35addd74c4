//! Strangers who ask and ask: they cost no memory, and they do not stand in anybody's way.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use dialtone_turn::stun::attributes::{NONCE, PROTOCOL_UDP, REALM, REQUESTED_TRANSPORT, USERNAME};
use dialtone_turn::stun::{Class, IntegrityKind, Key, Message, MessageBuilder, Method};

use super::client::{Client, LOGIN, transaction, udp_from};
use super::now;
use super::relay::Relay;

const REQUESTS: &str = "dialtone_turn_requests_total";
const UNANSWERED: &str = "dialtone_turn_unanswered_requests_total";

/// What the million may add, in kB.
const ROOM: u64 = 1024;
const WARM_UP: u32 = 10_000;
const MILLION: u32 = 1_000_000;
/// So many send at a time, each from sockets of its own.
const SENDERS: u8 = 2;
/// Sockets of one sender at a time, with one request each on its way: together less than the relay's receive buffer
/// takes, so that the system drops none of them.
const SOCKETS: u32 = 64;
/// Requests from one socket, before another port of another address takes its place.
const FROM_ONE: u32 = 50;
/// A request without an answer in this time is given up. Nearly all are answered at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers per second to one source, in the test of the limit.
const RATE: u32 = 50;
/// The limit's burst: two seconds' worth at once.
const BURST: u32 = 2 * RATE;

#[test]
fn a_million_strangers_cost_no_memory() {
    // With the limit on: what it remembers counts too. No source here sends enough to meet it.
    let relay = Relay::start(&["--workers", "2", "--user", LOGIN]);
    flood(relay.udp(), 0, WARM_UP);
    let asked = relay.counter(REQUESTS);
    assert!(asked > u64::from(WARM_UP) * 9 / 10, "only {asked} of the warm-up were read");
    let before = resident(&relay);

    let mut answered = flood(relay.udp(), 1, MILLION);
    assert!(answered > MILLION / 100 * 99, "only {answered} were answered");
    // The few that got lost on the way are made up for.
    let target = asked + u64::from(MILLION);
    for round in 2..12 {
        if relay.counter(REQUESTS) >= target {
            break;
        }
        answered += flood(relay.udp(), round, MILLION / 100);
    }
    let read = relay.counter(REQUESTS) - asked;
    assert!(read >= u64::from(MILLION), "{read} requests were read, {answered} answered");
    let grown = resident(&relay).saturating_sub(before);
    assert!(grown <= ROOM, "{read} requests made the relay {grown} kB larger than {before} kB");

    let mut user = Client::udp(relay.udp());
    user.allocate();
}

#[test]
fn a_flooding_source_is_limited_while_others_are_served_at_once() {
    // One worker reads in order of arrival: whoever is answered knows that all before him were dealt with.
    let rate = RATE.to_string();
    let relay = Relay::start(&["--workers", "1", "--user", LOGIN, "--unauthenticated-rate", &rate]);
    let crowd = Ipv4Addr::new(127, 40, 0, 1);
    let flooder = udp_from(crowd, relay.udp());
    flooder.set_nonblocking(true).unwrap();
    // Somebody behind the same address who has shown who he is.
    let mut neighbour = Client::new(udp_from(crowd, relay.udp()));
    neighbour.allocate();

    let began = now();
    let (mut sent, mut answers) = (0, 0);
    for step in 0..40 {
        for request in requests().iter().cycle().take(50) {
            flooder.send(&fresh(request)).unwrap();
            sent += 1;
        }
        // The first request of another source has its answer, without being sent again.
        ask_once(&udp_from(Ipv4Addr::new(127, 41, 0, step + 1), relay.udp()));
        neighbour.refresh(600);
        answers += take_all(&flooder);
    }
    let seconds = u32::try_from(now().saturating_duration_since(began).as_secs()).unwrap() + 1;
    assert!(answers >= RATE, "{answers} answers: the flooding source has its share");
    assert!(answers <= BURST + RATE * seconds, "{answers} answers in {seconds} s");
    assert_eq!(relay.counter(UNANSWERED), u64::from(sent - answers));
    assert!(relay.counter(REQUESTS) >= u64::from(sent));
}

/// Sends `count` requests from many ports of many addresses; gives the number of answers.
fn flood(relay: SocketAddr, round: u8, count: u32) -> u32 {
    let share = count / u32::from(SENDERS);
    thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| scope.spawn(move || flood_from(relay, 16 + round * SENDERS + sender, share)))
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    })
}

/// The same from 127.`network`.0.0/16 alone.
fn flood_from(relay: SocketAddr, network: u8, count: u32) -> u32 {
    let kinds = requests();
    let mut requests = kinds.iter().cycle().take(count.try_into().unwrap()).peekable();
    let mut hosts = (0..=u16::MAX).cycle();
    let mut answers = 0;
    while requests.peek().is_some() {
        let sockets: Vec<UdpSocket> = hosts
            .by_ref()
            .take(SOCKETS.try_into().unwrap())
            .map(|host| {
                let [high, low] = host.to_be_bytes();
                let socket = udp_from(Ipv4Addr::new(127, network, high, low), relay);
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket
            })
            .collect();
        for _ in 0..FROM_ONE {
            // In this order: a request is taken from the flood only when there is a socket to send it from.
            let sent: Vec<_> = sockets.iter().zip(requests.by_ref()).collect();
            for (socket, request) in &sent {
                socket.send(&fresh(request)).unwrap();
            }
            answers += sent.iter().map(|(socket, _)| u32::from(socket.recv(&mut [0; 1500]).is_ok())).sum::<u32>();
        }
    }
    answers
}

/// What somebody sends who cannot say who he is: each is answered, and nothing is to be remembered of it.
fn requests() -> [Vec<u8>; 4] {
    let start = |method| MessageBuilder::new(Class::Request, method, transaction());
    let allocate = || start(Method::Allocate).attribute(REQUESTED_TRANSPORT, &[PROTOCOL_UDP, 0, 0, 0]);
    // A realm, a nonce and a key that are made up.
    let forged = allocate()
        .attribute(USERNAME, b"alice")
        .attribute(REALM, b"dialtone")
        .attribute(NONCE, b"0123456789abcdef0123456789abcdef")
        .integrity(&Key::long_term("alice", "dialtone", "guessed"), IntegrityKind::Sha1);
    [start(Method::Binding).finish(), allocate().finish(), start(Method::Refresh).finish(), forged.finish()]
}

/// The same request with another transaction id. What was signed is then signed wrongly, as a stranger's is anyway.
fn fresh(request: &[u8]) -> Vec<u8> {
    let mut request = request.to_vec();
    request[8..20].copy_from_slice(&transaction().0);
    request
}

/// A Binding request and its answer.
fn ask_once(socket: &UdpSocket) {
    let id = transaction();
    socket.send(&MessageBuilder::new(Class::Request, Method::Binding, id).finish()).unwrap();
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("the first request is not answered: {error}"));
    let answer = Message::parse(&buffer[..length]).unwrap();
    assert_eq!((answer.class(), answer.transaction()), (Class::Success, id));
}

/// How many answers wait at a socket that does not wait for any.
fn take_all(socket: &UdpSocket) -> u32 {
    let mut taken = 0;
    while socket.recv(&mut [0; 1500]).is_ok() {
        taken += 1;
    }
    taken
}

/// The memory that the relay occupies, in kB.
fn resident(relay: &Relay) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", relay.program.id());
    let rollup = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let rss = rollup.lines().find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB"));
    rss.unwrap_or_else(|| panic!("no Rss in {rollup}")).parse().unwrap()
}
