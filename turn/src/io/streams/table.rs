//! The connections of one worker: by number, by client, and by the time they have to be looked at.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use super::connection::Connection;
use crate::relay::ClientAddr;

/// Numbers are small and used again.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Option<Box<Connection>>>,
    free: Vec<usize>,
    by_client: HashMap<ClientAddr, usize>,
    deadlines: BTreeSet<(Instant, usize)>,
}

impl Table {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// True for every number given so far, whether it is in use or not.
    pub(super) fn has_given(&self, key: usize) -> bool {
        key < self.slots.len()
    }

    /// The number that [`insert`](Self::insert) will give.
    pub(super) fn next_key(&self) -> usize {
        self.free.last().copied().unwrap_or(self.slots.len())
    }

    /// Takes a connection whose client has no other.
    pub(super) fn insert(&mut self, connection: Connection) -> usize {
        let key = self.next_key();
        self.by_client.insert(connection.client, key);
        self.deadlines.insert((connection.armed, key));
        let connection = Some(Box::new(connection));
        if self.free.pop().is_some()
            && let Some(slot) = self.slots.get_mut(key)
        {
            *slot = connection;
        } else {
            self.slots.push(connection);
        }
        key
    }

    pub(super) fn get(&self, key: usize) -> Option<&Connection> {
        self.slots.get(key)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut Connection> {
        self.slots.get_mut(key)?.as_deref_mut()
    }

    pub(super) fn find(&self, client: ClientAddr) -> Option<usize> {
        self.by_client.get(&client).copied()
    }

    pub(super) fn remove(&mut self, key: usize) -> Option<Box<Connection>> {
        let connection = self.slots.get_mut(key)?.take()?;
        self.free.push(key);
        self.by_client.remove(&connection.client);
        self.deadlines.remove(&(connection.armed, key));
        Some(connection)
    }

    /// Notes when a connection is due, after it may have changed.
    pub(super) fn rearm(&mut self, key: usize) {
        let Some(connection) = self.slots.get_mut(key).and_then(Option::as_deref_mut) else {
            return;
        };
        let due = connection.due();
        if due != connection.armed {
            self.deadlines.remove(&(connection.armed, key));
            self.deadlines.insert((due, key));
            connection.armed = due;
        }
    }

    /// The next time any connection is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// Those that are due, the longest first.
    pub(super) fn due(&self, now: Instant) -> Vec<usize> {
        self.deadlines.range(..=(now, usize::MAX)).map(|(_, key)| *key).collect()
    }

    pub(super) fn all(&self) -> Vec<usize> {
        self.deadlines.iter().map(|(_, key)| *key).collect()
    }
}
