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
/// Each source has a bucket for each [`Kind`], so that nothing it can be made to lose by others takes away what it can
/// only lose itself.
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
    pub(super) fn admits(&self, now: Instant, ip: IpAddr, kind: Kind) -> bool {
        let Some(table) = &self.table else {
            return true;
        };
        let now = nanoseconds_since(table.epoch, now);
        advance(table.bucket(ip, kind), |state| table.limit.admit(state, now, 1))
    }

    /// True when [`SourceLimiter::admits`] would say so; nothing is counted.
    pub(super) fn has_room(&self, now: Instant, ip: IpAddr, kind: Kind) -> bool {
        let Some(table) = &self.table else {
            return true;
        };
        let now = nanoseconds_since(table.epoch, now);
        table.limit.admit(table.bucket(ip, kind).load(Relaxed), now, 1).is_some()
    }
}

/// What a source is limited in, by who can have sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Datagrams: anybody can have sent them, under whatever address.
    Datagrams,
    /// Requests over connections, whose other end is where it says it is.
    Streams,
    /// Failed logins with a fresh nonce, which only the holder of the address was told.
    Logins,
    /// Failed logins with an expired nonce, which an earlier holder of the address may have kept.
    StaleLogins,
}

impl Kind {
    /// Differs from that of the others, and in other bits than families do.
    fn mark(self) -> u64 {
        match self {
            Self::Datagrams => 0,
            Self::Streams => 0x100,
            Self::Logins => 0x200,
            Self::StaleLogins => 0x300,
        }
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
    /// 0 is no limit. Half a second's worth may come at once, and at least the longest packet.
    pub(super) fn new(bits_per_second: u64, epoch: Instant) -> Self {
        if bits_per_second == 0 {
            return Self { cap: None };
        }
        let bytes_per_second = (bits_per_second / 8).max(1);
        let limit = Limit::new(bytes_per_second, (bytes_per_second / 2).max(LONGEST_PACKET));
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

/// More than any packet has in bytes, with its headers: where this much may come at once, every one of them can pass.
pub(super) const LONGEST_PACKET: u64 = 65 << 10;
/// Bytes that a purse takes at most, unless one packet needs more.
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

    fn bucket(&self, ip: IpAddr, kind: Kind) -> &AtomicU64 {
        let (source, family) = source(ip);
        let [first, second, third, fourth] = self.keys;
        let mixed = fold(fold(source ^ first, second) ^ family ^ kind.mark() ^ third, fourth);
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
mod tests;
