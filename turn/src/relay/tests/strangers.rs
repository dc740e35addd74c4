use super::client::{Client, PEER, code};
use super::world::World;
use crate::relay::Transport;
use crate::stun::{Class, MessageBuilder, Method, TransactionId};

#[test]
fn source_that_asks_too_much_gets_no_answer_until_it_slows_down() {
    let mut relay = World::with("203.0.113.1", |config| config.limits.unauthenticated_per_second = 1);
    let (greedy, other) = (Client::new(1, "", ""), Client::new(2, "", ""));
    let binding = plain(Method::Binding);
    for _ in 0..2 {
        assert_eq!(relay.answers(&greedy, &binding).len(), 1);
    }
    for method in [Method::Binding, Method::Allocate, Method::Refresh] {
        assert_eq!(relay.answers(&greedy, &plain(method)), Vec::<Vec<u8>>::new());
    }
    assert_eq!(relay.answers(&other, &binding).len(), 1);
    assert_eq!(relay.counters[0].totals().unanswered_requests, 3);
    assert_eq!(relay.counters[0].totals().requests, 6);
    relay.advance(1);
    assert_eq!(code(&relay.send(&greedy, &plain(Method::Allocate))), Some(401));
}

#[test]
fn another_port_is_the_same_source_and_connections_are_counted_apart_from_datagrams() {
    let mut relay = two_at_once();
    let mut client = Client::new(1, "", "");
    for (port, transport, answered) in [
        (1, Transport::Udp, 1),
        (2, Transport::Udp, 1),
        (3, Transport::Udp, 0),
        // Whoever sends datagrams under this address cannot stop its connections.
        (4, Transport::Tcp, 1),
        (5, Transport::Tls, 1),
        (6, Transport::Tcp, 0),
        (7, Transport::Udp, 0),
    ] {
        client.address.remote.set_port(port);
        client.address.transport = transport;
        assert_eq!(relay.answers(&client, &plain(Method::Binding)).len(), answered, "{port}");
    }
}

#[test]
fn who_has_proved_himself_is_not_limited() {
    let mut relay = World::with("203.0.113.1", |config| config.limits.unauthenticated_per_second = 1);
    let mut client = Client::new(1, "alice", "pw");
    client.allocate(&mut relay).unwrap();
    for _ in 0..20 {
        assert_eq!(client.refresh(&mut relay, 600), Ok(600));
        assert_eq!(client.permit(&mut relay, &["10.0.0.1:1"]), Err(403));
    }
    assert_eq!(relay.counters[0].totals().unanswered_requests, 0);
}

#[test]
fn passwords_are_guessed_no_faster_than_the_limit_even_right_ones() {
    let mut relay = two_at_once();
    let (mut guesser, mut right) = (Client::new(1, "alice", "wrong"), Client::new(1, "alice", "pw"));
    guesser.fetch_nonce(&mut relay);
    right.nonce.clone_from(&guesser.nonce);
    for _ in 0..2 {
        assert_eq!(guesser.refresh(&mut relay, 0), Err(401));
    }
    assert!(is_ignored(&mut relay, &mut guesser));
    assert!(is_ignored(&mut relay, &mut right));
    assert_eq!(relay.counters[0].totals().unanswered_requests, 2);
    let mut other = Client::new(2, "alice", "pw");
    other.fetch_nonce(&mut relay);
    assert_eq!(other.refresh(&mut relay, 0), Err(437), "another source");
    relay.advance(1);
    assert_eq!(right.refresh(&mut relay, 0), Err(437));
    assert_eq!(guesser.refresh(&mut relay, 0), Err(401));
    assert!(is_ignored(&mut relay, &mut right));
}

#[test]
fn who_has_an_allocation_goes_on_while_others_of_his_source_guess() {
    let mut relay = two_at_once();
    let mut alice = Client::new(1, "alice", "pw");
    alice.allocate(&mut relay).unwrap();
    let mut guesser = Client::new(1, "bob", "wrong");
    guesser.address.remote.set_port(4001);
    guesser.fetch_nonce(&mut relay);
    for _ in 0..2 {
        assert_eq!(guesser.refresh(&mut relay, 0), Err(401));
    }
    assert_eq!(alice.refresh(&mut relay, 600), Ok(600));
    assert_eq!(alice.permit(&mut relay, &[PEER]), Ok(()));

    // Bob's password is right, but it is Alice who has the allocation.
    let mut bob = Client::new(1, "bob", "pw");
    bob.nonce.clone_from(&alice.nonce);
    assert!(is_ignored(&mut relay, &mut bob));
    relay.advance(1);
    assert_eq!(bob.refresh(&mut relay, 0), Err(441));
}

#[test]
fn who_has_no_nonce_of_ours_spends_nobodys_logins() {
    let mut relay = two_at_once();
    let mut user = Client::new(1, "alice", "pw");
    user.fetch_nonce(&mut relay);
    // Somebody under the same address, who does not get what is sent there.
    let mut forger = Client::new(1, "alice", "wrong");
    forger.nonce = b"obMatJos2AAAA00000000".to_vec();
    assert_eq!(forger.refresh(&mut relay, 0), Err(438));
    for _ in 0..5 {
        assert!(is_ignored(&mut relay, &mut forger));
    }
    assert_eq!(user.refresh(&mut relay, 0), Err(437));
}

#[test]
fn old_nonce_makes_nobody_a_stranger_who_knows_his_password() {
    let mut relay = two_at_once();
    let mut user = Client::new(1, "alice", "pw");
    user.fetch_nonce(&mut relay);
    relay.advance(3601);
    let mut guesser = Client::new(1, "alice", "wrong");
    guesser.nonce.clone_from(&user.nonce);
    for _ in 0..2 {
        assert_eq!(guesser.refresh(&mut relay, 0), Err(438), "a stranger's answer, and a login failed");
    }
    assert!(is_ignored(&mut relay, &mut guesser));
    assert!(is_ignored(&mut relay, &mut user), "no more guesses with old nonces");

    relay.advance(2);
    for _ in 0..2 {
        assert_eq!(relay.answers(&user, &plain(Method::Binding)).len(), 1);
    }
    assert!(relay.answers(&user, &plain(Method::Binding)).is_empty(), "strangers have had their answers");
    for _ in 0..5 {
        assert_eq!(user.refresh(&mut relay, 0), Err(438));
    }
    assert!(is_ignored(&mut relay, &mut guesser));
}

#[test]
fn guesses_with_old_nonces_do_not_stop_logins_with_fresh_ones() {
    let mut relay = two_at_once();
    let mut guesser = Client::new(1, "alice", "wrong");
    guesser.fetch_nonce(&mut relay);
    relay.advance(3601);
    let mut user = Client::new(1, "alice", "pw");
    user.address.transport = Transport::Tcp;
    user.fetch_nonce(&mut relay);
    for _ in 0..2 {
        assert_eq!(guesser.refresh(&mut relay, 0), Err(438));
    }
    assert!(is_ignored(&mut relay, &mut guesser));
    assert_eq!(user.refresh(&mut relay, 0), Err(437));
}

/// One request of a kind in a second, and two at once.
fn two_at_once() -> World {
    World::with("203.0.113.1", |config| config.limits.unauthenticated_per_second = 1)
}

fn is_ignored(relay: &mut World, client: &mut Client) -> bool {
    let request = client.request(Method::Refresh, |message| message);
    relay.answers(client, &request).is_empty()
}

fn plain(method: Method) -> Vec<u8> {
    MessageBuilder::new(Class::Request, method, TransactionId([1; 12])).finish()
}
