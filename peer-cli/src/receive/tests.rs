use proptest::prelude::*;

use super::packetize::{Packet, packetize, timestamp};
use super::*;

#[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
fn start() -> Instant {
    Instant::now()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn vp8() -> Receiver {
    Receiver::new(ReceiveConfig::new(Payload::Video(VideoCodec::Vp8)))
}

/// One that has seen parameter sets, so that the frames of these tests can be single units.
fn receiver(codec: VideoCodec) -> Receiver {
    let mut receiver = Receiver::new(ReceiveConfig::new(Payload::Video(codec)));
    receiver.keys.parameters = true;
    receiver
}

fn drain(receiver: &mut Receiver) -> Vec<Output> {
    std::iter::from_fn(|| receiver.poll_output()).collect()
}

/// A VP8 frame that is only its first byte (which tells key from delta), its number and filling.
fn vp8_frame(number: usize, key: bool, length: usize) -> Vec<u8> {
    let mut frame = vec![u8::from(!key), number as u8];
    frame.resize(length.max(2), number as u8);
    frame
}

fn h264_frame(number: usize, key: bool, length: usize) -> Vec<u8> {
    let mut frame = vec![if key { 0x65 } else { 0x41 }, 0x88, number as u8];
    frame.resize(length.max(3), number as u8 | 1);
    frame
}

fn whole(codec: VideoCodec, frame: &[u8]) -> Bytes {
    match codec {
        VideoCodec::Vp8 => Bytes::copy_from_slice(frame),
        VideoCodec::H264 => [&[0, 0, 0, 1][..], frame].concat().into(),
    }
}

fn output(number: usize, frame: &[u8], key: bool) -> Output {
    Output::Frame { data: Bytes::copy_from_slice(frame), timestamp: timestamp(number), key }
}

fn send(receiver: &mut Receiver, now: Instant, packet: &Packet) -> Vec<Output> {
    receiver.packet(now, packet.0, packet.1.clone());
    drain(receiver)
}

#[test]
fn a_frame_comes_out_with_its_last_packet() {
    let (mut receiver, now) = (vp8(), start());
    let frame = vp8_frame(0, true, 25);
    let packets = packetize(VideoCodec::Vp8, std::slice::from_ref(&frame), 65_535, 10);
    assert_eq!(packets.len(), 3);
    assert_eq!(send(&mut receiver, now, &packets[0]), []);
    assert_eq!(send(&mut receiver, now, &packets[1]), []);
    assert_eq!(send(&mut receiver, now, &packets[2]), [output(0, &frame, true)]);
    assert_eq!(receiver.poll_timeout(), None);
}

#[test]
fn packets_overtaken_on_the_way_make_the_same_frames() {
    let (mut receiver, now) = (vp8(), start());
    let frames = [vp8_frame(0, true, 2), vp8_frame(1, false, 20), vp8_frame(2, false, 2)];
    let packets = packetize(VideoCodec::Vp8, &frames, 100, 10);
    assert_eq!(send(&mut receiver, now, &packets[0]), [output(0, &frames[0], true)]);
    assert_eq!(send(&mut receiver, now, &packets[2]), []);
    assert_eq!(send(&mut receiver, now, &packets[3]), []);
    let rest = [output(1, &frames[1], false), output(2, &frames[2], false)];
    assert_eq!(send(&mut receiver, now, &packets[1]), rest);
}

#[test]
fn packets_that_come_again_change_nothing() {
    let (mut receiver, now) = (vp8(), start());
    let frame = vp8_frame(0, true, 15);
    let packets = packetize(VideoCodec::Vp8, std::slice::from_ref(&frame), 7, 10);
    assert_eq!(send(&mut receiver, now, &packets[0]), []);
    assert_eq!(send(&mut receiver, now, &packets[0]), []);
    assert_eq!(send(&mut receiver, now, &packets[1]), [output(0, &frame, true)]);
    assert_eq!(send(&mut receiver, now, &packets[0]), []);
    assert_eq!(send(&mut receiver, now, &packets[1]), []);
}

#[test]
fn a_gap_is_given_up_after_its_time_and_a_key_frame_is_asked_for_until_it_comes() {
    let (mut receiver, start) = (vp8(), start());
    let frames: Vec<Vec<u8>> = (0..5).map(|number| vp8_frame(number, number == 0 || number == 4, 2)).collect();
    let packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    send(&mut receiver, start, &packets[0]);
    assert_eq!(send(&mut receiver, start, &packets[1]), [output(1, &frames[1], false)]);
    // Packet 2 is lost.
    assert_eq!(send(&mut receiver, start + ms(10), &packets[3]), []);
    assert_eq!(receiver.poll_timeout(), Some(start + ms(260)));
    receiver.handle_timeout(start + ms(259));
    assert_eq!(drain(&mut receiver), []);
    receiver.handle_timeout(start + ms(260));
    assert_eq!(drain(&mut receiver), [Output::Lost { missing: 1, discarded: 0 }, Output::NeedKeyFrame]);
    assert_eq!(receiver.withheld(), 1, "frame 3 builds on frame 2");
    assert_eq!(receiver.poll_timeout(), Some(start + ms(760)));
    receiver.handle_timeout(start + ms(760));
    assert_eq!(drain(&mut receiver), [Output::NeedKeyFrame]);
    assert_eq!(send(&mut receiver, start + ms(800), &packets[4]), [output(4, &frames[4], true)]);
    assert_eq!(receiver.poll_timeout(), None);
    assert_eq!(send(&mut receiver, start + ms(801), &packets[2]), [], "too late");
}

#[test]
fn a_stream_of_key_frames_goes_on_after_a_loss_without_a_wish() {
    let (mut receiver, now) = (vp8(), start());
    let frames: Vec<Vec<u8>> = (0..3).map(|number| vp8_frame(number, true, 20)).collect();
    let packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    for at in [0, 1, 2, 4, 5] {
        send(&mut receiver, now, &packets[at]);
    }
    receiver.handle_timeout(now + ms(250));
    let expected = [Output::Lost { missing: 1, discarded: 1 }, output(2, &frames[2], true)];
    assert_eq!(drain(&mut receiver), expected);
}

#[test]
fn one_gap_given_up_does_not_give_up_the_next_one() {
    let (mut receiver, now) = (vp8(), start());
    let frames: Vec<Vec<u8>> = (0..3).map(|number| vp8_frame(number, true, 20)).collect();
    let packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    send(&mut receiver, now, &packets[0]);
    send(&mut receiver, now, &packets[1]);
    // Packet 2 is lost for good, packet 4 comes late.
    send(&mut receiver, now, &packets[3]);
    send(&mut receiver, now + ms(200), &packets[5]);
    receiver.handle_timeout(now + ms(250));
    assert_eq!(drain(&mut receiver), [Output::Lost { missing: 1, discarded: 1 }]);
    assert_eq!(receiver.poll_timeout(), Some(now + ms(450)));
    assert_eq!(send(&mut receiver, now + ms(300), &packets[4]), [output(2, &frames[2], true)]);
}

#[test]
fn a_stream_joined_between_key_frames_asks_for_one() {
    let (mut receiver, now) = (vp8(), start());
    let frames = [vp8_frame(0, false, 2), vp8_frame(1, true, 2)];
    let packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    assert_eq!(send(&mut receiver, now, &packets[0]), [Output::NeedKeyFrame]);
    assert_eq!(send(&mut receiver, now, &packets[1]), [output(1, &frames[1], true)]);
}

#[test]
fn the_first_packets_may_arrive_in_the_wrong_order() {
    let (mut receiver, now) = (vp8(), start());
    let frame = vp8_frame(0, true, 25);
    let packets = packetize(VideoCodec::Vp8, std::slice::from_ref(&frame), 0, 10);
    assert_eq!(send(&mut receiver, now, &packets[2]), []);
    assert_eq!(send(&mut receiver, now, &packets[0]), []);
    assert_eq!(send(&mut receiver, now, &packets[1]), [output(0, &frame, true)]);
}

#[test]
fn padding_between_frames_is_no_gap() {
    let (mut receiver, now) = (vp8(), start());
    let frames = [vp8_frame(0, true, 2), vp8_frame(1, false, 2)];
    let packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    send(&mut receiver, now, &packets[0]);
    let padding = RtpHeader { sequence: 1, ..packets[0].0 };
    assert_eq!(send(&mut receiver, now, &(padding, Bytes::new())), []);
    let moved = RtpHeader { sequence: 2, ..packets[1].0 };
    assert_eq!(send(&mut receiver, now, &(moved, packets[1].1.clone())), [output(1, &frames[1], false)]);
}

#[test]
fn a_frame_without_marker_ends_where_the_next_one_begins() {
    let (mut receiver, now) = (vp8(), start());
    let frames = [vp8_frame(0, true, 2), vp8_frame(1, false, 2)];
    let mut packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    packets[0].0.marker = false;
    assert_eq!(send(&mut receiver, now, &packets[0]), []);
    let both = [output(0, &frames[0], true), output(1, &frames[1], false)];
    assert_eq!(send(&mut receiver, now, &packets[1]), both);
}

#[test]
fn another_sender_starts_a_new_stream() {
    let (mut receiver, now) = (vp8(), start());
    let frames = [vp8_frame(0, true, 2), vp8_frame(1, false, 2)];
    let packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    send(&mut receiver, now, &packets[0]);
    let other = RtpHeader { ssrc: 2, sequence: 40_000, ..packets[1].0 };
    assert_eq!(send(&mut receiver, now, &(other, packets[1].1.clone())), [Output::NeedKeyFrame]);
}

#[test]
fn every_opus_packet_is_a_frame_and_a_lost_one_is_reported() {
    let mut receiver = Receiver::new(ReceiveConfig::new(Payload::Opus));
    let now = start();
    let packet = |number: u16| -> Packet {
        let header = RtpHeader { sequence: number, timestamp: timestamp(number.into()), marker: false, ssrc: 1 };
        (header, Bytes::copy_from_slice(&[0x78, number as u8]))
    };
    let frame = |number: u8| output(number.into(), &[0x78, number], true);
    assert_eq!(send(&mut receiver, now, &packet(0)), [frame(0)]);
    assert_eq!(send(&mut receiver, now, &packet(2)), []);
    receiver.handle_timeout(now + ms(250));
    assert_eq!(drain(&mut receiver), [Output::Lost { missing: 1, discarded: 0 }, frame(2)]);
}

#[test]
fn an_h264_frame_after_a_gap_starts_with_its_first_slice_at_a_new_time() {
    let mut receiver = receiver(VideoCodec::H264);
    let now = start();
    let frames: Vec<Vec<u8>> = (0..4).map(|number| h264_frame(number, true, 25)).collect();
    let packets = packetize(VideoCodec::H264, &frames, 0, 10);
    assert_eq!(packets.len(), 12);
    // Of the second frame the end is lost, of the third the beginning.
    for at in [0, 1, 2, 3, 4, 7, 8, 9, 10, 11] {
        send(&mut receiver, now, &packets[at]);
    }
    receiver.handle_timeout(now + ms(250));
    let last = Output::Frame { data: whole(VideoCodec::H264, &frames[3]), timestamp: timestamp(3), key: true };
    assert_eq!(drain(&mut receiver), [Output::Lost { missing: 2, discarded: 4 }, last]);
}

#[test]
fn an_idr_picture_without_its_parameter_sets_is_no_beginning() {
    let mut receiver = Receiver::new(ReceiveConfig::new(Payload::Video(VideoCodec::H264)));
    let now = start();
    let header =
        |sequence: u16, number: usize, marker| RtpHeader { sequence, timestamp: timestamp(number), marker, ssrc: 1 };
    let idr = Bytes::from(h264_frame(0, true, 5));
    // The packet with the parameter sets was lost before anybody listened.
    assert_eq!(send(&mut receiver, now, &(header(1, 0, true), idr.clone())), [Output::NeedKeyFrame]);
    let delta = Bytes::from(h264_frame(1, false, 5));
    assert_eq!(send(&mut receiver, now + ms(33), &(header(2, 1, true), delta)), []);
    assert_eq!(receiver.withheld(), 2);
    let parameters = Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f]);
    assert_eq!(send(&mut receiver, now + ms(66), &(header(3, 2, false), parameters)), []);
    let outputs = send(&mut receiver, now + ms(66), &(header(4, 2, true), idr));
    assert!(matches!(outputs[..], [Output::Frame { key: true, .. }]), "{outputs:?}");
    assert_eq!(receiver.poll_timeout(), None);
}

