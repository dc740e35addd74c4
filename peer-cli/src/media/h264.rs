//! H.264 bit streams, as far as passing them on needs: units, parameter sets, slice kinds, and the step from the
//! length-prefixed form of files (ISO/IEC 14496-15) to Annex B (ITU-T H.264 annex B).

use bytes::{Bytes, BytesMut};

use self::bits::Bits;

mod bits;
mod sps;

pub(crate) use sps::Sps;

/// Unit kinds, ITU-T H.264 table 7-1.
pub(crate) const SLICE: u8 = 1;
pub(crate) const IDR_SLICE: u8 = 5;
pub(crate) const SPS: u8 = 7;
pub(crate) const PPS: u8 = 8;
const ACCESS_UNIT_DELIMITER: u8 = 9;
const END_OF_SEQUENCE: u8 = 10;
const END_OF_STREAM: u8 = 11;
const FILLER: u8 = 12;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The kind of a unit; 0 for an empty one.
pub(crate) fn kind(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

/// The units between the start codes of an Annex B stream, without empty ones.
pub(crate) fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = stream.get(start_code(stream).map_or(stream.len(), |(_, after)| after)..).unwrap_or_default();
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (end, after) = start_code(rest).unwrap_or((rest.len(), rest.len()));
            let (unit, next) = (rest.get(..end).unwrap_or_default(), rest.get(after..).unwrap_or_default());
            rest = next;
            let unit = without_trailing_zeros(unit);
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    })
}

/// Units written one behind the other, each with a start code.
pub(super) fn annex_b<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut stream = BytesMut::new();
    for nal in nals {
        stream.extend_from_slice(&START_CODE);
        stream.extend_from_slice(nal);
    }
    stream.freeze()
}

/// Splits a sample of a file into its units; each has a length in front, of 1 to 4 bytes. `None` when the lengths do
/// not fit.
pub(crate) fn split_lengths(mut sample: &[u8], length_bytes: usize) -> Option<Vec<&[u8]>> {
    let mut nals = Vec::new();
    while !sample.is_empty() {
        let (prefix, rest) = sample.split_at_checked(length_bytes)?;
        let length = prefix.iter().fold(0_usize, |length, &byte| length << 8 | usize::from(byte));
        let (nal, rest) = rest.split_at_checked(length)?;
        if !nal.is_empty() {
            nals.push(nal);
        }
        sample = rest;
    }
    Some(nals)
}

/// The inverse of [`split_lengths`], with lengths of four bytes.
pub(crate) fn join_lengths<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut sample = BytesMut::new();
    for nal in nals {
        // No unit that came over RTP is near 4 GiB.
        sample.extend_from_slice(&u32::try_from(nal.len()).unwrap_or(u32::MAX).to_be_bytes());
        sample.extend_from_slice(nal);
    }
    sample.freeze()
}

/// Units that mean nothing to a receiver of RTP.
pub(crate) fn is_dispensable(nal: &[u8]) -> bool {
    matches!(kind(nal), ACCESS_UNIT_DELIMITER | END_OF_SEQUENCE | END_OF_STREAM | FILLER)
}

/// Whether the unit is a slice of a B picture, which WebRTC senders may not use (frames would arrive out of order).
pub(super) fn is_b_slice(nal: &[u8]) -> bool {
    const B: u32 = 1;
    slice_header(nal).is_some_and(|(_, slice_type)| slice_type % 5 == B)
}

/// Whether a picture begins with this slice: its first macroblock is number 0.
pub(super) fn is_first_slice(nal: &[u8]) -> bool {
    slice_header(nal).is_some_and(|(first_macroblock, _)| first_macroblock == 0)
}

/// The decoder configuration that MP4 and Matroska files carry (ISO/IEC 14496-15 section 5.3.3).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AvcConfig {
    /// Bytes of the length in front of each unit, 1 to 4.
    pub(crate) length_bytes: usize,
    /// Sequence parameter sets.
    pub(crate) sps: Vec<Bytes>,
    /// Picture parameter sets.
    pub(crate) pps: Vec<Bytes>,
}

impl AvcConfig {
    /// `None` when the record is cut short or has another version than 1.
    pub(crate) fn parse(record: &[u8]) -> Option<Self> {
        let (&[version, _profile, _compatible, _level, lengths, sps_count], mut rest) = record.split_first_chunk()?;
        if version != 1 {
            return None;
        }
        let sps = parameter_sets(&mut rest, sps_count & 0x1f)?;
        let (&pps_count, after) = rest.split_first()?;
        rest = after;
        let pps = parameter_sets(&mut rest, pps_count)?;
        Some(Self { length_bytes: usize::from(lengths & 0b11) + 1, sps, pps })
    }

    /// The record of these parameter sets; `None` without one of each kind, with too many, or with one that cannot be
    /// read.
    pub(crate) fn to_record(&self) -> Option<Vec<u8>> {
        /// Profiles whose record describes the samples as well.
        const WITH_SAMPLES: [u8; 3] = [100, 110, 122];
        let (sps_count, pps_count) = (u8::try_from(self.sps.len()).ok()?, u8::try_from(self.pps.len()).ok()?);
        let first = self.sps.first()?;
        let &[_, profile, compatible, level] = first.first_chunk()?;
        if sps_count > 0x1f || pps_count == 0 {
            return None;
        }
        let lengths = u8::try_from(self.length_bytes.checked_sub(1)?).ok()?;
        let mut record = vec![1, profile, compatible, level, 0xfc | lengths, 0xe0 | sps_count];
        put_parameter_sets(&mut record, &self.sps)?;
        record.push(pps_count);
        put_parameter_sets(&mut record, &self.pps)?;
        if WITH_SAMPLES.contains(&profile) && Sps::parse(first)?.plain {
            // 4:2:0, 8 bits of luma, 8 bits of chroma, no extensions of parameter sets.
            record.extend_from_slice(&[0xfc | 1, 0xf8, 0xf8, 0]);
        }
        Some(record)
    }
}

