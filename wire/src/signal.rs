//! The signal of a call: OFFER, ANSWER, CANDIDATE, READY, LEAVE.
//!
//! A server [judges](judge) a body and relays its bytes untouched, so fields that nobody here knows survive.
//! A client reads the whole [`SignalMessage`], with the candidate nested or flat.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// The largest signal body that is judged, in bytes; the frame limit normally cuts earlier.
pub const MAX_BODY: usize = 64 * 1024;

/// READY as a typed Spring application writes it.
pub const READY_BODY: &str = r#"{"type":"READY","sid":null,"sdp":null,"candidate":null}"#;

/// What a signal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SignalType {
    /// A session description that starts a negotiation (RFC 9429).
    Offer,
    /// The description that answers an offer.
    Answer,
    /// One ICE candidate, or the end of them.
    Candidate,
    /// From the server: the room has two members, calling may begin.
    Ready,
    /// A member has gone.
    Leave,
}

/// What a server needs to know of a signal before it relays the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged<'a> {
    /// The kind of signal.
    pub kind: SignalType,
    /// The label that the client gave itself, if any.
    pub sid: Option<Cow<'a, str>>,
}

/// Why a body is not a signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSignal {
    /// Not JSON, not an object, or a known field of the wrong kind.
    #[error("a signal is a JSON object with a type of OFFER, ANSWER, CANDIDATE, READY or LEAVE: {0}")]
    Json(String),
    /// An OFFER or ANSWER without the text of a description.
    #[error("{0:?} needs the text of a session description in sdp")]
    NoSdp(SignalType),
    /// A CANDIDATE without a `candidate` field.
    #[error(
        "CANDIDATE needs a candidate, as an object or as a string beside sdpMid and sdpMLineIndex; null ends the candidates"
    )]
    NoCandidate,
}

/// Reads what a server must know of `body`, without copying the description.
pub fn judge(body: &[u8]) -> Result<Judged<'_>, InvalidSignal> {
    #[derive(Deserialize)]
    struct Head<'a> {
        r#type: SignalType,
        #[serde(borrow, default)]
        sid: Label<'a>,
        #[serde(default)]
        sdp: Present,
        #[serde(default)]
        candidate: Present,
    }
    // A sequence of the right values would pass for a struct, too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(InvalidSignal::Json("this is not an object".to_owned()));
    }
    let head: Head<'_> = serde_json::from_slice(body).map_err(|e| InvalidSignal::Json(words(&e)))?;
    match head.r#type {
        SignalType::Offer | SignalType::Answer if head.sdp != Present::Text => {
            return Err(InvalidSignal::NoSdp(head.r#type));
        }
        SignalType::Candidate if head.candidate == Present::No => return Err(InvalidSignal::NoCandidate),
        SignalType::Offer | SignalType::Answer | SignalType::Candidate | SignalType::Ready | SignalType::Leave => {}
    }
    Ok(Judged { kind: head.r#type, sid: head.sid.0 })
}

/// LEAVE as the server sends it when a member has gone.
pub fn leave_body(sid: &crate::SessionId) -> String {
    #[derive(Serialize)]
    struct Leave<'a> {
        r#type: SignalType,
        sid: &'a crate::SessionId,
    }
    crate::bodies::to_json(&Leave { r#type: SignalType::Leave, sid })
}

/// One ICE candidate as browsers write it (`RTCIceCandidateInit`); an empty `candidate` ends the candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The candidate attribute, `candidate:… typ host …`.
    pub candidate: String,
    /// The media stream identification tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The index of the media description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_m_line_index: Option<u16>,
}

/// A whole signal as a client reads and writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalMessage {
    /// The kind of signal.
    pub kind: SignalType,
    /// The label the sender gave itself; not proof of anything.
    pub sid: Option<String>,
    /// The session description of an OFFER or ANSWER.
    pub sdp: Option<String>,
    /// The candidate of a CANDIDATE; `None` there ends the candidates.
    pub candidate: Option<Candidate>,
}

impl SignalMessage {
    /// A signal that carries a description.
    pub fn description(kind: SignalType, sid: &str, sdp: String) -> Self {
        Self { kind, sid: Some(sid.to_owned()), sdp: Some(sdp), candidate: None }
    }

    /// A signal that carries a candidate.
    pub fn candidate(sid: &str, candidate: Candidate) -> Self {
        Self { kind: SignalType::Candidate, sid: Some(sid.to_owned()), sdp: None, candidate: Some(candidate) }
    }

    /// Reads a body, with the candidate nested or flat.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidSignal> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            Nested(Candidate),
            Flat(String),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            r#type: SignalType,
            sid: Option<serde_json::Value>,
            sdp: Option<String>,
            candidate: Option<Shape>,
            sdp_mid: Option<String>,
            sdp_m_line_index: Option<u16>,
        }
        judge(body)?;
        let body: Body = serde_json::from_slice(body).map_err(|e| InvalidSignal::Json(words(&e)))?;
        let candidate = body.candidate.map(|shape| match shape {
            Shape::Nested(candidate) => candidate,
            Shape::Flat(candidate) => {
                Candidate { candidate, sdp_mid: body.sdp_mid, sdp_m_line_index: body.sdp_m_line_index }
            }
        });
        let sid = body.sid.as_ref().and_then(serde_json::Value::as_str).map(str::to_owned);
        Ok(Self { kind: body.r#type, sid, sdp: body.sdp, candidate })
    }

    /// The JSON body, with the candidate nested.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: SignalType,
            #[serde(skip_serializing_if = "Option::is_none")]
            sid: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            sdp: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            candidate: Option<Option<&'a Candidate>>,
        }
        crate::bodies::to_json(&Body {
            r#type: self.kind,
            sid: self.sid.as_deref(),
            sdp: self.sdp.as_deref(),
            candidate: (self.kind == SignalType::Candidate).then_some(self.candidate.as_ref()),
        })
    }
}

