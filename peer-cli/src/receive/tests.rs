use std::sync::LazyLock;

use super::packetize::{Packet, packetize, timestamp};
use super::*;

mod random;

#[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
fn start() -> Instant {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START
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

/// Without the times of arrival, which have a test of their own.
fn drain(receiver: &mut Receiver) -> Vec<Output> {
    let timeless = |output| match output {
        Output::Frame { data, timestamp, key, .. } => Output::Frame { data, timestamp, key, arrived: start() },
        Output::NeedKeyFrame | Output::Lost { .. } => output,
    };
    std::iter::from_fn(|| receiver.poll_output()).map(timeless).collect()
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
    Output::Frame { data: Bytes::copy_from_slice(frame), timestamp: timestamp(number), key, arrived: start() }
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
    receiver.handle_timeout(now + ms(39));
    assert_eq!(drain(&mut receiver), []);
    receiver.handle_timeout(now + ms(40));
    assert_eq!(drain(&mut receiver), [Output::Lost { missing: 1, discarded: 0 }, frame(2)]);
}

#[test]
fn a_frame_tells_when_its_last_packet_arrived_however_long_it_was_held() {
    let (mut receiver, now) = (vp8(), start());
    let frames = [vp8_frame(0, true, 2), vp8_frame(1, false, 25), vp8_frame(2, true, 2)];
    let packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    for (at, millis) in [(0, 0), (4, 10), (3, 20), (1, 25), (2, 30)] {
        receiver.packet(now + ms(millis), packets[at].0, packets[at].1.clone());
    }
    let arrivals: Vec<_> = std::iter::from_fn(|| receiver.poll_output())
        .map(|output| match output {
            Output::Frame { arrived, .. } => arrived - now,
            Output::NeedKeyFrame | Output::Lost { .. } => panic!("{output:?}"),
        })
        .collect();
    assert_eq!(arrivals, [ms(0), ms(30), ms(10)]);
}

#[test]
fn at_the_end_nothing_is_waited_for() {
    let (mut receiver, now) = (vp8(), start());
    let frames = [vp8_frame(0, true, 2), vp8_frame(1, true, 2), vp8_frame(2, true, 2), vp8_frame(3, true, 25)];
    let packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    for at in [0, 2, 3, 4] {
        send(&mut receiver, now, &packets[at]);
    }
    receiver.end(now);
    // The last frame has no end yet: nobody can say what it lacks.
    assert_eq!(drain(&mut receiver), [Output::Lost { missing: 1, discarded: 0 }, output(2, &frames[2], true)]);
    assert_eq!(receiver.poll_timeout(), None);
}

#[test]
fn an_outage_of_many_thousand_packets_is_a_gap_like_any_other() {
    let (mut receiver, now) = (vp8(), start());
    let packet = |sequence: u16, seconds: u32, key: bool| -> Packet {
        let header =
            RtpHeader { sequence, timestamp: timestamp(0).wrapping_add(90_000 * seconds), marker: true, ssrc: 1 };
        (header, Bytes::from([&[0x10][..], &vp8_frame(0, key, 2)].concat()))
    };
    assert_eq!(send(&mut receiver, now, &packet(60_000, 0, true)).len(), 1);
    assert_eq!(send(&mut receiver, now + ms(30_000), &packet(9000, 30, false)), []);
    assert_eq!(send(&mut receiver, now + ms(30_000), &packet(9001, 30, false)), []);
    receiver.handle_timeout(now + ms(30_250));
    let missing = 65_536 + 9000 - 60_001;
    assert_eq!(drain(&mut receiver), [Output::Lost { missing, discarded: 0 }, Output::NeedKeyFrame]);
}

#[test]
fn a_sender_that_starts_over_has_to_begin_with_a_key_frame() {
    let (mut receiver, now) = (vp8(), start());
    let frames = [vp8_frame(0, true, 2), vp8_frame(1, false, 2), vp8_frame(2, true, 2)];
    let packets = packetize(VideoCodec::Vp8, &frames, 0, 10);
    send(&mut receiver, now, &packets[0]);
    let elsewhere = |at: usize| -> Packet {
        let (sequence, timestamp) = (30_000 + at as u16, (1 << 31) + at as u32);
        (RtpHeader { sequence, timestamp, ..packets[at].0 }, packets[at].1.clone())
    };
    assert_eq!(send(&mut receiver, now, &elsewhere(1)), []);
    let outputs = send(&mut receiver, now, &elsewhere(2));
    assert!(matches!(outputs[..], [Output::NeedKeyFrame, Output::Frame { key: true, .. }]), "{outputs:?}");
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
    let last = output(3, &whole(VideoCodec::H264, &frames[3]), true);
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
