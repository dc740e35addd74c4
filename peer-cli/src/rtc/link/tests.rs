use bytes::Bytes;
use rtc::{
    interceptor::AttributedPacket,
    rtcp::{
        payload_feedbacks::picture_loss_indication::PictureLossIndication,
        transport_feedbacks::transport_layer_nack::NackPair,
    },
    shared::TransportContext,
};
use tokio::sync::mpsc;

use super::*;

const NTP: u64 = 0xe1a2_b3c4_d5e6_f708;

struct World {
    tap: Tap,
    events: mpsc::Receiver<PeerEvent>,
    start: Instant,
}

impl World {
    fn new() -> Self {
        let (sender, events) = mpsc::channel(8);
        let mut tap = Tap::new(&Shared::start(sender));
        let video =
            StreamInfo { ssrc: 1, ssrc_rtx: Some(2), mime_type: "video/VP8".to_owned(), ..StreamInfo::default() };
        tap.bind_remote_stream(&video);
        tap.bind_remote_stream(&StreamInfo { ssrc: 2, ssrc_rtx: None, ..video });
        tap.bind_remote_stream(&StreamInfo { ssrc: 3, mime_type: "audio/opus".to_owned(), ..StreamInfo::default() });
        Self { tap, events, start: tokio::time::Instant::now().into_std() }
    }

    fn comes(&mut self, after: Duration, packet: impl rtc::rtcp::Packet + 'static) {
        let packet = self.tagged(after, packet);
        self.tap.handle_read(packet).unwrap();
        assert!(self.tap.poll_read().is_some(), "passed on");
    }

    fn leaves(&mut self, after: Duration, packet: impl rtc::rtcp::Packet + 'static) {
        let packet = self.tagged(after, packet);
        self.tap.handle_write(packet).unwrap();
        assert!(self.tap.poll_write().is_some(), "passed on");
    }

    fn tagged(&self, after: Duration, packet: impl rtc::rtcp::Packet + 'static) -> TaggedPacket {
        TaggedPacket {
            now: self.start + after,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtcp(vec![Box::new(packet)])),
        }
    }

    fn stats(&self) -> LinkStats {
        self.tap.shared.link().stats()
    }
}

fn block(last_sender_report: u32, delay: u32) -> ReceiverReport {
    let block = ReceptionReport { ssrc: 9, last_sender_report, delay, ..ReceptionReport::default() };
    ReceiverReport { reports: vec![block], ..ReceiverReport::default() }
}

#[tokio::test]
async fn a_sender_report_is_told_with_the_kind_of_its_stream() {
    let mut world = World::new();
    for ssrc in [3, 2, 77, 1] {
        let report = SenderReport { ssrc, ntp_time: NTP, rtp_time: ssrc, ..SenderReport::default() };
        world.comes(Duration::ZERO, report);
    }
    let mut told = Vec::new();
    while let Ok(event) = world.events.try_recv() {
        match event {
            PeerEvent::SenderReport { kind, ssrc, ntp, rtp_timestamp, at } => {
                assert_eq!((ntp, at), (NTP, world.start));
                told.push((kind, ssrc, rtp_timestamp));
            }
            PeerEvent::Call(_) | PeerEvent::Rtp { .. } | PeerEvent::Repaired { .. } | PeerEvent::KeyFrameRequested => {
                panic!("{event:?}")
            }
        }
    }
    assert_eq!(told, [(MediaKind::Audio, 3, 3), (MediaKind::Video, 1, 1)]);
}

#[tokio::test]
async fn the_round_trip_is_the_time_since_our_report_less_its_stay_at_the_far_end() {
    let mut world = World::new();
    world.leaves(Duration::ZERO, SenderReport { ssrc: 9, ntp_time: NTP, ..SenderReport::default() });
    assert_eq!(world.stats().rtcp_rtt, None);
    world.comes(Duration::from_millis(10), block(0, 0));
    world.comes(Duration::from_millis(10), block(1, 0));
    assert_eq!(world.stats().rtcp_rtt, None, "no report of ours is meant");
    world.comes(Duration::from_millis(540), block(0xb3c4_d5e6, 32_768));
    assert_eq!(world.stats().rtcp_rtt, Some(Duration::from_millis(40)));
    world.comes(Duration::from_millis(541), block(0xb3c4_d5e6, 65_536));
    assert_eq!(world.stats().rtcp_rtt, Some(Duration::from_millis(40)), "a stay longer than the time is nonsense");
}

