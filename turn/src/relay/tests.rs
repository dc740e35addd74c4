//! Whole dialogues with the brain, each output accounted for.
#![allow(clippy::unwrap_in_result, reason = "helpers of tests may fail loudly")]

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::auth::{Secret, rest_credentials};
use crate::metrics::Totals;
use crate::stun::attributes::{
    ADDITIONAL_ADDRESS_FAMILY, ADDRESS_ERROR_CODE, CHANNEL_NUMBER, DATA, DONT_FRAGMENT, EVEN_PORT, LIFETIME, NONCE,
    REALM as REALM_ATTRIBUTE, REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, RESERVATION_TOKEN, SOFTWARE, USERNAME,
    XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS,
};
use crate::stun::{IntegrityKind, Key, MessageBuilder, Method, TransactionId};

const REALM: &str = "dialtone";
const PEER: &str = "198.51.100.20:7000";

#[test]
fn stranger_is_challenged_and_nothing_is_kept() {
    let mut relay = TestRelay::new();
    let client = Client::new(1, "alice", "pw");
    let bytes = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([9; 12]))
        .number(REQUESTED_TRANSPORT, 17 << 24)
        .finish();
    let nonce = relay.core.nonces.mint(relay.now.mono, client.address.remote.ip());
    let expected = MessageBuilder::new(Class::Error, Method::Allocate, TransactionId([9; 12]))
        .error(401, "Unauthorized")
        .attribute(REALM_ATTRIBUTE, REALM.as_bytes())
        .attribute(NONCE, nonce.as_bytes())
        .attribute(SOFTWARE, b"dialtone")
        .finish();
    assert_eq!(relay.outputs(client.address, &bytes), vec![Output::Send { to: client.address, bytes: expected }]);
    assert_eq!(relay.core.poll_timeout(), None);
}

#[test]
fn binding_tells_the_address_without_credentials() {
    let mut relay = TestRelay::new();
    let client = Client::new(1, "", "");
    let id = TransactionId([3; 12]);
    let request = MessageBuilder::new(Class::Request, Method::Binding, id).fingerprint().finish();
    let expected = MessageBuilder::new(Class::Success, Method::Binding, id)
        .xor_address(XOR_MAPPED_ADDRESS, client.address.remote)
        .attribute(SOFTWARE, b"dialtone")
        .fingerprint()
        .finish();
    assert_eq!(relay.send(client.address, &request), expected);
}

#[test]
fn wrong_password_unknown_user_and_expired_name_are_401() {
    let mut relay = TestRelay::new();
    for (name, password) in [("alice", "wrong"), ("mallory", "pw"), ("999:alice", "pw")] {
        let mut client = Client::new(1, name, password);
        assert_eq!(client.allocate(&mut relay), Err(401), "{name}");
    }
    let (name, password) = rest_credentials("shared", "carol", Duration::ZERO, relay.now.unix);
    let mut client = Client::new(1, &name, &password);
    relay.advance(1);
    assert_eq!(client.allocate(&mut relay), Err(401), "expired");
}

#[test]
fn timed_name_may_allocate() {
    let mut relay = TestRelay::new();
    let (name, password) = rest_credentials("shared", "carol", Duration::from_secs(60), relay.now.unix);
    assert!(Client::new(1, &name, &password).allocate(&mut relay).is_ok());
}

#[test]
fn signature_without_name_is_400_and_old_nonce_438() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    let bare = MessageBuilder::new(Class::Request, Method::Refresh, TransactionId([1; 12]))
        .integrity(&client.key(), IntegrityKind::Sha1)
        .finish();
    assert_eq!(code(&relay.send(client.address, &bare)), Some(400));

    client.fetch_nonce(&mut relay);
    relay.advance(3601);
    let request = client.request(Method::Allocate, |m| m.number(REQUESTED_TRANSPORT, 17 << 24));
    let answer = relay.send(client.address, &request);
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.error_code(), Some(438));
    assert!(answer.find(NONCE).is_some() && answer.find(REALM_ATTRIBUTE).is_some());
}

