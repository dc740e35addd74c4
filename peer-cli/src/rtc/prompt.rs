//! A runtime whose driver looks again before it sleeps.
//!
//! The stack's driver hands packets for the TURN relay to its TURN client *after* it has emptied that client's queue, and
//! then sleeps until something else wakes it: every relayed packet leaves one pass late, every answer to one two passes.
//! On a quiet connection that is tens of milliseconds, and more than a second for the DTLS handshake. So in the driver's
//! own task the first two sleeps after a real wake return at once. Its timers compare with the clock, so an early look
//! does nothing but look.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use webrtc::runtime::Runtime;

use super::layer::{Boxed, Layer};

tokio::task_local! {
    /// Set in the driver's task alone: sleeps elsewhere are time limits and must last.
    static DRIVER: ();
}

/// Looks after each real wake.
const LOOKS: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Prompt {
    looks: Arc<AtomicU8>,
}

impl Layer for Prompt {
    fn task(&self, future: Boxed<'static, ()>) -> Boxed<'static, ()> {
        Box::pin(DRIVER.scope((), future))
    }

    fn pause(&self, inner: &dyn Runtime, duration: Duration) -> Boxed<'static, ()> {
        if DRIVER.try_with(|()| ()).is_err() {
            return inner.sleep(duration);
        }
        let look = self.looks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let timer: Boxed<'static, ()> = if look { Box::pin(ready(())) } else { inner.sleep(duration) };
        Box::pin(Nap { timer, look, over: false, looks: Arc::clone(&self.looks) })
    }
}

/// One sleep of the driver.
struct Nap {
    timer: Boxed<'static, ()>,
    look: bool,
    over: bool,
    looks: Arc<AtomicU8>,
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.timer.as_mut().poll(cx);
        self.over |= polled.is_ready();
        polled
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        // Anything but a look that went its way was a real wake: a packet, an event, a timer.
        if !(self.look && self.over) {
            self.looks.store(LOOKS, Ordering::Relaxed);
        }
    }
}
