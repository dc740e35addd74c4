//! Nonces that the relay recognises without remembering any of them.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ring::hmac;

/// A nonce is its own birth time in seconds, followed by half an HMAC over it and over the client's IP address, in
/// hex: 8 + 32 characters. Whoever overhears it has no use for it elsewhere.
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

    pub(super) fn mint(&self, now: Instant, client: IpAddr) -> String {
        let born = now.saturating_duration_since(self.epoch).as_secs();
        self.at(u32::try_from(born).unwrap_or(u32::MAX), client)
    }

    /// True when we made this nonce for this client and it is not too old.
    pub(super) fn is_fresh(&self, nonce: &[u8], now: Instant, client: IpAddr) -> bool {
        let Some(born) = nonce
            .get(..STAMP)
            .and_then(|stamp| std::str::from_utf8(stamp).ok())
            .and_then(|stamp| u32::from_str_radix(stamp, 16).ok())
        else {
            return false;
        };
        let age = now.saturating_duration_since(self.epoch).saturating_sub(Duration::from_secs(u64::from(born)));
        // An ordinary comparison will do: a nonce shows that a request is recent, the password shows whose it is.
        age <= self.lifetime && self.at(born, client).as_bytes() == nonce
    }

    fn at(&self, born: u32, client: IpAddr) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&born.to_be_bytes());
        match client {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        let tag = context.sign();
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
        let client = IpAddr::from([192, 0, 2, 1]);
        let nonce = nonces.mint(born, client);
        assert_eq!(nonce.len(), STAMP + 2 * TAG);
        assert!(nonces.is_fresh(nonce.as_bytes(), born + Duration::from_secs(3600), client));
        assert!(!nonces.is_fresh(nonce.as_bytes(), born + Duration::from_secs(3601), client));
        assert!(!nonces.is_fresh(nonce.as_bytes(), born, IpAddr::from([192, 0, 2, 2])), "somebody else's");

        let others = Nonces::new(&[2; 32], start, Duration::from_secs(3600));
        assert!(!others.is_fresh(nonce.as_bytes(), born, client));
        for damaged in [&b""[..], b"zz", b"0000000a", &[0xff; 40]] {
            assert!(!nonces.is_fresh(damaged, born, client));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