#[test]
fn allocation_lives_is_refreshed_and_deleted() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    let relayed = client.allocate(&mut relay).unwrap();
    assert_eq!(relayed, "203.0.113.1:50001".parse().unwrap());
    assert_eq!(client.refresh(&mut relay, 100), Ok(600));
    assert_eq!(client.refresh(&mut relay, 9999), Ok(3600));
    assert_eq!(client.refresh(&mut relay, 0), Ok(0));
    assert_eq!(relay.closed, vec![RelayId(1)]);
    assert_eq!(client.refresh(&mut relay, 600), Err(437));
    assert_eq!(relay.core.poll_timeout(), None);
    let totals = Totals { allocations: 1, ..Totals::default() };
    assert_eq!(relay.counters.totals(), totals);
}

#[test]
fn allocation_ends_by_itself() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    assert_eq!(relay.core.poll_timeout(), Some(relay.now.mono + Duration::from_secs(600)));
    relay.advance(600);
    relay.core.handle_timeout(relay.now.mono);
    assert_eq!(relay.drain(), vec![Output::CloseRelaySocket { relay: RelayId(1) }]);
}

#[test]
fn answers_are_signed_like_the_request() {
    let mut relay = TestRelay::new();
    for kind in [IntegrityKind::Sha1, IntegrityKind::Sha256] {
        let mut client = Client::new(1, "alice", "pw");
        client.kind = kind;
        client.fetch_nonce(&mut relay);
        let request = client.request(Method::Refresh, |m| m);
        let answer = relay.send(client.address, &request);
        let answer = Message::parse(&answer).unwrap();
        assert_eq!(answer.integrity(), Some(kind));
        assert!(answer.verify(&client.key()));
    }
}

#[test]
fn lost_answer_is_repeated_and_second_allocate_is_437() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.request(Method::Allocate, |m| m.number(REQUESTED_TRANSPORT, 17 << 24));
    let first = relay.send(client.address, &request);
    assert_eq!(relay.send(client.address, &request), first);
    assert_eq!(client.allocate(&mut relay), Err(437));
    assert_eq!(relay.counters.totals().allocations, 1);
}

#[test]
fn bad_wishes_have_their_own_codes() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let cases: [(u16, MessagePart); 6] = [
        (400, |m| m),
        (442, |m| m.number(REQUESTED_TRANSPORT, 6 << 24)),
        (440, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).number(REQUESTED_ADDRESS_FAMILY, 2 << 24)),
        (420, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(0x7abc, b"")),
        (508, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(RESERVATION_TOKEN, &[0; 8])),
        (400, |m| {
            m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(RESERVATION_TOKEN, &[0; 8]).attribute(EVEN_PORT, &[0])
        }),
    ];
    for (expected, part) in cases {
        let request = client.request(Method::Allocate, part);
        assert_eq!(code(&relay.send(client.address, &request)), Some(expected));
    }
    let request = client.request(Method::Allocate, |m| {
        m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(DONT_FRAGMENT, &[]).number(ADDITIONAL_ADDRESS_FAMILY, 2 << 24)
    });
    let answer = relay.send(client.address, &request);
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.class(), Class::Success);
    assert_eq!(answer.find(ADDRESS_ERROR_CODE).map(|v| v[..4].to_vec()), Some(vec![2, 0, 4, 40]));
}

#[test]
fn reserved_port_goes_to_who_has_the_token() {
    let mut relay = TestRelay::new();
    let mut rtp = Client::new(1, "alice", "pw");
    rtp.fetch_nonce(&mut relay);
    relay.next_port = 50_002;
    let request =
        rtp.request(Method::Allocate, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(EVEN_PORT, &[0x80]));
    let answer = relay.send(rtp.address, &request);
    let token = Message::parse(&answer).unwrap().find(RESERVATION_TOKEN).unwrap().to_vec();

    let ask = |client: &mut Client| {
        client
            .request(Method::Allocate, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(RESERVATION_TOKEN, &token))
    };
    let mut thief = Client::new(2, "bob", "pw");
    thief.fetch_nonce(&mut relay);
    let request = ask(&mut thief);
    assert_eq!(code(&relay.send(thief.address, &request)), Some(508));
    let mut rtcp = Client::new(3, "alice", "pw");
    rtcp.fetch_nonce(&mut relay);
    let request = ask(&mut rtcp);
    let answer = relay.send(rtcp.address, &request);
    let relayed = Message::parse(&answer).unwrap().xor_address(XOR_RELAYED_ADDRESS);
    assert_eq!(relayed, Some("203.0.113.1:50003".parse().unwrap()));
}

