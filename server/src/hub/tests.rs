use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use dialtone_wire::bodies::JoinRequest;
use dialtone_wire::signal::READY_BODY;

use super::*;
use crate::backplane::Memory;
use crate::testing::{now, room};
use crate::topics::Kind;

fn hub(config: &Config) -> Hub {
    Hub::new(config, || Box::new(Memory::new()))
}

/// Opens a connection with `ask` that listens to both topics of room r.
fn open(hub: &Hub, ask: Ask) -> (Connection, Option<String>) {
    let mut conn = hub.connect().unwrap();
    hub.handle(now(), &mut conn, Request::Open(ask));
    let events = events(&conn);
    let [Event::Opened { resume_token, .. }] = &events[..] else { panic!("{events:?}") };
    for kind in [Kind::Members, Kind::Signal] {
        hub.handle(now(), &mut conn, Request::Subscribe(room("r"), kind));
    }
    (conn, resume_token.clone())
}

fn join(hub: &Hub, conn: &mut Connection) -> Vec<Event> {
    hub.handle(now(), conn, Request::Join(room("r"), JoinRequest::default()));
    events(conn)
}

fn events(conn: &Connection) -> Vec<Event> {
    let mut events = VecDeque::new();
    conn.outbox.take(&mut events, true).unwrap();
    events.into()
}

fn sid(conn: &Connection) -> SessionId {
    conn.sid.clone().unwrap()
}

fn lose(hub: &Hub, conn: &Connection, for_good: bool) {
    let farewell = Farewell { sid: conn.sid.clone(), for_good, listened: BTreeSet::from([room("r")]) };
    hub.disconnect(now(), conn, farewell);
}

fn members(of: &[&Connection]) -> Event {
    let ids: Vec<_> = of.iter().map(|conn| format!("\"{}\"", sid(conn))).collect();
    Event::Members { room: room("r"), body: format!("[{}]", ids.join(",")).into() }
}

fn leave(who: &SessionId) -> Event {
    let body = dialtone_wire::signal::leave_body(who).into();
    Event::Signal { room: room("r"), from: None, body }
}

fn ready() -> Event {
    Event::Signal { room: room("r"), from: None, body: READY_BODY.into() }
}

#[test]
fn two_join_and_one_is_lost_and_another_comes() {
    let hub = hub(&Config::embedded());
    let (mut a, _) = open(&hub, Ask::Nothing);
    let (mut b, _) = open(&hub, Ask::Nothing);
    assert_eq!(join(&hub, &mut a), [Event::Me { room: room("r") }, members(&[&a]), Event::Done(Ok(()))]);
    let me = Event::Me { room: room("r") };
    assert_eq!(join(&hub, &mut b), [me.clone(), members(&[&a, &b]), ready(), Event::Done(Ok(()))]);
    assert_eq!(events(&a), [members(&[&a, &b]), ready()]);

    lose(&hub, &b, false);
    assert_eq!(events(&a), [leave(&sid(&b)), members(&[&a])]);
    let (mut c, _) = open(&hub, Ask::Nothing);
    assert_eq!(join(&hub, &mut c), [me, members(&[&a, &c]), ready(), Event::Done(Ok(()))]);
}

#[test]
fn a_late_subscribe_replays_nothing() {
    let hub = hub(&Config::embedded());
    let (mut a, _) = open(&hub, Ask::Nothing);
    let mut late = hub.connect().unwrap();
    hub.handle(now(), &mut late, Request::Open(Ask::Nothing));
    events(&late);
    join(&hub, &mut a);
    assert_eq!(
        join(&hub, &mut late),
        [Event::Me { room: room("r") }, Event::Done(Ok(()))],
        "it listens to nothing yet"
    );
    let word = |body: &'static str| Request::Signal { room: room("r"), claimed: None, body: body.into() };
    hub.handle(now(), &mut a, word("early"));
    for kind in [Kind::Members, Kind::Signal] {
        hub.handle(now(), &mut late, Request::Subscribe(room("r"), kind));
        assert_eq!(events(&late), []);
    }
    hub.handle(now(), &mut a, word("then"));
    assert_eq!(events(&late), [Event::Signal { room: room("r"), from: Some(sid(&a)), body: "then".into() }]);
    lose(&hub, &a, false);
    assert_eq!(events(&late), [leave(&sid(&a)), members(&[&late])]);
}

