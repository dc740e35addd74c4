//! How much may pass in a second: requests of one source, bytes of one allocation, bytes of the whole relay.
//!
//! All three are the generic cell rate algorithm: a bucket's whole state is the time at which it will have run out
//! again if nothing more comes, so that it fits one atomic number and an untouched bucket costs nothing.

use std::array;
use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use ring::hmac;

/// A rate and how much may come at once; the state of a bucket lives with the caller and starts at 0.
///
/// States count sixteenths of a nanosecond, because at 10 Gbit/s a byte takes less than one nanosecond. They last
/// for 36 years after the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    units_per_second: u64,
    /// How far a state may lie ahead of the present, in ticks.
    tolerance: u64,
}

/// Steps of a state in one nanosecond.
const TICKS_PER_NANOSECOND: u64 = 16;
/// Steps of a state in one second.
const TICKS_PER_SECOND: u64 = TICKS_PER_NANOSECOND * 1_000_000_000;

impl Limit {
    /// `units_per_second` is at least 1 (0 counts as 1); what asks for more than `burst_units` at once never passes.
    pub(super) fn new(units_per_second: u64, burst_units: u64) -> Self {
        let units_per_second = units_per_second.max(1);
        Self { units_per_second, tolerance: ticks(burst_units, units_per_second) }
    }

    /// The bucket's new state when `units` may pass `now_ns` nanoseconds after the epoch, or `None` when there is no
    /// room for them.
    ///
    /// In any stretch of time, what passes is at most the burst and what the rate gives for that stretch and one tick.
    pub(super) fn admit(&self, state: u64, now_ns: u64, units: u64) -> Option<u64> {
        let now = now_ns.saturating_mul(TICKS_PER_NANOSECOND);
        let next = state.max(now).saturating_add(ticks(units, self.units_per_second));
        (next - now <= self.tolerance).then_some(next)
    }
}

/// Nanoseconds from `epoch` to `now`; 0 when `now` is the earlier one.
pub(super) fn nanoseconds_since(epoch: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(epoch).as_nanos()).unwrap_or(u64::MAX)
}

/// Limits the answers to sources that have not proved who they are: an IPv4 address, or an IPv6 network of 64 bits.
///
/// Nothing is remembered of a source but the bucket it falls into, and several may share one. Which ones is not for
/// a stranger to know, who could otherwise exhaust a chosen one's bucket from other addresses.
pub(super) struct SourceLimiter {
    /// `None` lets everything pass.
    table: Option<Table>,
}

impl SourceLimiter {
    /// `per_second` requests pass, twice as many at once; 0 is no limit. `seed` is secret.
    pub(super) fn new(per_second: u32, seed: &[u8; 32], epoch: Instant) -> Self {
        Self { table: (per_second > 0).then(|| Table::new(u64::from(per_second), seed, epoch)) }
    }

    /// True when one more request of `ip` may be answered; it is counted then.
    pub(super) fn admits(&self, now: Instant, ip: IpAddr) -> bool {
        let Some(table) = &self.table else {
            return true;
        };
        let now = nanoseconds_since(table.epoch, now);
        advance(table.bucket(ip), |state| table.limit.admit(state, now, 1))
    }
}

impl fmt::Debug for SourceLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceLimiter(***)")
    }
}

/// What all cores together may relay in one direction.
#[derive(Debug)]
pub(super) struct SharedBudget {
    /// `None` lets everything pass.
    cap: Option<Cap>,
}

impl SharedBudget {
    /// 0 is no limit. Half a second's worth may come at once, and at least the longest datagram.
    pub(super) fn new(bits_per_second: u64, epoch: Instant) -> Self {
        if bits_per_second == 0 {
            return Self { cap: None };
        }
        let bytes_per_second = (bits_per_second / 8).max(1);
        let limit = Limit::new(bytes_per_second, (bytes_per_second / 2).max(LARGEST_CHUNK));
        let chunk = (bytes_per_second / CHUNKS_PER_SECOND).clamp(1, LARGEST_CHUNK);
        Self { cap: Some(Cap { limit, chunk, epoch, state: AtomicU64::new(0) }) }
    }
}

