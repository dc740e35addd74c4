//! The thread that sends: stamps frames, keeps to rate and window, and groups packets of a flow into one call.

use std::io::{self, IoSlice};
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, sendmmsg};

use super::dialogue::CHANNEL;
use super::session::{Flow, HEADER, Progress, frame};
use super::stamp::Stamp;
use super::{LoadError, MAX_GROUP, Plan, Way, clock};

/// Longest datagram that the system may cut into segments, in bytes.
const LONGEST: usize = 65_000;
/// Longest sleep, so that the end is not missed.
const NAP: Duration = Duration::from_millis(20);
/// Sleep while the window is full: others have this CPU meanwhile, and the server still has work.
const WINDOW_NAP: Duration = Duration::from_micros(50);
/// A full window in which nothing has moved for this long is taken for lost.
const STALLED: Duration = Duration::from_millis(20);
/// Sends that fail one after the other before we give up.
const FAILURES: usize = 1000;

pub(super) struct Sender<'a> {
    plan: &'a Plan,
    flows: &'a [Flow],
    progress: &'a Progress,
    run: u32,
    base: Instant,
    until: Instant,
    gso: bool,
    numbers: Vec<[u64; 2]>,
    sent: [u64; 2],
    // Packets numbered so far: what the receiver's account is held against.
    numbered: u64,
    failures: usize,
    window: Window,
}

/// How much of what was sent is still under way.
struct Window {
    settled: u64,
    moved: Instant,
    forgiven: u64,
}

/// What one way sends again and again, and what it takes to send several at once.
struct Outgoing {
    way: Way,
    frame: usize,
    frames: Vec<u8>,
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        flows: &'a [Flow],
        progress: &'a Progress,
        (run, base): (u32, Instant),
        until: Instant,
        gso: bool,
    ) -> Self {
        Self {
            plan,
            flows,
            progress,
            run,
            base,
            until,
            gso,
            numbers: vec![[0; 2]; flows.len()],
            sent: [0; 2],
            numbered: 0,
            failures: 0,
            window: Window { settled: 0, moved: base, forgiven: 0 },
        }
    }

    /// Sends until it is time; tells how many packets went each way.
    pub(super) fn run(mut self) -> Result<[u64; 2], LoadError> {
        let begin = clock();
        let group = self.plan.pattern.group();
        let ways = self.plan.direction.ways();
        let mut outgoing: Vec<_> = ways.iter().map(|way| Outgoing::new(self.plan.payload, *way, group)).collect();
        let mut headers = MultiHeaders::<()>::preallocate(MAX_GROUP, None);
        let flows = self.flows;
        loop {
            for (index, flow) in flows.iter().enumerate() {
                for out in &mut outgoing {
                    let Some(now) = self.wait_for_turn(begin, group) else {
                        return Ok(self.sent);
                    };
                    self.stamp(out, index, now);
                    let result = if self.gso || group == 1 {
                        send_long(flow.source(out.way), out, self.gso)
                    } else {
                        send_many(flow.source(out.way), out, &mut headers)
                    };
                    self.note(out.way, result)?;
                }
            }
        }
    }

    /// Waits until `group` packets may go; `None` when the time is over.
    fn wait_for_turn(&mut self, begin: Instant, group: usize) -> Option<Instant> {
        loop {
            let now = clock();
            if now >= self.until {
                return None;
            }
            if let Some(early) = self.too_early(begin, now) {
                thread::sleep(early.min(NAP));
            } else if self.window_is_full(now, group as u64) {
                thread::sleep(WINDOW_NAP);
            } else {
                return Some(now);
            }
        }
    }

    fn too_early(&self, begin: Instant, now: Instant) -> Option<Duration> {
        let rate = self.plan.rate?;
        let due = begin + Duration::from_secs_f64(self.numbered as f64 / rate as f64);
        let early = due.saturating_duration_since(now);
        (!early.is_zero()).then_some(early)
    }

    fn window_is_full(&mut self, now: Instant, group: u64) -> bool {
        let Some(most) = self.plan.window else {
            return false;
        };
        let settled = self.progress.settled.load(Ordering::Relaxed);
        let window = &mut self.window;
        if settled != window.settled {
            window.settled = settled;
            window.moved = now;
        }
        let under_way = self.numbered.saturating_sub(settled + window.forgiven);
        if under_way == 0 {
            window.moved = now;
        }
        if under_way == 0 || under_way + group <= most {
            return false;
        }
        if now.saturating_duration_since(window.moved) < STALLED {
            return true;
        }
        window.forgiven = self.numbered.saturating_sub(settled);
        window.moved = now;
        false
    }

    fn stamp(&mut self, out: &mut Outgoing, index: usize, now: Instant) {
        let at = now.saturating_duration_since(self.base).as_nanos() as u64;
        let number = &mut self.numbers[index][out.way as usize];
        let head = out.frame - self.plan.payload;
        for frame in out.frames.chunks_exact_mut(out.frame) {
            Stamp { run: self.run, flow: index as u32, number: *number, at }.write(&mut frame[head..]);
            *number += 1;
            self.numbered += 1;
        }
    }

    fn note(&mut self, way: Way, result: io::Result<usize>) -> Result<(), LoadError> {
        match result {
            Ok(packets) => {
                self.sent[way as usize] += packets as u64;
                self.failures = 0;
                Ok(())
            }
            // A full queue, or news of an earlier datagram.
            Err(_) if self.failures < FAILURES => {
                self.failures += 1;
                Ok(())
            }
            Err(source) => Err(LoadError::Socket { what: "sending", source }),
        }
    }
}

impl Outgoing {
    fn new(payload: usize, way: Way, group: usize) -> Self {
        let frame = frame(payload, way);
        let mut one = vec![0x5a; frame];
        if way == Way::Up {
            one[..2].copy_from_slice(&CHANNEL.to_be_bytes());
            one[2..HEADER].copy_from_slice(&u16::try_from(payload).unwrap_or(u16::MAX).to_be_bytes());
        }
        Self { way, frame, frames: one.repeat(group) }
    }
}

/// One call for as many frames as fit a datagram that the system cuts up again; without that, for one.
fn send_long(socket: &UdpSocket, out: &Outgoing, gso: bool) -> io::Result<usize> {
    let together = if gso { (LONGEST / out.frame).clamp(1, MAX_GROUP) } else { 1 };
    let mut packets = 0;
    for part in out.frames.chunks(together * out.frame) {
        packets += socket.send(part)? / out.frame;
    }
    Ok(packets)
}

/// One call for all frames, each a datagram of its own.
fn send_many(socket: &UdpSocket, out: &Outgoing, headers: &mut MultiHeaders<()>) -> io::Result<usize> {
    let parts: Vec<[IoSlice<'_>; 1]> = out.frames.chunks(out.frame).map(|frame| [IoSlice::new(frame)]).collect();
    let connected: [Option<()>; MAX_GROUP] = [None; MAX_GROUP];
    let nothing: [ControlMessage<'_>; 0] = [];
    let sent = sendmmsg(socket.as_raw_fd(), headers, &parts, connected, nothing, MsgFlags::empty())?;
    Ok(sent.count())
}