#[test]
fn a_session_that_may_resume_leaves_only_when_its_time_is_over() {
    let config = Config::embedded();
    let hub = hub(&config);
    let (mut a, _) = open(&hub, Ask::Nothing);
    let (mut b, token) = open(&hub, Ask::New);
    join(&hub, &mut a);
    join(&hub, &mut b);
    events(&a);
    let old = sid(&b);
    lose(&hub, &b, false);
    assert_eq!(events(&a), []);

    let (mut b, again) = open(&hub, Ask::parse(token.as_deref()));
    assert_eq!((sid(&b), &again), (old.clone(), &token));
    let rejoined = [Event::Me { room: room("r") }, members(&[&a, &b]), Event::Done(Ok(()))];
    assert_eq!(join(&hub, &mut b), rejoined);
    assert_eq!(events(&a), [], "nobody else notices");

    lose(&hub, &b, false);
    let due = hub.next_expiry().unwrap();
    hub.expire(due - Duration::from_millis(1));
    assert_eq!(events(&a), []);
    hub.expire(due);
    assert_eq!(events(&a), [leave(&old), members(&[&a])]);
}

#[test]
fn a_session_that_is_resumed_while_its_old_socket_hangs_takes_over_without_leave() {
    let hub = hub(&Config::embedded());
    let (mut a, _) = open(&hub, Ask::Nothing);
    let (mut b, token) = open(&hub, Ask::New);
    join(&hub, &mut a);
    join(&hub, &mut b);
    events(&a);
    events(&b);
    let (resumed, _) = open(&hub, Ask::parse(token.as_deref()));
    assert_eq!(events(&b), [Event::TakenOver]);
    hub.handle(now(), &mut b, Request::Leave(room("r")));
    assert_eq!(events(&a), [], "what the old socket still says is void");
    lose(&hub, &b, true);
    assert_eq!(events(&a), []);
    lose(&hub, &resumed, true);
    assert_eq!(events(&a), [leave(&sid(&b)), members(&[&a])]);
}

#[test]
fn twenty_calls_leave_no_session_no_room_and_no_subscription() {
    let hub = hub(&Config::embedded());
    let mut names = vec![format!("{:?}", room("r"))];
    for number in 0..20 {
        let (mut a, _) = open(&hub, Ask::New);
        let (mut b, _) = open(&hub, Ask::New);
        join(&hub, &mut a);
        join(&hub, &mut b);
        names.extend([format!("{:?}", sid(&a)), format!("{:?}", sid(&b))]);
        let told = format!("{hub:?}");
        assert!(names.iter().rev().take(2).all(|name| told.contains(name)), "they are there to be seen: {told}");
        // One leaves and says goodbye, or says goodbye alone; the other one does, or is lost and does not come back.
        if number % 2 == 0 {
            hub.handle(now(), &mut a, Request::Leave(room("r")));
        }
        lose(&hub, &a, true);
        lose(&hub, &b, number % 3 == 0);
        if let Some(due) = hub.next_expiry() {
            hub.expire(due);
        }
    }
    let told = format!("{hub:?}");
    let left: Vec<_> = names.iter().filter(|name| told.contains(*name)).collect();
    assert!(left.is_empty(), "{left:?} in {told}");
}

#[test]
fn a_sender_who_names_another_member_is_told() {
    let hub = hub(&Config::embedded());
    let (mut a, _) = open(&hub, Ask::Nothing);
    let (mut b, _) = open(&hub, Ask::Nothing);
    join(&hub, &mut a);
    join(&hub, &mut b);
    events(&a);
    let signal = |claimed: &str| Request::Signal { room: room("r"), claimed: Some(claimed.into()), body: "x".into() };
    hub.handle(now(), &mut a, signal(sid(&b).as_str()));
    assert_eq!(events(&a), [Event::Done(Err(Denied::SenderMismatch))]);
    hub.handle(now(), &mut a, signal("Alice"));
    let said = Event::Signal { room: room("r"), from: Some(sid(&a)), body: "x".into() };
    assert_eq!(events(&a), [said.clone(), Event::Done(Ok(()))]);
    assert_eq!(events(&b), [said]);
}

#[test]
fn a_session_is_in_no_more_rooms_than_allowed() {
    let mut config = Config::embedded();
    config.limits.rooms = 1;
    let hub = hub(&config);
    let (mut a, _) = open(&hub, Ask::Nothing);
    join(&hub, &mut a);
    hub.handle(now(), &mut a, Request::Join(room("other"), JoinRequest::default()));
    assert_eq!(events(&a), [Event::Done(Err(Denied::TooManyRooms))]);
}

#[test]
fn there_are_no_more_connections_than_allowed_and_none_after_the_end() {
    let mut config = Config::embedded();
    config.limits.connections = 1;
    let hub = hub(&config);
    let (conn, _) = open(&hub, Ask::Nothing);
    assert_eq!(hub.connect().map(|_| ()), Err(Busy));
    hub.close();
    assert_eq!(events(&conn), [Event::GoingAway]);
    lose(&hub, &conn, false);
    assert_eq!(hub.connect().map(|_| ()), Err(Busy));
}
