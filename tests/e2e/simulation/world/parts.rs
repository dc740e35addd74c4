//! The parts of a simulated world that stand for themselves.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dialtone_peer::call::Call;
use dialtone_peer::signaling::Conversation;
use dialtone_wire::SendDestination;
use dialtone_wire::stomp::{ClientFrame, Decoded, Decoder, Frame, Limits};

use super::super::engine::Engine;
use super::super::referee::Deed;
use super::{Line, Peer, SIGNALS};

impl Peer {
    pub(super) fn new(peer: usize, now: Instant) -> Self {
        Self {
            call: None,
            conversation: None,
            engine: Engine::new(peer),
            line: None,
            ended: None,
            gone: false,
            phases: Vec::new(),
            disturbed: None,
            engine_busy_until: now,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.gone {
            return None;
        }
        let call = self.call.as_ref().filter(|_| self.ended.is_none()).and_then(Call::poll_timeout);
        let conversation = self.conversation.as_ref().and_then(Conversation::poll_timeout);
        call.into_iter().chain(conversation).min()
    }
}

impl Line {
    /// What the client does with these bytes, as far as the room is concerned.
    pub(super) fn deeds(&mut self, bytes: Bytes) -> Vec<Deed> {
        let mut deeds = Vec::new();
        self.reader.push(bytes);
        while let Some(decoded) = self.reader.next_frame().expect("our own client speaks STOMP") {
            let Decoded::Frame(frame) = decoded else { continue };
            match ClientFrame::try_from(frame).expect("our own client sends a client's frames") {
                ClientFrame::Subscribe { destination, .. } => self.listens |= destination == SIGNALS,
                ClientFrame::Send(send) => {
                    let sid = self.sid.clone().expect("a client acts after CONNECTED");
                    deeds.push(match SendDestination::parse(send.destination()).expect("a destination of ours") {
                        SendDestination::Join(_) => Deed::Join(sid),
                        SendDestination::Leave(_) => Deed::Leave(sid),
                        SendDestination::Signal(_) => Deed::Signal(sid),
                    });
                }
                ClientFrame::Connect(_)
                | ClientFrame::Unsubscribe { .. }
                | ClientFrame::Disconnect { .. }
                | ClientFrame::Ignored { .. } => {}
            }
        }
        deeds
    }
}

/// The frame in a WebSocket message; `None`: a heart-beat.
pub(super) fn frame(bytes: &Bytes) -> Option<Frame> {
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(bytes.clone());
    match decoder.next_frame().expect("our server speaks STOMP") {
        Some(Decoded::Frame(frame)) => Some(frame),
        Some(Decoded::HeartBeat) | None => None,
    }
}

/// SplitMix64: small, good enough, and the same on every machine.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn wide(&mut self) -> u128 {
        u128::from(self.roll()) << 64 | u128::from(self.roll())
    }

    /// A time from 1 ms to `most` ms.
    pub(super) fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(1 + self.roll() % most)
    }
}