#[test]
fn unused_reservation_is_given_back_after_30_s() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request =
        client.request(Method::Allocate, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(EVEN_PORT, &[0x80]));
    relay.send(client.address, &request);
    relay.advance(30);
    relay.core.handle_timeout(relay.now.mono);
    assert_eq!(relay.drain(), vec![Output::CloseRelaySocket { relay: RelayId(2) }]);
}

#[test]
fn both_peers_of_one_request_get_through() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    let peers = ["198.51.100.20:1", "198.51.100.21:1"];
    assert_eq!(client.permit(&mut relay, &peers), Ok(()));
    for peer in peers {
        let peer: SocketAddr = peer.parse().unwrap();
        let sent = client.indication(peer, b"hi");
        let decision = relay.core.route(relay.now, client.address, &sent);
        assert_eq!(decision, Decision::ToPeer { relay: RelayId(1), to: peer, payload: b"hi" });
    }
}

#[test]
fn one_forbidden_peer_keeps_the_others_out() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    for bad in ["127.0.0.1:1", "0.0.0.0:1", "169.254.169.254:80", "10.0.0.1:1", "224.0.0.1:1"] {
        assert_eq!(client.permit(&mut relay, &[PEER, bad]), Err(403), "{bad}");
    }
    for other_family in ["[2001:db8::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(client.permit(&mut relay, &[other_family]), Err(443));
    }
    assert_eq!(client.permit(&mut relay, &[]), Err(400));
    let sent = client.indication(PEER.parse().unwrap(), b"hi");
    assert_eq!(relay.core.route(relay.now, client.address, &sent), Decision::Done);
}

#[test]
fn data_flows_both_ways_until_the_permission_ends() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    client.permit(&mut relay, &[PEER]).unwrap();
    let peer: SocketAddr = PEER.parse().unwrap();
    relay.advance(299);
    assert_eq!(relay.down(peer, b"hello").map(|(to, _)| to), Some(client.address));
    let (_, bytes) = relay.down(peer, b"hello").unwrap();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.method(), Method::Data);
    assert_eq!(message.find(DATA), Some(&b"hello"[..]));
    assert_eq!(message.xor_address(XOR_PEER_ADDRESS), Some(peer));
    assert_eq!(relay.down("198.51.100.99:1".parse().unwrap(), b"who"), None);

    relay.advance(1);
    assert_eq!(relay.down(peer, b"late"), None);
    let totals = relay.counters.totals();
    assert_eq!((totals.packets_to_clients, totals.bytes_to_clients), (2, 10));
}

#[test]
fn channels_are_bound_once_in_their_range() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    for (number, expected) in [
        (0x3fff, Err(400)),
        (0x7fff, Err(400)),
        (0x4000, Ok(())),
        (0x4000, Ok(())),
        (0x5000, Err(400)), // same peer, other channel
    ] {
        assert_eq!(client.bind(&mut relay, number, PEER), expected, "{number:#x}");
    }
    assert_eq!(client.bind(&mut relay, 0x4000, "198.51.100.21:1"), Err(400));
    assert_eq!(client.bind(&mut relay, 0x7ffe, "198.51.100.21:1"), Ok(()));
    assert_eq!(client.bind(&mut relay, 0x4002, "192.168.0.1:1"), Err(403));

    let peer: SocketAddr = PEER.parse().unwrap();
    let up = [0x40, 0, 0, 2, b'h', b'i', 0, 0];
    assert_eq!(
        relay.core.route(relay.now, client.address, &up),
        Decision::ToPeer { relay: RelayId(1), to: peer, payload: b"hi" }
    );
    let down = relay.down(peer, b"yo").unwrap();
    assert_eq!(down, (client.address, vec![0x40, 0, 0, 2, b'y', b'o']));
}

