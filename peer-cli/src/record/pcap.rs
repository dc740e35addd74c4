//! RTP as a capture file for Wireshark and tcpdump (the libpcap format, draft-ietf-opsawg-pcap).
//!
//! Our own 60 bytes: the pcap-file crate brings an older thiserror and macro crates (syn 1) along for reading what we
//! never read.

use std::time::Duration;

use crate::rtc::{MediaKind, RtpPacket};

/// What stands at the beginning of the file: little-endian, microseconds, raw IP packets.
pub(super) fn file_header() -> [u8; 24] {
    const MAGIC: u32 = 0xa1b2_c3d4;
    const LONGEST_PACKET: u32 = 262_144;
    const RAW_IP: u32 = 101;
    let mut header = [0; 24];
    header[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    header[4..6].copy_from_slice(&2_u16.to_le_bytes());
    header[6..8].copy_from_slice(&4_u16.to_le_bytes());
    header[16..20].copy_from_slice(&LONGEST_PACKET.to_le_bytes());
    header[20..24].copy_from_slice(&RAW_IP.to_le_bytes());
    header
}

/// One packet with its headers, as it would have been seen on the wire without encryption: from 127.0.0.1 to itself,
/// audio from port 5004 to 6004, video from 5006 to 6006. `None` for one too long for UDP.
pub(super) fn record(at: Duration, kind: MediaKind, packet: &RtpPacket) -> Option<Vec<u8>> {
    const IP_HEADER: usize = 20;
    const UDP_HEADER: usize = 8;
    const RTP_HEADER: usize = 12;
    let (from, to): (u16, u16) = match kind {
        MediaKind::Audio => (5004, 6004),
        MediaKind::Video => (5006, 6006),
    };
    let udp_length = u16::try_from(UDP_HEADER + RTP_HEADER + packet.payload.len()).ok()?;
    let length = udp_length.checked_add(IP_HEADER as u16)?;
    let mut out = Vec::with_capacity(16 + usize::from(length));
    // Seconds as 32 bits last until 2106.
    out.extend_from_slice(&(at.as_secs() as u32).to_le_bytes());
    out.extend_from_slice(&at.subsec_micros().to_le_bytes());
    out.extend_from_slice(&u32::from(length).to_le_bytes());
    out.extend_from_slice(&u32::from(length).to_le_bytes());
    out.extend_from_slice(&ip_header(length));
    for half in [from, to, udp_length, 0] {
        out.extend_from_slice(&half.to_be_bytes());
    }
    out.extend_from_slice(&rtp_header(packet));
    out.extend_from_slice(&packet.payload);
    Some(out)
}

/// RFC 791 section 3.1: UDP, "don't fragment", 64 hops.
fn ip_header(length: u16) -> [u8; 20] {
    let [high, low] = length.to_be_bytes();
    let mut header = [0x45, 0, high, low, 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
    let checksum = internet_checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&checksum);
    header
}

/// RFC 1071; an even number of bytes.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let halves = bytes.chunks_exact(2).map(|half| (u32::from(half[0]) << 8) | u32::from(half[1]));
    let mut sum: u32 = halves.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// RFC 3550 section 5.1, without padding, extensions and contributing sources, which are gone by now.
fn rtp_header(packet: &RtpPacket) -> [u8; 12] {
    const VERSION_2: u8 = 0x80;
    let mut header = [0; 12];
    header[0] = VERSION_2;
    header[1] = (u8::from(packet.marker) << 7) | (packet.payload_type & 0x7f);
    header[2..4].copy_from_slice(&packet.sequence.to_be_bytes());
    header[4..8].copy_from_slice(&packet.timestamp.to_be_bytes());
    header[8..12].copy_from_slice(&packet.ssrc.to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn packet(payload: Bytes) -> RtpPacket {
        RtpPacket {
            payload_type: 96,
            sequence: 0x0102,
            timestamp: 0x0304_0506,
            marker: true,
            ssrc: 0x0708_090a,
            payload,
        }
    }

    #[test]
    fn the_file_begins_with_its_magic_and_link_type() {
        let expected = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
        assert_eq!(file_header(), expected);
    }

    #[test]
    fn a_packet_gets_ip_udp_and_rtp_headers() {
        let at = Duration::new(0x0a0b_0c0d, 258_000);
        let bytes = record(at, MediaKind::Video, &packet(Bytes::from_static(&[0xaa, 0xbb]))).unwrap();
        let expected = [
            0x0d, 0x0c, 0x0b, 0x0a, 0x02, 0x01, 0, 0, 42, 0, 0, 0, 42, 0, 0, 0, // time, lengths
            0x45, 0, 0, 42, 0, 0, 0x40, 0, 64, 17, 0x3c, 0xc1, 127, 0, 0, 1, 127, 0, 0, 1, // IP
            0x13, 0x8e, 0x17, 0x76, 0, 22, 0, 0, // UDP
            0x80, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0a, 0xaa, 0xbb, // RTP
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn audio_has_ports_of_its_own() {
        let bytes = record(Duration::ZERO, MediaKind::Audio, &packet(Bytes::new())).unwrap();
        assert_eq!(bytes[36..40], [0x13, 0x8c, 0x17, 0x74]);
    }

    #[test]
    fn a_header_with_its_checksum_sums_up_to_nothing() {
        for length in [40, 1240, u16::MAX] {
            assert_eq!(internet_checksum(&ip_header(length)), 0);
        }
    }

    #[test]
    fn packets_longer_than_udp_carries_are_left_out() {
        assert_eq!(record(Duration::ZERO, MediaKind::Video, &packet(Bytes::from(vec![0; 65_500]))), None);
    }
}
