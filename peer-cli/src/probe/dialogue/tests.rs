//! The conversation, message by message, against answers written by hand.

use std::time::Duration;

use rtc::stun::{
    attributes::{
        ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS,
        ATTR_XORMAPPED_ADDRESS,
    },
    message::{
        CLASS_REQUEST, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CREATE_PERMISSION, METHOD_REFRESH, Message, Method,
    },
    xoraddr::XorMappedAddress,
};

use super::*;
use crate::probe::request::tests::{login, read, refusal, success};

const LIMIT: Duration = Duration::from_secs(60);
const MAPPED: &str = "192.0.2.7:4000";
const RELAYED: &str = "198.51.100.1:50000";

struct World {
    dialogue: Dialogue,
    start: Instant,
    now: Instant,
}

impl World {
    fn new(goal: Goal, limit: Duration) -> Self {
        Self::over(Over::Udp, goal, limit)
    }

    fn over(over: Over, goal: Goal, limit: Duration) -> Self {
        let start = tokio::time::Instant::now().into_std();
        let mut next = 0;
        let ids = move || {
            next += 1;
            [next; 12]
        };
        let server = match goal {
            Goal::Binding => "stun:example.org:3478",
            Goal::Relay { .. } => "turn:example.org:3478",
        };
        let dialogue = Dialogue::start(start, server.to_owned(), goal, over, start + limit, Box::new(ids));
        Self { dialogue, start, now: start }
    }

    fn relay(peers: &[&str]) -> Self {
        Self::new(relay(peers), LIMIT)
    }

    /// The one request that was sent.
    fn request(&mut self, method: Method) -> Vec<u8> {
        let bytes = self.dialogue.poll_transmit().expect("a request");
        assert_eq!(self.dialogue.poll_transmit(), None, "one request at a time");
        let message = read(&bytes);
        assert_eq!((message.typ.method, message.typ.class), (method, CLASS_REQUEST));
        bytes
    }

    fn answer(&mut self, datagram: &[u8]) {
        self.dialogue.received(self.now, datagram);
    }

    /// Lets time pass up to the next deadline.
    fn wait(&mut self) {
        self.now = self.dialogue.poll_timeout().expect("something is waited for");
        self.dialogue.handle_timeout(self.now);
    }

    fn is_over(&mut self) -> Finding {
        assert_eq!(self.dialogue.poll_transmit(), None, "a request is left over");
        assert_eq!(self.dialogue.poll_timeout(), None);
        self.dialogue.finding().expect("a finding").clone()
    }

    fn challenged(&mut self) -> Vec<u8> {
        let request = self.request(METHOD_ALLOCATE);
        assert!(!read(&request).contains(ATTR_MESSAGE_INTEGRITY));
        self.answer(&refusal(&request, 401, "Unauthorized", Some(("example.org", "n1"))));
        let request = self.request(METHOD_ALLOCATE);
        assert!(read(&request).contains(ATTR_MESSAGE_INTEGRITY));
        request
    }

    fn allocated(&mut self) {
        let request = self.challenged();
        let addresses =
            [(ATTR_XORMAPPED_ADDRESS, MAPPED.parse().unwrap()), (ATTR_XOR_RELAYED_ADDRESS, RELAYED.parse().unwrap())];
        self.answer(&success(&request, &addresses, Some(&login("n1"))));
    }

    fn released(&mut self) {
        let request = self.request(METHOD_REFRESH);
        assert_eq!(read(&request).get(ATTR_LIFETIME).unwrap(), [0; 4]);
        self.answer(&success(&request, &[], Some(&login("n1"))));
    }
}

fn relay(peers: &[&str]) -> Goal {
    Goal::Relay {
        username: "bob".to_owned(),
        credential: "hunter2".to_owned(),
        peers: peers.iter().map(|peer| peer.parse().unwrap()).collect(),
    }
}

fn peer(message: &Message) -> SocketAddr {
    let mut peer = XorMappedAddress::default();
    peer.get_from_as(message, ATTR_XOR_PEER_ADDRESS).unwrap();
    SocketAddr::new(peer.ip, peer.port)
}

