use std::net::SocketAddr;

use super::client::{Client, PEER, REALM, code, relayed};
use super::world::World;
use crate::relay::{Output, Transport};
use crate::stun::attributes::{
    ALTERNATE_SERVER, EVEN_PORT, NONCE, REALM as REALM_ATTRIBUTE, RESERVATION_TOKEN, SOFTWARE, decode_address,
    encode_address,
};
use crate::stun::{Class, Message, MessageBuilder, Method, TransactionId};

#[test]
fn new_client_is_sent_to_the_alternate_of_its_family() {
    let mut relay = with_alternates(&["[2001:db8::99]:3478", "203.0.113.99:3479", "203.0.113.98:3479"]);
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(|m| m);
    let alternate: SocketAddr = "203.0.113.99:3479".parse().unwrap();
    let expected = MessageBuilder::new(Class::Error, Method::Allocate, TransactionId([1; 12]))
        .error(300, "Try Alternate")
        .attribute(ALTERNATE_SERVER, encode_address(alternate).as_bytes())
        .attribute(SOFTWARE, b"dialtone")
        .integrity(&client.key(), client.kind)
        .finish();
    assert_eq!(relay.outputs(&client, &request), vec![Output::Send { to: client.address, bytes: expected }]);
    assert!(relay.ledger.is_empty());
}

#[test]
fn without_an_alternate_of_its_family_it_is_508() {
    for alternates in [&[][..], &["[2001:db8::99]:3478"]] {
        let mut relay = with_alternates(alternates);
        assert_eq!(Client::new(1, "alice", "pw").allocate(&mut relay), Err(508));
    }
}

#[test]
fn client_over_tls_is_sent_where_tls_is_spoken_and_others_are_not() {
    let (plain, tls) = ("203.0.113.99:3478", "203.0.113.99:5349");
    for (transport, expected) in [(Transport::Udp, plain), (Transport::Tcp, plain), (Transport::Tls, tls)] {
        let mut relay = with_both(&[plain], &["[2001:db8::99]:5349", tls]);
        let mut client = Client::new(1, "alice", "pw");
        client.address.transport = transport;
        client.fetch_nonce(&mut relay);
        let request = client.allocate_request(|m| m);
        let answer = relay.send(&client, &request);
        let found = Message::parse(&answer).unwrap().find(ALTERNATE_SERVER).and_then(decode_address);
        assert_eq!(found, Some(expected.parse().unwrap()), "{transport:?}");
    }
    let mut relay = with_both(&[plain], &[]);
    let mut client = Client::new(1, "alice", "pw");
    client.address.transport = Transport::Tls;
    assert_eq!(client.allocate(&mut relay), Err(508));
    let mut relay = with_both(&[], &[tls]);
    assert_eq!(Client::new(1, "alice", "pw").allocate(&mut relay), Err(508));
}

#[test]
fn stranger_is_challenged_all_the_same() {
    let mut relay = with_alternates(&["203.0.113.99:3479"]);
    let client = Client::new(1, "alice", "pw");
    let request = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([9; 12])).finish();
    let answer = relay.send(&client, &request);
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.error_code(), Some(401));
    assert_eq!(answer.text(REALM_ATTRIBUTE), Some(REALM));
    assert!(answer.find(NONCE).is_some() && answer.find(ALTERNATE_SERVER).is_none());
}

#[test]
fn what_there_is_goes_on() {
    let mut relay = with_alternates(&["203.0.113.99:3479"]);
    relay.ledger.set_draining(false);
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(|m| m.attribute(EVEN_PORT, &[0x80]));
    let answer = relay.send(&client, &request);
    let token = Message::parse(&answer).unwrap().find(RESERVATION_TOKEN).unwrap().to_vec();

    relay.ledger.set_draining(true);
    assert_eq!(relay.send(&client, &request), answer, "a lost answer is repeated");
    assert_eq!(client.refresh(&mut relay, 600), Ok(600));
    assert_eq!(client.permit(&mut relay, &[PEER]), Ok(()));
    assert_eq!(client.bind(&mut relay, 0x4000, PEER), Ok(()));
    let mut rtcp = Client::new(2, "alice", "pw");
    rtcp.fetch_nonce(&mut relay);
    let request = rtcp.allocate_request(|m| m.attribute(RESERVATION_TOKEN, &[0; 8]));
    assert_eq!(code(&relay.send(&rtcp, &request)), Some(508), "a wrong token");
    let redeemed = rtcp.allocate_with(&mut relay, |m| m.attribute(RESERVATION_TOKEN, &token)).unwrap();
    assert_eq!(relayed(&redeemed), vec!["203.0.113.1:50003".parse().unwrap()]);
    assert_eq!(client.allocate(&mut relay), Err(437));
    assert_eq!(Client::new(3, "bob", "pw").allocate(&mut relay), Err(300));
    relay.ledger.set_draining(false);
    assert!(Client::new(3, "bob", "pw").allocate(&mut relay).is_ok());
}

fn with_alternates(alternates: &[&str]) -> World {
    with_both(alternates, &[])
}

fn with_both(plain: &[&str], tls: &[&str]) -> World {
    let parse =
        |servers: &[&str]| -> Vec<SocketAddr> { servers.iter().map(|server| server.parse().unwrap()).collect() };
    let relay = World::with("203.0.113.1", |config| {
        config.alternate_server = parse(plain);
        config.alternate_tls_server = parse(tls);
    });
    relay.ledger.set_draining(true);
    relay
}
