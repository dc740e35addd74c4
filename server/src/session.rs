//! One client's conversation: bytes in, requests to the hub and frames out.
//!
//! Frames are handled in the order in which they come. While a request waits for its answer the next frames wait too,
//! and the hands are asked not to read more.

mod frames;
mod verbs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dialtone_wire::stomp::{Decoded, Decoder, HeartBeat, Version};
use dialtone_wire::{Refusal, RefusalCode, RoomId, SendDestination, SessionId, Topic};

use crate::config::Config;
use crate::events::{Denied, Event};
use crate::ice::Ice;
use crate::limits::Bucket;
use crate::outbox::IDLE_CAPACITY;
use crate::resume::Ask;
use crate::topics::Kind;

/// What every session of a server has in common.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The configuration.
    pub(crate) config: Config,
    /// Makes `iceServers`.
    pub(crate) ice: Ice,
}

/// The time, twice: to measure with, and to sign with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// The monotonic clock.
    pub(crate) mono: Instant,
    /// Seconds since 1970.
    pub(crate) unix: u64,
}

/// What a session wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// Ask the hub.
    Request(Request),
    /// Send one WebSocket message.
    Transmit(Payload),
    /// Send a WebSocket ping.
    Ping,
    /// Close the WebSocket; nothing follows.
    Close { code: u16, reason: &'static str },
}

/// A WebSocket message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Text; every frame whose body is UTF-8.
    Text(String),
    /// Anything else.
    Binary(Vec<u8>),
}

impl Payload {
    /// Its size in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// What a session asks of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// A session id; answered by [`Event::Opened`].
    Open(Ask),
    /// To hear a topic from now on; not answered.
    Subscribe(RoomId, Kind),
    /// Not to hear it any longer; not answered.
    Unsubscribe(RoomId, Kind),
    /// A seat; answered by [`Event::Done`], as the next two.
    Join(RoomId, dialtone_wire::bodies::JoinRequest),
    /// To give a seat back.
    Leave(RoomId),
    /// To say something; `claimed` is the label in the body.
    Signal { room: RoomId, claimed: Option<String>, body: Bytes },
}

/// What is left to do when the socket is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Farewell {
    /// The session, if it was opened.
    pub(crate) sid: Option<SessionId>,
    /// Whether the client said goodbye.
    pub(crate) for_good: bool,
    /// The rooms listened to.
    pub(crate) listened: BTreeSet<RoomId>,
}

/// One client's conversation.
#[derive(Debug)]
pub(crate) struct Session {
    settings: Arc<Settings>,
    decoder: Decoder,
    version: Version,
    phase: Phase,
    sid: Option<SessionId>,
    resume_token: Option<String>,
    /// A refused resume is told as soon as the client listens to what the server has to say.
    resume_refused: bool,
    subscriptions: BTreeMap<String, Topic>,
    pending: Option<Pending>,
    message_number: u64,
    /// The size of the WebSocket message that is being read.
    chunk: usize,
    bucket: Bucket,
    /// When the client was last told that it is too fast.
    told_too_fast: Option<Instant>,
    heard: Instant,
    said: Instant,
    ping_at: Instant,
    beat_every: Option<Duration>,
    for_good: bool,
    /// Bytes that were said and are not written yet.
    unwritten: usize,
    outputs: VecDeque<Output>,
}

/// Frames wait while this much is unwritten, so that what few bytes ask for cannot pile up in memory.
const UNWRITTEN: usize = 64 * 1024;
/// The WebSocket close code of an endpoint that goes away (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// No CONNECT yet; it has until then.
    New { until: Instant },
    /// CONNECT has come, the hub has not answered.
    Opening { heart_beat: HeartBeat, receipt: Option<String> },
    /// CONNECTED.
    Open,
    /// Closed by us; whatever still comes is dropped.
    Closed,
}

/// An act that the hub has not answered.
#[derive(Debug)]
struct Pending {
    destination: SendDestination,
    receipt: Option<String>,
}

impl Session {
    /// A session of a connection that has just been made.
    pub(crate) fn new(now: Instant, settings: Arc<Settings>) -> Self {
        let limits = settings.config.limits;
        Self {
            decoder: Decoder::new(dialtone_wire::stomp::Limits { frame: limits.frame, headers: limits.headers }),
            version: Version::V1_2,
            phase: Phase::New { until: now + limits.connect_within },
            sid: None,
            resume_token: None,
            resume_refused: false,
            subscriptions: BTreeMap::new(),
            pending: None,
            message_number: 0,
            chunk: 0,
            bucket: Bucket::new(now, limits.frame_rate, limits.frame_burst),
            told_too_fast: None,
            heard: now,
            said: now,
            ping_at: now + limits.ping_every,
            beat_every: None,
            for_good: false,
            unwritten: 0,
            outputs: VecDeque::new(),
            settings,
        }
    }

