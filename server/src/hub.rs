//! Where sessions meet: the shards of rooms, the sessions that hold seats, the connections that are open.
//!
//! A shard's effects go into the outboxes while the shard is locked, so what one room's listeners get is in the room's
//! order; nothing there waits. Locks are taken in the order shard, then sessions.

mod shard;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use dialtone_wire::{RoomId, SessionId};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;

use crate::backplane::{Action, Backplane};
use crate::config::Config;
use crate::events::{Denied, Event};
use crate::outbox::Outbox;
use crate::resume::{Ask, Bounds, Opened, Sessions, Token};
use crate::session::{Farewell, Request};
use crate::topics::{ConnId, Listener};

use shard::{Effect, Rules, Shard};

const SHARDS: usize = 16;

/// The meeting place of a server.
#[derive(Debug)]
pub(crate) struct Hub {
    shards: Vec<Mutex<Shard<Arc<Outbox>>>>,
    hasher: RandomState,
    sessions: Mutex<Sessions<Arc<Outbox>>>,
    connections: Mutex<Connections>,
    capacity: usize,
    outbox: usize,
    /// A session was parked: there may be an earlier deadline.
    parked: Notify,
}

#[derive(Debug)]
struct Connections {
    open: BTreeMap<ConnId, Arc<Outbox>>,
    next: u64,
    limit: usize,
    closing: bool,
}

/// One connection as the hub knows it.
#[derive(Debug)]
pub(crate) struct Connection {
    id: ConnId,
    sid: Option<SessionId>,
    /// What a new session would be.
    fresh: (SessionId, Token),
    /// The way to it.
    pub(crate) outbox: Arc<Outbox>,
}

/// There is no place for another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