#[test]
fn frames_for_streams_are_padded() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    client.address.transport = Transport::Tcp;
    client.allocate(&mut relay).unwrap();
    client.bind(&mut relay, 0x4000, PEER).unwrap();
    let (_, bytes) = relay.down(PEER.parse().unwrap(), b"yo").unwrap();
    assert_eq!(bytes, [0x40, 0, 0, 2, b'y', b'o', 0, 0]);

    relay.core.client_gone(relay.now.mono, client.address);
    assert_eq!(relay.drain(), vec![Output::CloseRelaySocket { relay: RelayId(1) }]);
}

#[test]
fn another_user_is_441() {
    let mut relay = TestRelay::new();
    Client::new(1, "alice", "pw").allocate(&mut relay).unwrap();
    let mut bob = Client::new(1, "bob", "pw");
    bob.transactions = 100;
    bob.fetch_nonce(&mut relay);
    assert_eq!(bob.refresh(&mut relay, 0), Err(441));
    assert_eq!(bob.permit(&mut relay, &[PEER]), Err(441));
}

#[test]
fn quota_counts_users_and_all() {
    let mut relay = TestRelay::new();
    for number in 1..=2 {
        Client::new(number, "alice", "pw").allocate(&mut relay).unwrap();
    }
    assert_eq!(Client::new(3, "alice", "pw").allocate(&mut relay), Err(486));
    let mut bob = Client::new(4, "bob", "pw");
    bob.allocate(&mut relay).unwrap();
    assert_eq!(Client::new(5, "bob", "pw").allocate(&mut relay), Err(486));
    bob.refresh(&mut relay, 0).unwrap();
    assert!(Client::new(5, "bob", "pw").allocate(&mut relay).is_ok());
}

#[test]
fn no_port_is_508_and_costs_no_quota() {
    let mut relay = TestRelay::new();
    relay.failing = true;
    for _ in 0..5 {
        assert_eq!(Client::new(1, "alice", "pw").allocate(&mut relay), Err(508));
    }
    relay.failing = false;
    assert!(Client::new(1, "alice", "pw").allocate(&mut relay).is_ok());
}

#[test]
fn own_relayed_address_is_reached_inside_even_where_its_network_is_refused() {
    let mut relay = TestRelay::at("127.0.0.1");
    let mut alice = Client::new(1, "alice", "pw");
    let mut bob = Client::new(2, "bob", "pw");
    let from_alice = alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    assert_eq!(alice.permit(&mut relay, &["127.0.0.1:22"]), Err(403));
    assert_eq!(alice.permit(&mut relay, &[&to_bob.to_string()]), Ok(()));

    let sent = alice.indication(to_bob, b"hi");
    assert_eq!(relay.core.route(relay.now, alice.address, &sent), Decision::Done);
    assert_eq!(bob.permit(&mut relay, &[&from_alice.to_string()]), Ok(()));
    let id = relay.core.dice.clone().transaction();
    assert_eq!(
        relay.core.route(relay.now, alice.address, &sent),
        Decision::ToClient {
            to: bob.address,
            head: Head::data(id, from_alice, 2).unwrap(),
            payload: b"hi",
            padding: 2,
        }
    );

    let to_ssh = alice.indication("127.0.0.1:22".parse().unwrap(), b"hi");
    assert_eq!(relay.core.route(relay.now, alice.address, &to_ssh), Decision::Done);
    let inward = relay.core.handle_peer(relay.now.mono, RelayId(1), "127.0.0.1:22".parse().unwrap(), b"x");
    assert_eq!(inward, Decision::Done);
    bob.refresh(&mut relay, 0).unwrap();
    assert_eq!(alice.permit(&mut relay, &[&to_bob.to_string()]), Ok(()), "renewal");
}

