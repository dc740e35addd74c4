//! What the program does when it is told something while it serves.

use std::time::Duration;

use dialtone_turn::Relay;
use tokio::time::{Instant, interval_at, sleep_until};
use tracing::{info, warn};

use crate::reload::reload;

/// How often to look whether the last allocation has ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often to say how many are left.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "there is only Ctrl-C"))]
enum Word {
    /// SIGINT, SIGTERM: stop.
    Stop,
    /// SIGUSR1: stop when the last allocation has ended.
    Drain,
    /// SIGHUP: read certificate, key and credentials again.
    Reload,
}

/// Why the relay is to serve no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A signal has stopped it.
    Stopped,
    /// One of its workers has failed.
    Failed,
}

/// Serves until a signal has stopped the relay, or it has failed; `wait` is how long a stop waits for allocations to
/// end.
pub(crate) async fn serve(relay: &Relay, signals: &mut Signals, wait: Duration) -> Ended {
    until(obey(relay, signals, wait), relay.failed()).await
}

/// Nobody waits for the allocations of a relay that has failed: it has none.
async fn until(stopped: impl Future<Output = ()>, failed: impl Future<Output = ()>) -> Ended {
    tokio::select! {
        biased;
        () = failed => Ended::Failed,
        () = stopped => Ended::Stopped,
    }
}

async fn obey(relay: &Relay, signals: &mut Signals, wait: Duration) {
    loop {
        match signals.next().await {
            Word::Stop if wait.is_zero() => return,
            Word::Stop => return drain(relay, signals, Some(wait)).await,
            Word::Drain => return drain(relay, signals, None).await,
            Word::Reload => reload(relay).await,
        }
    }
}

/// Makes no new allocations, and returns when the last one has ended, `limit` is over, or a signal says stop.
async fn drain(relay: &Relay, signals: &mut Signals, limit: Option<Duration>) {
    relay.drain();
    let start = Instant::now();
    info!(
        allocations = relay.live_allocations(),
        limit = limit.map(tracing::field::debug),
        "draining: no new allocations; a signal to stop ends this at once"
    );
    let mut look = interval_at(start + LOOK_EVERY, LOOK_EVERY);
    let mut tell = interval_at(start + TELL_EVERY, TELL_EVERY);
    let over = async {
        match limit {
            Some(limit) => sleep_until(start + limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    loop {
        tokio::select! {
            word = signals.next() => match word {
                Word::Stop => {
                    warn!(allocations = relay.live_allocations(), "stopped while draining");
                    return;
                }
                Word::Drain => {}
                Word::Reload => reload(relay).await,
            },
            _ = look.tick() => {
                if relay.live_allocations() == 0 {
                    info!("drained: the last allocation has ended");
                    return;
                }
            }
            _ = tell.tick() => info!(allocations = relay.live_allocations(), "still draining"),
            () = &mut over => {
                warn!(allocations = relay.live_allocations(), "the time to drain is over");
                return;
            }
        }
    }
}

#[cfg(unix)]
pub(crate) use self::unix::Signals;

#[cfg(unix)]
mod unix {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Word;

    /// The signals that the program listens to instead of dying from them.
    pub(crate) struct Signals {
        interrupt: Signal,
        terminate: Signal,
        user: Signal,
        hang_up: Signal,
    }

    impl Signals {
        /// From here on the system's own reaction to them is off.
        pub(crate) fn listen() -> io::Result<Self> {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                user: signal(SignalKind::user_defined1())?,
                hang_up: signal(SignalKind::hangup())?,
            })
        }

        /// The next one. Nothing is lost when this is dropped before.
        pub(super) async fn next(&mut self) -> Word {
            tokio::select! {
                _ = self.interrupt.recv() => Word::Stop,
                _ = self.terminate.recv() => Word::Stop,
                _ = self.user.recv() => Word::Drain,
                _ = self.hang_up.recv() => Word::Reload,
            }
        }
    }
}

#[cfg(not(unix))]
pub(crate) use self::other::Signals;

#[cfg(not(unix))]
mod other {
    use std::io;

    use super::Word;

    /// Ctrl-C.
    pub(crate) struct Signals;

    impl Signals {
        /// Nothing to prepare.
        pub(crate) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        /// The next one; where the system cannot tell, there is none.
        pub(super) async fn next(&mut self) -> Word {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Word::Stop,
                Err(_cannot_listen) => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn failure_ends_what_waits_for_a_signal_or_for_allocations() {
        assert_eq!(until(pending(), ready(())).await, Ended::Failed);
        assert_eq!(until(ready(()), ready(())).await, Ended::Failed);
        assert_eq!(until(ready(()), pending()).await, Ended::Stopped);
    }
}
