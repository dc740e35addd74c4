//! What a real Spring broker said, read from `fixtures/spring-4.3-transcript.txt`; the file's head says how it is written.

/// One WebSocket message as it came, or how the connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A text message.
    Text(Vec<u8>),
    /// A binary message.
    Binary(Vec<u8>),
    /// A close frame: code and reason.
    Close(u16, String),
    /// The connection ended without a close frame. A transcript has none.
    Gone,
}

/// One step: what was done, whose socket was read, and what came there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was done, in the transcript's words.
    pub name: String,
    /// Whose socket was read, where the transcript names one.
    pub reader: Option<String>,
    /// What came, in order.
    pub received: Vec<Received>,
}

/// All steps, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// The sub-protocol of the handshake step.
    pub protocol: String,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Transcript {
    /// Reads the transcript.
    ///
    /// # Panics
    /// When a line is not what it should be: the file is ours.
    pub fn parse(text: &str) -> Self {
        let mut transcript = Self { protocol: String::new(), steps: Vec::new() };
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                let step = Step::titled(title, transcript.steps.last());
                transcript.steps.push(step);
            } else if line.starts_with('#') || line.trim().is_empty() {
                continue;
            } else if line.starts_with("handshake:") {
                let (_, after) =
                    line.split_once("sec-websocket-protocol: ").expect("the handshake names a sub-protocol");
                after.split(',').next().unwrap_or_default().trim().clone_into(&mut transcript.protocol);
            } else {
                let step = transcript.steps.last_mut().expect("a message stands below a step");
                step.received.push(parse_received(line.trim()));
            }
        }
        transcript
    }
}

impl Step {
    /// `what: whose`; a title of one letter is another socket read in the step before.
    fn titled(title: &str, before: Option<&Self>) -> Self {
        let title = title.trim();
        let (name, reader) = match (title.rsplit_once(": "), before) {
            (_, Some(before)) if title.len() == 1 => (before.name.as_str(), Some(title)),
            (Some((name, reader)), _) if reader.len() == 1 => (name, Some(reader)),
            _ => (title, None),
        };
        Self { name: name.to_owned(), reader: reader.map(str::to_owned), received: Vec::new() }
    }
}

/// `(1, b'…')` or `('CLOSE', 1009, b'…')`.
fn parse_received(line: &str) -> Received {
    let inner = line.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let inner = inner.unwrap_or_else(|| panic!("a message stands in parentheses: {line}"));
    if let Some(close) = inner.strip_prefix("'CLOSE', ") {
        let (code, reason) = close.split_once(", ").expect("a close has a code and a reason");
        let reason = String::from_utf8(unquote(reason)).expect("a reason is text");
        return Received::Close(code.parse().expect("a code is a number"), reason);
    }
    let (opcode, payload) = inner.split_once(", ").expect("a message has an opcode and a payload");
    match opcode {
        "1" => Received::Text(unquote(payload)),
        "2" => Received::Binary(unquote(payload)),
        other => panic!("opcode {other} is neither text nor binary"),
    }
}

/// Python's notation of bytes, with either quotation mark.
fn unquote(literal: &str) -> Vec<u8> {
    let quoted = literal.strip_prefix('b').unwrap_or_else(|| panic!("bytes begin with b: {literal}"));
    let mark = quoted.chars().next().expect("bytes are quoted");
    let text = quoted.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark)).expect("bytes end with their quote");
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        out.push(match chars.next() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('x') => {
                let hex: String = chars.by_ref().take(2).collect();
                u8::from_str_radix(&hex, 16).expect("two hexadecimal digits")
            }
            Some(c @ ('\\' | '\'' | '"')) => c as u8,
            other => panic!("an escape that is not known: {other:?} in {literal}"),
        });
    }
    out
}
