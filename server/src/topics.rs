//! Who listens to what in one room.

use dialtone_wire::SessionId;

/// Which of a room's two topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `/topic/rooms/{roomId}/members`
    Members,
    /// `/topic/rooms/{roomId}/signal`
    Signal,
}

/// A number for one connection; a session that resumes on another connection keeps its id and gets another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnId(pub(crate) u64);

/// One connection that listens to a room.
#[derive(Debug, Clone)]
pub(crate) struct Listener<H> {
    /// The connection.
    pub(crate) conn: ConnId,
    /// Its session.
    pub(crate) sid: SessionId,
    /// How to reach it.
    pub(crate) handle: H,
}

/// The listeners of one room, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Listeners<H>(Vec<Entry<H>>);

#[derive(Debug)]
struct Entry<H> {
    listener: Listener<H>,
    members: bool,
    signal: bool,
}

impl<H: Clone> Listeners<H> {
    /// Nobody listens yet.
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// `listener` hears `kind` from now on.
    pub(crate) fn add(&mut self, listener: &Listener<H>, kind: Kind) {
        let found = self.0.iter_mut().find(|e| e.listener.conn == listener.conn);
        if let Some(entry) = found {
            entry.set(kind, true);
            return;
        }
        let mut entry = Entry { listener: listener.clone(), members: false, signal: false };
        entry.set(kind, true);
        self.0.push(entry);
    }

    /// `conn` does not hear `kind` any longer.
    pub(crate) fn remove(&mut self, conn: ConnId, kind: Kind) {
        if let Some(entry) = self.0.iter_mut().find(|e| e.listener.conn == conn) {
            entry.set(kind, false);
        }
        self.0.retain(|e| e.members || e.signal);
    }

    /// `conn` hears nothing any longer.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.0.retain(|e| e.listener.conn != conn);
    }

    /// Who hears `kind`.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Listener<H>> {
        self.0.iter().filter(move |e| e.hears(kind)).map(|e| &e.listener)
    }

    /// Whether nobody listens.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<H> Entry<H> {
    fn set(&mut self, kind: Kind, on: bool) {
        match kind {
            Kind::Members => self.members = on,
            Kind::Signal => self.signal = on,
        }
    }

    fn hears(&self, kind: Kind) -> bool {
        match kind {
            Kind::Members => self.members,
            Kind::Signal => self.signal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sid;

    fn listener(n: u64) -> Listener<u64> {
        Listener { conn: ConnId(n), sid: sid("s"), handle: n }
    }

    fn heard(listeners: &Listeners<u64>, kind: Kind) -> Vec<u64> {
        listeners.of(kind).map(|l| l.handle).collect()
    }

    #[test]
    fn listeners_are_told_in_the_order_in_which_they_came_and_once() {
        let mut listeners = Listeners::new();
        for n in [2, 1, 2] {
            listeners.add(&listener(n), Kind::Signal);
        }
        listeners.add(&listener(1), Kind::Members);
        assert_eq!(heard(&listeners, Kind::Signal), [2, 1]);
        assert_eq!(heard(&listeners, Kind::Members), [1]);
    }

    #[test]
    fn who_listens_to_nothing_is_forgotten() {
        let mut listeners = Listeners::new();
        listeners.add(&listener(1), Kind::Signal);
        listeners.add(&listener(2), Kind::Signal);
        listeners.add(&listener(2), Kind::Members);
        listeners.remove(ConnId(1), Kind::Signal);
        listeners.remove(ConnId(3), Kind::Members);
        assert_eq!(heard(&listeners, Kind::Signal), [2]);
        listeners.forget(ConnId(2));
        assert!(listeners.is_empty());
    }
}
