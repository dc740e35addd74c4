//! Channel data (RFC 8656 section 12.4), and where one frame ends on a stream.

use super::HEADER_LENGTH;

const HEADER: usize = 4;

/// A channel number, 0x4000 to 0x7FFF.
///
/// RFC 8656 narrowed the range to 0x4FFF, but clients of RFC 5766 pick from the wide one, so both are served. Its own
/// end was given as 0x7FFE and as 0x7FFF; coturn's clients take the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// The lowest channel there is.
    pub const MIN: u16 = 0x4000;
    /// The highest channel there is.
    pub const MAX: u16 = 0x7fff;

    /// `None` outside the range.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (Self::MIN..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

/// A received channel data message; borrows the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelData<'a> {
    /// The channel it came on.
    pub number: ChannelNumber,
    /// What it carries, without padding.
    pub payload: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Length of the header, in bytes: channel number and payload length.
    pub const HEADER: usize = HEADER;

    /// Reads one message; bytes after the payload are padding. `None` when the channel is out of range or the
    /// payload is cut short.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<{ ChannelData::HEADER }>()?;
        let number = ChannelNumber::new(u16::from_be_bytes([header[0], header[1]]))?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let payload = rest.get(..length)?;
        Some(Self { number, payload })
    }
}

/// How many bytes the frame that starts with `head` takes on a stream, padding included; `None` until its first
/// four bytes are there. Never more than 65 556.
///
/// # Errors
/// [`NotAFrame`] when the first byte starts neither a STUN message nor channel data: the stream is lost.
pub fn frame_length(head: &[u8]) -> Result<Option<usize>, NotAFrame> {
    let Some(&first) = head.first() else {
        return Ok(None);
    };
    let fixed = match first {
        0x00..=0x03 => HEADER_LENGTH,
        0x40..=0x7f => HEADER,
        _ => return Err(NotAFrame { first }),
    };
    let Some((start, _)) = head.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([start[2], start[3]]));
    Ok(Some(fixed + length.next_multiple_of(4)))
}

/// A stream that carries something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame starts with a byte below 0x04 (STUN) or 0x40 to 0x7f (channel data), got 0x{first:02x}")]
pub struct NotAFrame {
    /// The byte that came.
    pub first: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_range_is_0x4000_to_0x7fff() {
        for (number, fits) in
            [(0x3fff, false), (0x4000, true), (0x4fff, true), (0x5000, true), (0x7fff, true), (0x8000, false)]
        {
            assert_eq!(ChannelNumber::new(number).is_some(), fits, "{number:#x}");
        }
    }

    #[test]
    fn padding_is_not_payload() {
        let data = ChannelData::parse(&[0x40, 0x01, 0, 2, b'h', b'i', 0, 0]).unwrap();
        assert_eq!(data.number.get(), 0x4001);
        assert_eq!(data.payload, b"hi");
    }

    #[test]
    fn short_channel_data_is_none() {
        for bytes in [&[][..], &[0x40], &[0x40, 0, 0], &[0x40, 0, 0, 2, b'h']] {
            assert_eq!(ChannelData::parse(bytes), None);
        }
    }

    #[test]
    fn frames_end_on_four_bytes() {
        assert_eq!(frame_length(&[]), Ok(None));
        assert_eq!(frame_length(&[0x40, 0, 0]), Ok(None));
        assert_eq!(frame_length(&[0x40, 0, 0, 5]), Ok(Some(12)));
        assert_eq!(frame_length(&[0x00, 0x01, 0, 8]), Ok(Some(28)));
        assert_eq!(frame_length(&[0x7f, 0, 0xff, 0xff]).ok().flatten(), Some(65_540));
        assert_eq!(frame_length(&[0x16, 3, 1, 0]), Err(NotAFrame { first: 0x16 }));
    }
}