#[test]
fn a_stun_server_that_tells_our_address_works() {
    let mut world = World::new(Goal::Binding, LIMIT);
    let request = world.request(METHOD_BINDING);
    world.answer(&success(&request, &[(ATTR_XORMAPPED_ADDRESS, MAPPED.parse().unwrap())], None));
    assert_eq!(
        world.is_over(),
        Finding {
            outcome: ProbeOutcome::Works,
            message: format!("stun:example.org:3478 answered and sees us as {MAPPED}"),
            mapped: Some(MAPPED.parse().unwrap()),
            relayed: None,
        }
    );
}

#[test]
fn a_relay_that_takes_every_peer_works_and_is_given_its_address_back() {
    let mut world = World::relay(&["203.0.113.1:1", "[2001:db8::1]:1", "203.0.113.2:2"]);
    world.allocated();
    for expected in ["203.0.113.1:1", "203.0.113.2:2"] {
        let request = world.request(METHOD_CREATE_PERMISSION);
        assert_eq!(
            peer(&read(&request)),
            expected.parse::<SocketAddr>().unwrap(),
            "a peer of the other family is left out"
        );
        world.answer(&success(&request, &[], Some(&login("n1"))));
    }
    assert_eq!(world.dialogue.finding(), None, "the allocation is given back first");
    world.released();
    let finding = world.is_over();
    assert_eq!(finding.outcome, ProbeOutcome::Works);
    assert_eq!(
        finding.message,
        format!("turn:example.org:3478 relays from {RELAYED} and takes all 2 addresses of the other side")
    );
    assert_eq!((finding.mapped, finding.relayed), (MAPPED.parse().ok(), RELAYED.parse().ok()));
}

#[test]
fn a_wrong_password_is_a_refused_login() {
    let mut world = World::relay(&[]);
    let request = world.challenged();
    world.answer(&refusal(&request, 401, "Unauthorized", Some(("example.org", "n2"))));
    let finding = world.is_over();
    assert_eq!(finding.outcome, ProbeOutcome::LoginRefused);
    assert_eq!(finding.message, "turn:example.org:3478 answered 401 Unauthorized to user bob");
}

#[test]
fn a_stale_nonce_is_renewed_once() {
    let mut world = World::relay(&[]);
    let request = world.challenged();
    world.answer(&refusal(&request, 438, "Stale Nonce", Some(("example.org", "n2"))));
    let again = world.request(METHOD_ALLOCATE);
    assert_eq!(read(&again).get(ATTR_NONCE).unwrap(), b"n2");
    assert_ne!(read(&again).transaction_id, read(&request).transaction_id);
    world.answer(&refusal(&again, 438, "Stale Nonce", Some(("example.org", "n3"))));
    let finding = world.is_over();
    assert_eq!(finding.outcome, ProbeOutcome::LoginRefused);
    assert_eq!(finding.message, "turn:example.org:3478 answered 438 Stale Nonce again and again to user bob");
}

#[test]
fn no_room_is_a_quota() {
    for (code, reason) in [(486, "Allocation Quota Reached"), (508, "Insufficient Capacity")] {
        let mut world = World::relay(&[]);
        let request = world.challenged();
        world.answer(&refusal(&request, code, reason, None));
        let finding = world.is_over();
        assert_eq!(finding.outcome, ProbeOutcome::Quota);
        assert_eq!(finding.message, format!("turn:example.org:3478 answered {code} {reason} to user bob"));
    }
}

#[test]
fn a_refused_peer_is_named() {
    let mut world = World::relay(&["10.0.0.1:9", "10.0.0.2:9"]);
    world.allocated();
    for _ in 0..2 {
        let request = world.request(METHOD_CREATE_PERMISSION);
        world.answer(&refusal(&request, 403, "Forbidden", None));
    }
    world.released();
    let finding = world.is_over();
    assert_eq!(finding.outcome, ProbeOutcome::PeerRefused);
    assert_eq!(finding.message, "turn:example.org:3478 answered 403 Forbidden to the other side's address 10.0.0.1:9");
}

