//! What each frame of a client does.

use std::time::Duration;

use bytes::Bytes;
use dialtone_wire::bodies::{JoinRequest, Me};
use dialtone_wire::signal::{SignalType, judge};
use dialtone_wire::stomp::{ClientFrame, Connect, Frame, HeartBeat, SendFrame};
use dialtone_wire::{Refusal, RefusalCode, RoomId, SendDestination, SessionId, Topic};

use super::{Now, Pending, Phase, Request, Session};
use crate::backplane::Rejection;
use crate::events::Denied;
use crate::resume::Ask;
use crate::topics::Kind;

/// The longest subscription id in bytes.
const MAX_SUBSCRIPTION_ID: usize = 128;
/// The most subscriptions of a session to one destination: each one is a copy of every message.
const MOST_COPIES: usize = 4;
/// How often a client is told that it is too fast.
const TOO_FAST_AGAIN: Duration = Duration::from_secs(1);

impl Session {
    pub(super) fn handle_frame(&mut self, now: Now, frame: Frame) {
        tracing::debug!(command = frame.command.as_str(), body = frame.body.len(), "frame");
        let receipt = frame.headers.get("receipt").map(str::to_owned);
        let frame = match ClientFrame::try_from(frame) {
            Ok(frame) => frame,
            Err(error) => return self.fail(now, &error.to_string(), receipt.as_deref(), false),
        };
        match (&self.phase, frame) {
            (Phase::Opening { .. } | Phase::Closed, _) => {}
            (Phase::New { .. }, ClientFrame::Connect(connect)) => self.connect(now, &connect, receipt),
            (Phase::New { .. }, _) => self.fail(now, "the first frame is CONNECT", receipt.as_deref(), false),
            (Phase::Open, ClientFrame::Connect(_)) => {
                self.fail(now, "the session is connected already", receipt.as_deref(), false);
            }
            (Phase::Open, ClientFrame::Disconnect { .. }) => {
                self.receipt(now, receipt.as_deref());
                self.for_good = true;
                self.close(1000, "");
            }
            (Phase::Open, frame) if self.bucket.take(now.mono) => self.obey(now, frame, receipt),
            (Phase::Open, frame) => {
                // A receipt without the refusal would say that the frame took effect.
                if receipt.is_some() || self.told_too_fast.is_none_or(|told| now.mono >= told + TOO_FAST_AGAIN) {
                    self.told_too_fast = Some(now.mono);
                    let rate = self.settings.config.limits.frame_rate;
                    let sentence = format!("frames come too fast; at most {rate} per second, and this one was dropped");
                    self.refuse(now, &about(Refusal::new(RefusalCode::RateLimited, sentence), &frame));
                }
                self.receipt(now, receipt.as_deref());
            }
        }
    }

    fn obey(&mut self, now: Now, frame: ClientFrame, receipt: Option<String>) {
        let refused = match frame {
            ClientFrame::Send(send) => self.send(&send, receipt.as_ref()),
            ClientFrame::Subscribe { id, destination, .. } => self.subscribe(now, id, &destination),
            ClientFrame::Unsubscribe { id, .. } => self.unsubscribe(&id),
            ClientFrame::Ignored { .. } | ClientFrame::Connect(_) | ClientFrame::Disconnect { .. } => Ok(()),
        };
        if let Err(refusal) = refused {
            self.refuse(now, &refusal);
        }
        // An act's receipt comes with its answer.
        if self.pending.is_none() {
            self.receipt(now, receipt.as_deref());
        }
    }

    fn connect(&mut self, now: Now, connect: &Connect, receipt: Option<String>) {
        let Some(version) = connect.version else {
            return self.fail(now, "the supported versions of STOMP are 1.0, 1.1 and 1.2", receipt.as_deref(), true);
        };
        self.version = version;
        self.decoder.set_version(version);
        self.phase = Phase::Opening { heart_beat: connect.heart_beat, receipt };
        self.request(Request::Open(Ask::parse(connect.headers.get("resume"))));
    }

    /// The hub has said who the session is.
    pub(super) fn opened(&mut self, now: Now, sid: SessionId, resume_token: Option<String>, refused: bool) {
        let Phase::Opening { heart_beat, receipt } = std::mem::replace(&mut self.phase, Phase::Open) else {
            return;
        };
        let ours = if self.settings.config.spring { HeartBeat::NONE } else { self.settings.config.heart_beat };
        self.beat_every = ours.send_interval(heart_beat);
        self.connected(now, &sid, ours);
        self.sid = Some(sid);
        self.resume_token = resume_token;
        self.resume_refused = refused;
        self.receipt(now, receipt.as_deref());
        self.advance(now);
    }

