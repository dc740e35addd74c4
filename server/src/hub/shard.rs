//! The rooms of one shard as this process sees them: commands in, events to those who may hear them out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use dialtone_wire::bodies::{Member, MembersFormat, members_body};
use dialtone_wire::signal::{READY_BODY, leave_body};
use dialtone_wire::{RoomId, SessionId};

use crate::backplane::{Action, Answer, Backplane, Command, RoomEvent, Ticket};
use crate::events::{Denied, Event};
use crate::topics::{ConnId, Kind, Listener, Listeners};

/// How rooms are told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// How a member list is written.
    pub(crate) format: MembersFormat,
    /// Whether who is not a member may listen.
    pub(crate) open_topics: bool,
}

/// What follows from a command or an event. `H` is the way to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect<H> {
    /// Tell one connection.
    Tell { to: H, event: Event },
    /// Tell a session, wherever it is connected.
    TellSession { sid: SessionId, event: Event },
    /// A session of this process has taken a seat.
    Seated { sid: SessionId, room: RoomId },
    /// A session of this process has given its seat back.
    Unseated { sid: SessionId, room: RoomId },
}

/// One shard of the hub.
#[derive(Debug)]
pub(crate) struct Shard<H> {
    backplane: Box<dyn Backplane>,
    rules: Rules,
    rooms: HashMap<RoomId, View<H>>,
    pending: BTreeMap<Ticket, Pending<H>>,
    next_ticket: u64,
    effects: VecDeque<Effect<H>>,
}

/// A room as its events have shown it so far.
#[derive(Debug)]
struct View<H> {
    offset: u64,
    members: Vec<SessionId>,
    listeners: Listeners<H>,
}

#[derive(Debug)]
struct Pending<H> {
    /// Who waits for the answer; nobody, when a lost session leaves.
    from: Option<H>,
    seat: Option<Seat>,
}

#[derive(Debug)]
struct Seat {
    sid: SessionId,
    room: RoomId,
    taken: bool,
}

impl<H: Clone> Shard<H> {
    /// A shard whose rooms are decided by `backplane`.
    pub(crate) fn new(backplane: Box<dyn Backplane>, rules: Rules) -> Self {
        Self {
            backplane,
            rules,
            rooms: HashMap::new(),
            pending: BTreeMap::new(),
            next_ticket: 0,
            effects: VecDeque::new(),
        }
    }

    /// `listener` hears a topic of `room` from now on.
    pub(crate) fn subscribe(&mut self, room: &RoomId, listener: &Listener<H>, kind: Kind) {
        view(&mut self.rooms, room).listeners.add(listener, kind);
    }

    /// `conn` does not hear that topic any longer.
    pub(crate) fn unsubscribe(&mut self, room: &RoomId, conn: ConnId, kind: Kind) {
        if let Some(view) = self.rooms.get_mut(room) {
            view.listeners.remove(conn, kind);
            self.forget_if_empty(room);
        }
    }

    /// `conn` hears nothing of `room` any longer.
    pub(crate) fn forget(&mut self, room: &RoomId, conn: ConnId) {
        if let Some(view) = self.rooms.get_mut(room) {
            view.listeners.forget(conn);
            self.forget_if_empty(room);
        }
    }

    /// Does `action` for `sid`; `from` gets [`Event::Done`] after all that it caused.
    pub(crate) fn act(&mut self, now: Instant, from: Option<H>, room: RoomId, sid: SessionId, action: Action) {
        let seat = match &action {
            Action::Join { .. } => Some(true),
            Action::Leave => Some(false),
            Action::Publish { .. } => None,
        };
        let seat = seat.map(|taken| Seat { sid: sid.clone(), room: room.clone(), taken });
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.pending.insert(ticket, Pending { from, seat });
        self.backplane.submit(now, Command { ticket, room, sid, action });
        self.pump();
    }

    /// Whether `claimed` is the session id of a member other than `sid`, itself a member.
    pub(crate) fn is_another_member(&self, room: &RoomId, sid: &SessionId, claimed: &str) -> bool {
        claimed != sid.as_str()
            && self.rooms.get(room).is_some_and(|view| {
                view.members.contains(sid) && view.members.iter().any(|member| member.as_str() == claimed)
            })
    }

