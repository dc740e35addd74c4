//! One client's STOMP conversation with a signaling server, as a brain: bytes in, bytes and events out.
//!
//! It speaks to Dialtone's server and to the Spring applications that it is compatible with. Those lose a join that
//! overtakes its subscriptions, so the join is repeated until the server has said who we are.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dialtone_wire::bodies::{IceServer, JoinRequest};
use dialtone_wire::signal::{SignalMessage, SignalType};
use dialtone_wire::stomp::{Command, Decoded, Decoder, Frame, HeartBeat, Limits, ServerFrame, Version};
use dialtone_wire::{DisplayName, RoomId, SendDestination, SessionId};

use crate::call::{DescriptionKind, FromServer, Signal};

mod error;
mod inbound;

pub use error::ConversationError;

/// How long the server may take to answer CONNECT.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before a join that was not answered is sent again.
const JOIN_AGAIN: Duration = Duration::from_secs(1);
/// What we can send and want to get, each in milliseconds.
const HEART_BEAT: HeartBeat = HeartBeat { can_send: 10_000, wants: 10_000 };
/// Signals kept while there is no connection; a call's worth of candidates.
const MOST_KEPT_SIGNALS: usize = 256;

/// What the conversation wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes as one text message.
    Transmit(Bytes),
    /// Tell the call.
    Event(FromServer),
    /// The server has answered CONNECT.
    Connected {
        /// The version agreed on.
        version: Version,
        /// The server's name for itself, where it tells.
        server: Option<String>,
    },
    /// The server named STUN and TURN servers; comes before the event that says who we are.
    IceServers(Vec<IceServer>),
    /// The conversation is over in good order: close the connection and do not dial again.
    Done,
    /// The connection is of no use any more: close it.
    Broken(ConversationError),
}

/// A conversation with one server about one room; it outlives connections.
#[derive(Debug)]
pub struct Conversation {
    host: String,
    room: RoomId,
    join: JoinRequest,
    stage: Stage,
    decoder: Decoder,
    version: Version,
    resume: Option<String>,
    /// Our session id on the last connection on which we had one.
    me: Option<SessionId>,
    /// Whether there was an earlier connection on which the room was joined.
    joined_before: bool,
    /// Whether the call knows of the present outage.
    loss_told: bool,
    heart_beat: Beats,
    deadline: Option<Instant>,
    kept: VecDeque<Signal>,
    outputs: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Disconnected,
    Connecting,
    Joining,
    Joined,
    Leaving,
}

#[derive(Debug, Default)]
struct Beats {
    send: Option<(Duration, Instant)>,
    expect: Option<(Duration, Instant)>,
}