#[test]
fn a_frame_that_the_decoder_refuses_makes_us_ask_for_a_key_frame_until_it_comes() {
    let (mut receiver, now) = (vp8(), start());
    let frames = [vp8_frame(0, true, 2), vp8_frame(1, false, 2), vp8_frame(2, false, 2), vp8_frame(3, true, 2)];
    let packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    send(&mut receiver, now, &packets[0]);
    send(&mut receiver, now, &packets[1]);
    receiver.undecodable(now);
    assert_eq!(drain(&mut receiver), [Output::NeedKeyFrame]);
    receiver.undecodable(now + ms(100));
    assert_eq!(drain(&mut receiver), [], "not so soon again");
    assert_eq!(send(&mut receiver, now + ms(100), &packets[2]), [output(2, &frames[2], false)]);
    receiver.handle_timeout(now + ms(500));
    assert_eq!(drain(&mut receiver), [Output::NeedKeyFrame]);
    assert_eq!(send(&mut receiver, now + ms(600), &packets[3]), [output(3, &frames[3], true)]);
    assert_eq!(receiver.poll_timeout(), None);
}

#[test]
fn a_frame_without_end_does_not_fill_the_memory() {
    let config = ReceiveConfig { max_packets: 50, ..ReceiveConfig::new(Payload::Video(VideoCodec::Vp8)) };
    let (mut receiver, now) = (Receiver::new(config), start());
    let packets = packetize(VideoCodec::Vp8, &[vp8_frame(0, true, 1000)], 0, 10);
    let outputs: Vec<Output> = packets[..60].iter().flat_map(|packet| send(&mut receiver, now, packet)).collect();
    assert_eq!(outputs.first(), Some(&Output::Lost { missing: 0, discarded: 51 }));
}