/// What the JSON library says, without the pages of input that it may quote.
pub(crate) fn words(error: &serde_json::Error) -> String {
    error.to_string().chars().take(200).collect()
}

/// The label that a client gave itself. Clients put anything there; only text can be a session id.
#[derive(Default)]
struct Label<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Label<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Label<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Label<'de>, E> {
                Ok(Label(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Label<'de>, E> {
                Ok(Label(Some(Cow::Owned(text.to_owned()))))
            }

            fn visit_unit<E>(self) -> Result<Label<'de>, E> {
                Ok(Label(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Label<'de>, E> {
                Ok(Label(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Label<'de>, E> {
                Ok(Label(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Label<'de>, E> {
                Ok(Label(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Label<'de>, E> {
                Ok(Label(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Label<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Label(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Label<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Label(None))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// Whether a field was there, and as what: enough for a judge that copies nothing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Present {
    #[default]
    No,
    Null,
    Text,
    Object,
}

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Present;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, an object or null")
            }

            fn visit_str<E>(self, _: &str) -> Result<Present, E> {
                Ok(Present::Text)
            }

            fn visit_unit<E>(self) -> Result<Present, E> {
                Ok(Present::Null)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Present, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Present::Object)
            }
        }
        deserializer.deserialize_any(Look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_does_not_disturb_the_judge() {
        let judged = judge(br#"{"type":"OFFER","sid":"A","sdp":"v=0\r\n","extra":[1,{"a":2}]}"#).unwrap();
        assert_eq!(judged, Judged { kind: SignalType::Offer, sid: Some("A".into()) });
    }

    #[test]
    fn an_offer_without_sdp_and_a_candidate_without_candidate_are_told() {
        assert_eq!(judge(br#"{"type":"OFFER"}"#), Err(InvalidSignal::NoSdp(SignalType::Offer)));
        assert_eq!(judge(br#"{"type":"ANSWER","sdp":null}"#), Err(InvalidSignal::NoSdp(SignalType::Answer)));
        assert_eq!(judge(br#"{"type":"ANSWER","sdp":{}}"#), Err(InvalidSignal::NoSdp(SignalType::Answer)));
        assert_eq!(judge(br#"{"type":"CANDIDATE"}"#), Err(InvalidSignal::NoCandidate));
        assert!(judge(br#"{"type":"CANDIDATE","candidate":null}"#).is_ok());
    }

    #[test]
    fn what_is_not_a_signal_is_refused_with_the_place() {
        for bad in [
            &b"hello"[..],
            b"[]",
            b"",
            b"{}",
            br#"{"type":"X"}"#,
            br#"{"type":1}"#,
            b"{\"type\":\"OFFER\"",
            b"\xff\xfe",
        ] {
            assert!(matches!(judge(bad), Err(InvalidSignal::Json(_))), "{bad:?}");
        }
        let quoted = format!(r#"{{"type":"{}"}}"#, "x".repeat(60_000));
        assert!(judge(quoted.as_bytes()).unwrap_err().to_string().len() < 400, "a refusal is not a mirror");
        assert!(judge(br#"["OFFER",null,"v=0",null]"#).is_err(), "a sequence is no object");
    }

    #[test]
    fn a_label_may_be_anything_and_only_text_can_name_a_member() {
        for (sid, expected) in [
            ("5", None),
            ("null", None),
            ("true", None),
            ("-1.5", None),
            ("[1,{}]", None),
            (r#"{"a":[]}"#, None),
            (r#""a\u0062""#, Some("ab")),
        ] {
            let body = format!(r#"{{"type":"OFFER","sid":{sid},"sdp":"v=0"}}"#);
            assert_eq!(judge(body.as_bytes()).unwrap().sid.as_deref(), expected, "{sid}");
            assert_eq!(SignalMessage::parse(body.as_bytes()).unwrap().sid.as_deref(), expected, "{sid}");
        }
    }

    #[test]
    fn nested_and_flat_candidates_read_the_same() {
        let nested = SignalMessage::parse(
            br#"{"type":"CANDIDATE","sid":"a","candidate":{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"x"}}"#,
        );
        let flat = SignalMessage::parse(
            br#"{"type":"CANDIDATE","sid":"a","candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0}"#,
        );
        assert_eq!(nested, flat);
        assert_eq!(nested.unwrap().candidate.unwrap().sdp_m_line_index, Some(0));
    }

    #[test]
    fn a_written_signal_reads_back() {
        let candidate = Candidate { candidate: "candidate:1".into(), sdp_mid: None, sdp_m_line_index: Some(0) };
        for message in [
            SignalMessage::description(SignalType::Offer, "a", "v=0\r\n".into()),
            SignalMessage::candidate("a", candidate),
            SignalMessage { kind: SignalType::Candidate, sid: None, sdp: None, candidate: None },
            SignalMessage { kind: SignalType::Leave, sid: Some("b".into()), sdp: None, candidate: None },
        ] {
            assert_eq!(SignalMessage::parse(message.to_json().as_bytes()).unwrap(), message);
        }
    }

    #[test]
    fn ready_and_leave_have_their_exact_bytes() {
        assert_eq!(READY_BODY.len(), 55);
        assert_eq!(judge(READY_BODY.as_bytes()).unwrap().kind, SignalType::Ready);
        let sid = crate::SessionId::parse("s1").unwrap();
        assert_eq!(leave_body(&sid), r#"{"type":"LEAVE","sid":"s1"}"#);
    }
}
