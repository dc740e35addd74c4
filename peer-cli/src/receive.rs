//! A brain: RTP packets in arrival order to whole frames in sending order.
//!
//! One [`Receiver`] per track. Packets may come twice, late or not at all: browsers even send old packets again on
//! purpose, to measure the line. A frame is handed out the moment its last packet is there and everything before it is
//! settled; a gap is waited for, then given up. What cannot be decoded without a lost frame is held back until the next
//! key frame, as a browser does, and [`Output::NeedKeyFrame`] asks the far end for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::media::VideoCodec;

use self::jitter::{JitterBuffer, Released};
pub use self::stats::{RtpStats, StreamStats};

mod h264;
mod jitter;
mod sequence;
mod stats;
mod vp8;
mod window;

/// The fields of an RTP header (RFC 3550 section 5.1) that matter here.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct RtpHeader {
    /// Sequence number, one more for each packet, wrapping.
    pub sequence: u16,
    /// Sampling instant in clock units, the same for all packets of a frame, wrapping.
    pub timestamp: u32,
    /// Set on the last packet of a video frame.
    pub marker: bool,
    /// Who sends; another one starts a new stream.
    pub ssrc: u32,
}

/// How payloads become frames.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// VP8 (RFC 7741) or H264 (RFC 6184), whole frames out of several packets.
    Video(VideoCodec),
    /// Opus (RFC 7587): every packet is a frame.
    Opus,
}

impl Payload {
    /// Timestamp units per second.
    fn clock_rate(self) -> u32 {
        match self {
            Self::Video(_) => 90_000,
            Self::Opus => 48_000,
        }
    }
}

/// Limits of a [`Receiver`].
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct ReceiveConfig {
    /// What the packets carry.
    pub payload: Payload,
    /// How long a missing packet is waited for while later ones are there.
    pub max_wait: Duration,
    /// The same before the first frame: what came before the first packet was sent before we could take anything, nobody
    /// will send it again, and only reordering can still bring it.
    pub first_wait: Duration,
    /// Least time between two wishes for a key frame.
    pub key_retry: Duration,
    /// Packets held at most, counted over all unfinished frames.
    pub max_packets: usize,
}

impl ReceiveConfig {
    /// 250 ms for a gap in video, during which a packet can be sent again, and 40 ms for one in sound, where nothing is
    /// sent again and a listener's decoder would long have filled the hole; 20 ms for a gap at the very beginning, 500 ms
    /// between wishes, 4096 packets.
    pub fn new(payload: Payload) -> Self {
        let max_wait = match payload {
            Payload::Video(_) => Duration::from_millis(250),
            Payload::Opus => Duration::from_millis(40),
        };
        Self {
            payload,
            max_wait,
            first_wait: Duration::from_millis(20),
            key_retry: Duration::from_millis(500),
            max_packets: 4096,
        }
    }
}

/// What a [`Receiver`] has to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// A whole frame: VP8 frame, H264 access unit (Annex B) or Opus packet.
    Frame {
        /// The coded bytes.
        data: Bytes,
        /// Its RTP timestamp.
        timestamp: u32,
        /// Whether a decoder can begin here; always true for audio.
        key: bool,
        /// When its last packet to come arrived; it may have been held since, until what lies before it was settled.
        arrived: Instant,
    },
    /// The far end should send a key frame (PLI). Repeated until one comes.
    NeedKeyFrame,
    /// Packets were given up: they never came in time, or belonged to a frame that could not be finished or read.
    Lost {
        /// How many that never came.
        missing: u64,
        /// How many that came in vain.
        discarded: u64,
    },
}

/// Puts one track together.
#[derive(Debug)]
pub struct Receiver {
    config: ReceiveConfig,
    ssrc: Option<u32>,
    buffer: JitterBuffer,
    outputs: VecDeque<Output>,
    keys: KeyFrames,
    withheld: u64,
}

/// What is known about the decoder at the end of the line.
#[derive(Debug, Default)]
struct KeyFrames {
    /// A frame is missing that later ones may build on. So at the start.
    broken: bool,
    /// Frames that build on others have been seen; without them no key frame need be asked for.
    inter_coded: bool,
    /// H264 only: a sequence parameter set has come, so an IDR picture alone is enough to begin with.
    parameters: bool,
    /// The decoder has refused a frame since the last key frame.
    refused: bool,
    asked_at: Option<Instant>,
}

