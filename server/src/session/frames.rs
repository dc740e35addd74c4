//! The frames of the server, written.

use dialtone_wire::stomp::{Command, FrameWriter, HeartBeat};
use dialtone_wire::{Refusal, RefusalCode, SessionId, Topic};

use super::{Now, Output, Payload, Session};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain;charset=UTF-8";
const SERVER: &str = concat!("dialtone/", env!("CARGO_PKG_VERSION"));

impl Session {
    pub(super) fn connected(&mut self, now: Now, sid: &SessionId, heart_beat: HeartBeat) {
        let mut out = Vec::with_capacity(128);
        let mut frame = FrameWriter::new(&mut out, Command::Connected, self.version);
        frame.header("version", self.version.as_str());
        frame.header("heart-beat", &heart_beat.to_string());
        frame.header("session", sid.as_str());
        frame.header("server", SERVER);
        frame.finish();
        self.transmit(now, payload(out));
    }

    /// One MESSAGE for every subscription to `topic`.
    pub(super) fn message(&mut self, now: Now, topic: &Topic, from: Option<&SessionId>, body: &[u8]) {
        self.message_of(now, topic, JSON, from, body);
    }

    /// A refusal or notice. As with Spring, nobody hears of it where spring behaviour is wanted, but that a room is full.
    pub(super) fn refuse(&mut self, now: Now, refusal: &Refusal) {
        tracing::debug!(code = ?refusal.code, why = %refusal.message, "refused");
        if !self.settings.config.spring {
            self.message_of(now, &Topic::System, JSON, None, refusal.to_json().as_bytes());
        } else if refusal.code == RefusalCode::RoomFull {
            self.message_of(now, &Topic::System, TEXT, None, refusal.message.as_bytes());
        }
    }

    pub(super) fn receipt(&mut self, now: Now, receipt: Option<&str>) {
        let Some(receipt) = receipt else { return };
        let mut out = Vec::with_capacity(32 + receipt.len());
        let mut frame = FrameWriter::new(&mut out, Command::Receipt, self.version);
        frame.header("receipt-id", receipt);
        frame.finish();
        self.transmit(now, payload(out));
    }

    /// ERROR, then the end of the connection.
    pub(super) fn fail(&mut self, now: Now, message: &str, receipt: Option<&str>, versions: bool) {
        tracing::debug!(why = message, "broken STOMP");
        let mut out = Vec::with_capacity(128);
        let mut frame = FrameWriter::new(&mut out, Command::Error, self.version);
        frame.header("message", message);
        if versions {
            frame.header("version", "1.0,1.1,1.2");
        }
        if let Some(receipt) = receipt {
            frame.header("receipt-id", receipt);
        }
        frame.finish_with_body(b"");
        self.transmit(now, payload(out));
        self.close(1002, "protocol error");
    }

    pub(super) fn transmit(&mut self, now: Now, payload: Payload) {
        self.said = now.mono;
        self.unwritten += payload.len();
        self.outputs.push_back(Output::Transmit(payload));
    }

    fn message_of(&mut self, now: Now, topic: &Topic, content_type: &str, from: Option<&SessionId>, body: &[u8]) {
        let Some(sid) = &self.sid else { return };
        let destination = topic.to_string();
        for (id, _) in self.subscriptions.iter().filter(|(_, t)| *t == topic) {
            let mut out = Vec::with_capacity(256 + destination.len() + body.len());
            let mut frame = FrameWriter::new(&mut out, Command::Message, self.version);
            frame.header("destination", &destination);
            frame.header("content-type", content_type);
            if let Some(from) = from {
                frame.header("sid", from.as_str());
            }
            frame.header("subscription", id);
            frame.header("message-id", &format!("{sid}-{}", self.message_number));
            frame.finish_with_body(body);
            self.message_number += 1;
            self.said = now.mono;
            self.unwritten += out.len();
            self.outputs.push_back(Output::Transmit(payload(out)));
        }
    }
}

fn payload(bytes: Vec<u8>) -> Payload {
    String::from_utf8(bytes).map_or_else(|error| Payload::Binary(error.into_bytes()), Payload::Text)
}
