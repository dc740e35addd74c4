//! Sequence numbers that do not wrap, and streams that start over (RFC 3550 appendix A.1).

/// Follows a stream's sequence numbers.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    highest: Option<i64>,
    /// What would follow the last number that fitted nowhere.
    after_misfit: Option<u16>,
}

/// Where a packet belongs.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// At this number in the endless count.
    At(i64),
    /// Too far away to believe; forget the packet.
    Misfit,
    /// The second one in a row far away: the sender has started over, at this number. All earlier ones are history.
    Restart(i64),
}

/// Farther apart than this, ahead or behind, is a misfit: `MAX_DROPOUT` of RFC 3550.
const MAX_STEP: i16 = 3000;

impl Sequence {
    pub(super) fn place(&mut self, number: u16) -> Place {
        let Some(highest) = self.highest else {
            // One turn above zero, so that a packet overtaken by the first one still has its place.
            let first = i64::from(number) + 0x1_0000;
            self.highest = Some(first);
            return Place::At(first);
        };
        let step = number.wrapping_sub(highest as u16) as i16;
        if step.unsigned_abs() <= MAX_STEP.unsigned_abs() {
            let place = highest + i64::from(step);
            self.highest = Some(highest.max(place));
            self.after_misfit = None;
            return Place::At(place);
        }
        if self.after_misfit.replace(number.wrapping_add(1)) == Some(number) {
            // A whole turn ahead of everything seen, so that old and new numbers cannot be mistaken.
            let place = (((highest >> 16) + 2) << 16) + i64::from(number);
            self.highest = Some(place);
            self.after_misfit = None;
            return Place::Restart(place);
        }
        Place::Misfit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(numbers: &[u16]) -> Vec<Place> {
        let mut sequence = Sequence::default();
        numbers.iter().map(|&number| sequence.place(number)).collect()
    }

    #[test]
    fn numbers_go_on_counting_across_the_wrap() {
        let base = 0x1_0000;
        let expected = [65_534, 65_535, 65_536, 65_535, 65_537].map(|number| Place::At(base + number));
        assert_eq!(offsets(&[65_534, 65_535, 0, 65_535, 1]), expected);
    }

    #[test]
    fn a_packet_older_than_the_first_has_its_place() {
        assert_eq!(offsets(&[0, 65_535]), [Place::At(0x1_0000), Place::At(0xffff)]);
    }

    #[test]
    fn one_wild_number_is_forgotten_and_two_in_a_row_start_over() {
        let places = offsets(&[10, 30_000, 11, 30_001, 30_002, 30_003]);
        let restart = 0x3_0000 + 30_002;
        let expected = [
            Place::At(0x1_000a),
            Place::Misfit,
            Place::At(0x1_000b),
            Place::Misfit,
            Place::Restart(restart),
            Place::At(restart + 1),
        ];
        assert_eq!(places, expected);
    }
}
