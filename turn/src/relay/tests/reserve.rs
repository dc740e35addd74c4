use super::client::{Client, code, relayed};
use super::world::World;
use crate::relay::Output;
use crate::stun::Message;
use crate::stun::attributes::{EVEN_PORT, RESERVATION_TOKEN};

#[test]
fn reserved_port_goes_to_who_has_the_token() {
    let mut relay = World::new();
    let mut rtp = Client::new(1, "alice", "pw");
    let token = reserve(&mut relay, &mut rtp);

    let mut thief = Client::new(2, "bob", "pw");
    thief.fetch_nonce(&mut relay);
    let request = thief.allocate_request(|m| m.attribute(RESERVATION_TOKEN, &token));
    assert_eq!(code(&relay.send(&thief, &request)), Some(508));
    let mut rtcp = Client::new(3, "alice", "pw");
    rtcp.fetch_nonce(&mut relay);
    let request = rtcp.allocate_request(|m| m.attribute(RESERVATION_TOKEN, &token));
    let answer = relay.send(&rtcp, &request);
    assert_eq!(relayed(&answer), vec!["203.0.113.1:50003".parse().unwrap()]);
    assert!(relay.parked.is_empty());
    assert_eq!(relay.send(&rtcp, &request), answer, "a lost answer is repeated");

    relay.advance(30);
    relay.time_out();
    assert_eq!(relay.open.len(), 2, "the reservation's end is not the allocation's");
    rtp.refresh(&mut relay, 0).unwrap();
    rtcp.refresh(&mut relay, 0).unwrap();
    assert!(relay.ledger.is_empty());
}

#[test]
fn unused_reservation_is_given_back_after_30_s() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    let token = reserve(&mut relay, &mut client);
    assert_eq!(Client::new(2, "alice", "pw").allocate(&mut relay), Err(486), "it counts");
    relay.advance(30);
    relay.cores[0].handle_timeout(relay.now.mono);
    assert_eq!(relay.drain(0), vec![Output::DropReserved { token }]);
    let answer = client.allocate_with(&mut relay, |m| m.attribute(RESERVATION_TOKEN, &token));
    assert_eq!(answer, Err(437));
    let late = Client::new(2, "alice", "pw").allocate_with(&mut relay, |m| m.attribute(RESERVATION_TOKEN, &token));
    assert_eq!(late, Err(508));
    assert!(Client::new(3, "alice", "pw").allocate(&mut relay).is_ok());
}

#[test]
fn taken_next_port_is_508_and_both_sockets_are_given_back() {
    let mut relay = World::new();
    relay.next_port = 50_003;
    let mut bob = Client::new(1, "bob", "pw");
    bob.allocate(&mut relay).unwrap();
    relay.next_port = 50_002;
    let mut alice = Client::new(2, "alice", "pw");
    assert_eq!(alice.allocate_with(&mut relay, |m| m.attribute(EVEN_PORT, &[0x80])), Err(508));
    assert_eq!((relay.open.len(), relay.parked.len()), (1, 0));
    bob.refresh(&mut relay, 0).unwrap();
    assert!(relay.ledger.is_empty());
}

#[test]
fn even_port_without_reservation_has_no_token() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    let answer = client.allocate_with(&mut relay, |m| m.attribute(EVEN_PORT, &[0])).unwrap();
    assert_eq!(relayed(&answer), vec!["203.0.113.1:50002".parse().unwrap()]);
    assert_eq!(Message::parse(&answer).unwrap().find(RESERVATION_TOKEN), None);
}

fn reserve(relay: &mut World, client: &mut Client) -> [u8; 8] {
    let answer = client.allocate_with(relay, |m| m.attribute(EVEN_PORT, &[0x80])).unwrap();
    assert_eq!(relayed(&answer), vec!["203.0.113.1:50002".parse().unwrap()]);
    Message::parse(&answer).unwrap().find(RESERVATION_TOKEN).unwrap().try_into().unwrap()
}