/// What happens to one packet: when each copy arrives, in milliseconds after it was sent. No copies: lost.
type Fate = Vec<u64>;

/// Sends packets a millisecond apart through the given fates and lets time pass until nothing is left to wait for.
fn carry(codec: VideoCodec, packets: &[Packet], fates: &[Fate]) -> Vec<Output> {
    let (mut receiver, start) = (receiver(codec), start());
    let mut arrivals: Vec<(u64, &Packet)> = Vec::new();
    for (at, (packet, fate)) in packets.iter().zip(fates).enumerate() {
        arrivals.extend(fate.iter().map(|delay| (at as u64 + delay, packet)));
    }
    arrivals.sort_by_key(|(at, _)| *at);
    let mut outputs = Vec::new();
    for (at, packet) in arrivals {
        let now = start + ms(at);
        while let Some(due) = receiver.poll_timeout().filter(|due| *due <= now) {
            receiver.handle_timeout(due);
        }
        outputs.extend(send(&mut receiver, now, packet));
    }
    // A wish for a key frame would be repeated for ever; a minute settles everything else.
    let end = start + ms(60_000);
    for _ in 0..20 {
        if let Some(due) = receiver.poll_timeout().filter(|due| *due <= end) {
            receiver.handle_timeout(due);
        }
        outputs.extend(drain(&mut receiver));
    }
    outputs
}

