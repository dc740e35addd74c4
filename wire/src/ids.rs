//! Names of rooms, sessions and people. Each type can only be made by parsing, so a value is proof of its validity.

use std::fmt;
use std::sync::Arc;

/// The name of a room: 1 to 64 characters of `A-Z a-z 0-9 _ - .`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(Arc<str>);

/// What was wrong with a room id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRoomId {
    /// The id has no character, or more than 64.
    #[error("a room id has 1 to 64 characters, this one has {found}")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// A character outside the allowed set.
    #[error("a room id consists of A-Z a-z 0-9 _ - . and this one contains {found:?}")]
    Character {
        /// The first offending character.
        found: char,
    },
}

impl RoomId {
    /// The longest room id, in characters.
    pub const MAX_LENGTH: usize = 64;

    /// Takes `text` as a room id.
    pub fn parse(text: &str) -> Result<Self, InvalidRoomId> {
        if let Some(found) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))) {
            return Err(InvalidRoomId::Character { found });
        }
        if text.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err(InvalidRoomId::Length { found: text.len() });
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The identity of one signaling session: 1 to 128 printable ASCII characters without a space.
///
/// The server makes them from 128 random bits ([`SessionId::from_random`]); the bound is wide because a client of
/// ours may talk to another server. Ordering is by bytes: the smaller of two members calls.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

/// A session id that is empty, longer than 128 characters, or not printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a session id has 1 to 128 printable ASCII characters and no space; this one has {length} characters")]
pub struct InvalidSessionId {
    /// Bytes found.
    pub length: usize,
}

impl SessionId {
    /// The longest session id, in characters.
    pub const MAX_LENGTH: usize = 128;

    /// Takes `text` as a session id.
    pub fn parse(text: &str) -> Result<Self, InvalidSessionId> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !printable {
            return Err(InvalidSessionId { length: text.len() });
        }
        Ok(Self(text.into()))
    }

    /// The id that 128 random bits make: a version 4 UUID in its usual spelling (RFC 9562 section 5.4), as Spring sends.
    pub fn from_random(dice: u128) -> Self {
        let bits = (dice & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
        let hex = format!("{bits:032x}");
        Self(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a person calls herself: 1 to 64 characters, none of them a control character.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisplayName(Arc<str>);

/// What was wrong with a display name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDisplayName {
    /// More than 64 characters.
    #[error("a display name has at most 64 characters, this one has {found}")]
    TooLong {
        /// Characters found.
        found: usize,
    },
    /// A control character, such as a line break.
    #[error("a display name has no control characters, this one contains {found:?}")]
    Control {
        /// The first offending character.
        found: char,
    },
}

impl DisplayName {
    /// The longest display name, in characters.
    pub const MAX_LENGTH: usize = 64;

    /// Takes `text` as a display name; `None` for an empty one, which says no more than none at all.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidDisplayName> {
        if let Some(found) = text.chars().find(|c| c.is_control()) {
            return Err(InvalidDisplayName::Control { found });
        }
        let found = text.chars().count();
        if found > Self::MAX_LENGTH {
            return Err(InvalidDisplayName::TooLong { found });
        }
        Ok((found > 0).then(|| Self(text.into())))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_face {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), &self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    )*};
}

text_face!(RoomId, SessionId, DisplayName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ids_are_one_to_sixty_four_safe_characters() {
        for good in ["r", "room-1", "A.b_C-9", &"x".repeat(64)] {
            assert_eq!(RoomId::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(RoomId::parse(""), Err(InvalidRoomId::Length { found: 0 }));
        assert_eq!(RoomId::parse(&"x".repeat(65)), Err(InvalidRoomId::Length { found: 65 }));
        for (bad, found) in [("a b", ' '), ("a/b", '/'), ("*", '*'), ("방", '방'), ("a\n", '\n')] {
            assert_eq!(RoomId::parse(bad), Err(InvalidRoomId::Character { found }));
        }
    }

    #[test]
    fn random_bits_become_a_version_four_uuid() {
        assert_eq!(SessionId::from_random(0).as_str(), "00000000-0000-4000-8000-000000000000");
        assert_eq!(SessionId::from_random(u128::MAX).as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let id = SessionId::from_random(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(SessionId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn session_ids_have_no_space_and_no_control_character() {
        for bad in ["", "a b", "a\n", "é", &"x".repeat(129)] {
            assert!(SessionId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn display_names_are_short_and_without_control_characters() {
        assert_eq!(DisplayName::parse("").unwrap(), None);
        assert_eq!(DisplayName::parse("Ada 김").unwrap().unwrap().as_str(), "Ada 김");
        assert!(DisplayName::parse(&"김".repeat(64)).is_ok());
        assert_eq!(DisplayName::parse(&"x".repeat(65)), Err(InvalidDisplayName::TooLong { found: 65 }));
        assert_eq!(DisplayName::parse("a\u{7}"), Err(InvalidDisplayName::Control { found: '\u{7}' }));
    }
}
