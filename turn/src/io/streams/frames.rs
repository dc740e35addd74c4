//! Whole frames out of a stream of bytes.

use crate::stun::frame_length;

/// Longest frame of a client without an allocation, in bytes. It has only requests to send, and these are short.
const EARLY_FRAME: usize = 2048;

/// Takes the frame at `at` out of `input` and moves `at` behind it, padding included; `None` until all of it is there.
///
/// `has_allocation` is asked for long frames only.
///
/// # Errors
/// Why the stream is lost: it carries something else, or a long frame of a client without an allocation.
pub(in crate::io) fn next_frame<'a>(
    input: &'a [u8],
    at: &mut usize,
    has_allocation: impl FnOnce() -> bool,
) -> Result<Option<&'a [u8]>, &'static str> {
    let rest = input.get(*at..).unwrap_or_default();
    let length = match frame_length(rest) {
        Ok(Some(length)) => length,
        Ok(None) => return Ok(None),
        Err(_) => return Err("no STUN and no channel data"),
    };
    if length > EARLY_FRAME && !has_allocation() {
        return Err("a long frame without an allocation");
    }
    let frame = rest.get(..length);
    if frame.is_some() {
        *at += length;
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_however_the_stream_is_cut() {
        let frames: [&[u8]; 4] = [
            b"\x40\x01\0\x05hello\0\0\0",
            b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl",
            b"\x7f\xfe\0\0",
            b"\0\x01\0\x04\x21\x12\xa4\x42abcdefghijkl\x80\0\0\0",
        ];
        let stream = frames.concat();
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(taken(pieces), frames, "cut at {first} and {second}");
            }
        }
        assert_eq!(taken(stream.chunks(1)), frames, "byte by byte");
    }

    #[test]
    fn long_frame_is_refused_by_its_head_alone() {
        let long = 2048_u16.to_be_bytes();
        let head = [0x40, 0x01, long[0], long[1]];
        let mut at = 0;
        assert_eq!(next_frame(&head, &mut at, || false), Err("a long frame without an allocation"));
        assert_eq!(next_frame(&head, &mut at, || true), Ok(None));
        assert_eq!(at, 0);
    }

    #[test]
    fn short_frame_needs_no_look_at_the_allocation() {
        let mut input = vec![0x40, 0x01, 0x07, 0xfc];
        input.resize(2048, 7);
        let mut at = 0;
        let frame = next_frame(&input, &mut at, || unreachable!("2048 bytes are not long"));
        assert_eq!(frame, Ok(Some(&input[..])));
        assert_eq!(at, 2048);
    }

    #[test]
    fn something_else_is_refused_by_its_first_byte() {
        assert_eq!(next_frame(&[0x16], &mut 0, || true), Err("no STUN and no channel data"));
        assert_eq!(next_frame(b"", &mut 0, || true), Ok(None));
        assert_eq!(next_frame(b"\x40", &mut 7, || true), Ok(None), "past the end there is nothing");
    }

    /// What a worker does with pieces of a stream.
    fn taken<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let (mut frames, mut input) = (Vec::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            let mut at = 0;
            while let Some(frame) = next_frame(&input, &mut at, || false).unwrap() {
                frames.push(frame.to_vec());
            }
            input.drain(..at);
        }
        assert!(input.is_empty(), "every byte belongs to a frame");
        frames
    }
}