fn sent(codec: VideoCodec, lengths: &[usize], all_key: bool) -> Vec<Vec<u8>> {
    let frame = |(number, &length): (usize, &usize)| match codec {
        VideoCodec::Vp8 => vp8_frame(number, all_key || number == 0, length),
        VideoCodec::H264 => h264_frame(number, all_key || number == 0, length),
    };
    lengths.iter().enumerate().map(frame).collect()
}

fn frames_of(outputs: &[Output]) -> Vec<(u32, Bytes)> {
    let frame = |output: &Output| match output {
        Output::Frame { data, timestamp, .. } => Some((*timestamp, data.clone())),
        Output::NeedKeyFrame | Output::Lost { .. } => None,
    };
    outputs.iter().filter_map(frame).collect()
}

fn expected(codec: VideoCodec, frames: &[Vec<u8>]) -> Vec<(u32, Bytes)> {
    frames.iter().enumerate().map(|(number, frame)| (timestamp(number), whole(codec, frame))).collect()
}

fn codecs() -> impl Strategy<Value = VideoCodec> {
    prop_oneof![Just(VideoCodec::Vp8), Just(VideoCodec::H264)]
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(2_usize..60, 1..30)
}

proptest! {
    #[test]
    fn a_clean_stream_loses_nothing(codec in codecs(), lengths in lengths(), first: u16, room in 1_usize..20) {
        let frames = sent(codec, &lengths, false);
        let packets = packetize(codec, &frames, first, room.max(3));
        let outputs = carry(codec, &packets, &vec![vec![0]; packets.len()]);
        prop_assert_eq!(frames_of(&outputs), expected(codec, &frames));
        prop_assert_eq!(outputs.len(), frames.len(), "nothing but frames");
    }

    #[test]
    fn reordering_and_copies_within_the_wait_lose_nothing(
        codec in codecs(),
        lengths in lengths(),
        first: u16,
        delays in prop::collection::vec(prop::collection::vec(0_u64..200, 1..3), 1..40),
    ) {
        let frames = sent(codec, &lengths, false);
        let packets = packetize(codec, &frames, first, 10);
        // What comes before the first packet of all may be taken for the end of something older.
        let fate = |at: usize| if at == 0 { vec![0] } else { delays[at % delays.len()].clone() };
        let fates: Vec<Fate> = (0..packets.len()).map(fate).collect();
        prop_assert_eq!(frames_of(&carry(codec, &packets, &fates)), expected(codec, &frames));
    }

    #[test]
    fn under_loss_frames_come_whole_once_and_in_order(
        codec in codecs(),
        lengths in lengths(),
        all_key: bool,
        first: u16,
        fates in prop::collection::vec(prop::collection::vec(0_u64..600, 0..3), 1..40),
    ) {
        let frames = sent(codec, &lengths, all_key);
        let packets = packetize(codec, &frames, first, 10);
        let fates: Vec<Fate> = (0..packets.len()).map(|at| fates[at % fates.len()].clone()).collect();
        let mut sent = expected(codec, &frames).into_iter();
        for frame in frames_of(&carry(codec, &packets, &fates)) {
            prop_assert!(sent.any(|sent| sent == frame), "{frame:?} is damaged, doubled or out of order");
        }
    }

    #[test]
    fn arbitrary_packets_never_panic(
        codec in codecs(),
        packets in prop::collection::vec((any::<u16>(), 0_u32..4, any::<bool>(), prop::collection::vec(any::<u8>(), 0..12), 0_u64..50), 0..200),
    ) {
        let (mut receiver, mut now) = (Receiver::new(ReceiveConfig::new(Payload::Video(codec))), start());
        for (sequence, timestamp, marker, payload, wait) in packets {
            now += ms(wait);
            receiver.handle_timeout(now);
            receiver.packet(now, RtpHeader { sequence: sequence % 64, timestamp, marker, ssrc: 1 }, payload.into());
            drain(&mut receiver);
        }
    }
}
