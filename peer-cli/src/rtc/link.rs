//! What RTCP tells about the link: counted at the wire, where every packet of both directions passes.
//!
//! The chain of interceptors is one list ordered by the distance from the wire. What comes in walks it from the wire to
//! the application, what goes out the other way round, and what an interceptor makes by itself goes on from its own
//! place. So only the one nearest to the wire sees what all the others make: our sender and receiver reports, our NACKs,
//! and the PLIs that the application writes. Incoming RTCP is whole there too, before anything was held back.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::{
        receiver_report::ReceiverReport, reception_report::ReceptionReport, sender_report::SenderReport,
        transport_feedbacks::transport_layer_nack::TransportLayerNack,
    },
    sansio::Protocol,
    shared::error::Error,
};

use self::repairs::{Remainder, Repairs};
use super::{MediaKind, PeerEvent, events::Shared, interceptors::is_key_frame_request};

mod repairs;
#[cfg(test)]
mod tests;

/// Nearer to the wire than every interceptor of the stack, whose first place is 1000.
pub(super) const POSITION: usize = 500;

/// Sender reports of ours that an answer may still refer to: some 16 seconds of two streams.
const REPORTS_KEPT: usize = 32;

/// How far the far end's delay may exceed the time that has passed before its report is nonsense: both are rounded.
const ROUNDING: Duration = Duration::from_millis(2);

/// What is known of the link from RTCP and from the congestion controller, since the beginning of the call.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LinkStats {
    /// Video packets that we asked for again (NACK, RFC 4585 section 6.2.1), each request counted.
    pub nacks_sent_video: u64,
    /// The same for audio.
    pub nacks_sent_audio: u64,
    /// Packets that the far end asked for again, each request counted.
    pub nacks_received: u64,
    /// Key frames that we asked for (PLI, RFC 4585 section 6.3.1; FIR, RFC 5104 section 4.3.1).
    pub plis_sent: u64,
    /// Key frames that the far end asked for.
    pub plis_received: u64,
    /// Last round-trip time from the far end's reports about our streams (RFC 3550 section 6.4.1); `None` before the
    /// first one.
    pub rtcp_rtt: Option<Duration>,
    /// What the congestion controller allows now, in bit/s; `None` without one, see
    /// [`RtcConfig::congestion_control`](super::RtcConfig::congestion_control).
    pub target_bps: Option<u64>,
}

/// The same figures where they are written.
#[derive(Debug, Default)]
pub(super) struct Link {
    nacks_sent_video: AtomicU64,
    nacks_sent_audio: AtomicU64,
    nacks_received: AtomicU64,
    plis_sent: AtomicU64,
    plis_received: AtomicU64,
    /// In nanoseconds plus one; 0 for none.
    rtcp_rtt: AtomicU64,
    /// 0 for none.
    target_bps: AtomicU64,
}

impl Link {
    /// Reads them.
    pub(super) fn stats(&self) -> LinkStats {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        LinkStats {
            nacks_sent_video: read(&self.nacks_sent_video),
            nacks_sent_audio: read(&self.nacks_sent_audio),
            nacks_received: read(&self.nacks_received),
            plis_sent: read(&self.plis_sent),
            plis_received: read(&self.plis_received),
            rtcp_rtt: read(&self.rtcp_rtt).checked_sub(1).map(Duration::from_nanos),
            target_bps: Some(read(&self.target_bps)).filter(|target| *target > 0),
        }
    }

    /// What the congestion controller allows from now on, in bit/s.
    pub(super) fn set_target(&self, bits_per_second: f64) {
        self.target_bps.store(bits_per_second.max(1.0) as u64, Ordering::Relaxed);
    }

    fn set_rtt(&self, rtt: Duration) {
        let nanos = u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX);
        self.rtcp_rtt.store(nanos.saturating_add(1), Ordering::Relaxed);
    }
}

/// Looks at every packet next to the wire and passes each one on as it is, but for NACKs: they lose what need not be asked
/// for any more.
pub(super) struct Tap {
    shared: Arc<Shared>,
    /// The far end's streams.
    kinds: BTreeMap<u32, MediaKind>,
    /// The far end's repair streams; their reports say nothing about media.
    repairs: Repairs,
    /// Our sender reports: the middle of the NTP time, and when it left.
    reports: VecDeque<(u32, Instant)>,
    incoming: VecDeque<TaggedPacket>,
    outgoing: VecDeque<TaggedPacket>,
}