#[tokio::test]
async fn a_report_block_inside_a_sender_report_counts_as_well() {
    let mut world = World::new();
    world.leaves(Duration::ZERO, SenderReport { ssrc: 9, ntp_time: NTP, ..SenderReport::default() });
    let reports = block(0xb3c4_d5e6, 0).reports;
    world.comes(Duration::from_millis(7), SenderReport { ssrc: 77, reports, ..SenderReport::default() });
    assert_eq!(world.stats().rtcp_rtt, Some(Duration::from_millis(7)));
}

#[tokio::test]
async fn nacks_and_key_frame_requests_are_counted_each_way() {
    let mut world = World::new();
    let nack = |media_ssrc| TransportLayerNack {
        sender_ssrc: 0,
        media_ssrc,
        nacks: vec![NackPair { packet_id: 5, lost_packets: 0b101 }, NackPair { packet_id: 40, lost_packets: 0 }],
    };
    world.leaves(Duration::ZERO, nack(1));
    world.leaves(Duration::ZERO, nack(3));
    world.leaves(Duration::ZERO, nack(3));
    world.comes(Duration::ZERO, nack(9));
    world.leaves(Duration::ZERO, PictureLossIndication { sender_ssrc: 0, media_ssrc: 1 });
    world.comes(Duration::ZERO, PictureLossIndication { sender_ssrc: 0, media_ssrc: 9 });
    world.comes(Duration::ZERO, PictureLossIndication { sender_ssrc: 0, media_ssrc: 9 });
    let stats = world.stats();
    assert_eq!((stats.nacks_sent_video, stats.nacks_sent_audio, stats.nacks_received), (4, 8, 4));
    assert_eq!((stats.plis_sent, stats.plis_received), (1, 2));
}

#[test]
fn a_target_is_known_once_it_is_set() {
    let link = Link::default();
    assert_eq!(link.stats(), LinkStats::default());
    link.set_target(300_000.7);
    assert_eq!(link.stats().target_bps, Some(300_000));
}

#[tokio::test]
async fn what_came_in_a_repair_stream_is_told_and_not_asked_for_again() {
    let mut world = World::new();
    let repair = |number: u16, filling: &[u8]| {
        let header = rtc::rtp::Header { ssrc: 2, ..rtc::rtp::Header::default() };
        rtc::rtp::Packet { header, payload: [&number.to_be_bytes()[..], filling].concat().into() }
    };
    let packets = [repair(5, &[1, 2]), repair(8, &[1]), rtc::rtp::Packet { payload: Bytes::new(), ..repair(0, &[]) }];
    for packet in packets {
        let now = world.start;
        let (transport, message) = (TransportContext::default(), AttributedPacket::new(Packet::Rtp(packet)));
        world.tap.handle_read(TaggedPacket { now, transport, message }).unwrap();
        assert!(world.tap.poll_read().is_some(), "passed on");
    }
    for sequence in [5, 8] {
        let event = world.events.try_recv().unwrap();
        assert!(matches!(event, PeerEvent::Repaired { ssrc: 1, sequence: told } if told == sequence), "{event:?}");
    }
    assert!(world.events.try_recv().is_err(), "padding repairs nothing");

    let nack = |media_ssrc, lost_packets| TransportLayerNack {
        sender_ssrc: 0,
        media_ssrc,
        nacks: vec![NackPair { packet_id: 5, lost_packets }],
    };
    let rest = TransportLayerNack { nacks: vec![NackPair { packet_id: 6, lost_packets: 0 }], ..nack(1, 0) };
    let packet = world.tagged(Duration::ZERO, nack(1, 0b101));
    world.tap.handle_write(packet).unwrap();
    let left = world.tap.poll_write().unwrap();
    assert_eq!(left.message.packet, Packet::Rtcp(vec![Box::new(rest)]));
    // Whole, and of the repair stream itself: nothing is left to send.
    for nothing in [nack(1, 0), nack(1, 0b100), nack(2, 0b111)] {
        let packet = world.tagged(Duration::ZERO, nothing);
        world.tap.handle_write(packet).unwrap();
        assert!(world.tap.poll_write().is_none());
    }
    assert_eq!(world.stats().nacks_sent_video, 1);
}
