//! Bits and Exp-Golomb numbers (ITU-T H.264 sections 7.2 and 9.1).

/// Reads the payload of a unit, most significant bit first.
pub(super) struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    /// Over everything behind the unit's header byte, with the emulation prevention bytes taken out (section 7.4.1).
    pub(super) fn of_unit(nal: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(nal.len());
        let mut zeros = 0;
        for &byte in nal.get(1..).unwrap_or_default() {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Self { bytes, at: 0 }
    }

    /// `None` at the end.
    pub(super) fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// A number of up to 32 bits.
    pub(super) fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0_u32, |number, _| Some(number << 1 | u32::from(self.flag()?)))
    }

    /// `ue(v)`; `None` also when it has more than 32 bits.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.number(zeros)?;
        Some((1 << zeros) - 1 + rest)
    }

    /// `se(v)`.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned()?);
        Some(if code % 2 == 0 { -code / 2 } else { (code + 1) / 2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_numbers_follow_the_table() {
        // 1, 010, 011, 00100 as unsigned, then 00101 and 011 as signed
        let mut bits = Bits::of_unit(&[0, 0b1010_0110, 0b0100_0010, 0b1011_0000]);
        let unsigned: Vec<u32> = (0..4).map(|_| bits.unsigned().unwrap()).collect();
        assert_eq!(unsigned, [0, 1, 2, 3]);
        assert_eq!((bits.signed(), bits.signed()), (Some(-2), Some(-1)));
    }

    #[test]
    fn emulation_prevention_bytes_are_left_out() {
        let mut bits = Bits::of_unit(&[0x67, 0, 0, 3, 1]);
        assert_eq!(bits.number(24), Some(1));
        assert_eq!(bits.flag(), None);
    }
}