#[derive(Debug)]
struct Cap {
    limit: Limit,
    /// Bytes that a purse takes at a time.
    chunk: u64,
    epoch: Instant,
    state: AtomicU64,
}

/// More than any datagram, so that every one of them can pass.
const LARGEST_CHUNK: u64 = 64 << 10;
/// A small budget is shared out in this many portions, so that no core sits on much of it.
const CHUNKS_PER_SECOND: u64 = 64;

/// What one core has taken out of a [`SharedBudget`] and not spent yet, always less than one chunk. With it, the
/// cores meet once in many packets. One purse belongs to one budget.
#[derive(Debug, Default)]
pub(super) struct Purse {
    /// Bytes.
    left: u64,
}

impl Purse {
    /// True when `bytes` may pass; they are counted then.
    pub(super) fn spend(&mut self, budget: &SharedBudget, now: Instant, bytes: u64) -> bool {
        let Some(cap) = &budget.cap else {
            return true;
        };
        if let Some(left) = self.left.checked_sub(bytes) {
            self.left = left;
            return true;
        }
        let missing = bytes - self.left;
        let now = nanoseconds_since(cap.epoch, now);
        // Where no whole chunk is to be had, what this packet lacks may be.
        for taken in [cap.chunk.max(missing), missing] {
            if advance(&cap.state, |state| cap.limit.admit(state, now, taken)) {
                self.left = taken - missing;
                return true;
            }
        }
        false
    }
}

/// The buckets of all sources. A page is made when the first source falls into it: 2 KiB for the first source, never
/// more than [`LARGEST_TABLE`] for all of them.
struct Table {
    limit: Limit,
    epoch: Instant,
    keys: [u64; 4],
    pages: Box<[OnceLock<Box<Page>>; PAGES]>,
}

type Page = [AtomicU64; SLOTS];

/// Pages in a table: a byte's worth.
const PAGES: usize = 256;
/// Buckets in a page: a byte's worth.
const SLOTS: usize = 256;
/// Bytes that a table may grow to.
const LARGEST_TABLE: usize = 600 << 10;
const _: () = assert!(PAGES * (size_of::<OnceLock<Box<Page>>>() + size_of::<Page>()) <= LARGEST_TABLE);

impl Table {
    fn new(per_second: u64, seed: &[u8; 32], epoch: Instant) -> Self {
        Self {
            limit: Limit::new(per_second, 2 * per_second),
            epoch,
            keys: keys(seed),
            pages: Box::new(array::from_fn(|_| OnceLock::new())),
        }
    }

    fn bucket(&self, ip: IpAddr) -> &AtomicU64 {
        let (source, family) = source(ip);
        let [first, second, third, fourth] = self.keys;
        let mixed = fold(fold(source ^ first, second) ^ family ^ third, fourth);
        let [page, slot, ..] = mixed.to_le_bytes();
        let page = self.pages[usize::from(page)].get_or_init(|| Box::new(array::from_fn(|_| AtomicU64::new(0))));
        &page[usize::from(slot)]
    }
}

/// Who counts as one source, and a number that keeps IPv4 and IPv6 apart. A mapped IPv4 address is an IPv4 address.
fn source(ip: IpAddr) -> (u64, u64) {
    match ip.to_canonical() {
        IpAddr::V4(ip) => (u64::from(ip.to_bits()), 4),
        IpAddr::V6(ip) => ((ip.to_bits() >> 64) as u64, 6),
    }
}

/// A key of its own, so that what is seen here tells nothing about nonces.
fn keys(seed: &[u8; 32]) -> [u64; 4] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, seed), b"sources");
    let mut keys = [0; 4];
    let (chunks, _) = tag.as_ref().as_chunks::<8>();
    for (key, chunk) in keys.iter_mut().zip(chunks) {
        *key = u64::from_be_bytes(*chunk);
    }
    keys
}

