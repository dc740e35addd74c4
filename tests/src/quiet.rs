//! One test alone on the machine, where a measurement must not be disturbed by others.
//!
//! Tests run beside each other, each on a thread of its own. From the first thing that it starts here until its thread
//! ends, a test counts as busy. Whoever wants to be alone waits until nobody is, and nobody begins before it is done.

use std::cell::RefCell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Held by a test that is alone.
#[derive(Debug)]
#[must_use = "others begin as soon as it is dropped"]
pub struct Alone(());

/// Waits until no other test is busy, and keeps others from beginning. It takes as long as the others take to end, each
/// of which has limits of its own.
///
/// # Panics
/// When the test has started something already: two such tests would wait for each other.
pub fn alone() -> Alone {
    let has_begun = BUSY.with_borrow(Option::is_some);
    assert!(!has_begun, "a test asks to be alone before it starts anything");
    let mut tests = lock();
    tests.waiting += 1;
    let mut tests = wait_while(tests, |tests| tests.alone || tests.busy > 0);
    tests.waiting -= 1;
    tests.alone = true;
    tests.begin();
    Alone(())
}

/// The test on this thread is busy from now on, after one that is alone. Does nothing where it is busy already, and on
/// threads that a test has made: its own one counts for them.
pub fn busy() {
    if BUSY.with_borrow(Option::is_some) || !is_test() {
        return;
    }
    // Those who wait to be alone go first; else there might always be somebody.
    wait_while(lock(), |tests| tests.alone || tests.waiting > 0).begin();
}

#[derive(Debug)]
struct Tests {
    busy: usize,
    waiting: usize,
    alone: bool,
}

static TESTS: Mutex<Tests> = Mutex::new(Tests { busy: 0, waiting: 0, alone: false });
static CHANGED: Condvar = Condvar::new();

thread_local! {
    static BUSY: RefCell<Option<Busy>> = const { RefCell::new(None) };
}

/// Kept by a thread, which drops it with its end.
struct Busy;

impl Tests {
    /// The test on this thread begins. Where all tests share one thread, none ever ends, and none is beside another.
    fn begin(&mut self) {
        if is_test() {
            self.busy += 1;
            BUSY.set(Some(Busy));
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        lock().busy -= 1;
        CHANGED.notify_all();
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        lock().alone = false;
        CHANGED.notify_all();
    }
}

/// Tests are in modules, and their threads have the names of their paths; no other thread here has such a name.
fn is_test() -> bool {
    thread::current().name().is_some_and(|name| name.contains("::"))
}

fn lock() -> MutexGuard<'static, Tests> {
    TESTS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_while(tests: MutexGuard<'static, Tests>, is_to_wait: impl Fn(&Tests) -> bool) -> MutexGuard<'static, Tests> {
    CHANGED.wait_while(tests, |tests| is_to_wait(tests)).unwrap_or_else(PoisonError::into_inner)
}
