//! The places a client may SEND to and SUBSCRIBE to. Everything else is refused with a reason.

use std::fmt;

use crate::ids::{InvalidRoomId, RoomId};

/// Where a client may SEND.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SendDestination {
    /// `/app/rooms/{roomId}/join`
    Join(RoomId),
    /// `/app/rooms/{roomId}/signal`
    Signal(RoomId),
    /// `/app/rooms/{roomId}/leave`
    Leave(RoomId),
}

/// What a client may SUBSCRIBE to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// `/topic/rooms/{roomId}/members`: who is in the room, in order of joining.
    Members(RoomId),
    /// `/topic/rooms/{roomId}/signal`: offers, answers, candidates, READY and LEAVE.
    Signal(RoomId),
    /// `/user/queue/me`: the client's own session id.
    Me,
    /// `/user/queue/system`: refusals and notices for this client alone.
    System,
}

/// Why a destination was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDestination {
    /// The frame had no `destination` header, or an empty one.
    #[error("the frame has no destination header")]
    Missing,
    /// Nothing listens there.
    #[error(
        "there is no such destination; a client sends to /app/rooms/{{roomId}}/join, /signal or /leave and subscribes to /topic/rooms/{{roomId}}/members or /signal and /user/queue/me or /system"
    )]
    Unknown,
    /// A SEND straight to a broker destination, which would let a client forge READY, LEAVE or a member list.
    #[error(
        "clients send to /app/rooms/{{roomId}}/join, /signal or /leave; only the server publishes to /topic, /queue and /user"
    )]
    ServerOnly,
    /// A SUBSCRIBE with a wildcard, which would let a client listen to every call.
    #[error("a subscription names one room; patterns are not allowed")]
    Pattern,
    /// A SUBSCRIBE to the private queue of another session.
    #[error("private queues are subscribed to as /user/queue/me and /user/queue/system, and only one's own")]
    Private,
    /// The room id in the destination is not one.
    #[error("{0}")]
    Room(#[from] InvalidRoomId),
}

impl SendDestination {
    /// Reads the `destination` header of a SEND.
    pub fn parse(text: &str) -> Result<Self, InvalidDestination> {
        if text.is_empty() {
            return Err(InvalidDestination::Missing);
        }
        let Some(rest) = text.strip_prefix("/app/rooms/") else {
            let broker = ["/topic", "/queue", "/user"].iter().any(|prefix| is_under(text, prefix));
            return Err(if broker { InvalidDestination::ServerOnly } else { InvalidDestination::Unknown });
        };
        let (room, verb) = rest.rsplit_once('/').ok_or(InvalidDestination::Unknown)?;
        let make = match verb {
            "join" => Self::Join,
            "signal" => Self::Signal,
            "leave" => Self::Leave,
            _ => return Err(InvalidDestination::Unknown),
        };
        Ok(make(RoomId::parse(room)?))
    }

    /// The room that the destination names.
    pub fn room(&self) -> &RoomId {
        match self {
            Self::Join(room) | Self::Signal(room) | Self::Leave(room) => room,
        }
    }
}

impl Topic {
    /// Reads the `destination` header of a SUBSCRIBE.
    pub fn parse(text: &str) -> Result<Self, InvalidDestination> {
        match text {
            "" => return Err(InvalidDestination::Missing),
            "/user/queue/me" => return Ok(Self::Me),
            "/user/queue/system" => return Ok(Self::System),
            _ => {}
        }
        if text.contains(['*', '?', '{', '}']) {
            return Err(InvalidDestination::Pattern);
        }
        if is_under(text, "/queue") || is_under(text, "/user") {
            return Err(InvalidDestination::Private);
        }
        let rest = text.strip_prefix("/topic/rooms/").ok_or(InvalidDestination::Unknown)?;
        let (room, kind) = rest.rsplit_once('/').ok_or(InvalidDestination::Unknown)?;
        let make = match kind {
            "members" => Self::Members,
            "signal" => Self::Signal,
            _ => return Err(InvalidDestination::Unknown),
        };
        Ok(make(RoomId::parse(room)?))
    }

    /// The room that the topic belongs to; `None` for a private queue.
    pub fn room(&self) -> Option<&RoomId> {
        match self {
            Self::Members(room) | Self::Signal(room) => Some(room),
            Self::Me | Self::System => None,
        }
    }
}

impl fmt::Display for SendDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(room) => write!(f, "/app/rooms/{room}/join"),
            Self::Signal(room) => write!(f, "/app/rooms/{room}/signal"),
            Self::Leave(room) => write!(f, "/app/rooms/{room}/leave"),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members(room) => write!(f, "/topic/rooms/{room}/members"),
            Self::Signal(room) => write!(f, "/topic/rooms/{room}/signal"),
            Self::Me => f.write_str("/user/queue/me"),
            Self::System => f.write_str("/user/queue/system"),
        }
    }
}

/// Whether `text` is `prefix` itself or lies below it.
fn is_under(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_destination_reads_back_as_it_is_written() {
        let room = RoomId::parse("a.b-c_9").unwrap();
        for destination in [
            SendDestination::Join(room.clone()),
            SendDestination::Signal(room.clone()),
            SendDestination::Leave(room.clone()),
        ] {
            assert_eq!(SendDestination::parse(&destination.to_string()), Ok(destination));
        }
        for topic in [Topic::Members(room.clone()), Topic::Signal(room), Topic::Me, Topic::System] {
            assert_eq!(Topic::parse(&topic.to_string()), Ok(topic));
        }
    }

    #[test]
    fn a_client_cannot_publish_where_only_the_server_may() {
        for text in ["/topic/rooms/r1/signal", "/queue/me-user1", "/user/x/queue/me", "/user/queue/me", "/topic"] {
            assert_eq!(SendDestination::parse(text), Err(InvalidDestination::ServerOnly), "{text}");
        }
    }

    #[test]
    fn a_subscription_with_a_pattern_or_to_a_foreign_queue_is_refused() {
        for text in ["/topic/rooms/*/signal", "/topic/**", "/topic/rooms/{id}/signal", "/topic/rooms/?/members"] {
            assert_eq!(Topic::parse(text), Err(InvalidDestination::Pattern), "{text}");
        }
        for text in ["/queue/me-user7", "/user/7/queue/me", "/user/queue/else"] {
            assert_eq!(Topic::parse(text), Err(InvalidDestination::Private), "{text}");
        }
    }

    #[test]
    fn an_unknown_place_and_a_bad_room_are_told_apart() {
        assert_eq!(SendDestination::parse("/app/rooms/r1/dance"), Err(InvalidDestination::Unknown));
        assert_eq!(SendDestination::parse("/topical"), Err(InvalidDestination::Unknown));
        assert_eq!(SendDestination::parse(""), Err(InvalidDestination::Missing));
        assert_eq!(
            SendDestination::parse("/app/rooms/a b/join"),
            Err(InvalidDestination::Room(InvalidRoomId::Character { found: ' ' }))
        );
        assert_eq!(
            SendDestination::parse("/app/rooms//join"),
            Err(InvalidDestination::Room(InvalidRoomId::Length { found: 0 }))
        );
        assert_eq!(Topic::parse("/topic/rooms/r1"), Err(InvalidDestination::Unknown));
    }
}
