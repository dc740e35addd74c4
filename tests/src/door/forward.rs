//! A TCP port that leads to another one, behind which a server can be exchanged.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Door, LOOK_EVERY, Visit};
use crate::impair::Way;
use crate::{LIMIT, now};

/// Leads every connection to a server and keeps its own address when that server is another one: so nobody has to get a
/// port back that was free for a moment. It reads what passes, and changes nothing.
#[derive(Debug)]
pub struct Forward {
    door: Door,
    path: Arc<Path>,
}

struct Path {
    state: Mutex<State>,
    changed: Condvar,
    watch: Mutex<Box<Watch>>,
}

/// Where it leads, and how many bytes have passed, up and down.
#[derive(Debug, Default)]
struct State {
    target: Option<SocketAddr>,
    up: u64,
    down: u64,
}

type Watch = dyn FnMut(usize, Way, &[u8]) + Send;

impl Forward {
    /// A free port of this machine that leads to `target`.
    pub fn to(target: SocketAddr) -> Self {
        Self::watching(target, |_, _, _| {})
    }

    /// The same; `watch` is shown what passes, piece by piece: the number of the connection, from 0, and which way.
    pub fn watching(target: SocketAddr, watch: impl FnMut(usize, Way, &[u8]) + Send + 'static) -> Self {
        let path = Arc::new(Path {
            state: Mutex::new(State { target: Some(target), ..State::default() }),
            changed: Condvar::new(),
            watch: Mutex::new(Box::new(watch)),
        });
        let led = Arc::clone(&path);
        Self { door: Door::open(move |visit| led.lead(&visit)), path }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Leads new connections there; `None`: they are closed at once.
    pub fn lead_to(&self, target: Option<SocketAddr>) {
        lock(&self.path.state).target = target;
    }

    /// How many bytes have passed that way, of all connections.
    pub fn passed(&self, way: Way) -> u64 {
        lock(&self.path.state).passed(way)
    }

    /// Waits until so many `more` bytes than now have passed each way.
    pub fn wait_for(&self, more: u64) {
        let mut state = lock(&self.path.state);
        let wanted = [Way::Up, Way::Down].map(|way| state.passed(way) + more);
        let deadline = now() + LIMIT;
        while [Way::Up, Way::Down].into_iter().zip(wanted).any(|(way, wanted)| state.passed(way) < wanted) {
            let left = deadline.saturating_duration_since(now());
            assert!(
                !left.is_zero(),
                "within {LIMIT:?} only this has passed, and {wanted:?} were waited for: {state:?}"
            );
            state = self.path.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn passed(&self, way: Way) -> u64 {
        match way {
            Way::Up => self.up,
            Way::Down => self.down,
        }
    }
}

impl Path {
    /// One connection from its beginning to its end. A server that is not there ends it at once.
    fn lead(&self, visit: &Visit) {
        let Some(target) = lock(&self.state).target else { return };
        let Ok(server) = TcpStream::connect(target) else { return };
        for stream in [&visit.stream, &server] {
            let set = stream.set_read_timeout(Some(LOOK_EVERY)).and_then(|()| stream.set_write_timeout(Some(LIMIT)));
            if set.and_then(|()| stream.set_nodelay(true)).is_err() {
                return;
            }
        }
        thread::scope(|scope| {
            scope.spawn(|| self.carry(visit, Way::Down, &server, &visit.stream));
            self.carry(visit, Way::Up, &visit.stream, &server);
        });
    }

    /// Until one side has ended, which ends the other one too.
    fn carry(&self, visit: &Visit, way: Way, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        while !visit.is_closing() {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    let piece = &buffer[..length];
                    (*lock(&self.watch))(visit.number, way, piece);
                    if to.write_all(piece).is_err() {
                        break;
                    }
                    self.count(way, length as u64);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        for stream in [from, to] {
            // One that is gone already needs no end.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn count(&self, way: Way, bytes: u64) {
        let mut state = lock(&self.state);
        match way {
            Way::Up => state.up += bytes,
            Way::Down => state.down += bytes,
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Path").field("state", &self.state).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
