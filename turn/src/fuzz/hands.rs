//! Hands that open imaginary sockets: at once, late, badly or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::relay::{OpenFailure, PortHint, RelayId};

/// The first port that relay sockets get.
const FIRST_PORT: u16 = 50_000;

#[derive(Debug, Default)]
pub(super) struct Hands {
    /// Relay sockets by worker.
    pub(super) open: BTreeMap<(usize, RelayId), SocketAddr>,
    /// Reserved sockets.
    pub(super) parked: BTreeMap<[u8; 8], Parked>,
    /// Sockets that are wanted and not yet dealt with.
    pub(super) pending: Vec<Pending>,
    pub(super) mood: Mood,
    /// Every id ever asked for.
    known: BTreeSet<(usize, RelayId)>,
}

/// A reserved socket.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) local: SocketAddr,
    /// Whose core reserved it.
    pub(super) worker: usize,
    /// For whom.
    pub(super) user: &'static str,
    pub(super) expires: Instant,
}

/// A socket that is wanted.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) worker: usize,
    pub(super) relay: RelayId,
    pub(super) want: Want,
    /// Which request wants it.
    pub(super) opening: usize,
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Want {
    Open {
        bind: IpAddr,
        port: PortHint,
    },
    /// A socket that was parked.
    Adopt {
        local: SocketAddr,
    },
}

impl Want {
    /// The name that a second socket is to be kept under.
    pub(super) fn token(&self) -> Option<[u8; 8]> {
        match self {
            Self::Open { port: PortHint::EvenAndNext { token }, .. } => Some(*token),
            Self::Open { port: PortHint::Any | PortHint::Even, .. } | Self::Adopt { .. } => None,
        }
    }
}

/// How the hands deal with the sockets that are wanted from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Prompt,
    /// Some steps later, in any order, or not before the end. Packets between the cores take their time too.
    Late,
    /// Always like this.
    Always(How),
    /// One for each request.
    OneOnly,
}

impl Mood {
    pub(super) fn of(value: u8) -> Self {
        match value % 9 {
            0..=2 => Self::Prompt,
            3 | 4 => Self::Late,
            5 => Self::Always(How::NoPort),
            6 => Self::Always(How::NoAddress),
            7 => Self::Always(How::Clash),
            _ => Self::OneOnly,
        }
    }

    /// What becomes of a request's socket with this number; `None` is nothing for now.
    pub(super) fn how(self, number: usize) -> Option<How> {
        match self {
            Self::Prompt => Some(How::Well),
            Self::Late => None,
            Self::Always(how) => Some(how),
            Self::OneOnly => Some(if number == 0 { How::Well } else { How::NoAddress }),
        }
    }
}

/// What becomes of one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Well,
    NoPort,
    NoAddress,
    /// It gets a port that another socket has on another address.
    Clash,
}

impl How {
    pub(super) fn of(value: u8) -> Self {
        match value % 8 {
            5 => Self::NoPort,
            6 => Self::NoAddress,
            7 => Self::Clash,
            _ => Self::Well,
        }
    }
}

impl Hands {
    /// Notes an id; false when it was known.
    #[must_use]
    pub(super) fn meet(&mut self, worker: usize, relay: RelayId) -> bool {
        self.known.insert((worker, relay))
    }

    /// Opens a socket or takes over a parked one. What is to be parked with it is, for `user` until `expires`.
    pub(super) fn carry_out(
        &mut self,
        pending: &Pending,
        how: How,
        user: &'static str,
        expires: Instant,
    ) -> Result<SocketAddr, OpenFailure> {
        let clashes = match how {
            How::Well => false,
            How::Clash => true,
            How::NoPort => return Err(OpenFailure::NoPort),
            How::NoAddress => return Err(OpenFailure::NoAddress),
        };
        let worker = pending.worker;
        let local = match pending.want {
            Want::Adopt { local } => local,
            Want::Open { bind, port } => {
                let number = self.taken_port(port).filter(|_| clashes).unwrap_or_else(|| self.free_port(port));
                SocketAddr::new(bind, number)
            }
        };
        if let Some(token) = pending.want.token() {
            let next = SocketAddr::new(local.ip(), local.port() + 1);
            self.parked.insert(token, Parked { local: next, worker, user, expires });
        }
        self.open.insert((worker, pending.relay), local);
        Ok(local)
    }

    /// The lowest port that will do, so that ports are soon used again.
    fn free_port(&self, hint: PortHint) -> u16 {
        let fits = |port: &u16| match hint {
            PortHint::Any => !self.is_taken(*port),
            PortHint::Even => port.is_multiple_of(2) && !self.is_taken(*port),
            PortHint::EvenAndNext { .. } => {
                port.is_multiple_of(2) && !self.is_taken(*port) && !self.is_taken(*port + 1)
            }
        };
        (FIRST_PORT..u16::MAX).find(fits).expect("a dialogue has fewer sockets than there are ports")
    }

    /// A port that is somebody's; for a pair, one whose next is, where there is such a one.
    fn taken_port(&self, hint: PortHint) -> Option<u16> {
        let mut taken = self.locals().map(|local| local.port());
        match hint {
            PortHint::Any | PortHint::Even => taken.next(),
            PortHint::EvenAndNext { .. } => {
                let next = self.locals().map(|local| local.port()).find(|port| !port.is_multiple_of(2));
                next.map(|port| port - 1).or_else(|| taken.next())
            }
        }
    }

    fn is_taken(&self, port: u16) -> bool {
        self.locals().any(|local| local.port() == port)
    }

    /// Every socket there is.
    fn locals(&self) -> impl Iterator<Item = SocketAddr> {
        let adopted = self.pending.iter().filter_map(|pending| match pending.want {
            Want::Adopt { local } => Some(local),
            Want::Open { .. } => None,
        });
        self.open.values().copied().chain(self.parked.values().map(|parked| parked.local)).chain(adopted)
    }
}
