//! STUN messages and ChannelData on a byte stream (RFC 8656 section 12.5, RFC 8489 section 6.2.2).
//!
//! Both carry their own length. On a stream ChannelData is padded to a multiple of four bytes, which the length does not
//! count; over UDP, which is all the stack knows, it is not padded.

use bytes::{Bytes, BytesMut};

/// Bytes that cannot be the beginning of either: the two highest bits of the first byte are neither 00 nor 01.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a STUN message or ChannelData, found the byte {0:#04x}; is this a TURN server?")]
pub(crate) struct NotTurn(pub(crate) u8);

/// Takes a stream apart.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: BytesMut,
}

impl Frames {
    /// Room to read into; what is read counts as come.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole message as it would stand in a datagram. At most 65,555 bytes wait for their end.
    ///
    /// # Errors
    /// [`NotTurn`]: the stream cannot be read any further.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, NotTurn> {
        let &[first, _, high, low, ..] = &self.buffer[..] else {
            return match self.buffer.first() {
                Some(&first) if first >> 6 > 1 => Err(NotTurn(first)),
                Some(_) | None => Ok(None),
            };
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (message, on_stream) = match first >> 6 {
            0 => (20 + length, 20 + length),
            1 => (4 + length, (4 + length).next_multiple_of(4)),
            _ => return Err(NotTurn(first)),
        };
        if self.buffer.len() < on_stream {
            return Ok(None);
        }
        let mut whole = self.buffer.split_to(on_stream);
        whole.truncate(message);
        Ok(Some(whole.freeze()))
    }

    /// How many bytes wait for the rest of their message.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.buffer.len()
    }
}

/// Appends a message as it goes over a stream.
pub(crate) fn append(stream: &mut BytesMut, message: &[u8]) {
    stream.extend_from_slice(message);
    if message.first().is_some_and(|first| first >> 6 == 1) {
        let padding = message.len().next_multiple_of(4) - message.len();
        stream.extend_from_slice(&[0; 3][..padding]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn binding() -> Vec<u8> {
        let mut message = vec![0x00, 0x01, 0x00, 0x04, 0x21, 0x12, 0xa4, 0x42];
        message.extend_from_slice(&[7; 12]);
        message.extend_from_slice(&[1, 2, 3, 4]);
        message
    }

    #[test]
    fn channel_data_is_padded_on_the_stream_and_bare_in_a_datagram() {
        let mut stream = BytesMut::new();
        append(&mut stream, &[0x40, 0x00, 0x00, 0x05, 1, 2, 3, 4, 5]);
        assert_eq!(&stream[..], [0x40, 0x00, 0x00, 0x05, 1, 2, 3, 4, 5, 0, 0, 0]);
        let mut frames = Frames::default();
        frames.buffer().extend_from_slice(&stream);
        assert_eq!(frames.next().unwrap().as_deref(), Some(&[0x40, 0x00, 0x00, 0x05, 1, 2, 3, 4, 5][..]));
        assert_eq!((frames.next(), frames.waiting()), (Ok(None), 0));
    }

    #[test]
    fn a_stun_message_goes_as_it_is() {
        let mut stream = BytesMut::new();
        append(&mut stream, &binding());
        assert_eq!(&stream[..], binding());
    }

    #[test]
    fn what_is_no_turn_is_told_by_its_first_byte() {
        let mut frames = Frames::default();
        frames.buffer().extend_from_slice(b"\xc0");
        assert_eq!(frames.next(), Err(NotTurn(0xc0)));
        let mut frames = Frames::default();
        frames.buffer().extend_from_slice(&[0x80, 0, 0, 0, 0]);
        assert_eq!(frames.next(), Err(NotTurn(0x80)));
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_the_stream_is_cut(
            data in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            cut in 1usize..17,
        ) {
            let messages: Vec<Vec<u8>> = data
                .into_iter()
                .enumerate()
                .map(|(n, data)| if n % 3 == 0 { binding() } else {
                    [&[0x40, 0x01, 0x00, data.len() as u8], &data[..]].concat()
                })
                .collect();
            let mut stream = BytesMut::new();
            for message in &messages {
                append(&mut stream, message);
            }
            let mut frames = Frames::default();
            let mut out = Vec::new();
            for piece in stream.chunks(cut) {
                frames.buffer().extend_from_slice(piece);
                while let Some(message) = frames.next().unwrap() {
                    out.push(message.to_vec());
                }
            }
            prop_assert_eq!(out, messages);
            prop_assert_eq!(frames.waiting(), 0);
        }
    }
}