#[test]
fn own_public_address_is_reached_inside_only_unless_it_is_opened() {
    let open = |config: &mut Config| config.public_ip = vec!["203.0.113.9".parse().unwrap()];
    let mut relay = TestRelay::with("203.0.113.1", open);
    let mut alice = Client::new(1, "alice", "pw");
    let mut bob = Client::new(2, "bob", "pw");
    alice.allocate(&mut relay).unwrap();
    let to_bob = bob.allocate(&mut relay).unwrap();
    for own in ["203.0.113.1:22", "203.0.113.9:22"] {
        assert_eq!(alice.permit(&mut relay, &[own]), Err(403), "{own}");
        assert_eq!(alice.bind(&mut relay, 0x4000, own), Err(403), "{own}");
    }
    assert_eq!(alice.permit(&mut relay, &[&to_bob.to_string()]), Ok(()));
    let to_ssh = alice.indication(SocketAddr::new(to_bob.ip(), 22), b"hi");
    assert_eq!(relay.core.route(relay.now, alice.address, &to_ssh), Decision::Done);

    let mut relay = TestRelay::with("203.0.113.1", |config| {
        config.allow_peer = vec!["203.0.113.1/32".parse().unwrap()];
    });
    let mut alice = Client::new(1, "alice", "pw");
    alice.allocate(&mut relay).unwrap();
    assert_eq!(alice.permit(&mut relay, &["203.0.113.1:22"]), Ok(()));
}

#[test]
fn nonce_of_another_address_is_stale() {
    let mut relay = TestRelay::new();
    let mut alice = Client::new(1, "alice", "pw");
    alice.fetch_nonce(&mut relay);
    let mut elsewhere = Client::new(2, "alice", "pw");
    elsewhere.address.local.set_ip(relay.ip);
    elsewhere.nonce = alice.nonce.clone();
    let request = elsewhere.request(Method::Refresh, |m| m);
    let answer = relay.send(elsewhere.address, &request);
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.error_code(), Some(438));
    elsewhere.nonce = answer.find(NONCE).unwrap().to_vec();
    assert_eq!(elsewhere.refresh(&mut relay, 600), Err(437), "the new one is good");
}

#[test]
fn one_relayed_address_is_never_given_twice() {
    let open = |config: &mut Config| config.public_ip = vec!["203.0.113.9".parse().unwrap()];
    let mut relay = TestRelay::with("10.0.0.1", open);
    let mut alice = Client::new(1, "alice", "pw");
    assert_eq!(alice.allocate(&mut relay), Ok("203.0.113.9:50001".parse().unwrap()));

    // Another local address, the same port.
    (relay.ip, relay.next_port) = ("10.0.0.2".parse().unwrap(), 50_001);
    let mut bob = Client::new(2, "bob", "pw");
    assert_eq!(bob.allocate(&mut relay), Err(508));
    assert_eq!(relay.closed, vec![RelayId(2)]);
    assert_eq!(alice.refresh(&mut relay, 600), Ok(600), "its owner keeps it");
    relay.next_port = 50_002;
    assert_eq!(bob.allocate(&mut relay), Ok("203.0.113.9:50002".parse().unwrap()));
}

#[test]
fn loopback_client_of_a_public_relay_is_not_bound_to_loopback() {
    let mut relay = TestRelay::with("127.0.0.1", |config| config.public_ip = vec!["203.0.113.9".parse().unwrap()]);
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.request(Method::Allocate, |m| m.number(REQUESTED_TRANSPORT, 17 << 24));
    let wanted = relay.outputs(client.address, &request);
    let [Output::OpenRelaySocket { bind, towards, .. }] = wanted.as_slice() else {
        panic!("one socket, not {wanted:?}");
    };
    assert_eq!(*bind, Family::V4.wildcard());
    assert_eq!(towards.ip(), "203.0.113.9".parse::<IpAddr>().unwrap());
}

