//! Nonces that the relay recognises without remembering any of them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ring::hmac;

/// A nonce is the nonce cookie, its own birth time in seconds, and half an HMAC over that and over the client's IP
/// address and port, in hex: 13 + 8 + 32 characters. Whoever overhears it has no use for it elsewhere, and no two
/// ports of a client get the same (RFC 8489 section 9.2).
pub(super) struct Nonces {
    key: hmac::Key,
    epoch: Instant,
    lifetime: Duration,
}

/// What a nonce is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Ours, for this client, and not too old: whoever sends it gets what is sent to his address.
    Fresh,
    /// Ours, for this client, and too old: whoever sends it had this address once.
    Expired,
    /// Anything else.
    Foreign,
}

/// The nonce cookie (RFC 8489 section 9.2): its fixed part, and 24 bits of security features in base64, none set.
const COOKIE: &str = "obMatJos2AAAA";
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

    pub(super) fn mint(&self, now: Instant, client: SocketAddr) -> String {
        let born = now.saturating_duration_since(self.epoch).as_secs();
        self.at(u32::try_from(born).unwrap_or(u32::MAX), client)
    }

    pub(super) fn judge(&self, nonce: &[u8], now: Instant, client: SocketAddr) -> Freshness {
        let Some(born) = nonce
            .strip_prefix(COOKIE.as_bytes())
            .and_then(|rest| rest.get(..STAMP))
            .and_then(|stamp| std::str::from_utf8(stamp).ok())
            .and_then(|stamp| u32::from_str_radix(stamp, 16).ok())
        else {
            return Freshness::Foreign;
        };
        // An ordinary comparison will do: a nonce shows that a request is recent, the password shows whose it is.
        if self.at(born, client).as_bytes() != nonce {
            return Freshness::Foreign;
        }
        let age = now.saturating_duration_since(self.epoch).saturating_sub(Duration::from_secs(u64::from(born)));
        if age <= self.lifetime { Freshness::Fresh } else { Freshness::Expired }
    }

    fn at(&self, born: u32, client: SocketAddr) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&born.to_be_bytes());
        match client.ip() {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        context.update(&client.port().to_be_bytes());
        let tag = context.sign();
        let mut nonce = format!("{COOKIE}{born:08x}");
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
    fn nonce_is_fresh_for_its_lifetime_and_expired_after_it() {
        let start = base();
        let nonces = nonces(1, start);
        let born = start + Duration::from_secs(10);
        let nonce = nonces.mint(born, client("192.0.2.1:4000"));
        assert_eq!(nonce.len(), COOKIE.len() + STAMP + 2 * TAG);
        let judge =
            |seconds| nonces.judge(nonce.as_bytes(), born + Duration::from_secs(seconds), client("192.0.2.1:4000"));
        assert_eq!(judge(0), Freshness::Fresh);
        assert_eq!(judge(3600), Freshness::Fresh);
        assert_eq!(judge(3601), Freshness::Expired);
        assert_eq!(judge(10_000_000), Freshness::Expired);
    }

    #[test]
    fn nonce_of_another_client_or_relay_is_foreign_however_old() {
        let start = base();
        let (ours, others) = (nonces(1, start), nonces(2, start));
        let here = client("192.0.2.1:4000");
        let nonce = ours.mint(start, here);
        for later in [start, start + Duration::from_secs(3601)] {
            for other in ["192.0.2.2:4000", "192.0.2.1:4001", "[2001:db8::1]:4000"] {
                assert_eq!(ours.judge(nonce.as_bytes(), later, client(other)), Freshness::Foreign, "{other}");
            }
            assert_eq!(others.judge(nonce.as_bytes(), later, here), Freshness::Foreign);
        }
    }

    #[test]
    fn damaged_nonces_are_foreign() {
        let start = base();
        let nonces = nonces(1, start);
        let here = client("192.0.2.1:4000");
        let nonce = nonces.mint(start, here);
        for length in 0..nonce.len() {
            assert_eq!(nonces.judge(&nonce.as_bytes()[..length], start, here), Freshness::Foreign, "{length}");
        }
        for damaged in [format!("{nonce}0"), nonce.replace("AAAA", "AAAB"), nonce.to_uppercase()] {
            assert_eq!(nonces.judge(damaged.as_bytes(), start, here), Freshness::Foreign, "{damaged}");
        }
        assert_eq!(nonces.judge(&[0xff; 53], start, here), Freshness::Foreign);
    }

    #[test]
    fn nonce_starts_with_the_cookie_and_no_feature() {
        let nonce = nonces(1, base()).mint(base(), client("192.0.2.1:4000"));
        assert!(nonce.starts_with("obMatJos2AAAA"), "{nonce}");
    }

    fn nonces(seed: u8, epoch: Instant) -> Nonces {
        Nonces::new(&[seed; 32], epoch, Duration::from_secs(3600))
    }

    fn client(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
