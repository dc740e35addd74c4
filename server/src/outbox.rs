//! The way from the hub to one connection: bounded, and never waiting for the reader.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::events::Event;

/// A queue of events for one connection. The hub pushes without waiting; a reader that falls too far behind is cut.
#[derive(Debug)]
pub(crate) struct Outbox {
    limit: usize,
    /// Another connection has taken the session over; this one acts for it no longer.
    ousted: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Event>,
    /// Bytes in the queue.
    queued: usize,
    /// Bytes that were taken and are not written yet.
    taken: usize,
    overflowed: bool,
    waker: Option<Waker>,
}

/// The reader is too far behind; what was queued is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Outbox {
    /// An empty outbox that holds `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ousted: AtomicBool::new(false), state: Mutex::default() }
    }

    /// Adds an event and wakes the reader.
    pub(crate) fn push(&self, event: Event) {
        if matches!(event, Event::TakenOver) {
            self.ousted.store(true, Ordering::Release);
        }
        let mut state = self.lock();
        if state.overflowed {
            return;
        }
        let weight = event.weight();
        // A single event always finds room: it may be larger than what is left, not larger than a frame.
        if state.queued + state.taken + weight > self.limit && state.queued + state.taken > 0 {
            state.overflowed = true;
            state.queue = VecDeque::new();
        } else {
            state.queued += weight;
            state.queue.push_back(event);
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether another connection has taken the session over, even if this one has not read that yet.
    pub(crate) fn is_ousted(&self) -> bool {
        self.ousted.load(Ordering::Acquire)
    }

    /// Moves what is queued to the empty `into`; gives whether there was anything. `all_written`: of what was taken
    /// before, nothing waits for the reader.
    pub(crate) fn take(&self, into: &mut VecDeque<Event>, all_written: bool) -> Result<bool, TooSlow> {
        let mut state = self.lock();
        state.waker = None;
        if all_written {
            state.taken = 0;
        }
        if state.overflowed {
            return Err(TooSlow);
        }
        if state.queue.is_empty() {
            return Ok(false);
        }
        std::mem::swap(&mut state.queue, into);
        if state.queue.capacity() > IDLE_CAPACITY {
            state.queue = VecDeque::new();
        }
        state.taken += std::mem::take(&mut state.queued);
        Ok(true)
    }

    /// All that was taken is written.
    pub(crate) fn written(&self) {
        self.lock().taken = 0;
    }

    /// Ready when there is something to take.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.overflowed || !state.queue.is_empty() {
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Ready when the reader was cut; for a writer that is stuck.
    pub(crate) fn poll_overflow(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.overflowed {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Queues larger than this are given back after a burst, so that an idle connection stays small.
pub(crate) const IDLE_CAPACITY: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::room;

    fn event(length: usize) -> Event {
        Event::Members { room: room("r"), body: vec![b'x'; length].into() }
    }

    fn poll(outbox: &Outbox) -> Poll<()> {
        outbox.poll_ready(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn slow_reader_is_cut() {
        let outbox = Outbox::new(4 * 1256);
        let mut taken = VecDeque::new();
        for _ in 0..4 {
            outbox.push(event(1000));
        }
        assert_eq!(outbox.take(&mut taken, false), Ok(true));
        assert_eq!(taken.len(), 4);
        outbox.push(event(0));
        assert_eq!(outbox.take(&mut taken, false), Err(TooSlow), "what is taken but not written counts too");
        assert_eq!(poll(&outbox), Poll::Ready(()));
    }

    #[test]
    fn a_reader_that_keeps_up_is_never_cut() {
        let outbox = Outbox::new(4 * 1256);
        for _ in 0..100 {
            assert_eq!(poll(&outbox), Poll::Pending);
            outbox.push(event(1000));
            outbox.push(event(1000));
            assert_eq!(poll(&outbox), Poll::Ready(()));
            let mut taken = VecDeque::new();
            assert_eq!(outbox.take(&mut taken, false), Ok(true));
            assert_eq!(taken, [event(1000), event(1000)]);
            assert_eq!(outbox.take(&mut VecDeque::new(), false), Ok(false));
            outbox.written();
        }
    }

    #[test]
    fn one_event_larger_than_the_limit_still_passes() {
        let outbox = Outbox::new(100);
        outbox.push(event(1000));
        assert_eq!(outbox.take(&mut VecDeque::new(), false), Ok(true));
    }
}