fn put_parameter_sets(record: &mut Vec<u8>, sets: &[Bytes]) -> Option<()> {
    for set in sets {
        record.extend_from_slice(&u16::try_from(set.len()).ok()?.to_be_bytes());
        record.extend_from_slice(set);
    }
    Some(())
}

/// Takes `count` sets, each behind a length of two bytes, off the front of `rest`.
fn parameter_sets(rest: &mut &[u8], count: u8) -> Option<Vec<Bytes>> {
    let mut sets = Vec::new();
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk()?;
        let (set, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        sets.push(Bytes::copy_from_slice(set));
        *rest = after;
    }
    Some(sets)
}

/// Where the next start code begins and ends. The extra zero of a long one counts as the end of the unit before it.
fn start_code(stream: &[u8]) -> Option<(usize, usize)> {
    let at = stream.windows(3).position(|window| window == [0, 0, 1])?;
    Some((at, at + 3))
}

fn without_trailing_zeros(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    nal.get(..end).unwrap_or_default()
}

/// `first_mb_in_slice` and `slice_type` (ITU-T H.264 section 7.3.3).
fn slice_header(nal: &[u8]) -> Option<(u32, u32)> {
    if !matches!(kind(nal), SLICE | IDR_SLICE) {
        return None;
    }
    let mut bits = Bits::of_unit(nal.get(..nal.len().min(16))?);
    Some((bits.unsigned()?, bits.unsigned()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_behind_short_and_long_start_codes() {
        let stream = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 3, 0, 0, 0, 1, 0x65, 9, 0];
        let units: Vec<&[u8]> = nal_units(&stream).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68, 2, 3], &[0x65, 9]]);
    }

    #[test]
    fn streams_without_units_give_none() {
        for stream in [&[][..], &[0, 0, 1], &[1, 2, 3], &[0, 0, 0, 1, 0, 0, 1]] {
            assert_eq!(nal_units(stream).count(), 0, "{stream:?}");
        }
    }

    #[test]
    fn writing_and_splitting_are_inverse() {
        let nals = [&[0x67, 1, 2][..], &[0x65, 3]];
        assert_eq!(nal_units(&annex_b(nals)).collect::<Vec<_>>(), nals);
    }

    #[test]
    fn length_prefixed_samples_are_split() {
        assert_eq!(split_lengths(&[0, 2, 7, 8, 0, 1, 9], 2), Some(vec![&[7, 8][..], &[9]]));
        assert_eq!(split_lengths(&[0, 3, 7, 8], 2), None);
        assert_eq!(split_lengths(&[0], 2), None);
        assert_eq!(split_lengths(&[], 4), Some(vec![]));
    }

    #[test]
    fn joined_samples_are_split_again() {
        let nals = [&[0x67, 1, 2][..], &[0x65, 3]];
        let sample = join_lengths(nals);
        assert_eq!(sample[..], [0, 0, 0, 3, 0x67, 1, 2, 0, 0, 0, 2, 0x65, 3]);
        assert_eq!(split_lengths(&sample, 4).unwrap(), nals);
    }

    #[test]
    fn decoder_configurations_are_written_as_they_are_read() {
        let config = AvcConfig {
            length_bytes: 4,
            sps: vec![Bytes::from_static(&[0x67, 66, 0xc0, 31, 5])],
            pps: vec![Bytes::from_static(&[0x68, 9])],
        };
        let record = config.to_record().unwrap();
        assert_eq!(record, [1, 66, 0xc0, 31, 0xff, 0xe1, 0, 5, 0x67, 66, 0xc0, 31, 5, 1, 0, 2, 0x68, 9]);
        assert_eq!(AvcConfig::parse(&record), Some(config));
        assert_eq!(AvcConfig { length_bytes: 4, sps: vec![], pps: vec![] }.to_record(), None);
    }

    #[test]
    fn the_decoder_configuration_gives_lengths_and_parameter_sets() {
        let record = [1, 66, 0xc0, 31, 0xff, 0xe1, 0, 2, 0x67, 5, 1, 0, 1, 0x68];
        let expected = AvcConfig {
            length_bytes: 4,
            sps: vec![Bytes::from_static(&[0x67, 5])],
            pps: vec![Bytes::from_static(&[0x68])],
        };
        assert_eq!(AvcConfig::parse(&record), Some(expected));
        for end in 0..record.len() {
            assert_eq!(AvcConfig::parse(&record[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn slices_tell_their_picture_start_and_kind() {
        // ue(0) = 1, ue(5) = 00110, ue(6) = 00111, ue(1) = 010
        assert!(is_first_slice(&[0x41, 0b1001_1000]));
        assert!(!is_b_slice(&[0x41, 0b1001_1000]));
        assert!(is_b_slice(&[0x41, 0b1001_1100]));
        assert!(is_b_slice(&[0x01, 0b1010_0000]));
        assert!(!is_first_slice(&[0x41, 0b0101_0000]));
        assert!(!is_first_slice(&[0x67, 0b1001_1000]), "no slice");
    }
}