    /// Takes the content of a WebSocket message, text or binary.
    pub(crate) fn handle_bytes(&mut self, now: Now, chunk: Bytes) {
        self.heard = now.mono;
        if self.phase != Phase::Closed {
            self.chunk = chunk.len();
            self.decoder.push(chunk);
            self.advance(now);
        }
    }

    /// All that was said is written; gives whether frames that waited for that said more.
    pub(crate) fn handle_written(&mut self, now: Now) -> bool {
        self.unwritten = 0;
        self.advance(now);
        !self.outputs.is_empty()
    }

    /// Something without content came: a ping, a pong, or a part of a message.
    pub(crate) fn handle_alive(&mut self, now: Now) {
        self.heard = now.mono;
    }

    /// Takes what the hub has to tell.
    pub(crate) fn handle_event(&mut self, now: Now, event: Event) {
        if self.phase == Phase::Closed {
            return;
        }
        match event {
            Event::Opened { sid, resume_token, refused } => self.opened(now, sid, resume_token, refused),
            Event::Me { room } => self.me(now, &room),
            Event::Members { room, body } => self.message(now, &Topic::Members(room), None, &body),
            Event::Signal { room, from, body } => self.message(now, &Topic::Signal(room), from.as_ref(), &body),
            Event::Done(result) => self.done(now, result),
            Event::TakenOver => self.close(1008, "resumed elsewhere"),
            Event::GoingAway => {
                let sentence = "the server is going away; connect again in a moment";
                self.refuse(now, &Refusal::new(RefusalCode::GoingAway, sentence));
                self.close(GOING_AWAY, "going away");
            }
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        match self.phase {
            Phase::Closed => return,
            Phase::New { until } if now.mono >= until => return self.close(1008, "no CONNECT in time"),
            Phase::New { .. } | Phase::Opening { .. } | Phase::Open => {}
        }
        if now.mono >= self.heard + self.settings.config.limits.silence {
            return self.close(GOING_AWAY, "nothing heard");
        }
        if now.mono >= self.ping_at {
            self.ping_at = now.mono + self.settings.config.limits.ping_every;
            self.outputs.push_back(Output::Ping);
        }
        if self.beat_every.is_some_and(|every| now.mono >= self.said + every) {
            self.transmit(now, Payload::Text("\n".to_owned()));
        }
    }

    /// The other side closes the WebSocket. A page that is closed goes away, and Firefox sends nothing but
    /// that, whatever the page still wants to say: so it is a goodbye, and nobody waits for its return.
    pub(crate) const fn handle_close(&mut self, code: Option<u16>) {
        self.for_good |= matches!(code, Some(GOING_AWAY));
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let until = match self.phase {
            Phase::Closed => return None,
            Phase::New { until } => Some(until),
            Phase::Opening { .. } | Phase::Open => None,
        };
        let beat = self.beat_every.map(|every| self.said + every);
        let silence = self.heard + self.settings.config.limits.silence;
        [until, beat, Some(silence), Some(self.ping_at)].into_iter().flatten().min()
    }

    /// The next thing to do; what was asked for comes first.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() && self.outputs.capacity() > IDLE_CAPACITY {
            self.outputs = VecDeque::new();
        }
        output
    }

    /// Whether more bytes are welcome now.
    pub(crate) fn wants_input(&self) -> bool {
        !self.waits() && self.unwritten < UNWRITTEN && self.phase != Phase::Closed
    }

    /// What is left to do for the hub.
    pub(crate) fn farewell(&self) -> Farewell {
        let listened = self.subscriptions.values().filter_map(|topic| topic.room().cloned()).collect();
        Farewell { sid: self.sid.clone(), for_good: self.for_good, listened }
    }

    /// Handles the frames that have come, until one has to wait for the hub.
    fn advance(&mut self, now: Now) {
        while self.wants_input() {
            match self.decoder.next_frame() {
                Ok(None) => return,
                Ok(Some(Decoded::HeartBeat)) => {}
                Ok(Some(Decoded::Frame(frame))) => self.handle_frame(now, frame),
                Err(error) => return self.fail(now, &error.to_string(), error.receipt.as_deref(), false),
            }
        }
    }

    fn waits(&self) -> bool {
        self.pending.is_some() || matches!(self.phase, Phase::Opening { .. })
    }

    /// The answer to an act: a refusal if there is one, then the receipt, then the frames that waited.
    fn done(&mut self, now: Now, result: Result<(), Denied>) {
        let Some(Pending { destination, receipt }) = self.pending.take() else { return };
        if let Err(denied) = result {
            let refusal = verbs::refusal(denied).in_room(destination.room()).about(&destination.to_string());
            self.refuse(now, &refusal);
        }
        self.receipt(now, receipt.as_deref());
        self.advance(now);
    }

    fn close(&mut self, code: u16, reason: &'static str) {
        self.phase = Phase::Closed;
        self.pending = None;
        self.outputs.push_back(Output::Close { code, reason });
    }
}

#[cfg(test)]
mod tests;
