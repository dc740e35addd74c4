use rtc::stun::{
    attributes::{ATTR_DATA, ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS},
    message::{
        CLASS_INDICATION, METHOD_ALLOCATE, METHOD_CREATE_PERMISSION, METHOD_DATA, METHOD_REFRESH, METHOD_SEND, Message,
        MessageType, Method,
    },
    xoraddr::XorMappedAddress,
};

use super::*;
use crate::probe::request::tests::{login, read, refusal, success};

const LIMIT: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(10);

struct World {
    rehearsal: Rehearsal,
    start: Instant,
    now: Instant,
}

impl World {
    fn new(over: Over) -> Self {
        let start = tokio::time::Instant::now().into_std();
        let mut next = 0;
        let ids = move || {
            next += 1;
            [next; 12]
        };
        let account = Account { username: "bob".to_owned(), credential: "hunter2".to_owned() };
        let rehearsal = Rehearsal::start(start, account, over, start + LIMIT, Box::new(ids));
        Self { rehearsal, start, now: start }
    }

    /// The message that each side sends, and no other.
    fn both(&mut self, method: Method) -> [Vec<u8>; 2] {
        let sent = [(); 2].map(|()| self.rehearsal.poll_transmit().expect("a message of each side"));
        assert_eq!(self.rehearsal.poll_transmit(), None);
        let [(Side::Left, left), (Side::Right, right)] = sent else { panic!("first left, then right") };
        for message in [&left, &right] {
            assert_eq!(read(message).typ.method, method);
        }
        [left, right]
    }

    fn answer(&mut self, [left, right]: [Vec<u8>; 2]) {
        self.now += STEP;
        self.rehearsal.received(self.now, Side::Left, &left);
        self.rehearsal.received(self.now, Side::Right, &right);
    }

    /// Where a Send indication goes, and what it carries.
    fn sent_data(&mut self, side: Side) -> (SocketAddr, Vec<u8>) {
        let (by, message) = self.rehearsal.poll_transmit().expect("data");
        assert_eq!((by, self.rehearsal.poll_transmit()), (side, None));
        let message = read(&message);
        assert_eq!((message.typ.method, message.typ.class), (METHOD_SEND, CLASS_INDICATION));
        (peer(&message), message.get(ATTR_DATA).unwrap())
    }

    fn deliver(&mut self, side: Side, data: &[u8]) {
        self.now += STEP;
        let mut message = Message::new();
        message.typ = MessageType::new(METHOD_DATA, CLASS_INDICATION);
        message.write_header();
        message.add(ATTR_DATA, data);
        self.rehearsal.received(self.now, side, &message.raw);
    }

    /// Lets time pass up to the next deadline.
    fn wait(&mut self) {
        self.now = self.rehearsal.poll_timeout().expect("something is waited for");
        self.rehearsal.handle_timeout(self.now);
    }

    fn allocated(&mut self) {
        let requests = self.both(METHOD_ALLOCATE);
        self.answer(requests.map(|request| refusal(&request, 401, "Unauthorized", Some(("example.org", "n1")))));
        let requests = self.both(METHOD_ALLOCATE);
        let mut relayed = [relayed(Side::Left), relayed(Side::Right)].into_iter();
        self.answer(requests.map(|request| {
            assert!(read(&request).contains(ATTR_MESSAGE_INTEGRITY));
            let relayed = relayed.next().unwrap();
            success(&request, &[(ATTR_XOR_RELAYED_ADDRESS, relayed)], Some(&login("n1")))
        }));
    }

    fn permitted(&mut self) {
        self.allocated();
        let requests = self.both(METHOD_CREATE_PERMISSION);
        assert_eq!(peer(&read(&requests[0])), relayed(Side::Right));
        assert_eq!(peer(&read(&requests[1])), relayed(Side::Left));
        self.answer(requests.map(|request| success(&request, &[], Some(&login("n1")))));
    }

    fn released(&mut self) {
        let requests = self.both(METHOD_REFRESH);
        for request in &requests {
            assert_eq!(read(request).get(ATTR_LIFETIME).unwrap(), [0; 4]);
        }
        self.answer(requests.map(|request| success(&request, &[], Some(&login("n1")))));
    }

    fn is_over(&mut self) -> Result<Rehearsed, String> {
        assert_eq!(self.rehearsal.poll_transmit(), None, "a message is left over");
        assert_eq!(self.rehearsal.poll_timeout(), None);
        self.rehearsal.result().expect("a result").clone()
    }
}

fn relayed(side: Side) -> SocketAddr {
    match side {
        Side::Left => "198.51.100.1:50000".parse().unwrap(),
        Side::Right => "198.51.100.1:50001".parse().unwrap(),
    }
}

fn peer(message: &Message) -> SocketAddr {
    let mut peer = XorMappedAddress::default();
    peer.get_from_as(message, ATTR_XOR_PEER_ADDRESS).unwrap();
    SocketAddr::new(peer.ip, peer.port)
}

