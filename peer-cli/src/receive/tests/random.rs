//! What holds for any stream on any path.

use proptest::prelude::*;

use super::*;

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
