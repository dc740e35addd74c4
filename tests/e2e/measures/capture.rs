//! The H264 pictures in a capture that `--record` wrote: what a peer received, decrypted and as it came.

use std::collections::BTreeMap;

use dialtone_tests::Call;

/// What is known of one picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Captured {
    /// How many packets of it came.
    pub(super) packets: usize,
    /// Whether a decoder can begin with it (an IDR picture).
    pub(super) key: bool,
}

/// By RTP timestamp, the pictures that the peer with this number received.
pub(super) fn pictures(call: &Call, peer: usize) -> BTreeMap<u32, Captured> {
    let recording = call.at(&format!("/peers/{peer}/recording"));
    let files = recording["files"].as_array().map_or(&[][..], Vec::as_slice);
    let path = files.iter().filter_map(|file| file["path"].as_str()).find(|path| path.ends_with(".pcap"));
    let path = path.unwrap_or_else(|| panic!("there is no capture: {recording}"));
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut pictures = BTreeMap::<u32, Captured>::new();
    for (timestamp, payload) in video(&bytes) {
        let picture = pictures.entry(timestamp).or_default();
        picture.packets += 1;
        picture.key |= has_idr(payload);
    }
    pictures
}

/// Timestamps and payloads of the video packets. The capture's file header has 24 bytes, that of each packet 16; then
/// come 20 of IPv4, 8 of UDP and 12 of RTP, as `record/pcap.rs` of peer-cli writes them.
fn video(capture: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    const VIDEO_PORT: u16 = 6006;
    let mut rest = &capture[24..];
    let packets = std::iter::from_fn(move || {
        let length = u32::from_le_bytes(*rest.get(8..)?.first_chunk()?) as usize;
        let (packet, after) = rest.get(16..)?.split_at_checked(length)?;
        rest = after;
        Some(packet)
    });
    packets.filter_map(|packet| {
        let to = u16::from_be_bytes(*packet.get(22..)?.first_chunk()?);
        let timestamp = u32::from_be_bytes(*packet.get(32..)?.first_chunk()?);
        let payload = packet.get(40..).filter(|payload| !payload.is_empty())?;
        (to == VIDEO_PORT).then_some((timestamp, payload))
    })
}

/// Whether a payload carries a slice of an IDR picture (RFC 6184: single units, STAP-A, FU-A).
fn has_idr(payload: &[u8]) -> bool {
    const IDR: u8 = 5;
    let kind = |header: u8| header & 0x1f;
    match *payload {
        [first, second, ..] if kind(first) == 28 => kind(second) == IDR,
        [first, ref units @ ..] if kind(first) == 24 => {
            let mut rest = units;
            std::iter::from_fn(|| {
                let length = u16::from_be_bytes(*rest.first_chunk()?);
                let (unit, after) = rest.get(2..)?.split_at_checked(length.into())?;
                rest = after;
                unit.first().copied()
            })
            .any(|header| kind(header) == IDR)
        }
        [first, ..] => kind(first) == IDR,
        [] => false,
    }
}
