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
    let admitted = (0..2000).filter(|_| limiter.admits(start, one, Kind::Datagrams)).count();
    assert_eq!(admitted, 1000);
    assert!(limiter.admits(start, other, Kind::Datagrams));
    let later = start + Duration::from_secs(1);
    let admitted = (0..2000).filter(|_| limiter.admits(later, one, Kind::Datagrams)).count();
    assert_eq!(admitted, 500);
}

#[test]
fn each_kind_has_its_own_bucket() {
    let start = base();
    let limiter = SourceLimiter::new(1, &[1; 32], start);
    let ip = IpAddr::from([192, 0, 2, 1]);
    for kind in [Kind::Datagrams, Kind::Streams, Kind::Logins, Kind::StaleLogins] {
        assert!(limiter.admits(start, ip, kind) && limiter.admits(start, ip, kind), "{kind:?}");
        assert!(!limiter.admits(start, ip, kind), "{kind:?}");
    }
}

#[test]
fn asking_for_room_takes_nothing() {
    let start = base();
    let limiter = SourceLimiter::new(1, &[1; 32], start);
    let ip = IpAddr::from([192, 0, 2, 1]);
    assert!((0..100).all(|_| limiter.has_room(start, ip, Kind::Logins)));
    assert!(limiter.admits(start, ip, Kind::Logins) && limiter.admits(start, ip, Kind::Logins));
    assert!(!limiter.has_room(start, ip, Kind::Logins));
    assert!(limiter.has_room(start, ip, Kind::Datagrams));
    assert!(limiter.has_room(start + Duration::from_secs(1), ip, Kind::Logins));
    assert!(SourceLimiter::new(0, &[1; 32], start).has_room(start, ip, Kind::Logins), "no limit");
}

#[test]
fn ipv6_network_is_one_source() {
    let start = base();
    let limiter = SourceLimiter::new(1, &[2; 32], start);
    let admits = |ip: &str| limiter.admits(start, ip.parse().unwrap(), Kind::Streams);
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
    assert!((0..100_000).all(|_| limiter.admits(start, IpAddr::V4(Ipv4Addr::LOCALHOST), Kind::Datagrams)));
    let budget = SharedBudget::new(0, start);
    assert!(Purse::default().spend(&budget, start, u64::MAX));
}

#[test]
fn time_before_the_epoch_is_its_beginning() {
    let start = base();
    let limiter = SourceLimiter::new(1, &[4; 32], start + Duration::from_secs(10));
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert!(limiter.admits(start, ip, Kind::Datagrams) && limiter.admits(start, ip, Kind::Datagrams));
    assert!(!limiter.admits(start + Duration::from_secs(10), ip, Kind::Datagrams));
    assert!(limiter.admits(start + Duration::from_secs(11), ip, Kind::Datagrams));
}

#[test]
fn sources_spread_over_the_table_and_pages_are_made_when_needed() {
    let start = base();
    let table = Table::new(1, &[5; 32], start);
    let made = || table.pages.iter().filter(|page| page.get().is_some()).count();
    assert_eq!(made(), 0);
    table.bucket(IpAddr::V4(Ipv4Addr::LOCALHOST), Kind::Datagrams);
    assert_eq!(made(), 1);
    for number in 0..65_536_u32 {
        let bucket = table.bucket(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)), Kind::Datagrams);
        bucket.fetch_add(1, Relaxed);
    }
    assert_eq!(made(), PAGES);
    let counts: Vec<u64> =
        table.pages.iter().filter_map(OnceLock::get).flat_map(|page| page.iter()).map(|n| n.load(Relaxed)).collect();
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
        table.bucket(IpAddr::V4(Ipv4Addr::LOCALHOST), Kind::Datagrams).store(1, Relaxed);
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
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..1000).filter(|_| limiter.admits(start, ip, Kind::Datagrams)).count()))
            .collect();
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
fn longest_packet_fits_the_smallest_budget() {
    let start = base();
    let budget = SharedBudget::new(1, start);
    let mut purse = Purse::default();
    // The longest payload there is, and the headers that are charged with it.
    assert!(purse.spend(&budget, start, 65_535 + 28));
    assert!(purse.spend(&budget, start, LONGEST_PACKET - 65_535 - 28 - 1));
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
        let burst = (rate / 2).max(LONGEST_PACKET);
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
