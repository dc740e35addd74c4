//! Who is in which room: capacity, order of arrival, READY exactly once.

use std::collections::HashMap;

use dialtone_wire::bodies::Member;
use dialtone_wire::{RoomId, SessionId};

/// The rooms that somebody is in; an empty room is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    rooms: HashMap<RoomId, Vec<Member>>,
}

/// What a join came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// A new seat; `ready` when the count went from one to two.
    New { ready: bool },
    /// The member had a seat already. A new display name takes the place of the old one.
    Again,
}

/// The room has as many members as it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// The session has no seat in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotSeated;

impl Rooms {
    /// Gives `member` a seat in `room`, unless `capacity` others are there.
    pub(crate) fn join(&mut self, room: &RoomId, member: Member, capacity: usize) -> Result<Joined, Full> {
        let Some(members) = self.rooms.get_mut(room) else {
            if capacity == 0 {
                return Err(Full);
            }
            self.rooms.insert(room.clone(), vec![member]);
            return Ok(Joined::New { ready: false });
        };
        if let Some(seated) = members.iter_mut().find(|m| m.sid == member.sid) {
            seated.display_name = member.display_name.or_else(|| seated.display_name.take());
            return Ok(Joined::Again);
        }
        if members.len() >= capacity {
            return Err(Full);
        }
        members.push(member);
        Ok(Joined::New { ready: members.len() == 2 })
    }

    /// Takes the seat of `sid` back.
    pub(crate) fn leave(&mut self, room: &RoomId, sid: &SessionId) -> Result<(), NotSeated> {
        let members = self.rooms.get_mut(room).ok_or(NotSeated)?;
        let at = members.iter().position(|m| m.sid == *sid).ok_or(NotSeated)?;
        members.remove(at);
        if members.is_empty() {
            self.rooms.remove(room);
        }
        Ok(())
    }

    /// Who is in `room`, in order of joining.
    pub(crate) fn members(&self, room: &RoomId) -> &[Member] {
        self.rooms.get(room).map_or(&[], Vec::as_slice)
    }

    /// Whether `sid` has a seat in `room`.
    pub(crate) fn is_member(&self, room: &RoomId, sid: &SessionId) -> bool {
        self.members(room).iter().any(|m| m.sid == *sid)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{member, room, sid};

    #[test]
    fn third_peer_is_told_room_is_full() {
        let mut rooms = Rooms::default();
        assert_eq!(rooms.join(&room("r"), member("a"), 2), Ok(Joined::New { ready: false }));
        assert_eq!(rooms.join(&room("r"), member("b"), 2), Ok(Joined::New { ready: true }));
        assert_eq!(rooms.join(&room("r"), member("c"), 2), Err(Full));
        assert_eq!(rooms.members(&room("r")), [member("a"), member("b")]);
    }

    #[test]
    fn an_empty_room_is_forgotten() {
        let mut rooms = Rooms::default();
        rooms.join(&room("r"), member("a"), 2).unwrap();
        rooms.leave(&room("r"), &sid("a")).unwrap();
        assert!(rooms.rooms.is_empty());
        assert_eq!(rooms.leave(&room("r"), &sid("a")), Err(NotSeated));
    }

    #[test]
    fn joining_again_with_a_name_changes_the_name_and_without_one_keeps_it() {
        let mut rooms = Rooms::default();
        let named = |name: &str| Member { sid: sid("a"), display_name: crate::testing::name(name) };
        rooms.join(&room("r"), named("Ann"), 2).unwrap();
        assert_eq!(rooms.join(&room("r"), member("a"), 2), Ok(Joined::Again));
        assert_eq!(rooms.members(&room("r")), [named("Ann")]);
        rooms.join(&room("r"), named("Eve"), 2).unwrap();
        assert_eq!(rooms.members(&room("r")), [named("Eve")]);
    }

    proptest! {
        /// Against the plainest model there is: a list of names per room.
        #[test]
        fn random_joins_leaves_and_disconnects_keep_the_rules(
            capacity in 1_usize..4,
            steps in proptest::collection::vec((0_u8..3, 0_usize..3, 0_usize..5), 1..200),
        ) {
            let mut rooms = Rooms::default();
            let mut model: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            let id = |n: usize| room(&format!("r{n}"));
            let who = |n: usize| format!("s{n}");
            for (verb, at, peer) in steps {
                let seats = model.entry(at).or_default();
                match verb {
                    0 => {
                        let joined = rooms.join(&id(at), member(&who(peer)), capacity);
                        if seats.contains(&peer) {
                            prop_assert_eq!(joined, Ok(Joined::Again));
                        } else if seats.len() == capacity {
                            prop_assert_eq!(joined, Err(Full));
                        } else {
                            seats.push(peer);
                            prop_assert_eq!(joined, Ok(Joined::New { ready: seats.len() == 2 }));
                        }
                    }
                    1 => {
                        let was = seats.contains(&peer);
                        seats.retain(|p| *p != peer);
                        prop_assert_eq!(rooms.leave(&id(at), &sid(&who(peer))).is_ok(), was);
                    }
                    _ => for (at, seats) in &mut model {
                        let was = seats.contains(&peer);
                        seats.retain(|p| *p != peer);
                        prop_assert_eq!(rooms.leave(&id(*at), &sid(&who(peer))).is_ok(), was);
                    },
                }
                for (at, seats) in &model {
                    let expected: Vec<_> = seats.iter().map(|n| member(&who(*n))).collect();
                    prop_assert_eq!(rooms.members(&id(*at)), &expected[..]);
                }
                prop_assert_eq!(rooms.rooms.len(), model.values().filter(|seats| !seats.is_empty()).count());
            }
        }
    }
}
