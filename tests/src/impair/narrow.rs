//! A line that carries only so much.

use std::time::{Duration, Instant};

use super::{Fate, Packet};

/// What UDP (8) and IPv4 (20) put before each datagram; a line carries that too.
const HEADERS: usize = 28;

/// A token bucket with a bounded queue in front of it (RFC 3290 section 5.2): what finds tokens goes on at once, what
/// does not waits for its turn, and what finds the queue full is lost (tail drop).
///
/// It decides and keeps nothing but two times: the datagrams themselves wait in the wire. One is for one direction.
#[derive(Debug, Clone)]
pub struct Narrow {
    limit: Option<u32>,
    bucket: usize,
    queue: usize,
    /// When the bucket would be full again, if nothing more came.
    full_at: Option<Instant>,
    /// When the last one that was taken leaves.
    last_leaves: Option<Instant>,
}

impl Narrow {
    /// A line of `bits_per_second`, the headers of UDP and IP included. Of those that have waited for nothing, `bucket`
    /// bytes in a row go on at once; `queue` bytes may wait.
    pub fn new(bits_per_second: u32, bucket: usize, queue: usize) -> Self {
        Self { limit: Some(bits_per_second.max(1)), bucket, queue, full_at: None, last_leaves: None }
    }

    /// From now on it carries whatever comes; what waits keeps its time, and what comes stays behind it.
    pub fn widen(&mut self) {
        self.limit = None;
    }

    /// What becomes of a datagram that comes now.
    pub fn fate(&mut self, packet: &Packet) -> Fate {
        self.take(packet.at, packet.length)
    }

    /// The same for any `length` in bytes, without headers.
    pub fn take(&mut self, at: Instant, length: usize) -> Fate {
        let last_leaves = self.last_leaves.unwrap_or(at).max(at);
        let leaves = match self.limit {
            None => last_leaves,
            Some(limit) => {
                let full_at = self.full_at.unwrap_or(at).max(at) + time_for(length + HEADERS, limit);
                // The bucket may be empty, and no emptier: it has to have so much in it by then.
                let leaves = earlier(full_at, time_for(self.bucket, limit)).max(last_leaves);
                if leaves - at > time_for(self.queue, limit) {
                    return Fate::Drop;
                }
                self.full_at = Some(full_at);
                leaves
            }
        };
        self.last_leaves = Some(leaves);
        Fate::Delay(leaves - at)
    }
}

fn time_for(bytes: usize, bits_per_second: u32) -> Duration {
    Duration::from_secs_f64(bytes as f64 * 8.0 / f64::from(bits_per_second))
}

/// An instant before the machine began stands for that beginning: it is over anyway.
fn earlier(at: Instant, by: Duration) -> Instant {
    at.checked_sub(by).unwrap_or(at)
}