    /// Takes the answers that have come from the backplane.
    pub(crate) fn pump(&mut self) {
        while let Some(answer) = self.backplane.poll() {
            match answer {
                Answer::Completed { ticket, result } => {
                    let Some(Pending { from, seat }) = self.pending.remove(&ticket) else { continue };
                    if let (Some(Seat { sid, room, taken }), Ok(())) = (seat, result) {
                        self.effects.push_back(if taken {
                            Effect::Seated { sid, room }
                        } else {
                            Effect::Unseated { sid, room }
                        });
                    }
                    if let Some(to) = from {
                        self.effects
                            .push_back(Effect::Tell { to, event: Event::Done(result.map_err(Denied::Rejected)) });
                    }
                }
                Answer::Event { room, offset, event } => self.show(&room, offset, event),
            }
        }
    }

    /// The next thing to do.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect<H>> {
        self.effects.pop_front()
    }

    /// The one place where an event becomes messages, in the order that clients depend on.
    fn show(&mut self, room: &RoomId, offset: u64, event: RoomEvent) {
        let view = view(&mut self.rooms, room);
        if offset <= view.offset {
            return;
        }
        view.offset = offset;
        let rules = self.rules;
        let mut out = Out { effects: &mut self.effects, open: rules.open_topics, room };
        match event {
            RoomEvent::Joined { sid, members, ready } => {
                view.members = members.iter().map(|m| m.sid.clone()).collect();
                out.session(sid, Event::Me { room: room.clone() });
                out.members(view, &members, rules.format, None);
                if ready {
                    out.signal(view, None, Bytes::from_static(READY_BODY.as_bytes()), None);
                }
            }
            RoomEvent::Rejoined { sid, members } => {
                view.members = members.iter().map(|m| m.sid.clone()).collect();
                let body = Bytes::from(members_body(&members, rules.format));
                out.session(sid.clone(), Event::Me { room: room.clone() });
                out.session(sid, Event::Members { room: room.clone(), body });
            }
            RoomEvent::Left { sid, members } => {
                view.members = members.iter().map(|m| m.sid.clone()).collect();
                out.signal(view, None, leave_body(&sid).into(), Some(&sid));
                out.members(view, &members, rules.format, Some(&sid));
                self.forget_if_empty(room);
            }
            RoomEvent::Signal { sid, body } => out.signal(view, Some(sid), body, None),
        }
    }

    fn forget_if_empty(&mut self, room: &RoomId) {
        if self.rooms.get(room).is_some_and(|view| view.members.is_empty() && view.listeners.is_empty()) {
            self.rooms.remove(room);
        }
    }
}

fn view<'a, H: Clone>(rooms: &'a mut HashMap<RoomId, View<H>>, room: &RoomId) -> &'a mut View<H> {
    rooms.entry(room.clone()).or_insert_with(|| View { offset: 0, members: Vec::new(), listeners: Listeners::new() })
}

/// Writes effects for the listeners of one room.
struct Out<'a, H> {
    effects: &'a mut VecDeque<Effect<H>>,
    open: bool,
    room: &'a RoomId,
}

impl<H: Clone> Out<'_, H> {
    fn session(&mut self, sid: SessionId, event: Event) {
        self.effects.push_back(Effect::TellSession { sid, event });
    }

    fn members(&mut self, view: &View<H>, members: &[Member], format: MembersFormat, gone: Option<&SessionId>) {
        let body = Bytes::from(members_body(members, format));
        self.tell(view, Kind::Members, gone, &Event::Members { room: self.room.clone(), body });
    }

    fn signal(&mut self, view: &View<H>, from: Option<SessionId>, body: Bytes, gone: Option<&SessionId>) {
        self.tell(view, Kind::Signal, gone, &Event::Signal { room: self.room.clone(), from, body });
    }

    /// To those who listen and are members; `gone` was one until now and still hears.
    fn tell(&mut self, view: &View<H>, kind: Kind, gone: Option<&SessionId>, event: &Event) {
        for Listener { sid, handle, .. } in view.listeners.of(kind) {
            if self.open || gone == Some(sid) || view.members.contains(sid) {
                self.effects.push_back(Effect::Tell { to: handle.clone(), event: event.clone() });
            }
        }
    }
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
