use super::*;

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_frame_leaves_after_the_delay_and_not_before() {
    let (start, mut wire) = wire(Faults { delay: 50 * MS, ..Faults::default() });
    wire.take(start, Way::There, b"one");
    wire.take(start + MS, Way::Back, b"two");
    assert_eq!(wire.due(), Some(start + 50 * MS));
    assert_eq!(wire.poll(start + 49 * MS), None);
    assert_eq!(wire.poll(start + 50 * MS), Some((Way::There, b"one".to_vec())));
    assert_eq!(wire.poll(start + 50 * MS), None);
    assert_eq!(wire.poll(start + 51 * MS), Some((Way::Back, b"two".to_vec())));
    assert_eq!(wire.due(), None);
}

#[test]
fn without_faults_frames_leave_at_once_in_their_order() {
    let (start, mut wire) = wire(Faults::default());
    for number in 0..100 {
        wire.take(start, Way::There, &[number]);
    }
    assert_eq!(drain(&mut wire, start), (0..100).collect::<Vec<_>>());
}

#[test]
fn jitter_shakes_the_time_within_its_bounds_and_keeps_the_order() {
    let (start, mut wire) = wire(Faults { delay: 50 * MS, jitter: 10 * MS, ..Faults::default() });
    let mut delays = Vec::new();
    for number in 0..200 {
        let now = start + u32::from(number) * 100 * MS;
        wire.take(now, Way::There, &[number]);
        let due = wire.due().unwrap();
        assert!((now + 40 * MS..=now + 60 * MS).contains(&due));
        delays.push(due - now);
        assert_eq!(drain(&mut wire, due), [number]);
    }
    assert!(delays.iter().any(|delay| *delay < 42 * MS) && delays.iter().any(|delay| *delay > 58 * MS));
    let end = start + 30_000 * MS;
    for number in 0..200 {
        wire.take(end, Way::There, &[number]);
    }
    assert_eq!(drain(&mut wire, end + 60 * MS), (0..200).collect::<Vec<_>>());
}

#[test]
fn jitter_larger_than_the_delay_never_reaches_into_the_past() {
    let (start, mut wire) = wire(Faults { delay: MS, jitter: 10 * MS, ..Faults::default() });
    for _ in 0..100 {
        wire.take(start, Way::There, b"x");
        assert!(wire.due().unwrap() >= start);
    }
}

#[test]
fn a_reordered_frame_overtakes_those_that_wait_and_does_not_hold_up_the_next() {
    let (start, mut wire) = wire(Faults { delay: 50 * MS, reorder: percent(20.0), ..Faults::default() });
    for number in 0..200 {
        wire.take(start, Way::There, &[number]);
    }
    let early = drain(&mut wire, start);
    assert_eq!(u64::try_from(early.len()).unwrap(), wire.counts(Way::There).overtaken);
    assert!((20..60).contains(&early.len()), "{}", early.len());
    let late = drain(&mut wire, start + 50 * MS);
    assert!(late.is_sorted() && early.is_sorted());
    assert_eq!(early.len() + late.len(), 200);
}

#[test]
fn shares_come_true_and_are_counted_by_way() {
    let faults = Faults { loss: percent(10.0), duplicate: percent(5.0), ..Faults::default() };
    let (start, mut wire) = wire(faults);
    let mut sent = 0;
    for _ in 0..10_000 {
        wire.take(start, Way::Back, b"x");
        sent += drain(&mut wire, start).len();
    }
    let counts = wire.counts(Way::Back);
    assert_eq!(counts.received, 10_000);
    assert!((900..1100).contains(&counts.lost), "{counts:?}");
    assert!((380..520).contains(&counts.duplicated), "{counts:?}");
    assert_eq!(u64::try_from(sent).unwrap(), counts.received - counts.lost + counts.duplicated);
    assert_eq!(wire.counts(Way::There), Counts::default());
}

#[test]
fn all_or_nothing_is_exact() {
    let (start, mut wire) = wire(Faults { loss: percent(100.0), ..Faults::default() });
    for _ in 0..1000 {
        wire.take(start, Way::There, b"x");
    }
    assert_eq!(wire.counts(Way::There).lost, 1000);
    assert_eq!((Share::of_percent(-0.1), Share::of_percent(100.1), Share::of_percent(f64::NAN)), (None, None, None));
}

#[test]
fn what_finds_no_room_is_counted_as_our_own_fault() {
    let (start, mut wire) = wire(Faults { delay: MS, ..Faults::default() });
    wire.room = 3;
    for number in 0..5 {
        wire.take(start, Way::There, &[number]);
    }
    assert_eq!(wire.counts(Way::There), Counts { received: 5, overflowed: 2, ..Counts::default() });
    assert_eq!(drain(&mut wire, start + MS), [0, 1, 2]);
}

#[test]
fn the_same_seed_decides_the_same_way() {
    let faults = || Faults { delay: 5 * MS, jitter: 5 * MS, loss: percent(50.0), ..Faults::default() };
    let start = instant();
    let run = |seed| {
        let mut wire = Wire::new(faults(), seed);
        (0..100).for_each(|number| wire.take(start, Way::There, &[number]));
        drain(&mut wire, start + 20 * MS)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

fn wire(faults: Faults) -> (Instant, Wire) {
    (instant(), Wire::new(faults, 1))
}

fn percent(percent: f64) -> Share {
    Share::of_percent(percent).unwrap()
}

/// The first byte of each frame that is due.
fn drain(wire: &mut Wire, now: Instant) -> Vec<u8> {
    std::iter::from_fn(|| wire.poll(now)).map(|(_, frame)| frame[0]).collect()
}

fn instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a brain is told the time, and a test begins somewhere")]
    Instant::now()
}
