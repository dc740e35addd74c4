use std::time::Duration;

use super::client::{Client, PEER, REALM, code};
use super::world::World;
use crate::auth::{Credentials, rest_credentials};
use crate::relay::{Decision, Output};
use crate::stun::attributes::{
    LIFETIME, NONCE, REALM as REALM_ATTRIBUTE, REQUESTED_TRANSPORT, SOFTWARE, XOR_MAPPED_ADDRESS,
};
use crate::stun::{Class, IntegrityKind, Message, MessageBuilder, Method, TransactionId};

#[test]
fn stranger_is_challenged_and_nothing_is_kept() {
    let mut relay = World::new();
    let client = Client::new(1, "alice", "pw");
    let bytes = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([9; 12]))
        .number(REQUESTED_TRANSPORT, 17 << 24)
        .finish();
    let nonce = relay.cores[0].nonces.mint(relay.now.mono, client.address.remote);
    let expected = MessageBuilder::new(Class::Error, Method::Allocate, TransactionId([9; 12]))
        .error(401, "Unauthorized")
        .attribute(REALM_ATTRIBUTE, REALM.as_bytes())
        .attribute(NONCE, nonce.as_bytes())
        .finish();
    assert_eq!(relay.outputs(&client, &bytes), vec![Output::Send { to: client.address, bytes: expected }]);
    assert_eq!(relay.cores[0].poll_timeout(), None);
    assert!(relay.ledger.is_empty());
}

#[test]
fn binding_tells_the_address_without_credentials() {
    let mut relay = World::new();
    let client = Client::new(1, "", "");
    let id = TransactionId([3; 12]);
    let request = MessageBuilder::new(Class::Request, Method::Binding, id).fingerprint().finish();
    let expected = MessageBuilder::new(Class::Success, Method::Binding, id)
        .xor_address(XOR_MAPPED_ADDRESS, client.address.remote)
        .fingerprint()
        .finish();
    assert_eq!(relay.send(&client, &request), expected);
}

#[test]
fn wrong_password_unknown_user_and_expired_name_are_401() {
    let mut relay = World::new();
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
    let mut relay = World::new();
    let (name, password) = rest_credentials("shared", "carol", Duration::from_secs(60), relay.now.unix);
    assert!(Client::new(1, &name, &password).allocate(&mut relay).is_ok());
}

#[test]
fn name_that_expires_keeps_what_it_has_and_starts_nothing() {
    let mut relay = World::new();
    let (name, password) = rest_credentials("shared", "carol", Duration::from_secs(60), relay.now.unix);
    let mut client = Client::new(1, &name, &password);
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(|m| m);
    let first = relay.send(&client, &request);
    assert_eq!(code(&first), None);
    relay.advance(61);
    assert_eq!(relay.send(&client, &request), first, "a lost answer is repeated");
    assert_eq!(client.refresh(&mut relay, 600), Ok(600));
    assert_eq!(client.permit(&mut relay, &[PEER]), Ok(()));
    assert_eq!(client.bind(&mut relay, 0x4000, PEER), Ok(()));
    assert_eq!(client.allocate(&mut relay), Err(437), "it has one");
    assert_eq!(Client::new(2, &name, &password).allocate(&mut relay), Err(401), "somewhere else");
    assert_eq!(client.refresh(&mut relay, 0), Ok(0));
    assert_eq!(client.refresh(&mut relay, 600), Err(401), "nothing is left");
    assert_eq!(client.allocate(&mut relay), Err(401));
    assert!(relay.ledger.is_empty());
}

#[test]
fn exchanged_credentials_decide_who_starts_and_leave_alone_what_goes_on() {
    let mut relay = World::new();
    let mut before = Client::new(1, "alice", "pw");
    before.allocate(&mut relay).unwrap();
    let users = [("alice".to_owned(), "other".to_owned())].into();
    relay.ledger.set_credentials(Credentials { users, secrets: Vec::new() });
    assert_eq!(before.refresh(&mut relay, 600), Ok(600));
    assert_eq!(before.permit(&mut relay, &[PEER]), Ok(()));
    assert_eq!(Client::new(2, "alice", "pw").allocate(&mut relay), Err(401));
    assert!(Client::new(3, "alice", "other").allocate(&mut relay).is_ok());
    assert_eq!(before.refresh(&mut relay, 0), Ok(0));
    assert_eq!(before.allocate(&mut relay), Err(401), "it has ended");
}

#[test]
fn expired_name_has_no_part_in_what_belongs_to_another_user() {
    let mut relay = World::new();
    let (name, password) = rest_credentials("shared", "carol", Duration::from_secs(60), relay.now.unix);
    Client::new(1, "alice", "pw").allocate(&mut relay).unwrap();
    let mut carol = Client::new(1, &name, &password);
    carol.fetch_nonce(&mut relay);
    assert_eq!(carol.refresh(&mut relay, 600), Err(441));
    relay.advance(61);
    assert_eq!(carol.refresh(&mut relay, 600), Err(401));
    assert_eq!(carol.permit(&mut relay, &[PEER]), Err(401));
}

