use rtc::stun::{
    attributes::AttrType,
    message::{MessageClass, MessageType, Method, TransactionId},
    xoraddr::XorMappedAddress,
};

use super::*;

const RELAY: [u8; 4] = [0, 255, 255, 255];
const AS_THE_STANDARD_SAYS: [u8; 4] = [110, 255, 255, 255];
const SERVER: &str = "203.0.113.10:3478";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn after(millis: u64) -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(crate::clock::now) + Duration::from_millis(millis)
}

fn message(method: Method, class: MessageClass) -> Message {
    let mut message = Message::new();
    message.typ = MessageType::new(method, class);
    message.transaction_id = TransactionId([7; 12]);
    message.write_header();
    message
}

fn check(class: MessageClass, priority: [u8; 4]) -> Vec<u8> {
    let mut message = message(METHOD_BINDING, class);
    message.add(ATTR_PRIORITY, &priority);
    message.raw
}

fn nominating() -> Vec<u8> {
    let mut message = message(METHOD_BINDING, CLASS_REQUEST);
    message.add(ATTR_PRIORITY, &AS_THE_STANDARD_SAYS);
    message.add(ATTR_USE_CANDIDATE, &[]);
    message.raw
}

fn with_address(mut message: Message, attribute: AttrType, address: &str) -> Message {
    let address = at(address);
    XorMappedAddress { ip: address.ip(), port: address.port() }.add_to_as(&mut message, attribute).unwrap();
    message
}

fn handed_on(from: &str, inner: &[u8]) -> Vec<u8> {
    let mut message = with_address(message(METHOD_DATA, CLASS_INDICATION), ATTR_XOR_PEER_ADDRESS, from);
    message.add(ATTR_DATA, inner);
    message.raw
}

#[test]
fn a_relay_waits_for_its_candidate_and_nobody_else_does() {
    let from = at("203.0.113.10:50000");
    let relay = check(CLASS_REQUEST, RELAY);
    let mut hasty = Hasty::default();
    assert!(hasty.is_too_early(after(0), from, &relay));
    assert!(hasty.is_too_early(after(1999), from, &relay));
    assert!(!hasty.is_too_early(after(2000), from, &relay), "it may never come");
    for other in [
        check(CLASS_REQUEST, [126, 255, 255, 255]),
        check(CLASS_REQUEST, AS_THE_STANDARD_SAYS),
        check(CLASS_REQUEST, [100, 255, 255, 255]),
        check(CLASS_SUCCESS_RESPONSE, RELAY),
        handed_on("192.0.2.1:1", &check(CLASS_REQUEST, [126, 255, 255, 255])),
        vec![0x80; 40],
        Vec::new(),
    ] {
        assert!(!hasty.is_too_early(after(0), at("192.0.2.1:1"), &other));
    }
}

#[test]
fn a_relay_that_was_signaled_waits_no_longer() {
    let relay = check(CLASS_REQUEST, RELAY);
    let mut hasty = Hasty::default();
    for from in ["203.0.113.10:50000", "[2001:db8::10]:50001", "203.0.113.10:50002"] {
        assert!(hasty.is_too_early(after(0), at(from), &relay));
    }
    hasty.signaled("candidate:1 1 UDP 16777215 203.0.113.10 50000 typ relay raddr 10.0.0.2 rport 5000");
    hasty.signaled("v=0\r\na=mid:0\r\na=candidate:2 1 udp 1 2001:db8::10 50001 typ relay\r\n");
    hasty.signaled("candidate:3 1 tcp 1 203.0.113.10 50002 typ host tcptype passive");
    assert!(!hasty.is_too_early(after(1), at("203.0.113.10:50000"), &relay));
    assert!(!hasty.is_too_early(after(1), at("[2001:db8::10]:50001"), &relay));
    assert!(hasty.is_too_early(after(1), at("203.0.113.10:50002"), &relay), "that is another transport");
}

#[test]
fn a_relay_that_comes_through_ours_waits_too() {
    let relay = handed_on("203.0.113.10:50000", &check(CLASS_REQUEST, RELAY));
    let mut hasty = Hasty::default();
    assert!(hasty.is_too_early(after(0), at(SERVER), &relay));
    hasty.signaled("candidate:1 1 udp 1 203.0.113.10 50000 typ relay");
    assert!(!hasty.is_too_early(after(1), at(SERVER), &relay));
}

#[test]
fn what_is_at_the_address_of_a_relay_may_be_one() {
    let (from, check) = (at("203.0.113.10:50000"), check(CLASS_REQUEST, AS_THE_STANDARD_SAYS));
    let allocated = message(METHOD_ALLOCATE, CLASS_SUCCESS_RESPONSE);
    let allocated = with_address(allocated, ATTR_XOR_RELAYED_ADDRESS, "203.0.113.10:49152");
    let mut ours = Hasty::default();
    assert!(!ours.is_too_early(after(0), from, &check));
    assert!(!ours.is_too_early(after(0), at(SERVER), &allocated.raw));
    let mut theirs = Hasty::default();
    theirs.signaled("candidate:1 1 udp 1 203.0.113.10 50001 typ relay");
    for mut hasty in [ours, theirs] {
        assert!(hasty.is_too_early(after(0), from, &check));
        assert!(hasty.is_too_early(after(299), from, &check));
        assert!(!hasty.is_too_early(after(300), from, &check));
        assert!(!hasty.is_too_early(after(0), at("203.0.113.11:50000"), &check));
    }
}

