//! What the server says, and what is asked of it in answer.

use std::time::Instant;

use bytes::Bytes;
use dialtone_wire::bodies::{Me, Notice, parse_members};
use dialtone_wire::signal::{SignalMessage, SignalType};
use dialtone_wire::stomp::{Command, Frame, MessageFrame, ServerFrame};
use dialtone_wire::{SendDestination, SessionId, Topic};

use super::{Conversation, ConversationError, HEART_BEAT, JOIN_AGAIN, Output, Stage, json_frame};
use crate::call::{DescriptionKind, FromServer, Signal};

impl Conversation {
    pub(super) fn frame(&mut self, now: Instant, frame: ServerFrame) {
        match frame {
            ServerFrame::Connected(connected) => {
                self.version = connected.version;
                self.decoder.set_version(connected.version);
                let send = HEART_BEAT.send_interval(connected.heart_beat);
                let expect = HEART_BEAT.expect_interval(connected.heart_beat);
                // Sent at half the promised interval, so that a busy moment does not break the promise.
                self.heart_beat.send = send.map(|interval| (interval / 2, now + interval / 2));
                self.heart_beat.expect = expect.map(|interval| (interval, now + interval * 3));
                let server = connected.server;
                self.outputs.push_back(Output::Connected { version: connected.version, server });
                self.subscribe();
                self.stage = Stage::Joining;
                self.join(now);
            }
            ServerFrame::Message(message) => self.message(message),
            ServerFrame::Receipt { .. } if self.stage == Stage::Leaving => self.outputs.push_back(Output::Done),
            ServerFrame::Receipt { .. } => {}
            ServerFrame::Error(error) => {
                // A resume token that the server calls an error is not worth a second try.
                self.resume = None;
                let body = String::from_utf8_lossy(&error.body);
                let words = [error.message.as_str(), body.trim()].join(" ").trim().to_owned();
                self.broken(match self.stage {
                    Stage::Connecting => ConversationError::LoginRefused(words),
                    Stage::Joining => ConversationError::JoinRefused(words),
                    Stage::Disconnected | Stage::Joined | Stage::Leaving => ConversationError::Refused(words),
                });
            }
        }
    }

    fn subscribe(&mut self) {
        let room = &self.room;
        let topics = [Topic::Me, Topic::System, Topic::Members(room.clone()), Topic::Signal(room.clone())];
        for (id, topic) in topics.iter().enumerate() {
            let frame = Frame::new(Command::Subscribe)
                .header("id", &format!("sub-{id}"))
                .header("destination", &topic.to_string());
            self.transmit(&frame);
        }
    }

    pub(super) fn join(&mut self, now: Instant) {
        self.deadline = Some(now + JOIN_AGAIN);
        let destination = SendDestination::Join(self.room.clone());
        self.transmit(&json_frame(&destination, self.join.to_json(&self.room)));
    }

    fn message(&mut self, message: MessageFrame) {
        let Ok(topic) = Topic::parse(&message.destination) else {
            tracing::debug!(destination = %message.destination, "a message from a place that was not subscribed to");
            return;
        };
        match topic {
            Topic::Me => self.told_who_i_am(&message.body),
            Topic::System => {
                let notice = Notice::parse(&message.body);
                let room_full = notice.is_room_full();
                // A refused join is not repeated by the clock; the call decides.
                // One that is refused in mid-call, since the old seat still counts, is: nobody else would try again.
                if self.stage == Stage::Joining && !self.joined_before {
                    self.deadline = None;
                }
                let event = match notice.code.as_deref() {
                    // A lost seat or a server that goes away is no refusal of anything the call asked for.
                    Some("RESUME_REFUSED" | "GOING_AWAY") => return,
                    _ => FromServer::Refused { room_full, message: notice.message },
                };
                self.outputs.push_back(Output::Event(event));
            }
            Topic::Members(_) => match parse_members(&message.body) {
                Some(members) => self.outputs.push_back(Output::Event(FromServer::Members(members))),
                None => tracing::warn!("a member list that cannot be read was left aside"),
            },
            Topic::Signal(_) => self.signal(&message),
        }
    }

    fn told_who_i_am(&mut self, body: &Bytes) {
        let me = Me::parse(body).and_then(|me| Some((SessionId::parse(&me.sid).ok()?, me)));
        let Some((sid, me)) = me else {
            tracing::warn!("the server's word on who we are cannot be read; it was left aside");
            return;
        };
        self.resume = me.resume_token.or_else(|| self.resume.take());
        if let Some(servers) = me.ice_servers {
            self.outputs.push_back(Output::IceServers(servers));
        }
        let first = self.stage == Stage::Joining;
        if first {
            self.stage = Stage::Joined;
            self.loss_told = false;
            self.deadline = None;
            if self.joined_before {
                self.outputs.push_back(Output::Event(FromServer::Back));
            }
        }
        self.me = Some(sid.clone());
        self.outputs.push_back(Output::Event(FromServer::Me(sid)));
        if first {
            for signal in std::mem::take(&mut self.kept) {
                self.send(signal);
            }
        }
    }

    fn signal(&mut self, message: &MessageFrame) {
        let signal = match SignalMessage::parse(&message.body) {
            Ok(signal) => signal,
            Err(error) => {
                tracing::warn!(%error, "a signal that cannot be read was left aside");
                return;
            }
        };
        // The header is the server's proof of the sender; without one the label in the body has to do.
        let from = message.sid.as_deref().or(signal.sid.as_deref()).and_then(|sid| SessionId::parse(sid).ok());
        let description = |kind, sdp: Option<String>| FromServer::Signal {
            from: from.clone(),
            signal: Signal::Description { kind, sdp: sdp.unwrap_or_default() },
        };
        let event = match signal.kind {
            SignalType::Ready => FromServer::Ready,
            SignalType::Leave => FromServer::Leave(from),
            SignalType::Offer => description(DescriptionKind::Offer, signal.sdp),
            SignalType::Answer => description(DescriptionKind::Answer, signal.sdp),
            SignalType::Candidate => FromServer::Signal { from, signal: Signal::Candidate(signal.candidate) },
        };
        self.outputs.push_back(Output::Event(event));
    }
}
