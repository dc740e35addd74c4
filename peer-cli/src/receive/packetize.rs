//! Test only: frames to packets, as small as the test likes.

use bytes::Bytes;

use super::RtpHeader;
use crate::media::VideoCodec;

/// One packet on its way.
pub(super) type Packet = (RtpHeader, Bytes);

/// All packets of the frames, 3000 clock units apart, from sequence number `first` on.
pub(super) fn packetize(codec: VideoCodec, frames: &[Vec<u8>], first: u16, room: usize) -> Vec<Packet> {
    let mut packets = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let payloads = match codec {
            VideoCodec::Vp8 => vp8(frame, room),
            VideoCodec::H264 => h264(frame, room),
        };
        let count = payloads.len();
        for (at, payload) in payloads.into_iter().enumerate() {
            let sequence = first.wrapping_add(packets.len() as u16);
            let timestamp = timestamp(index);
            packets.push((RtpHeader { sequence, timestamp, marker: at + 1 == count, ssrc: 1 }, payload));
        }
    }
    packets
}

/// Of the frame with this number; wraps early in the test.
pub(super) fn timestamp(frame: usize) -> u32 {
    (u32::MAX - 9000).wrapping_add(3000 * frame as u32)
}

/// RFC 7741: a descriptor of one byte in front of at most `room` bytes.
fn vp8(frame: &[u8], room: usize) -> Vec<Bytes> {
    let payload = |(at, part): (usize, &[u8])| Bytes::from([&[if at == 0 { 0x10 } else { 0 }][..], part].concat());
    frame.chunks(room).enumerate().map(payload).collect()
}

/// RFC 6184, for a frame of one unit without start code: whole if it fits, in FU-A fragments otherwise.
fn h264(nal: &[u8], room: usize) -> Vec<Bytes> {
    if nal.len() <= room {
        return vec![Bytes::copy_from_slice(nal)];
    }
    let parts: Vec<&[u8]> = nal[1..].chunks(room).collect();
    let last = parts.len() - 1;
    let fragment = |(at, part): (usize, &&[u8])| {
        let edge = if at == 0 { 0x80 } else { 0 } | if at == last { 0x40 } else { 0 };
        Bytes::from([&[nal[0] & 0xe0 | 28, edge | nal[0] & 0x1f][..], *part].concat())
    };
    parts.iter().enumerate().map(fragment).collect()
}
