//! Calls that are fine on a machine that has no time.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dialtone_tests::peer_cli;

const BUSY: usize = 4;
const CALLS: usize = 6;

#[test]
fn calls_on_a_busy_machine_are_never_blamed() {
    let _alone = super::alone();
    let over = AtomicBool::new(false);
    let calls: Vec<_> = thread::scope(|scope| {
        for _ in 0..BUSY {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    spin_loop();
                }
            });
        }
        let _end = Over(&over);
        (0..CALLS).map(|_| peer_cli(["call", "--duration", "3s", "--json"])).collect()
    });
    let codes: Vec<&str> = calls.iter().map(|call| call.text("/verdict/code")).collect();
    assert_eq!(
        codes,
        ["OK"; CALLS],
        "{}",
        calls.iter().map(|call| call.stderr.as_str()).collect::<Vec<_>>().join("\n")
    );
}

/// Ends the busy threads, also where a call breaks the test.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
