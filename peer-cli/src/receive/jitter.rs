//! The buffer that puts packets back in order and decides when a frame is whole and when a gap is hopeless.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;

use super::sequence::{Place, Sequence};
use super::{Payload, ReceiveConfig, RtpHeader, h264, vp8};
use crate::media::VideoCodec;

#[derive(Debug)]
pub(super) struct JitterBuffer {
    config: ReceiveConfig,
    sequence: Sequence,
    /// The last packet, when its number fitted nowhere.
    misfit: Option<Packet>,
    /// By endless sequence number; all at or behind `next`.
    packets: BTreeMap<i64, Packet>,
    /// The first number that is not settled.
    next: Option<i64>,
    /// Something has been released: from now on older packets come too late.
    settled: bool,
    /// The packet before `next` ended a frame, so `next` begins one.
    at_boundary: bool,
    /// Timestamp of the last packet released or discarded.
    last_timestamp: Option<u32>,
    /// Nothing is waited for any more.
    over: bool,
}

#[derive(Debug)]
struct Packet {
    timestamp: u32,
    marker: bool,
    payload: Bytes,
    arrived: Instant,
}

/// What leaves the buffer, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Released {
    /// All packets of one frame, and when the last of them to come arrived.
    Frame { packets: Vec<Bytes>, timestamp: u32, arrived: Instant },
    /// Packets given up: those that never came and those that were of no use without them.
    Lost { missing: u64, discarded: u64 },
}

/// What stands at the head of the buffer.
enum Head {
    /// A frame up to and including this number.
    Frame(i64),
    /// Packets that carry nothing or continue a frame already given up, up to and including this number.
    Useless(i64),
    /// This number is missing although later ones are there.
    Gap(i64),
    /// Nothing can be said before more packets come.
    Open,
}

impl JitterBuffer {
    pub(super) fn new(config: ReceiveConfig) -> Self {
        Self {
            config,
            sequence: Sequence::new(config.payload.clock_rate()),
            misfit: None,
            packets: BTreeMap::new(),
            next: None,
            settled: false,
            at_boundary: false,
            last_timestamp: None,
            over: false,
        }
    }

    /// Duplicates and packets that come too late change nothing. Returns whether the sender has started over, with which
    /// all that was held here is gone.
    pub(super) fn insert(&mut self, now: Instant, header: RtpHeader, payload: Bytes) -> bool {
        let RtpHeader { timestamp, marker, .. } = header;
        let packet = Packet { timestamp, marker, payload, arrived: now };
        let misfit = self.misfit.take();
        let place = self.sequence.place(now, &header);
        match place {
            Place::At(number) => self.keep(number, packet),
            Place::Misfit => self.misfit = Some(packet),
            Place::Resumed(number) | Place::Restart(number) => {
                if matches!(place, Place::Restart(_)) {
                    self.packets.clear();
                    self.next = None;
                    (self.settled, self.at_boundary, self.last_timestamp) = (false, false, None);
                }
                if let Some(misfit) = misfit {
                    self.keep(number - 1, misfit);
                }
                self.keep(number, packet);
            }
        }
        matches!(place, Place::Restart(_))
    }

    /// From now on nothing more will come: gaps are given up at once.
    pub(super) fn end(&mut self) {
        self.over = true;
    }

    fn keep(&mut self, number: i64, packet: Packet) {
        let next = *self.next.get_or_insert(number);
        if number < next {
            if self.settled {
                return;
            }
            self.next = Some(number);
        }
        self.packets.entry(number).or_insert(packet);
    }

