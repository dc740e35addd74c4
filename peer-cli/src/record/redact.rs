//! Takes secrets out of what was said, so that a recording can be handed on.
//!
//! What is a secret is told by its name: passwords, tokens, credentials, cookies. Session descriptions stay: their ICE
//! passwords are good for one call only, and without them nobody could see what went wrong.

use serde_json::{Map, Value};

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "…";

/// Whether the value of a header or field with this name is nobody's business.
pub(super) fn is_secret(name: &str) -> bool {
    const EXACTLY: [&str; 5] = ["auth", "bearer", "jwt", "pwd", "resume"];
    const ANYWHERE: [&str; 9] =
        ["apikey", "authorization", "cookie", "credential", "passcode", "passwd", "password", "secret", "token"];
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    EXACTLY.contains(&name.as_str()) || ANYWHERE.iter().any(|part| name.contains(part))
}

/// A body without its secrets; as it is where it holds none.
pub(super) fn body(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return cut(text);
    };
    // Without a change the original stays, with its spaces and its order of fields.
    if json(&mut value) { value.to_string() } else { text.to_owned() }
}

/// Text that could not be taken apart ends where a secret seems to begin: where its end is, nobody knows.
pub(super) fn cut(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut rest = text;
    while let Some(start) = rest.find(is_name) {
        let from_name = &rest[start..];
        let (name, after) = from_name.split_at(from_name.find(|c: char| !is_name(c)).unwrap_or(from_name.len()));
        // Between name and value: quotes, escaped or not, and white space.
        let behind = after.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\'));
        if behind.starts_with([':', '=']) && is_secret(name) {
            return format!("{}{HIDDEN}", &text[..text.len() - after.len()]);
        }
        rest = after;
    }
    text.to_owned()
}

/// Whether something was hidden.
fn json(value: &mut Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => nested(text),
        Value::Array(values) => values.iter_mut().fold(false, |hidden, value| json(value) | hidden),
        Value::Object(fields) => object(fields),
    }
}

fn object(fields: &mut Map<String, Value>) -> bool {
    // A user name is half of a TURN login, but only a name elsewhere.
    let is_login = fields.contains_key("credential") || fields.contains_key("urls") || fields.contains_key("url");
    let mut hidden = false;
    for (name, value) in fields.iter_mut() {
        if is_secret(name) || (is_login && name == "username") {
            // `null` hides nothing, but counts, so that a second field of the name goes away with the original text.
            if !value.is_null() {
                *value = Value::String(HIDDEN.to_owned());
            }
            hidden = true;
        } else {
            hidden |= json(value);
        }
    }
    hidden
}

/// JSON inside a text of JSON.
fn nested(text: &mut String) -> bool {
    if !text.trim_start().starts_with(['{', '[']) {
        return false;
    }
    let clean = body(text);
    let hidden = clean != *text;
    *text = clean;
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in ["passcode", "Authorization", "X-Auth-Token", "credential", "resumeToken", "resume", "set-cookie"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["destination", "login", "sid", "author", "candidate", "resumed", "urls", ""] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn turn_logins_are_hidden_wherever_they_stand() {
        let text = r#"{"sid":"a","iceServers":[{"urls":["turn:h"],"username":"7:u","credential":"hunter2"}]}"#;
        let clean = body(text);
        assert!(!clean.contains("hunter2") && !clean.contains("7:u"), "{clean}");
        assert!(clean.contains("turn:h") && clean.contains(r#""sid":"a""#), "{clean}");
        let wrapped = serde_json::json!({ "payload": text }).to_string();
        assert!(!body(&wrapped).contains("hunter2"));
        assert!(!body(r#"{"token":"hunter2","token":null}"#).contains("hunter2"), "the last one of a name counts");
        assert!(!body(r#"{"secret":{"a":["hunter2"]}}"#).contains("hunter2"));
    }

    #[test]
    fn harmless_bodies_stay_as_they_were_sent() {
        for text in [
            r#"{ "type": "OFFER", "sdp": "v=0\r\na=ice-pwd:abc\r\n" }"#,
            r#"{"username":"Bob"}"#,
            "Room is full",
            "the resume token is unknown",
            "[]",
            "",
        ] {
            assert_eq!(body(text), text);
        }
    }

    #[test]
    fn what_cannot_be_taken_apart_ends_at_the_first_secret() {
        assert_eq!(cut("CONNECT\npasscode:hunter2\nhost:h"), "CONNECT\npasscode…");
        assert_eq!(cut(r#"{"a":1,"credential" : "hunter2"#), r#"{"a":1,"credential…"#);
        assert_eq!(cut(r#"{\"password\":\"hunter2\"}"#), r#"{\"password…"#);
        assert_eq!(cut("é token=hunter2"), "é token…");
        assert_eq!(cut("über alles: nichts"), "über alles: nichts");
    }
}
