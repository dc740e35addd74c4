use std::time::Duration;

use super::client::{Client, PEER, REALM, code};
use super::world::World;
use crate::auth::rest_credentials;
use crate::relay::{Decision, Output};
use crate::stun::attributes::{NONCE, REALM as REALM_ATTRIBUTE, REQUESTED_TRANSPORT, SOFTWARE, XOR_MAPPED_ADDRESS};
use crate::stun::{Class, IntegrityKind, Message, MessageBuilder, Method, TransactionId};

#[test]
fn stranger_is_challenged_and_nothing_is_kept() {
    let mut relay = World::new();
    let client = Client::new(1, "alice", "pw");
    let bytes = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([9; 12]))
        .number(REQUESTED_TRANSPORT, 17 << 24)
        .finish();
    let nonce = relay.cores[0].nonces.mint(relay.now.mono, client.address.remote.ip());
    let expected = MessageBuilder::new(Class::Error, Method::Allocate, TransactionId([9; 12]))
        .error(401, "Unauthorized")
        .attribute(REALM_ATTRIBUTE, REALM.as_bytes())
        .attribute(NONCE, nonce.as_bytes())
        .attribute(SOFTWARE, b"dialtone")
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
        .attribute(SOFTWARE, b"dialtone")
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
fn nonce_of_another_address_is_stale() {
    let mut relay = World::new();
    let mut alice = Client::new(1, "alice", "pw");
    alice.fetch_nonce(&mut relay);
    let mut elsewhere = Client::new(2, "alice", "pw");
    elsewhere.address.local.set_ip(relay.ip);
    elsewhere.nonce = alice.nonce.clone();
    let request = elsewhere.request(Method::Refresh, |m| m);
    let answer = relay.send(&elsewhere, &request);
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.error_code(), Some(438));
    elsewhere.nonce = answer.find(NONCE).unwrap().to_vec();
    assert_eq!(elsewhere.refresh(&mut relay, 600), Err(437), "the new one is good");
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
