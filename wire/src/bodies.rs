//! The other JSON bodies: the join request, who I am, who is in the room, what the server has to say.

use serde::{Deserialize, Serialize};

use crate::ids::{DisplayName, InvalidDisplayName, RoomId, SessionId};
use crate::refusal::{Refusal, RefusalCode};

/// What a client asks for when it joins; both fields of the JSON are optional and an empty body is fine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JoinRequest {
    /// What the member wants to be called.
    pub display_name: Option<DisplayName>,
}

/// Why a join body was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidJoin {
    /// Not JSON, or a field of the wrong kind.
    #[error("a join body is empty or a JSON object with roomId and displayName, both optional: {0}")]
    Json(String),
    /// The body names another room than the destination.
    #[error("the body names room {found:?} and the destination room {expected}")]
    RoomMismatch {
        /// The room in the destination.
        expected: RoomId,
        /// The room in the body, cut at 64 characters.
        found: String,
    },
    /// The display name is not one.
    #[error("{0}")]
    DisplayName(#[from] InvalidDisplayName),
}

impl JoinRequest {
    /// Reads the body of a SEND to `/app/rooms/{room}/join`.
    pub fn parse(room: &RoomId, body: &[u8]) -> Result<Self, InvalidJoin> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            room_id: Option<String>,
            display_name: Option<String>,
        }
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(InvalidJoin::Json("this is not an object".to_owned()));
        }
        let body: Body = serde_json::from_slice(body).map_err(|e| InvalidJoin::Json(crate::signal::words(&e)))?;
        if let Some(found) = body.room_id.filter(|found| found != room.as_str()) {
            let found = found.chars().take(RoomId::MAX_LENGTH).collect();
            return Err(InvalidJoin::RoomMismatch { expected: room.clone(), found });
        }
        let display_name = body.display_name.as_deref().map(DisplayName::parse).transpose()?.flatten();
        Ok(Self { display_name })
    }

    /// The JSON body for `room`.
    pub fn to_json(&self, room: &RoomId) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            room_id: &'a RoomId,
            #[serde(skip_serializing_if = "Option::is_none")]
            display_name: Option<&'a DisplayName>,
        }
        to_json(&Body { room_id: room, display_name: self.display_name.as_ref() })
    }
}

impl From<&InvalidJoin> for Refusal {
    fn from(error: &InvalidJoin) -> Self {
        let code = match error {
            InvalidJoin::Json(_) => RefusalCode::BadBody,
            InvalidJoin::RoomMismatch { .. } => RefusalCode::RoomMismatch,
            InvalidJoin::DisplayName(_) => RefusalCode::BadDisplayName,
        };
        Self::new(code, error.to_string())
    }
}

/// One STUN or TURN server as a browser's `RTCIceServer` takes it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// The user name of a TURN login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password of a TURN login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let login = self.username.as_ref().map_or("none", |_| "***");
        f.debug_struct("IceServer").field("urls", &self.urls).field("login", &login).finish()
    }
}

/// The body of `/user/queue/me`: `{"sid":…,"roomId":…}` and fields that old clients ignore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The session id of the client that reads this.
    pub sid: String,
    /// The room it has just joined; absent in the notice of a resume token before any join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// STUN and TURN servers to use in the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_servers: Option<Vec<IceServer>>,
    /// What to present at the next CONNECT to keep session id and seats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_token: Option<String>,
    /// How media flows; absent means straight between the peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

impl Me {
    /// Reads the body; a bare session id as text is taken too, as some Spring applications send it.
    pub fn parse(body: &[u8]) -> Option<Self> {
        if let Ok(me) = serde_json::from_slice(body) {
            return Some(me);
        }
        let text = std::str::from_utf8(body).ok()?.trim().trim_matches('"');
        let sid = SessionId::parse(text).ok()?.as_str().to_owned();
        (!sid.starts_with(['{', '['])).then_some(Self {
            sid,
            room_id: None,
            ice_servers: None,
            resume_token: None,
            mode: None,
        })
    }

    /// The JSON body.
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

/// How a member list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MembersFormat {
    /// `["<sid>","<sid>"]`
    #[default]
    Ids,
    /// `[{"sid":"…","displayName":"…"}]`
    Objects,
}

/// One member of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The member's session id.
    pub sid: SessionId,
    /// What it wants to be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
}

/// The JSON body of a member list, in order of joining.
pub fn members_body(members: &[Member], format: MembersFormat) -> String {
    match format {
        MembersFormat::Ids => to_json(&members.iter().map(|m| &m.sid).collect::<Vec<_>>()),
        MembersFormat::Objects => to_json(&members),
    }
}

