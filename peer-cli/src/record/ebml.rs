//! The pieces Matroska is made of: element ids, sizes and values (RFC 8794).
//!
//! Our own, because a recording needs a dozen elements: the mkv-element crate describes all of them and brings old macro
//! crates (syn 1) along.

/// The size of an element whose end is not known yet, in eight bytes (section 6.2).
pub(super) const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// The smallest filler that [`void`] can write, in bytes.
pub(super) const LEAST_VOID: usize = 9;

const VOID: u32 = 0xec;

/// An id as it stands in the tables of the format, with its length marker (section 5).
pub(super) fn id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(3);
    out.extend_from_slice(&bytes[start..]);
}

/// A size in as few bytes as it needs (section 4). Below 2^56 - 1.
pub(super) fn size(out: &mut Vec<u8>, size: u64) {
    // All ones of a length means "unknown", so the largest number of each length is not used.
    let length = (1..8_usize).find(|&length| size < (1_u64 << (7 * length)) - 1).unwrap_or(8);
    let marked = size | (1_u64 << (7 * length));
    out.extend_from_slice(&marked.to_be_bytes()[8 - length..]);
}

/// A size in eight bytes, for places that are written twice.
pub(super) fn long_size(size: u64) -> [u8; 8] {
    (size | (1_u64 << 56)).to_be_bytes()
}

/// An element with these bytes in it.
pub(super) fn element(out: &mut Vec<u8>, name: u32, data: &[u8]) {
    id(out, name);
    size(out, data.len() as u64);
    out.extend_from_slice(data);
}

/// An element with others in it, which `fill` writes.
pub(super) fn master(out: &mut Vec<u8>, name: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut data = Vec::new();
    fill(&mut data);
    element(out, name, &data);
}

/// A whole number in as few bytes as it needs, one at least.
pub(super) fn uint(out: &mut Vec<u8>, name: u32, value: u64) {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(7);
    element(out, name, &bytes[start..]);
}

/// A number of eight bytes.
pub(super) fn float(out: &mut Vec<u8>, name: u32, value: f64) {
    element(out, name, &value.to_be_bytes());
}

/// A text.
pub(super) fn text(out: &mut Vec<u8>, name: u32, value: &str) {
    element(out, name, value.as_bytes());
}

/// `total` bytes that mean nothing, [`LEAST_VOID`] at least.
pub(super) fn void(out: &mut Vec<u8>, total: usize) {
    let filling = total.saturating_sub(LEAST_VOID);
    id(out, VOID);
    out.extend_from_slice(&long_size(filling as u64));
    out.resize(out.len() + filling, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn ids_keep_their_length() {
        assert_eq!(written(|out| id(out, 0xa3)), [0xa3]);
        assert_eq!(written(|out| id(out, 0x4286)), [0x42, 0x86]);
        assert_eq!(written(|out| id(out, 0x22_b59c)), [0x22, 0xb5, 0x9c]);
        assert_eq!(written(|out| id(out, 0x1a45_dfa3)), [0x1a, 0x45, 0xdf, 0xa3]);
    }

    #[test]
    fn sizes_take_as_few_bytes_as_they_can_without_looking_unknown() {
        assert_eq!(written(|out| size(out, 0)), [0x80]);
        assert_eq!(written(|out| size(out, 126)), [0xfe]);
        assert_eq!(written(|out| size(out, 127)), [0x40, 0x7f]);
        assert_eq!(written(|out| size(out, 16_382)), [0x7f, 0xfe]);
        assert_eq!(written(|out| size(out, 16_383)), [0x20, 0x3f, 0xff]);
        assert_eq!(written(|out| size(out, 1 << 20)), [0x30, 0x00, 0x00]);
        assert_eq!(written(|out| size(out, (1 << 49) - 1)), [0x01, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(long_size(5), [1, 0, 0, 0, 0, 0, 0, 5]);
    }

    #[test]
    fn values_follow_their_sizes() {
        assert_eq!(written(|out| uint(out, 0xd7, 0)), [0xd7, 0x81, 0]);
        assert_eq!(written(|out| uint(out, 0xd7, 256)), [0xd7, 0x82, 1, 0]);
        assert_eq!(written(|out| float(out, 0xb5, 48_000.0)), [0xb5, 0x88, 0x40, 0xe7, 0x70, 0, 0, 0, 0, 0]);
        assert_eq!(written(|out| text(out, 0x4282, "webm")), *b"\x42\x82\x84webm");
        assert_eq!(written(|out| master(out, 0xae, |out| uint(out, 0xd7, 1))), [0xae, 0x83, 0xd7, 0x81, 1]);
    }

    #[test]
    fn fillers_have_the_asked_length() {
        assert_eq!(written(|out| void(out, 9)), [0xec, 1, 0, 0, 0, 0, 0, 0, 0]);
        for total in [10, 127, 128, 300] {
            assert_eq!(written(|out| void(out, total)).len(), total);
        }
    }
}
