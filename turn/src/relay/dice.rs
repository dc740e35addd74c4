//! Numbers nobody can guess, all grown from the one seed the brain was given.

use std::fmt;

use ring::hmac;

use crate::stun::TransactionId;

/// The brain's only source of chance: the same seed gives the same numbers.
#[derive(Clone)]
pub(super) struct Dice {
    key: hmac::Key,
    drawn: u64,
    /// State of the cheap generator behind transaction ids of indications, which guard nothing.
    cheap: u64,
}

impl Dice {
    /// Workers have one seed and different numbers.
    pub(super) fn new(seed: &[u8; 32], worker: u8) -> Self {
        // A key of its own, so that what is drawn here tells nothing about nonces.
        let key = hmac::Key::new(hmac::HMAC_SHA256, grown(seed, b"dice", worker).as_ref());
        let cheap = first_eight(grown(seed, b"indications", worker).as_ref());
        Self { key, drawn: 0, cheap: u64::from_be_bytes(cheap) }
    }

    /// A reservation token: has to be unguessable, whoever holds it takes the port.
    pub(super) fn token(&mut self) -> [u8; 8] {
        self.drawn += 1;
        first_eight(hmac::sign(&self.key, &self.drawn.to_be_bytes()).as_ref())
    }

    /// The id of a Data indication, made once per packet: splitmix64, no cryptography.
    pub(super) fn transaction(&mut self) -> TransactionId {
        let mut id = [0; 12];
        id[..8].copy_from_slice(&self.next_cheap().to_be_bytes());
        id[8..].copy_from_slice(&self.next_cheap().to_be_bytes()[..4]);
        TransactionId(id)
    }

    fn next_cheap(&mut self) -> u64 {
        self.cheap = self.cheap.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.cheap;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice(***)")
    }
}

/// What the tables of one worker are scattered by.
pub(super) fn table_seed(seed: &[u8; 32], worker: u8) -> u64 {
    u64::from_be_bytes(first_eight(grown(seed, b"tables", worker).as_ref()))
}

fn grown(seed: &[u8; 32], label: &[u8], worker: u8) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, seed));
    context.update(label);
    context.update(&[worker]);
    context.sign()
}

fn first_eight(bytes: &[u8]) -> [u8; 8] {
    let mut eight = [0; 8];
    for (to, from) in eight.iter_mut().zip(bytes) {
        *to = *from;
    }
    eight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_draw_different_numbers_from_one_seed() {
        let (mut one, mut two) = (Dice::new(&[1; 32], 0), Dice::new(&[1; 32], 1));
        let token = one.token();
        assert_ne!(token, two.token());
        assert_ne!(token, one.token());
        assert_eq!(token, Dice::new(&[1; 32], 0).token(), "the same seed gives the same numbers");
        assert_ne!(one.transaction(), two.transaction());
        assert_ne!(table_seed(&[1; 32], 0), table_seed(&[1; 32], 1));
    }
}