    fn subscribe(&mut self, now: Now, id: String, destination: &str) -> Result<(), Refusal> {
        let topic = Topic::parse(destination).map_err(|error| Refusal::from(&error).about(destination))?;
        let room = topic.room().cloned();
        let here = |refusal: Refusal| {
            let refusal = refusal.about(destination);
            room.as_ref().map_or_else(|| refusal.clone(), |room| refusal.clone().in_room(room))
        };
        let bad_id = |sentence: &str| here(Refusal::new(RefusalCode::BadSubscriptionId, sentence));
        if id.is_empty() || id.len() > MAX_SUBSCRIPTION_ID {
            return Err(bad_id("SUBSCRIBE needs an id of 1 to 128 bytes"));
        }
        if self.subscriptions.contains_key(&id) {
            return Err(bad_id("the id is in use; the first subscription with it stays"));
        }
        if self.subscriptions.len() >= self.settings.config.limits.subscriptions {
            let sentence = format!("a session has at most {} subscriptions", self.subscriptions.len());
            return Err(here(Refusal::new(RefusalCode::TooManySubscriptions, sentence)));
        }
        if self.subscriptions.values().filter(|known| **known == topic).count() >= MOST_COPIES {
            let sentence = format!("a session has at most {MOST_COPIES} subscriptions to one destination");
            return Err(here(Refusal::new(RefusalCode::TooManySubscriptions, sentence)));
        }
        if let Some((room, kind)) = in_room(&topic).filter(|_| !self.hears(&topic)) {
            self.request(Request::Subscribe(room, kind));
        }
        let listens_to_system = topic == Topic::System;
        self.subscriptions.insert(id, topic);
        if listens_to_system && std::mem::take(&mut self.resume_refused) {
            let sentence = "the resume token is unknown or too old; this is a new session";
            self.refuse(now, &Refusal::new(RefusalCode::ResumeRefused, sentence));
        }
        Ok(())
    }

    fn unsubscribe(&mut self, id: &str) -> Result<(), Refusal> {
        let Some(topic) = self.subscriptions.remove(id) else {
            return Err(Refusal::new(RefusalCode::BadSubscriptionId, "there is no subscription with this id"));
        };
        if let Some((room, kind)) = in_room(&topic).filter(|_| !self.hears(&topic)) {
            self.request(Request::Unsubscribe(room, kind));
        }
        Ok(())
    }

    fn send(&mut self, send: &SendFrame, receipt: Option<&String>) -> Result<(), Refusal> {
        let text = send.destination();
        let destination = SendDestination::parse(text).map_err(|error| Refusal::from(&error).about(text))?;
        let here = |refusal: Refusal| refusal.in_room(destination.room()).about(text);
        let request = match &destination {
            SendDestination::Join(room) => {
                let join = JoinRequest::parse(room, &send.body).map_err(|error| here(Refusal::from(&error)))?;
                Request::Join(room.clone(), join)
            }
            SendDestination::Leave(room) => Request::Leave(room.clone()),
            SendDestination::Signal(room) => {
                let judged = judge(&send.body);
                let judged = judged.map_err(|e| here(Refusal::new(RefusalCode::BadBody, e.to_string())))?;
                if judged.kind == SignalType::Ready {
                    let sentence = "READY comes from the server only";
                    return Err(here(Refusal::new(RefusalCode::ServerOnlySignal, sentence)));
                }
                let claimed = judged.sid.map(|sid| sid.into_owned());
                Request::Signal { room: room.clone(), claimed, body: self.own(&send.body) }
            }
        };
        self.pending = Some(Pending { destination, receipt: receipt.cloned() });
        self.request(request);
        Ok(())
    }

    /// To the member alone: who it is, and what it needs for the call.
    pub(super) fn me(&mut self, now: Now, room: &RoomId) {
        let Some(sid) = &self.sid else { return };
        let me = Me {
            sid: sid.as_str().to_owned(),
            room_id: Some(room.as_str().to_owned()),
            ice_servers: self.settings.ice.servers(sid.as_str(), now.unix),
            resume_token: self.resume_token.clone(),
            mode: None,
        };
        self.message(now, &Topic::Me, None, me.to_json().as_bytes());
    }

    /// A small body is copied, or it would keep the whole buffer alive that it is a slice of: that of the WebSocket,
    /// or that of a frame which came in pieces.
    fn own(&self, body: &Bytes) -> Bytes {
        let keeps_much = body.len() < 8 * 1024 || (self.chunk > 8 * 1024 && body.len() < self.chunk / 2);
        if keeps_much { Bytes::copy_from_slice(body) } else { body.clone() }
    }

    fn hears(&self, topic: &Topic) -> bool {
        self.subscriptions.values().any(|t| t == topic)
    }

    fn request(&mut self, request: Request) {
        self.outputs.push_back(super::Output::Request(request));
    }
}

/// What a client reads when an act was not done.
pub(super) fn refusal(denied: Denied) -> Refusal {
    let (code, sentence) = match denied {
        Denied::Rejected(Rejection::RoomFull) => (RefusalCode::RoomFull, Refusal::ROOM_FULL),
        Denied::Rejected(Rejection::NotAMember) => {
            (RefusalCode::NotAMember, "only a member of the room may do this; join first")
        }
        Denied::Rejected(Rejection::Unavailable) => {
            (RefusalCode::Unavailable, "the room cannot be reached at the moment; try again")
        }
        Denied::SenderMismatch => (RefusalCode::SenderMismatch, "the sid in the body is another member's session id"),
        Denied::TooManyRooms => (RefusalCode::TooManyRooms, "the session is in as many rooms as it may be"),
    };
    Refusal::new(code, sentence)
}

fn about(refusal: Refusal, frame: &ClientFrame) -> Refusal {
    match frame {
        ClientFrame::Send(send) => refusal.about(send.destination()),
        ClientFrame::Subscribe { destination, .. } => refusal.about(destination),
        ClientFrame::Connect(_)
        | ClientFrame::Unsubscribe { .. }
        | ClientFrame::Disconnect { .. }
        | ClientFrame::Ignored { .. } => refusal,
    }
}

fn in_room(topic: &Topic) -> Option<(RoomId, Kind)> {
    match topic {
        Topic::Members(room) => Some((room.clone(), Kind::Members)),
        Topic::Signal(room) => Some((room.clone(), Kind::Signal)),
        Topic::Me | Topic::System => None,
    }
}