#[test]
fn data_goes_to_the_other_client_and_back_and_both_allocations_are_given_back() {
    let mut world = World::new(Over::Udp);
    world.permitted();
    let (to, data) = world.sent_data(Side::Left);
    assert_eq!((to, &data[..]), (relayed(Side::Right), &b"dialtone\0\0\0\0"[..]));
    world.deliver(Side::Right, &data);
    assert_eq!(world.sent_data(Side::Right), (relayed(Side::Left), data.clone()));
    world.deliver(Side::Left, &data);
    world.released();
    let expected = Rehearsed { allocation: STEP * 2, permission: STEP * 3, round_trip: STEP * 2 };
    assert_eq!(world.is_over(), Ok(expected));
}

#[test]
fn lost_data_is_sent_again_and_each_packet_has_its_own_time() {
    let mut world = World::new(Over::Tls);
    world.permitted();
    let (_, lost) = world.sent_data(Side::Left);
    world.wait();
    let (_, data) = world.sent_data(Side::Left);
    assert_eq!(&data[..], b"dialtone\0\0\0\x01");
    assert_ne!(lost, data);
    world.deliver(Side::Right, &data);
    world.sent_data(Side::Right);
    world.deliver(Side::Left, &data);
    world.released();
    assert_eq!(world.is_over().unwrap().round_trip, STEP * 2);
}

#[test]
fn a_relay_that_lets_no_data_through_is_told_so() {
    let mut world = World::new(Over::Tcp);
    world.permitted();
    for _ in 0..MAX_DATA {
        world.sent_data(Side::Left);
        world.wait();
    }
    world.released();
    assert_eq!(world.is_over(), Err("let none of 15 packets of data through".to_owned()));
    assert!(world.now - world.start < LIMIT);
}

#[test]
fn silence_over_udp_ends_after_four_transmissions_and_over_a_stream_at_the_end() {
    let mut world = World::new(Over::Udp);
    for _ in 0..WAITS.len() {
        world.both(METHOD_ALLOCATE);
        world.wait();
    }
    assert_eq!(world.is_over(), Err("did not answer Allocate, sent 4 times".to_owned()));
    assert_eq!(world.now - world.start, Duration::from_millis(2750));

    let mut world = World::new(Over::Tls);
    world.both(METHOD_ALLOCATE);
    world.wait();
    assert_eq!(world.is_over(), Err("did not answer Allocate, sent 1 times".to_owned()));
    assert_eq!(world.now - world.start, LIMIT);
}

#[test]
fn a_refusal_is_told_in_the_words_of_the_server_and_leaves_no_allocation() {
    let mut world = World::new(Over::Udp);
    world.allocated();
    let requests = world.both(METHOD_CREATE_PERMISSION);
    world.answer(requests.map(|request| refusal(&request, 403, "Forbidden", None)));
    world.released();
    assert_eq!(world.is_over(), Err("answered 403 Forbidden to CreatePermission".to_owned()));
}

#[test]
fn a_stale_nonce_is_replaced_once() {
    let mut world = World::new(Over::Udp);
    world.allocated();
    let requests = world.both(METHOD_CREATE_PERMISSION);
    world.answer(requests.map(|request| refusal(&request, 438, "Stale Nonce", Some(("example.org", "n2")))));
    let requests = world.both(METHOD_CREATE_PERMISSION);
    world.answer(requests.map(|request| success(&request, &[], Some(&login("n2")))));
    assert_eq!(world.sent_data(Side::Left).0, relayed(Side::Right));
}

#[test]
fn a_connection_that_breaks_is_the_reason_unless_the_data_was_back_already() {
    let mut world = World::new(Over::Tcp);
    world.both(METHOD_ALLOCATE);
    world.rehearsal.broken("closed the connection".to_owned());
    assert_eq!(world.is_over(), Err("closed the connection".to_owned()));

    let mut world = World::new(Over::Tcp);
    world.permitted();
    let (_, data) = world.sent_data(Side::Left);
    world.deliver(Side::Right, &data);
    world.sent_data(Side::Right);
    world.deliver(Side::Left, &data);
    world.both(METHOD_REFRESH);
    world.rehearsal.broken("closed the connection".to_owned());
    assert!(world.is_over().is_ok());
}

#[test]
fn allocations_that_nobody_takes_back_do_not_hold_up_the_result() {
    let mut world = World::new(Over::Udp);
    world.permitted();
    let (_, data) = world.sent_data(Side::Left);
    world.deliver(Side::Right, &data);
    world.sent_data(Side::Right);
    world.deliver(Side::Left, &data);
    world.both(METHOD_REFRESH);
    let told = world.now;
    world.wait();
    assert!(world.is_over().is_ok());
    assert_eq!(world.now - told, FAREWELL);
}