    /// When the gap at the head is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.head() {
            Head::Gap(missing) => self.gap_deadline(missing),
            Head::Frame(_) | Head::Useless(_) | Head::Open => None,
        }
    }

    /// The next thing that is settled at `now`; call until `None`.
    pub(super) fn release(&mut self, now: Instant) -> Option<Released> {
        loop {
            match self.head() {
                Head::Frame(last) => return Some(self.take_frame(now, last)),
                Head::Useless(last) => {
                    let discarded = self.discard_through(last);
                    if discarded > 0 {
                        return Some(Released::Lost { missing: 0, discarded });
                    }
                }
                Head::Gap(missing) => {
                    let due = self.over || self.gap_deadline(missing).is_some_and(|deadline| now >= deadline);
                    if !due && self.packets.len() <= self.config.max_packets {
                        return None;
                    }
                    return Some(self.give_up(missing));
                }
                Head::Open if self.packets.len() > self.config.max_packets => {
                    // One frame without end; nobody sends that in good faith.
                    let last = *self.packets.last_key_value()?.0;
                    let discarded = self.discard_through(last);
                    return Some(Released::Lost { missing: 0, discarded });
                }
                Head::Open => return None,
            }
        }
    }

    fn head(&self) -> Head {
        let (Some(next), Some((&first, packet))) = (self.next, self.packets.first_key_value()) else {
            return Head::Open;
        };
        if first != next {
            return Head::Gap(next);
        }
        if packet.payload.is_empty() {
            return Head::Useless(first);
        }
        if !self.starts_frame(packet) {
            // At the very beginning the packets in front may just have been overtaken.
            return if self.settled { Head::Useless(first) } else { Head::Gap(first - 1) };
        }
        let timestamp = packet.timestamp;
        let mut expected = first;
        for (&number, packet) in &self.packets {
            if number != expected {
                return Head::Gap(expected);
            }
            // Padding may stand anywhere, with any timestamp.
            if !packet.payload.is_empty() {
                if packet.timestamp != timestamp {
                    return Head::Frame(number - 1);
                }
                if packet.marker || self.config.payload == Payload::Opus {
                    return Head::Frame(number);
                }
            }
            expected = number + 1;
        }
        Head::Open
    }

    fn starts_frame(&self, packet: &Packet) -> bool {
        match self.config.payload {
            Payload::Opus => true,
            Payload::Video(VideoCodec::Vp8) => vp8::starts_frame(&packet.payload),
            // RFC 6184 has no such mark. After a loss the first slice of a picture whose time is new must do.
            Payload::Video(VideoCodec::H264) => {
                self.at_boundary
                    || h264::may_start_frame(&packet.payload) && self.last_timestamp != Some(packet.timestamp)
            }
        }
    }

    fn gap_deadline(&self, missing: i64) -> Option<Instant> {
        let noticed = self.packets.range(missing + 1..).map(|(_, packet)| packet.arrived).min()?;
        let before_all = !self.settled && self.packets.first_key_value().is_some_and(|(&first, _)| missing < first);
        let wait = if before_all { self.config.first_wait } else { self.config.max_wait };
        Some(noticed + wait)
    }

    fn take_frame(&mut self, now: Instant, last: i64) -> Released {
        let rest = self.packets.split_off(&(last + 1));
        let frame = std::mem::replace(&mut self.packets, rest);
        let useful: Vec<Packet> = frame.into_values().filter(|packet| !packet.payload.is_empty()).collect();
        let timestamp = useful.first().map_or(0, |packet| packet.timestamp);
        let arrived = useful.iter().map(|packet| packet.arrived).max().unwrap_or(now);
        self.settle(last, timestamp);
        self.at_boundary = true;
        let packets = useful.into_iter().map(|packet| packet.payload).collect();
        Released::Frame { packets, timestamp, arrived }
    }

    /// Drops what a gap has made useless: the frame begun before it, and what follows up to the next frame start or
    /// the next gap, which has a deadline of its own.
    fn give_up(&mut self, missing: i64) -> Released {
        let from = self.next.unwrap_or(missing);
        let after = self.packets.split_off(&missing);
        let before = std::mem::replace(&mut self.packets, after);
        let mut discarded = useful(before.values());
        let mut came = before.len() as i64;
        if let Some(packet) = before.values().next_back() {
            self.last_timestamp = Some(packet.timestamp);
        }
        self.settled = true;
        self.at_boundary = false;
        let mut next = self.packets.first_key_value().map_or(missing + 1, |(&number, _)| number);
        while let Some(packet) = self.packets.get(&next) {
            let padding = packet.payload.is_empty();
            if !padding && self.starts_frame(packet) {
                break;
            }
            if !padding {
                discarded += 1;
                (self.last_timestamp, self.at_boundary) = (Some(packet.timestamp), packet.marker);
            }
            self.packets.remove(&next);
            came += 1;
            next += 1;
        }
        self.next = Some(next);
        let missing = u64::try_from(next - from - came).unwrap_or(0);
        Released::Lost { missing, discarded }
    }

    /// How many of the dropped packets carried something.
    fn discard_through(&mut self, last: i64) -> u64 {
        let rest = self.packets.split_off(&(last + 1));
        let dropped = std::mem::replace(&mut self.packets, rest);
        let discarded = useful(dropped.values());
        if discarded == 0 {
            // Padding between frames: the boundary stays where it is.
            self.next = Some(last + 1);
            return 0;
        }
        let end = dropped.values().next_back();
        let timestamp = end.map_or(0, |packet| packet.timestamp);
        let ends_frame = end.is_some_and(|packet| packet.marker);
        self.settle(last, timestamp);
        self.at_boundary = ends_frame;
        discarded
    }

    fn settle(&mut self, last: i64, timestamp: u32) {
        self.next = Some(last + 1);
        self.settled = true;
        self.last_timestamp = Some(timestamp);
    }
}

fn useful<'a>(packets: impl Iterator<Item = &'a Packet>) -> u64 {
    packets.filter(|packet| !packet.payload.is_empty()).count() as u64
}
