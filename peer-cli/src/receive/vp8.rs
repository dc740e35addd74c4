//! VP8 payloads (RFC 7741 section 4.2): a descriptor of one to six bytes, then any number of bytes of the frame, even
//! a single one.

use bytes::{Bytes, BytesMut};

/// The `S` bit of partition 0: a frame begins here.
pub(super) fn starts_frame(payload: &[u8]) -> bool {
    const START: u8 = 0x10;
    const PARTITION: u8 = 0x07;
    payload.first().is_some_and(|flags| flags & START != 0 && flags & PARTITION == 0)
}

/// The frame in the packets, and whether it is a key frame. `None` when a descriptor is cut short or nothing follows.
pub(super) fn assemble(packets: &[Bytes]) -> Option<(Bytes, bool)> {
    let data = match packets {
        [only] => only.slice(descriptor_length(only)?..),
        several => {
            let mut frame = BytesMut::with_capacity(several.iter().map(Bytes::len).sum());
            for packet in several {
                frame.extend_from_slice(packet.get(descriptor_length(packet)?..)?);
            }
            frame.freeze()
        }
    };
    // RFC 6386 section 9.1: the lowest bit is clear in key frames.
    let key = data.first()? & 1 == 0;
    Some((data, key))
}

/// Never more than the payload has.
fn descriptor_length(payload: &[u8]) -> Option<usize> {
    const EXTENDED: u8 = 0x80;
    const PICTURE_ID: u8 = 0x80;
    const TL0_PICTURE: u8 = 0x40;
    const LAYER_OR_KEY: u8 = 0x30;
    const LONG_PICTURE_ID: u8 = 0x80;
    let mut length = 1;
    if payload.first()? & EXTENDED != 0 {
        let extension = *payload.get(1)?;
        length = 2;
        if extension & PICTURE_ID != 0 {
            length += if payload.get(2)? & LONG_PICTURE_ID == 0 { 1 } else { 2 };
        }
        length += usize::from(extension & TL0_PICTURE != 0) + usize::from(extension & LAYER_OR_KEY != 0);
    }
    (length <= payload.len()).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_descriptor_is_skipped() {
        let lengths: [(&[u8], Option<usize>); 9] = [
            (&[0x10, 7], Some(1)),
            (&[0x90, 0x00, 7], Some(2)),
            (&[0x90, 0x80, 0x11, 7], Some(3)),
            (&[0x90, 0x80, 0x91, 0x22, 7], Some(4)),
            (&[0x90, 0xf0, 0x91, 0x22, 1, 2, 7], Some(6)),
            (&[0x90, 0x20, 1, 7], Some(3)),
            (&[0x90], None),
            (&[0x90, 0xf0, 0x91, 0x22, 1], None),
            (&[], None),
        ];
        for (payload, length) in lengths {
            assert_eq!(descriptor_length(payload), length, "{payload:02x?}");
        }
    }

    #[test]
    fn a_last_packet_of_two_bytes_belongs_to_the_frame() {
        let packets = [Bytes::from_static(&[0x10, 0x00, 1, 2]), Bytes::from_static(&[0x00, 3])];
        assert_eq!(assemble(&packets), Some((Bytes::from_static(&[0, 1, 2, 3]), true)));
    }

    #[test]
    fn only_partition_zero_with_the_start_bit_starts_a_frame() {
        assert!(starts_frame(&[0x10]) && starts_frame(&[0x90, 0x80]));
        assert!(!starts_frame(&[0x00]) && !starts_frame(&[0x11]) && !starts_frame(&[]));
    }

    #[test]
    fn frames_without_a_byte_are_refused() {
        assert_eq!(assemble(&[]), None);
        assert_eq!(assemble(&[Bytes::from_static(&[0x10])]), None);
        assert_eq!(assemble(&[Bytes::from_static(&[0x10, 0]), Bytes::from_static(&[0x80])]), None);
    }
}