#[test]
fn stop_ends_every_allocation_and_reservation() {
    let mut relay = TestRelay::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    relay.next_port = 50_002;
    let request =
        client.request(Method::Allocate, |m| m.number(REQUESTED_TRANSPORT, 17 << 24).attribute(EVEN_PORT, &[0x80]));
    assert_eq!(code(&relay.send(client.address, &request)), None);
    relay.core.end_all(relay.now.mono);
    let closed = [1, 2].map(|id| Output::CloseRelaySocket { relay: RelayId(id) });
    assert_eq!(relay.drain(), closed);
    assert_eq!(relay.counters.totals().live_allocations, 0);
    assert_eq!(relay.core.poll_timeout(), None);
}

type MessagePart = fn(MessageBuilder) -> MessageBuilder;

/// A brain with hands that open imaginary sockets.
struct TestRelay {
    core: Core,
    now: Now,
    counters: Arc<Counters>,
    ip: IpAddr,
    next_port: u16,
    failing: bool,
    closed: Vec<RelayId>,
}

impl TestRelay {
    fn new() -> Self {
        Self::at("203.0.113.1")
    }

    fn at(ip: &str) -> Self {
        Self::with(ip, |_| {})
    }

    fn with(ip: &str, edit: impl FnOnce(&mut Config)) -> Self {
        let ip: IpAddr = ip.parse().unwrap();
        let mut config = Config::default();
        edit(&mut config);
        for name in ["alice", "bob"] {
            config.credentials.users.insert(name.to_owned(), "pw".to_owned());
        }
        config.credentials.secrets.extend(Secret::new("shared"));
        config.limits.max_allocations = 3;
        config.limits.max_allocations_per_user = 2;
        let now = Now { mono: base(), unix: UNIX_EPOCH + Duration::from_secs(1000) };
        let counters = Arc::new(Counters::default());
        let listen = vec![SocketAddr::new(ip, 3478)];
        Self {
            core: Core::new(config, listen, [7; 32], now.mono, Arc::clone(&counters)),
            now,
            counters,
            ip,
            next_port: 50_001,
            failing: false,
            closed: Vec::new(),
        }
    }

    fn advance(&mut self, seconds: u64) {
        self.now.mono += Duration::from_secs(seconds);
        self.now.unix += Duration::from_secs(seconds);
    }

    fn outputs(&mut self, from: ClientAddr, bytes: &[u8]) -> Vec<Output> {
        assert_eq!(self.core.route(self.now, from, bytes), Decision::Done);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.core.poll_output()).collect()
    }

    /// Carries out what is wanted, and returns the one message that goes back to `from`.
    fn send(&mut self, from: ClientAddr, bytes: &[u8]) -> Vec<u8> {
        assert_eq!(self.core.route(self.now, from, bytes), Decision::Done);
        let mut answers = Vec::new();
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Send { to, bytes } => {
                    assert_eq!(to, from);
                    answers.push(bytes);
                }
                Output::OpenRelaySocket { relay, bind, .. } => {
                    assert_eq!(bind, self.ip);
                    if self.failing {
                        self.core.allocation_failed(self.now.mono, relay, OpenFailure::NoPort);
                    } else {
                        let local = SocketAddr::new(bind, self.next_port);
                        self.next_port += 1;
                        self.core.allocation_opened(self.now.mono, relay, local);
                    }
                }
                Output::CloseRelaySocket { relay } => self.closed.push(relay),
            }
        }
        assert_eq!(answers.len(), 1, "one answer");
        answers.remove(0)
    }

    /// What the first allocation's client gets when `peer` sends to it.
    fn down(&mut self, peer: SocketAddr, payload: &[u8]) -> Option<(ClientAddr, Vec<u8>)> {
        match self.core.handle_peer(self.now.mono, RelayId(1), peer, payload) {
            Decision::ToClient { to, head, payload, padding } => {
                let mut bytes = head.as_bytes().to_vec();
                bytes.extend_from_slice(payload);
                bytes.resize(bytes.len() + padding, 0);
                Some((to, bytes))
            }
            Decision::Done => None,
            Decision::ToPeer { .. } => panic!("down is not up"),
        }
    }
}

struct Client {
    address: ClientAddr,
    name: String,
    password: String,
    nonce: Vec<u8>,
    kind: IntegrityKind,
    transactions: u8,
}

