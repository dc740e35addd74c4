//! Writing frames straight into a buffer, escaped as command and version demand.

use super::frame::Command;
use super::version::Version;

/// Writes one frame: first the headers in order, then one of the `finish` methods.
///
/// ```
/// use dialtone_wire::stomp::{Command, FrameWriter, Version};
/// let mut out = Vec::new();
/// let mut writer = FrameWriter::new(&mut out, Command::Receipt, Version::V1_2);
/// writer.header("receipt-id", "a:b");
/// writer.finish();
/// assert_eq!(out, b"RECEIPT\nreceipt-id:a\\cb\n\n\0");
/// ```
#[derive(Debug)]
pub struct FrameWriter<'a> {
    out: &'a mut Vec<u8>,
    escape: bool,
}

impl<'a> FrameWriter<'a> {
    /// Starts a frame at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>, command: Command, version: Version) -> Self {
        out.extend_from_slice(command.as_str().as_bytes());
        out.push(b'\n');
        Self { out, escape: command.escapes(version) }
    }

    /// Adds a header. Where the frame knows no escapes, a line break or NUL in it becomes a space: it cannot be said.
    pub fn header(&mut self, name: &str, value: &str) {
        self.text(name, true);
        self.out.push(b':');
        self.text(value, false);
        self.out.push(b'\n');
    }

    /// Adds a header with a number.
    pub fn number(&mut self, name: &str, value: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = value;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.text(name, true);
        self.out.push(b':');
        self.out.extend_from_slice(&digits[at..]);
        self.out.push(b'\n');
    }

    /// Ends a frame without a body.
    pub fn finish(self) {
        self.out.extend_from_slice(b"\n\0");
    }

    /// Ends a frame with `content-length` and a body.
    pub fn finish_with_body(mut self, body: &[u8]) {
        self.number("content-length", body.len() as u64);
        self.finish_raw(body);
    }

    /// Ends a frame with a body whose `content-length` stands among the headers already, or is left out on purpose.
    pub fn finish_raw(self, body: &[u8]) {
        self.out.push(b'\n');
        self.out.extend_from_slice(body);
        self.out.push(0);
    }

    fn text(&mut self, text: &str, is_name: bool) {
        let special = |b: &u8| matches!(b, b'\\' | b'\r' | b'\n' | b':' | 0);
        if !text.bytes().any(|b| special(&b)) {
            self.out.extend_from_slice(text.as_bytes());
            return;
        }
        for byte in text.bytes() {
            match (byte, self.escape) {
                (b'\\', true) => self.out.extend_from_slice(b"\\\\"),
                (b'\r', true) => self.out.extend_from_slice(b"\\r"),
                (b'\n', true) => self.out.extend_from_slice(b"\\n"),
                (b':', true) => self.out.extend_from_slice(b"\\c"),
                (0 | b'\r' | b'\n', _) => self.out.push(b' '),
                (b':', false) if is_name => self.out.push(b' '),
                (other, _) => self.out.push(other),
            }
        }
    }
}
