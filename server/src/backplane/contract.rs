//! What every backplane must do, checked the same way for each of them.

use std::time::Instant;

use super::{Action, Answer, Backplane, Command, Rejection, RoomEvent, Ticket};
use crate::testing::{member, now, room, sid};

/// Runs every check, each against a fresh backplane from `make`; `wait` lets a slow one make progress.
pub(crate) fn check(make: impl Fn() -> Box<dyn Backplane>, wait: impl Fn(&mut dyn Backplane)) {
    let bench = || Bench { plane: make(), wait: &wait, now: now(), ticket: 0, offset: 0 };
    ready_is_said_once_when_the_second_member_comes(bench());
    a_member_that_joins_again_is_told_alone_and_keeps_one_seat(bench());
    a_full_room_refuses_and_a_free_seat_is_given_again(bench());
    strangers_can_neither_speak_nor_leave(bench());
    rooms_do_not_know_of_each_other(bench());
}

struct Bench<'a> {
    plane: Box<dyn Backplane>,
    wait: &'a dyn Fn(&mut dyn Backplane),
    now: Instant,
    ticket: u64,
    offset: u64,
}

impl Bench<'_> {
    /// Submits one command and gives its event and its result, having checked order, ticket and offset.
    fn run(&mut self, in_room: &str, who: &str, action: Action) -> (Option<RoomEvent>, Result<(), Rejection>) {
        self.ticket += 1;
        let ticket = Ticket(self.ticket);
        self.plane.submit(self.now, Command { ticket, room: room(in_room), sid: sid(who), action });
        let mut event = None;
        for _ in 0..1000 {
            match self.plane.poll() {
                None => (self.wait)(&mut *self.plane),
                Some(Answer::Completed { ticket: done, result }) => {
                    assert_eq!(done, ticket, "answered under another ticket");
                    assert_eq!(self.plane.poll(), None, "something follows the completion");
                    return (event, result);
                }
                Some(Answer::Event { room: at, offset, event: what }) => {
                    assert_eq!(at, room(in_room));
                    assert!(offset > self.offset, "offset {offset} after {}", self.offset);
                    self.offset = offset;
                    assert_eq!(event.replace(what), None, "two events for one command");
                }
            }
        }
        panic!("the command was never completed");
    }

    fn join(&mut self, in_room: &str, who: &str) -> (Option<RoomEvent>, Result<(), Rejection>) {
        self.run(in_room, who, Action::Join { name: None, capacity: 2 })
    }
}

fn joined(who: &str, members: &[&str], ready: bool) -> (Option<RoomEvent>, Result<(), Rejection>) {
    let members = members.iter().map(|m| member(m)).collect();
    (Some(RoomEvent::Joined { sid: sid(who), members, ready }), Ok(()))
}

fn left(who: &str, members: &[&str]) -> (Option<RoomEvent>, Result<(), Rejection>) {
    (Some(RoomEvent::Left { sid: sid(who), members: members.iter().map(|m| member(m)).collect() }), Ok(()))
}

fn ready_is_said_once_when_the_second_member_comes(mut bench: Bench<'_>) {
    assert_eq!(bench.join("r", "a"), joined("a", &["a"], false));
    assert_eq!(bench.join("r", "b"), joined("b", &["a", "b"], true));
    assert_eq!(bench.run("r", "a", Action::Leave), left("a", &["b"]));
    assert_eq!(bench.join("r", "c"), joined("c", &["b", "c"], true));
    let three = Action::Join { name: None, capacity: 3 };
    assert_eq!(bench.run("r", "d", three), joined("d", &["b", "c", "d"], false));
}

fn a_member_that_joins_again_is_told_alone_and_keeps_one_seat(mut bench: Bench<'_>) {
    bench.join("r", "a").1.unwrap();
    bench.join("r", "b").1.unwrap();
    let again = RoomEvent::Rejoined { sid: sid("a"), members: vec![member("a"), member("b")] };
    assert_eq!(bench.join("r", "a"), (Some(again), Ok(())));
}

fn a_full_room_refuses_and_a_free_seat_is_given_again(mut bench: Bench<'_>) {
    bench.join("r", "a").1.unwrap();
    bench.join("r", "b").1.unwrap();
    assert_eq!(bench.join("r", "c"), (None, Err(Rejection::RoomFull)));
    assert_eq!(bench.run("r", "b", Action::Leave), left("b", &["a"]));
    assert_eq!(bench.join("r", "c"), joined("c", &["a", "c"], true));
    assert_eq!(bench.run("r", "a", Action::Leave), left("a", &["c"]));
    assert_eq!(bench.run("r", "c", Action::Leave), left("c", &[]));
    assert_eq!(bench.join("r", "a"), joined("a", &["a"], false));
}

fn strangers_can_neither_speak_nor_leave(mut bench: Bench<'_>) {
    let hello = Action::Publish { body: "hello".into() };
    assert_eq!(bench.run("r", "x", hello.clone()), (None, Err(Rejection::NotAMember)));
    bench.join("r", "a").1.unwrap();
    assert_eq!(bench.run("r", "x", hello.clone()), (None, Err(Rejection::NotAMember)));
    assert_eq!(bench.run("r", "x", Action::Leave), (None, Err(Rejection::NotAMember)));
    let said = RoomEvent::Signal { sid: sid("a"), body: "hello".into() };
    assert_eq!(bench.run("r", "a", hello), (Some(said), Ok(())));
}

fn rooms_do_not_know_of_each_other(mut bench: Bench<'_>) {
    bench.join("r", "a").1.unwrap();
    assert_eq!(bench.join("s", "a"), joined("a", &["a"], false));
    assert_eq!(bench.join("s", "b"), joined("b", &["a", "b"], true));
    assert_eq!(bench.run("s", "a", Action::Leave), left("a", &["b"]));
    assert_eq!(bench.join("r", "b"), joined("b", &["a", "b"], true));
}
