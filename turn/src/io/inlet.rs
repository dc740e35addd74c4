//! Datagrams taken from a socket many at a time, and cut where the system had put several of one flow together (GRO).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};

/// Messages taken with one system call. Each may be a whole train of datagrams.
const MESSAGES: usize = if BATCH_SIZE < 16 { BATCH_SIZE } else { 16 };
/// Longest message there is: one datagram, or several of one flow together.
const MESSAGE: usize = 65_536;
/// Messages asked for at first. Most sockets have one, and room for a second shows that it was the last.
const FIRST: usize = if MESSAGES < 2 { MESSAGES } else { 2 };
/// True where one system call takes many messages, so that fewer than asked for are all there were.
const TAKES_MANY: bool =
    cfg!(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd"));

/// The buffers of one worker, filled by [`Inlet::receive`] and read by [`Inlet::datagrams`].
#[derive(Debug)]
pub(super) struct Inlet {
    state: UdpSocketState,
    bytes: Vec<u8>,
    meta: [RecvMeta; MESSAGES],
    filled: usize,
}

/// One datagram as it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagram<'a> {
    /// Who sent it.
    pub(super) from: SocketAddr,
    /// To which of our addresses, where the system tells.
    pub(super) to: Option<IpAddr>,
    pub(super) bytes: &'a [u8],
}

/// What a call to [`Inlet::receive`] shows of its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Nothing is left; the poll will tell when there is.
    Empty,
    /// There may be more.
    More,
}

impl Inlet {
    pub(super) fn new(state: UdpSocketState) -> Self {
        Self { state, bytes: vec![0; MESSAGES * MESSAGE], meta: [RecvMeta::default(); MESSAGES], filled: 0 }
    }

    /// Takes what waits at `socket`; `deep` where there was more than expected the last time.
    pub(super) fn receive(&mut self, socket: &UdpSocket, deep: bool) -> Level {
        self.filled = 0;
        let mut rest = self.bytes.chunks_exact_mut(MESSAGE);
        let mut slices: [IoSliceMut<'_>; MESSAGES] =
            std::array::from_fn(|_| IoSliceMut::new(rest.next().unwrap_or_default()));
        let wanted = if deep { MESSAGES } else { FIRST };
        let (state, meta) = (&self.state, &mut self.meta);
        match socket.try_io(|| state.recv(socket.into(), &mut slices[..wanted], &mut meta[..wanted])) {
            Ok(count) => {
                self.filled = count;
                if TAKES_MANY && count < wanted { Level::Empty } else { Level::More }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Level::Empty,
            // An earlier datagram came back: no reason to stop listening.
            Err(error) => {
                tracing::trace!(%error, "receiving failed");
                Level::More
            }
        }
    }

    /// What the last call took, in the order it came.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let messages = self.bytes.chunks_exact(MESSAGE).zip(&self.meta).take(self.filled);
        messages.flat_map(|(bytes, meta)| {
            let bytes = bytes.get(..meta.len).unwrap_or_default();
            // An empty datagram is one all the same.
            let empty = bytes.is_empty().then_some(bytes);
            let cut = bytes.chunks(meta.stride.max(1)).chain(empty);
            cut.map(|bytes| Datagram { from: meta.addr, to: meta.dst_ip, bytes })
        })
    }
}
