//! The three versions of STOMP and how client and server agree on one.

use std::fmt;

/// A version of STOMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// STOMP 1.0: no escapes, no heart-beats.
    V1_0,
    /// STOMP 1.1: escapes `\n`, `\c`, `\\`.
    V1_1,
    /// STOMP 1.2: the escape `\r` as well.
    V1_2,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::V1_0, Self::V1_1, Self::V1_2];

    /// The number in `accept-version` and `version`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// The name of the WebSocket sub-protocol.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::V1_0 => "v10.stomp",
            Self::V1_1 => "v11.stomp",
            Self::V1_2 => "v12.stomp",
        }
    }

    /// Reads a version number.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The highest version in an `accept-version` header that we speak; no header means 1.0 (STOMP 1.2, "Protocol
/// Negotiation"). `None`: the client speaks none of ours.
pub fn negotiate(accept_version: Option<&str>) -> Option<Version> {
    match accept_version {
        None => Some(Version::V1_0),
        Some(list) => list.split(',').filter_map(|v| Version::parse(v.trim())).max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_wins() {
        for (offer, expected) in [
            (None, Some(Version::V1_0)),
            (Some("1.0,1.1"), Some(Version::V1_1)),
            (Some("1.2, 1.1"), Some(Version::V1_2)),
            (Some("2.0,1.1"), Some(Version::V1_1)),
            (Some("2.0"), None),
            (Some(""), None),
        ] {
            assert_eq!(negotiate(offer), expected, "{offer:?}");
        }
    }
}
