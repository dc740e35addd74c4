//! The signaling as JSON, one object a line.

use std::time::Duration;

use bytes::Bytes;
use dialtone_wire::stomp::{Command, Decoded, Decoder, Frame, Limits, Version};
use serde::Serialize;
use serde_json::{Map, Value};

use super::redact;

/// Turns STOMP texts into lines.
#[derive(Debug)]
pub(super) struct Talk {
    /// Settled by CONNECTED; how header values are escaped hangs on it.
    version: Version,
}

/// Larger than what any server sends, and still an end.
const LIMITS: Limits = Limits { frame: 1 << 20, headers: 256 };

/// Put behind a text: it comes out whole if and only if the text did.
const END: &[u8] = b"RECEIPT\nreceipt-id:dialtone-end-of-text\n\n\0";
const END_ID: &str = "dialtone-end-of-text";

/// The fields of a line that is a frame, in their order.
#[derive(Serialize)]
struct FrameLine<'a> {
    at_ms: f64,
    sent: bool,
    frame: &'a str,
    headers: Map<String, Value>,
    body: String,
}

/// The fields of any other line.
#[derive(Serialize)]
struct RawLine {
    at_ms: f64,
    sent: bool,
    raw: String,
}

impl Talk {
    pub(super) fn new() -> Self {
        Self { version: Version::V1_2 }
    }

    /// The lines for one text, each with its line end: one per frame, or one for a heart-beat, or the text itself where
    /// it is no STOMP. Secrets are left out.
    pub(super) fn lines(&mut self, at: Duration, sent: bool, text: &[u8]) -> Vec<u8> {
        let at_ms = at.as_micros() as f64 / 1000.0;
        let mut out = Vec::new();
        let mut put = |line: Option<Vec<u8>>| {
            if let Some(line) = line {
                out.extend_from_slice(&line);
                out.push(b'\n');
            }
        };
        match self.frames(text) {
            Some(frames) if frames.is_empty() => {
                put(json(&FrameLine { at_ms, sent, frame: "HEART-BEAT", headers: Map::new(), body: String::new() }))
            }
            Some(frames) => {
                for frame in frames {
                    put(json(&FrameLine {
                        at_ms,
                        sent,
                        frame: frame.command.as_str(),
                        headers: headers(&frame),
                        body: redact::body(&String::from_utf8_lossy(&frame.body)),
                    }));
                }
            }
            None => put(json(&RawLine { at_ms, sent, raw: redact::cut(&String::from_utf8_lossy(text)) })),
        }
        out
    }

    /// The frames of a text; `None` when it is not whole frames and heart-beats from end to end.
    fn frames(&mut self, text: &[u8]) -> Option<Vec<Frame>> {
        let mut decoder = Decoder::new(LIMITS);
        decoder.set_version(self.version);
        decoder.push(Bytes::from([text, END].concat()));
        let mut frames = Vec::new();
        while let Some(decoded) = decoder.next_frame().ok()? {
            match decoded {
                Decoded::Frame(frame) => frames.push(frame),
                Decoded::HeartBeat => {}
            }
        }
        let last = frames.pop()?;
        if last.command != Command::Receipt || last.headers.get("receipt-id") != Some(END_ID) {
            return None;
        }
        frames.iter().for_each(|frame| self.learn(frame));
        Some(frames)
    }

    fn learn(&mut self, frame: &Frame) {
        if frame.command == Command::Connected {
            // STOMP 1.0 had no header for it.
            self.version =
                frame.headers.get("version").map_or(Some(Version::V1_0), Version::parse).unwrap_or(self.version);
        }
    }
}

/// Of repeated headers the first one counts (STOMP 1.2, "Repeated Header Entries").
fn headers(frame: &Frame) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in frame.headers.iter() {
        let value = if redact::is_secret(name) { redact::HIDDEN } else { value };
        map.entry(name).or_insert_with(|| Value::String(value.to_owned()));
    }
    map
}

/// `None` never happens: these lines have text keys and finite numbers.
fn json(line: &impl Serialize) -> Option<Vec<u8>> {
    serde_json::to_vec(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(talk: &mut Talk, text: &str) -> Vec<String> {
        let bytes = talk.lines(Duration::from_micros(12_300), true, text.as_bytes());
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    fn line(text: &str) -> String {
        let mut lines = lines(&mut Talk::new(), text);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    #[test]
    fn a_frame_becomes_a_line() {
        let expected = r#"{"at_ms":12.3,"sent":true,"frame":"SEND","headers":{"destination":"/app/x"},"body":"hi"}"#;
        assert_eq!(line("SEND\ndestination:/app/x\n\nhi\0"), expected);
        assert_eq!(line("SEND\ndestination:/app/x\n\nhi\0\n"), expected);
        let expected = r#"{"at_ms":12.3,"sent":true,"frame":"HEART-BEAT","headers":{},"body":""}"#;
        assert_eq!(line("\n"), expected);
    }

    #[test]
    fn several_frames_in_one_text_become_several_lines() {
        let both = lines(&mut Talk::new(), "RECEIPT\nreceipt-id:1\n\n\0RECEIPT\nreceipt-id:2\n\n\0");
        assert_eq!(both.len(), 2);
        assert!(both[1].contains(r#""receipt-id":"2""#));
    }

    #[test]
    fn what_is_not_stomp_stays_raw() {
        assert_eq!(line("hello"), r#"{"at_ms":12.3,"sent":true,"raw":"hello"}"#);
        assert!(line("SEND\ndestination:/a\n\ncut off").contains(r#""raw":"SEND\n"#));
        assert!(line("SEND\ndestination:/a").contains(r#""raw":"SEND\n"#));
        assert!(line("\n\nSEND\ndestin").contains(r#""raw":"\n\nSEND\n"#));
    }

    #[test]
    fn secrets_are_left_out() {
        let texts = [
            "CONNECT\naccept-version:1.2\nhost:h\nlogin:bob\npasscode:hunter2\n\n\0",
            "CONNECT\nhost:h\nAuthorization:Bearer hunter2\n\n\0",
            "CONNECT\nhost:h\npasscode:hunter2\n",
            "MESSAGE\ndestination:/user/queue/me\nsubscription:1\nmessage-id:1\n\n\
             {\"sid\":\"a\",\"resumeToken\":\"hunter2\",\"iceServers\":[{\"urls\":[\"turn:h\"],\"credential\":\"hunter2\"}]}\0",
            "MESSAGE\ndestination:/user/queue/ice\nsubscription:1\nmessage-id:1\n\n[{\"credential\":\"hunter2\"}]\0",
            "MESSAGE\ndestination:/user/queue/ice\nsubscription:1\nmessage-id:1\n\n[{\"credential\":\"hunter2\"",
        ];
        for text in texts {
            let line = line(text);
            assert!(!line.contains("hunter2") && line.contains('…'), "{line}");
        }
    }

    #[test]
    fn escapes_follow_the_version_of_the_session() {
        let mut talk = Talk::new();
        assert!(lines(&mut talk, "MESSAGE\na:x\\cy\n\n\0")[0].contains(r#""a":"x:y""#));
        lines(&mut talk, "CONNECTED\n\n\0");
        assert!(lines(&mut talk, "MESSAGE\na:x\\cy\n\n\0")[0].contains(r#""a":"x\\cy""#));
    }
}
