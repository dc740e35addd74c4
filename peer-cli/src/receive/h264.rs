//! H264 payloads (RFC 6184): single units, STAP-A aggregates and FU-A fragments, to Annex B.

use bytes::{Bytes, BytesMut};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

const SLICE: u8 = 1;
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

const KIND: u8 = 0x1f;
const FU_START: u8 = 0x80;

/// Whether a frame could begin with this packet: what stands before slices, or the first slice.
pub(super) fn may_start_frame(payload: &[u8]) -> bool {
    let (kind, body) = match payload {
        [header, rest @ ..] if header & KIND == STAP_A => match rest {
            [_, _, inner, body @ ..] => (inner & KIND, body),
            _ => return false,
        },
        [header, fragment, body @ ..] if header & KIND == FU_A => {
            if fragment & FU_START == 0 {
                return false;
            }
            (fragment & KIND, body)
        }
        [header, body @ ..] => (header & KIND, body),
        [] => return false,
    };
    match kind {
        // first_mb_in_slice is 0 if and only if its code is the single bit 1.
        SLICE | IDR => body.first().is_some_and(|first| first & 0x80 != 0),
        SEI | SPS | PPS | DELIMITER => true,
        _ => false,
    }
}

/// An access unit in Annex B form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assembled {
    pub(super) data: Bytes,
    /// It is an IDR picture.
    pub(super) idr: bool,
    /// It brings a sequence parameter set, without which no decoder can begin.
    pub(super) parameters: bool,
}

/// The access unit in the packets. `None` when a packet is malformed or of a kind that packetization mode 1 does not
/// have.
pub(super) fn assemble(packets: &[Bytes]) -> Option<Assembled> {
    let room = packets.iter().map(|packet| packet.len() + START_CODE.len()).sum();
    let stream = BytesMut::with_capacity(room);
    let mut unit = AccessUnit { stream, idr: false, parameters: false, fragment_open: false };
    for packet in packets {
        unit.add(packet)?;
    }
    let AccessUnit { stream, idr, parameters, fragment_open } = unit;
    (!stream.is_empty() && !fragment_open).then(|| Assembled { data: stream.freeze(), idr, parameters })
}

struct AccessUnit {
    stream: BytesMut,
    idr: bool,
    parameters: bool,
    fragment_open: bool,
}

impl AccessUnit {
    fn add(&mut self, payload: &[u8]) -> Option<()> {
        let (&header, body) = payload.split_first()?;
        let kind = header & KIND;
        if self.fragment_open && kind != FU_A {
            return None;
        }
        match kind {
            1..STAP_A => self.begin(header, body),
            STAP_A => self.add_aggregate(body)?,
            FU_A => self.add_fragment(header, body)?,
            _ => return None,
        }
        Some(())
    }

    fn begin(&mut self, header: u8, body: &[u8]) {
        self.idr |= header & KIND == IDR;
        self.parameters |= header & KIND == SPS;
        self.stream.extend_from_slice(&START_CODE);
        self.stream.extend_from_slice(&[header]);
        self.stream.extend_from_slice(body);
    }

    /// Section 5.7.1: each unit behind a length of two bytes.
    fn add_aggregate(&mut self, mut rest: &[u8]) -> Option<()> {
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk()?;
            let (nal, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let (&header, body) = nal.split_first()?;
            self.begin(header, body);
            rest = after;
        }
        Some(())
    }

    /// Section 5.8: the unit's header is split between the two bytes in front.
    fn add_fragment(&mut self, indicator: u8, rest: &[u8]) -> Option<()> {
        const END: u8 = 0x40;
        let (&fragment, body) = rest.split_first()?;
        let starts = fragment & FU_START != 0;
        if starts == self.fragment_open {
            return None;
        }
        if starts {
            self.begin(indicator & !KIND | fragment & KIND, body);
        } else {
            self.stream.extend_from_slice(body);
        }
        self.fragment_open = fragment & END == 0;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data, IDR, parameters.
    fn assembled(packets: &[&[u8]]) -> Option<(Vec<u8>, bool, bool)> {
        let packets: Vec<Bytes> = packets.iter().map(|packet| Bytes::copy_from_slice(packet)).collect();
        assemble(&packets).map(|unit| (unit.data.to_vec(), unit.idr, unit.parameters))
    }

    #[test]
    fn aggregate_and_fragments_become_one_key_frame() {
        let packets: [&[u8]; 4] =
            [&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], &[0x7c, 0x85, 2], &[0x7c, 0x05, 3, 4], &[0x7c, 0x45, 5]];
        let stream = vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0, 0, 1, 0x65, 2, 3, 4, 5];
        assert_eq!(assembled(&packets), Some((stream, true, true)));
    }

    #[test]
    fn a_single_slice_is_a_frame_but_no_key_frame() {
        assert_eq!(assembled(&[&[0x41, 0x9a]]), Some((vec![0, 0, 0, 1, 0x41, 0x9a], false, false)));
    }

    #[test]
    fn broken_packets_are_refused() {
        let broken: [&[&[u8]]; 8] = [
            &[],
            &[&[]],
            &[&[0x7c]],
            &[&[0x7c, 0x05, 1]],
            &[&[0x7c, 0x85, 1]],
            &[&[0x7c, 0x85, 1], &[0x41, 2]],
            &[&[0x78, 0, 9, 0x67]],
            &[&[0x7d, 1, 2]],
        ];
        for packets in broken {
            assert_eq!(assembled(packets), None, "{packets:02x?}");
        }
    }

    #[test]
    fn frames_start_with_parameter_sets_or_the_first_slice() {
        let starts: [&[u8]; 5] = [&[0x67, 1], &[0x78, 0, 2, 0x67, 1], &[0x65, 0x88], &[0x7c, 0x85, 0x88], &[0x06, 5]];
        for payload in starts {
            assert!(may_start_frame(payload), "{payload:02x?}");
        }
        let others: [&[u8]; 6] = [&[], &[0x41], &[0x41, 0x40], &[0x7c, 0x05, 0x88], &[0x7c, 0x85, 0x40], &[0x78, 0]];
        for payload in others {
            assert!(!may_start_frame(payload), "{payload:02x?}");
        }
    }
}
