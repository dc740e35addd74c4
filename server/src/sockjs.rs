//! The frames of SockJS' WebSocket transport: `o`, `h`, `a[…]`, `c[…]` out, arrays of strings in.

use serde::Deserialize;

/// The first frame.
pub(crate) const OPEN: &str = "o";

/// The heart-beat frame.
pub(crate) const HEART_BEAT: &str = "h";

/// What a client sent is not an array of strings, nor one string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One message to the client.
pub(crate) fn message(text: &str) -> String {
    format!("a{}", serde_json::Value::from(vec![text]))
}

/// The end, with the code and reason of a WebSocket close.
pub(crate) fn close(code: u16, reason: &str) -> String {
    format!("c{}", serde_json::Value::from(vec![serde_json::Value::from(code), reason.into()]))
}

/// The messages in what a client sent; an empty text has none.
pub(crate) fn parse(text: &str) -> Result<Vec<String>, Malformed> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Sent {
        Many(Vec<String>),
        One(String),
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    match serde_json::from_str(text) {
        Ok(Sent::Many(messages)) => Ok(messages),
        Ok(Sent::One(message)) => Ok(vec![message]),
        Err(_) => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_spelled_as_sockjs_wants_them() {
        assert_eq!(message("CONNECTED\n\n\0"), "a[\"CONNECTED\\n\\n\\u0000\"]");
        assert_eq!(close(1002, "no \"STOMP\""), r#"c[1002,"no \"STOMP\""]"#);
    }

    #[test]
    fn what_a_client_sends_is_an_array_or_a_string() {
        assert_eq!(parse(r#"["a","b\u0000"]"#), Ok(vec!["a".to_owned(), "b\0".to_owned()]));
        assert_eq!(parse(r#""a""#), Ok(vec!["a".to_owned()]));
        assert_eq!(parse(""), Ok(vec![]));
        assert_eq!(parse("CONNECT\n\n\0"), Err(Malformed));
        assert_eq!(parse("[1]"), Err(Malformed));
    }
}