impl Tap {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            kinds: BTreeMap::new(),
            repairs: Repairs::default(),
            reports: VecDeque::with_capacity(REPORTS_KEPT),
            incoming: VecDeque::new(),
            outgoing: VecDeque::new(),
        }
    }

    fn came(&self, at: Instant, packet: &dyn rtc::rtcp::Packet) {
        let link = self.shared.link();
        let any = packet.as_any();
        if let Some(report) = any.downcast_ref::<SenderReport>() {
            if let Some(kind) = self.kind(report.ssrc) {
                let SenderReport { ssrc, ntp_time: ntp, rtp_time: rtp_timestamp, .. } = *report;
                self.shared.media(PeerEvent::SenderReport { kind, ssrc, ntp, rtp_timestamp, at });
            }
            self.reported(at, &report.reports);
        } else if let Some(report) = any.downcast_ref::<ReceiverReport>() {
            self.reported(at, &report.reports);
        } else if let Some(nack) = any.downcast_ref::<TransportLayerNack>() {
            link.nacks_received.fetch_add(asked_for(nack), Ordering::Relaxed);
        } else if is_key_frame_request(packet) {
            link.plis_received.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What is left to send of a packet of ours.
    fn needed(&self, at: Instant, packet: Box<dyn rtc::rtcp::Packet>) -> Option<Box<dyn rtc::rtcp::Packet>> {
        let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>() else { return Some(packet) };
        match self.repairs.remainder(at, nack) {
            Remainder::All => Some(packet),
            Remainder::Some(nack) => Some(Box::new(nack)),
            Remainder::Nothing => None,
        }
    }

    fn left(&mut self, at: Instant, packet: &dyn rtc::rtcp::Packet) {
        let link = self.shared.link();
        let any = packet.as_any();
        if let Some(report) = any.downcast_ref::<SenderReport>() {
            if self.reports.len() == REPORTS_KEPT {
                self.reports.pop_front();
            }
            self.reports.push_back((middle(report.ntp_time), at));
        } else if let Some(nack) = any.downcast_ref::<TransportLayerNack>() {
            let counter = match self.kind(nack.media_ssrc) {
                Some(MediaKind::Video) => &link.nacks_sent_video,
                Some(MediaKind::Audio) => &link.nacks_sent_audio,
                None => return,
            };
            counter.fetch_add(asked_for(nack), Ordering::Relaxed);
        } else if is_key_frame_request(packet) {
            link.plis_sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The round trip is what has passed since our report left, less the time it lay at the far end. The report's own
    /// number stands for the instant at which it left, so no wall clock is read.
    fn reported(&self, at: Instant, blocks: &[ReceptionReport]) {
        for block in blocks.iter().filter(|block| block.last_sender_report != 0) {
            let Some((_, left)) = self.reports.iter().rev().find(|(middle, _)| *middle == block.last_sender_report)
            else {
                continue;
            };
            let passed = at.saturating_duration_since(*left);
            let lay = Duration::from_secs_f64(f64::from(block.delay) / 65_536.0);
            if lay <= passed + ROUNDING {
                self.shared.link().set_rtt(passed.saturating_sub(lay));
            }
        }
    }

    fn kind(&self, ssrc: u32) -> Option<MediaKind> {
        self.kinds.get(&ssrc).copied().filter(|_| !self.repairs.has(ssrc))
    }
}

/// The middle 32 bits of an NTP time, as a report block refers to it.
fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// How many packets a NACK names: one for each pair, and one for each bit behind it.
fn asked_for(nack: &TransportLayerNack) -> u64 {
    nack.nacks.iter().map(|pair| 1 + u64::from(pair.lost_packets.count_ones())).sum()
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        match &packet.message.packet {
            Packet::Rtcp(compound) => compound.iter().for_each(|one| self.came(packet.now, &**one)),
            Packet::Rtp(rtp) => {
                if let Some((ssrc, sequence)) = self.repairs.came(packet.now, rtp.header.ssrc, &rtp.payload) {
                    self.shared.media(PeerEvent::Repaired { ssrc, sequence });
                }
            }
            _ => {}
        }
        self.incoming.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<Self::Rout> {
        self.incoming.pop_front()
    }

    fn handle_write(&mut self, mut packet: TaggedPacket) -> Result<(), Self::Error> {
        let now = packet.now;
        // An empty compound packet is the stack's own carrier of attributes and passes untouched.
        if let Packet::Rtcp(compound) = &mut packet.message.packet
            && !compound.is_empty()
        {
            *compound = std::mem::take(compound).into_iter().filter_map(|one| self.needed(now, one)).collect();
            if compound.is_empty() {
                return Ok(());
            }
            for one in &*compound {
                self.left(now, &**one);
            }
        }
        self.outgoing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<Self::Wout> {
        self.outgoing.pop_front()
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        let mime_type = info.mime_type.to_ascii_lowercase();
        if mime_type.ends_with("/rtx") {
            self.repairs.bind(info.ssrc, None);
        } else if mime_type.starts_with("audio/") {
            self.kinds.insert(info.ssrc, MediaKind::Audio);
        } else if mime_type.starts_with("video/") {
            self.kinds.insert(info.ssrc, MediaKind::Video);
        }
        // Bound as a stream of its own as well, under the name of the codec that it repairs.
        if let Some(repair) = info.ssrc_rtx {
            self.repairs.bind(repair, Some(info.ssrc));
        }
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.kinds.remove(&info.ssrc);
        self.repairs.unbind(info.ssrc);
    }
}
