//! Calls that are fine on a machine that has no time, or has it and loses it again.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use dialtone_tests::{alone, now, peer_cli};

/// Threads that take the machine's time, each in bursts of its own: sometimes there is none at work, sometimes all are.
const THREADS: u64 = 6;
const CALLS: usize = 6;
/// How long a burst takes, and how long the rest after it, in milliseconds. A picture comes every 33, and 250 is what a
/// receiver waits for a packet.
const BURST_MS: (u64, u64) = (5, 500);
const REST_MS: (u64, u64) = (5, 250);

#[test]
fn calls_on_a_busy_machine_are_never_blamed() {
    let _alone = alone();
    let load = Load::default();
    let calls: Vec<_> = thread::scope(|scope| {
        for seed in 1..=THREADS {
            let load = &load;
            scope.spawn(move || load.come_and_go(seed));
        }
        let _end = Over(&load.over);
        (0..CALLS).map(|_| peer_cli(["call", "--duration", "3s", "--json"])).collect()
    });
    let codes: Vec<&str> = calls.iter().map(|call| call.text("/verdict/code")).collect();
    let said = calls.iter().map(|call| call.stderr.as_str()).collect::<Vec<_>>().join("\n");
    assert_eq!(codes, ["OK"; CALLS], "{said}");
    // Each call takes three seconds and more, and a burst with its rest half of one at most on average.
    let bursts = load.bursts.load(Ordering::Relaxed);
    assert!(bursts >= THREADS * 3 * CALLS as u64, "the machine had time: {bursts} bursts");
}

/// What is done to the machine.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    bursts: AtomicU64,
}

impl Load {
    /// Bursts and rests of lengths that follow from the seed, until it is over.
    fn come_and_go(&self, seed: u64) {
        let mut dice = seed;
        while !self.over.load(Ordering::Relaxed) {
            let burst = roll(&mut dice, BURST_MS);
            let until = now() + burst;
            while now() < until && !self.over.load(Ordering::Relaxed) {
                spin_loop();
            }
            self.bursts.fetch_add(1, Ordering::Relaxed);
            thread::park_timeout(roll(&mut dice, REST_MS));
        }
    }
}

/// A time between two bounds in milliseconds, by a linear congruential generator (Knuth's MMIX).
fn roll(dice: &mut u64, (least, most): (u64, u64)) -> Duration {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    Duration::from_millis(least + (*dice >> 33) % (most - least + 1))
}

/// Ends the bursts, also where a call breaks the test.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