impl Hub {
    /// A hub whose rooms are decided by backplanes from `make`, one for each shard.
    pub(crate) fn new(config: &Config, make: impl Fn() -> Box<dyn Backplane>) -> Self {
        let rules = Rules { format: config.members, open_topics: config.open_topics };
        let limits = config.limits;
        let bounds = Bounds { grace: config.resume_grace, parked: limits.parked, rooms: limits.rooms };
        let connections = Connections { open: BTreeMap::new(), next: 0, limit: limits.connections, closing: false };
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::new(make(), rules))).collect(),
            hasher: RandomState::new(),
            sessions: Mutex::new(Sessions::new(bounds)),
            connections: Mutex::new(connections),
            capacity: config.capacity.max(1),
            outbox: limits.outbox,
            parked: Notify::new(),
        }
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Result<Connection, Busy> {
        self.connect_with([random()?, random()?])
    }

    /// The same with the caller's dice for the session id and the resume token.
    pub(crate) fn connect_with(&self, dice: [u128; 2]) -> Result<Connection, Busy> {
        let fresh = (SessionId::from_random(dice[0]), Token::from_random(dice[1]));
        let outbox = Arc::new(Outbox::new(self.outbox));
        let mut connections = lock(&self.connections);
        if connections.closing || connections.open.len() >= connections.limit {
            return Err(Busy);
        }
        connections.next += 1;
        let id = ConnId(connections.next);
        connections.open.insert(id, Arc::clone(&outbox));
        Ok(Connection { id, sid: None, fresh, outbox })
    }

    /// Does what the session of `conn` asks for; the answer comes through the outbox.
    pub(crate) fn handle(&self, now: Instant, conn: &mut Connection, request: Request) {
        // A half-dead socket may wake up after its session was resumed elsewhere; what it still says is void.
        if conn.outbox.is_ousted() {
            return;
        }
        if let Request::Open(ask) = request {
            return self.open(conn, ask);
        }
        // A session asks for nothing before it is opened.
        let Some(sid) = &conn.sid else { return };
        match request {
            Request::Open(_) => {}
            Request::Subscribe(room, kind) => {
                let handle = Arc::clone(&conn.outbox);
                let listener = Listener { conn: conn.id, sid: sid.clone(), handle };
                self.shard(&room).subscribe(&room, &listener, kind);
            }
            Request::Unsubscribe(room, kind) => self.shard(&room).unsubscribe(&room, conn.id, kind),
            Request::Join(room, join) => {
                if !lock(&self.sessions).may_join(sid, &room) {
                    return conn.outbox.push(Event::Done(Err(Denied::TooManyRooms)));
                }
                let action = Action::Join { name: join.display_name, capacity: self.capacity };
                self.act(now, Some(&conn.outbox), room, sid, action);
            }
            Request::Leave(room) => self.act(now, Some(&conn.outbox), room, sid, Action::Leave),
            Request::Signal { room, claimed, body } => {
                let mut shard = self.shard(&room);
                if claimed.is_some_and(|claimed| shard.is_another_member(&room, sid, &claimed)) {
                    return conn.outbox.push(Event::Done(Err(Denied::SenderMismatch)));
                }
                let from = Some(Arc::clone(&conn.outbox));
                shard.act(now, from, room, sid.clone(), Action::Publish { body });
                self.settle(now, &mut shard);
            }
        }
    }

    /// The connection is gone: it hears nothing any longer, and its session leaves, unless it may come back.
    pub(crate) fn disconnect(&self, now: Instant, conn: &Connection, farewell: Farewell) {
        lock(&self.connections).open.remove(&conn.id);
        for room in &farewell.listened {
            self.shard(room).forget(room, conn.id);
        }
        if let Some(sid) = &farewell.sid {
            let rooms = lock(&self.sessions).lost(now, conn.id, sid, farewell.for_good);
            self.leave(now, sid, rooms);
            self.parked.notify_one();
        }
    }

    /// The connection came to nothing.
    pub(crate) fn abandon(&self, conn: &Connection) {
        lock(&self.connections).open.remove(&conn.id);
    }

    /// When the next session that waits for its client gives up.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        lock(&self.sessions).poll_timeout()
    }

    /// Waits until a session was parked.
    pub(crate) async fn parked(&self) {
        self.parked.notified().await;
    }

    /// Lets the sessions leave whose grace time is over.
    pub(crate) fn expire(&self, now: Instant) {
        let ended = lock(&self.sessions).handle_timeout(now);
        for (sid, rooms) in ended {
            self.leave(now, &sid, rooms);
        }
    }

    /// Tells every connection that the server goes away, and takes no more.
    pub(crate) fn close(&self) {
        let mut connections = lock(&self.connections);
        connections.closing = true;
        for outbox in connections.open.values() {
            outbox.push(Event::GoingAway);
        }
    }

    fn open(&self, conn: &mut Connection, ask: Ask) {
        let fresh = conn.fresh.clone();
        let opened = lock(&self.sessions).open(conn.id, Arc::clone(&conn.outbox), ask, fresh);
        let Opened { sid, token, refused, ousted } = opened;
        if let Some(ousted) = ousted {
            ousted.push(Event::TakenOver);
        }
        conn.sid = Some(sid.clone());
        conn.outbox.push(Event::Opened { sid, resume_token: token.map(Token::reveal), refused });
    }

    fn leave(&self, now: Instant, sid: &SessionId, rooms: Vec<RoomId>) {
        for room in rooms {
            self.act(now, None, room, sid, Action::Leave);
        }
    }

    fn act(&self, now: Instant, from: Option<&Arc<Outbox>>, room: RoomId, sid: &SessionId, action: Action) {
        let mut shard = self.shard(&room);
        shard.act(now, from.cloned(), room, sid.clone(), action);
        self.settle(now, &mut shard);
    }

    /// Brings a shard's effects to where they belong, in order.
    fn settle(&self, now: Instant, shard: &mut Shard<Arc<Outbox>>) {
        while let Some(effect) = shard.poll_effect() {
            match effect {
                Effect::Tell { to, event } => to.push(event),
                Effect::TellSession { sid, event } => {
                    let to = lock(&self.sessions).handle(&sid);
                    if let Some(to) = to {
                        to.push(event);
                    }
                }
                Effect::Seated { sid, room } => {
                    tracing::info!(%room, %sid, "joined");
                    let lives = lock(&self.sessions).seated(&sid, room.clone());
                    if !lives {
                        // The session ended while it waited for its seat.
                        shard.act(now, None, room, sid, Action::Leave);
                    }
                }
                Effect::Unseated { sid, room } => {
                    tracing::info!(%room, %sid, "left");
                    lock(&self.sessions).unseated(&sid, &room);
                }
            }
        }
    }

    fn shard(&self, room: &RoomId) -> MutexGuard<'_, Shard<Arc<Outbox>>> {
        let at = self.hasher.hash_one(room) as usize % self.shards.len();
        lock(&self.shards[at])
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 128 bits from the system; without them nobody can be let in.
fn random() -> Result<u128, Busy> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Busy)?;
    Ok(u128::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests;