#[test]
fn a_relay_that_protects_private_addresses_and_takes_public_ones_works() {
    let mut world = World::relay(&["10.0.0.1:9", "203.0.113.1:1"]);
    world.allocated();
    let request = world.request(METHOD_CREATE_PERMISSION);
    world.answer(&refusal(&request, 403, "Forbidden", None));
    let request = world.request(METHOD_CREATE_PERMISSION);
    world.answer(&success(&request, &[], Some(&login("n1"))));
    world.released();
    let finding = world.is_over();
    assert_eq!(finding.outcome, ProbeOutcome::Works);
    assert_eq!(
        finding.message,
        format!(
            "turn:example.org:3478 relays from {RELAYED} and takes 1 of 2 addresses of the other side; it answered 403 \
             Forbidden to the other side's address 10.0.0.1:9"
        )
    );
}

#[test]
fn any_other_code_is_a_refusal_with_the_request_named() {
    let mut world = World::new(Goal::Binding, LIMIT);
    let request = world.request(METHOD_BINDING);
    world.answer(&refusal(&request, 401, "Unauthorized", Some(("example.org", "n1"))));
    let finding = world.is_over();
    assert_eq!(finding.outcome, ProbeOutcome::Refused);
    assert_eq!(finding.message, "stun:example.org:3478 answered 401 Unauthorized to Binding");

    let mut world = World::relay(&[]);
    let request = world.request(METHOD_ALLOCATE);
    world.answer(&refusal(&request, 401, "", None));
    let finding = world.is_over();
    assert_eq!(finding.outcome, ProbeOutcome::Refused);
    assert_eq!(finding.message, "turn:example.org:3478 answered 401 to Allocate");
}

#[test]
fn an_answer_without_the_right_signature_is_not_trusted() {
    let mut world = World::relay(&[]);
    let request = world.challenged();
    world.answer(&success(&request, &[(ATTR_XOR_RELAYED_ADDRESS, RELAYED.parse().unwrap())], None));
    assert_eq!(world.is_over().outcome, ProbeOutcome::Refused);
}

#[test]
fn a_silent_server_is_asked_seven_times_at_growing_distances() {
    let mut world = World::new(Goal::Binding, LIMIT);
    let first = world.request(METHOD_BINDING);
    let mut at = Vec::new();
    while world.dialogue.finding().is_none() {
        world.wait();
        at.push((world.now - world.start).as_millis());
        if world.dialogue.finding().is_none() {
            assert_eq!(world.request(METHOD_BINDING), first, "the very same bytes");
        }
    }
    assert_eq!(at, [500, 1500, 3500, 7500, 15_500, 31_500, 39_500]);
    let finding = world.is_over();
    assert_eq!(finding.outcome, ProbeOutcome::Unreachable);
    assert_eq!(finding.message, "stun:example.org:3478 did not answer: Binding was sent 7 times");
}

#[test]
fn the_time_given_is_kept() {
    let mut world = World::new(Goal::Binding, Duration::from_secs(2));
    while world.dialogue.finding().is_none() {
        while world.dialogue.poll_transmit().is_some() {}
        world.wait();
    }
    assert_eq!(world.now - world.start, Duration::from_secs(2));
    assert_eq!(world.is_over().message, "stun:example.org:3478 did not answer: Binding was sent 3 times");
}

#[test]
fn a_relay_that_falls_silent_is_left_with_its_address_given_back() {
    let mut world = World::relay(&["203.0.113.1:1"]);
    world.allocated();
    while world.dialogue.finding().is_none() {
        world.request(METHOD_CREATE_PERMISSION);
        world.wait();
    }
    world.request(METHOD_REFRESH);
    let finding = world.is_over();
    assert_eq!(finding.outcome, ProbeOutcome::Unreachable);
    assert_eq!(finding.message, "turn:example.org:3478 fell silent: no answer to CreatePermission, sent 7 times");
}