#[test]
fn a_way_over_a_relay_is_not_nominated_before_a_direct_one_had_its_time() {
    let (relay, host) = ("203.0.113.10:50000", "192.0.2.7:4000");
    let nominating = nominating();
    let through_ours = handed_on(host, &nominating);
    let in_channel = [&[0x40, 0, 0, nominating.len() as u8][..], &nominating].concat();
    let over_relays = [(relay, &nominating), (SERVER, &through_ours), (SERVER, &in_channel)];

    let mut hasty = Hasty::default();
    hasty.signaled("candidate:1 1 udp 1 203.0.113.10 50000 typ relay");
    hasty.signaled("candidate:1 1 udp 1 192.0.2.7 4000 typ host");
    assert!(!hasty.is_too_early(after(0), at(relay), &check(CLASS_REQUEST, AS_THE_STANDARD_SAYS)));
    for (from, datagram) in over_relays {
        assert!(hasty.is_too_early(after(1000), at(from), datagram));
        assert!(hasty.is_too_early(after(1999), at(from), datagram));
    }
    assert!(!hasty.is_too_early(after(1), at(host), &nominating), "that is direct");
    for (from, datagram) in over_relays {
        assert!(!hasty.is_too_early(after(2000), at(from), datagram));
    }
}

#[test]
fn one_that_nominates_a_relay_at_once_comes_to_the_direct_ways_later() {
    let (relay, nominating) = (at("203.0.113.10:50000"), nominating());
    for direct in ["candidate:1 1 udp 1 192.0.2.7 4000 typ host", "a=candidate:1 1 udp 1 0f-0f.local 4000 typ host"] {
        let mut hasty = Hasty::default();
        hasty.signaled("candidate:1 1 udp 1 203.0.113.10 50000 typ relay");
        hasty.signaled(direct);
        assert!(hasty.is_too_early(after(0), relay, &nominating));
        assert!(hasty.is_too_early(after(2999), relay, &nominating), "{direct}");
        assert!(!hasty.is_too_early(after(3000), relay, &nominating), "{direct}");
    }
}

#[test]
fn where_the_far_end_has_told_only_relays_nothing_is_waited_for() {
    let mut hasty = Hasty::default();
    hasty.signaled("v=0\r\na=mid:0\r\na=candidate:1 1 udp 1 203.0.113.10 50000 typ relay raddr 0.0.0.0 rport 0\r\n");
    assert!(!hasty.is_too_early(after(0), at("203.0.113.10:50000"), &nominating()));
}

#[test]
fn a_direct_way_that_was_found_late_has_time_to_be_nominated() {
    let (relay, host) = (at("203.0.113.10:50000"), at("192.0.2.7:4000"));
    let nominating = nominating();
    let mut hasty = Hasty::default();
    hasty.signaled("candidate:1 1 udp 1 203.0.113.10 50000 typ relay");
    hasty.signaled("candidate:1 1 udp 1 192.0.2.7 4000 typ host");
    assert!(!hasty.is_too_early(after(0), relay, &check(CLASS_REQUEST, AS_THE_STANDARD_SAYS)));
    assert!(!hasty.is_too_early(after(1900), host, &check(CLASS_REQUEST, AS_THE_STANDARD_SAYS)));
    assert!(hasty.is_too_early(after(2000), relay, &nominating));
    assert!(
        !hasty.is_too_early(after(2500), host, &check(CLASS_REQUEST, AS_THE_STANDARD_SAYS)),
        "the first one counts"
    );
    assert!(hasty.is_too_early(after(2899), relay, &nominating));
    assert!(!hasty.is_too_early(after(2900), relay, &nominating));
}

#[test]
fn a_flood_of_addresses_is_not_remembered_and_the_last_candidate_is() {
    let relay = check(CLASS_REQUEST, RELAY);
    let mut hasty = Hasty::default();
    for port in 1..1000 {
        hasty.is_too_early(after(0), SocketAddr::from(([192, 0, 2, 1], port)), &relay);
        hasty.signaled(&format!("candidate:1 1 udp 1 198.51.{}.{} {port} typ relay", port / 250, port % 250));
    }
    assert_eq!(hasty.first_seen.len(), MAX_ADDRESSES);
    assert_eq!((hasty.signaled.len(), hasty.relays.len()), (MAX_ADDRESSES, MAX_ADDRESSES));
    assert!(hasty.signaled.contains(&(at("198.51.3.249:999"), true)));
}

#[test]
fn nonsense_is_no_candidate() {
    for line in
        ["", "candidate:", "candidate:1 1 udp 1 x.local 5 typ host", "candidate:1 1 udp 1 192.0.2.1 5", "a=mid:0"]
    {
        assert_eq!(candidate(line), None, "{line}");
    }
}