#[test]
fn request_whose_name_expires_before_its_socket_is_open_is_still_answered_once() {
    let mut relay = World::new();
    let (name, password) = rest_credentials("shared", "carol", Duration::from_secs(60), relay.now.unix);
    let mut client = Client::new(1, &name, &password);
    client.fetch_nonce(&mut relay);
    let request = client.allocate_request(|m| m);
    let wanted = relay.outputs(&client, &request);
    let [Output::OpenRelaySocket { relay: socket, bind, .. }] = wanted.as_slice() else {
        panic!("one socket, not {wanted:?}");
    };
    relay.advance(61);
    assert_eq!(relay.outputs(&client, &request), vec![]);
    let local = std::net::SocketAddr::new(*bind, 50_001);
    relay.cores[0].allocation_opened(relay.now.mono, *socket, local);
    assert_eq!(relay.drain(0).len(), 1);
}

#[test]
fn our_name_is_told_to_who_has_proved_himself_and_to_nobody_else() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    let request = client.request(Method::Refresh, |m| m.number(LIFETIME, 0));
    let answer = relay.send(&client, &request);
    assert_eq!(Message::parse(&answer).unwrap().text(SOFTWARE), Some("dialtone"));

    let mut stranger = Client::new(1, "alice", "wrong");
    stranger.nonce.clone_from(&client.nonce);
    let wrong = stranger.request(Method::Refresh, |m| m);
    let nameless = MessageBuilder::new(Class::Request, Method::Refresh, TransactionId([1; 12]));
    let unknown = MessageBuilder::new(Class::Request, Method::Binding, TransactionId([1; 12])).attribute(0x7abc, b"");
    let bare = nameless.clone().integrity(&client.key(), IntegrityKind::Sha1);
    for request in [wrong, nameless.finish(), unknown.finish(), bare.finish()] {
        let answer = relay.send(&stranger, &request);
        let answer = Message::parse(&answer).unwrap();
        assert!(answer.error_code().is_some());
        assert_eq!(answer.find(SOFTWARE), None, "{:?}", answer.error_code());
    }
}

#[test]
fn signature_without_name_is_400_and_old_nonce_438() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    let bare = MessageBuilder::new(Class::Request, Method::Refresh, TransactionId([1; 12]))
        .integrity(&client.key(), IntegrityKind::Sha1)
        .finish();
    assert_eq!(code(&relay.send(&client, &bare)), Some(400));

    client.fetch_nonce(&mut relay);
    relay.advance(3601);
    let request = client.allocate_request(|m| m);
    let answer = relay.send(&client, &request);
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.error_code(), Some(438));
    assert!(answer.find(NONCE).is_some() && answer.find(REALM_ATTRIBUTE).is_some());
}

#[test]
fn answers_are_signed_like_the_request() {
    let mut relay = World::new();
    for kind in [IntegrityKind::Sha1, IntegrityKind::Sha256] {
        let mut client = Client::new(1, "alice", "pw");
        client.kind = kind;
        client.fetch_nonce(&mut relay);
        let request = client.request(Method::Refresh, |m| m);
        let answer = relay.send(&client, &request);
        let answer = Message::parse(&answer).unwrap();
        assert_eq!(answer.integrity(), Some(kind));
        assert!(answer.verify(&client.key()));
    }
}

#[test]
fn another_user_is_441() {
    let mut relay = World::new();
    Client::new(1, "alice", "pw").allocate(&mut relay).unwrap();
    let mut bob = Client::new(1, "bob", "pw");
    bob.transactions = 100;
    bob.fetch_nonce(&mut relay);
    assert_eq!(bob.refresh(&mut relay, 0), Err(441));
    assert_eq!(bob.permit(&mut relay, &[PEER]), Err(441));
}

#[test]
fn another_user_with_the_same_transaction_is_not_told_the_answer() {
    let mut relay = World::new();
    Client::new(1, "alice", "pw").allocate(&mut relay).unwrap();
    assert_eq!(Client::new(1, "bob", "pw").allocate(&mut relay), Err(437));
}

#[test]
fn nonce_of_another_address_or_port_is_stale() {
    let mut relay = World::new();
    let mut alice = Client::new(1, "alice", "pw");
    alice.fetch_nonce(&mut relay);
    for (number, port) in [(2, 4000), (1, 4001)] {
        let mut elsewhere = Client::new(number, "alice", "pw");
        elsewhere.address.local.set_ip(relay.ip);
        elsewhere.address.remote.set_port(port);
        elsewhere.nonce = alice.nonce.clone();
        let request = elsewhere.request(Method::Refresh, |m| m);
        let answer = relay.send(&elsewhere, &request);
        let answer = Message::parse(&answer).unwrap();
        assert_eq!(answer.error_code(), Some(438));
        elsewhere.nonce = answer.find(NONCE).unwrap().to_vec();
        assert_eq!(elsewhere.refresh(&mut relay, 600), Err(437), "the new one is good");
    }
}

#[test]
fn every_refusal_is_counted_by_its_code() {
    let mut relay = World::new();
    let mut client = Client::new(1, "alice", "pw");
    client.fetch_nonce(&mut relay);
    assert_eq!(client.refresh(&mut relay, 0), Err(437));
    assert_eq!(client.refresh(&mut relay, 0), Err(437));
    let broken = MessageBuilder::new(Class::Request, Method::Binding, TransactionId([1; 12]))
        .number(crate::stun::attributes::FINGERPRINT, 0)
        .finish();
    assert_eq!(relay.route(&client, &broken), Decision::Done);
    let totals = relay.counters[0].totals();
    assert_eq!(totals.requests, 4);
    let of = |code: u16| {
        let place = crate::metrics::REFUSAL_CODES.iter().position(|known| *known == code).unwrap();
        totals.refusals[place]
    };
    assert_eq!((of(401), of(437)), (1, 2));
    assert_eq!(totals.refusals.iter().sum::<u64>(), 3);
}