/// Reads a member list in any shape that servers of this kind send: ids, objects, or either below `members`.
pub fn parse_members(body: &[u8]) -> Option<Vec<SessionId>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry {
        Id(String),
        Object { sid: String },
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Bare(Vec<Entry>),
        Below { members: Vec<Entry> },
    }
    let (List::Bare(entries) | List::Below { members: entries }) = serde_json::from_slice(body).ok()?;
    entries
        .into_iter()
        .map(|entry| match entry {
            Entry::Id(sid) | Entry::Object { sid } => SessionId::parse(&sid).ok(),
        })
        .collect()
}

/// What the server told a client on `/user/queue/system`, from any server of this kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The code, from servers that send one.
    pub code: Option<String>,
    /// The sentence.
    pub message: String,
}

impl Notice {
    /// Reads the body: JSON with a `message`, or the bare text.
    pub fn parse(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            code: Option<String>,
            message: String,
        }
        match serde_json::from_slice::<Body>(body) {
            Ok(body) => Self { code: body.code, message: body.message },
            Err(_) => Self { code: None, message: String::from_utf8_lossy(body).trim().trim_matches('"').to_owned() },
        }
    }

    /// Whether it says that the room is full, by code or in words.
    pub fn is_room_full(&self) -> bool {
        self.code.as_deref() == Some("ROOM_FULL") || self.message.eq_ignore_ascii_case(Refusal::ROOM_FULL)
    }
}

/// JSON of a value whose serialisation cannot fail (no maps with other than string keys, no failing impl).
pub(crate) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> RoomId {
        RoomId::parse("r1").unwrap()
    }

    #[test]
    fn a_join_body_may_be_empty_or_partial() {
        for body in ["", " \n", "{}", r#"{"roomId":"r1"}"#, r#"{"displayName":null}"#, r#"{"displayName":""}"#] {
            assert_eq!(JoinRequest::parse(&room(), body.as_bytes()), Ok(JoinRequest::default()), "{body}");
        }
        let named = JoinRequest::parse(&room(), br#"{"roomId":"r1","displayName":"B","x":1}"#).unwrap();
        assert_eq!(named.display_name.as_ref().unwrap().as_str(), "B");
        assert_eq!(named.to_json(&room()), r#"{"roomId":"r1","displayName":"B"}"#);
    }

    #[test]
    fn a_join_body_for_another_room_is_refused() {
        let error = JoinRequest::parse(&room(), br#"{"roomId":"r2"}"#).unwrap_err();
        assert_eq!(Refusal::from(&error).code, RefusalCode::RoomMismatch);
        let error = JoinRequest::parse(&room(), b"nope").unwrap_err();
        assert_eq!(Refusal::from(&error).code, RefusalCode::BadBody);
        let error = JoinRequest::parse(&room(), br#"{"displayName":"a\u0000"}"#).unwrap_err();
        assert_eq!(Refusal::from(&error).code, RefusalCode::BadDisplayName);
    }

    #[test]
    fn members_read_back_in_every_shape() {
        let members: Vec<_> =
            ["a", "b"].map(|sid| Member { sid: SessionId::parse(sid).unwrap(), display_name: None }).into();
        assert_eq!(members_body(&members, MembersFormat::Ids), r#"["a","b"]"#);
        assert_eq!(members_body(&members, MembersFormat::Objects), r#"[{"sid":"a"},{"sid":"b"}]"#);
        for body in [r#"["a","b"]"#, r#"[{"sid":"a"},{"sid":"b","displayName":"B"}]"#, r#"{"members":["a","b"]}"#] {
            let ids = parse_members(body.as_bytes()).unwrap();
            assert_eq!(ids.iter().map(SessionId::as_str).collect::<Vec<_>>(), ["a", "b"]);
        }
        assert_eq!(parse_members(b"nope"), None);
    }

    #[test]
    fn who_i_am_may_be_json_or_bare_text() {
        let full = Me::parse(br#"{"sid":"a","roomId":"r1","new":true}"#).unwrap();
        assert_eq!((full.sid.as_str(), full.room_id.as_deref()), ("a", Some("r1")));
        assert_eq!(full.to_json(), r#"{"sid":"a","roomId":"r1"}"#);
        assert_eq!(Me::parse(b"abc-1").unwrap().sid, "abc-1");
        assert_eq!(Me::parse(b"{broken"), None);
    }

    #[test]
    fn a_full_room_is_understood_in_json_and_in_text() {
        for body in [r#"{"message":"Room is full"}"#, "Room is full", r#"{"code":"ROOM_FULL","message":"voll"}"#] {
            assert!(Notice::parse(body.as_bytes()).is_room_full(), "{body}");
        }
        assert!(!Notice::parse(b"something else").is_room_full());
    }

    #[test]
    fn a_turn_password_does_not_show_in_debug_output() {
        let server =
            IceServer { urls: vec!["turn:h".into()], username: Some("u".into()), credential: Some("hunter2".into()) };
        assert!(!format!("{server:?}").contains("hunter2"));
    }
}
