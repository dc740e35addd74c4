use super::client::{Client, code};
use super::world::World;
use crate::relay::{Decision, Transport};
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
fn another_port_or_a_connection_is_the_same_source() {
    let mut relay = World::with("203.0.113.1", |config| config.limits.unauthenticated_per_second = 1);
    let mut client = Client::new(1, "", "");
    for (port, transport, answered) in
        [(1, Transport::Udp, 1), (2, Transport::Tcp, 1), (3, Transport::Tls, 0), (4, Transport::Udp, 0)]
    {
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
fn wrong_password_counts_as_a_stranger() {
    let mut relay = World::with("203.0.113.1", |config| config.limits.unauthenticated_per_second = 1);
    let mut client = Client::new(1, "alice", "wrong");
    client.fetch_nonce(&mut relay);
    assert_eq!(client.refresh(&mut relay, 0), Err(401));
    let request = client.request(Method::Refresh, |m| m);
    assert_eq!(relay.route(&client, &request), Decision::Done);
    assert_eq!(relay.drain(0), vec![]);
}

fn plain(method: Method) -> Vec<u8> {
    MessageBuilder::new(Class::Request, method, TransactionId([1; 12])).finish()
}
