//! The script of the page, and the policy that lets this script run and nothing else.

/// A crosshair over all plots; the page is complete without it.
pub(super) const SCRIPT: &str = include_str!("script.js");

/// SHA-256 of [`SCRIPT`] in base64, by which the policy knows it (Content Security Policy Level 3, section 2.3.1). A test
/// tells the new one when the script has changed.
const DIGEST: &str = "MfClaV9dma4OUtwj+OlimcSG2POc1ejKWqYEvxgd9qQ=";

/// The policy: nothing is fetched from anywhere.
pub(super) fn policy() -> String {
    format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{DIGEST}'; base-uri 'none'; \
         form-action 'none'"
    )
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_policy_knows_this_very_script() {
        assert_eq!(STANDARD.encode(sha256(SCRIPT.as_bytes())), DIGEST, "the left one is the digest of script.js");
        assert_eq!(STANDARD.encode(sha256(b"abc")), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn the_script_cannot_end_its_element() {
        assert!(!SCRIPT.to_lowercase().contains("</script") && !SCRIPT.contains("<!--"));
    }

    /// FIPS 180-4, section 6.2; the constants of 4.2.2 and 5.3.3 are roots of the first primes.
    fn sha256(message: &[u8]) -> Vec<u8> {
        let primes: Vec<u32> = (2..312_u32).filter(|n| (2..*n).all(|d| !n.is_multiple_of(d))).collect();
        // The first 32 bits behind the point, found by comparing whole numbers.
        let root = |prime: u32, power: u32| -> u32 {
            let scaled = u128::from(prime) << (32 * power);
            let (mut low, mut high) = (0_u128, 1_u128 << 40);
            while high - low > 1 {
                let middle = (low + high) / 2;
                if middle.pow(power) <= scaled { low = middle } else { high = middle }
            }
            low as u32
        };
        let k: Vec<u32> = primes.iter().take(64).map(|prime| root(*prime, 3)).collect();
        let mut state: Vec<u32> = primes.iter().take(8).map(|prime| root(*prime, 2)).collect();

        let mut padded = message.to_vec();
        padded.push(0x80);
        padded.resize(padded.len().next_multiple_of(64), 0);
        if message.len() % 64 >= 56 {
            padded.resize(padded.len() + 64, 0);
        }
        let end = padded.len();
        padded[end - 8..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());

        for block in padded.chunks_exact(64) {
            let mut w: Vec<u32> =
                block.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
            for t in 16..64 {
                let (a, b) = (w[t - 15], w[t - 2]);
                let s0 = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
                let s1 = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
                w.push(w[t - 16].wrapping_add(s0).wrapping_add(w[t - 7]).wrapping_add(s1));
            }
            let mut v = state.clone();
            for (k, w) in k.iter().zip(&w) {
                let s1 = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
                let choice = (v[4] & v[5]) ^ (!v[4] & v[6]);
                let first = v[7].wrapping_add(s1).wrapping_add(choice).wrapping_add(*k).wrapping_add(*w);
                let s0 = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
                let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
                v.rotate_right(1);
                v[4] = v[4].wrapping_add(first);
                v[0] = first.wrapping_add(s0).wrapping_add(majority);
            }
            state.iter_mut().zip(v).for_each(|(sum, value)| *sum = sum.wrapping_add(value));
        }
        state.iter().flat_map(|word| word.to_be_bytes()).collect()
    }
}