impl Client {
    fn new(number: u8, name: &str, password: &str) -> Self {
        Self {
            address: ClientAddr {
                transport: Transport::Udp,
                remote: SocketAddr::from(([192, 0, 2, number], 4000)),
                local: SocketAddr::from(([203, 0, 113, 1], 3478)),
            },
            name: name.to_owned(),
            password: password.to_owned(),
            nonce: Vec::new(),
            kind: IntegrityKind::Sha1,
            transactions: 0,
        }
    }

    fn key(&self) -> Key {
        Key::long_term(&self.name, REALM, &self.password)
    }

    fn fetch_nonce(&mut self, relay: &mut TestRelay) {
        self.address.local.set_ip(relay.ip);
        let bytes = MessageBuilder::new(Class::Request, Method::Refresh, TransactionId([0; 12])).finish();
        let answer = relay.send(self.address, &bytes);
        self.nonce = Message::parse(&answer).unwrap().find(NONCE).unwrap().to_vec();
    }

    fn request(&mut self, method: Method, part: impl FnOnce(MessageBuilder) -> MessageBuilder) -> Vec<u8> {
        self.transactions += 1;
        let message = MessageBuilder::new(Class::Request, method, TransactionId([self.transactions; 12]))
            .attribute(USERNAME, self.name.as_bytes())
            .attribute(REALM_ATTRIBUTE, REALM.as_bytes())
            .attribute(NONCE, &self.nonce);
        part(message).integrity(&self.key(), self.kind).finish()
    }

    fn allocate(&mut self, relay: &mut TestRelay) -> Result<SocketAddr, u16> {
        self.fetch_nonce(relay);
        let answer = self.ask(relay, Method::Allocate, |m| m.number(REQUESTED_TRANSPORT, 17 << 24))?;
        let answer = Message::parse(&answer).unwrap();
        assert_eq!(answer.number(LIFETIME), Some(600));
        assert_eq!(answer.xor_address(XOR_MAPPED_ADDRESS), Some(self.address.remote));
        Ok(answer.xor_address(XOR_RELAYED_ADDRESS).unwrap())
    }

    fn refresh(&mut self, relay: &mut TestRelay, seconds: u32) -> Result<u32, u16> {
        let answer = self.ask(relay, Method::Refresh, |m| m.number(LIFETIME, seconds))?;
        Ok(Message::parse(&answer).unwrap().number(LIFETIME).unwrap())
    }

    fn permit(&mut self, relay: &mut TestRelay, peers: &[&str]) -> Result<(), u16> {
        self.ask(relay, Method::CreatePermission, |message| {
            peers.iter().fold(message, |message, peer| message.xor_address(XOR_PEER_ADDRESS, peer.parse().unwrap()))
        })
        .map(drop)
    }

    fn bind(&mut self, relay: &mut TestRelay, number: u32, peer: &str) -> Result<(), u16> {
        self.ask(relay, Method::ChannelBind, |message| {
            message.number(CHANNEL_NUMBER, number << 16).xor_address(XOR_PEER_ADDRESS, peer.parse().unwrap())
        })
        .map(drop)
    }

    fn indication(&self, peer: SocketAddr, data: &[u8]) -> Vec<u8> {
        MessageBuilder::new(Class::Indication, Method::Send, TransactionId([5; 12]))
            .xor_address(XOR_PEER_ADDRESS, peer)
            .attribute(DATA, data)
            .finish()
    }

    fn ask(
        &mut self,
        relay: &mut TestRelay,
        method: Method,
        part: impl FnOnce(MessageBuilder) -> MessageBuilder,
    ) -> Result<Vec<u8>, u16> {
        let request = self.request(method, part);
        let answer = relay.send(self.address, &request);
        match code(&answer) {
            None => Ok(answer),
            Some(code) => Err(code),
        }
    }
}

fn code(answer: &[u8]) -> Option<u16> {
    Message::parse(answer).unwrap().error_code()
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn base() -> Instant {
    Instant::now()
}