impl Receiver {
    /// Before the first packet.
    pub fn new(config: ReceiveConfig) -> Self {
        Self {
            config,
            ssrc: None,
            buffer: JitterBuffer::new(config),
            outputs: VecDeque::new(),
            keys: KeyFrames { broken: true, ..KeyFrames::default() },
            withheld: 0,
        }
    }

    /// A packet arrived. `payload` is without header, extensions and padding; it may be empty (padding only).
    pub fn packet(&mut self, now: Instant, header: RtpHeader, payload: Bytes) {
        if self.ssrc.replace(header.ssrc).is_some_and(|before| before != header.ssrc) {
            tracing::debug!("another sender: starting over");
            self.buffer = JitterBuffer::new(self.config);
            (self.keys.broken, self.keys.parameters) = (true, false);
        }
        if self.buffer.insert(now, header, payload) {
            tracing::debug!("the sender starts over");
            (self.keys.broken, self.keys.parameters) = (true, false);
        }
        self.drain(now);
    }

    /// The stream is over: what waits for packets that cannot come any more is settled now.
    pub fn end(&mut self, now: Instant) {
        self.buffer.end();
        self.drain(now);
    }

    /// The next thing to do; call until `None` after every packet and timeout.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Receiver::handle_timeout`] is due, if at all.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let gap = self.buffer.deadline();
        let wish = self.wishes_key_frame().then(|| self.next_wish()).flatten();
        [gap, wish].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.drain(now);
        if self.wishes_key_frame() {
            self.ask(now);
        }
    }

    /// The decoder refused a frame that was handed out: what follows builds on it, so a key frame is needed. Nothing is
    /// withheld before it comes, since decoders differ in what they can repair.
    pub fn undecodable(&mut self, now: Instant) {
        if matches!(self.config.payload, Payload::Video(_)) {
            self.keys.refused = true;
            if self.wishes_key_frame() {
                self.ask(now);
            }
        }
    }

    /// Whole frames that were not handed out because a frame they build on is missing.
    pub fn withheld(&self) -> u64 {
        self.withheld
    }

    fn drain(&mut self, now: Instant) {
        while let Some(released) = self.buffer.release(now) {
            match released {
                Released::Frame { packets, timestamp, arrived } => self.finish(now, &packets, timestamp, arrived),
                Released::Lost { missing, discarded } => self.lose(now, missing, discarded),
            }
        }
    }

    fn finish(&mut self, now: Instant, packets: &[Bytes], timestamp: u32, arrived: Instant) {
        let assembled = match self.config.payload {
            Payload::Video(VideoCodec::Vp8) => vp8::assemble(packets),
            Payload::Video(VideoCodec::H264) => h264::assemble(packets).map(|unit| self.begins(unit)),
            Payload::Opus => packets.first().map(|packet| (packet.clone(), true)),
        };
        let Some((data, key)) = assembled else {
            self.lose(now, 0, packets.len() as u64);
            return;
        };
        if key {
            (self.keys.broken, self.keys.refused) = (false, false);
        } else {
            self.keys.inter_coded = true;
        }
        if self.keys.broken {
            self.withheld += 1;
            self.ask(now);
        } else {
            tracing::debug!(timestamp, bytes = data.len(), key, "frame");
            self.outputs.push_back(Output::Frame { data, timestamp, key, arrived });
        }
    }

    /// An IDR picture whose parameter sets were lost on the way is of no use to a decoder.
    fn begins(&mut self, unit: h264::Assembled) -> (Bytes, bool) {
        self.keys.parameters |= unit.parameters;
        (unit.data, unit.idr && self.keys.parameters)
    }

    fn lose(&mut self, now: Instant, missing: u64, discarded: u64) {
        self.outputs.push_back(Output::Lost { missing, discarded });
        if matches!(self.config.payload, Payload::Video(_)) {
            self.keys.broken = true;
            if self.wishes_key_frame() {
                self.ask(now);
            }
        }
    }

    fn wishes_key_frame(&self) -> bool {
        (self.keys.broken || self.keys.refused) && self.keys.inter_coded
    }

    fn next_wish(&self) -> Option<Instant> {
        Some(self.keys.asked_at? + self.config.key_retry)
    }

    fn ask(&mut self, now: Instant) {
        if self.next_wish().is_none_or(|next| now >= next) {
            self.keys.asked_at = Some(now);
            self.outputs.push_back(Output::NeedKeyFrame);
        }
    }
}

#[cfg(test)]
mod packetize;
#[cfg(test)]
mod tests;