impl Conversation {
    /// A conversation about `room` with the server at `host`.
    pub fn new(host: String, room: RoomId, display_name: Option<DisplayName>) -> Self {
        Self {
            host,
            room,
            join: JoinRequest { display_name },
            stage: Stage::Disconnected,
            decoder: Decoder::new(Limits::default()),
            version: Version::V1_2,
            resume: None,
            me: None,
            joined_before: false,
            loss_told: false,
            heart_beat: Beats::default(),
            deadline: None,
            kept: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Whether we are on our way out.
    pub fn is_leaving(&self) -> bool {
        self.stage == Stage::Leaving
    }

    /// A new connection is open.
    pub fn handle_open(&mut self, now: Instant) {
        self.decoder = Decoder::new(Limits::default());
        self.stage = Stage::Connecting;
        self.deadline = Some(now + CONNECT_PATIENCE);
        let frame = Frame::new(Command::Connect)
            .header("accept-version", "1.1,1.2")
            .header("host", &self.host)
            .header("heart-beat", &HEART_BEAT.to_string())
            .header("resume", self.resume.as_deref().unwrap_or("new"));
        self.transmit(&frame);
    }

    /// The connection is gone.
    pub fn handle_closed(&mut self) {
        self.heart_beat = Beats::default();
        self.deadline = None;
        let news = match self.stage {
            Stage::Joining | Stage::Joined => true,
            // A server that hangs up on CONNECT is as lost as one that does so later.
            Stage::Connecting => !self.loss_told,
            Stage::Disconnected | Stage::Leaving => false,
        };
        if news {
            self.loss_told = true;
            self.joined_before |= self.stage == Stage::Joined;
            self.outputs.push_back(Output::Event(FromServer::Lost));
        }
        if self.stage != Stage::Leaving {
            self.stage = Stage::Disconnected;
        }
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, now: Instant, bytes: Bytes) {
        if let Some((interval, due)) = &mut self.heart_beat.expect {
            *due = now + *interval * 3;
        }
        self.decoder.push(bytes);
        while let Some(decoded) = match self.decoder.next_frame() {
            Ok(decoded) => decoded,
            Err(error) => return self.broken(error.into()),
        } {
            let Decoded::Frame(frame) = decoded else { continue };
            match ServerFrame::try_from(frame) {
                Ok(frame) => self.frame(now, frame),
                Err(error) => return self.broken(error.into()),
            }
        }
    }

    /// Sends a signal to the other member; kept while there is no connection.
    pub fn send(&mut self, signal: Signal) {
        if self.stage != Stage::Joined {
            if self.kept.len() < MOST_KEPT_SIGNALS {
                self.kept.push_back(signal);
            }
            return;
        }
        let label = self.me.as_ref().map_or("", SessionId::as_str);
        let message = match signal {
            Signal::Description { kind: DescriptionKind::Offer, sdp } => {
                SignalMessage::description(SignalType::Offer, label, sdp)
            }
            Signal::Description { kind: DescriptionKind::Answer, sdp } => {
                SignalMessage::description(SignalType::Answer, label, sdp)
            }
            Signal::Candidate(Some(candidate)) => SignalMessage::candidate(label, candidate),
            // Not every client takes an empty candidate, and none needs it: ICE ends without.
            Signal::Candidate(None) => return,
        };
        let destination = SendDestination::Signal(self.room.clone());
        self.transmit(&json_frame(&destination, message.to_json()));
    }

    /// Leaves the room and ends the session; [`Output::Done`] follows once the server has it.
    pub fn leave(&mut self, now: Instant) {
        let connected = matches!(self.stage, Stage::Joining | Stage::Joined);
        self.stage = Stage::Leaving;
        if !connected {
            self.outputs.push_back(Output::Done);
            return;
        }
        self.deadline = Some(now + JOIN_AGAIN);
        self.transmit(&json_frame(&SendDestination::Leave(self.room.clone()), String::new()));
        self.transmit(&Frame::new(Command::Disconnect).header("receipt", "bye"));
    }

    /// What to do next; drain to `None` after every input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let beats = [self.heart_beat.send, self.heart_beat.expect].map(|beat| beat.map(|(_, due)| due));
        [self.deadline, beats[0], beats[1]].into_iter().flatten().min()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|due| due <= now) {
            self.deadline = None;
            match self.stage {
                Stage::Connecting => return self.broken(ConversationError::NoAnswer),
                Stage::Joining => self.join(now),
                Stage::Leaving => self.outputs.push_back(Output::Done),
                Stage::Disconnected | Stage::Joined => {}
            }
        }
        if let Some((interval, due)) = &mut self.heart_beat.send
            && *due <= now
        {
            *due = now + *interval;
            self.outputs.push_back(Output::Transmit(Bytes::from_static(b"\n")));
        }
        if let Some((interval, due)) = self.heart_beat.expect
            && due <= now
        {
            self.broken(ConversationError::Silent(interval * 3));
        }
    }

    fn broken(&mut self, error: ConversationError) {
        self.deadline = None;
        self.heart_beat = Beats::default();
        self.outputs.push_back(Output::Broken(error));
    }

    fn transmit(&mut self, frame: &Frame) {
        self.outputs.push_back(Output::Transmit(frame.encode(self.version).into()));
    }
}

fn json_frame(destination: &SendDestination, body: String) -> Frame {
    Frame::new(Command::Send)
        .header("destination", &destination.to_string())
        .header("content-type", "application/json")
        .body(body)
}
