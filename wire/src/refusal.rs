//! How the server says no on `/user/queue/system`: a stable code, a sentence, and what it was about.

use serde::{Deserialize, Serialize};

use crate::destination::InvalidDestination;

/// The stable code of a refusal. Clients may depend on the spelling; a code is never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum RefusalCode {
    /// The room has as many members as it takes.
    RoomFull,
    /// A signal, or a leave, for a room that the session has not joined.
    NotAMember,
    /// The `sid` in a body is the session id of another member.
    SenderMismatch,
    /// A client sent a signal that only the server may send (READY).
    ServerOnlySignal,
    /// The body is not the JSON that the destination expects.
    BadBody,
    /// The body is larger than the server relays.
    BodyTooLarge,
    /// The room id has a wrong length or character.
    BadRoomId,
    /// The display name is too long or has control characters.
    BadDisplayName,
    /// The `roomId` in a join body differs from the one in the destination.
    RoomMismatch,
    /// Nothing listens at the destination.
    UnknownDestination,
    /// A destination that only the server may publish to, or a private queue of another session.
    ForbiddenDestination,
    /// A subscription with a wildcard.
    PatternSubscription,
    /// A SUBSCRIBE or UNSUBSCRIBE without a usable `id`, or with one that is already in use.
    BadSubscriptionId,
    /// The session holds as many subscriptions as it may.
    TooManySubscriptions,
    /// The session is in as many rooms as it may be.
    TooManyRooms,
    /// Frames came faster than the session may send them.
    RateLimited,
    /// The resume token is unknown, used up or too old; the session is a new one.
    ResumeRefused,
    /// The server cannot answer at the moment; trying again later is right.
    Unavailable,
    /// The server is about to stop; reconnecting leads to its successor.
    GoingAway,
}

/// One refusal as it goes to the client: `{"code":…,"message":…,"roomId":…,"destination":…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What kind of refusal it is.
    pub code: RefusalCode,
    /// A sentence for a person.
    pub message: String,
    /// The room concerned, when one was named validly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// The destination of the refused frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
}

impl Refusal {
    /// What a newcomer to a full room reads; the wording is part of the contract.
    pub const ROOM_FULL: &'static str = "Room is full";

    /// A refusal with nothing but a code and a sentence.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), room_id: None, destination: None }
    }

    /// The same refusal, naming the room.
    #[must_use]
    pub fn in_room(mut self, room: &crate::RoomId) -> Self {
        self.room_id = Some(room.as_str().to_owned());
        self
    }

    /// The same refusal, naming the destination of the refused frame (cut at 256 characters).
    #[must_use]
    pub fn about(mut self, destination: &str) -> Self {
        self.destination = Some(destination.chars().take(256).collect());
        self
    }

    /// The JSON body.
    pub fn to_json(&self) -> String {
        crate::bodies::to_json(self)
    }
}

impl From<&InvalidDestination> for Refusal {
    fn from(error: &InvalidDestination) -> Self {
        let code = match error {
            InvalidDestination::Missing | InvalidDestination::Unknown => RefusalCode::UnknownDestination,
            InvalidDestination::ServerOnly | InvalidDestination::Private => RefusalCode::ForbiddenDestination,
            InvalidDestination::Pattern => RefusalCode::PatternSubscription,
            InvalidDestination::Room(_) => RefusalCode::BadRoomId,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RoomId;

    #[test]
    fn a_full_room_is_told_in_the_words_of_the_contract() {
        let refusal = Refusal::new(RefusalCode::RoomFull, Refusal::ROOM_FULL).in_room(&RoomId::parse("r1").unwrap());
        assert_eq!(refusal.to_json(), r#"{"code":"ROOM_FULL","message":"Room is full","roomId":"r1"}"#);
    }

    #[test]
    fn a_refusal_reads_back() {
        let refusal = Refusal::new(RefusalCode::PatternSubscription, "no").about("/topic/**");
        assert_eq!(serde_json::from_str::<Refusal>(&refusal.to_json()).unwrap(), refusal);
    }
}