#[test]
fn a_release_that_nobody_answers_delays_the_finding_a_little() {
    let mut world = World::relay(&[]);
    world.allocated();
    world.request(METHOD_REFRESH);
    world.wait();
    world.request(METHOD_REFRESH);
    assert_eq!(world.dialogue.finding(), None);
    world.wait();
    assert_eq!(world.is_over().outcome, ProbeOutcome::Works);
    assert_eq!(world.now - world.start, Duration::from_millis(1500));
}

#[test]
fn one_icmp_error_is_doubted_and_a_second_one_believed() {
    let mut world = World::new(Goal::Binding, LIMIT);
    world.request(METHOD_BINDING);
    world.dialogue.unreachable(world.now);
    assert_eq!(world.dialogue.finding(), None);
    world.wait();
    world.request(METHOD_BINDING);
    world.dialogue.unreachable(world.now);
    let finding = world.is_over();
    assert_eq!(finding.outcome, ProbeOutcome::Unreachable);
    assert_eq!(finding.message, "stun:example.org:3478 is not there: nothing listens at its address (ICMP)");
}

#[test]
fn an_answer_after_an_icmp_error_counts() {
    let mut world = World::new(Goal::Binding, LIMIT);
    let request = world.request(METHOD_BINDING);
    world.dialogue.unreachable(world.now);
    world.answer(&success(&request, &[(ATTR_XORMAPPED_ADDRESS, MAPPED.parse().unwrap())], None));
    assert_eq!(world.is_over().outcome, ProbeOutcome::Works);
}

#[test]
fn over_a_stream_nothing_is_sent_twice_and_the_time_given_is_kept() {
    for over in [Over::Tcp, Over::Tls] {
        let mut world = World::over(over, relay(&[]), LIMIT);
        world.request(METHOD_ALLOCATE);
        world.wait();
        assert_eq!(world.now - world.start, LIMIT);
        let finding = world.is_over();
        assert_eq!(finding.outcome, ProbeOutcome::Unreachable);
        assert_eq!(finding.message, "turn:example.org:3478 took the connection and did not answer Allocate");
    }
    let mut world = World::over(Over::Tcp, relay(&["203.0.113.1:1"]), LIMIT);
    world.allocated();
    world.request(METHOD_CREATE_PERMISSION);
    world.wait();
    world.request(METHOD_REFRESH);
    assert_eq!(world.is_over().message, "turn:example.org:3478 fell silent: no answer to CreatePermission");
}

#[test]
fn over_a_stream_an_allocation_is_given_back_with_little_patience() {
    let mut world = World::over(Over::Tls, relay(&[]), LIMIT);
    world.allocated();
    world.request(METHOD_REFRESH);
    world.wait();
    assert_eq!(world.is_over().outcome, ProbeOutcome::Works);
    assert_eq!(world.now - world.start, Duration::from_millis(500));
}

#[test]
fn a_stream_that_breaks_ends_the_conversation() {
    let broken = |world: &mut World| world.dialogue.broken(ProbeOutcome::Unreachable, "hung up".to_owned());
    let mut world = World::over(Over::Tcp, relay(&[]), LIMIT);
    world.challenged();
    broken(&mut world);
    let finding = world.is_over();
    assert_eq!(
        (finding.outcome, finding.message.as_str()),
        (ProbeOutcome::Unreachable, "turn:example.org:3478 hung up")
    );

    let mut world = World::over(Over::Tcp, relay(&[]), LIMIT);
    world.allocated();
    world.request(METHOD_REFRESH);
    broken(&mut world);
    assert_eq!(world.is_over().outcome, ProbeOutcome::Works, "it had all it wanted");
    broken(&mut world);
    assert_eq!(world.is_over().outcome, ProbeOutcome::Works, "what is found stays");
}

#[test]
fn no_sentence_contains_the_password() {
    for code in [401, 403, 437, 438, 441, 486, 500] {
        let mut world = World::relay(&[]);
        let request = world.challenged();
        world.answer(&refusal(&request, code, "No", None));
        assert!(!world.is_over().message.contains("hunter2"));
    }
}
