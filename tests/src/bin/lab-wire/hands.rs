//! The hands: two raw sockets, the clock, and the signals that end it.

use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvfrom, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeSpec;

use crate::args::Args;
use crate::wire::{Way, Wire};

/// What the kernel keeps for us while we are not looking, in bytes, where it lets us have that much.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Larger than any frame, even one that a sender left to the hardware to cut.
const LARGEST: usize = 1 << 17;
/// Frames taken from one end before the other one gets its turn.
const TURN: usize = 64;
/// `PACKET_OUTGOING` of packet(7): what this machine sends itself.
const OUTGOING: u8 = 4;

/// Carries frames until a signal ends it.
///
/// # Errors
///
/// When an interface cannot be used, or the counters cannot be written.
pub(crate) fn carry(args: &Args) -> io::Result<()> {
    let signals = signals()?;
    let [first, second] = &args.ends;
    let mut ends = [End::open(first)?, End::open(second)?];
    let mut wire = Wire::new(args.faults.clone(), args.seed);
    let mut buffer = vec![0; LARGEST];
    tell(None, "lab-wire ready")?;
    loop {
        while let Some((way, frame)) = wire.poll(now()) {
            ends[way.to()].send(&frame);
        }
        let wait = wire.due().map(|due| TimeSpec::from_duration(due.saturating_duration_since(now())));
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut waiting =
            [readable(ends[0].socket.as_fd()), readable(ends[1].socket.as_fd()), readable(signals.as_fd())];
        match ppoll(&mut waiting, wait, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        for way in [Way::There, Way::Back] {
            for _ in 0..TURN {
                let Some(length) = ends[way.from()].receive(&mut buffer)? else { break };
                wire.take(now(), way, &buffer[..length]);
            }
        }
        let Some(signal) = signals.read_signal()? else { continue };
        tell(args.stats.as_deref(), &stats(&wire, &ends))?;
        if signal.ssi_signo.cast_signed() != Signal::SIGUSR1 as i32 {
            return Ok(());
        }
    }
}

/// One end of the cable.
#[derive(Debug)]
struct End {
    name: String,
    index: usize,
    socket: OwnedFd,
    /// What the interface had received before we looked.
    before: u64,
    received: u64,
    sent: u64,
    /// What the kernel did not take from us.
    refused: u64,
}

impl End {
    fn open(name: &str) -> io::Result<Self> {
        let link = link(name)?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
            .map_err(|error| named("a raw socket is refused; it needs CAP_NET_RAW", error))?;
        bind(socket.as_raw_fd(), &link).map_err(|error| named(name, error))?;
        // Only the real root may go beyond net.core.rmem_max.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        }
        let before = arrived(name)?;
        Ok(Self { name: name.to_owned(), index: link.ifindex(), socket, before, received: 0, sent: 0, refused: 0 })
    }

    /// The length of the next frame that came in from outside; `None` when there is none for now.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let (length, from) = match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), buffer) {
                Ok(received) => received,
                Err(Errno::EAGAIN) => return Ok(None),
                // The interface was down for a moment.
                Err(Errno::EINTR | Errno::ENETDOWN) => continue,
                Err(error) => return Err(named(&self.name, error)),
            };
            // Before it was bound, the socket heard every interface; and it hears what the machine sends.
            if from.is_some_and(|from| from.ifindex() == self.index && from.pkttype() != OUTGOING) {
                self.received += 1;
                return Ok(Some(length));
            }
        }
    }

    fn send(&mut self, frame: &[u8]) {
        match send(self.socket.as_raw_fd(), frame, MsgFlags::empty()) {
            Ok(_) => self.sent += 1,
            Err(_) => self.refused += 1,
        }
    }

    /// Frames that the interface had for us and we never saw.
    fn missed(&self) -> u64 {
        arrived(&self.name).map_or(0, |arrived| arrived.saturating_sub(self.before + self.received))
    }
}

/// The counters as one line of JSON.
fn stats(wire: &Wire, ends: &[End; 2]) -> String {
    let way = |way: Way| {
        let counts = wire.counts(way);
        let (from, to) = (&ends[way.from()], &ends[way.to()]);
        format!(
            r#"{{"received":{},"sent":{},"lost":{},"duplicated":{},"overtaken":{},"own":{}}}"#,
            counts.received,
            to.sent,
            counts.lost,
            counts.duplicated,
            counts.overtaken,
            counts.overflowed + to.refused + from.missed(),
        )
    };
    format!(r#"{{"there":{},"back":{}}}"#, way(Way::There), way(Way::Back))
}

/// To a file, or to standard output.
fn tell(file: Option<&Path>, line: &str) -> io::Result<()> {
    match file {
        // A reader sees the old file or the new one.
        Some(file) => {
            let fresh = file.with_extension("new");
            std::fs::write(&fresh, format!("{line}\n"))?;
            std::fs::rename(fresh, file)
        }
        None => writeln!(io::stdout(), "{line}"),
    }
}

/// Those that are handled, to be read like any input.
fn signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1] {
        set.add(signal);
    }
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

/// The address of an interface at the link layer.
fn link(name: &str) -> io::Result<LinkAddr> {
    let mut links = getifaddrs()?.filter(|each| each.interface_name == name);
    let found = links.find_map(|each| each.address?.as_link_addr().copied());
    found.ok_or_else(|| named(name, io::Error::from(io::ErrorKind::NotFound)))
}

/// How many frames ever came to an interface, as the kernel counts them (proc(5), `/proc/net/dev`).
fn arrived(name: &str) -> io::Result<u64> {
    let all = std::fs::read_to_string("/proc/self/net/dev")?;
    let mut lines = all.lines().filter_map(|line| line.split_once(':'));
    let packets = lines.find(|(interface, _)| interface.trim() == name).and_then(|(_, columns)| {
        let packets = columns.split_whitespace().nth(1)?;
        packets.parse().ok()
    });
    packets.ok_or_else(|| named(name, io::Error::from(io::ErrorKind::NotFound)))
}

fn named(what: &str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "the hands read the clock for the brain")]
fn now() -> Instant {
    Instant::now()
}
