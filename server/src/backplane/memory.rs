//! The backplane of a single process: it answers every command at once.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Action, Answer, Backplane, Command, Rejection, RoomEvent};
use crate::rooms::{Joined, Rooms};
use dialtone_wire::bodies::Member;

/// Rooms in the memory of this process.
#[derive(Debug, Default)]
pub struct Memory {
    rooms: Rooms,
    offset: u64,
    answers: VecDeque<Answer>,
}

impl Memory {
    /// A backplane without rooms.
    pub fn new() -> Self {
        Self::default()
    }

    fn decide(&mut self, command: &Command) -> Result<RoomEvent, Rejection> {
        let Command { room, sid, action, .. } = command;
        match action {
            Action::Join { name, capacity } => {
                let member = Member { sid: sid.clone(), display_name: name.clone() };
                let joined = self.rooms.join(room, member, *capacity).map_err(|_| Rejection::RoomFull)?;
                let members = self.rooms.members(room).to_vec();
                Ok(match joined {
                    Joined::New { ready } => RoomEvent::Joined { sid: sid.clone(), members, ready },
                    Joined::Again => RoomEvent::Rejoined { sid: sid.clone(), members },
                })
            }
            Action::Leave => {
                self.rooms.leave(room, sid).map_err(|_| Rejection::NotAMember)?;
                Ok(RoomEvent::Left { sid: sid.clone(), members: self.rooms.members(room).to_vec() })
            }
            Action::Publish { body } if self.rooms.is_member(room, sid) => {
                Ok(RoomEvent::Signal { sid: sid.clone(), body: body.clone() })
            }
            Action::Publish { .. } => Err(Rejection::NotAMember),
        }
    }
}

impl Backplane for Memory {
    fn submit(&mut self, _now: Instant, command: Command) {
        let result = self.decide(&command).map(|event| {
            self.offset += 1;
            self.answers.push_back(Answer::Event { room: command.room, offset: self.offset, event });
        });
        self.answers.push_back(Answer::Completed { ticket: command.ticket, result });
    }

    fn poll(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::contract;

    #[test]
    fn memory_keeps_the_contract() {
        contract::check(|| Box::new(Memory::new()), |_| {});
    }
}
