//! Nonces that the relay recognises without remembering any of them.

use std::fmt;
use std::time::{Duration, Instant};

use ring::hmac;

/// A nonce is its own birth time in seconds, followed by half an HMAC over it, in hex: 8 + 32 characters.
pub(super) struct Nonces {
    key: hmac::Key,
    epoch: Instant,
    lifetime: Duration,
}

/// Bytes of the HMAC that go into a nonce.
const TAG: usize = 16;
/// Characters of the birth time.
const STAMP: usize = 8;

impl Nonces {
    pub(super) fn new(seed: &[u8; 32], epoch: Instant, lifetime: Duration) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, seed);
        let key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, b"nonces").as_ref());
        Self { key, epoch, lifetime }
    }

    pub(super) fn mint(&self, now: Instant) -> String {
        let born = now.saturating_duration_since(self.epoch).as_secs();
        self.at(u32::try_from(born).unwrap_or(u32::MAX))
    }

    /// True when we made this nonce and it is not too old.
    pub(super) fn is_fresh(&self, nonce: &[u8], now: Instant) -> bool {
        let Some(born) = nonce
            .get(..STAMP)
            .and_then(|stamp| std::str::from_utf8(stamp).ok())
            .and_then(|stamp| u32::from_str_radix(stamp, 16).ok())
        else {
            return false;
        };
        let age = now.saturating_duration_since(self.epoch).saturating_sub(Duration::from_secs(u64::from(born)));
        // An ordinary comparison will do: a nonce shows that a request is recent, the password shows whose it is.
        age <= self.lifetime && self.at(born).as_bytes() == nonce
    }

    fn at(&self, born: u32) -> String {
        let tag = hmac::sign(&self.key, &born.to_be_bytes());
        let mut nonce = format!("{born:08x}");
        for byte in tag.as_ref().iter().take(TAG) {
            nonce.push(hex_digit(byte >> 4));
            nonce.push(hex_digit(byte & 0x0f));
        }
        nonce
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(***)")
    }
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonce_is_fresh_for_its_lifetime_and_only_from_us() {
        let start = base();
        let nonces = Nonces::new(&[1; 32], start, Duration::from_secs(3600));
        let born = start + Duration::from_secs(10);
        let nonce = nonces.mint(born);
        assert_eq!(nonce.len(), STAMP + 2 * TAG);
        assert!(nonces.is_fresh(nonce.as_bytes(), born + Duration::from_secs(3600)));
        assert!(!nonces.is_fresh(nonce.as_bytes(), born + Duration::from_secs(3601)));

        let others = Nonces::new(&[2; 32], start, Duration::from_secs(3600));
        assert!(!others.is_fresh(nonce.as_bytes(), born));
        for damaged in [&b""[..], b"zz", b"0000000a", &[0xff; 40]] {
            assert!(!nonces.is_fresh(damaged, born));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
