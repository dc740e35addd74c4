use super::*;
use crate::backplane::{Memory, Rejection};
use crate::testing::{member, now, room, sid};

const IDS: Rules = Rules { format: MembersFormat::Ids, open_topics: false };

struct Bench {
    shard: Shard<&'static str>,
    now: Instant,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        Self { shard: Shard::new(Box::new(Memory::new()), rules), now: now() }
    }

    /// `who` listens to both topics of room r; its session id is its name.
    fn listen(&mut self, who: &'static str) {
        let conn = ConnId(u64::from(who.as_bytes()[0]));
        let listener = Listener { conn, sid: sid(who), handle: who };
        self.shard.subscribe(&room("r"), &listener, Kind::Members);
        self.shard.subscribe(&room("r"), &listener, Kind::Signal);
    }

    fn act(&mut self, who: &'static str, action: Action) -> Vec<Effect<&'static str>> {
        self.shard.act(self.now, Some(who), room("r"), sid(who), action);
        self.effects()
    }

    fn join(&mut self, who: &'static str) -> Vec<Effect<&'static str>> {
        self.act(who, Action::Join { name: None, capacity: 2 })
    }

    fn effects(&mut self) -> Vec<Effect<&'static str>> {
        std::iter::from_fn(|| self.shard.poll_effect()).collect()
    }
}

fn me(who: &str) -> Effect<&'static str> {
    Effect::TellSession { sid: sid(who), event: Event::Me { room: room("r") } }
}

fn members(to: &'static str, body: &'static str) -> Effect<&'static str> {
    Effect::Tell { to, event: Event::Members { room: room("r"), body: body.into() } }
}

fn signal(to: &'static str, from: Option<&str>, body: &'static str) -> Effect<&'static str> {
    Effect::Tell { to, event: Event::Signal { room: room("r"), from: from.map(sid), body: body.into() } }
}

fn seated(who: &str) -> Effect<&'static str> {
    Effect::Seated { sid: sid(who), room: room("r") }
}

fn done(to: &'static str, result: Result<(), Rejection>) -> Effect<&'static str> {
    Effect::Tell { to, event: Event::Done(result.map_err(Denied::Rejected)) }
}

#[test]
fn a_join_is_told_as_me_then_members_then_ready() {
    let mut bench = Bench::new(IDS);
    bench.listen("a");
    bench.listen("b");
    assert_eq!(bench.join("a"), [me("a"), members("a", r#"["a"]"#), seated("a"), done("a", Ok(()))]);
    let both = r#"["a","b"]"#;
    assert_eq!(
        bench.join("b"),
        [
            me("b"),
            members("a", both),
            members("b", both),
            signal("a", None, READY_BODY),
            signal("b", None, READY_BODY),
            seated("b"),
            done("b", Ok(())),
        ]
    );
}

#[test]
fn a_second_join_answers_only_the_one_who_asked() {
    let mut bench = Bench::new(IDS);
    bench.listen("a");
    bench.listen("b");
    bench.join("a");
    bench.join("b");
    let list = Event::Members { room: room("r"), body: r#"["a","b"]"#.into() };
    assert_eq!(
        bench.join("a"),
        [me("a"), Effect::TellSession { sid: sid("a"), event: list }, seated("a"), done("a", Ok(()))]
    );
}

#[test]
fn who_is_refused_is_told_alone_and_hears_nothing() {
    let mut bench = Bench::new(IDS);
    for who in ["a", "b", "c"] {
        bench.listen(who);
    }
    bench.join("a");
    bench.join("b");
    assert_eq!(bench.join("c"), [done("c", Err(Rejection::RoomFull))]);
    let hello = Action::Publish { body: "hello".into() };
    assert_eq!(bench.act("c", hello.clone()), [done("c", Err(Rejection::NotAMember))]);
    assert_eq!(
        bench.act("a", hello),
        [signal("a", Some("a"), "hello"), signal("b", Some("a"), "hello"), done("a", Ok(()))]
    );
}

#[test]
fn who_leaves_sees_its_own_leave_and_then_nothing() {
    let mut bench = Bench::new(IDS);
    bench.listen("a");
    bench.listen("b");
    bench.join("a");
    bench.join("b");
    let leave = r#"{"type":"LEAVE","sid":"a"}"#;
    assert_eq!(
        bench.act("a", Action::Leave),
        [
            signal("a", None, leave),
            signal("b", None, leave),
            members("a", r#"["b"]"#),
            members("b", r#"["b"]"#),
            Effect::Unseated { sid: sid("a"), room: room("r") },
            done("a", Ok(())),
        ]
    );
    let hello = Action::Publish { body: "hello".into() };
    assert_eq!(bench.act("b", hello), [signal("b", Some("b"), "hello"), done("b", Ok(()))]);
}

#[test]
fn open_topics_let_outsiders_listen_and_lists_may_be_objects() {
    let mut bench = Bench::new(Rules { format: MembersFormat::Objects, open_topics: true });
    bench.listen("x");
    assert_eq!(bench.join("a"), [me("a"), members("x", r#"[{"sid":"a"}]"#), seated("a"), done("a", Ok(()))]);
}

#[test]
fn a_sender_is_another_member_only_when_both_are_members() {
    let mut bench = Bench::new(IDS);
    bench.join("a");
    assert!(!bench.shard.is_another_member(&room("r"), &sid("x"), "a"), "a stranger is refused as a stranger");
    bench.join("b");
    assert!(bench.shard.is_another_member(&room("r"), &sid("a"), "b"));
    assert!(!bench.shard.is_another_member(&room("r"), &sid("a"), "a"));
    assert!(!bench.shard.is_another_member(&room("r"), &sid("a"), "Alice"));
}

#[test]
fn a_room_without_members_and_listeners_is_forgotten() {
    let mut bench = Bench::new(IDS);
    bench.listen("a");
    bench.join("a");
    bench.act("a", Action::Leave);
    assert_eq!(bench.shard.rooms.len(), 1);
    bench.shard.unsubscribe(&room("r"), ConnId(97), Kind::Members);
    bench.shard.forget(&room("r"), ConnId(97));
    assert_eq!(bench.shard.rooms.len(), 0);
    assert_eq!(bench.shard.pending.len(), 0);
}

/// A backplane that answers when it is told to.
#[derive(Debug, Default)]
struct Script(std::sync::Arc<std::sync::Mutex<VecDeque<Answer>>>);

impl Backplane for Script {
    fn submit(&mut self, _: Instant, _: Command) {}

    fn poll(&mut self) -> Option<Answer> {
        self.0.lock().unwrap().pop_front()
    }
}

#[test]
fn late_answers_find_who_asked_and_repeated_events_are_dropped() {
    let script = Script::default();
    let answers = std::sync::Arc::clone(&script.0);
    let mut shard = Shard::new(Box::new(script), IDS);
    shard.act(now(), Some("a"), room("r"), sid("a"), Action::Join { name: None, capacity: 2 });
    assert_eq!(shard.poll_effect(), None);

    let joined = RoomEvent::Joined { sid: sid("a"), members: vec![member("a")], ready: false };
    let event = Answer::Event { room: room("r"), offset: 7, event: joined };
    let completed = Answer::Completed { ticket: Ticket(1), result: Err(Rejection::Unavailable) };
    answers.lock().unwrap().extend([event.clone(), event, completed.clone(), completed]);
    shard.pump();
    assert_eq!(shard.poll_effect(), Some(me("a")));
    assert_eq!(shard.poll_effect(), Some(done("a", Err(Rejection::Unavailable))));
    assert_eq!(shard.poll_effect(), None);
}