/// Multiplies to 128 bits and lays the two halves over each other.
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product >> 64) as u64 ^ product as u64
}

/// Ticks that `units` take at a rate, rounded up. Exact in any case, and without a wide division for all that a
/// packet can hold.
fn ticks(units: u64, units_per_second: u64) -> u64 {
    match units.checked_mul(TICKS_PER_SECOND) {
        Some(product) => product.div_ceil(units_per_second),
        None => {
            let product = u128::from(units) * u128::from(TICKS_PER_SECOND);
            u64::try_from(product.div_ceil(u128::from(units_per_second))).unwrap_or(u64::MAX)
        }
    }
}

/// Moves a state on unless `step` refuses. The states guard no other memory, so their order among other things does
/// not matter.
fn advance(state: &AtomicU64, step: impl Fn(u64) -> Option<u64>) -> bool {
    let mut current = state.load(Relaxed);
    while let Some(next) = step(current) {
        match state.compare_exchange_weak(current, next, Relaxed, Relaxed) {
            Ok(_) => return true,
            Err(other) => current = other,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn burst_passes_at_once_and_then_one_unit_in_its_time() {
        let limit = Limit::new(500, 1000);
        let mut state = 0;
        for _ in 0..1000 {
            state = limit.admit(state, 0, 1).unwrap();
        }
        assert_eq!(limit.admit(state, 0, 1), None);
        assert_eq!(limit.admit(state, 1_999_999, 1), None);
        state = limit.admit(state, 2_000_000, 1).unwrap();
        assert_eq!(limit.admit(state, 2_000_000, 1), None);
        // Two seconds of silence fill the bucket, and more silence does not overfill it.
        let later = 60_000_000_000;
        state = limit.admit(state, later, 1000).unwrap();
        assert_eq!(limit.admit(state, later, 1), None);
    }

    #[test]
    fn more_than_the_burst_never_passes_and_nothing_always_does() {
        let limit = Limit::new(1000, 10);
        assert_eq!(limit.admit(0, u64::MAX / 32, 11), None);
        let full = limit.admit(0, 5, 10).unwrap();
        assert_eq!(limit.admit(full, 5, 0), Some(full));
    }

    #[test]
    fn hundred_gigabits_are_told_from_a_little_more() {
        // 12.5 bytes in a nanosecond: 100 bytes take 8 ns.
        let limit = Limit::new(12_500_000_000, 100);
        let mut state = limit.admit(0, 0, 100).unwrap();
        for round in 1..=1000 {
            assert_eq!(limit.admit(state, 8 * round - 1, 100), None);
            state = limit.admit(state, 8 * round, 100).unwrap();
        }
    }

    #[test]
    fn extreme_numbers_are_survived() {
        assert_eq!(Limit::new(0, 1), Limit::new(1, 1));
        assert!(Limit::new(u64::MAX, u64::MAX).admit(0, 0, u64::MAX).is_some());
        assert!(Limit::new(1, u64::MAX).admit(u64::MAX, u64::MAX, u64::MAX).is_some());
        assert_eq!(Limit::new(1, 1).admit(0, 0, u64::MAX), None);
    }

    #[test]
    fn source_gets_two_seconds_worth_at_once_and_others_their_own() {
        let start = base();
        let limiter = SourceLimiter::new(500, &[1; 32], start);
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let admitted = (0..2000).filter(|_| limiter.admits(start, one)).count();
        assert_eq!(admitted, 1000);
        assert!(limiter.admits(start, other));
        let later = start + Duration::from_secs(1);
        let admitted = (0..2000).filter(|_| limiter.admits(later, one)).count();
        assert_eq!(admitted, 500);
    }

    #[test]
    fn ipv6_network_is_one_source() {
        let start = base();
        let limiter = SourceLimiter::new(1, &[2; 32], start);
        let admits = |ip: &str| limiter.admits(start, ip.parse().unwrap());
        assert!(admits("2001:db8:0:1::1") && admits("2001:db8:0:1:ffff::2"));
        assert!(!admits("2001:db8:0:1::3"));
        assert!(admits("2001:db8:0:2::1"));
        assert!(admits("198.51.100.7") && admits("::ffff:198.51.100.7"));
        assert!(!admits("198.51.100.7"));
        assert!(admits("::ffff:198.51.100.8"));
    }

    #[test]
    fn zero_is_no_limit_and_no_table() {
        let start = base();
        let limiter = SourceLimiter::new(0, &[3; 32], start);
        assert!(limiter.table.is_none());
        assert!((0..100_000).all(|_| limiter.admits(start, IpAddr::V4(Ipv4Addr::LOCALHOST))));
        let budget = SharedBudget::new(0, start);
        assert!(Purse::default().spend(&budget, start, u64::MAX));
    }

    #[test]
    fn time_before_the_epoch_is_its_beginning() {
        let start = base();
        let limiter = SourceLimiter::new(1, &[4; 32], start + Duration::from_secs(10));
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(limiter.admits(start, ip) && limiter.admits(start, ip));
        assert!(!limiter.admits(start + Duration::from_secs(10), ip));
        assert!(limiter.admits(start + Duration::from_secs(11), ip));
    }

    #[test]
    fn sources_spread_over_the_table_and_pages_are_made_when_needed() {
        let start = base();
        let table = Table::new(1, &[5; 32], start);
        let made = || table.pages.iter().filter(|page| page.get().is_some()).count();
        assert_eq!(made(), 0);
        table.bucket(IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(made(), 1);
        for number in 0..65_536_u32 {
            let bucket = table.bucket(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)));
            bucket.fetch_add(1, Relaxed);
        }
        assert_eq!(made(), PAGES);
        let counts: Vec<u64> = table
            .pages
            .iter()
            .filter_map(OnceLock::get)
            .flat_map(|page| page.iter())
            .map(|n| n.load(Relaxed))
            .collect();
        assert_eq!(counts.len(), PAGES * SLOTS);
        // As many sources as buckets: by chance about 37 of 100 buckets stay empty, and hardly one gets a dozen.
        let empty = counts.iter().filter(|count| **count == 0).count();
        assert!((22_000..27_000).contains(&empty), "{empty} empty buckets");
        assert!(counts.iter().all(|count| *count < 16));
    }

    #[test]
    fn another_seed_puts_sources_elsewhere() {
        let start = base();
        let place = |seed: u8| {
            let table = Table::new(1, &[seed; 32], start);
            table.bucket(IpAddr::V4(Ipv4Addr::LOCALHOST)).store(1, Relaxed);
            let page = table.pages.iter().position(|page| page.get().is_some()).unwrap();
            let slot = table.pages[page].get().unwrap().iter().position(|slot| slot.load(Relaxed) == 1).unwrap();
            (page, slot)
        };
        let places: Vec<_> = (0..8).map(place).collect();
        assert!(places.iter().any(|other| *other != places[0]));
        assert_eq!(place(0), places[0]);
    }

    #[test]
    fn threads_at_one_source_get_exactly_the_burst() {
        let start = base();
        let limiter = SourceLimiter::new(1000, &[6; 32], start);
        let ip = IpAddr::from([203, 0, 113, 9]);
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..1000).filter(|_| limiter.admits(start, ip)).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 2000);
    }

    #[test]
    fn budget_is_spent_to_the_last_byte_and_comes_back_at_its_rate() {
        let start = base();
        // 1,000,000 bytes in a second, half of them at once.
        let budget = SharedBudget::new(8_000_000, start);
        let (mut one, mut other) = (Purse::default(), Purse::default());
        assert!(one.spend(&budget, start, 1));
        let others = (0..1000).filter(|_| other.spend(&budget, start, 1000)).count();
        // The first purse holds 15,624 bytes: it took a chunk of 15,625 and spent one.
        assert_eq!(one.left, 15_624);
        assert_eq!(others, 484);
        assert_eq!(other.left, 500_000 - 15_625 - 484_000);
        assert!(one.spend(&budget, start, 15_624));
        assert!(!one.spend(&budget, start, 1));
        assert!(one.spend(&budget, start + Duration::from_micros(1), 1));
        assert!(!one.spend(&budget, start + Duration::from_micros(1), 1));
    }

    #[test]
    fn longest_datagram_fits_the_smallest_budget() {
        let start = base();
        let budget = SharedBudget::new(1, start);
        let mut purse = Purse::default();
        assert!(purse.spend(&budget, start, 65_535));
        assert!(purse.spend(&budget, start, 1));
        assert!(!purse.spend(&budget, start, 1));
        assert!(purse.spend(&budget, start + Duration::from_secs(1), 1));
    }

    proptest! {
        #[test]
        fn no_window_lets_more_through_than_burst_and_rate(
            rate in prop_oneof![1_u64..=10_000, 100_000_000_u64..=20_000_000_000],
            burst in 1_u64..=5000,
            steps in proptest::collection::vec((0_u64..=20_000, 1_u64..=1500), 1..80),
        ) {
            let limit = Limit::new(rate, burst);
            // A step is a part of the time that one unit takes, so that buckets are about empty at any rate.
            let scale = (1_000_000_000 / rate).max(1);
            let (mut now, mut state, mut passed) = (0, 0, Vec::new());
            for (gap, units) in steps {
                now += gap * scale / 16;
                if let Some(next) = limit.admit(state, now, units) {
                    state = next;
                    passed.push((now, units));
                }
            }
            for (first, (from, _)) in passed.iter().enumerate() {
                let mut sum = 0_u64;
                for (to, units) in &passed[first..] {
                    sum += units;
                    prop_assert!(fits(sum, burst, rate, to - from), "{sum} units in {} ns", to - from);
                }
            }
        }

        #[test]
        fn two_purses_spend_no_more_than_the_budget_and_what_they_held(
            bits in 1000_u64..=50_000_000,
            steps in proptest::collection::vec((any::<bool>(), 0_u64..=20_000, 1_u64..=1500), 1..200),
        ) {
            let start = base();
            let budget = SharedBudget::new(bits, start);
            let (rate, chunk) = (bits / 8, budget.cap.as_ref().unwrap().chunk);
            let burst = (rate / 2).max(LARGEST_CHUNK);
            let mut purses = [Purse::default(), Purse::default()];
            let (mut now, mut passed) = (0, Vec::new());
            for (second, gap, bytes) in steps {
                now += gap * 1000;
                if purses[usize::from(second)].spend(&budget, start + Duration::from_nanos(now), bytes) {
                    passed.push((now, bytes));
                }
                prop_assert!(purses.iter().all(|purse| purse.left < chunk));
            }
            for (first, (from, _)) in passed.iter().enumerate() {
                // Purses are empty at the beginning of all things.
                let (held, from) = if first == 0 { (0, 0) } else { (2 * chunk, *from) };
                let mut sum = 0_u64;
                for (to, bytes) in &passed[first..] {
                    sum += bytes;
                    prop_assert!(fits(sum, burst + held, rate, to - from), "{sum} bytes in {} ns", to - from);
                }
            }
        }
    }

    /// At most the burst and what the rate gives, and what it gives in one tick.
    fn fits(units: u64, burst: u64, rate: u64, window_ns: u64) -> bool {
        let ticks = u128::from(window_ns) * u128::from(TICKS_PER_NANOSECOND) + 1;
        let surplus = u128::from(units.saturating_sub(burst));
        surplus * u128::from(TICKS_PER_SECOND) <= u128::from(rate) * ticks
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }
}
